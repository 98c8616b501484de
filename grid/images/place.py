"""A layer put in its place on a chain: where its paths really are, and what it hides of the layers below."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping

import numpy as np

from grid.images.columns import LANGUAGE, NO_HASHES, Hashes, Ints, Layer, Work, ancestors, holds
from grid.paths import path_hash, path_hashes

MAX_LINKS = 40
"""Links followed for one path, as in Linux; a path that needs more is taken as written."""

Redirects = Mapping[str, str]
"""Directory of a layer → where it really is, for those where a link was followed."""
LinkAt = Callable[[str], str | None]
"""Real path → target of the symbolic link that is there in a view, or None."""


def join(directory: str, name: str) -> str:
    """``directory/name``, where "" is the root."""
    return f"{directory}/{name}" if directory else name


def real_dir(redirects: Redirects, directory: str) -> str:
    """Where a directory of the layer really is: by the longest of its prefixes that was redirected."""
    if not redirects:
        return directory
    head = directory
    while head:
        real = redirects.get(head)
        if real is not None:
            return join(real, directory[len(head) + 1 :]) if len(head) < len(directory) else real
        head = head.rpartition("/")[0]
    return directory


def real_path(redirects: Redirects, path: str) -> str:
    """Where an entry really is: its parent's place, and its own name."""
    if not redirects:
        return path
    parent, _, name = path.rpartition("/")
    return join(real_dir(redirects, parent), name)


def names(redirects: Redirects, real: str) -> Iterator[str]:
    """The names by which a layer with these redirects can mean the place ``real``."""
    if real_path(redirects, real) == real:
        yield real
    for directory, place in redirects.items():
        if not place or real.startswith(place + "/"):
            name = join(directory, real[len(place) + 1 :] if place else real)
            if real_path(redirects, name) == real:
                yield name


def follow(directory: str, target: str, link_at: LinkAt) -> str | None:
    """The real path of a link's target, read in ``directory``; None if that takes more than MAX_LINKS links."""
    real = [] if target.startswith("/") else [part for part in directory.split("/") if part]
    pending = target.split("/")[::-1]
    budget = MAX_LINKS - 1
    while pending:
        part = pending.pop()
        if part in ("", "."):
            continue
        if part == "..":
            del real[-1:]
            continue
        here = "/".join([*real, part])
        further = link_at(here)
        if further is None:
            real.append(part)
            continue
        if budget == 0:
            return None
        budget -= 1
        if further.startswith("/"):
            real = []
        pending.extend(further.split("/")[::-1])
    return "/".join(real)


def redirect(directory: str, redirects: dict[str, str], link_at: LinkAt) -> None:
    """Look at one more directory (parents before children) and note it in ``redirects`` if a link leads elsewhere."""
    parent, _, name = directory.rpartition("/")
    above = real_dir(redirects, parent)
    here = join(above, name)
    target = link_at(here)
    real = None if target is None else follow(above, target, link_at)
    if real is not None and real != here:
        redirects[directory] = real


def redirect_all(directories: Iterable[str], link_at: LinkAt) -> dict[str, str]:
    """Those of ``directories`` (parents before children) that are elsewhere, with their real places."""
    redirects: dict[str, str] = {}
    for directory in directories:
        redirect(directory, redirects, link_at)
    return redirects


class Placed:
    """A layer on a chain. Where no link is followed it is the same on every chain, and shared by all.

    Facts are numbered in the order of their real paths.
    """

    def __init__(
        self,
        number: int,
        layer: Layer,
        redirects: Redirects | None = None,
        opened: Redirects | None = None,
        folded: Redirects | None = None,
    ) -> None:
        """``redirects`` is for entries, ``opened`` for whiteouts, ``folded`` for the files of OS packages."""
        self.number = number
        self.layer = layer
        self.redirects: Redirects = redirects or {}
        paths = layer.paths()
        self.flags = layer.flags
        self._raw: list[str] | None = None
        if self.redirects:
            real = [real_path(self.redirects, path) for path in paths]
            order = sorted(range(len(paths)), key=real.__getitem__)
            self._raw = [paths[n] for n in order]
            paths = [real[n] for n in order]
            self.flags = layer.flags[np.array(order, dtype=np.int64)]
        self._real = paths if self.redirects else None
        self.facts = len(paths)
        self._rank(paths)
        self._own_files(paths, folded or {})
        self.links: dict[str, str] = {real_path(self.redirects, p): t for p, t in layer.targets.items()}
        self.link_hashes = np.sort(path_hashes(self.links)) if self.redirects else layer.link_hashes
        self.implied = frozenset(real_dir(self.redirects, d) for d in layer.implied)
        self.implied_hashes: Hashes = np.sort(path_hashes(self.implied)) if self.implied else NO_HASHES
        self.covers: dict[str, tuple[str, str]] = {
            (real_dir if kind == "opaque" else real_path)(opened or {}, path): (kind, path)
            for kind, path in layer.covers
        }  # where both are, the whiteout is left: it takes away more
        self.cover_hashes: Hashes = np.sort(path_hashes(self.covers)) if self.covers else NO_HASHES
        self.distros = {real_path(self.redirects, p): fact for p, fact in layer.distros.items()}

    def _rank(self, paths: list[str]) -> None:
        """``at``: sorted hashes of fact paths and all their ancestors, each with its range of facts."""
        spans: dict[str, list[int]] = {}
        open_dirs: list[tuple[str, list[int]]] = []  # those that the path at hand lies in, outermost first
        for fact, path in enumerate(paths):
            while open_dirs and not path.startswith(open_dirs[-1][0]):
                open_dirs.pop()[1][1] = fact - 1
            at = path.find("/", len(open_dirs[-1][0]) if open_dirs else 0)
            while at > 0:
                span = spans.setdefault(path[:at], [fact, fact])
                open_dirs.append((path[: at + 1], span))
                at = path.find("/", at + 1)
            spans.setdefault(path, [fact, fact])[1] = fact
        for _, span in open_dirs:
            span[1] = len(paths) - 1
        own = frozenset(paths)
        if paths:
            spans[""] = [0, len(paths) - 1]
        hashes = path_hashes(spans)
        order = hashes.argsort()
        self.at: Hashes = hashes[order]
        self.spans: Ints = np.array(list(spans.values()), dtype=np.int64).reshape(-1, 2)[order]
        mine = np.fromiter((path in own for path in spans), dtype=np.bool_, count=len(spans))[order]
        self.own: Hashes = self.at[mine]
        self.own_spans: Ints = self.spans[mine]

    def _own_files(self, paths: list[str], folded: Redirects) -> None:
        """``languages``: hashes of language records. ``owned``: hashes of the files that OS packages own."""
        found = np.flatnonzero(self.flags & LANGUAGE)
        hashes = path_hashes(paths[n] for n in found.tolist()) if len(found) else NO_HASHES
        order = hashes.argsort()
        self.languages: Hashes = hashes[order]
        self.language_facts = found[order].tolist()
        self.owned: Hashes = NO_HASHES
        self.owners: list[tuple[int, str]] = []
        """For each of ``owned``: the fact that is the OS package's record, and the package."""
        if not self.layer.owned:
            return
        records = {path: n for n, path in enumerate(paths if self._raw is None else self._raw)}
        hashes = path_hashes(real_path(folded, path) for _, path, _ in self.layer.owned)
        order = hashes.argsort(kind="stable")
        self.owned = hashes[order]
        rows = [self.layer.owned[n] for n in order.tolist()]
        self.owners = [(records[record], owner) for record, _, owner in rows]

    def raw(self, fact: int) -> str:
        """A fact's path in the layer."""
        return self.layer.path(fact) if self._raw is None else self._raw[fact]

    def real(self, fact: int) -> str:
        """A fact's path in the image."""
        return self.layer.path(fact) if self._real is None else self._real[fact]

    # --- as the upper of two layers --------------------------------------------------------------

    def _names(self, real: str) -> Iterator[str]:
        return names(self.redirects, real)

    def _file_at(self, real: str) -> tuple[str, str] | None:
        for name in self._names(real):
            if holds(self.layer.files, path_hash(name)):
                return self.layer.kinds.get(name, "file"), name
        return None

    def over(self, real: str) -> tuple[str, str] | None:
        """What of this layer hides a file or link that a lower layer has at ``real``: (kind, path), or None."""
        found = self._file_at(real)
        if found is not None:
            return found
        for name in self._names(real):
            if holds(self.layer.dirs, path_hash(name)):
                return "dir", name
        if real in self.implied:
            return "dir", real
        covered = self.covered(real)
        if covered is not None:
            return covered
        for above in ancestors(real):
            found = self._file_at(above)
            if found is not None:
                return found
        return None

    def covered(self, real: str) -> tuple[str, str] | None:
        """The whiteout or opaque marker of this layer that takes away ``real``."""
        if not self.covers:
            return None
        cover = self.covers.get(real)
        if cover is not None and cover[0] == "whiteout":
            return cover
        for above in ancestors(real):
            cover = self.covers.get(above)
            if cover is not None:
                return cover
        return self.covers.get("")

    def hides(self, lower: Placed, work: Work) -> tuple[tuple[int, str], ...]:
        """Facts of ``lower`` that this layer hides, each with what did it.

        The sorted hashes nominate facts by binary search in the listing's index; ``over`` confirms each one.
        """
        layer = self.layer
        spans: list[tuple[int, int]] = []
        if len(layer.files):
            work.probes += _nominate(lower.at, lower.spans, layer.files, spans)
        if len(layer.dirs):
            work.probes += _nominate(lower.own, lower.own_spans, layer.dirs, spans)
        if self.implied:
            work.probes += _nominate(lower.own, lower.own_spans, self.implied_hashes, spans)
        if self.covers:
            work.probes += _nominate(lower.at, lower.spans, self.cover_hashes, spans)
        if self.redirects:
            spans.extend(self._redirected(lower))
        if not spans:
            return ()
        hidden = []
        for fact in sorted({fact for first, last in spans for fact in range(first, last + 1)}):
            cause = self.over(lower.real(fact))
            if cause is not None:
                hidden.append((fact, f"{cause[0]} {cause[1]}"))
        return tuple(hidden)

    def _redirected(self, lower: Placed) -> Iterator[tuple[int, int]]:
        """Facts that lie below a place to which this layer's entries are redirected."""
        paths = [lower.real(n) for n in range(lower.facts)] if lower._real is None else lower._real
        for place in set(self.redirects.values()):
            first = bisect_left(paths, place + "/") if place else 0
            last = bisect_left(paths, place + "0") if place else len(paths)  # "0" follows "/"
            if first < last:
                yield first, last - 1

    def claims(self, upper: Placed) -> tuple[tuple[Placed, int, Placed, int, str], ...]:
        """Language records of one that are files of the other's OS packages.

        Each is (placed of the language record, its fact, placed of the OS record, its fact, OS package).
        """
        found: list[tuple[Placed, int, Placed, int, str]] = []
        for ours, theirs in ((self, upper), (upper, self)) if upper is not self else ((self, self),):
            if not len(ours.languages) or not len(theirs.owned):
                continue
            places = theirs.owned.searchsorted(ours.languages)
            hits = theirs.owned.take(places, mode="clip") == ours.languages
            for n in np.flatnonzero(hits).tolist():
                at = int(places[n])
                while at < len(theirs.owned) and theirs.owned[at] == ours.languages[n]:
                    found.append((ours, ours.language_facts[n], theirs, *theirs.owners[at]))
                    at += 1
        return tuple(found)


def _nominate(hashes: Hashes, spans: Ints, index: Hashes, found: list[tuple[int, int]]) -> int:
    """Add to ``found`` the spans of those ``hashes`` that ``index`` holds; both sorted, none empty.

    Returns the number of binary searches: as many as the shorter one has elements.
    """
    count = len(hashes)
    if count <= len(index):
        same = index.take(index.searchsorted(hashes), mode="clip") == hashes
        if np.count_nonzero(same):  # a third of the cost of any()
            found.extend(spans[same].tolist())
        return count
    places = hashes.searchsorted(index)
    same = hashes.take(places, mode="clip") == index
    if np.count_nonzero(same):
        found.extend(spans[places[same]].tolist())
    return len(index)

"""The story of one path through the layers of an image, for ``scangrid explain``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa

from grid.images.columns import ancestors, by_component
from grid.images.place import follow, join

ENTRY_COLUMNS = ("path", "kind", "link_target")
MARKERS = ("whiteout", "opaque")


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that a layer did to the path."""

    ordinal: int
    """Of the layer, from 0, the base."""
    event: str
    """``added``, ``rewritten``, ``merged`` (a directory over a directory) or ``hidden``."""
    by: str
    """The layer's entry that did it: its kind and path."""
    path: str
    """Where that happened in the image, links followed."""


def history(path: str, layers: Sequence[pa.Table]) -> list[Step]:
    """What each layer did to ``path``, in order; empty if no layer ever held it.

    ``layers`` are the full ``entries`` (``path, kind, link_target``) of the image's layers, base first. ``path`` is
    meant as in the finished image, its directories followed through links, and as the name that a layer gives it:
    where these are different places, the steps of all are given.
    """
    path = "/".join(part for part in path.split("/") if part not in ("", "."))
    places = {path}
    view = _View({})
    for table in layers:
        places.update(real for kind, name, real in view.apply(table) if name == path and kind not in MARKERS)
    places.add(view.real(path))
    return list(_steps(places, layers))


def _steps(places: set[str], layers: Sequence[pa.Table]) -> Iterator[Step]:
    view = _View({})
    for ordinal, table in enumerate(layers):
        before = {place: view.at.get(place) for place in places}
        done: dict[str, Step] = {}
        for kind, name, real in view.apply(table):
            for place in places:
                if view.at.get(place) is None:
                    event = "hidden"
                    if before[place] is None or (place in done and done[place].event == "hidden"):
                        continue
                elif real == place and kind not in MARKERS:
                    merged = before[place] == ("dir", "") and kind == "dir"
                    event = "added" if before[place] is None else "merged" if merged else "rewritten"
                else:
                    continue
                done[place] = Step(ordinal, event, f"{kind} {name}", place)
        yield from (done[place] for place in sorted(done))


class _View:
    """Layers really laid on each other: every path with what is there. For one image, on demand."""

    def __init__(self, at: dict[str, tuple[str, str]]) -> None:
        self.at = at

    def link_at(self, real: str) -> str | None:
        kind, target = self.at.get(real, ("", ""))
        return target if kind == "symlink" else None

    def real_dir(self, path: str, named: frozenset[str] = frozenset()) -> str:
        """Where directory ``path`` is; links at prefixes in ``named`` are not followed."""
        real, seen = "", ""
        for part in path.split("/") if path else ():
            seen, here = join(seen, part), join(real, part)
            target = None if seen in named else self.link_at(here)
            followed = None if target is None else follow(real, target, self.link_at)
            real = here if followed is None else followed
        return real

    def real(self, path: str, named: frozenset[str] = frozenset()) -> str:
        parent, _, name = path.rpartition("/")
        return join(self.real_dir(parent, named), name)

    def remove(self, real: str, keep: bool = False) -> None:
        """Take away ``real`` and all below it; with ``keep`` only what is below."""
        below = real + "/" if real else ""
        for path in [p for p in self.at if p.startswith(below)]:
            del self.at[path]
        if not keep:
            self.at.pop(real, None)

    def apply(self, entries: pa.Table) -> Iterator[tuple[str, str, str]]:
        """Lay a layer on top; yields (kind, path, real path) after each entry took effect."""
        columns = (entries[name].to_pylist() for name in ENTRY_COLUMNS)
        rows = sorted(zip(*columns, strict=True), key=lambda row: by_component(row[0]))
        named = frozenset(path for path, kind, _ in rows if kind == "dir")
        covers = [
            (kind, path, self.real_dir(path, named) if kind == "opaque" else self.real(path, named))
            for path, kind, _ in rows
            if kind in MARKERS
        ]
        for kind, path, real in covers:
            self.remove(real, keep=kind == "opaque")
            yield kind, path, real
        for path, kind, target in rows:
            if kind in MARKERS or not path:
                continue
            real = self.real(path)
            if not (kind == "dir" and self.at.get(real, ("", ""))[0] == "dir"):
                self.remove(real)
            for above in ancestors(real):
                if self.at.get(above, ("dir", ""))[0] != "dir":
                    self.remove(above)
                self.at.setdefault(above, ("dir", ""))
            self.at[real] = (kind, target or "" if kind == "symlink" else "")
            yield kind, path, real

"""Alpine's secdb: for each release and repository, which version of an origin package fixed which ids.

Format: ``{"distroversion", "packages": [{"pkg": {"name", "secfixes": {VERSION: [TOKEN, …]}}}]}``. A token may
hold several ids, blank separated, with remarks between them; ids come as ``CVE_2019_1``, too. The version
``0`` lists what never affected the package. Names are origins, so binaries match through theirs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from grid.errors import FeedInvalid, VersionInvalid
from grid.keys.apk import key
from vulndb.feed import Source, Transport, Workspace, fetch_one, finish, load_json, strings
from vulndb.records import Advisory, Affected, Range, Record, Skipped

HOST = "https://secdb.alpinelinux.org"
FIRST = 3
"""v3.3 is the oldest release that the database covers in its present form."""
KNOWN = 24
"""v3.24: releases up to here are asked for anyway; later ones until the first that does not exist."""
REPOSITORIES = ("main", "community")

_CVE = re.compile(r"\bCVE[-_](\d{4})[-_](\d{4,})", re.IGNORECASE)
_OTHER = re.compile(r"[A-Za-z]{2,}-[A-Za-z0-9._-]*\d[A-Za-z0-9._-]*")
_RELEASE = re.compile(r"v\d+\.\d+|edge")


class AlpineFeed:
    """See ``vulndb.feed.Feed``."""

    name = "alpine"
    version = 1
    verdicts = True

    def fetch(self, workspace: Workspace, transport: Transport, ecosystems: Sequence[str] = ()) -> None:
        changed, reached = False, 0
        minor = FIRST
        releases = ["edge", *(f"v3.{n}" for n in range(FIRST, KNOWN + 1))]
        while releases:
            release = releases.pop(0)
            outcomes = [
                fetch_one(workspace, transport, Source(f"{HOST}/{release}/{repository}.json", optional=True), check)
                for repository in REPOSITORIES
            ]
            changed |= "new" in outcomes
            reached += sum(outcome in ("new", "unchanged") for outcome in outcomes)
            if release != "edge":
                minor = int(release.rpartition(".")[2])
            if not releases and (reached and outcomes[0] in ("new", "unchanged")) and minor < 99:
                releases.append(f"v3.{minor + 1}")
        finish(workspace, changed, reached)

    def parse(self, workspace: Workspace) -> Iterator[Record]:
        for _, path in workspace.present():
            yield from records(load_json(path))


def records(document: object) -> Iterator[Record]:
    """The advisories of one secdb file; raises FeedInvalid if it is none."""
    release = document.get("distroversion") if isinstance(document, dict) else None
    packages = document.get("packages") if isinstance(document, dict) else None
    if not isinstance(release, str) or not _RELEASE.fullmatch(release) or not isinstance(packages, list | None):
        raise FeedInvalid("not a secdb file: it lacks 'distroversion' or 'packages'")
    yield from fixed_in(f"Alpine:{release}", packages or ())


def fixed_in(namespace: str, packages: Sequence[object]) -> Iterator[Record]:
    """The advisories of a secdb's ``packages``."""
    for entry in packages:
        package = entry.get("pkg") if isinstance(entry, dict) else None
        name = package.get("name") if isinstance(package, dict) else None
        fixes = package.get("secfixes") if isinstance(package, dict) else None
        if not isinstance(name, str) or not isinstance(fixes, dict | None):
            yield Skipped("packages not understood")
            continue
        yield from _package(namespace, name, fixes or {})


def _package(namespace: str, name: str, fixes: dict[str, object]) -> Iterator[Record]:
    fixed: dict[str, list[str]] = {}
    for version, tokens in fixes.items():
        for token in strings(tokens):
            found = ids(token)
            if not found:
                yield Skipped("entries without an id")
            for one in found:
                fixed.setdefault(one, []).append(version)
    for one, versions in fixed.items():
        yield Advisory(
            id=one,
            affected=(Affected(namespace, name, ranges=_ranges(versions)),),
            url=_page(namespace, one),
        )


def _page(namespace: str, name: str) -> str | None:
    if namespace.startswith("Alpine:"):
        return f"https://security.alpinelinux.org/vuln/{name}"
    return f"https://images.chainguard.dev/security/{name}" if name.startswith(("CVE-", "CGA-", "GHSA-")) else None


def _ranges(versions: list[str]) -> tuple[Range, ...]:
    """An id listed under several versions was not wholly fixed before the last of them."""
    real = [version for version in versions if version != "0"]
    if len(real) > 1:
        with suppress(VersionInvalid):  # else each on its own: those that can be ordered count, others are noted
            real = [max(real, key=key)]
    return tuple(Range((("introduced", "0"), ("fixed", version))) for version in real)


def ids(token: str) -> list[str]:
    """The ids in one token: its CVEs; where it has none, whatever else looks like an id."""
    cves = [f"CVE-{year}-{number}" for year, number in _CVE.findall(token)]
    return list(dict.fromkeys(cves or (word for word in token.split() if _OTHER.fullmatch(word))))


def check(path: Path) -> None:
    """Raises FeedInvalid unless the whole file can be read."""
    for _ in records(load_json(path)):
        pass


FEED = AlpineFeed()

"""Arch Linux's security tracker: one JSON file of vulnerability groups.

Format (https://security.archlinux.org/all.json): ``[{"name": "AVG-1", "packages", "status", "severity",
"affected", "fixed", "issues": ["CVE-…"]}]``. Arch has one release, so a group is one range: all before
``fixed``. ``affected`` is the version that was shipped when the group was made, no lower end.

| status                    | we say                                                          |
| ------------------------- | --------------------------------------------------------------- |
| ``Fixed``                 | fixed                                                           |
| ``Testing``               | affected below ``fixed``, which is only to be had from testing  |
| ``Vulnerable``            | affected                                                        |
| ``Unknown``               | under_investigation                                             |
| ``Not affected``          | not affected                                                    |
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from grid.errors import FeedInvalid
from vulndb.feed import MIB, Source, load_json, mapping, one_line, strings
from vulndb.plain import FileFeed
from vulndb.ratings import label
from vulndb.records import Advisory, Affected, Range, Record, Skipped

URL = "https://security.archlinux.org/all.json"
NAMESPACE = "Arch Linux"


def records(document: object) -> Iterator[Record]:
    """The groups; raises FeedInvalid if it is no list."""
    if not isinstance(document, list):
        raise FeedInvalid("Arch's tracker is no list of groups")
    for entry in document:
        group = mapping(entry)
        name, packages = group.get("name"), strings(group.get("packages"))
        said = _said(group)
        if not isinstance(name, str) or not name or not packages or said is None:
            yield Skipped("groups not understood")
            continue
        ranges, state = said
        severity = label(group.get("severity"))
        yield Advisory(
            id=name,
            affected=tuple(Affected(NAMESPACE, package, ranges, (), state, severity) for package in packages),
            upstream=strings(group.get("issues")),
            title=one_line(f"{', '.join(packages)}: {group.get('type')}"),
            url=f"https://security.archlinux.org/{name}",
        )


def _said(group: Mapping[str, Any]) -> tuple[tuple[Range, ...], str] | None:
    status, fixed = group.get("status"), group.get("fixed")
    if status == "Not affected":
        return (), ""
    if status not in ("Fixed", "Testing", "Vulnerable", "Unknown"):
        return None
    state = "under_investigation" if status == "Unknown" else ""
    if isinstance(fixed, str) and fixed:
        return (Range((("introduced", "0"), ("fixed", fixed)), unreleased=status != "Fixed"),), state
    return ((Range((("introduced", "0"),)),), state) if status != "Fixed" else None


def read(address: str, path: Path) -> Iterator[Record]:
    """``records`` of a file."""
    yield from records(load_json(path))


FEED = FileFeed("arch", [Source(URL, 64 * MIB)], read)

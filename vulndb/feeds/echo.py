"""Echo: hardened rebuilds of Debian's packages, and one JSON file of what has been fixed in them.

Format (https://advisory.echohq.com/data.json): ``{SOURCE: {CVE: {"fixed_version", "severity"}}}``; without a version
the problem is not fixed, and ``0`` means that it never was there.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from grid.errors import FeedInvalid
from vulndb.feed import MIB, Source, load_json, mapping
from vulndb.plain import FileFeed
from vulndb.ratings import label
from vulndb.records import Advisory, Affected, Range, Record, Skipped

URL = "https://advisory.echohq.com/data.json"
NAMESPACE = "Echo"


def records(document: object) -> Iterator[Record]:
    """The problems of each source package; raises FeedInvalid if it is no object."""
    if not isinstance(document, dict):
        raise FeedInvalid("Echo's file is no list of packages")
    for package, problems in document.items():
        if not isinstance(problems, dict):
            yield Skipped("packages not understood")
            continue
        for name, entry in problems.items():
            fixed = mapping(entry).get("fixed_version")
            if not package or not name or not isinstance(entry, dict) or not isinstance(fixed, str | None):
                yield Skipped("entries not understood")
                continue
            events = (("introduced", "0"), *((("fixed", fixed),) if fixed else ()))
            ranges = () if fixed == "0" else (Range(events),)
            yield Advisory(
                id=name,
                affected=(Affected(NAMESPACE, package, ranges, severity=label(entry.get("severity"))),),
                url=f"https://advisory.echohq.com/cve/{name}" if name.startswith("CVE-") else None,
            )


def read(address: str, path: Path) -> Iterator[Record]:
    """``records`` of a file."""
    yield from records(load_json(path))


FEED = FileFeed("echo", [Source(URL, 128 * MIB)], read)

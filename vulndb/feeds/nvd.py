"""The NVD's ratings: one JSON file a year, of which only CVSS is read.

Format: https://nvd.nist.gov/vuln/data-feeds (``nvdcve-2.0-YEAR.json.gz``), ``{"vulnerabilities": [{"cve":
{"id", "vulnStatus", "metrics": {"cvssMetricV31": [{"source", "type", "cvssData": {"vectorString",
"baseScore"}}]}}}]}``. What the NVD itself rated is of source ``nvd``; what it passes on from the CVE's
publisher or from CISA is ``cna``, and only said of a CVE that the NVD did not rate in that CVSS version.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from vulndb.feed import MIB, Source, mapping, strings
from vulndb.groups import is_cve
from vulndb.plain import FileFeed
from vulndb.records import Rated, Rating, Record, Skipped
from vulndb.streams import inflated, items

FIRST = 2002
"""Earlier CVEs stand in this year's file."""
_MAX = 512 * MIB
_MAX_INFLATED = 4096 * MIB
_OWN = "nvd@nist.gov"


def url(year: int) -> str:
    """Where a year's CVEs are."""
    return f"https://nvd.nist.gov/feeds/json/cve/2.0/nvdcve-2.0-{year}.json.gz"


def records(path: Path) -> Iterator[Record]:
    """The ratings of one file, and what is rejected or disputed; raises FeedInvalid."""
    with inflated(path, _MAX_INFLATED) as stream:
        for item in items(stream, "vulnerabilities"):
            cve = mapping(mapping(item).get("cve"))
            name = cve.get("id")
            if not isinstance(name, str) or not is_cve(name):
                yield Skipped("entries not understood")
                continue
            rejected = cve.get("vulnStatus") == "Rejected"
            status = "rejected" if rejected else "disputed" if _disputed(cve.get("cveTags")) else None
            found = () if rejected else tuple(_ratings(mapping(cve.get("metrics"))))
            if found or status:
                yield Rated(name.upper(), found, status)


def _disputed(tags: object) -> bool:
    """``[{"sourceIdentifier", "tags": ["disputed"]}]``."""
    return any("disputed" in strings(mapping(one).get("tags")) for one in (tags if isinstance(tags, list) else ()))


def _ratings(metrics: Mapping[str, Any]) -> Iterator[Rating]:
    for kind, listed in metrics.items():
        rows = [mapping(row) for row in listed] if isinstance(listed, list) else []
        own = [row for row in rows if row.get("source") == _OWN]
        for row in own or rows:
            data = mapping(row.get("cvssData"))
            vector, score = data.get("vectorString"), data.get("baseScore")
            if kind.startswith("cvssMetric") and isinstance(vector, str):
                number = float(score) if isinstance(score, int | float) and 0 <= score <= 10 else None
                yield Rating("nvd" if own else "cna", vector=vector, score=number)


def sources() -> list[Source]:
    """A file for each year."""
    return [Source(url(year), _MAX) for year in range(datetime.now(UTC).year, FIRST - 1, -1)]


def read(address: str, path: Path) -> Iterator[Record]:
    """``records`` of a file."""
    yield from records(path)


FEED = FileFeed("nvd", sources, read, version=2, verdicts=False, some=True, told=Rated)

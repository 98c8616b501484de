"""CISA's catalogue of known exploited vulnerabilities: one JSON file.

Format: https://www.cisa.gov/sites/default/files/feeds/known_exploited_vulnerabilities_schema.json
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from grid.errors import FeedInvalid
from vulndb.feed import Source, load_json, one_line
from vulndb.groups import is_cve
from vulndb.plain import FileFeed
from vulndb.records import Exploited, Record, Skipped

URL = "https://www.cisa.gov/sites/default/files/feeds/known_exploited_vulnerabilities.json"


def entries(document: object) -> Iterator[Record]:
    """The entries of the catalogue; raises FeedInvalid if it is none."""
    listed = document.get("vulnerabilities") if isinstance(document, dict) else None
    if not isinstance(listed, list):
        raise FeedInvalid("the list of exploited vulnerabilities has no 'vulnerabilities'")
    for entry in listed:
        cve = entry.get("cveID") if isinstance(entry, dict) else None
        added = entry.get("dateAdded") if isinstance(entry, dict) else None
        if not isinstance(cve, str) or not is_cve(cve.strip()) or not isinstance(added, str):
            yield Skipped("entries not understood")
            continue
        due = entry.get("dueDate")
        ransomware = entry.get("knownRansomwareCampaignUse")
        yield Exploited(
            cve.strip().upper(),
            added,
            due if isinstance(due, str) and due else None,
            isinstance(ransomware, str) and ransomware.strip().lower() == "known",
            one_line(entry.get("vulnerabilityName")),
        )


def read(address: str, path: Path) -> Iterator[Record]:
    """``entries`` of a file."""
    yield from entries(load_json(path))


FEED = FileFeed("kev", [Source(URL)], read, verdicts=False, told=Exploited)

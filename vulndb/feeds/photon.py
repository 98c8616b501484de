"""Photon OS: a JSON file of CVEs for each release.

Format: ``[{"cve_id", "pkg", "cve_score", "aff_ver", "res_ver", "status"}]``; ``pkg`` is a source package, and
every version before ``res_ver`` is affected. ``Not Affected`` is a verdict; ``NA`` for a version says nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from grid.errors import FeedInvalid
from vulndb.feed import MIB, Source, load_json, mapping
from vulndb.plain import FileFeed
from vulndb.records import Advisory, Affected, Range, Rating, Record, Skipped

_BASE = "https://packages.broadcom.com/photon/photon_cve_metadata/cve_data_photon"
RELEASES = ("1.0", "2.0", "3.0", "4.0", "5.0")


def url(release: str) -> str:
    """Where a release's CVEs are."""
    return f"{_BASE}{release}.json"


def records(document: object, namespace: str) -> Iterator[Record]:
    """The CVEs of one release; raises FeedInvalid if it is no list."""
    if not isinstance(document, list):
        raise FeedInvalid("Photon's file is no list of CVEs")
    for entry in document:
        row = mapping(entry)
        name, package, fixed = row.get("cve_id"), row.get("pkg"), row.get("res_ver")
        if not isinstance(name, str) or not isinstance(package, str) or not name or not package:
            yield Skipped("entries not understood")
            continue
        if row.get("status") == "Not Affected":
            affected = Affected(namespace, package)
        elif isinstance(fixed, str) and fixed not in ("", "NA"):
            affected = Affected(namespace, package, (Range((("introduced", "0"), ("fixed", fixed))),))
        else:
            yield Skipped("entries without a version")
            continue
        score = row.get("cve_score")
        rated = not isinstance(score, bool) and isinstance(score, int | float) and 0 < score <= 10
        yield Advisory(
            id=name,
            affected=(affected,),
            url=f"https://nvd.nist.gov/vuln/detail/{name}" if name.startswith("CVE-") else None,
            ratings=(Rating("photon os", score=float(score or 0)),) if rated else (),
        )


def read(address: str, path: Path) -> Iterator[Record]:
    """``records`` of a file, whose name ends in the release."""
    release = urlsplit(address).path.rpartition("photon")[2].removesuffix(".json")
    yield from records(load_json(path), f"Photon OS:{release}")


FEED = FileFeed("photon", [Source(url(release), 128 * MIB) for release in RELEASES], read, version=2, some=True)

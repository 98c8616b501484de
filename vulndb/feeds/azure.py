"""Azure Linux and CBL-Mariner: one OVAL file a release, a definition for each CVE and source package.

See ``vulndb.oval``. ``<patchable>``: ``true``, a fix is out; ``false``, none is; ``Not Applicable``, Microsoft found
that the CVE is not, or not any more, one of the package (the criteria are still there, and mean nothing).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from vulndb import oval
from vulndb.feed import MIB, Source, timestamp
from vulndb.groups import is_cve
from vulndb.plain import FileFeed
from vulndb.ratings import label
from vulndb.records import Advisory, Affected, Record, Skipped
from vulndb.streams import text_of

_BASE = "https://raw.githubusercontent.com/microsoft/AzureLinuxVulnerabilityData/main"
RELEASES = {"1": "cbl-mariner-1.0-oval.xml", "2": "cbl-mariner-2.0-oval.xml", "3": "azurelinux-3.0-oval.xml"}


def url(release: str) -> str:
    """Where a release's definitions are."""
    return f"{_BASE}/{RELEASES[release]}"


def records(path: Path, namespace: str) -> Iterator[Record]:
    """The CVEs of one file; raises FeedInvalid if it is not OVAL."""
    for definition in oval.definitions(path):
        metadata = definition.metadata
        reference = metadata.find("reference[@source='CVE']")
        name = (reference.get("ref_id") or "").upper() if reference is not None else ""
        if not is_cve(name):
            yield Skipped("definitions without a CVE")
            continue
        listed = oval.affected(definition.claims, lambda place: [namespace], label(text_of(metadata, "severity")))
        if not listed:
            yield Skipped("definitions without a package")
            continue
        if text_of(metadata, "patchable") == "Not Applicable":
            listed = tuple(Affected(one.namespace, one.name) for one in listed)
        yield Advisory(  # without its title, which only repeats CVE, package and version: another feed's says more
            id=name,
            affected=listed,
            published=timestamp(text_of(metadata, "advisory_date")),
            url=f"https://nvd.nist.gov/vuln/detail/{name}",
        )


def read(address: str, path: Path) -> Iterator[Record]:
    """``records`` of a file, whose name tells the release."""
    by_file = {name: release for release, name in RELEASES.items()}
    release = by_file.get(urlsplit(address).path.rpartition("/")[2])
    if release is not None:
        yield from records(path, f"Azure Linux:{release}")


FEED = FileFeed(
    "azure",
    [Source(url(release), 512 * MIB) for release in RELEASES],
    read,
    some=True,
    check=oval.check,
    version=2,
)

"""SUSE Linux Enterprise and openSUSE: one OVAL file a release, a definition a CVE; see ``vulndb.oval``.

Binary packages are listed by product. A system has several products (the server and its modules), and an image
does not say which, so all products of one service pack are one namespace, named as OSV names the server:
``SUSE Linux Enterprise Module for Basesystem 15 SP1`` and ``… Server 15 SP1-LTSS`` are ``SUSE:Linux Enterprise
Server 15 SP1``. Where they say different things of a package, it is affected if any says so. SLE Micro (5) and SL Micro
(6) are releases of their own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from vulndb import oval
from vulndb.feed import MIB, Source, one_line, timestamp
from vulndb.groups import is_cve
from vulndb.plain import FileFeed
from vulndb.ratings import label
from vulndb.records import Advisory, Record, Skipped
from vulndb.streams import text_of

_BASE = "https://ftp.suse.com/pub/projects/security/oval"
RELEASES = (
    "suse.linux.enterprise.server.12", "suse.linux.enterprise.server.15", "suse.linux.enterprise.server.16.0",
    *(f"suse.linux.enterprise.micro.5.{minor}" for minor in range(6)),
    *(f"suse.linux.micro.6.{minor}" for minor in range(3)),
    *(f"opensuse.leap.15.{minor}" for minor in range(7)), "opensuse.leap.16.0", "opensuse.tumbleweed",
)  # fmt: skip
_ENTERPRISE = re.compile(r"SUSE Linux Enterprise (?!Micro)(?:.* )?(1\d)(?:\.(\d)| SP(\d))?(?:-[\w-]+)?")
_MICRO = re.compile(r"SUSE (Linux(?: Enterprise)? Micro)(?: for Rancher)? (\d\.\d)(?:-[\w-]+)?")
_LEAP = re.compile(r"openSUSE Leap (\d+\.\d+)(?: NonFree)?")


def url(release: str) -> str:
    """Where a release's definitions are."""
    return f"{_BASE}/{release}.xml.bz2"


def records(path: Path) -> Iterator[Record]:
    """The CVEs of one file; raises FeedInvalid if it is not OVAL."""
    for definition in oval.definitions(path):
        metadata = definition.metadata
        name = text_of(metadata, "title").partition(" ")[0].upper()
        if not is_cve(name):
            yield Skipped("definitions without a CVE")
            continue
        listed = oval.affected(definition.claims, _namespaces, label(text_of(metadata, "advisory/severity")))
        if not listed:
            yield Skipped("definitions about no product that we know")
            continue
        rated = (oval.cvss_of(e, "nvd" if "nvd.nist.gov" in e.get("href", "") else "suse")
                 for e in metadata.iterfind("advisory/cve"))  # fmt: skip
        yield Advisory(
            id=name,
            affected=listed,
            title=one_line(text_of(metadata, "description")),
            published=timestamp(oval.attribute(metadata, "advisory/issued", "date")),
            modified=timestamp(oval.attribute(metadata, "advisory/updated", "date")),
            url=f"https://www.suse.com/security/cve/{name}/",
            ratings=tuple(rating for rating in rated if rating),
        )


def _namespaces(place: oval.Place) -> list[str]:
    return list(dict.fromkeys(filter(None, map(namespace, place.products))))


def namespace(product: str) -> str | None:
    """The namespace of a product; None for one that is no release of an operating system (Manager, Storage …)."""
    if match := _ENTERPRISE.fullmatch(product):
        pack = match[2] or match[3]
        if match[2] and int(match[1]) >= 16:
            return f"SUSE:Linux Enterprise Server {match[1]}.{pack}"
        return f"SUSE:Linux Enterprise Server {match[1]}" + (f" SP{pack}" if pack and pack != "0" else "")
    if match := _MICRO.fullmatch(product):
        return f"SUSE:{match[1]} {match[2]}"
    if match := _LEAP.fullmatch(product):
        return f"openSUSE:Leap {match[1]}"
    return "openSUSE:Tumbleweed" if product == "openSUSE Tumbleweed" else None


def read(address: str, path: Path) -> Iterator[Record]:
    """``records`` of a file."""
    yield from records(path)


FEED = FileFeed("suse", [Source(url(release), 1024 * MIB) for release in RELEASES], read, some=True, check=oval.check)

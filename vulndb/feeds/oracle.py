"""Oracle Linux: all errata as one OVAL file; see ``vulndb.oval``.

A definition is an erratum (ELSA) and lists binary packages, by release, architecture and module. Packages
rebuilt for Ksplice or for FIPS carry that in their version; such a build is compared with such builds only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree.ElementTree import Element

from vulndb import oval
from vulndb.feed import MIB, Source, one_line, timestamp
from vulndb.plain import FileFeed
from vulndb.ratings import label
from vulndb.records import Advisory, Rating, Record, Skipped
from vulndb.streams import text_of

URL = "https://linux.oracle.com/security/oval/com.oracle.elsa-all.xml.bz2"
_PRODUCT = re.compile(r"Oracle Linux (\d+)(?:\..*)?")
_ERRATUM = re.compile(r"EL[A-Z]{2}-\d{4}-\d+(?:-\d+)?")


def records(path: Path) -> Iterator[Record]:
    """The errata of the file; raises FeedInvalid if it is not OVAL."""
    for definition in oval.definitions(path):
        metadata = definition.metadata
        title = text_of(metadata, "title")
        name = _ERRATUM.match(title)
        if name is None:
            yield Skipped("definitions without an erratum's id")
            continue
        cves = [found for element in metadata.iterfind("advisory/cve") if (found := oval.cve_of(element))]
        cves += [found for element in metadata.iterfind("reference[@source='CVE']") if (found := oval.cve_of(element))]
        listed = oval.affected(
            definition.claims, _namespaces, label(text_of(metadata, "advisory/severity")), flavour
        )  # fmt: skip
        if not listed:
            yield Skipped("definitions that affect nothing")
            continue
        yield Advisory(
            id=name[0],
            affected=listed,
            upstream=tuple(dict.fromkeys(cves)),
            title=one_line(title.partition(":")[2]),
            published=timestamp(oval.attribute(metadata, "advisory/issued", "date")),
            url=f"https://linux.oracle.com/errata/{name[0]}.html",
            ratings=tuple(_ratings(metadata)) if len(set(cves)) == 1 else (),
        )


def _namespaces(place: oval.Place) -> list[str]:
    found = (_PRODUCT.fullmatch(product) for product in place.products)
    return [f"Oracle Linux:{match[1]}" for match in found if match]


def flavour(version: str) -> str | None:
    """``ksplice`` or ``fips`` if a version is such a build's."""
    return "ksplice" if ".ksplice" in version else "fips" if "_fips" in version else None


def _ratings(metadata: Element) -> Iterator[Rating]:
    for element in metadata.iterfind("advisory/cve"):
        if (rating := oval.cvss_of(element, "oracle linux")) is not None:
            yield rating


def read(address: str, path: Path) -> Iterator[Record]:
    """``records`` of a file."""
    yield from records(path)


FEED = FileFeed("oracle", [Source(URL, 1024 * MIB)], read, check=oval.check)

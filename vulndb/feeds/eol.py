"""When releases of distributions end, from endoflife.date: one JSON file.

Format: https://endoflife.date/docs/api/v1/ (``/products/full``): ``{"result": [{"name", "releases": [{"name",
"codename", "isEol", "eolFrom", "eoesFrom"}]}]}``. Products that are no distribution of ours are left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from grid.errors import FeedInvalid
from vulndb.feed import MIB, Source, load_json, mapping, one_line
from vulndb.plain import FileFeed
from vulndb.records import EndOfLife, Record, Skipped

URL = "https://endoflife.date/api/v1/products/full"
DISTROS = {
    "almalinux": ("almalinux",),
    "alpine-linux": ("alpine",),
    "amazon-linux": ("amzn",),
    "azure-linux": ("azurelinux", "mariner"),
    "centos": ("centos",),
    "centos-stream": ("centos-stream",),
    "debian": ("debian",),
    "fedora": ("fedora",),
    "mageia": ("mageia",),
    "opensuse": ("opensuse-leap",),
    "oracle-linux": ("ol",),
    "photon": ("photon",),
    "rhel": ("rhel",),
    "rocky-linux": ("rocky",),
    "sles": ("sles",),
    "ubuntu": ("ubuntu",),
}
"""Product at endoflife.date → ``ID`` in os-release; CentOS and CentOS Stream, which share one, under two names."""
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


def records(document: object) -> Iterator[Record]:
    """The releases of all distributions; raises FeedInvalid if it is no list of products."""
    products = mapping(document).get("result")
    if not isinstance(products, list):
        raise FeedInvalid("the list of end-of-life dates has no 'result'")
    for product in products:
        releases = mapping(product).get("releases")
        for distro in DISTROS.get(str(mapping(product).get("name")), ()):
            for release in releases if isinstance(releases, list) else ():
                yield _release(distro, release)


def _release(distro: str, release: object) -> Record:
    told = mapping(release)
    version, ended = told.get("name"), told.get("isEol")
    if not isinstance(version, str) or not version or not isinstance(ended, bool):
        return Skipped("releases not understood")
    return EndOfLife(
        distro, version, one_line(told.get("codename")), _day(told.get("eolFrom")), _day(told.get("eoesFrom")), ended
    )


def _day(value: object) -> str | None:
    return value if isinstance(value, str) and _DAY.fullmatch(value) else None


def read(address: str, path: Path) -> Iterator[Record]:
    """``records`` of a file."""
    yield from records(load_json(path))


FEED = FileFeed("eol", [Source(URL, 64 * MIB)], read, version=2, verdicts=False, told=EndOfLife)

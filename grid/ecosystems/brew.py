"""Homebrew's kegs on Linux: ``Cellar/NAME/VERSION/INSTALL_RECEIPT.json``. No advisories speak of them.

Sources: https://docs.brew.sh/Formula-Cookbook (kegs, revisions), https://docs.brew.sh/Taps and
https://github.com/package-url/purl-spec (``brew``). A version may end in the revision of its formula (``3.12.4_1``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import orjson
from packageurl import PackageURL

from grid.ecosystems import Ecosystem, language
from grid.keys import rpm
from grid.model import Limits, Note, Package, Wants

RECEIPT = "INSTALL_RECEIPT.json"

_PLACE = re.compile(rf"(?:.*/)?Cellar/([^/]+)/([^/]+)/{re.escape(RECEIPT)}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9@+._-]*")
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.,+~_-]*")
_REVISION = re.compile(r"(.+)_([0-9]+)")
_TAP = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*")
_CORE = "homebrew/core"


def key(version: str) -> bytes:
    """The version, then the formula's revision, as rpm orders version and release; raises VersionInvalid."""
    stated = _REVISION.fullmatch(version)
    return rpm.key(f"{stated[1]}-{stated[2]}" if stated else f"{version}-0")


def read(path: str, content: bytes, limits: Limits) -> Iterator[Package | Note]:
    """The formula whose keg this is: its folders name it, the receipt says from which tap it comes."""
    place = _PLACE.fullmatch(path) if len(path) <= 1000 else None
    if place is None:
        return
    try:
        receipt = orjson.loads(content)
    except orjson.JSONDecodeError:
        receipt = None
    name, version = place.groups()
    if not isinstance(receipt, dict) or not _NAME.fullmatch(name) or not _VERSION.fullmatch(version):
        yield Note("Unparsable", "the receipt is no JSON object, or lies in no keg", path)
        return
    source = receipt.get("source")
    tap = source.get("tap") if isinstance(source, dict) else None
    other = tap if isinstance(tap, str) and _TAP.fullmatch(tap) and tap.lower() != _CORE else None
    yield Package(name, version, purl=PackageURL("brew", other, name.lower(), version).to_string())


ECOSYSTEM = Ecosystem(
    name="brew",
    version=1,
    key=key,
    namespace=language(None),
    osv=(),
    wants=Wants(names=frozenset({RECEIPT}), max_bytes=4 << 20),
    read=read,
    canonical=str.lower,
    upgrade=(("", "brew upgrade", "{name}"),),
)

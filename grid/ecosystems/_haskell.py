"""Haskell packages registered with GHC: one ``package.conf.d/NAME-VERSION.conf`` each.

Source: the GHC user's guide, "InstalledPackageInfo: a package specification".
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from packageurl import PackageURL

from grid.model import Limits, Note, Package

_PLACE = re.compile(r"(?:.*/)?package\.(?:conf\.d|db)/[^/]+\.conf")
_FIELD = re.compile(rb"^(name|version|license):[ \t]*(?:\r?\n[ \t]+)?([^\r\n]*)", re.MULTILINE | re.IGNORECASE)
_NAME = re.compile(r"[A-Za-z0-9]+(?:-[A-Za-z0-9]+)*")
_VERSION = re.compile(r"[0-9]+(?:\.[0-9]+)*")


def read(path: str, content: bytes, limits: Limits) -> Iterator[Package | Note]:
    """The package of a registration."""
    if not _PLACE.fullmatch(path):
        return
    fields: dict[bytes, str] = {}
    for name, value in _FIELD.findall(content):
        fields.setdefault(name.lower(), value.decode("utf-8", "replace").strip())
    name, version = fields.get(b"name", ""), fields.get(b"version", "")
    if not name and not version:
        return
    if name.startswith("z-"):
        return  # an internal library, which is a part of its package
    if not _NAME.fullmatch(name) or not _VERSION.fullmatch(version):
        yield Note("Unparsable", "the registration has no usable name and version", path)
        return
    stated = fields.get(b"license", "")
    yield Package(
        name,
        version,
        licenses=(stated,) if stated else (),
        purl=PackageURL("hackage", None, name, version).to_string(),
    )

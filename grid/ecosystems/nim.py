"""Nim's packages where nimble installs them: ``pkgs2/NAME-VERSION-CHECKSUM/NAME.nimble``, before 0.14 without checksum.

Source: the manual of nimble (https://github.com/nim-lang/nimble), on its folders, versions and files. No advisories
speak of them, and the package URL specification has no type for them: ``nim`` is the field's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from packageurl import PackageURL

from grid.ecosystems import Ecosystem, language
from grid.keys.semver import key
from grid.model import Limits, Note, Package, Wants

_PLACE = re.compile(r"(?:.*/)?pkgs2?/([^/-]+)-([^/]+?)(?:-[0-9a-f]{40})?/\1\.nimble")
_LICENSE = re.compile(rb"""^[ \t]*license[ \t]*[=:][ \t]*"([A-Za-z0-9.+() -]{1,200})\"""", re.MULTILINE | re.IGNORECASE)
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_VERSION = re.compile(r"#?[A-Za-z0-9][A-Za-z0-9._+-]*")
"""``#head`` and the like where a branch or commit was asked for."""
_HEAD = 64 << 10


def read(path: str, content: bytes, limits: Limits) -> Iterator[Package | Note]:
    """The package whose folder this is: what is a script need not be run to tell its version."""
    place = _PLACE.fullmatch(path) if len(path) <= 1000 else None
    if place is None:
        return
    name, version = place.groups()
    if not _NAME.fullmatch(name) or not _VERSION.fullmatch(version):
        yield Note("Unparsable", "the folder of the package has no usable name and version", path)
        return
    stated = _LICENSE.search(content[:_HEAD])
    licenses = (stated[1].decode(),) if stated else ()
    yield Package(name, version, licenses=licenses, purl=PackageURL("nim", None, name, version).to_string())


ECOSYSTEM = Ecosystem(
    name="nim",
    version=1,
    key=key,
    namespace=language(None),
    osv=(),
    wants=Wants(suffixes=(".nimble",), max_bytes=4 << 20),
    read=read,
    canonical=str.lower,
    upgrade=(("", "nimble install", "{name}@{version}"),),
)

"""Lua rocks: ``rocks-5.N/NAME/VERSION/NAME-VERSION.rockspec`` of a LuaRocks tree. No advisories speak of them.

Source: https://github.com/luarocks/luarocks/blob/main/docs/rockspec_format.md. A version ends in the revision of its
rockspec (``1.2.3-1``), which orders as the release of an rpm does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from packageurl import PackageURL

from grid.ecosystems import Ecosystem, language
from grid.keys.rpm import key
from grid.model import Limits, Note, Package, Wants

_PLACE = re.compile(r"(?:.*/)?rocks(?:-5\.[0-9])?/([^/]+)/([^/]+)/\1-\2\.rockspec")
_PACKAGE = re.compile(rb"""^[ \t]*package\s*=\s*["'\[]""", re.MULTILINE)
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+~-]*-[0-9]+")


def read(path: str, content: bytes, limits: Limits) -> Iterator[Package | Note]:
    """The rock of a specification: its place in the tree says which, in canonical form (lower case)."""
    place = _PLACE.fullmatch(path) if len(path) <= 1000 else None
    if place is None:
        return
    if not _PACKAGE.search(content) or not _NAME.fullmatch(place[1]) or not _VERSION.fullmatch(place[2]):
        yield Note("Unparsable", "the rockspec has no usable package and version", path)
        return
    yield Package(place[1], place[2], purl=PackageURL("luarocks", None, place[1], place[2]).to_string())


ECOSYSTEM = Ecosystem(
    name="luarocks",
    version=1,
    key=key,
    namespace=language(None),
    osv=(),
    wants=Wants(suffixes=(".rockspec",), max_bytes=1 << 20),
    read=read,
    canonical=str.lower,
    upgrade=(("", "luarocks install", "{name} {version}"),),
)

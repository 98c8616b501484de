"""Julia packages where the package manager puts them: ``packages/NAME/SLUG/Project.toml`` of a depot.

Source: https://pkgdocs.julialang.org/v1/toml-files (``name``, ``uuid`` and ``version`` stand before the first table).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from packageurl import PackageURL

from grid.model import Limits, Note, Package

_PLACE = re.compile(r"(?:.*/)?packages/([A-Za-z_][A-Za-z0-9_]*)/[A-Za-z0-9]{4,6}/(?:Julia)?Project\.toml")
_FIELD = re.compile(r"""^[ \t]*(name|uuid|version)[ \t]*=[ \t]*["']([^"'\n]*)["']""", re.MULTILINE)
_TABLE = re.compile(r"^[ \t]*\[", re.MULTILINE)
_VERSION = re.compile(r"[0-9][0-9A-Za-z.+-]*")


def read(path: str, content: bytes, limits: Limits) -> Iterator[Package | Note]:
    """The package of a project file in a depot, which names it as its folder does."""
    place = _PLACE.fullmatch(path)
    if place is None:
        return
    text = content.decode("utf-8", "replace")
    table = _TABLE.search(text)
    fields = dict(_FIELD.findall(text[: table.start()] if table else text))
    version = fields.get("version", "")
    if fields.get("name") != place[1]:
        yield Note("Unparsable", "the project has another name than its folder", path)
        return
    if not version:
        return  # Julia's own libraries have that of Julia
    if not _VERSION.fullmatch(version):
        yield Note("Unparsable", "the project has no usable version", path)
        return
    told = {"uuid": fields["uuid"]} if fields.get("uuid") else None
    yield Package(place[1], version, purl=PackageURL("julia", None, place[1], version, told).to_string())

"""R packages as ``R CMD INSTALL`` leaves them: the ``DESCRIPTION`` of each in a library.

Source: https://cran.r-project.org/doc/manuals/r-release/R-exts.html#The-DESCRIPTION-file. ``Built`` is what
installation adds: without it the file belongs to a source tree.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from packageurl import PackageURL

from grid.model import Limits, Note, Package

_FIELD = re.compile(rb"^(Package|Version|License|Built|Priority):[ \t]*([^\r\n]*)", re.MULTILINE)
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9.]*")
_VERSION = re.compile(r"[0-9]+(?:[.-][0-9]+)*")


def read(path: str, content: bytes, limits: Limits) -> Iterator[Package | Note]:
    """The package that the file describes, if it is installed."""
    if path.rpartition("/")[2] != "DESCRIPTION":
        return
    fields: dict[bytes, str] = {}
    for name, value in _FIELD.findall(content):
        fields.setdefault(name, value.decode("utf-8", "replace").strip())
    installed = b"Built" in fields or fields.get(b"License", "").startswith("Part of R ")
    if not installed or b"Package" not in fields:
        return
    name, version = fields[b"Package"], fields.get(b"Version", "")
    if not _NAME.fullmatch(name) or not _VERSION.fullmatch(version):
        yield Note("Unparsable", "DESCRIPTION has no usable Package and Version", path)
        return
    stated = fields.get(b"License", "")
    yield Package(
        name,
        version,
        licenses=(stated,) if stated else (),
        purl=PackageURL("cran", None, name, version).to_string(),
    )

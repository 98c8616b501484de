"""Gentoo packages: Portage's database, a folder ``CATEGORY/NAME-VERSION`` for each, with what it owns in ``CONTENTS``.

Source: https://projects.gentoo.org/pms/8/pms.html (names, versions and their order, from which apk took its own) and
portage(5). OSV has no Gentoo: packages are listed, not matched.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from io import BytesIO

from packageurl import PackageURL

from grid.ecosystems import Ecosystem, language
from grid.keys.apk import key
from grid.model import Limits, Note, OwnedFile, Package, Wants

_ROOT = "var/db/pkg/"
_PLACE = re.compile(
    r"var/db/pkg/([A-Za-z0-9_][A-Za-z0-9+_.-]*)/([A-Za-z0-9_][A-Za-z0-9+_-]*?)"
    r"-([0-9]+(?:\.[0-9]+)*[a-z]?(?:_(?:alpha|beta|pre|rc|p)[0-9]*)*(?:-r[0-9]+)?)/CONTENTS"
)
_ENTRY = re.compile(r"(?:obj (/.+) [0-9a-f]{32} [0-9]+|sym (/.+?) -> .+)")


def read(path: str, content: bytes, limits: Limits) -> Iterator[Package | Note]:
    """The package of one folder: its place says all, ``CONTENTS`` that it is installed."""
    if not path.startswith(_ROOT) or path.count("/") != 5 or "/-MERGING-" in path:
        return
    place = _PLACE.fullmatch(path) if len(path) <= 400 else None
    if place is None:
        yield Note("Unparsable", "the folder has no usable name and version", path)
        return
    category, name, version = place.groups()
    yield Package(f"{category}/{name}", version, purl=PackageURL("ebuild", category, name, version).to_string())


def owned(path: str, content: bytes, limits: Limits) -> Iterator[OwnedFile | Note]:
    """The files and links that ``CONTENTS`` lists."""
    place = _PLACE.fullmatch(path) if len(path) <= 400 else None
    if place is None:
        return
    for raw in BytesIO(content):
        if entry := _ENTRY.fullmatch(raw.decode("utf-8", "backslashreplace").rstrip("\r\n")):
            yield OwnedFile((entry[1] or entry[2]).lstrip("/"), f"{place[1]}/{place[2]}")


_WANTS = Wants(globs=(f"{_ROOT}*/CONTENTS",), max_bytes=64 << 20)

ECOSYSTEM = Ecosystem(
    name="ebuild",
    version=1,
    key=key,
    namespace=language(None),
    osv=(),
    wants=_WANTS,
    read=read,
    system=True,
    owns=_WANTS,
    owned=owned,
    upgrade=(("sys-apps/portage", "emerge --oneshot --update", "{name}"),),
)

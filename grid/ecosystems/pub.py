"""Dart packages: what lies in pub's cache, ``.pub-cache/hosted/HOST/NAME-VERSION/pubspec.yaml``.

Compiled programs carry no record of theirs.

Source: https://dart.dev/tools/pub/cmd/pub-get#the-system-package-cache.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from packageurl import PackageURL

from grid.ecosystems import Ecosystem, language
from grid.ecosystems._locks import others
from grid.keys.pub import key
from grid.model import Limits, Note, Package, Wants

_PLACE = re.compile(
    r"(?:.*/)?(?:\.pub-cache|Pub/Cache)/hosted/[^/]+/([a-z_][a-z0-9_]*)-([0-9][0-9A-Za-z.+-]*)/pubspec\.yaml"
)
_FIELD = re.compile(rb"^(name|version):[ \t]*[\"']?([^\s\"'#]+)", re.MULTILINE)


def read(path: str, content: bytes, limits: Limits) -> Iterator[Package | Note]:
    """The package of a folder in the cache; its name and version are the folder's."""
    place = _PLACE.fullmatch(path) if len(path) <= 1000 else None
    if place is None:
        return
    stated = dict(_FIELD.findall(content[: 1 << 20]))
    if stated.get(b"name", b"") != place[1].encode():
        yield Note("Unparsable", "the pubspec has another name than its folder", path)
        return
    yield Package(place[1], place[2], purl=PackageURL("pub", None, place[1], place[2]).to_string())


ECOSYSTEM = Ecosystem(
    name="pub",
    version=2,
    key=key,
    namespace=language("Pub"),
    osv=("Pub",),
    wants=Wants(suffixes=("/pubspec.yaml",), max_bytes=1 << 20),
    read=read,
    declares=others.PUB_WANTS,
    declared=others.pub,
    upgrade=(("", "dart pub add", "{name}:{version}"),),
)

"""C and C++ packages of Conan: lock files name them, and so do its caches and what it deploys. A program that is built
of them carries no record.

Sources: https://docs.conan.io/1/mastering/custom_cache.html (``data/NAME/VERSION/USER/CHANNEL/package/ID``),
https://docs.conan.io/2/reference/commands/cache.html and https://docs.conan.io/2/reference/extensions/deployers.html.
The folders of Conan 2's cache do not tell what lies in them: the table ``packages (reference, …)`` beside them does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from packageurl import PackageURL

from grid.ecosystems import Ecosystem, _sqlite, language
from grid.ecosystems._blobs import Damaged
from grid.ecosystems._locks.others import CONAN_WANTS, conan
from grid.keys.semver import key
from grid.model import Limits, Note, Package, Wants

_CACHE = "/p/cache.sqlite3"
_MAX_BAD = 1000  # by then the rest is no better

_OLD = re.compile(r"(?:.*/)?data/([^/]+)/([^/]+)/([^/]+)/([^/]+)/package/[0-9a-f]{40}/conaninfo\.txt")
_DEPLOYED = re.compile(r"(?:.*/)?full_deploy/(?:host|build)/([^/]+)/([^/]+)(?:/[^/]+){0,2}/conaninfo\.txt")
_REFERENCE = re.compile(r"([^/@#:]+)/([^/@#:]+)(?:@([^/@#:]+)(?:/([^/@#:]+))?)?")
_NAME = re.compile(r"[a-z0-9_][a-z0-9_+.-]*")
_VERSION = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_+.-]*")
_WORD = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_+.-]*")


def read(path: str, content: bytes | memoryview, limits: Limits) -> Iterator[Package | Note]:
    """The packages that a cache holds, or the one of a folder of binaries."""
    if path.endswith(_CACHE):
        yield from _cached(path, content)
        return
    place = (_OLD.fullmatch(path) or _DEPLOYED.fullmatch(path)) if len(path) <= 1000 else None
    if place is not None:
        found = _package(*place.groups())
        yield found or Note("Unparsable", "the folder of the package has no usable name and version", path)


def _cached(path: str, content: bytes | memoryview) -> Iterator[Package | Note]:
    seen: set[Package] = set()
    bad, first = 0, ""
    try:
        for row in _sqlite.rows(content, "packages", 1):
            reference = None if isinstance(row, Damaged) else _REFERENCE.fullmatch(row[0].decode("utf-8", "replace"))
            found = _package(*reference.groups()) if reference else None
            if found is None:
                bad += 1
                first = first or (
                    str(row) if isinstance(row, Damaged) else "a reference has no usable name and version"
                )
                if bad >= _MAX_BAD:
                    break
            elif found not in seen:  # one for each set of options
                seen.add(found)
                yield found
    except Damaged as damage:
        bad, first = bad + 1, first or str(damage)
    if bad:
        yield Note("Unparsable", f"{bad} rows of the cache cannot be read, the first: {first}", path)


def _package(name: str, version: str, user: str | None = None, channel: str | None = None) -> Package | None:
    """None where it can have no such name; ``_`` is written for a user and channel that there are none of."""
    if not _NAME.fullmatch(name) or not _VERSION.fullmatch(version):
        return None
    stated = {"user": user, "channel": channel}
    told = {key: value for key, value in stated.items() if value and value != "_" and _WORD.fullmatch(value)}
    return Package(name, version, purl=PackageURL("conan", None, name, version, told or None).to_string())


ECOSYSTEM = Ecosystem(
    name="conan",
    version=2,
    key=key,
    namespace=language("ConanCenter"),
    osv=("ConanCenter",),
    wants=Wants(names=frozenset({"conaninfo.txt"}), suffixes=(_CACHE,)),
    read=read,
    views=True,
    declares=CONAN_WANTS,
    declared=conan,
    upgrade=(("", "in conanfile.txt:", "{name}/{version}"),),
)

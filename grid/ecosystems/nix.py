"""Packages of Nix: the paths in its store that its database (``nix/var/nix/db/db.sqlite``) calls valid.

Sources: Nix's manual (https://nix.dev/manual/nix, on store paths and ``builtins.parseDrvName``) and the table
``ValidPaths (id, path, …)`` of its schema. A path is ``HASH-NAME-VERSION``, and ``-OUTPUT`` for all outputs but the
first. No advisories speak of them. Their names are not the attributes that package URLs are to have, so that the URL
names no package set.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from packageurl import PackageURL

from grid.ecosystems import Ecosystem, _sqlite, language
from grid.ecosystems._blobs import Damaged
from grid.keys.rpm import key
from grid.model import MIB, Limits, Note, Package, Wants

_DATABASE = "nix/var/nix/db/db.sqlite"
_JOURNAL = f"{_DATABASE}-wal"
_PATH = re.compile(r"/nix/store/[0-9a-df-np-sv-z]{32}-([0-9A-Za-z+._?=-]{1,211})")
_PACKAGE = re.compile(
    r"([A-Za-z0-9+._?=-]*?[A-Za-z][A-Za-z0-9+._?=]*(?:-[^0-9-][A-Za-z0-9+._?=]*)*)-([0-9][A-Za-z0-9+._?=-]*?)"
    r"(?:-(?:bin|dev|devdoc|debug|dist|doc|info|lib|man|out|static))*"
)
_NO_PACKAGE = re.compile(
    r".*\.(?:drv|patch|diff|tar|t?gz|tbz2?|txz|bz2|xz|zst|zip|gem|crate|whl|rock|json|nix|sh|el|xml|txt|conf|service)"
)
"""Sources, and what builds are made of: they lie in the store as packages do."""
_MAX_BAD = 1000


def read(path: str, content: bytes | memoryview, limits: Limits) -> Iterator[Package | Note]:
    """The packages of the store, each once, whatever its outputs. What has no version in its name is none."""
    if path == _JOURNAL and len(content) > _sqlite.JOURNAL_HEADER:
        yield Note("JournalNotRead", "changes that lie in the journal only are not seen", path)
    if path != _DATABASE or not content:
        return
    seen: set[tuple[str, str]] = set()
    bad, first = 0, ""
    try:
        for row in _sqlite.rows(content, "ValidPaths", 2):
            stored = None if isinstance(row, Damaged) else _PATH.fullmatch(row[1].decode("utf-8", "replace"))
            if stored is None:
                bad += 1
                first = first or (str(row) if isinstance(row, Damaged) else "a path does not lie in the store")
                if bad >= _MAX_BAD:
                    break
                continue
            known = None if _NO_PACKAGE.fullmatch(stored[1]) else _PACKAGE.fullmatch(stored[1])
            if known is not None and known.groups() not in seen:
                name, version = known.groups()
                seen.add((name, version))
                yield Package(name, version, purl=PackageURL("nix", None, name, version).to_string())
    except Damaged as damage:
        bad, first = bad + 1, first or str(damage)
    if bad:
        yield Note("Unparsable", f"{bad} rows of the database cannot be read, the first: {first}", path)


ECOSYSTEM = Ecosystem(
    name="nix",
    version=1,
    key=key,
    namespace=language(None),
    osv=(),
    wants=Wants(paths=frozenset({_DATABASE, _JOURNAL}), max_bytes=160 * MIB),
    read=read,
    views=True,
    upgrade=(("", "nix profile upgrade", "{name}"),),
)

"""Rows of packages: what the detectors that find packages share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import blake2b

import pyarrow as pa

from grid.detectors._records import CONTROL, batch, contents, dispatcher, guarded
from grid.ecosystems import Ecosystem, Reader
from grid.ecosystems._binary import is_executable
from grid.model import DECLARED, Limits, Note, Package, Wants
from grid.schema import PACKAGES

MAX_PACKAGES = 50_000
"""Packages that one record may give: more is no package database but an attack on memory."""

_MAX_TEXT = 1000

Row = tuple[object, ...]


def package_id(
    ecosystem: str,
    name: str,
    version: str,
    arch: str,
    source_name: str,
    source_version: str,
    modularity: str,
    *,
    declared: bool = False,
) -> int:
    """What makes two package rows the same to the matcher, as a signed 64-bit number.

    What is only declared is another package than the same one installed: findings of the one are not the other's.
    """
    parts = (ecosystem, name, version, arch, source_name, source_version, modularity)
    told = "\0".join((*parts, DECLARED) if declared else parts)
    digest = blake2b(told.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def detect(
    files: pa.RecordBatch,
    schema: pa.Schema,
    ecosystems: Sequence[Ecosystem],
    asks: Callable[[Ecosystem], Wants],
    reader: Callable[[Ecosystem], Reader],
    limits: Limits,
) -> pa.RecordBatch:
    """A row per package of each record, in the order of the files; a note row where a record cannot be read.

    ``asks`` and ``reader`` say which files of an ecosystem are meant, and what reads them.
    """
    wants = [asks(e) for e in ecosystems]
    most = max((want.max_bytes for want in wants), default=0)
    dispatch = dispatcher(wants)
    rows: list[Row] = []
    content = contents(files)
    columns = (files.column(c).to_pylist() for c in ("path", "mode", "size"))
    for i, (path, mode, size) in enumerate(zip(*columns, strict=True)):
        if mode & 0o111 and not is_executable(bytes(content(i)[:4])):
            mode = 0  # a script, or any file of a layer in which all may be executed
        seen: set[object] = set()
        cut = size > most and any(want.partly(path) for want in wants)
        for which in dispatch(path, mode):
            ecosystem = ecosystems[which]
            read, want = reader(ecosystem), wants[which]
            if cut and not want.partly(path):
                continue  # only the parts that others read are here
            found = guarded(read, want, path, content(i), limits, MAX_PACKAGES, ecosystem.views)
            rows += package_rows(ecosystem.name, path, found, seen)
    return batch(rows, schema)


def package_rows(ecosystem: str, path: str, found: Iterable[Package | Note], seen: set[object]) -> Iterator[Row]:
    """What a reader yields, as rows in the order of the columns. A package whose texts no table should hold (longer
    than any real one, with control characters) becomes a note; ``seen`` is what was said of this file before."""
    return (row for fact in found if (row := _row(ecosystem, path, fact, seen)) is not None)


_NO_PACKAGE = (None,) * (len(PACKAGES.columns) - 3)


def _row(ecosystem: str, path: str, found: Package | Note, seen: set[object]) -> Row | None:
    """None for what another reader of this file, or the same, has said already: one purl at one path is one package."""
    if isinstance(found, Note):
        row: Row = (found.path or path, *_NO_PACKAGE, found.code, found.message)
        mark: object = row
    elif (fault := _fault(found)) is not None:
        row = (path, *_NO_PACKAGE, "Unparsable", fault)
        mark = row
    else:
        kind = found.ecosystem or ecosystem
        mark = (kind, found.purl or (found.name, found.version), found.arch)
        row = (path, *_columns(kind, found), None, None)
    if mark in seen:
        return None
    seen.add(mark)
    return row


def _fault(p: Package) -> str | None:
    """Why what a package is known by cannot be: whatever the reader took for it, it is none of these."""
    exact = (p.name, p.version, p.arch, p.source_name, p.source_version, p.modularity)
    if len(max(exact, key=len)) > _MAX_TEXT or len(p.purl) > 4 * _MAX_TEXT:
        return f"a name or version is longer than {_MAX_TEXT} characters"
    return "a name or version has control characters" if CONTROL.search("".join(exact)) else None


def _columns(ecosystem: str, p: Package) -> Row:
    identity = (ecosystem, p.name, p.version, p.arch, p.source_name, p.source_version, p.modularity)
    return (
        package_id(*identity, declared=p.found_as == DECLARED),
        ecosystem,
        p.name,
        p.version,
        p.arch or None,
        p.source_name or None,
        p.source_version or None,
        p.purl,
        [CONTROL.sub(" ", name[:_MAX_TEXT]) for name in p.licenses[:100]] or None,
        p.modularity or None,
        CONTROL.sub(" ", p.origin[:_MAX_TEXT]) or None,
        list(p.cpes) or None,
        p.found_as,
        p.sha1 or None,
    )

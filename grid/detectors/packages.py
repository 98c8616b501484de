"""The packages of every ecosystem, as one detector: each record file goes to the readers that ask for it."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b

import pyarrow as pa

from grid.detectors import output_schema
from grid.detectors._records import batch, contents, dispatcher, guarded, union
from grid.ecosystems import ALL, Ecosystem
from grid.ecosystems._binary import is_executable
from grid.model import Limits, Note, Package, Wants
from grid.schema import PACKAGES

VERSION = 1
"""Raise it when this file changes what it writes; the readers' own versions are folded in."""

MAX_PACKAGES = 50_000
"""Packages that one record may give: more is no package database but an attack on memory."""

_MAX_TEXT = 1000
_LIMITS = Limits()


def package_id(
    ecosystem: str, name: str, version: str, arch: str, source_name: str, source_version: str, modularity: str
) -> int:
    """What makes two package rows the same to the matcher, as a signed 64-bit number."""
    told = "\0".join((ecosystem, name, version, arch, source_name, source_version, modularity))
    digest = blake2b(told.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


@dataclass(frozen=True)
class Packages:
    """Reads package records. ``ecosystems`` decides which; the default is all of them."""

    ecosystems: tuple[Ecosystem, ...] = ALL
    limits: Limits = _LIMITS
    name: str = "packages"

    @property
    def version(self) -> str:
        readers = ",".join(sorted(f"{e.name}:{e.version}" for e in self.ecosystems))
        return f"{VERSION}-{blake2b(readers.encode(), digest_size=6).hexdigest()}"

    @property
    def wants(self) -> Wants:
        return union(e.wants for e in self.ecosystems)

    @property
    def schema(self) -> pa.Schema:
        return output_schema(PACKAGES)

    def detect(self, files: pa.RecordBatch) -> pa.RecordBatch:
        """A row per package of each record, in the order of the files; a note row where a record cannot be read."""
        dispatch = dispatcher([e.wants for e in self.ecosystems])
        rows: list[tuple[object, ...]] = []
        content = contents(files)
        columns = (files.column(c).to_pylist() for c in ("path", "mode", "size"))
        for i, (path, mode, size) in enumerate(zip(*columns, strict=True)):
            if mode & 0o111 and not is_executable(bytes(content(i)[:4])):
                mode = 0  # a script, or any file of a layer in which all may be executed
            first = len(rows)
            for which in dispatch(path, mode):
                if size > len(content(i)) and not self.ecosystems[which].wants.head:
                    continue  # only the head of a large executable is here
                found = self._rows(self.ecosystems[which], path, content(i))
                rows += [row for row in found if row[-1] is None or row not in rows[first:]]  # a note says it once
        return batch(rows, self.schema)

    def _rows(self, ecosystem: Ecosystem, path: str, content: memoryview) -> list[tuple[object, ...]]:
        rows: list[tuple[object, ...]] = []
        seen = set()
        found_here = guarded(ecosystem.read, ecosystem.wants, path, content, self.limits, MAX_PACKAGES, ecosystem.views)
        for found in found_here:
            if isinstance(found, Note):
                rows.append((found.path or path, *_NO_PACKAGE, found.code, found.message))
            elif len(found.name) > _MAX_TEXT or len(found.version) > _MAX_TEXT:
                rows.append(
                    (path, *_NO_PACKAGE, "Unparsable", f"a name or version is longer than {_MAX_TEXT} characters")
                )
            elif (same := (found.name, found.version, found.arch)) not in seen:
                seen.add(same)
                rows.append((path, *_columns(ecosystem.name, found), None, None))
        return rows


_NO_PACKAGE = (None,) * (len(PACKAGES.columns) - 3)


def _columns(ecosystem: str, p: Package) -> tuple[object, ...]:
    return (
        package_id(ecosystem, p.name, p.version, p.arch, p.source_name, p.source_version, p.modularity),
        ecosystem,
        p.name,
        p.version,
        p.arch or None,
        p.source_name or None,
        p.source_version or None,
        p.purl,
        [name[:_MAX_TEXT] for name in p.licenses[:100]] or None,
        p.modularity or None,
        p.origin[:_MAX_TEXT] or None,
        list(p.cpes) or None,
    )


DETECTOR = Packages()

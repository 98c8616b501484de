"""What lock files ask for, of every ecosystem: a detector of its own, so that wanting it redoes nothing else.

Its rows look like those of ``packages`` and lie in a table of their own: nobody who reads the lake's files takes for
installed what is only declared. The view ``packages`` shows both.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from hashlib import blake2b

import pyarrow as pa

from grid.detectors import output_schema
from grid.detectors._package_rows import detect
from grid.detectors._records import union
from grid.ecosystems import ALL, Ecosystem, Reader
from grid.model import DECLARED, Limits, Note, Package, Wants
from grid.schema import LOCKFILES

VERSION = 2
"""Raise it when this file or ``_package_rows`` changes what it writes; the readers' own versions are folded in."""

_LIMITS = Limits()


@dataclass(frozen=True)
class Lockfiles:
    """Reads lock files. ``ecosystems`` decides whose; the default is all of them."""

    ecosystems: tuple[Ecosystem, ...] = ALL
    limits: Limits = _LIMITS
    name: str = "lockfiles"

    @property
    def version(self) -> str:
        readers = ",".join(sorted(f"{e.name}:{e.declared_version}" for e in self.ecosystems))
        return f"{VERSION}-{blake2b(readers.encode(), digest_size=6).hexdigest()}"

    @property
    def wants(self) -> Wants:
        return union(e.declares for e in self.ecosystems if e.declares != Wants())

    @property
    def schema(self) -> pa.Schema:
        return output_schema(LOCKFILES)

    def detect(self, files: pa.RecordBatch) -> pa.RecordBatch:
        """A row per package of each lock file, in the order of the files; a note row where one cannot be read."""
        return detect(files, self.schema, self.ecosystems, _declares, _reader, self.limits)


def _declares(ecosystem: Ecosystem) -> Wants:
    return ecosystem.declares


def _reader(ecosystem: Ecosystem) -> Reader:
    return partial(_declared, ecosystem.declared)


def _declared(read: Reader, path: str, content: bytes, limits: Limits) -> Iterator[Package | Note]:
    for found in read(path, bytes(content), limits):
        yield replace(found, found_as=DECLARED) if isinstance(found, Package) else found


DETECTOR = Lockfiles()

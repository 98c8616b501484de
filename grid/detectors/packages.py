"""The packages of every ecosystem, as one detector: each record file goes to the readers that ask for it."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b

import pyarrow as pa

from grid.detectors import output_schema
from grid.detectors._package_rows import MAX_PACKAGES, detect, package_id
from grid.detectors._records import union
from grid.ecosystems import ALL, Ecosystem, Reader
from grid.model import Limits, Wants
from grid.schema import PACKAGES

__all__ = ["DETECTOR", "MAX_PACKAGES", "Packages", "package_id"]

VERSION = 6
"""Raise it when this file or ``_package_rows`` changes what it writes; the readers' own versions are folded in."""

_LIMITS = Limits()


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
        return detect(files, self.schema, self.ecosystems, _wants, _reader, self.limits)


def _wants(ecosystem: Ecosystem) -> Wants:
    return ecosystem.wants


def _reader(ecosystem: Ecosystem) -> Reader:
    return ecosystem.read


DETECTOR = Packages()

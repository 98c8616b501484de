"""Which records of language packages an OS package owns: squash leaves those packages out of matching.

A Debian image lists a hundred thousand files; only those that a reader of a language ecosystem would ask for are kept.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b

import pyarrow as pa

from grid.detectors import output_schema
from grid.detectors._records import batch, dispatcher, guarded, union
from grid.ecosystems import ALL, Ecosystem
from grid.model import Limits, Note, Wants
from grid.schema import OWNED_FILES

VERSION = 1

MAX_FILES = 5_000_000
"""Files that one list may name; only records of language packages are kept."""

_LIMITS = Limits()


@dataclass(frozen=True)
class OwnedFiles:
    """Reads the file lists of OS packages. ``ecosystems`` decides whose, and which files matter."""

    ecosystems: tuple[Ecosystem, ...] = ALL
    limits: Limits = _LIMITS
    name: str = "owned_files"

    @property
    def _owners(self) -> list[Ecosystem]:
        return [e for e in self.ecosystems if e.owned is not None]

    @property
    def _records(self) -> Wants:
        return union(e.wants for e in self.ecosystems if not e.system)

    @property
    def version(self) -> str:
        # What the language readers ask for decides which files are kept, so it is part of the version.
        owners = sorted(f"{e.name}:{e.version}" for e in self._owners)
        records = self._records
        parts = (owners, sorted(records.names), sorted(records.suffixes), sorted(records.paths), sorted(records.globs))
        return f"{VERSION}-{blake2b(repr(parts).encode(), digest_size=6).hexdigest()}"

    @property
    def wants(self) -> Wants:
        return union(e.owns for e in self._owners)

    @property
    def schema(self) -> pa.Schema:
        return output_schema(OWNED_FILES)

    def detect(self, files: pa.RecordBatch) -> pa.RecordBatch:
        """A row per owned record, in the order of the files; a note row where a list cannot be read."""
        owners = self._owners
        dispatch = dispatcher([e.owns for e in owners])
        may_hold, is_record = _prefilter(self._records), self._records.matcher()
        rows: list[tuple[object, ...]] = []
        contents = files.column("content")
        for i, (path, mode) in enumerate(zip(*(files.column(c).to_pylist() for c in ("path", "mode")), strict=True)):
            for which in dispatch(path, mode):
                content = contents[i].as_py()
                if not may_hold(content):
                    continue
                owner = owners[which]
                if owner.owned is None:
                    continue
                for found in guarded(owner.owned, owner.owns, path, content, self.limits, MAX_FILES):
                    if isinstance(found, Note):
                        rows.append((found.path or path, None, None, found.code, found.message))
                    elif is_record(found.path, 0):
                        rows.append((path, found.path, found.owner, None, None))
        return batch(rows, self.schema)


def _prefilter(records: Wants) -> Callable[[bytes], bool]:
    """A test of a whole list, one regular expression over its bytes, that is false only if no line can be a record.

    Most lists name no record at all, and splitting them into lines is what costs.
    """
    tails = {name.encode() for name in records.names}
    # Lists may give folder and file apart (apk does), so only the last component can be asked for.
    tails |= {part.rpartition("/")[2].encode() for part in (*records.suffixes, *records.paths)}
    if records.globs or records.every or b"" in tails:
        return lambda content: True
    found = re.compile(rb"(?:" + b"|".join(re.escape(t) for t in sorted(tails)) + rb")\r?(?:\n|\Z)").search

    def may_hold(content: bytes) -> bool:
        # A binary database (rpm) has no lines, and may break a name over two pages.
        return b"\0" in content[:4096] or found(content) is not None

    return may_hold


DETECTOR = OwnedFiles()

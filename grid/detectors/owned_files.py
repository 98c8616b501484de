"""Which records of language packages an OS package owns: squash leaves those packages out of matching.

A Debian image lists a hundred thousand files; only those that a reader of a language ecosystem would ask for are kept.
Lists do not say what may be executed: of programs (Go, Rust …) those are kept that lie where programs do.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from grid.detectors import output_schema
from grid.detectors._records import batch, contents, dispatcher, guarded, union
from grid.ecosystems import ALL, Ecosystem
from grid.ecosystems._binary import PROGRAMS
from grid.errors import DetectorUnavailable
from grid.model import SBOM, Limits, Note, OwnedFile, Wants
from grid.schema import OWNED_FILES

if TYPE_CHECKING:
    from grid.patterns import Patterns

VERSION = 3

MAX_FILES = 1_000_000
"""Files that one list may name, as many as a layer has entries; only records of language packages are kept."""

_PROGRAM_MARKS = ("bin/", "libexec/", "cli-plugins/", "/cni/", "pkg/tool/", ".so")
_ZSTD = b"\x28\xb5\x2f\xfd"
"""A list that is compressed has no lines yet."""
_WILD = re.compile(r"[*?\[]")
_MAX_HITS = 1 << 16
"""Hits that are held at once: a list made of nothing else costs no more memory than its own size."""

_LIMITS = Limits()
_MAX_OWNER = 1000


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
        kept = (records.names, records.suffixes, records.paths, records.globs)
        parts = (owners, *map(sorted, kept), records.executables)
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
        sieve, is_record = _sieve(self._records), _matcher(self._records)
        rows: list[tuple[object, ...]] = []
        content_of = contents(files)
        for i, (path, mode) in enumerate(zip(*(files.column(c).to_pylist() for c in ("path", "mode")), strict=True)):
            for which in dispatch(path, mode):
                content, owner = content_of(i), owners[which]
                if owner.owned_lines and len(content) <= owner.owns.max_bytes and content[:4] != _ZSTD:
                    content = memoryview(sieve(content))
                if owner.owned is None or not len(content):
                    continue
                lists = guarded(owner.owned, owner.owns, path, content, self.limits, MAX_FILES, owner.views)
                for found in lists:
                    if isinstance(found, Note):
                        rows.append((found.path or path, None, None, found.code, found.message))
                    elif is_record(found.path) and fits(found):
                        rows.append((path, found.path, found.owner, None, None))
        return batch(rows, self.schema)

    def settle(self, tables: Mapping[str, pa.Table]) -> Mapping[str, pa.Table]:
        """Packages without those that only programs say they are of, where a list of the same layer says it too.

        Distributions mark each of their programs, so that there are thousands that the database tells once, and better.
        Of other layers squash knows who owns what.
        """
        packages, owned = tables.get("packages"), tables[self.name]
        return {} if packages is None else {"packages": _unowned(packages, owned)}


_MOVED = re.compile(r"(?:usr/)?(s?bin|lib(?:x?32|64)?)/")
"""Folders that distributions moved below ``usr``, where lists and layers may name either place."""
_SYSTEM = pa.array([e.name for e in ALL if e.system])


def _unowned(packages: pa.Table, owned: pa.Table) -> pa.Table:
    sbom = pc.fill_null(pc.equal(packages["found_as"], SBOM), False)
    told = pc.and_(sbom, pc.is_in(packages["ecosystem"], _SYSTEM))
    if not len(owned) or not pc.any(told).as_py():
        return packages
    paths = {_folded(path) for path in owned["path"].to_pylist()}
    listed = [
        PROGRAMS.search(path) is not None and _folded(path) in paths for path in packages["source_path"].to_pylist()
    ]
    return packages.filter(pc.invert(pc.and_(told, pa.array(listed))))


def _folded(path: str) -> str:
    moved = _MOVED.match(path)
    return f"{moved[1].removeprefix('s')}/{path[moved.end() :]}" if moved else path


def fits(found: OwnedFile) -> bool:
    """Whether there can be such a file, and such an owner."""
    return len(found.path) <= _LIMITS.max_path_bytes and len(found.owner) <= _MAX_OWNER


def _matcher(records: Wants) -> Callable[[str], bool]:
    matches = records.matcher()
    if not records.executables:
        return lambda path: matches(path, 0)
    in_folder = PROGRAMS.search

    def is_record(path: str) -> bool:
        # Most paths have none of these, and looking for them costs a tenth of the expression.
        likely = "bin/" in path or ".so" in path or "libexec/" in path or "cni/" in path or "/tool/" in path
        return matches(path, 0) or ((likely or "-plugins/" in path) and in_folder(path) is not None)

    return is_record


@lru_cache(maxsize=4)
def _sieve(records: Wants) -> Callable[[memoryview], bytes]:
    """What keeps those lines of a list of paths that may be records, each once: reading all of them is what costs.

    One Hyperscan pass over a list says where such lines are; where there is no Hyperscan, all lines are read.
    """
    tails = {part.rpartition("/")[2] for part in (*records.suffixes, *records.paths)}
    marks = {_folder(glob) for glob in records.globs}
    everything = records.every or "" in tails or "" in marks
    if records.executables:
        marks.update(_PROGRAM_MARKS)
    expressions = [f"[/\\n]{re.escape(name)}\\r?\\n" for name in sorted(records.names)]
    expressions += [f"{re.escape(tail)}\\r?\\n" for tail in sorted(tails)]
    expressions += [re.escape(mark) for mark in sorted(marks)]
    if not expressions:
        return lambda content: b""
    nominated = None if everything else _nominator(expressions)
    if nominated is None:
        return bytes

    def sieve(content: memoryview) -> bytes:
        listed = memoryview(whole := b"".join((b"\n", content, b"\n")))
        kept = []
        done = end = 0  # what has been scanned, and the last line that was looked at
        while True:
            _, ends = nominated.scan(listed[done:], _MAX_HITS)
            for at in (ends + done).tolist():
                if at > end:
                    end = whole.find(b"\n", at - 1) + 1
                    kept.append(whole[whole.rfind(b"\n", 0, at - 1) + 1 : end - 1])
            if len(ends) < _MAX_HITS:
                break
            done = end - 1
        return b"\n".join(dict.fromkeys(kept))

    return sieve


def _nominator(expressions: list[str]) -> Patterns | None:
    try:
        from grid.patterns import Patterns
    except DetectorUnavailable:
        return None
    return Patterns("owned", [(f"lines that end in or have {text!r}", text) for text in expressions])


def _folder(glob: str) -> str:
    """A folder that every path of the glob has in it; "" if the glob does not tell."""
    known = [part for part in glob.split("/")[:-1] if part and not _WILD.search(part)]
    return f"{known[-1]}/" if known else ""


DETECTOR = OwnedFiles()

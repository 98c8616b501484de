"""The secrets detector: credentials in files, by rules.

One Hyperscan pass over the joined contents of a batch nominates (row, rule, end); each nomination is
confirmed with the rule's regex on that row alone, near that end. Text in UTF-16 is looked at as UTF-8; of
files that are not text only what rules marked ``binary`` find counts.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from grid.detectors import output_schema
from grid.detectors.secrets.confirming import Finding, confirm, is_text, lines
from grid.detectors.secrets.nominate import Nominators
from grid.detectors.secrets.rules import RuleSet, Source, builtin_sources, digest, load_rules
from grid.detectors.secrets.sitekey import fingerprint
from grid.detectors.secrets.values import redact
from grid.model import MIB, Limits, Wants
from grid.schema import LAKE_SCHEMA_VERSION, SECRETS

__all__ = ["DETECTOR", "SecretsDetector"]

_LOGIC = 2
"""Raise it when the same rules would give other rows."""
_SCHEMA = output_schema(SECRETS)


@dataclass(frozen=True)
class SecretsDetector:
    """Finds secrets by the built-in rules and those of ``extra`` rule files.

    Only the rule files travel when it is pickled: a worker compiles them, or takes the compiled database
    from the user's cache folder, at its first batch.
    """

    extra: tuple[Source, ...] = ()
    builtin: bool = True
    limits: Limits = field(default_factory=Limits)

    @property
    def name(self) -> str:
        return SECRETS.name

    @property
    def version(self) -> str:
        """``schema.logic-hash of the rule files``."""
        return f"{LAKE_SCHEMA_VERSION}.{_LOGIC}-{digest(self._sources)}"

    @property
    def wants(self) -> Wants:
        return Wants(every=True, unless=self.rules.nowhere, max_bytes=10 * MIB)

    @property
    def schema(self) -> pa.Schema:
        return _SCHEMA

    @property
    def rules(self) -> RuleSet:
        """The rules, compiled; raises RuleInvalid."""
        return load_rules(self._sources)

    def detect(self, files: pa.RecordBatch) -> pa.RecordBatch:
        """A row per secret, in the order of files and then of lines; and note rows where a file held too many."""
        rules, nominator = _engine(self._sources)
        data, offsets = _joined(files.column("content"))
        paths = files.column("path")
        table = _Rows()
        for row, content, which, ends in _candidates(data, offsets, nominator, nominator.scan_paths(paths)):
            path = paths[row].as_py()
            found, notes = confirm(rules, path, content, is_text(content), which, ends)
            table.add(path, content, found[: self.limits.max_facts_per_file])
            if len(found) > self.limits.max_facts_per_file:
                kept = self.limits.max_facts_per_file
                notes = [*notes, f"{len(found)} secrets found, the first {kept} are kept"]
            for note in notes:
                table.note(path, "TooManyFacts", note)
        return table.batch()

    def spans(self, files: pa.RecordBatch) -> list[tuple[int, int, int]]:
        """(row, start, end) in bytes of every secret, for who must strike them out; UTF-16 files are left alone."""
        rules, nominator = _engine(self._sources)
        contents = files.column("content")
        data, offsets = _joined(contents)
        paths = files.column("path")
        found: list[tuple[int, int, int]] = []
        for row, content, which, ends in _candidates(data, offsets, nominator, nominator.scan_paths(paths)):
            if len(content) == offsets[row + 1] - offsets[row]:
                secrets, _ = confirm(rules, paths[row].as_py(), content, is_text(content), which, ends)
                found += [(row, finding.start, finding.end) for finding in secrets]
        return found

    @property
    def _sources(self) -> tuple[Source, ...]:
        return (_builtin() if self.builtin else ()) + self.extra


DETECTOR = SecretsDetector()

_builtin = lru_cache(maxsize=1)(builtin_sources)


@lru_cache(maxsize=4)
def _engine(sources: tuple[Source, ...]) -> tuple[RuleSet, Nominators]:
    rules = load_rules(sources)
    return rules, Nominators(rules)


def _joined(content: pa.Array) -> tuple[memoryview, NDArray[np.int64]]:
    """The values buffer of a binary column, not copied, and the offsets of its rows in it (one more than rows)."""
    wide = pa.types.is_large_binary(content.type)
    _, starts, values = content.buffers()
    if starts is None or not len(content):
        return memoryview(b""), np.zeros(len(content) + 1, dtype=np.int64)
    kind = np.dtype(np.int64 if wide else np.int32)
    raw = np.frombuffer(starts, dtype=kind, count=len(content) + 1, offset=content.offset * kind.itemsize)
    offsets = raw.astype(np.int64)
    data = memoryview(values if values is not None else b"").cast("B")
    return data[offsets[0] : offsets[-1]], offsets - offsets[0]


def _candidates(
    data: memoryview, offsets: NDArray[np.int64], nominator: Nominators, named: list[int]
) -> list[tuple[int, memoryview, NDArray[np.int64], NDArray[np.int64]]]:
    """(row, content, rule indices, ends within the content) of every row that is worth a look, in the order of rows."""
    rules, ends = nominator.scan_rows(data, offsets)
    at = np.searchsorted(offsets, ends - 1, side="right") - 1
    cuts = np.flatnonzero(np.diff(at)) + 1  # ends come in ascending order, so rows do
    groups = {
        int(at[part[0]]): (rules[part], ends[part] - offsets[at[part[0]]])
        for part in np.split(np.arange(len(at)), cuts)
        if len(part)
    }
    contents = {row: data[offsets[row] : offsets[row + 1]] for row in groups}
    for row in _utf16_rows(data, offsets):
        recoded = _utf8(data[offsets[row] : offsets[row + 1]])
        contents[row] = recoded
        groups[row] = nominator.scan(recoded)
    for row in named:
        contents.setdefault(row, data[offsets[row] : offsets[row + 1]])
        groups.setdefault(row, (np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)))
    return [(row, contents[row], *groups[row]) for row in sorted(groups) if len(groups[row][0]) or row in named]


def _utf16_rows(data: memoryview, offsets: NDArray[np.int64]) -> list[int]:
    """Rows that begin with a byte order mark of UTF-16."""
    rows = np.flatnonzero(np.diff(offsets) >= 4)
    if not len(rows):
        return []
    octets = np.frombuffer(data, dtype=np.uint8)
    first, second = octets[offsets[rows]], octets[offsets[rows] + 1]
    marked = ((first == 0xFF) & (second == 0xFE)) | ((first == 0xFE) & (second == 0xFF))
    return [int(row) for row in rows[marked]]


def _utf8(content: memoryview) -> memoryview:
    return memoryview(bytes(content).decode("utf-16", "replace").encode("utf-8", "replace"))


class _Rows:
    """The rows of the batch that is returned."""

    def __init__(self) -> None:
        self._columns: dict[str, list[object]] = {name: [] for name in _SCHEMA.names}

    def add(self, path: str, content: memoryview, found: list[Finding]) -> None:
        if not found:
            return
        for finding, (first, last) in zip(found, lines(content, found), strict=True):
            spec = finding.rule.spec
            self._append(
                path=path,
                line=first,
                end_line=last,
                rule_id=spec.id,
                title=spec.title,
                severity=spec.severity,
                redacted=redact(finding.value, spec.kind),
                fingerprint=fingerprint(finding.value),
            )

    def note(self, path: str, code: str, message: str) -> None:
        self._append(path=path, note_code=code, note_message=message)

    def batch(self) -> pa.RecordBatch:
        return pa.RecordBatch.from_pydict(self._columns, schema=_SCHEMA)

    def _append(self, **cells: object) -> None:
        for name, column in self._columns.items():
            column.append(cells.get(name))

"""Which rule may have a match that ends where: all rules as one Hyperscan database (``grid.patterns``)."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from grid.detectors.secrets.confirming import is_text
from grid.detectors.secrets.rules import Rule, RuleSet
from grid.patterns import Ints, Patterns

_TEXT, _BINARY, _COMPRESSED = range(3)
_COMPRESSIONS = (
    b"PK\x03\x04",  # ZIP: jars, wheels
    b"JM\1\0",  # modules of Java
    b"\x1f\x8b\x08",  # gzip
    b"BZh",
    b"\xfd7zXZ\0",
    b"\x28\xb5\x2f\xfd",  # Zstandard
    b"7z\xbc\xaf\x27\x1c",
)
"""How compressed files begin: hardly anything in them can be read as it lies there."""


class Nominator(Patterns):
    """Rules compiled together; safe to share between threads, not to pickle."""

    def __init__(self, rules: Sequence[Rule], cache: Path | None = None) -> None:
        named = [(f"{rule.file}: rule {rule.id}: nominate", rule.nominate) for rule in rules]
        super().__init__("secrets", named, cache)


class Nominators:
    """All rules for text; for binary files only those that look into them, which takes less than half the time; for
    compressed ones none."""

    def __init__(self, ruleset: RuleSet) -> None:
        rules = ruleset.rules[: ruleset.nominated]
        self._every = Nominator(rules)
        self._places = np.array([i for i, rule in enumerate(rules) if rule.spec.binary], dtype=np.int64)
        self._few = Nominator([rules[i] for i in self._places])
        by_path = ruleset.rules[ruleset.nominated :]
        named = [(f"{rule.where}: paths", path) for rule in by_path for path in rule.spec.paths]
        self._by_path = Patterns("secrets", named, lines=True)

    def scan(self, data: memoryview) -> tuple[Ints, Ints]:
        """As ``Nominator.scan``, for what is known to be text."""
        return self._every.scan(data)

    def scan_paths(self, paths: pa.Array) -> list[int]:
        """Rows of files in which a rule may look for the sake of their path, and perhaps a few others."""
        if not len(paths):
            return []
        lines = pc.binary_join(pa.ListArray.from_arrays(pa.array([0, len(paths)], pa.int32()), paths), "\n")
        _, ends = self._by_path.scan(memoryview(lines[0].as_buffer()).cast("B"))
        next_starts = np.cumsum(pc.binary_length(paths).to_numpy().astype(np.int64) + 1)
        return [int(row) for row in np.unique(np.searchsorted(next_starts, ends, side="right"))]

    def scan_rows(self, data: memoryview, offsets: Ints) -> tuple[Ints, Ints]:
        """The same of the rows that lie in ``data`` between ``offsets``: neighbours of one kind in one call."""
        found: list[tuple[Ints, Ints]] = []
        for start, end, kind in _runs(data, offsets.tolist()):
            part = data[start:end]
            if kind == _TEXT:
                rules, ends = self._every.scan(part)
            elif kind == _BINARY:
                rules, ends = self._few.scan(part)
                rules = self._places[rules]
            else:
                continue
            if len(rules):
                found.append((rules, ends + start))
        if not found:
            return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
        return np.concatenate([r for r, _ in found]), np.concatenate([e for _, e in found])


def _runs(data: memoryview, offsets: Sequence[int]) -> Iterator[tuple[int, int, int]]:
    """(start, end, kind) of runs of rows that are all of one kind."""
    first, of_all = offsets[0], _TEXT
    for start, end in itertools.pairwise(offsets):
        kind = _kind(data[start:end])
        if kind != of_all:
            if start > first:
                yield first, start, of_all
            first, of_all = start, kind
    if offsets[-1] > first:
        yield first, offsets[-1], of_all


def _kind(content: memoryview) -> int:
    if is_text(content):
        return _TEXT
    return _COMPRESSED if bytes(content[:6]).startswith(_COMPRESSIONS) else _BINARY

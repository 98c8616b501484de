"""All rules as one Hyperscan database: which rule may have a match that ends where.

Without SOM_LEFTMOST Hyperscan reports only ends, and every end: so what it says about a file does not
depend on what lies before or after it in the buffer, except for matches across the seam, which the
confirming regex refuses.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import platform
import tempfile
import threading
from array import array
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from platformdirs import user_cache_path

from grid.detectors.secrets.confirming import is_text
from grid.detectors.secrets.rules import Rule
from grid.errors import DetectorUnavailable, RuleInvalid

try:
    import hyperscan
except ImportError as _error:  # no wheel for this platform
    raise DetectorUnavailable(
        f"the secrets detector needs hyperscan, which cannot be imported on {platform.machine()}",
        remedy="install it (pip install hyperscan), or scan without secrets",
    ) from _error

Ints = NDArray[np.int64]

_ID_BITS = 12
_MAGIC = b"scangrid hyperscan 1\n"


class Nominator:
    """Rules compiled together; safe to share between threads, not to pickle."""

    def __init__(self, rules: Sequence[Rule], cache: Path | None = None) -> None:
        if len(rules) >= 1 << _ID_BITS:
            raise RuleInvalid(f"{len(rules)} rules are more than the {1 << _ID_BITS} that fit one database")
        self._rules = tuple(rules)
        self._local = threading.local()
        file = (cache or user_cache_path("scangrid")) / f"secrets-{self._key()}.hsdb"
        database = _load(file)
        self.from_cache = database is not None
        if database is None:
            database = self._compile()
            _store(file, hyperscan.dumpb(database))
        self._database = database

    def scan(self, data: memoryview) -> tuple[Ints, Ints]:
        """(rule indices, match ends), both int64, of all nominations in the buffer, in order of their ends."""
        hits = array("Q")
        append: Callable[[int], None] = hits.append

        def on_match(rule: int, start: int, end: int, flags: int, context: object) -> None:
            append(end << _ID_BITS | rule)

        if data.nbytes:
            # the stub knows str and bytes only; any buffer will do, and none is copied
            self._database.scan(data, match_event_handler=on_match, scratch=self._scratch())  # type: ignore[type-var]
        found = np.array(hits, dtype=np.int64)
        return found & ((1 << _ID_BITS) - 1), found >> _ID_BITS

    def _scratch(self) -> hyperscan.Scratch:
        scratch: hyperscan.Scratch | None = getattr(self._local, "scratch", None)
        if scratch is None:
            scratch = self._local.scratch = hyperscan.Scratch(self._database)
        return scratch

    def _key(self) -> str:
        state = hashlib.sha256(_MAGIC)
        for part in (version("hyperscan"), platform.machine(), platform.system(), _cpu()):
            state.update(f"{part}\0".encode())
        for rule in self._rules:
            state.update(f"{rule.id}\0{rule.nominate}\0".encode())
        return state.hexdigest()[:24]

    def _compile(self) -> hyperscan.Database:
        patterns = [rule.nominate.encode() for rule in self._rules]
        try:
            return _compiled(patterns)
        except hyperscan.HyperscanError as together:
            for rule, pattern in zip(self._rules, patterns, strict=True):
                try:
                    _compiled([pattern])
                except hyperscan.HyperscanError as alone:
                    raise RuleInvalid(f"{rule.file}: rule {rule.id}: nominate: {alone}: {rule.nominate!r}") from None
            raise RuleInvalid(f"the rules compile one by one but not together: {together}") from None


class Nominators:
    """All rules for text; for binary files only those that look into them, which takes less than half the time."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._every = Nominator(rules)
        self._places = np.array([i for i, rule in enumerate(rules) if rule.spec.binary], dtype=np.int64)
        self._few = Nominator([rules[i] for i in self._places]) if len(self._places) else None

    def scan(self, data: memoryview) -> tuple[Ints, Ints]:
        """As ``Nominator.scan``, for what is known to be text."""
        return self._every.scan(data)

    def scan_rows(self, data: memoryview, offsets: Ints) -> tuple[Ints, Ints]:
        """The same of the rows that lie in ``data`` between ``offsets``: neighbours of one kind in one call."""
        found: list[tuple[Ints, Ints]] = []
        for start, end, text in _runs(data, offsets.tolist()):
            part = data[start:end]
            if text:
                rules, ends = self._every.scan(part)
            elif self._few is not None:
                rules, ends = self._few.scan(part)
                rules = self._places[rules]
            else:
                continue
            if len(rules):
                found.append((rules, ends + start))
        if not found:
            return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
        return np.concatenate([r for r, _ in found]), np.concatenate([e for _, e in found])


def _runs(data: memoryview, offsets: Sequence[int]) -> Iterator[tuple[int, int, bool]]:
    """(start, end, text) of runs of rows that are all text or all binary."""
    first, kind = offsets[0], True
    for start, end in itertools.pairwise(offsets):
        text = is_text(data[start:end])
        if text != kind:
            if start > first:
                yield first, start, kind
            first, kind = start, text
    if offsets[-1] > first:
        yield first, offsets[-1], kind


def _compiled(patterns: list[bytes]) -> hyperscan.Database:
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    database.compile(expressions=patterns, ids=list(range(len(patterns))), elements=len(patterns), flags=0)
    return database


def _cpu() -> str:
    """What the code Hyperscan generates depends on: a database made on one CPU may not run on another."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(errors="replace").splitlines():
            if line.startswith(("flags", "Features")):
                return line
    return platform.processor()


def _load(file: Path) -> hyperscan.Database | None:
    """A database from the cache; None if there is none, or not a whole one of this platform."""
    try:
        content = file.read_bytes()
        head = len(_MAGIC) + 32
        payload = content[head:]
        if not content.startswith(_MAGIC) or hashlib.sha256(payload).digest() != content[len(_MAGIC) : head]:
            return None
        return hyperscan.loadb(payload, hyperscan.HS_MODE_BLOCK)
    except (OSError, hyperscan.HyperscanError):
        return None


def _store(file: Path, payload: bytes) -> None:
    """Keep a database for the next process; a cache that cannot be written is no error."""
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
        try:
            with os.fdopen(handle, "wb") as out:
                out.write(_MAGIC + hashlib.sha256(payload).digest() + payload)
            Path(name).replace(file)
        except OSError:
            Path(name).unlink(missing_ok=True)
            raise

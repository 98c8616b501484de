"""Many patterns as one Hyperscan database: which of them may have a match that ends where.

Without SOM_LEFTMOST Hyperscan reports only ends, and every end: so what it says about a file does not
depend on what lies before or after it in the buffer, except for matches across the seam of two files,
which whoever confirms a match refuses.

A compiled database is kept in the user's cache folder, from which it loads in milliseconds.
"""

from __future__ import annotations

import hashlib
import platform
import threading
from array import array
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from grid import cache
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
_MAGIC = b"scangrid hyperscan 3\n"
_LINES = hyperscan.HS_FLAG_UTF8 | hyperscan.HS_FLAG_MULTILINE | hyperscan.HS_FLAG_ALLOWEMPTY


class Patterns:
    """Patterns compiled together; safe to share between threads, not to pickle."""

    def __init__(
        self, kind: str, patterns: Sequence[tuple[str, str]], folder: Path | None = None, *, lines: bool = False
    ) -> None:
        """``patterns`` are (name for errors, expression of Hyperscan's kind); ``kind`` names the cached file.

        ``lines``: what is scanned is lines of UTF-8, at whose ends anchors hold, and a match may be empty.
        Raises RuleInvalid with the name of the pattern that does not compile.
        """
        if len(patterns) >= 1 << _ID_BITS:
            raise RuleInvalid(f"{len(patterns)} rules are more than the {1 << _ID_BITS} that fit one database")
        self._patterns = tuple(patterns)
        self._flags = _LINES if lines else 0
        self._local = threading.local()
        self._database: hyperscan.Database | None = None
        self.from_cache = False
        if not patterns:  # nothing that Hyperscan would compile: nothing is found
            return
        file = (folder or cache.folder()) / f"{kind}-{self._key()}.hsdb"
        database = _load(file)
        self.from_cache = database is not None
        if database is None:
            database = self._compile()
            cache.store(file, hyperscan.dumpb(database))
        self._database = database

    def scan(self, data: memoryview, at_most: int = 0) -> tuple[Ints, Ints]:
        """(places of patterns, match ends), both int64, in order of their ends: all, or the first ``at_most``."""
        hits = array("Q")
        append: Callable[[int], None] = hits.append

        def on_match(pattern: int, start: int, end: int, flags: int, context: object) -> None:
            append(end << _ID_BITS | pattern)

        def on_some(pattern: int, start: int, end: int, flags: int, context: object) -> bool:
            append(end << _ID_BITS | pattern)
            return len(hits) >= at_most

        if data.nbytes and self._database is not None:
            with suppress(hyperscan.ScanTerminated):
                # the stub knows str and bytes only; any buffer will do, and none is copied
                self._database.scan(  # type: ignore[type-var]
                    data,
                    match_event_handler=on_some if at_most else on_match,
                    scratch=self._scratch(),
                )
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
        state.update(f"{self._flags}\0".encode())
        for name, expression in self._patterns:
            state.update(f"{name}\0{expression}\0".encode())
        return state.hexdigest()[:24]

    def _compile(self) -> hyperscan.Database:
        expressions = [expression.encode() for _, expression in self._patterns]
        try:
            return _compiled(expressions, self._flags)
        except hyperscan.HyperscanError as together:
            for (name, expression), encoded in zip(self._patterns, expressions, strict=True):
                try:
                    _compiled([encoded], self._flags)
                except hyperscan.HyperscanError as alone:
                    raise RuleInvalid(f"{name}: {alone}: {expression!r}") from None
            raise RuleInvalid(f"the rules compile one by one but not together: {together}") from None


def _compiled(patterns: list[bytes], flags: int) -> hyperscan.Database:
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    database.compile(expressions=patterns, ids=list(range(len(patterns))), elements=len(patterns), flags=flags)
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
    payload = cache.load(file)
    try:
        return None if payload is None else hyperscan.loadb(payload, hyperscan.HS_MODE_BLOCK)
    except hyperscan.HyperscanError:
        return None

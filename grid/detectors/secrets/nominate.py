"""All rules as one Hyperscan database: which rule may have a match that ends where.

Without SOM_LEFTMOST Hyperscan reports only ends, and every end: so what it says about a file does not
depend on what lies before or after it in the buffer, except for matches across the seam, which the
confirming regex refuses.
"""

from __future__ import annotations

import hashlib
import os
import platform
import tempfile
import threading
from array import array
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from platformdirs import user_cache_path

from grid.detectors.secrets.rules import Rule
from grid.errors import DetectorUnavailable, RuleInvalid

try:
    import hyperscan
except ImportError as _error:  # no wheel for this platform
    raise DetectorUnavailable(
        f"the secrets detector needs hyperscan, which cannot be imported on {platform.machine()}",
        remedy="install it (pip install hyperscan), or scan without secrets",
    ) from _error

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

    def scan(self, data: memoryview) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
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

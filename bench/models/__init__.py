"""Models: how a kind of case is measured. Each is a module here with ``measure(work: Work) -> Outcome``.

A model times itself and returns what it counted; the harness compares the counts and judges the bars. It runs in
a process of its own, so that neither memory nor caches nor threads of one case touch another's.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any


class Absent(Exception):
    """What the case needs is not on this machine: a row with this sentence, not a failure."""


@dataclass(frozen=True, slots=True)
class Work:
    """What a model is given."""

    case: str
    size: str
    parameters: Mapping[str, Any]
    folder: Path
    """For whatever is made; kept between full runs, so that an image need not be built again."""
    peers: tuple[Path, ...] = ()
    """Folders to look for other scanners in, before PATH."""
    inputs: Mapping[str, Path] = field(default_factory=dict)
    """What ``--input NAME=PATH`` gave: data that is not part of the bench."""

    def __getitem__(self, name: str) -> Any:
        return self.parameters[name]


@dataclass(slots=True)
class Outcome:
    """What a model returns."""

    counts: dict[str, int] = field(default_factory=dict)
    """What the measured code found."""
    wanted: dict[str, int] = field(default_factory=dict)
    """The same, found out in another way."""
    figures: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def measure(model: str, work: Work) -> Outcome:
    """Run one model here."""
    outcome: Outcome = import_module(f"bench.models.{model}").measure(work)
    return outcome


# --- what models share ---------------------------------------------------------------------------


@dataclass(slots=True)
class Clock:
    """Seconds of a ``with`` block."""

    wall: float = 0.0
    cpu: float = 0.0
    """User and system time of this process, all threads."""


@contextmanager
def clock() -> Iterator[Clock]:
    """Time a block by the wall and by the CPU."""
    told = Clock()
    wall, cpu = time.perf_counter(), time.process_time()
    try:
        yield told
    finally:
        told.wall, told.cpu = time.perf_counter() - wall, time.process_time() - cpu


def peak_memory() -> int:
    """Bytes this process has had in memory at most. Not of its parent, which ``ru_maxrss`` may count after a fork."""
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def one_core() -> None:
    """Keep this process on one core, where the system can."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def in_child(function: str, arguments: Mapping[str, object], timeout: float = 3600) -> dict[str, Any]:
    """Call ``module:function(**arguments)`` in a new process and return the JSON object that it returns."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:  # may be longer than a command line
        json.dump(arguments, file)
        file.flush()
        command = [sys.executable, "-m", "bench", "call", function, file.name]
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, env=environment())
    if done.returncode:
        raise RuntimeError(last_line(done.stderr) or f"{function} ended with {done.returncode}")
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def environment() -> dict[str, str]:
    """For child processes: ours, with this repository on the path, and bytecode kept as an installation has it."""
    root = str(Path(__file__).parents[2])
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "PYTHONPATH": os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))}


def last_line(text: str) -> str:
    """What a failed program said last."""
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")


def median(values: Sequence[float]) -> float:
    """The middle one (of two the lower), so that it is a measured value."""
    return sorted(values)[(len(values) - 1) // 2]

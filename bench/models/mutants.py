"""Mutated inputs for every reader: none may end in an exception, take a second, or need much memory, and what is
found must be fit for a table.

Inputs are read in a process of its own, whose address space is bounded and whom the system ends if one input takes
``kill_ms`` of CPU; then the next process goes on behind it.
"""

from __future__ import annotations

import json
import mmap
import os
import resource
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any
from zlib import crc32

from bench.models import Absent, Outcome, Work, environment, last_line
from bench.mutants.facts import fault
from bench.mutants.mutate import mutant
from bench.mutants.readers import Reader, readers

SECOND = 1.0
"""CPU that one input may take."""
_CLEAR = Path("/proc/self/clear_refs")
_FACTS = 50_000
"""As many of one file are kept by a scan."""
_KEPT = 40
"""Failures of a reader that are told; the rest are counted."""
_PLACE = 16
"""Bytes of the file in which a worker says where it is."""


@dataclass(slots=True)
class Told:
    """What became of a reader's inputs."""

    reader: str
    inputs: int = 0
    facts: int = 0
    crashes: int = 0
    invalid: int = 0
    slow: int = 0
    killed: int = 0
    cpu: float = 0.0
    slowest: float = 0.0
    slowest_input: int = 0
    peak: int = 0
    """Bytes of memory above what the process had before."""
    failures: dict[str, list[int]] = field(default_factory=dict)
    """What went wrong, and with which inputs."""

    def add(self, other: Told) -> None:
        """Take another part of the same reader's inputs in."""
        for name in ("inputs", "facts", "crashes", "invalid", "slow", "killed", "cpu"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        if other.slowest > self.slowest:
            self.slowest, self.slowest_input = other.slowest, other.slowest_input
        self.peak = max(self.peak, other.peak)
        for what, inputs in other.failures.items():
            self.fails(what, *inputs)

    def fails(self, what: str, *inputs: int) -> None:
        """Note a failure, as long as there is room."""
        if what in self.failures or len(self.failures) < _KEPT:
            self.failures.setdefault(what, []).extend(inputs)
            del self.failures[what][5:]


def measure(work: Work) -> Outcome:
    """``count`` mutants a reader from the ``first`` on, drawn from ``seed``; ``reader`` names one, or the beginning of
    several (with commas: each of these), or all ("").

    ``--input records=ZIP`` adds real files to the seeds. What fails is kept in the work folder.
    """
    if not _CLEAR.exists():
        raise Absent("memory is bounded and measured by Linux's /proc")
    archives = [str(path) for name, path in work.inputs.items() if name.startswith("records")]
    known = readers(tuple(map(Path, archives)))
    chosen = [name for name in known if name.startswith(tuple(work["reader"].split(",")))]
    if not chosen:
        raise ValueError(f"no reader is called {work['reader']!r}; there are {', '.join(known)}")
    told = {name: Told(name) for name in chosen}
    log = work.folder / "mutants.jsonl"
    for part in _parts(chosen, work, archives):
        with log.open("a") as file:  # of a long run that is ended, this stays
            print(json.dumps(asdict(part)), file=file)
        told[part.reader].add(part)
        _keep(work, known[part.reader], part)
    failed = [reader for reader in told.values() if reader.failures]
    notes = [_line(reader) for reader in told.values()]
    notes += [
        f"{r.reader}: {what}: inputs {', '.join(map(str, some))}" for r in failed for what, some in r.failures.items()
    ]
    worst = max(told.values(), key=lambda r: r.slowest)
    return Outcome(
        counts={
            "readers": len(told),
            "inputs": sum(r.inputs for r in told.values()),
            "crashes": sum(r.crashes for r in told.values()),
            "invalid": sum(r.invalid for r in told.values()),
            "slow": sum(r.slow + r.killed for r in told.values()),
        },
        wanted={"readers": len(chosen), "inputs": work["count"] * len(chosen), "crashes": 0, "invalid": 0, "slow": 0},
        figures={
            "slowest": worst.slowest * 1000,
            "mean": sum(r.cpu for r in told.values()) / max(sum(r.inputs for r in told.values()), 1) * 1e6,
            "peak": max(r.peak for r in told.values()) / 1e6,
            "inputs": sum(r.inputs for r in told.values()),
            "readers": len(told),
        },
        notes=notes,
    )


def _line(told: Told) -> str:
    mean = told.cpu / max(told.inputs, 1) * 1e6
    return (
        f"{told.reader}: {told.inputs:,} inputs, {told.facts:,} facts, {told.crashes} crashes, {told.invalid} invalid, "
        f"{told.slow + told.killed} over {SECOND:.0f} s; {mean:,.0f} µs on average, slowest "
        f"{told.slowest * 1000:,.0f} ms (input {told.slowest_input}), {told.peak / 1e6:,.1f} MB"
    )


def _keep(work: Work, reader: Reader, told: Told) -> None:
    folder = work.folder / "mutants"
    for inputs in told.failures.values():
        for number in inputs[:1]:
            folder.mkdir(exist_ok=True)
            path, content = made(reader, work["seed"], number)
            (folder / f"{reader.name}-{number}-{path.rpartition('/')[2]}").write_bytes(content)


def _parts(chosen: list[str], work: Work, archives: list[str]) -> Iterator[Told]:
    """What the workers tell. One that is killed is replaced, and what it had begun done again without the culprit."""
    end = work["first"] + work["count"]
    jobs = [[name, at, min(work["part"], end - at)]
            for at in range(work["first"], end, work["part"]) for name in chosen]  # fmt: skip
    place = work.folder / "place"
    while jobs:
        place.write_bytes(bytes(_PLACE))
        asked = {name: work[name] for name in ("seed", "memory", "kill_ms")}
        order = {"jobs": jobs, **asked, "archives": archives, "place": str(place)}
        with subprocess.Popen(
            [sys.executable, "-m", "bench.models.mutants"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, env=environment(),
        ) as worker:  # fmt: skip
            assert worker.stdin and worker.stdout and worker.stderr
            worker.stdin.write(json.dumps(order))
            worker.stdin.close()
            done = 0
            for line in worker.stdout:
                yield Told(**json.loads(line))
                done += 1
            said = worker.stderr.read()
        if worker.returncode >= 0:
            if worker.returncode or done < len(jobs):
                raise RuntimeError(last_line(said) or f"the worker ended with {worker.returncode}")
            return
        number = int.from_bytes(place.read_bytes()[:8], "little")
        name, first, count = jobs[done]
        told = Told(str(name), inputs=1, killed=1)
        told.fails(f"ended by {signal.Signals(-worker.returncode).name}", number)
        yield told
        jobs = [job for job in ([name, first, number - first], [name, number + 1, first + count - number - 1],
                                *jobs[done + 1 :]) if job[2]]  # fmt: skip


# --- the worker ----------------------------------------------------------------------------------


def made(reader: Reader, seed: int, number: int) -> tuple[str, bytes]:
    """Path and content of one input: the same in every run. The first ones are the seeds themselves."""
    seeds = reader.seeds
    if number < len(seeds):
        return seeds[number].path, seeds[number].pack(seeds[number].content)
    dice = Random((crc32(reader.name.encode()) << 72) | (seed << 40) | number)  # noqa: S311 - repeatable, not secret
    chosen = dice.choice(seeds)
    like = [s.content for s in seeds if s.pack == chosen.pack]
    return chosen.path, chosen.pack(mutant(dice, chosen.content, like))


def _work(order: Mapping[str, Any]) -> None:
    known = readers(tuple(map(Path, order["archives"])))
    with Path(order["place"]).open("r+b") as file:
        place = mmap.mmap(file.fileno(), _PLACE)
    signal.signal(signal.SIGPROF, signal.SIG_DFL)  # ends the process, even within one call of a library
    for name, first, count in order["jobs"]:
        told = _read(known[name], range(first, first + count), order, place)
        print(json.dumps(asdict(told)), flush=True)


def _read(reader: Reader, numbers: range, order: Mapping[str, Any], place: mmap.mmap) -> Told:
    for warm in reader.seeds:  # what is loaded once is no input's memory
        list(reader.read(warm.path, warm.pack(warm.content)))
    _bound(order["memory"])
    before = _peak(fresh=True)
    told = Told(reader.name, inputs=len(numbers))
    for number in numbers:
        path, content = made(reader, order["seed"], number)
        place[:8] = number.to_bytes(8, "little")
        signal.setitimer(signal.ITIMER_PROF, order["kill_ms"] / 1000)
        began = time.process_time()
        try:
            found = list(islice(reader.read(path, content), _FACTS))
        except reader.errors:
            found = []
        except Exception as error:
            found = []
            told.crashes += 1
            told.fails(f"{type(error).__name__} {_place(error)}", number)
        took = time.process_time() - began
        told.cpu += took
        if took > told.slowest:
            told.slowest, told.slowest_input = took, number
        if took > SECOND:
            told.slow += 1
            told.fails(f"over {SECOND:.0f} s", number)
        told.facts += len(found)
        wrong = next((what for fact in found if (what := fault(fact))), None)
        if wrong is not None:
            told.invalid += 1
            told.fails(wrong, number)
    signal.setitimer(signal.ITIMER_PROF, 0)
    told.peak = max(_peak() - before, 0)
    return told


def _place(error: Exception) -> str:
    ours = [frame for frame in traceback.extract_tb(error.__traceback__) if f"{os.sep}grid{os.sep}" in frame.filename]
    return f"in {Path(ours[-1].filename).name}:{ours[-1].lineno}" if ours else ""


def _bound(memory: int) -> None:
    """Give the process so many MB more of address space than it has."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + memory * 1_000_000
    resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))


def _peak(*, fresh: bool = False) -> int:
    """Bytes in memory at most; ``fresh``: from now on."""
    if fresh:
        with suppress(OSError):  # where /proc cannot be written the peak is that of the whole process
            _CLEAR.write_text("5")
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


if __name__ == "__main__":
    _work(json.load(sys.stdin))

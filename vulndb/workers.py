"""Who parses parts: this process, or as many others as there are cores. ``jobs.database`` has one that asks Ray.

The others are plain ``python -m vulndb.workers`` processes: parts come in by standard input and progress goes out by
standard output, a line each, so that they end when we do, however we end.
"""

from __future__ import annotations

import base64
import json
import os
import pickle
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Protocol

from vulndb.parts import Part, Summary, try_part

TRIES = 2
"""A process that dies is replaced once for each part."""
WORTHWHILE = 16 << 20
"""Bytes of files below which starting processes costs more than it brings."""

Done = Callable[[Part, Summary | str], None]
"""Told how a part ended: its summary, or why it has none."""
Progress = Callable[[Part, int], None]
"""Told how many records of a part have been read."""


class Runner(Protocol):
    """Parses parts in any order; ``done`` and ``progress`` are called by one thread at a time."""

    def __call__(self, parts: Sequence[Part], done: Done, progress: Progress) -> None: ...


def in_process(parts: Sequence[Part], done: Done, progress: Progress) -> None:
    """One after the other, here."""
    for part in parts:
        done(part, try_part(part, lambda count, part=part: progress(part, count)))  # type: ignore[misc]


class Processes:
    """In ``workers`` processes, the largest parts first; here, if there is little to do."""

    def __init__(self, workers: int | None = None, worthwhile: int = WORTHWHILE) -> None:
        self._workers = workers or cores()
        self._worthwhile = worthwhile

    def __call__(self, parts: Sequence[Part], done: Done, progress: Progress) -> None:
        if sum(part.bytes for part in parts) < self._worthwhile:
            in_process(parts, done, progress)
            return
        waiting: queue.SimpleQueue[Part] = queue.SimpleQueue()
        for part in sorted(parts, key=lambda part: -part.bytes):
            waiting.put(part)
        lock = threading.Lock()
        failed: list[BaseException] = []

        def work() -> None:
            worker: _Worker | None = None
            try:
                while not failed:
                    try:
                        part = waiting.get_nowait()
                    except queue.Empty:
                        return
                    for attempt in range(TRIES):
                        worker = worker or _Worker()
                        told = worker.stage(part, lambda count, part=part: locked(progress, part, count))  # type: ignore[misc]
                        if told is not None:
                            break
                        died, worker = worker.close(), None
                        if attempt + 1 == TRIES:
                            told = f"the process that read it died ({died}), most often for want of memory"
                    assert told is not None
                    locked(done, part, told)
            except BaseException as error:  # whatever a callback raises is the caller's
                failed.append(error)
            finally:
                if worker is not None:
                    worker.close()

        def locked(call: Callable[..., None], *arguments: object) -> None:
            with lock:
                call(*arguments)

        threads = [threading.Thread(target=work, daemon=True) for _ in range(min(self._workers, len(parts)))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failed:
            raise failed[0]


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class _Worker:
    """One such process."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "vulndb.workers"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )

    def stage(self, part: Part, tick: Callable[[int], None]) -> Summary | str | None:
        """How the part ended; None if the process did."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None and stdout is not None
        try:
            stdin.write(base64.b64encode(pickle.dumps(part)) + b"\n")
            stdin.flush()
        except OSError:
            return None
        for line in stdout:
            told = json.loads(line)
            if "count" in told:
                tick(told["count"])
            elif "failure" in told:
                return str(told["failure"])
            else:
                return Summary(**told["summary"])
        return None

    def close(self) -> str:
        """End it; how it ended."""
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                try:
                    stream.close()
                except OSError:
                    continue
        try:
            code = self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        return f"signal {-code}" if code < 0 else f"exit code {code}"


def main() -> None:
    """Parse what comes in by standard input until it ends. Whoever starts us is trusted: parts are pickles."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # nothing else may write there

    def say(**told: object) -> None:
        out.write(json.dumps(told) + "\n")
        out.flush()

    for line in sys.stdin.buffer:
        ended = try_part(pickle.loads(base64.b64decode(line)), lambda count: say(count=count))  # noqa: S301
        if isinstance(ended, str):
            say(failure=ended)
        else:
            say(summary=asdict(ended))


if __name__ == "__main__":
    main()

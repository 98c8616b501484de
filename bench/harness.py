"""Running cases: each in its own process, its counts checked before its time counts."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from bench.case import Case
from bench.models import Absent, Outcome, Work, environment, last_line, measure

TIMEOUTS = {"full": 3600.0, "verify": 120.0}
_ABSENT = 77


@dataclass(slots=True)
class Row:
    """How a case ended: a row in any event, never a hole."""

    case: str
    status: str
    """``ok``, ``failed`` or ``absent``."""
    reason: str = ""
    """Why not ``ok``."""
    counts: dict[str, int] = field(default_factory=dict)
    figures: dict[str, float] = field(default_factory=dict)
    """Only of a case whose counts are right."""
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0


def run(
    cases: Iterable[Case],
    size: str,
    folder: Path | None = None,
    peers: Sequence[Path] = (),
    tell: Callable[[Row], None] = lambda row: None,
    inputs: Mapping[str, Path] | None = None,
) -> list[Row]:
    """Run cases one after the other. Without ``folder`` whatever they make goes when they end."""
    rows = []
    for case in cases:
        with tempfile.TemporaryDirectory(prefix="scangrid-bench-") as temporary:
            rows.append(run_case(case, size, folder or Path(temporary), peers, inputs))
        tell(rows[-1])
    return rows


def run_case(
    case: Case, size: str, folder: Path, peers: Sequence[Path] = (), inputs: Mapping[str, Path] | None = None
) -> Row:
    """Run one case in a process of its own and judge its counts."""
    started = time.monotonic()
    order = {"model": case.model, "case": case.name, "size": size, "parameters": dict(case.parameters[size]),
             "folder": str(folder), "peers": [str(peer) for peer in peers],
             "inputs": {name: str(path) for name, path in (inputs or {}).items()}}  # fmt: skip
    try:
        done = subprocess.run(
            [sys.executable, "-m", "bench", "one", json.dumps(order)],
            capture_output=True, text=True, timeout=TIMEOUTS[size], env=environment(),
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return Row(case.name, "failed", f"no result within {TIMEOUTS[size]:.0f} s", seconds=TIMEOUTS[size])
    seconds = round(time.monotonic() - started, 1)
    if done.returncode == _ABSENT:
        return Row(case.name, "absent", last_line(done.stderr), seconds=seconds)
    if done.returncode:
        return Row(case.name, "failed", last_line(done.stderr) or f"exit code {done.returncode}", seconds=seconds)
    outcome = Outcome(**json.loads(done.stdout.splitlines()[-1]))
    wrong = case.judge(size, outcome.counts, outcome.wanted)
    missing = [f.name for f in case.figures if f.name not in outcome.figures]
    if missing and not wrong:
        wrong = [f"no figure {', '.join(missing)}"]
    if wrong:
        return Row(case.name, "failed", "; ".join(wrong), outcome.counts, {}, outcome.notes, seconds)
    return Row(case.name, "ok", "", outcome.counts, outcome.figures, outcome.notes, seconds)


def one(order: str) -> int:
    """The child's side of ``run_case``."""
    given = json.loads(order)
    work = Work(
        given["case"], given["size"], given["parameters"], Path(given["folder"]), tuple(map(Path, given["peers"])),
        {name: Path(path) for name, path in given["inputs"].items()},
    )  # fmt: skip
    work.folder.mkdir(parents=True, exist_ok=True)
    try:
        outcome = measure(given["model"], work)
    except Absent as absent:
        print(absent, file=sys.stderr)
        return _ABSENT
    print(json.dumps(asdict(outcome)))
    return 0

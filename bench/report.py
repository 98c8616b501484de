"""Records of runs, the table made of them, and its place in the README."""

from __future__ import annotations

import json
import os
import platform
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from bench.case import Case, Figure
from bench.harness import Row

SCHEMA = 1
RECORDS = Path(__file__).with_name("record")
README = Path(__file__).parents[1] / "README.md"
BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"
_LIBRARIES = ("scangrid", "ray", "duckdb", "pyarrow", "hyperscan", "isal", "zstandard", "httpx", "numpy")


class RecordInvalid(Exception):
    """A record, or a README, that is not what it should be."""


def machine() -> dict[str, Any]:
    """What the figures depend on."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "cpu": _cpu(),
        "cores": cores,
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in _LIBRARIES},
    }


def _cpu() -> str:
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        found = None
    return found[1].strip() if found else platform.processor() or platform.machine()


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "absent"


def make_record(rows: Iterable[Row], size: str, note: str = "") -> dict[str, Any]:
    """A run as it is kept."""
    return {
        "schema": SCHEMA,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "size": size,
        "note": note,
        "machine": machine(),
        "rows": [asdict(row) for row in rows],
    }


def write_record(record: Mapping[str, Any], folder: Path = RECORDS) -> Path:
    """Keep a run under its date; a second one of a day gets the time, too."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{str(record['date'])[:10]}.json"
    if path.exists():
        path = folder / f"{str(record['date'])[:19].replace(':', '')}.json"
    path.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def read_record(path: Path) -> tuple[dict[str, Any], list[Row]]:
    """A kept run; raises RecordInvalid."""
    try:
        record = json.loads(path.read_text("utf-8"))
        if record["schema"] != SCHEMA or record["size"] not in ("full", "verify"):
            raise ValueError("unknown schema or size")
        datetime.fromisoformat(record["date"])
        for name in ("cpu", "cores", "memory_gb", "system", "python", "versions"):
            record["machine"][name]
        rows = [Row(**row) for row in record["rows"]]
        if any(row.status not in ("ok", "failed", "absent") for row in rows):
            raise ValueError("unknown status")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RecordInvalid(f"{path}: {type(error).__name__}: {error}") from error
    return record, rows


def newest_record(folder: Path = RECORDS) -> Path:
    """The last full run that was kept; raises RecordInvalid if there is none."""
    full = [(record["date"], path) for path in folder.glob("*.json") for record, _ in [read_record(path)]
            if record["size"] == "full"]  # fmt: skip
    if not full:
        raise RecordInvalid(f"no full run in {folder}: python -m bench run --record")
    return max(full)[1]


# --- the table -----------------------------------------------------------------------------------

HEAD = ("what", "figure", "bar", "", "beside")


def table(cases: Sequence[Case], rows: Iterable[Row]) -> str:
    """The run as a Markdown table: a line a figure, and a line a case that gave none."""
    by_name = {row.case: row for row in rows}
    lines = [cells for case in cases if (row := by_name.get(case.name)) for cells in _lines(case, row)]
    text = [f"| {' | '.join(cells)} |" for cells in (HEAD, ("---",) * len(HEAD), *lines)]
    return "\n".join(text)


def _lines(case: Case, row: Row) -> Iterator[tuple[str, ...]]:
    if row.status != "ok":
        bars = "; ".join(dict.fromkeys(f.bar for f in case.figures if f.bar))
        word = "**failed**" if row.status == "failed" else "not measured"
        yield (f"{case.name}: {_cell(case.measures)}", "–", bars, word, _cell(row.reason))
        return
    for figure in case.figures:
        yield (
            f"{case.name}: {figure.title}",
            f"{show(row.figures[figure.name], figure)}",
            figure.bar,
            {True: "held", False: "**missed**", None: ""}[figure.holds(row.figures[figure.name])],
            _cell(_beside(figure, row)),
        )


def _beside(figure: Figure, row: Row) -> str:
    """What stands beside it; nothing where an older record does not have all of it."""
    try:
        return figure.beside.format(**row.figures)
    except KeyError:
        return ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def show(value: float, figure: Figure) -> str:
    """A value with its unit, thousands apart."""
    return f"{value:,.{figure.digits}f}{figure.unit and ' ' + figure.unit}"


def missed(cases: Sequence[Case], rows: Iterable[Row]) -> list[str]:
    """The bars that a run did not hold, a sentence each."""
    by_name = {row.case: row for row in rows if row.status == "ok"}
    return [
        f"{case.name}: {figure.title} is {show(by_name[case.name].figures[figure.name], figure)}, the bar {figure.bar}"
        for case in cases if case.name in by_name
        for figure in case.figures if figure.holds(by_name[case.name].figures[figure.name]) is False
    ]  # fmt: skip


# --- the README ----------------------------------------------------------------------------------


def block(cases: Sequence[Case], path: Path) -> str:
    """What stands between the markers: where the figures are from, and the table."""
    record, rows = read_record(path)
    about = record["machine"]
    peers = sorted({note for row in rows for note in row.notes if note.startswith("version: ")})
    named = ", ".join(note.removeprefix("version: ") for note in peers)
    return "\n".join((
        BEGIN,
        f"`python -m bench run --record` of {record['date'][:10]} on {about['cores']} cores of {about['cpu']}, "
        f"{about['memory_gb']:.0f} GB, Python {about['python']}{'; beside ' + named if named else ''} "
        f"([record](bench/record/{path.name}), [how](bench/README.md)):",
        "",
        table(cases, rows),
        END,
    ))  # fmt: skip


def splice(text: str, block: str) -> str:
    """A README with its block replaced; raises RecordInvalid if it has no markers."""
    parts = re.split(f"{re.escape(BEGIN)}.*?{re.escape(END)}", text, flags=re.DOTALL)
    if len(parts) != 2:
        raise RecordInvalid(f"the README needs one place that begins with {BEGIN} and ends with {END}")
    return block.join(parts)

"""``python -m bench``: see README.md of this folder."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import TextIO

from bench import harness, report
from bench.case import Case, CaseInvalid, load_cases
from bench.harness import Row

WORK = Path(__file__).with_name("work")


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0 fine, 1 a case failed or the README is stale, 2 usage."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:1] == ["one"]:  # the child of a run
        return harness.one(given[1])
    if given[:1] == ["call"]:  # and its children
        module, _, function = given[1].partition(":")
        asked = json.loads(Path(given[2]).read_text("utf-8"))
        print(json.dumps(getattr(import_module(module), function)(**asked)))
        return 0
    options = _parser().parse_args(given)
    try:
        cases = load_cases(options.cases)
        code: int = options.does(options, cases)
    except (CaseInvalid, report.RecordInvalid) as error:
        print(error, file=sys.stderr)
        return 2
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure scangrid's numbers.")
    commands = parser.add_subparsers(required=True)
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--cases", type=Path, default=Path(__file__).with_name("cases"), help=argparse.SUPPRESS)
    for name, does, text in (
        ("run", _run, "measure at full size and print the table"),
        ("verify", _verify, "every case once at a small size: are the counts right?"),
        ("list", _list, "the cases"),
        ("readme", _readme, "the table of a record in README.md"),
    ):
        command = commands.add_parser(name, help=text, description=text, parents=[shared])
        command.set_defaults(does=does)
        if name in ("run", "verify"):
            command.add_argument("case", nargs="*", help="only these")
            command.add_argument("--peers", type=Path, action="append", default=[], metavar="DIR",
                                 help="where other scanners are, before PATH (may be repeated)")  # fmt: skip
            command.add_argument("--input", type=_input, action="append", default=[], metavar="NAME=PATH",
                                 help="data of yours that a case can use (see README.md; may be repeated)")  # fmt: skip
            command.add_argument("--set", type=_setting, action="append", default=[], metavar="NAME=VALUE",
                                 help="another value of a parameter of the chosen cases (may be repeated)")  # fmt: skip
        if name == "run":
            command.add_argument("--record", action="store_true", help="keep the run in bench/record/")
            command.add_argument("--note", default="", help="a sentence to keep with it")
            command.add_argument("--work", type=Path, default=WORK, help="where images and lakes are made and kept")
        if name == "readme":
            command.add_argument("--write", type=Path, metavar="RECORD", help="splice this record in")
            command.add_argument("--check", action="store_true", help="fail if it is not the newest record's")
            command.add_argument("--readme", type=Path, default=report.README, help=argparse.SUPPRESS)
            command.add_argument("--records", type=Path, default=report.RECORDS, help=argparse.SUPPRESS)
    return parser


def _input(text: str) -> tuple[str, Path]:
    name, sign, path = text.partition("=")
    if not sign or not Path(path).exists():
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=PATH of something that exists")
    return name, Path(path).resolve()


def _setting(text: str) -> tuple[str, int | str]:
    name, sign, value = text.partition("=")
    if not sign or not name:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name, int(value) if value.isdecimal() else value


def _chosen(options: argparse.Namespace, cases: list[Case]) -> list[Case]:
    unknown = sorted(set(options.case) - {case.name for case in cases})
    if unknown:
        raise CaseInvalid(f"no case {', '.join(unknown)}; see: python -m bench list")
    chosen = [case for case in cases if not options.case or case.name in options.case]
    return [case.set(dict(options.set)) for case in chosen]


def _run(options: argparse.Namespace, cases: list[Case]) -> int:
    chosen = _chosen(options, cases)
    options.work.mkdir(parents=True, exist_ok=True)
    rows = harness.run(chosen, "full", options.work.resolve(), options.peers, _tell, dict(options.input))
    print(report.table(chosen, rows))
    for row in rows:
        for note in row.notes:
            print(f"note on {row.case}: {note}")
    for sentence in report.missed(chosen, rows):
        print(f"missed: {sentence}")
    if options.record:
        path = report.write_record(report.make_record(rows, "full", options.note))
        print(f"kept as {os.path.relpath(path)}")
    return 1 if any(row.status == "failed" for row in rows) else 0


def _verify(options: argparse.Namespace, cases: list[Case]) -> int:
    rows = harness.run(
        _chosen(options, cases), "verify", None, options.peers, lambda row: _tell(row, sys.stdout), dict(options.input)
    )
    passed, failed = (sum(row.status == status for row in rows) for status in ("ok", "failed"))
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


def _tell(row: Row, stream: TextIO = sys.stderr) -> None:
    counts = ", ".join(f"{name} {value:,}" for name, value in row.counts.items())
    print(f"{row.case:<20} {row.status:<7} {row.seconds:6.1f} s  {row.reason or counts}", file=stream, flush=True)


def _list(options: argparse.Namespace, cases: list[Case]) -> int:
    for case in cases:
        bars = ", ".join(f"{figure.title} {figure.bar}" for figure in case.figures if figure.bar)
        print(f"{case.name:<20} {case.measures}{f' [{bars}]' if bars else ''}")
    return 0


def _readme(options: argparse.Namespace, cases: list[Case]) -> int:
    record = options.write or report.newest_record(options.records)
    text = options.readme.read_text("utf-8")
    wanted = report.splice(text, report.block(cases, record))
    if options.write:
        options.readme.write_text(wanted, encoding="utf-8")
    elif text != wanted:
        print(f"{options.readme.name} does not show {record.name}: python -m bench readme --write {record}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

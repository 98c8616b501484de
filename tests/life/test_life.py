"""What becomes of findings from one match run to the next, case by case; the model's test has any sequence of them."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
from life_lake import History, at

from grid.store import Lake
from grid.warehouse import connect

LAYERS = {"base": ["zlib-1"], "old": ["ssl-1", "pad-1"], "new": ["ssl-2", "pad-1"], "clean": ["pad-1"]}
CHAINS = [("base", "old"), ("base", "new"), ("base", "clean")]
OLD, NEW, CLEAN = CHAINS
DATABASE = {"ssl-1": ["CVE-1", "CVE-2"], "ssl-2": ["CVE-1"], "zlib-1": ["CVE-9"]}
Found = tuple[str, str, str, str, datetime, datetime, datetime | None]


def made(folder: Path) -> History:
    return History(Lake.open(folder / "lake", create=True), LAYERS, CHAINS)


def ask(history: History, query: str) -> list[tuple[Any, ...]]:
    with connect(history.lake) as con:
        return con.execute(query).fetchall()


def lives(history: History, where: str = "true") -> list[Found]:
    told = "tag, package, vuln_id, status, first_seen, last_seen, fixed_at"
    return ask(history, f"SELECT {told} FROM finding_history WHERE {where} ORDER BY ALL")  # type: ignore[return-value]


def test_an_upgrade_that_does_not_mend_a_problem_does_not_begin_it_anew(tmp_path: Path) -> None:
    history = made(tmp_path)
    history.run({"v1": OLD}, DATABASE)
    history.run({"v1": NEW}, DATABASE)
    assert lives(history, "package = 'ssl'") == [
        ("v1", "ssl", "CVE-1", "open", at(0), at(1), None),
        ("v1", "ssl", "CVE-2", "fixed", at(0), at(0), at(1)),
    ]
    assert ask(history, "SELECT package, version, first_seen, last_seen FROM vulnerabilities ORDER BY ALL") == [
        ("ssl", "2", at(0), at(1)), ("zlib", "1", at(0), at(1)),
    ]  # fmt: skip
    assert ask(history, "SELECT versions, severity FROM finding_history WHERE status = 'fixed'") == [(["1"], "high")]


def test_a_newer_database_writes_a_row_a_package_and_none_an_image(tmp_path: Path) -> None:
    history = made(tmp_path)
    images = {f"v{n}": OLD for n in range(50)}
    history.run(images, DATABASE)
    history.run(images, DATABASE | {"pad-1": ["CVE-7"], "zlib-1": []}, again=True)
    assert ask(history, "SELECT count(*) FROM image_events WHERE match_id > 'm000'") == [(0,)]
    assert ask(history, "SELECT event, vuln_id FROM package_events WHERE match_id > 'm000' ORDER BY ALL") == [
        ("gone", "CVE-9"), ("new", "CVE-7"),
    ]  # fmt: skip
    assert ask(history, "SELECT count(*), min(first_seen) FROM vulnerabilities WHERE vuln_id = 'CVE-7'") == [
        (50, at(1))
    ]
    assert lives(history, "vuln_id = 'CVE-9' AND tag = 'v7'") == [("v7", "zlib", "CVE-9", "fixed", at(0), at(0), at(1))]


def test_what_was_fixed_and_comes_back_is_another_life(tmp_path: Path) -> None:
    history = made(tmp_path)
    for images in ({"v1": OLD}, {"v1": CLEAN}, {"v1": OLD}):
        history.run(images, DATABASE)
    assert lives(history, "vuln_id = 'CVE-2'") == [
        ("v1", "ssl", "CVE-2", "fixed", at(0), at(0), at(1)), ("v1", "ssl", "CVE-2", "open", at(2), at(2), None),
    ]  # fmt: skip


def test_an_image_that_cannot_be_read_keeps_what_is_known_of_it_and_one_that_is_gone_is_no_fix(tmp_path: Path) -> None:
    history = made(tmp_path)
    history.run({"v1": CLEAN, "v2": CLEAN}, DATABASE)
    history.run({"v1": None}, DATABASE)
    assert lives(history) == [
        ("v1", "zlib", "CVE-9", "open", at(0), at(1), None), ("v2", "zlib", "CVE-9", "removed", at(0), at(0), None),
    ]  # fmt: skip


def test_a_scan_of_one_image_removes_no_other(tmp_path: Path) -> None:
    history = made(tmp_path)
    history.run({"v1": CLEAN}, DATABASE)
    history.run({"mine": CLEAN}, DATABASE, kind="scan")
    assert {row[3] for row in lives(history)} == {"open"}
    history.run({"mine": CLEAN}, DATABASE)
    history.run({}, DATABASE)
    assert [(row[0], row[3], row[4]) for row in lives(history)] == [
        ("mine", "removed", at(1)),
        ("v1", "removed", at(0)),
    ]


def test_an_id_that_takes_the_place_of_its_alias_goes_on_with_its_life(tmp_path: Path) -> None:
    history = made(tmp_path)
    history.run({"v1": CLEAN}, {"zlib-1": ["GHSA-9", "CVE-8"]})
    history.run({"v1": CLEAN}, {"zlib-1": ["CVE-9", "CVE-8"]}, again=True, aliases={"CVE-9": ["GHSA-9"]})
    assert [(row[2], row[3], row[4]) for row in lives(history)] == [("CVE-8", "open", at(0)), ("CVE-9", "open", at(0))]
    assert ask(history, "SELECT event FROM package_events WHERE match_id = 'm001' ORDER BY 1") == [
        ("merged",),
        ("renamed",),
    ]


def test_new_fixed_and_remaining_since_the_sweep_before(tmp_path: Path) -> None:
    history = made(tmp_path)
    assert ask(history, "SELECT count(*) FROM new_vulnerabilities") == [(0,)]
    history.run({"v1": OLD}, DATABASE)
    assert ask(history, "SELECT count(*) FROM new_vulnerabilities") == [(0,)]
    history.run(
        {"v1": OLD}, DATABASE | {"pad-1": ["CVE-7"]}, again=True
    )  # at noon: new to whoever reads in the morning
    history.run({"v1": NEW, "v2": CLEAN}, DATABASE | {"pad-1": ["CVE-7"]})
    told = "SELECT tag, package, vuln_id FROM {} ORDER BY ALL"
    assert ask(history, told.format("new_vulnerabilities")) == [
        ("v1", "pad", "CVE-7"), ("v2", "pad", "CVE-7"), ("v2", "zlib", "CVE-9"),
    ]  # fmt: skip
    assert ask(history, told.format("remaining_vulnerabilities")) == [("v1", "ssl", "CVE-1"), ("v1", "zlib", "CVE-9")]
    assert ask(history, told.format("fixed_vulnerabilities")) == [("v1", "ssl", "CVE-2")]


def test_a_run_is_remembered_once_and_only_after_those_before_it(tmp_path: Path) -> None:
    from grid.life import remember

    history = made(tmp_path)
    history.run({"v1": OLD}, DATABASE)
    nothing = pa.table({"package_id": pa.array([], pa.int64()), "namespace": pa.array([], pa.string())})
    found = nothing.append_column("vuln_id", pa.array([], pa.string()))
    found = found.append_column("aliases", pa.array([], pa.list_(pa.string())))
    assert remember(history.lake, "m000", nothing, found) == {}
    assert remember(history.lake, "no-such-match", nothing, found) == {}
    assert {row[3] for row in lives(history)} == {"open"}


def test_a_lake_without_a_history_says_when_it_was_matched(tmp_path: Path) -> None:
    history = made(tmp_path)
    history.run({"v1": CLEAN}, DATABASE)
    for path in Path(history.lake.location, "history").glob("m*.parquet"):
        path.unlink()
    assert ask(history, "SELECT first_seen, last_seen FROM vulnerabilities") == [(at(0), at(0))]
    assert lives(history) == []

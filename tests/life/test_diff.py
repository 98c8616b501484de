"""``scangrid diff``: what it compares, what it says, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from life_lake import History, digest
from typer.testing import CliRunner

from grid.cli import build
from grid.errors import UsageError
from grid.store import Lake

LAYERS = {"base": ["zlib-1"], "old": ["ssl-1", "pad-1"], "new": ["ssl-2", "pad-1"], "clean": ["pad-1"]}
OLD, NEW, CLEAN = ("base", "old"), ("base", "new"), ("base", "clean")
DATABASE = {"ssl-1": ["CVE-1", "CVE-2"], "ssl-2": ["CVE-1"], "zlib-1": ["CVE-9"]}
Change = tuple[str, str, str, str]


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> History:
    """s000: v1, v2, v3, lost. s001: v1 upgraded, v2 the same, v3 gone, lost unreadable, v4 come; matched twice."""
    made = History(Lake.open(tmp_path_factory.mktemp("diff") / "lake", create=True), LAYERS, [OLD, NEW, CLEAN])
    made.run({"v1": OLD, "v2": CLEAN, "v3": CLEAN, "lost": CLEAN}, DATABASE)
    made.run({"v1": NEW, "v2": CLEAN, "lost": None, "v4": CLEAN}, DATABASE)
    made.run({"v1": NEW, "v2": CLEAN, "lost": None, "v4": CLEAN}, DATABASE | {"pad-1": ["CVE-7"]}, again=True)
    made.run({"v1": CLEAN}, {}, kind="scan")
    return made


def diff(history: History, *arguments: str) -> Any:
    return CliRunner().invoke(build("diff"), ["diff", *arguments, "--lake", history.lake.location])


def changes(history: History, *arguments: str) -> list[Change]:
    ended = diff(history, *arguments, "--format", "json")
    assert ended.exit_code == 0, ended.output
    return [(r["status"], r.get("tag", ""), r["package"], r["vuln_id"]) for r in json.loads(ended.stdout)]


BOTH = [
    ("new", "v1", "pad", "CVE-7"), ("new", "v2", "pad", "CVE-7"), ("new", "v4", "pad", "CVE-7"),
    ("new", "v4", "zlib", "CVE-9"), ("fixed", "v1", "ssl", "CVE-2"), ("removed", "v3", "zlib", "CVE-9"),
    ("unread", "lost", "zlib", "CVE-9"),
]  # fmt: skip


def test_the_latest_sweep_is_compared_with_the_one_before_it(history: History) -> None:
    assert changes(history) == BOTH
    assert changes(history, "s000", "s001") == BOTH
    assert changes(history, "2026-01-01T00:30", "2026-01-01T01:30") == BOTH
    remaining = changes(history, "previous", "latest", "--status", "remaining")
    assert remaining == [("remaining", "v1", "ssl", "CVE-1"), ("remaining", "v1", "zlib", "CVE-9"),
                         ("remaining", "v2", "zlib", "CVE-9")]  # fmt: skip


def test_match_runs_show_what_the_database_alone_changed(history: History) -> None:
    assert changes(history, "m001", "m002") == [("new", tag, "pad", "CVE-7") for tag in ("v1", "v2", "v4")]


def test_two_images_are_compared_by_what_is_in_them(history: History) -> None:
    found = changes(history, digest(OLD), digest(NEW), "--status", "new,fixed,remaining")
    assert found == [("new", "", "pad", "CVE-7"), ("fixed", "", "ssl", "CVE-2"), ("remaining", "", "ssl", "CVE-1"),
                     ("remaining", "", "zlib", "CVE-9")]  # fmt: skip


def test_a_pipeline_stops_at_what_is_new_and_bad_only(history: History) -> None:
    assert diff(history, "--exit-code").exit_code == 1
    assert diff(history, "--exit-code", "--severity", "critical").exit_code == 0
    assert diff(history, "m002", "m002", "--exit-code").exit_code == 0


def test_people_see_names_counts_and_versions(history: History) -> None:
    shown = diff(history, "--status", "new,fixed,remaining").stdout
    assert "sweep s000" in shown and "4 new" in shown and "3 remaining" in shown
    assert "r/app:v1" in shown and "1 → 2" in shown


def test_csv_has_a_row_a_change(history: History, tmp_path: Path) -> None:
    assert diff(history, "--format", "csv", "--output", str(tmp_path / "x.csv")).exit_code == 0
    assert len((tmp_path / "x.csv").read_text().splitlines()) == 1 + len(BOTH)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["2001-01-01"], "no sweep had ended"),
        (["s000", digest(NEW)], "an image and the other is not"),
        (["nothing"], "no image"),
        (["--status", "gone"], "no status"),
        (["--format", "xml"], "no format"),
    ],
)
def test_what_makes_no_sense_is_said(history: History, arguments: list[str], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        CliRunner().invoke(build("diff"), ["diff", *arguments, "--lake", history.lake.location], catch_exceptions=False)


def test_a_lake_with_one_sweep_has_no_previous_one(tmp_path: Path) -> None:
    made = History(Lake.open(tmp_path / "lake", create=True), LAYERS, [OLD])
    made.run({"v1": OLD}, DATABASE)
    with pytest.raises(UsageError, match="no previous sweep"):
        CliRunner().invoke(build("diff"), ["diff", "--lake", made.lake.location], catch_exceptions=False)

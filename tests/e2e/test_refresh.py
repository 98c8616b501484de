"""A newer database, and an older one: what a re-match changes in the tables, and what it must not."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from grid.database import Database, open_database
from grid.driver import LocalExecutor
from grid.estate import parse_estate
from grid.store import Lake
from grid.sweep import sweep
from grid.testing.layers import ImageBuilder, LayerBuilder, write_layout
from grid.warehouse import connect
from jobs import refresh
from vulndb.build import build_records
from vulndb.publish import keep, locked

PACKAGE = '{"name": "left-pad", "version": "1.2.0"}'


def advisory(number: int, fixed: str) -> dict[str, Any]:
    events = [{"introduced": "0"}, {"fixed": fixed}]
    return {
        "id": f"CVE-2026-{number}", "modified": "2026-01-01T00:00:00Z", "affected": [
            {"package": {"ecosystem": "npm", "name": "left-pad"}, "ranges": [{"type": "SEMVER", "events": events}]}
        ],
    }  # fmt: skip


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "db"


def built(root: Path, *advisories: dict[str, Any]) -> Database:
    build_records(root, advisories)
    return open_database(root)


def swept(folder: Path, database: Database) -> Lake:
    lake = Lake.open(folder / "lake", create=True)
    layer = LayerBuilder().file("app/node_modules/left-pad/package.json", PACKAGE)
    write_layout(folder / "layout", {"shop:1": ImageBuilder(layer)})
    estate = parse_estate(f"registries:\n  - {{name: demo, kind: oci, url: {folder / 'layout'}}}\n")
    sweep(estate, lake, LocalExecutor(), database=database)
    return lake


def ask(lake: Lake, query: str, *parameters: object) -> list[tuple[Any, ...]]:
    with connect(lake) as con:
        return con.execute(query, parameters).fetchall()


FOUND = "SELECT vuln_id, first_seen < last_seen FROM vulnerabilities ORDER BY vuln_id"


def test_a_newer_database_enters_the_history_and_an_older_one_stands_beside_it(
    tmp_path: Path, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = built(root, advisory(1, "2.0.0"), advisory(2, "2.0.0"))
    lake = swept(tmp_path, old)
    assert ask(lake, FOUND) == [("CVE-2026-1", False), ("CVE-2026-2", False)]
    with locked(root):
        keep(root, 5)
    built(root, advisory(1, "2.0.0"), advisory(3, "2.0.0"))
    built(root, advisory(1, "2.0.0"), advisory(3, "2.0.0"), advisory(4, "1.0.0"))
    assert refresh.main(["--lake", lake.location, "--database", str(root)]) == 0
    after = [("CVE-2026-1", True), ("CVE-2026-3", False)]
    assert ask(lake, FOUND) == after
    history = "SELECT vuln_id, status, fixed_at IS NULL FROM finding_history ORDER BY vuln_id"
    lives = [("CVE-2026-1", "open", True), ("CVE-2026-2", "fixed", False), ("CVE-2026-3", "open", True)]
    assert ask(lake, history) == lives

    capsys.readouterr()
    asked = ["--lake", lake.location, "--database", str(root), "--as-of", old.manifest.built_at.isoformat()]
    assert refresh.main(asked) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["db_version"] == old.version
    assert ask(lake, FOUND) == after and ask(lake, history) == lives
    past = "SELECT vuln_id, repository FROM match_vulnerabilities WHERE match_id = ? ORDER BY ALL"
    assert ask(lake, past, told["match_id"]) == [("CVE-2026-1", "shop"), ("CVE-2026-2", "shop")]
    runs = "SELECT db_version = ?, counts, in_history FROM match_runs ORDER BY match_id"
    assert ask(lake, runs, old.version) == [(True, False, True), (False, True, True), (True, False, False)]


def test_the_newest_version_asked_for_by_name_or_date_is_today_s(tmp_path: Path, root: Path) -> None:
    database = built(root, advisory(1, "2.0.0"))
    lake = swept(tmp_path, database)
    tomorrow = f"{datetime.now(UTC) + timedelta(days=1):%Y-%m-%d}"
    for named in (["--db-version", database.version], ["--as-of", tomorrow]):
        assert refresh.main(["--lake", lake.location, "--database", str(root), *named]) == 0
    assert ask(lake, "SELECT counts, in_history FROM match_runs ORDER BY match_id")[-1] == (True, True)


@pytest.mark.parametrize(
    "named", [["--db-version", "never"], ["--as-of", "2001-01-01"], ["--sweep", "20010101T000000Z"]]
)
def test_what_is_not_kept_is_said_in_one_line(
    tmp_path: Path, root: Path, capsys: pytest.CaptureFixture[str], named: list[str]
) -> None:
    lake = swept(tmp_path, built(root, advisory(1, "2.0.0")))
    assert refresh.main(["--lake", lake.location, "--database", str(root), *named]) == 2
    assert named[1].split("T")[0] in capsys.readouterr().err

"""The file of views in a lake: made from a template, at its place, for any DuckDB client."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
from small_lake import fill

from grid.store import Lake
from grid.warehouse import connect, publish

COUNT = "SELECT count(*) FROM vulnerabilities"


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    lake = Lake.open(tmp_path_factory.mktemp("published") / "we[i]rd 'lake*", create=True)
    fill(lake)
    publish(lake)
    return lake


def count(lake: Lake) -> int:
    with connect(lake) as con:
        ((number,),) = con.execute(COUNT).fetchall()
    return int(number)


def test_a_lake_that_moved_shows_its_own_rows(lake: Lake, tmp_path: Path) -> None:
    moved = Lake.open(shutil.copytree(lake.location, tmp_path / "moved"))
    for path in Path(moved.location, "findings").glob("[!~]*.parquet"):
        path.unlink()
    assert (count(lake), count(moved)) == (7, 0)
    publish(moved)
    assert count(moved) == 0
    with duckdb.connect(str(Path(moved.location, "scangrid.duckdb")), read_only=True) as con:
        assert con.execute(COUNT).fetchall() == [(0,)]


def test_a_client_attaches_the_views_under_any_name(lake: Lake) -> None:
    file = str(Path(lake.location, "scangrid.duckdb")).replace("'", "''")
    with duckdb.connect() as con:
        con.execute(
            "CREATE TABLE images AS SELECT 1 AS mine; CREATE SCHEMA raw; CREATE MACRO raw.lake() AS 'elsewhere'"
        )
        con.execute(f"ATTACH '{file}' AS estate (READ_ONLY); USE estate")
        assert con.execute(COUNT).fetchall() == [(7,)]
        assert con.execute("SELECT count(*) FROM image_summary").fetchall() == [(7,)]


def test_a_lake_that_nobody_may_write_is_read(lake: Lake, tmp_path: Path) -> None:
    copied = Path(shutil.copytree(lake.location, tmp_path / "copied"))
    (copied / "scangrid.duckdb").unlink()
    before = sorted(os.listdir(copied))
    copied.chmod(0o555)
    try:
        assert count(Lake.open(copied)) == 7
    finally:
        copied.chmod(0o755)
    assert sorted(os.listdir(copied)) == before


PROGRAM = f"""
import sys
from grid import cache, warehouse
from grid.store import Lake

(file,) = cache.folder().glob("views-*") if cache.folder().is_dir() else (None,)
found = file is not None and cache.load(file) is not None
with warehouse.connect(Lake.open(sys.argv[1])) as con:
    print(con.execute({COUNT!r}).fetchone()[0], found)
"""


def elsewhere(lake: Lake, cache: Path) -> list[str]:
    """The count as a new process sees it, and whether it found a whole template in its cache."""
    env = {**os.environ, "XDG_CACHE_HOME": str(cache)}
    ran = subprocess.run([sys.executable, "-c", PROGRAM, lake.location], env=env, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.split()


@pytest.mark.skipif(sys.platform == "darwin", reason="the cache folder is not XDG's")
def test_the_template_is_kept_and_made_again_where_it_is_damaged(lake: Lake, tmp_path: Path) -> None:
    assert elsewhere(unpublished(lake, tmp_path), tmp_path) == ["7", "False"]
    assert elsewhere(unpublished(lake, tmp_path), tmp_path) == ["7", "True"]
    (kept,) = (tmp_path / "scangrid").iterdir()
    whole = kept.read_bytes()
    kept.write_bytes(whole[:-4096])
    assert elsewhere(unpublished(lake, tmp_path), tmp_path) == ["7", "False"]
    assert len(kept.read_bytes()) == len(whole)


@pytest.mark.skipif(sys.platform == "darwin", reason="the cache folder is not XDG's")
def test_a_cache_folder_that_cannot_be_written_is_no_error(lake: Lake, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    assert elsewhere(unpublished(lake, tmp_path), blocked) == ["7", "False"]


def unpublished(lake: Lake, folder: Path) -> Lake:
    copied = Path(folder, "unpublished")
    if not copied.exists():
        shutil.copytree(lake.location, copied)
        (copied / "scangrid.duckdb").unlink()
    return Lake.open(copied)

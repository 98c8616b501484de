"""What DuckDB sees of a lake that is no folder: files that come while a connection is open, and files written again."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.fs as pafs
import pytest
from lake_fakes import VERSIONS, facts

from grid import remote
from grid.store import Lake
from grid.warehouse import memory


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """A lake behind a filesystem that is not this machine's, as far as anybody knows."""
    lake = Lake("s3://bucket/lake", pafs.SubTreeFileSystem(str(tmp_path), pafs.LocalFileSystem()), "lake")
    lake._prepare()
    return lake


def test_what_this_process_writes_is_seen_by_a_connection_that_has_listed_before(lake: Lake) -> None:
    names = f"SELECT name FROM read_parquet('{remote.place(lake)}/packages/*.parquet') ORDER BY name"
    with memory(lake) as con:
        assert con.execute(names).fetchall() == []
        lake.commit("t1", [facts("a", ["bash"])], VERSIONS)
        assert con.execute(names).fetchall() == [("bash",)]
        lake.commit("t2", [facts("b", ["curl", "zlib"])], VERSIONS)
        assert con.execute(names).fetchall() == [("bash",), ("curl",), ("zlib",)]


def test_a_file_that_is_written_again_is_read_again(lake: Lake, tmp_path: Path) -> None:
    lake.commit("t", [facts("a", ["bash"])], VERSIONS)
    names = f"SELECT name FROM read_parquet('{remote.place(lake)}/packages/*.parquet') ORDER BY name"
    with memory(lake) as con:
        assert con.execute(names).fetchall() == [("bash",)]
        (first,) = lake.files("packages")
        lake.commit("other", [facts("b", ["curl", "zlib", "openssl"])], VERSIONS)
        (second,) = set(lake.files("packages")) - {first}
        (tmp_path / first).write_bytes((tmp_path / second).read_bytes())
        (tmp_path / second).unlink()
        lake.put("mark", b"")  # something is written, so lists are asked for again
        assert con.execute(names).fetchall() == [("curl",), ("openssl",), ("zlib",)]


def test_a_lake_is_prepared_again_only_where_other_tables_or_columns_are_wanted(lake: Lake, tmp_path: Path) -> None:
    described = tmp_path / "lake" / "packages" / "~schema.parquet"
    described.unlink()
    lake._prepare()
    assert not described.exists()
    mark = json.loads(lake.get("scangrid.json"))
    lake.put("scangrid.json", json.dumps({**mark, "columns": "of an older program"}).encode())
    lake._prepare()
    assert described.exists() and json.loads(lake.get("scangrid.json")) == mark

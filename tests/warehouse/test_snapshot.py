"""A snapshot says of a sweep what the views say of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
import pytest
from small_lake import fill, sweep, table

from grid.counting import commutes
from grid.errors import LakeInvalid
from grid.reports.results import READS
from grid.snapshot import FEW, SCOPE, of_image, snapshot
from grid.store import TABLES, Lake
from grid.warehouse import connect, views

EVERY = (*READS, "sweep_image_packages", "sweep_image_malware", "sweep_misconfigurations")


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    lake = Lake.open(tmp_path_factory.mktemp("snapshots") / "we[i]rd 'lake*", create=True)
    fill(lake)
    return lake


def rows(con: duckdb.DuckDBPyConnection, view: str, sweep_id: str) -> Sequence[Any]:
    return sorted(map(repr, con.execute(f"SELECT * FROM {view} WHERE sweep_id = ?", [sweep_id]).fetchall()))


@pytest.mark.parametrize("few", [FEW, 0])
def test_a_snapshot_has_the_rows_of_the_views(lake: Lake, few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("grid.snapshot.FEW", few)
    seen = set()
    with connect(lake) as con:
        sweeps = [row[0] for row in con.execute("SELECT sweep_id FROM sweeps").fetchall()]
        for sweep_id in sweeps:
            with snapshot(lake, sweep_id, EVERY) as taken:
                for view in EVERY:
                    expected = rows(con, view, sweep_id)
                    assert rows(taken, view, sweep_id) == expected, (sweep_id, view)
                    assert taken.execute(f"SELECT count(*) FROM {view}").fetchall() == [(len(expected),)]
                    if expected:
                        seen.add((sweep_id, view))
    assert len(sweeps) > 1 and len(seen) > len(sweeps)
    assert {"sweep_vulnerabilities", "sweep_advice", "sweep_image_secrets"} <= {view for _, view in seen}


ONE = (*EVERY, "image_layers", "packages", "entries", "hidden", "chains")


def test_a_snapshot_of_one_image_has_what_the_views_say_of_it(lake: Lake) -> None:
    with connect(lake) as con:
        images = con.execute("SELECT DISTINCT sweep_id, registry, repository, tag FROM images").fetchall()
        seen = set()
        for sweep_id, *name in images:
            row = dict(zip(("registry", "repository", "tag"), name, strict=True))
            with snapshot(lake, sweep_id, ONE, row) as taken:
                for view in EVERY:
                    of_it = f"SELECT * FROM {view} WHERE (sweep_id, registry, repository, tag) = (?, ?, ?, ?)"
                    expected = sorted(map(repr, con.execute(of_it, [sweep_id, *name]).fetchall()))
                    assert sorted(map(repr, taken.execute(f"SELECT * FROM {view}").fetchall())) == expected, view
                    seen |= {view} if expected else set()
                digests = taken.execute("SELECT list(DISTINCT layer_digest) FROM image_layers").fetchone()
                for table in ("packages", "entries"):
                    of_it = f"SELECT * FROM {table} WHERE layer_digest IN (SELECT unnest(?))"
                    expected = sorted(map(repr, con.execute(of_it, digests).fetchall()))
                    assert sorted(map(repr, taken.execute(f"SELECT * FROM {table}").fetchall())) == expected, table
    assert len(images) > 2 and {"sweep_vulnerabilities", "sweep_advice", "sweep_image_packages"} <= seen


def test_every_view_can_be_asked_of_one_image(lake: Lake) -> None:
    with connect(lake) as con:
        image = con.sql("SELECT * FROM latest_images LIMIT 1").to_arrow_table().to_pylist()[0]
    public = [view.name for view in views().values() if not view.name.startswith("_")]
    for name in public:
        with of_image(lake, image, f"SELECT * FROM {name.upper()}") as one:
            columns = {row[0] for row in one.execute(f"DESCRIBE {name}").fetchall()}
            assert one.execute(f"SELECT count(*) FROM {name}").fetchone() is not None
            assert columns and (
                "sweep_id" not in columns or name in ("latest_sweep", "match_runs", "match_vulnerabilities")
            )


def test_it_stays_as_it_was_when_the_lake_goes_on(tmp_path: Path) -> None:
    lake = Lake.open(tmp_path / "lake", create=True)
    fill(lake)
    with snapshot(lake, "s2", ["sweep_image_summary"]) as taken:
        before = rows(taken, "sweep_image_summary", "s2")
        for path in Path(lake.location, "findings").glob("*.parquet"):
            path.unlink()
        assert rows(taken, "sweep_image_summary", "s2") == before != []


def test_every_sweep_view_can_be_taken(lake: Lake) -> None:
    names = [f"sweep_{view.name}" for view in views().values() if view.per_sweep and not view.name.startswith("_")]
    with snapshot(lake, "s2", names) as taken:
        for name in names:
            assert taken.execute(f"SELECT count(*) FROM {name}").fetchone() is not None


def test_a_sweep_without_images_has_no_rows(tmp_path: Path) -> None:
    lake = Lake.open(tmp_path / "lake", create=True)
    lake.write("sweeps", "s", table("sweeps", [sweep("a")]))
    with snapshot(lake, "a", READS) as taken:
        assert [rows(taken, view, "a") for view in READS] == [[]] * len(READS)


def test_no_scope_splits_the_rows_of_which_the_newest_counts() -> None:
    keys = {"images": "sweep_id", "matches": "sweep_id", "jar_names": "sha1", "chains": "chain_id"}
    keys |= dict.fromkeys(("image_layers", "manifests", "config_checks"), "digest") | {"layer_scans": "layer_digest"}
    for name, column in keys.items():
        assert column in SCOPE[name] and commutes(TABLES[name], column), name


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    lake = Lake.open(tmp_path / "lake", create=True)
    fill(lake)
    Path(lake.location, "secrets/holiday.parquet").write_bytes(b"snow")
    with pytest.raises(LakeInvalid, match=r"holiday\.parquet"):
        snapshot(lake, "s2", READS)

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq
import pytest
from lake_fakes import VERSIONS, facts, layer

from grid.commits import LayerFailure
from grid.errors import LakeError, LakeInvalid, LakeMissing, NetworkConnectError, TarCorrupt
from grid.schema import LAKE_TABLES
from grid.store import Known, Lake

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake.open(tmp_path / "lake", create=True)


def names(lake: Lake) -> list[str]:
    return sorted(lake.read("packages", ["name"])["name"].to_pylist())


# --- opening ---


def test_a_place_without_a_lake_is_missing_and_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(LakeMissing) as caught:
        Lake.open(tmp_path / "lake")
    assert "--lake" in caught.value.remedy
    assert not (tmp_path / "lake").exists()


def test_a_new_lake_has_every_table_with_its_columns(lake: Lake) -> None:
    for table in LAKE_TABLES:
        assert lake.read(table.name).schema.names == table.arrow.names
        assert list(Path(lake.location, table.name).glob("*.parquet"))


def test_a_folder_with_other_things_is_not_made_a_lake(tmp_path: Path) -> None:
    (tmp_path / "thesis.doc").write_text("")
    with pytest.raises(LakeInvalid, match=r"thesis\.doc"):
        Lake.open(tmp_path, create=True)
    assert os.listdir(tmp_path) == ["thesis.doc"]


def test_a_lake_of_a_newer_scangrid_is_refused(lake: Lake) -> None:
    Path(lake.location, "scangrid.json").write_text(json.dumps({"schema_version": 99}))
    with pytest.raises(LakeInvalid, match="newer scangrid") as caught:
        Lake.open(lake.location)
    assert "upgrade" in caught.value.remedy


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"schema_version": "x"}'])
def test_a_damaged_mark_is_said_to_be_damaged(lake: Lake, content: str) -> None:
    Path(lake.location, "scangrid.json").write_text(content)
    with pytest.raises(LakeInvalid, match=r"scangrid\.json"):
        Lake.open(lake.location)


def test_a_pickled_lake_opens_the_same_place(lake: Lake) -> None:
    lake.commit("t", [facts("a", ["bash"])], VERSIONS)
    assert names(pickle.loads(pickle.dumps(lake))) == ["bash"]


def test_opening_for_writing_removes_old_leftovers_only(lake: Lake) -> None:
    old, young = Path(lake.location, "packages/.tmp-1-a"), Path(lake.location, "packages/.tmp-1-b")
    for path in (old, young):
        path.write_text("half")
    past = time.time() - 2 * 24 * 3600
    os.utime(old, (past, past))
    Lake.open(lake.location, create=True)
    assert not old.exists()
    assert young.exists()
    assert names(lake) == []


# --- writing ---


def test_rows_are_completed_cast_and_sorted(lake: Lake) -> None:
    rows = pa.table({
        "digest": ["b", "a", "a"], "ordinal": pa.array([0, 1, 0], pa.int64()), "layer_digest": ["x", "y", "z"],
        "chain_id": ["1", "2", "3"], "size_bytes": [1, 2, 3],
    })  # fmt: skip
    assert lake.write("image_layers", "one", rows) == 3
    stored = pq.read_table(Path(lake.location, "image_layers/one.parquet"))
    assert stored["layer_digest"].to_pylist() == ["z", "y", "x"]
    assert stored["created_by"].null_count == 3
    assert stored.schema.field("ordinal").type == pa.int32()


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ({"match_id": ["m"], "colour": ["red"]}, "colour"),
        ({"match_id": ["m"]}, "lacks its column"),
        ({"match_id": [None]}, "must not be null"),
    ],
)
def test_rows_that_do_not_fit_are_refused(lake: Lake, rows: dict[str, list[str]], told: str) -> None:
    with pytest.raises(LakeError, match=told):
        lake.write("matches", "m", pa.table({k: pa.array(v, pa.string()) for k, v in rows.items()}))


@pytest.mark.parametrize("name", ["", "../x", ".hidden", "a/b", "_schema"])
def test_names_that_leave_the_table_or_hide_in_it_are_refused(lake: Lake, name: str) -> None:
    with pytest.raises(LakeError):
        lake.write("sweeps", name, pa.table({}))


def test_no_file_is_written_for_no_rows(lake: Lake) -> None:
    commit = lake.commit("t", [facts("a", [])], VERSIONS)
    assert lake.files("packages") == []
    assert lake.files("layer_scans") == [f"{lake.root}/layer_scans/{commit}.parquet"]


def test_a_chain_is_stored_with_all_it_stands_on(lake: Lake) -> None:
    def chains(*rows: tuple[str, str | None, str]) -> pa.Table:
        return pa.table({
            "chain_id": [r[0] for r in rows], "parent_id": pa.array([r[1] for r in rows], pa.string()),
            "layer_digest": [r[2] for r in rows], "depth": [1] * len(rows), "version": ["1"] * len(rows),
            "squash_id": ["s"] * len(rows), "squashed_at": [NOON] * len(rows),
        })  # fmt: skip

    lake.write("chains", "one", chains(("c2", "c1", "y"), ("c1", None, "x")))
    lake.write("chains", "two", chains(("c3", "c2", "x")))
    (row,) = lake.read("chains", filter={"chain_id": "c3"}).to_pylist()
    assert row["members"] == ["c1", "c2", "c3"]
    assert row["layers"] == ["x", "y", "x"]
    with pytest.raises(LakeError, match="c8"):
        lake.write("chains", "three", chains(("c9", "c8", "z")))


def test_a_column_added_later_is_null_in_older_files(lake: Lake) -> None:
    from grid.warehouse import connect

    lake.write("matches", "m", _match("m", "s"))
    for path in Path(lake.location, "matches").glob("*.parquet"):
        pq.write_table(pq.read_table(path).drop(["findings"]), path)
    lake = Lake.open(lake.location, create=True)
    lake.write("matches", "n", _match("n", "t"))
    with connect(lake) as con:
        assert sorted(con.execute("SELECT match_id, findings FROM matches").fetchall()) == [("m", None), ("n", 1)]
    assert sorted(lake.read("matches", ["match_id"])["match_id"].to_pylist()) == ["m", "n"]


def _match(match_id: str, sweep_id: str) -> pa.Table:
    return pa.table({
        "match_id": [match_id], "sweep_id": [sweep_id], "db_version": ["1"], "packages": [1], "findings": [1],
        "matched_at": [NOON],
    })  # fmt: skip


# --- commits ---


def test_facts_without_their_mark_do_not_count(lake: Lake) -> None:
    """As if the writer had been killed between the two."""
    commit = lake.commit("t", [facts("a", ["bash"])], VERSIONS)
    Path(lake.location, f"layer_scans/{commit}.parquet").unlink()
    assert names(lake) == []
    assert lake.scanned() == {}
    lake.commit("t", [facts("a", ["bash"])], VERSIONS)
    assert names(lake) == ["bash"]


def test_a_retry_overwrites_itself(lake: Lake) -> None:
    commits = {lake.commit("t", [facts("a", ["bash", "dash"])], VERSIONS) for _ in range(3)}
    assert len(commits) == 1
    assert len(lake.files("packages")) == len(lake.files("layer_scans")) == 1
    assert names(lake) == ["bash", "dash"]


def test_a_retry_that_fails_takes_nothing_away(lake: Lake) -> None:
    lake.commit("t", [facts("a", ["bash"]), facts("b", ["curl"])], VERSIONS)
    lake.commit("t", [facts("a", ["bash"]), LayerFailure(layer("b"), NetworkConnectError("gone"))], VERSIONS)
    assert names(lake) == ["bash", "curl"]
    assert lake.scanned()["sha256:b", "packages", "1"].ok


def test_a_retry_that_succeeds_adds_what_failed(lake: Lake) -> None:
    lake.commit("t", [facts("a", ["bash"]), LayerFailure(layer("b"), NetworkConnectError("gone"))], VERSIONS)
    assert names(lake) == ["bash"]
    lake.commit("t", [facts("a", ["bash"]), facts("b", ["curl"])], VERSIONS)
    assert names(lake) == ["bash", "curl"]


def test_two_tasks_that_scan_one_layer_give_its_facts_once(lake: Lake) -> None:
    for task in ("t1", "t2", "t3"):
        lake.commit(task, [facts("a", ["bash"], ["packages"])], VERSIONS, scanned_at=NOON)
    assert names(lake) == ["bash"]
    assert lake.read("notes").num_rows == 1
    assert lake.read("layer_scans").num_rows == 1


def test_a_newer_detector_replaces_what_the_older_found(lake: Lake) -> None:
    lake.commit("t1", [facts("a", ["bash"], ["packages", "secrets"])], {"packages": "1", "secrets": "1"}, NOON)
    lake.commit("t2", [facts("a", ["zsh"], ["packages"])], {"packages": "2"}, NOON + timedelta(1))
    assert names(lake) == ["zsh"]
    assert sorted(lake.read("notes")["detector"].to_pylist()) == ["packages", "secrets"]
    assert set(lake.scanned()) == {
        ("sha256:a", d, v) for d, v in (("packages", "1"), ("packages", "2"), ("secrets", "1"))
    }


def test_facts_of_detectors_that_were_not_asked_are_dropped(lake: Lake) -> None:
    lake.commit("t", [facts("a", ["bash"], ["packages", "secrets"])], {"secrets": "1"})
    assert lake.files("packages") == []
    assert lake.read("notes")["detector"].to_pylist() == ["secrets"]


def test_only_final_failures_are_known(lake: Lake) -> None:
    failures = [
        LayerFailure(layer("a"), TarCorrupt("bad header")),
        LayerFailure(layer("b"), NetworkConnectError("gone")),
    ]
    lake.commit("t", failures, VERSIONS)
    assert lake.scanned() == {("sha256:a", "packages", "1"): Known(False, "TarCorrupt", "bad header")}
    rows = {r["layer_digest"]: r for r in lake.read("layer_scans").to_pylist()}
    assert rows["sha256:b"]["error_code"] == "NetworkConnectError"
    assert rows["sha256:b"]["final"] is False


# --- reading ---


def test_filters_take_values_and_collections(lake: Lake) -> None:
    lake.commit("t", [facts("a", ["bash", "curl"]), facts("b", ["bash"])], VERSIONS)
    assert lake.read("packages", ["name"], {"name": "bash"}).num_rows == 2
    assert lake.read("packages", ["name"], {"layer_digest": pa.array(["sha256:a"]), "name": {"bash"}}).num_rows == 1
    assert lake.read("packages", ["name"], {"layer_digest": []}).num_rows == 0
    with pytest.raises(KeyError):
        lake.read("packages", ["colour"])


def test_a_filter_on_what_changes_looks_at_the_newest_row_only(lake: Lake) -> None:
    lake.commit("t1", [facts("a", [])], VERSIONS, NOON)
    lake.commit("t2", [LayerFailure(layer("b"), TarCorrupt("bad"))], VERSIONS, NOON)
    lake.commit("t3", [facts("b", [])], VERSIONS, NOON + timedelta(1))
    assert lake.read("layer_scans", ["layer_digest"], {"status": "failed"}).num_rows == 0


@pytest.mark.parametrize("content", [b"", b"PAR1 but not really PAR1", b"notes on last night"])
def test_a_foreign_file_is_named(lake: Lake, content: bytes) -> None:
    lake.commit("t", [facts("a", ["bash"])], VERSIONS)
    Path(lake.location, "packages/holiday.parquet").write_bytes(content)
    with pytest.raises(LakeInvalid, match=r"holiday\.parquet"):
        lake.read("packages")


def test_parquet_of_another_kind_is_named(lake: Lake) -> None:
    pq.write_table(pa.table({"a": [1]}), Path(lake.location, "packages/holiday.parquet"))
    lake.commit("t", [facts("a", ["bash"])], VERSIONS)
    with pytest.raises(LakeInvalid, match=r"holiday\.parquet"):
        lake.read("packages")


# --- object stores, power cuts ---


def test_any_arrow_filesystem_will_do(tmp_path: Path) -> None:
    """The code path of object stores: whole objects, no renames, no os calls."""
    lake = Lake("s3://bucket/lake", pafs.SubTreeFileSystem(str(tmp_path), pafs.LocalFileSystem()), "lake")
    lake._prepare()
    lake.commit("t", [facts("a", ["bash"]), LayerFailure(layer("b"), TarCorrupt("bad"))], VERSIONS)
    lake.commit("t", [facts("a", ["bash"]), LayerFailure(layer("b"), TarCorrupt("bad"))], VERSIONS)
    assert names(lake) == ["bash"]
    assert not list(tmp_path.rglob(".tmp-*"))
    assert not lake.local


def test_a_uri_of_no_known_kind_is_refused() -> None:
    with pytest.raises(LakeError, match="gopher"):
        Lake.open("gopher://bucket/lake")


_WRITER = """
import sys
sys.path.insert(0, sys.argv[2])
from lake_fakes import VERSIONS, facts
from grid.store import Lake
lake = Lake.open(sys.argv[1])
print("ready", flush=True)
for number in range(10**6):
    lake.commit(f"t{number % 5}", [facts(f"l{number % 5}", [f"p{i}" for i in range(3000)])], VERSIONS)
"""


def test_a_killed_writer_leaves_nothing_half(lake: Lake) -> None:
    for pause in (0.0, 0.02, 0.05):
        command = [sys.executable, "-c", _WRITER, lake.location, str(Path(__file__).parent)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            assert writer.stdout.readline() == b"ready\n"
            time.sleep(pause)
            writer.send_signal(signal.SIGKILL)
        known = {digest for digest, _, _ in lake.scanned()}
        counts = lake.read("packages", ["layer_digest"]).group_by("layer_digest").aggregate([([], "count_all")])
        assert {r["layer_digest"]: r["count_all"] for r in counts.to_pylist()} == dict.fromkeys(known, 3000)

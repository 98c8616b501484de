from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from small_lake import (
    BASH,
    DETECTORS,
    METADATA,
    NOON,
    STATUS,
    chain,
    digest,
    fill,
    image,
    inner,
    package,
    sweep,
    table,
)  # fmt: skip

from grid.errors import LakeInvalid, QueryInvalid
from grid.layers.scan import LayerFacts
from grid.model import Layer, LayerStats
from grid.store import Lake
from grid.warehouse import connect, publish, query, views


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    lake = Lake.open(tmp_path_factory.mktemp("views") / "we[i]rd 'lake*", create=True)
    fill(lake)
    return lake


@pytest.fixture(scope="module")
def con(lake: Lake) -> Iterator[duckdb.DuckDBPyConnection]:
    with connect(lake) as con:
        yield con


def rows(con: duckdb.DuckDBPyConnection, sql: str) -> list[tuple[Any, ...]]:
    return sorted(con.execute(sql).fetchall(), key=lambda row: [(value is None, value) for value in row])


def test_packages_of_an_image_are_those_visible_in_it(con: duckdb.DuckDBPyConnection) -> None:
    assert rows(con, "SELECT name, version, owned FROM image_packages WHERE tag = 'base'") == [
        ("bash", "5.2-1", False), ("libssl", "3.0-1", False), ("x", "1", True),
    ]  # fmt: skip
    assert rows(con, "SELECT name, version, owned, layer_digest FROM image_packages WHERE tag = 'v1'") == [
        ("bash", "5.2-1", False, digest("app")), ("left-pad", "1.0", False, digest("app")),
        ("libssl", "3.0-2", False, digest("app")), ("x", "1", True, digest("base")),
    ]  # fmt: skip


def test_package_urls_of_system_packages_name_the_distribution(con: duckdb.DuckDBPyConnection) -> None:
    assert rows(con, "SELECT purl, namespace FROM image_packages WHERE tag = 'base'") == [
        ("pkg:deb/debian/bash@5.2-1?arch=amd64&distro=debian-12", "Debian:12"),
        ("pkg:deb/debian/libssl@3.0-1?arch=amd64&distro=debian-12", "Debian:12"),
        ("pkg:pypi/x@1", None),
    ]


def test_vulnerabilities_leave_out_hidden_and_owned_packages_and_other_distributions(
    con: duckdb.DuckDBPyConnection,
) -> None:
    found = rows(con, "SELECT tag, vuln_id, package, version, fixed_version FROM vulnerabilities")
    assert found == sorted([
        ("base", "CVE-1", "libssl", "3.0-1", "3.0-2"), ("base", "CVE-3", "bash", "5.2-1", None),
        ("v1", "CVE-3", "bash", "5.2-1", None), ("v1", "CVE-3", "left-pad", "1.0", None),
        ("latest", "CVE-3", "bash", "5.2-1", None), ("latest", "CVE-3", "left-pad", "1.0", None),
        ("tiny", "CVE-3", "left-pad", "1.0", None),
    ])  # fmt: skip


def test_a_package_that_a_layer_lists_again_came_with_the_layer_that_listed_it_first(
    con: duckdb.DuckDBPyConnection,
) -> None:
    told = "tag, name, layer_digest, introduced_layer, introduced_by, from_base"
    assert rows(con, f"SELECT {told} FROM image_packages WHERE tag IN ('base', 'tiny', 'v1')") == [
        ("base", "bash", digest("base"), digest("base"), "RUN base", None),
        ("base", "libssl", digest("base"), digest("base"), "RUN base", None),
        ("base", "x", digest("base"), digest("base"), "RUN base", None),
        ("tiny", "left-pad", digest("scratch"), digest("scratch"), "RUN scratch", None),
        ("v1", "bash", digest("app"), digest("base"), "RUN base", True),
        ("v1", "left-pad", digest("app"), digest("app"), "RUN app", False),
        ("v1", "libssl", digest("app"), digest("app"), "RUN app", False),
        ("v1", "x", digest("base"), digest("base"), "RUN base", True),
    ]
    told = "package, vuln_id, layer_digest, introduced_layer, introduced_by, from_base"
    assert rows(con, f"SELECT {told} FROM vulnerabilities WHERE tag = 'v1'") == [
        ("bash", "CVE-3", digest("app"), digest("base"), "RUN base", True),
        ("left-pad", "CVE-3", digest("app"), digest("app"), "RUN app", False),
    ]


def test_the_summary_tells_the_share_of_the_base_image(tmp_path: Path) -> None:
    lake = Lake.open(tmp_path / "lake", create=True)
    fill(lake)
    told = "tag, base_layers, base_evidence, base_digest, base_name, vulnerabilities_base"
    query = f"SELECT {told} FROM image_summary WHERE tag IN ('base', 'v1')"
    with connect(lake) as con:
        assert rows(con, query) == [
            ("base", None, None, None, None, None), ("v1", 1, "image", digest("debian"), None, 1)
        ]  # fmt: skip
    labelled = {
        "ref_digest": digest("app"), "platforms": "all", "digest": digest("app"), "size_bytes": 1, "layer_count": 3,
        "status": "ok", "resolved_at": NOON, "base_name": "docker.io/x:1", "base_digest": digest("index"),
    }  # fmt: skip
    lake.write("manifests", "m", table("manifests", [labelled]))
    with connect(lake) as con:
        assert rows(con, query)[1] == ("v1", 1, "image", digest("index"), "docker.io/x:1", 1)


def test_the_promised_columns_come_first_and_in_order(con: duckdb.DuckDBPyConnection) -> None:
    promised = re.findall(
        r"\w+",
        """registry, repository, tag, digest, vuln_id, aliases, package, version, fixed_version, state, severity, score,
        vector, kev, epss, layer_digest, source_path, ecosystem, published, modified, title, url""",
    )
    assert con.sql("SELECT * FROM vulnerabilities").columns[: len(promised)] == promised


def test_a_sweep_shows_its_own_newest_match(con: duckdb.DuckDBPyConnection) -> None:
    assert rows(con, "SELECT sweep_id, tag, vuln_id FROM sweep_vulnerabilities WHERE sweep_id <> 's2'") == [
        ("s1", "old", "CVE-6")
    ]
    latest = "SELECT * EXCLUDE (sweep_id) FROM sweep_vulnerabilities WHERE sweep_id = 's2'"
    assert con.execute(f"({latest}) EXCEPT ALL FROM vulnerabilities").fetchall() == []
    assert con.execute(f"FROM vulnerabilities EXCEPT ALL ({latest})").fetchall() == []


def test_secrets_of_deleted_files_still_leak(con: duckdb.DuckDBPyConnection) -> None:
    assert rows(con, "SELECT path, visible FROM image_secrets WHERE tag = 'v1'") == [
        ("app/.env", False),
        ("app/config.py", True),
    ]


def test_malware_notes_and_configuration_reach_their_images(con: duckdb.DuckDBPyConnection) -> None:
    assert rows(con, "SELECT tag, path, visible FROM image_malware") == [
        ("latest", "tmp/x", True),
        ("v1", "tmp/x", True),
    ]
    assert rows(con, "SELECT tag, code FROM image_notes") == [("latest", "Unparsable"), ("v1", "Unparsable")]
    assert rows(con, "SELECT tag, check_id FROM misconfigurations") == [("latest", "root"), ("v1", "root")]


def test_the_summary_has_a_row_for_every_image_and_counts_distinct_ids_by_their_worst_severity(
    con: duckdb.DuckDBPyConnection,
) -> None:
    counts = "vulnerabilities, critical, high, medium, low, fixable, kev, findings, packages, secrets, secrets_hidden"
    assert rows(con, f"SELECT tag, status, {counts}, malware, misconfigurations, notes FROM image_summary") == [
        ("base", "ok", 2, 1, 0, 0, 1, 1, 0, 2, 3, 0, 0, 0, 0, 0),
        ("chart", "unsupported", *[None] * 12, 0, None),
        ("gone", "failed", *[None] * 14),
        ("later", "deferred", *[None] * 14),
        ("latest", "ok", 1, 0, 0, 1, 0, 0, 1, 2, 4, 2, 1, 1, 1, 1),
        ("tiny", "ok", 1, 0, 0, 1, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0),
        ("v1", "ok", 1, 0, 0, 1, 0, 0, 1, 2, 4, 2, 1, 1, 1, 1),
    ]
    assert rows(con, "SELECT distro_name, error_code FROM image_summary WHERE tag IN ('base', 'gone')") == [
        ("Debian 12", None), (None, "ManifestUnknown"),
    ]  # fmt: skip


def test_the_summary_reads_the_largest_tables_once_for_each_thing_it_tells_of_them(
    con: duckdb.DuckDBPyConnection,
) -> None:
    ((_, plan),) = rows(con, "EXPLAIN (ANALYZE, FORMAT json) SELECT * FROM image_summary")
    read = {table: len(re.findall(rf"/{table}/[*]", plan)) for table in ("image_layers", "chains", "hidden")}

    # The chains of images. Which squash counts, the layers, who introduced what. What is hidden, and of what SBOMs
    # tell twice. Waived secrets look in all three, where there are any.
    assert read == {"image_layers": 1 + 2, "chains": 3 + 1, "hidden": 2 + 1}


def test_a_sweep_that_was_not_matched_has_no_counts_rather_than_zeros(con: duckdb.DuckDBPyConnection) -> None:
    assert rows(con, "SELECT tag, vulnerabilities, packages FROM sweep_image_summary WHERE sweep_id = 's3'") == [
        ("v9", None, 3)
    ]


def test_the_summary_says_whether_the_distribution_gets_updates_and_its_own_match_counts(
    con: duckdb.DuckDBPyConnection,
) -> None:
    columns = "tag, distro_support, distro_eol, os_matched"
    assert rows(con, f"SELECT {columns} FROM image_summary WHERE tag IN ('base', 'tiny', 'gone')") == [
        ("base", "supported", "2026-06-10", True), ("gone", None, None, None), ("tiny", None, None, None),
    ]  # fmt: skip
    assert rows(con, f"SELECT {columns} FROM sweep_image_summary WHERE sweep_id IN ('s1', 's3')") == [
        ("old", "ended", "2026-06-10", False), ("v9", None, None, None),
    ]  # fmt: skip


def test_why_an_image_may_not_be_clean_is_a_note_and_lowers_its_coverage(con: duckdb.DuckDBPyConnection) -> None:
    noted = rows(con, "SELECT code, layer_digest, message FROM sweep_image_notes WHERE sweep_id = 's1'")
    assert [(code, layer) for code, layer, _ in noted] == [("DistributionEnded", None), ("DistributionUnmatched", None)]
    assert "Debian 12 gets no security updates any more, since 2028-06-30" in noted[0][2]
    assert "no advisories for Debian:12: 2 packages were not matched" in noted[1][2]
    # two notes, and 2 of 3 packages that the database could not judge
    ((coverage, notes),) = rows(con, "SELECT coverage, notes FROM sweep_image_summary WHERE sweep_id = 's1'")
    assert (coverage, notes) == (pytest.approx(0.98 / 3), 2)
    assert rows(con, "SELECT coverage, notes FROM image_summary WHERE tag IN ('base', 'tiny')") == [(1.0, 0)] * 2


def test_packages_of_no_distribution_and_images_without_packages_are_doubted(tmp_path: Path) -> None:
    lake = Lake.open(tmp_path / "lake", create=True)
    fill(lake)
    layers = {"stray": {"packages": [package(BASH, STATUS, "bash", "5.2-1")]}, "empty": {}}
    lake.commit("more", [
        LayerFacts(Layer(digest(name), 1, "m"), LayerStats(1, 1, 1, 0.1, "d"),
                   {kind: inner(kind, facts) for kind, facts in found.items()})
        for name, found in layers.items()
    ], DETECTORS, NOON)  # fmt: skip
    for name in layers:
        lake.write("image_layers", name, table("image_layers", [
            {"digest": digest(name), "ordinal": 0, "layer_digest": digest(name), "chain_id": chain([name]),
             "size_bytes": 1}
        ]))  # fmt: skip
        lake.write("chains", name, table("chains", [
            {"chain_id": chain([name]), "layer_digest": digest(name), "depth": 1, "version": "1", "squash_id": "q",
             "squashed_at": NOON}
        ]))  # fmt: skip
    lake.write("images", "i4", table("images", [image(name, name, coverage=1.0) for name in layers]))
    with connect(lake) as con:
        assert rows(con, "SELECT tag, coverage, os_matched FROM image_summary WHERE tag IN ('stray', 'empty')") == [
            ("empty", pytest.approx(0.99), None), ("stray", 0.0, None),
        ]  # fmt: skip
        assert rows(con, "SELECT tag, code FROM image_notes WHERE tag IN ('stray', 'empty')") == [
            ("empty", "NoPackages"), ("stray", "DistributionUnknown"),
        ]  # fmt: skip


def test_who_uses_a_layer(con: duckdb.DuckDBPyConnection) -> None:
    assert rows(con, "SELECT layer_digest, images, repositories, ordinal FROM layer_usage WHERE images > 1") == [
        (digest("app"), 2, 1, 1), (digest("base"), 3, 1, 0), (digest("clean"), 2, 1, 2),
    ]  # fmt: skip


def test_who_ships_a_file(tmp_path: Path) -> None:
    lake = Lake.open(tmp_path / "lake", create=True)
    fill(lake)
    lake.write("entries", "task", table("entries", [
        {"layer_digest": digest("base"), "task_id": lake.read("layer_scans", ["task_id"])["task_id"][0].as_py(),
         "path": "bin/sh", "kind": "file", "size": 1, "mode": 0o755, "uid": 0, "gid": 0, "ordinal": 0},
    ]))  # fmt: skip
    with connect(lake) as con:
        found = rows(con, "SELECT tag, mode FROM file_locations WHERE path = 'bin/sh'")
    assert found == [("base", 0o755), ("latest", 0o755), ("v1", 0o755)]


def test_a_layer_that_comes_twice_counts_once_and_undoes_what_hid_it_in_between(tmp_path: Path) -> None:
    lake = Lake.open(tmp_path / "lake", create=True)
    fill(lake)
    layers = ["base", "app", "base"]
    lake.write("images", "i4", table("images", [image("twice", "twice")]))
    lake.write("image_layers", "l4", table("image_layers", (
        {"digest": digest("twice"), "ordinal": n, "layer_digest": digest(layer),
         "chain_id": chain(layers[: n + 1]), "size_bytes": 9}
        for n, layer in enumerate(layers)
    )))  # fmt: skip
    lake.write("chains", "c4", table("chains", [{
        "chain_id": chain(layers), "parent_id": chain(layers[:2]), "layer_digest": digest("base"), "depth": 3,
        "version": "1", "squash_id": "q4", "squashed_at": NOON,
    }]))  # fmt: skip
    lake.write("hidden", "h4", table("hidden", [
        {"chain_id": chain(layers), "squash_id": "q4", "layer_digest": digest("app"), "path": "var/lib/dpkg/status",
         "reason": "hidden", "by": "x"},
    ]))  # fmt: skip
    with connect(lake) as con:
        assert rows(con, "SELECT name, version FROM image_packages WHERE tag = 'twice'") == [
            ("bash", "5.2-1"), ("left-pad", "1.0"), ("libssl", "3.0-1"), ("x", "1"),
        ]  # fmt: skip


def test_a_package_whose_owner_is_gone_is_its_own_again_from_that_layer_on(tmp_path: Path) -> None:
    lake = Lake.open(tmp_path / "lake", create=True)
    fill(lake)
    lake.write("hidden", "h5", table("hidden", [
        {"chain_id": chain(["base", "app"]), "squash_id": "q", "layer_digest": digest("base"), "path": METADATA,
         "reason": "unowned", "by": "x"},
    ]))  # fmt: skip
    with connect(lake) as con:
        query = "SELECT tag, owned FROM image_packages WHERE name = 'x' AND tag IN ('base', 'v1')"
        assert rows(con, query) == [("base", True), ("v1", False)]
        found = rows(con, "SELECT DISTINCT tag FROM vulnerabilities WHERE package = 'x' AND tag IN ('base', 'v1')")
        assert found == [("v1",)]


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ([sweep("a"), sweep("b", started_at=NOON + timedelta(1))], "b"),
        ([sweep("a"), sweep("b", started_at=NOON + timedelta(1), finished_at=None, status="running")], "a"),
        ([sweep("a", finished_at=None, status="running")], "a"),
        ([sweep("a"), sweep("b", kind="scan", started_at=NOON + timedelta(1))], "a"),
        ([sweep("a", kind="scan"), sweep("b", kind="scan", started_at=NOON + timedelta(1))], "b"),
        ([sweep("a", kind="scan"), sweep("b", finished_at=None, status="running")], "b"),
    ],
)
def test_which_sweep_is_the_latest(tmp_path: Path, written: list[dict[str, Any]], shown: str) -> None:
    lake = Lake.open(tmp_path / "lake", create=True)
    lake.write("sweeps", "s", table("sweeps", written))
    with connect(lake) as con:
        assert rows(con, "SELECT sweep_id FROM latest_sweep") == [(shown,)]


def test_an_image_written_twice_by_a_resumed_sweep_counts_once(tmp_path: Path) -> None:
    lake = Lake.open(tmp_path / "lake", create=True)
    later = NOON + timedelta(hours=1)
    lake.write("sweeps", "s", table("sweeps", [sweep("s2")]))
    lake.write("images", "a", table("images", [
        image("t", None, "failed"), image("moved", "old"), image("multi", "amd", ref_digest="index"),
    ]))  # fmt: skip
    lake.write("images", "b", table("images", [
        image("t", "ok", scanned_at=later), image("moved", "new", scanned_at=later),
        image("multi", "arm", ref_digest="index", scanned_at=later), image("", "x"), image("", "y", scanned_at=later),
    ]))  # fmt: skip
    expected = [
        ("", "sha256:x"),
        ("", "sha256:y"),
        ("moved", "sha256:new"),
        ("multi", "sha256:amd"),
        ("multi", "sha256:arm"),
        ("t", "sha256:ok"),
    ]
    with connect(lake) as con:
        for view in ("images", "latest_images"):
            assert rows(con, f"SELECT tag, digest FROM {view}") == expected
    read = lake.read("images", ["tag", "digest"], {"sweep_id": "s2"})
    assert sorted((r["tag"], r["digest"]) for r in read.to_pylist()) == expected


# --- the published file ---


def test_any_duckdb_client_opens_the_published_views_from_anywhere(lake: Lake, tmp_path: Path) -> None:
    publish(lake)
    publish(lake)
    program = """
import duckdb, sys
con = duckdb.connect(sys.argv[1], read_only=True)
print(con.execute("SELECT count(*) FROM vulnerabilities").fetchone()[0])
print(con.execute("SELECT count(*) FROM duckdb_tables()").fetchone()[0])
"""
    path = Path(lake.location, "scangrid.duckdb")
    ran = subprocess.run(
        [sys.executable, "-c", program, str(path)], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert ran.stdout.split() == ["7", "0"]
    assert os.listdir(tmp_path) == []


def test_the_views_are_listed_without_their_parts(con: duckdb.DuckDBPyConnection) -> None:
    shown = {name for (name,) in con.execute("SHOW TABLES").fetchall()}
    assert {"vulnerabilities", "sweep_vulnerabilities", "image_summary", "packages", "images"} <= shown
    assert not [name for name in shown if name.startswith("_")]


def test_every_column_of_every_view_is_documented(con: duckdb.DuckDBPyConnection) -> None:
    from grid.reference import column_docs

    for view in views().values():
        if not view.name.startswith("_"):
            assert view.doc
            docs = column_docs(view)
            columns = con.sql(f"SELECT * FROM {view.name}").columns
            assert [name for name in columns if name not in docs] == [], view.name
            assert set(view.columns) <= set(columns), view.name


# --- queries ---


def test_a_wrong_query_is_told_with_its_place(con: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(QueryInvalid) as caught:
        query(con, "SELECT severty FROM vulnerabilities")
    assert "severity" in caught.value.message
    line, mark = caught.value.message.splitlines()[-2:]
    assert "EXPLAIN" not in line and line[mark.index("^") :].startswith("severty")
    assert "Error:" not in caught.value.message.splitlines()[0]


@pytest.mark.parametrize(
    "sql", ["DROP VIEW images", "SELECT 1; SELECT 2", "", "COPY (SELECT 1) TO 'x.csv'", "INSTALL httpfs"]
)
def test_only_reading_is_allowed(con: duckdb.DuckDBPyConnection, sql: str, tmp_path: Path) -> None:
    os.chdir(tmp_path)
    with pytest.raises(QueryInvalid):
        query(con, sql)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1",
        "SHOW TABLES",
        "DESCRIBE vulnerabilities",
        "FROM sweeps",
        "SUMMARIZE sweeps",
        "EXPLAIN SELECT 1",
        "WITH a AS (SELECT 1) FROM a",
    ],
)
def test_everything_that_reads_is(con: duckdb.DuckDBPyConnection, sql: str) -> None:
    assert query(con, sql).num_rows


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    lake = Lake.open(tmp_path / "lake", create=True)
    fill(lake)
    Path(lake.location, "secrets/holiday.parquet").write_bytes(b"snow")
    with pytest.raises(LakeInvalid, match=r"holiday\.parquet"), connect(lake) as con:
        query(con, "SELECT * FROM image_secrets")


def test_nothing_is_fetched_from_the_network_for_a_local_lake(con: duckdb.DuckDBPyConnection) -> None:
    settings = dict(con.execute("SELECT name, value FROM duckdb_settings()").fetchall())
    assert settings["autoinstall_known_extensions"] == settings["autoload_known_extensions"] == "false"


def test_a_wheel_record_owned_by_the_system_keeps_its_path(con: duckdb.DuckDBPyConnection) -> None:
    assert rows(con, "SELECT DISTINCT source_path FROM image_packages WHERE owned") == [(METADATA,)]


def test_matches_of_a_sweep_replace_each_other(con: duckdb.DuckDBPyConnection, lake: Lake) -> None:
    assert rows(con, "SELECT match_id FROM matches") == [("m1",), ("m2",)]
    assert {"m1", "m2"} == set(lake.read("findings", ["match_id"])["match_id"].to_pylist())


def test_the_summary_counts_what_the_findings_say(
    con: duckdb.DuckDBPyConnection, same_counts: Callable[[duckdb.DuckDBPyConnection], int]
) -> None:
    assert same_counts(con)

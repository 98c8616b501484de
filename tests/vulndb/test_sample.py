"""The sample database in the package: enough for the demo, and its facts those of the public feeds."""

from __future__ import annotations

import time
from importlib import metadata
from pathlib import Path

import duckdb
import pytest

from grid.database import open_database
from vulndb.build import build_sample
from vulndb.fetch import HttpTransport
from vulndb.update import update


def test_the_sample_is_built_fast_and_whole(tmp_path: Path) -> None:
    started = time.process_time()
    assert build_sample(tmp_path) == tmp_path
    assert time.process_time() - started < 5  # a guard against quadratic mistakes, not a benchmark
    database = open_database(tmp_path)
    database.verify()
    assert database.rows("advisories") >= 60
    assert database.manifest.notes == ()  # every version of it is ordered
    con = duckdb.connect()
    ranges = database.parquet("ranges")
    namespaces = {n for (n,) in con.execute(f"SELECT DISTINCT namespace FROM '{ranges}'").fetchall()}
    assert {"Debian:11", "Debian:12", "Alpine:v3.10", "Alpine:v3.18", "PyPI", "npm"} <= namespaces
    unrated = con.execute(
        f"SELECT DISTINCT a.vuln_id FROM '{database.parquet('advisories')}' a JOIN '{ranges}' r USING (advisory_id) "
        f"ANTI JOIN '{database.parquet('severities')}' s ON s.vuln_id = a.vuln_id "
        "WHERE r.severity IS NULL AND r.namespace = 'npm'"
    ).fetchall()
    assert unrated == []
    (exploited,) = con.execute(
        f"SELECT count(*) FROM '{database.parquet('kev')}' k JOIN '{database.parquet('advisories')}' a "
        "ON a.vuln_id = k.cve_id"
    ).fetchone() or (0,)
    assert exploited >= 2


def test_the_demo_finds_the_sample_by_its_entry_point() -> None:
    found = [e for e in metadata.entry_points(group="scangrid.database") if e.name == "sample"]
    if not found:
        pytest.skip("the project was installed before the entry point was added")
    assert found[0].load() is build_sample


@pytest.mark.data
def test_where_the_feeds_speak_of_a_sample_record_they_say_the_same(mirror: Path, tmp_path: Path) -> None:
    build_sample(tmp_path / "sample")
    with HttpTransport(str(mirror)) as transport:
        update(tmp_path / "feeds", transport)
    con = duckdb.connect()
    for name in ("sample", "feeds"):
        database = open_database(tmp_path / name)
        con.execute(
            f"CREATE TABLE {name} AS SELECT DISTINCT r.namespace, r.name, "
            "regexp_replace(r.advisory_id, '^(ALPINE|DEBIAN)-', '') AS id, r.lo, r.hi "
            f"FROM '{database.parquet('ranges')}' r"
        )
    compared, differing = con.execute(
        """
        WITH s AS (SELECT namespace, name, id, list_sort(list(DISTINCT (lo, hi))) AS spans FROM sample GROUP BY ALL),
             f AS (SELECT namespace, name, id, list_sort(list(DISTINCT (lo, hi))) AS spans FROM feeds GROUP BY ALL)
        SELECT count(*), count(*) FILTER (s.spans <> f.spans) FROM s JOIN f USING (namespace, name, id)
        """
    ).fetchone() or (0, 1)
    assert compared > 60 and differing == 0

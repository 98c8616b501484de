"""Nights of a large estate: what its history costs in rows, bytes and seconds when little changes, as is usual.

A night in which nothing changed, then nights in which some images got other layers and the database changed its mind on
some packages. The rows that must come of it are counted from the inputs, without a line of ``grid.life``.
"""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from bench.models import Outcome, Work, clock, in_child, median, peak_memory
from bench.synthetic import MATCH, NOW, SWEEP, Size, build
from grid.life import remember
from grid.store import Lake
from grid.warehouse import connect

EVENTS = ("history", "matched_packages", "package_events", "image_events", "finding_events")


def measure(work: Work) -> Outcome:
    """Seconds and bytes of the first night and of later ones."""
    folder = work.folder / "history"
    shutil.rmtree(folder, ignore_errors=True)
    names = ("images", "layers", "nights", "moved", "changed")
    told = in_child("bench.models.history:nights", {"folder": str(folder), **{n: work[n] for n in names}})
    first, still, *later = told["nights"]
    shutil.rmtree(folder, ignore_errors=True)
    wanted = told["wanted"]
    return Outcome(
        counts={
            "appeared": first["image_events"], "known": first["package_events"], "still": still["rows"],
            "moved": sum(n["image_events"] for n in later), "changed": sum(n["package_events"] for n in later),
            "new_in_database": told["new"],
        },
        wanted={
            "appeared": work["images"], "known": wanted["known"], "still": 0, "moved": wanted["moved"],
            "changed": wanted["changed"], "new_in_database": wanted["new"],
        },
        figures={
            "seconds": median([n["wall"] for n in later]), "first": first["wall"], "still_seconds": still["wall"],
            "kilobytes": median([n["bytes"] for n in later]) / 1e3, "first_bytes": first["bytes"] / 1e6,
            "still_bytes": still["bytes"], "images": work["images"], "image_findings": told["image_findings"],
            "moves": wanted["moved"] / len(later), "changes": wanted["changed"] / len(later),
            "ask": told["ask"], "peak": told["peak"] / 1e9,
        },
    )  # fmt: skip


def nights(folder: str, images: int, layers: int, nights: int, moved: float, changed: float) -> dict[str, Any]:
    """Live through so many nights after the first two, in this process."""
    lake = Lake.open(folder, create=True)
    build(lake, Size(images=images, layers=layers))
    told: dict[str, Any] = {"nights": [], "wanted": {"moved": 0, "changed": 0}}
    with connect(lake) as con:
        con.execute("CREATE TEMP TABLE found AS SELECT * FROM findings")
        con.execute(
            "CREATE TEMP TABLE pictured AS SELECT i.*, t.chain_id FROM images i JOIN image_chains t USING (digest)"
        )
        con.execute("CREATE TEMP TABLE held AS SELECT DISTINCT package_id, ecosystem FROM packages")
        evaluated = con.sql(
            "SELECT package_id, CASE ecosystem WHEN 'deb' THEN 'Debian:12' ELSE 'npm' END AS namespace FROM held"
        ).to_arrow_table()
        told["wanted"]["known"] = _one(con, "SELECT count(*) FROM found")
        told["nights"].append(_night(lake, con, MATCH, evaluated))
        for number in range(nights + 1):
            sweep, match = f"20260102-{number:06}", f"20260102-{number:06}-m"
            if number:
                told["wanted"]["moved"] += _move(con, number, moved)
                told["wanted"]["changed"] += _change(con, number, changed)
            _write(lake, con, sweep, match, number)
            told["nights"].append(_night(lake, con, match, evaluated))
    with connect(lake) as con:
        with clock() as asked:
            told["new"] = _one(
                con, f"SELECT count(DISTINCT package_id) FROM new_vulnerabilities WHERE vuln_id = 'CVE-2026-{nights}'"
            )
        told["ask"] = asked.wall
        told["wanted"]["new"] = _one(
            con, f"SELECT count(DISTINCT package_id) FROM vulnerabilities WHERE vuln_id = 'CVE-2026-{nights}'"
        )
        told["image_findings"] = int(_one(con, "SELECT sum(findings) FROM image_summary"))
    return told | {"peak": peak_memory()}


def _one(con: duckdb.DuckDBPyConnection, query: str) -> int:
    return int(con.execute(query).fetchall()[0][0] or 0)


def _move(con: duckdb.DuckDBPyConnection, night: int, share: float) -> int:
    """Some names get the image that another name had; returns how many got other layers by it."""
    con.execute(
        "CREATE OR REPLACE TEMP TABLE before AS "
        "SELECT *, row_number() OVER (ORDER BY registry, repository, tag) AS n FROM pictured"
    )
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE pictured AS
        SELECT b.* EXCLUDE (n) REPLACE (
                 coalesce(o.digest, b.digest) AS digest, coalesce(o.digest, b.digest) AS ref_digest,
                 coalesce(o.chain_id, b.chain_id) AS chain_id)
        FROM before b LEFT JOIN before o
          ON o.n = (b.n * 7919 + {night}) % (SELECT count(*) FROM before) + 1
          AND hash(b.n, {night}) % 100000 < {share} * 100000
        """
    )
    return _one(
        con,
        "SELECT count(*) FROM before b JOIN pictured p USING (registry, repository, tag) "
        "WHERE b.chain_id <> p.chain_id",
    )


def _change(con: duckdb.DuckDBPyConnection, night: int, share: float) -> int:
    """The database drops some findings and reports a new problem of some packages; returns how many of both."""
    drops = f"hash(package_id, vuln_id, {night}) % 100000 < {share} * 100000"
    dropped = _one(con, f"SELECT count(*) FROM found WHERE {drops}")
    con.execute(f"DELETE FROM found WHERE {drops}")
    before = _one(con, "SELECT count(*) FROM found")
    con.execute(
        f"""
        INSERT INTO found BY NAME
        SELECT '' AS match_id, package_id, CASE ecosystem WHEN 'deb' THEN 'Debian:12' ELSE 'npm' END AS namespace,
               'CVE-2026-{night}' AS vuln_id, []::VARCHAR[] AS aliases, ['CVE-2026-{night}'] AS advisories,
               'affected' AS state, 'high' AS severity, false AS kev
        FROM held WHERE hash(package_id, {night}) % 100000 < {share} * 100000
        """
    )
    return dropped + _one(con, "SELECT count(*) FROM found") - before


def _write(lake: Lake, con: duckdb.DuckDBPyConnection, sweep: str, match: str, night: int) -> None:
    """What a sweep writes, but for layers."""
    when = NOW + timedelta(days=1 + night)
    old = lake.read("sweeps", filter={"sweep_id": SWEEP}).to_pylist()[0]
    times = dict.fromkeys(("started_at", "finished_at", "written_at"), when)
    row = {**old, "sweep_id": sweep, **times}
    lake.write("sweeps", sweep, pa.Table.from_pylist([row], schema=lake.read("sweeps").schema))
    images = f"SELECT * EXCLUDE (chain_id) REPLACE ('{sweep}' AS sweep_id) FROM pictured"
    lake.write("images", sweep, con.sql(images).to_arrow_table())
    found = con.sql(f"SELECT * REPLACE ('{match}' AS match_id) FROM found").to_arrow_table()
    lake.write("findings", match, found)
    lake.write("matches", match, pa.table({
        "match_id": [match], "sweep_id": [sweep], "db_version": ["synthetic"], "packages": [1], "current": [True],
        "findings": [found.num_rows], "matched_at": pa.array([when], pa.timestamp("us", tz="UTC")),
    }))  # fmt: skip


def _night(lake: Lake, con: duckdb.DuckDBPyConnection, match: str, evaluated: pa.Table) -> dict[str, Any]:
    found = con.sql("SELECT package_id, namespace, vuln_id, aliases FROM found").to_arrow_table()
    with clock() as told:
        rows = remember(lake, match, evaluated, found)
    written = sum(
        path.stat().st_size for table in EVENTS for path in Path(lake.location, table).glob(f"{match}.parquet")
    )
    return {**rows, "rows": sum(rows.values()), "wall": told.wall, "bytes": written}

"""Re-match of a simulated estate with a simulated database: what ``jobs.refresh`` does, and the rollup per image.

How many findings must come out is worked out with whole numbers: the made versions differ in one number only, and
so do the ranges.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from bench.models import Clock, Outcome, Work, clock, in_child, peak_memory
from bench.synthetic import MATCH, Size, build
from grid.cli.explain import find_image
from grid.database import Database, open_database
from grid.ecosystems import BY_NAME
from grid.life import remember
from grid.reports.why import READS
from grid.schema import LAKE_SCHEMA_VERSION
from grid.snapshot import snapshot
from grid.store import Lake
from grid.sweep import rematch
from grid.warehouse import connect
from vulndb.publish import publish

NAMES_PER_LAYER = 5
"""As ``bench.synthetic`` names packages: p0 … p(5 × layers − 1), each at version 1.(n mod 97).0."""
MINORS = 200


def measure(work: Work) -> Outcome:
    """Seconds of the match, of the rollup over all images, and of all that is known of one of them."""
    size = Size(images=work["images"], layers=work["layers"])
    lake, database = _made(work.folder, size, work["ranges"])
    told = in_child("bench.models.matching:refresh", {"lake": str(lake), "database": str(database)})
    wanted = {
        "images": size.images,
        "findings": expected_findings(lake, work["ranges"], size),
        "ranges": work["ranges"],
    }
    if work["cross_check"]:
        wanted |= _counted_one_by_one(lake)
    return Outcome(
        counts={name: told[name] for name in wanted},
        wanted=wanted,
        figures={
            "seconds": told["match_wall"] + told["rollup_wall"],
            "match": told["match_wall"],
            "rollup": told["rollup_wall"],
            "look": told["look_wall"],
            "cpu": told["cpu"],
            "peak": told["peak"] / 1e9,
            "images": size.images,
            "image_packages": told["image_packages"],
            "image_findings": told["image_findings"],
            "packages": told["packages"],
            "findings": told["findings"],
            "ranges": told["ranges"],
        },
    )


def refresh(lake: str, database: str) -> dict[str, Any]:
    """Match, roll up and look one image up, in this process. The lake keeps the match; the next one supersedes it."""
    opened, known = Lake.open(lake), open_database(Path(database))
    clocks: list[Clock] = []
    with clock() as match_clock:
        judged = rematch(opened, known)
    clocks.append(match_clock)
    with clock() as rollup_clock, connect(opened) as con:
        images, packages, found = con.execute(
            "SELECT count(*), sum(packages), sum(findings) FROM image_summary WHERE status = 'ok'"
        ).fetchall()[0]
    clocks.append(rollup_clock)
    with clock() as look_clock, connect(opened) as con:  # as ``explain`` does
        name = con.sql("SELECT any_value(digest) FROM latest_images").fetchall()[0][0]
        image = find_image(con, name)
        snapshot(opened, image["sweep_id"], READS, image).close()
    return {
        "images": images, "image_packages": int(packages), "image_findings": int(found), "packages": judged.packages,
        "findings": judged.findings, "ranges": known.rows("ranges"), "match_wall": match_clock.wall,
        "rollup_wall": rollup_clock.wall, "look_wall": look_clock.wall,
        "cpu": sum(c.cpu for c in clocks), "peak": peak_memory(),
    }  # fmt: skip


def _counted_one_by_one(lake: Path) -> dict[str, int]:
    """The same sums from the views with a row for each package and finding of each image."""
    with connect(Lake.open(lake)) as con:
        packages, findings = (
            int(con.execute(f"SELECT count(*) FROM {view}").fetchall()[0][0])
            for view in ("image_packages", "vulnerabilities")
        )
    return {"image_packages": packages, "image_findings": findings}


def _made(folder: Path, size: Size, ranges: int) -> tuple[Path, Path]:
    """The lake, made once and rid of earlier runs' matches, and the database, made anew."""
    lake, database = folder / f"estate-{size.images}", folder / "advisories"
    mark = folder / f"estate-{size.images}.json"
    wanted = json.dumps({**asdict(size), "schema": LAKE_SCHEMA_VERSION, "history": True})
    if not mark.exists() or mark.read_text() != wanted:
        mark.unlink(missing_ok=True)
        shutil.rmtree(lake, ignore_errors=True)
        build(Lake.open(lake, create=True), size)
        _remember(Lake.open(lake))
        mark.write_text(wanted)
    Lake.open(lake, create=True)
    for table in ("findings", "matches", "history", "package_events"):
        for path in (lake / table).glob("2*.parquet"):
            if path.stem != MATCH:
                path.unlink()
    shutil.rmtree(database, ignore_errors=True)
    make_database(database, ranges, size.layers * NAMES_PER_LAYER)
    return lake, database


def _remember(lake: Lake) -> None:
    """What the sweep of these images did: a re-match finds them in the history."""
    with connect(lake) as con:
        evaluated = con.sql(
            "SELECT DISTINCT package_id, CASE ecosystem WHEN 'deb' THEN 'Debian:12' ELSE 'npm' END AS namespace "
            "FROM packages"
        ).to_arrow_table()
        found = con.sql("SELECT package_id, namespace, vuln_id, aliases FROM findings").to_arrow_table()
    remember(lake, MATCH, evaluated, found)


# --- the database --------------------------------------------------------------------------------

# r numbers the ranges: which package it speaks of, and from which minor version to which.
_DRAWN = """
SELECT r, (r * 7919) % {names} AS number, r % 2 = 0 AS system,
       CASE WHEN r % 3 = 0 THEN NULL ELSE (r * 31) % 60 END AS lo_minor,
       CASE WHEN r % 11 = 0 THEN NULL ELSE (r * 31) % 60 + 1 + (r * 17) % 60 END AS hi_minor
FROM range({ranges}) t(r)
"""


def make_database(root: Path, ranges: int, names: int) -> Database:
    """Publish a database of so many ranges over so many package names, half Debian's and half npm's."""
    with duckdb.connect() as con:
        con.register("keys", _keys())
        con.execute("CREATE TABLE drawn AS " + _DRAWN.format(ranges=ranges, names=max(1000, names)))
        spoken = con.sql(_RANGES).to_arrow_table()
        advisories = con.sql(_ADVISORIES).to_arrow_table()
        severities = con.sql(_SEVERITIES).to_arrow_table()
    exploited = [
        {"cve_id": f"CVE-2025-{n}", "date_added": "2025-01-01", "ransomware": False, "title": "exploited"}
        for n in range(0, ranges, 500)
    ]
    tables = {"advisories": advisories, "ranges": spoken, "severities": severities, "kev": exploited}
    return publish(root, tables, key_versions={name: BY_NAME[name].key_version for name in ("deb", "npm")})


def _keys() -> pa.Table:
    rows = [
        {"system": system, "minor": minor, "key": BY_NAME[name].key(f"1.{minor}.0")}
        for system, name in ((True, "deb"), (False, "npm"))
        for minor in range(MINORS)
    ]
    return pa.Table.from_pylist(rows)


_RANGES = """
SELECT CASE WHEN d.system THEN 'Debian:12' ELSE 'npm' END AS namespace, 'p' || number AS name,
       'CVE-2025-' || r AS advisory_id, 'osv' AS source, coalesce(l.key, ''::BLOB) AS lo, h.key AS hi,
       CASE WHEN lo_minor IS NULL THEN '0' ELSE '1.' || lo_minor || '.0' END AS introduced,
       '1.' || hi_minor || '.0' AS fixed, CASE WHEN hi_minor IS NULL THEN 'affected' ELSE 'fixed' END AS state
FROM drawn d
LEFT JOIN keys l ON l.system = d.system AND l.minor = d.lo_minor
LEFT JOIN keys h ON h.system = d.system AND h.minor = d.hi_minor
"""

_ADVISORIES = """
SELECT 'CVE-2025-' || r AS advisory_id, 'osv' AS source, 'CVE-2025-' || r AS vuln_id, []::VARCHAR[] AS aliases,
       'Something is wrong in p' || number AS title, TIMESTAMPTZ '2025-01-01' AS published,
       TIMESTAMPTZ '2025-06-01' AS modified
FROM drawn
"""

_SEVERITIES = """
SELECT 'CVE-2025-' || r AS vuln_id, 'CVE-2025-' || r AS advisory_id, 'nvd' AS source,
       ['critical', 'high', 'medium', 'low', 'negligible'][r % 5 + 1] AS label, 9.5 - r % 5 * 2 AS score
FROM drawn
"""


def expected_findings(lake: Path, ranges: int, size: Size) -> int:
    """(package, advisory) pairs by whole numbers, without a key."""
    names = max(1000, size.layers * NAMES_PER_LAYER)
    with duckdb.connect() as con:
        return int(con.execute(
            f"""
            WITH drawn AS ({_DRAWN.format(ranges=ranges, names=names)}),
            held AS (
                SELECT DISTINCT ecosystem = 'deb' AS system, split_part(version, '.', 2)::INT AS minor,
                       substr(name, 2)::BIGINT AS number
                FROM read_parquet(?)
                WHERE layer_digest IN (SELECT layer_digest FROM read_parquet(?))
            )
            SELECT count(*) FROM held JOIN drawn USING (number, system)
            WHERE minor >= coalesce(lo_minor, 0) AND (hi_minor IS NULL OR minor < hi_minor)
            """,
            [str(lake / "packages" / "synthetic.parquet"), str(lake / "image_layers" / "synthetic-*.parquet")],
        ).fetchall()[0][0])  # fmt: skip

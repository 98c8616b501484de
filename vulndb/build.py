"""From advisories to a published database: groups, precedence, order.

Rows are staged on disk as they are parsed (``parts``), and DuckDB joins and sorts them within a memory limit, so
what a build needs does not grow with the feeds (only the ids that have aliases are held).
"""

from __future__ import annotations

import hashlib
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from grid.database import Database, FeedState
from grid.ecosystems import ALL
from grid.schema import (
    ADVISORIES,
    BINARIES,
    DATABASE_SCHEMA_VERSION,
    EOL,
    EPSS,
    EXACT,
    KEV,
    RANGES,
    REPOSITORY_CPES,
    SEVERITIES,
)
from vulndb.feeds.eol import records as release_ends
from vulndb.feeds.kev import entries as kev_entries
from vulndb.feeds.osv import advisory
from vulndb.groups import Groups
from vulndb.publish import locked, new_version, publish, seal, write_table
from vulndb.records import Record
from vulndb.stage import STAGED, Stage

__all__ = [
    "build",
    "build_records",
    "build_sample",
    "build_staged",
    "inputs_of",
    "key_versions",
    "locked",
    "noted",
    "publish",
]

MEMORY = "768MB"
_BATCH = 32_768

RULES = 2
"""Raise it when the same records make other rows: databases are built again."""

Records = Iterable[tuple[str, bool, Record]]
"""(feed, ``Feed.verdicts``, record) triples."""


def key_versions() -> dict[str, int]:
    """How each ecosystem's versions are encoded by this scangrid."""
    return {ecosystem.name: ecosystem.key_version for ecosystem in ALL}


def inputs_of(files: Iterable[str], feed_versions: Iterable[tuple[str, int]]) -> str:
    """A hash over everything that a build depends on: the same value, the same database.

    ``files`` are the checksums of what is parsed, ``feed_versions`` the parsers.
    """
    namespaces = sorted((osv, e.name) for e in ALL for osv in e.osv)
    document = [
        DATABASE_SCHEMA_VERSION, RULES, sorted(files), sorted(feed_versions), sorted(key_versions().items()),
        namespaces,
    ]  # fmt: skip
    return hashlib.sha256(orjson.dumps(document)).hexdigest()


def build_staged(
    root: Path,
    staged: Sequence[Path],
    *,
    feeds: Sequence[FeedState],
    notes: Sequence[str] = (),
    inputs: str = "",
) -> Database:
    """Build and publish a version from staged rows (folders of ``Stage``); the caller holds ``locked(root)``."""
    with new_version(root) as folder:
        scratch = folder / "scratch"
        scratch.mkdir()
        with _connect(scratch) as con:
            _views(con, staged)
            files = {}
            for table, query in (
                (ADVISORIES, _ADVISORIES),
                (RANGES, _spoken("ranges", [c.name for c in RANGES.columns])),
                (EXACT, _spoken("exact", [c.name for c in EXACT.columns])),
                (SEVERITIES, _SEVERITIES),
                (KEV, _KEV),
                (EPSS, _EPSS),
                (EOL, _EOL),
                (REPOSITORY_CPES, "SELECT DISTINCT repository, cpe FROM repository_cpes"),
                (BINARIES, _BINARIES),
            ):
                order = ", ".join(dict.fromkeys((*table.sort_by, *_TIES.get(table.name, ()))))
                files[table.name] = write_table(folder, table, _stream(con, f"{query} ORDER BY {order}"))
        shutil.rmtree(scratch)
        return seal(root, folder, files, key_versions=key_versions(), feeds=feeds, notes=notes, inputs=inputs)


def build(
    root: Path,
    records: Records,
    *,
    states: Callable[[Counter[str]], Sequence[FeedState]],
    notes: Callable[[Counter[str]], Sequence[str]] = lambda counts: (),
    inputs: str = "",
) -> Database:
    """Build and publish a version from records; the caller holds ``locked(root)``.

    ``states`` and ``notes`` are asked when all is read, with the number of advisories of each feed. Raises
    what ``records`` raises; then nothing changes.
    """
    root.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".staged-", dir=root) as temporary:
        folder = Path(temporary)
        with Stage(folder) as stage:
            for feed, verdicts, record in records:
                stage.add(feed, record, verdicts=verdicts)
        counts = stage.advisories
        told = [*notes(counts), *noted(stage.notes)]
        return build_staged(root, [folder], feeds=states(counts), notes=told, inputs=inputs)


def build_records(
    root: Path, records: Iterable[object], *, exploited: Iterable[object] = (), ends: object = None
) -> Database:
    """A database of OSV records (JSON objects), entries of CISA's list and a document of endoflife.date (``ends``):
    for samples and tests."""

    def all_records() -> Iterator[tuple[str, bool, Record]]:
        for raw in records:
            if (found := advisory(raw)) is not None:
                yield "osv", False, found
        for entry in kev_entries({"vulnerabilities": list(exploited)}):
            yield "kev", False, entry
        for release in () if ends is None else release_ends(ends):
            yield "eol", False, release

    def states(counts: Counter[str]) -> list[FeedState]:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        return [FeedState(name, "ok", count, now) for name, count in sorted(counts.items())]

    with locked(root):
        return build(root, all_records(), states=states)


def noted(notes: Mapping[str, int]) -> list[str]:
    """What was counted while staging, for the manifest."""
    return [f"{text} ({count})" for text, count in sorted(notes.items())]


def build_sample(root: Path) -> Path:
    """Build the sample database that comes in the package, under ``root``; returns ``root``.

    Entry point ``sample`` of the group ``scangrid.database``: ``grid`` finds it without importing us.
    """
    advisories: list[object] = []
    exploited: list[object] = []
    ends: object = None
    for file in sorted(resources.files("vulndb").joinpath("sample").iterdir(), key=lambda f: f.name):
        if file.name.endswith(".json"):
            content = orjson.loads(file.read_bytes())
            if file.name == "eol.json":
                ends = content
            else:
                (exploited if file.name == "kev.json" else advisories).extend(content)
    build_records(root, advisories, exploited=exploited, ends=ends)
    return root


# --- SQL -----------------------------------------------------------------------------------------

_TIES = {
    "advisories": ("source", "vuln_id"),
    "ranges": ("hi", "advisory_id", "source", "vuln_id", "arches", "module", "flavour", "cpes", "erratum"),
    "exact": ("advisory_id", "source", "vuln_id"),
    "severities": ("advisory_id", "source", "label", "score", "vector"),
    "epss": ("date DESC", "score"),
    "eol": ("eol", "codename"),
}
"""Beyond ``Table.sort_by``: equal feeds make equal files."""

_BINARIES = """
SELECT namespace, name, any_value(source) AS source FROM binaries
GROUP BY namespace, name HAVING count(DISTINCT source) = 1
"""

_ADVISORIES = """
    SELECT r.advisory_id, r.source, p.vuln_id,
           list_sort(list_filter(
               list_distinct(list_concat(coalesce(m.members, []::VARCHAR[]), [r.advisory_id])),
               lambda id: id <> p.vuln_id)) AS aliases,
           r.title, r.published, r.modified, r.url, s.status
    FROM one_record r
    JOIN about p USING (advisory_id, source)
    LEFT JOIN members m ON m.vuln_id = p.vuln_id
    LEFT JOIN (SELECT cve_id, max(status) AS status FROM statuses GROUP BY cve_id) s ON s.cve_id = p.vuln_id
"""

_SEVERITIES = """
    SELECT DISTINCT p.vuln_id, r.advisory_id, r.rater AS source, r.label, r.score, r.vector
    FROM ratings r JOIN about p USING (advisory_id, source)
    WHERE p.vuln_id IN (SELECT a.vuln_id FROM about a SEMI JOIN records USING (advisory_id, source))
"""

_KEV = """
    SELECT cve_id, min(date_added) AS date_added, min(due_date) AS due_date, bool_or(ransomware) AS ransomware,
           min(title) AS title
    FROM kev GROUP BY cve_id
"""

_EPSS = "SELECT DISTINCT ON (cve_id) cve_id, score, percentile, date FROM epss"  # + ORDER BY cve_id, date DESC

_EOL = "SELECT DISTINCT ON (distro_id, version) * FROM eol"


def _spoken(table: str, columns: Sequence[str]) -> str:
    """Rows of ``ranges`` or ``exact``, less what another feed has the say about (``Feed.verdicts``).

    A record about several problems, of which only some are spoken for, is left to speak of the others.
    """
    plain = ", ".join(f"t.{c}" if c != "vuln_id" else "NULL AS vuln_id" for c in columns)
    single = ", ".join(f"t.{c}" if c != "vuln_id" else "o.vuln_id" for c in columns)
    return f"""
    SELECT DISTINCT {plain} FROM {table} t
    WHERE NOT EXISTS (FROM overruled o WHERE o.namespace = t.namespace AND o.name = t.name
                      AND o.advisory_id = t.advisory_id AND o.source = t.source)
    UNION ALL
    SELECT DISTINCT {single} FROM {table} t JOIN overruled o USING (namespace, name, advisory_id, source)
    WHERE NOT o.spoken_for
    """


_VIEWS = """
CREATE TABLE about AS
    SELECT DISTINCT p.advisory_id, p.source, coalesce(g.vuln_id, p.problem_id) AS vuln_id
    FROM problems p LEFT JOIN grouped g ON g.id = p.problem_id;
CREATE VIEW one_record AS
    SELECT advisory_id, source, arg_max(title, rank) FILTER (title IS NOT NULL) AS title, min(published) AS published,
           max(modified) AS modified, arg_max(url, rank) FILTER (url IS NOT NULL) AS url
    FROM (SELECT *, (coalesce(epoch_us(modified), 0), title, url) AS rank FROM records)
    GROUP BY advisory_id, source;
CREATE TABLE verdict AS
    SELECT DISTINCT v.namespace, v.name, p.vuln_id FROM verdicts v JOIN about p USING (advisory_id, source);
CREATE TABLE overruled AS
    WITH touched AS (
        SELECT DISTINCT namespace, name, advisory_id, source
        FROM (SELECT namespace, name, advisory_id, source FROM ranges
              UNION ALL SELECT namespace, name, advisory_id, source FROM exact)
        WHERE source NOT IN (SELECT DISTINCT source FROM verdicts)
          AND namespace IN (SELECT DISTINCT namespace FROM verdict)
    ), judged AS (
        SELECT t.*, p.vuln_id, v.vuln_id IS NOT NULL AS spoken_for
        FROM touched t JOIN about p USING (advisory_id, source)
        LEFT JOIN verdict v ON v.namespace = t.namespace AND v.name = t.name AND v.vuln_id = p.vuln_id
    )
    SELECT * FROM judged
    QUALIFY bool_or(spoken_for) OVER (PARTITION BY namespace, name, advisory_id, source);
"""


def _connect(scratch: Path) -> duckdb.DuckDBPyConnection:
    return duckdb.connect(
        str(scratch / "scratch.duckdb"),
        config={"memory_limit": MEMORY, "threads": "2", "temp_directory": str(scratch / "spill"),
                "preserve_insertion_order": "false", "autoinstall_known_extensions": "false"},
    )  # fmt: skip


def _views(con: duckdb.DuckDBPyConnection, staged: Sequence[Path]) -> None:
    groups = Groups()
    for name, schema in STAGED.items():
        paths = [str(path) for folder in staged if (path := folder / f"{name}.parquet").exists()]
        if name == "equals":
            for file in paths:
                for batch in pq.ParquetFile(file).iter_batches():
                    groups.equal_pairs(zip(batch.column(0).to_pylist(), batch.column(1).to_pylist(), strict=True))
        elif paths:
            con.read_parquet(paths).create_view(name)
        else:
            con.from_arrow(schema.empty_table()).create(name)
    pairs = [(name, display) for display, members in groups.resolve().items() for name in members]
    grouped = pa.table(
        {"id": pa.array([p[0] for p in pairs], pa.string()), "vuln_id": pa.array([p[1] for p in pairs], pa.string())}
    )
    con.register("grouped_rows", grouped)
    con.execute("CREATE TABLE grouped AS SELECT * FROM grouped_rows")
    con.unregister("grouped_rows")
    con.execute("CREATE VIEW members AS SELECT vuln_id, list_sort(list(id)) AS members FROM grouped GROUP BY vuln_id")
    con.execute(_VIEWS)


def _stream(con: duckdb.DuckDBPyConnection, query: str) -> Iterator[pa.RecordBatch]:
    yield from con.sql(query).to_arrow_reader(_BATCH)

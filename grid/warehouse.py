"""The lake as DuckDB views: the base tables with the rows that count, and what the data team asks for.

``sql/`` holds one view a file: a sentence on it and its columns as comments, then one SELECT, in which stand
  ``{images}``, ``{sweeps}``, ``{_name}``   the images of the latest sweep or of any, and views that build on them: such
                  a file makes two views, under its own name for the latest sweep, and as ``sweep_…`` for any
  ``{sweep}``     the column ``sweep_id`` in the second
  ``{raw.name}``  every row of a table, whether it counts or not: a view in the schema ``raw``
  ``{key:name}``  a digest as a short join key
  ``{same:x}``    of the same sweep as ``i``, where ``x`` has rows of several
  ``{chain:chain,profile}``  the short key of a chain under a profile of suppression (``_profiles.sql``)
  ``{chosen:x}``  whether the repositories and tags of ``x`` choose the image ``i``: the last that matches decides
  ``{image:i}``   ``image_id`` of a row of ``images``: who an image is, whatever its layers
  ``{shared:a,b}`` after WITH: views that this file, and those of them that read each other, read once for all
  ``{any:_name}`` the variant of a view for any sweep, in files that are not made twice
  ``{system}``    the names of OS package ecosystems
  ``{managers}``  the names of package managers as packages
  ``{upgrades}``  rows (ecosystem, place, manager, command, item): how upgrades are installed, see ``Ecosystem.upgrade``
  ``{unmanaged}`` those of programs that no package manager knows
  ``{channel}``   of a row of ``chains``, which repositories it is judged by (``findings.channel``)
A file whose name starts with ``_`` is a step on the way: it goes to the schema ``parts``.
"""

from __future__ import annotations

import glob
import graphlib
import hashlib
import re
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from grid import cache as kept
from grid.counting import NEWEST, RUNS
from grid.ecosystems import ALL
from grid.errors import LakeInvalid, QueryInvalid
from grid.match import CHANNEL, REPOSITORIES
from grid.schema import FACT_TABLES, LAKE_TABLES, Table
from grid.store import SCHEMA, TABLES, VIEWS, VIEWS_MARK, Lake, columns


@dataclass(frozen=True, slots=True)
class View:
    """One file of ``sql/``."""

    name: str
    doc: str
    columns: dict[str, str]
    """Documented columns; others stand in the tables of ``like`` under the same name."""
    like: tuple[str, ...]
    sql: str
    per_sweep: bool = False
    """Whether a ``sweep_…`` variant is made of it too: it, or a part that it is built on, is of certain sweeps."""


def connect(lake: Lake) -> duckdb.DuckDBPyConnection:
    """A DuckDB connection with every view of the lake. Close it; one connection per thread."""
    published = lake.local and lake.published_views() == _mark(lake)
    file = lake.get(VIEWS) if published else _placed(macros(lake))
    with tempfile.TemporaryDirectory(prefix="scangrid-") as folder:  # a copy, for the lake's file may be replaced
        copy = Path(folder, VIEWS)
        copy.write_bytes(file)
        return _settled(duckdb.connect(str(copy), read_only=True, config=_OFFLINE), lake)


def memory(lake: Lake | None = None) -> duckdb.DuckDBPyConnection:
    """A DuckDB connection of our own, without any view, that may read the files of ``lake``.

    Close it; one connection per thread.
    """
    return _settled(duckdb.connect(config=_OFFLINE), lake)


_OFFLINE: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
}
"""DuckDB never loads anything from the network."""


def _settled(con: duckdb.DuckDBPyConnection, lake: Lake | None) -> duckdb.DuckDBPyConnection:
    if lake is not None and not lake.local:
        from grid import remote

        remote.attach(con, lake)
    con.execute("SET TimeZone = 'UTC'; SET enable_progress_bar = false")
    con.execute(
        f"SET temp_directory = {_quoted(str(Path(tempfile.gettempdir(), 'scangrid-duckdb')))}"
    )  # not the user's folder
    return con


def publish(lake: Lake) -> None:
    """Write ``LAKE/scangrid.duckdb``, atomically: it holds the views only, so any DuckDB client may open it.

    The lake's place is written into it, so publish again after moving the lake (every command does).
    """
    mark = _mark(lake)
    if lake.published_views() != mark:
        lake.put(VIEWS, _placed(_macros(lake.address, lake.widened())))
        lake.put(VIEWS_MARK, mark.encode())


def _mark(lake: Lake) -> str:
    return hashlib.sha256(f"{_key()}\n{lake.address}\n{sorted(lake.widened())}".encode()).hexdigest()


def _placed(told: str) -> bytes:
    """The views as a DuckDB file, with the macros that say of which lake."""
    with tempfile.TemporaryDirectory(prefix="scangrid-") as folder:
        path = Path(folder, VIEWS)
        path.write_bytes(_template())
        with duckdb.connect(str(path), config={"threads": 1}) as con:
            con.execute(told)
        return path.read_bytes()


def macros(lake: Lake) -> str:
    """The only two things about the views that differ from lake to lake: SQL that makes them, for our connections."""
    if lake.local:
        return _macros(lake.address, lake.widened())
    from grid import remote

    return _macros(remote.place(lake), lake.widened())


def _macros(place: str, widened: Iterable[str]) -> str:
    return f"""
        CREATE OR REPLACE MACRO raw.lake() AS {_quoted(glob.escape(place))};
        CREATE OR REPLACE MACRO raw.widened(name) AS name IN ({", ".join(map(_quoted, ("", *sorted(widened))))})"""


@cache
def _key() -> str:
    """Names the views of this program, and the types of their columns, for the version of DuckDB that is here."""
    told = f"{duckdb.__version__}\n{sorted(statements().items())!r}\n{columns()}"
    return hashlib.sha256(told.encode()).hexdigest()


@cache
def _template() -> bytes:
    """The views as a DuckDB file, of a lake that is nowhere: to make it takes much longer than to give it a place."""
    file = kept.folder() / f"views-{_key()[:24]}.duckdb"
    template = kept.load(file)
    if template is None:
        template = _bound()
        kept.store(file, template)
    return template


def _bound() -> bytes:
    """Binding a view binds all those it is built on. So each is bound on empty tables of their columns instead.

    DuckDB looks up by its name what a view is built on, and does not mind that it changed, if the columns are the same.
    """
    made = statements()
    with tempfile.TemporaryDirectory(prefix="scangrid-") as folder:
        empty, path = Path(folder, "lake"), Path(folder, VIEWS)
        for table in LAKE_TABLES:
            (empty / table.name).mkdir(parents=True)
            pq.write_table(table.arrow.empty_table(), empty / table.name / SCHEMA)
        with duckdb.connect(str(path), config={"threads": 1}) as con:
            con.execute(f"CREATE SCHEMA parts; CREATE SCHEMA raw; {_macros(str(empty), ())}; BEGIN")
            for name, sql in made.items():
                con.execute(f"CREATE TABLE {name} AS ({sql}) WITH NO DATA")
            for name, sql in reversed(made.items()):
                con.execute(f"DROP TABLE {name}; CREATE VIEW {name} AS {sql}")
            con.execute("COMMIT")
        return path.read_bytes()


def query(con: duckdb.DuckDBPyConnection, sql: str) -> pa.Table:
    """The result of one SELECT. Raises QueryInvalid with DuckDB's sentence and the place it points at."""
    try:
        parsed = con.extract_statements(sql)
        if len(parsed) != 1 or parsed[0].type not in _READING:
            raise QueryInvalid(
                "only one statement that reads is allowed", remedy="for example: SELECT * FROM image_summary"
            )
        return con.sql(parsed[0].query).to_arrow_table()
    except duckdb.Error as error:
        raise translated(_told_where(con, sql, error)) from error


def _told_where(con: duckdb.DuckDBPyConnection, sql: str, error: duckdb.Error) -> duckdb.Error:
    """The same error with the line and the place in it, which ``sql()`` leaves out and ``execute()`` tells."""
    if isinstance(error, duckdb.BinderException):
        try:
            con.execute(f"EXPLAIN {sql}")
        except duckdb.BinderException as placed:
            return duckdb.BinderException(_EXPLAINED.sub(r"\1\2", str(placed)))
    return error


_EXPLAINED = re.compile(r"(LINE 1: )EXPLAIN (.*\n) {8}(?= *\^)")
"""The place in a query that we put a word before, and the mark below it."""

_READING = {duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN, duckdb.StatementType.PRAGMA}


def translated(error: duckdb.Error) -> QueryInvalid | LakeInvalid:
    """DuckDB's error as ours: a file of the lake that is damaged, or a query that makes no sense."""
    text = str(error).strip()
    if isinstance(error, (duckdb.IOException, duckdb.InvalidInputException)) and ".parquet" in text:
        return LakeInvalid(text, remedy="remove the file named: the next sweep scans again what it held")
    return QueryInvalid(re.sub(r"^(\w+ )+Error: ", "", text))


@cache
def statements(apart: bool = False) -> dict[str, str]:
    """Every view's SQL by name, each after those it reads.

    ``apart``: for who makes a table of each, so that no query need share what it reads (``{shared:…}``).
    """
    result = {f"raw.{table.name}": _raw(table) for table in LAKE_TABLES}
    result |= {table.name: _base(table) for table in LAKE_TABLES if table.name != "images"}
    # by name: files of an older version may lack columns
    result["parts._recorded"] = f"{result.pop('packages')} UNION ALL BY NAME SELECT * FROM lockfiles"
    result["packages"] = _NAMED
    result["images"] = _images("")
    for view in views().values():
        result[_named(view.name, True)] = _render(view, True, apart)
        if view.name == "latest_sweep":
            result["latest_images"] = _images("SEMI JOIN latest_sweep USING (sweep_id)")
        if view.per_sweep:
            result[_named(view.name, False)] = _render(view, False, apart)
    return result


_NAMED = """
SELECT p.* REPLACE (
  coalesce(j.name, p.name) AS name, coalesce(j.version, p.version) AS version, coalesce(j.purl, p.purl) AS purl,
  coalesce(j.package_id, p.package_id) AS package_id)
FROM parts._recorded p LEFT JOIN jar_names j ON j.sha1 = p.sha1
WHERE p.version <> '' OR j.sha1 IS NOT NULL"""
"""Packages as recorded, jars under the names that the Java index gave them, and without those that nothing names."""


def _named(name: str, latest: bool) -> str:
    """Views that only others use stand in the schema ``parts``, so that ``SHOW TABLES`` lists what people want."""
    if name.startswith("_"):
        return f"parts.{name}" if latest else f"parts._sweep{name}"
    return name if latest else f"sweep_{name}"


def _render(view: View, latest: bool, apart: bool, around: frozenset[str] = frozenset()) -> str:
    """Fill in the places of a view's SQL; ``{images}`` and the like become this sweep's or any sweep's.

    ``around``: the views that a query around this text reads once for all.
    """
    shared = around if apart else around | set(_shared(view))
    places = dict(_places())
    places["sweep"] = "" if latest else "i.sweep_id,"
    places["images"], places["sweeps"] = ("latest_images", "latest_sweep") if latest else ("images", "sweeps")
    for name, other in views().items():
        places[name] = name if name in shared else _named(name, latest or not other.per_sweep)

    def fill(match: re.Match[str]) -> str:
        name, _, argument = match.group(1).partition(":")
        if name == "same":  # joined on one value, rows multiply
            return "true" if latest else f"{argument}.sweep_id = i.sweep_id"
        if name == "chain":
            chain, profile = argument.split(",")
            return _CHAIN.format(chain, profile)
        if name == "shared":
            own = [views()[part] for part in argument.split(",") if part in shared - around]
            texts = {part.name: _render(part, latest or not part.per_sweep, apart, shared) for part in own}
            return "".join(f"{part} AS MATERIALIZED (\n{text}\n)," for part, text in texts.items())
        if name == "any":
            return _named(argument, latest=False)
        return {"key": KEY, "image": IMAGE_ID, "chosen": _CHOSEN}[name].format(argument) if argument else places[name]

    return _PLACE.sub(fill, view.sql)


def _shared(view: View) -> list[str]:
    found = re.search(r"\{shared:([a-z_,]+)\}", view.sql)
    return found.group(1).split(",") if found else []


@cache
def _places() -> dict[str, str]:
    """The places of a view's SQL that say the same everywhere."""
    places = {f"raw.{table.name}": f"raw.{table.name}" for table in LAKE_TABLES}
    places["system"] = _listed(e.name for e in ALL if e.system)
    places["unmanaged"] = _listed(e.name for e in ALL if e.unmanaged)
    places["system_osv"] = _listed({osv for e in ALL if e.system for osv in e.osv})
    places["channel"] = f"CASE WHEN {REPOSITORIES} IS NOT NULL THEN {CHANNEL.format(REPOSITORIES)} END"
    places["managers"] = _listed({m for e in ALL for m, _, _ in e.upgrade if m})
    places["upgrades"] = _upgrades()
    return places


def _listed(texts: Iterable[str]) -> str:
    return f"({', '.join(map(_quoted, sorted(texts)))})"


def _upgrades() -> str:
    rows = ", ".join(
        f"({_quoted(e.name)}, {place}, {_quoted(manager)}, {_quoted(command)}, {_quoted(item)})"
        for e in ALL for place, (manager, command, item) in enumerate(e.upgrade)
    )  # fmt: skip
    return f"(VALUES {rows})"


_PLACE = re.compile(r"\{([a-z_.]+(?::[a-z_.,]+)?)\}")
IMAGE_ID = """md5(concat_ws(chr(10), {0}.registry, {0}.repository,
    CASE WHEN {0}.tag = '' THEN {0}.digest ELSE {0}.tag END, {0}.os, {0}.arch))"""
"""Who an image is, whatever its layers: from a row of ``images``."""
KEY = "md5_number({0})"
"""A digest or chain id in 16 bytes: joins on it are several times faster than on 71 characters. What it is made of
are sha256 values, which nobody can choose freely, so md5 is no weakness here."""

_CHOSEN = """({0}.repositories IS NULL
    OR list_filter({0}.repositories, lambda p: i.repository GLOB ltrim(p, '!'))[-1] NOT LIKE '!%')
  AND ({0}.tags IS NULL OR list_filter({0}.tags, lambda p: i.tag GLOB ltrim(p, '!'))[-1] NOT LIKE '!%')"""

_CHAIN = "CASE WHEN coalesce({1}, 0) = 0 THEN {0} ELSE md5_number(concat({0}, '-', {1})) END"
"""The key of a chain under a profile of suppression; 0, or null, is the usual one."""


@cache
def views() -> dict[str, View]:
    """The views of ``sql/`` by name, each after those it reads."""
    found = {
        path.name.removesuffix(".sql"): _parse(path.name.removesuffix(".sql"), path.read_text(encoding="utf-8"))
        for path in resources.files("grid").joinpath("sql").iterdir()
        if path.name.endswith(".sql")
    }
    of_sweeps = {name for name, view in found.items() if "{images}" in view.sql or "{sweeps}" in view.sql}
    while more := {n for n, v in found.items() if any(f"{{{part}}}" in v.sql for part in of_sweeps)} - of_sweeps:
        of_sweeps |= more
    found = {name: replace(view, per_sweep=name in of_sweeps) for name, view in found.items()}
    reads = {
        name: (set(re.findall(r"\w+", view.sql)) & found.keys() - {name})
        | ({"latest_sweep"} if view.per_sweep else set())
        for name, view in sorted(found.items())
    }
    return {name: found[name] for name in graphlib.TopologicalSorter(reads).static_order()}


def _parse(name: str, text: str) -> View:
    """Comments above the SELECT: the view's sentence, ``like: tables``, then a line for each column of its own."""
    comment: list[str] = []
    sql: list[str] = []
    for line in text.splitlines():
        (sql if sql or not line.startswith("--") else comment).append(line)
    doc: list[str] = []
    columns: dict[str, str] = {}
    like: tuple[str, ...] = ()
    for line in (c.removeprefix("--").strip() for c in comment):
        key, colon, rest = line.partition(": ")
        if colon and key == "like":
            like = tuple(rest.split(", "))
        elif colon and re.fullmatch(r"[a-z_0-9]+", key):
            columns[key] = rest
        elif columns:
            columns[next(reversed(columns))] += f" {line}"
        else:
            doc.append(line)
    return View(name, " ".join(filter(None, doc)), columns, like, "\n".join(sql).strip().rstrip(";"))


# --- base tables ---------------------------------------------------------------------------------


def _raw(table: Table) -> str:
    """Every row ever written. ``union_by_name`` opens all files before the first row, so only where it must be.

    The ``schema`` argument of ``read_parquet`` would do without, but then DuckDB knows no row counts and plans badly.
    """
    columns = ", ".join(f'"{column.name}"' for column in table.columns)
    files = f"raw.lake() || '/{table.name}/*.parquet'"
    return f"SELECT {columns} FROM read_parquet({files}, union_by_name = raw.widened('{table.name}'))"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _base(table: Table) -> str:
    """The rows of a table that count: the same rules as ``grid.counting``."""
    source = f"raw.{table.name}"
    if table in FACT_TABLES:
        keys = "layer_digest, task_id" if table.detector else "layer_digest, detector, task_id"
        only = f"AND detector = {_quoted(table.detector)}" if table.detector else ""
        group = "layer_digest" if table.detector else "layer_digest, detector"
        return f"""
            SELECT * FROM {source} SEMI JOIN (
              SELECT {group}, max_by(task_id, (scanned_at, task_id)) AS task_id FROM raw.layer_scans
              WHERE status = 'ok' {only} GROUP BY {group}) USING ({keys})"""
    if table.name in RUNS:
        committing, shared = RUNS[table.name]
        keys = ", ".join(shared)
        return f"SELECT * FROM {source} SEMI JOIN (SELECT {keys} FROM {committing}) USING ({keys})"
    if table.name == "chains":  # not a window: a filter on chain_id must reach the files
        newest = (
            f"SELECT chain_id, max_by(squash_id, (squashed_at, squash_id)) AS squash_id FROM {source} GROUP BY chain_id"
        )
        return f"SELECT * FROM {source} SEMI JOIN ({newest}) USING (chain_id, squash_id)"
    key, order = NEWEST[table.name]
    ordering = f"ORDER BY {', '.join(f'{column} DESC NULLS LAST' for column in order)}" if order else ""
    return f"SELECT * FROM {source} QUALIFY row_number() OVER (PARTITION BY {', '.join(key)} {ordering}) = 1"


def _images(where: str) -> str:
    """As ``grid.counting.current_images``; ``where`` comes first, so that one sweep does not cost the work of all.

    Only names that stand more than once are sorted: to sort a million costs as much as to count what is in them.
    """
    columns = ", ".join(column.name for column in TABLES["images"].columns)
    name = "sweep_id, registry, repository, tag, pin"
    return f"""
        WITH named AS NOT MATERIALIZED (
          SELECT *, CASE WHEN tag = '' THEN coalesce(ref_digest, digest, '') ELSE '' END AS pin FROM raw.images {where}
        ), counted AS (SELECT {name}, count(*) AS times FROM named GROUP BY ALL)
        SELECT {columns} FROM named JOIN counted USING ({name}) WHERE times = 1
        UNION ALL
        SELECT {columns} FROM (
          SELECT *, first_value(ref_digest) OVER name AS newest_ref, row_number() OVER name AS place,
                 row_number() OVER (PARTITION BY {name}, ref_digest, digest ORDER BY scanned_at DESC) AS again
          FROM named JOIN counted USING ({name}) WHERE times > 1
          WINDOW name AS (PARTITION BY {name} ORDER BY scanned_at DESC))
        WHERE ref_digest IS NOT DISTINCT FROM newest_ref AND again = 1 AND (digest IS NOT NULL OR place = 1)"""

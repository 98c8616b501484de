"""Views of one sweep as tables in memory: what they are built on is worked out once, and of the sweep's images only.

A question to a view costs the planning of all the views below it, as often as they are named there, and opens the
files of a table as often. For the few images of a scan that takes many times longer than their rows do.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import duckdb

from grid.schema import FACT_TABLES
from grid.store import Lake
from grid.warehouse import IMAGE_ID, macros, memory, statements, translated

_OF_SWEEP = "WHERE sweep_id = getvariable('sweep')"
_NAME = ("registry", "repository", "tag")
_OF_NAME = " ".join([_OF_SWEEP, *(f"AND {column} = getvariable('{column}')" for column in _NAME)])
_OF_IMAGE = f"WHERE image_id IN (SELECT {IMAGE_ID.format('i')} FROM raw.images i)"
_PACKAGES = " UNION ALL ".join(f"SELECT package_id FROM raw.{name}" for name in ("packages", "lockfiles", "jar_names"))

SCOPE: Mapping[str, str] = {
    "sweeps": "",
    "images": _OF_SWEEP,
    **dict.fromkeys(("image_layers", "manifests", "config_checks"), "SEMI JOIN raw.images USING (digest)"),
    "chains": "SEMI JOIN raw.image_layers USING (chain_id)",
    **dict.fromkeys(("hidden", "origins"), "SEMI JOIN raw.chains USING (chain_id)"),
    "layer_scans": "SEMI JOIN raw.image_layers USING (layer_digest)",
    **{table.name: "SEMI JOIN raw.image_layers USING (layer_digest)" for table in FACT_TABLES},
    "jar_names": "SEMI JOIN raw.packages USING (sha1)",
    **dict.fromkeys(("matches", "secret_statements"), _OF_SWEEP),
    **dict.fromkeys(("statements", "distro_support"), "SEMI JOIN raw.matches USING (match_id)"),
    "findings": f"SEMI JOIN raw.matches USING (match_id) SEMI JOIN ({_PACKAGES}) USING (package_id)",
    "history": "",
    **dict.fromkeys(("image_events", "finding_events"), _OF_IMAGE),
    **dict.fromkeys(("package_events", "matched_packages"), f"SEMI JOIN ({_PACKAGES}) USING (package_id)"),
}
"""Which rows of each table can concern the images of a sweep; those named are taken first.

A scope never splits the rows of one key, of which only the newest counts (``grid.counting.commutes``).
"""


FEW = 50_000
"""Of so many rows, a better plan and a second core cost more than they save."""


def snapshot(
    lake: Lake, sweep_id: str, views: Iterable[str], image: Mapping[str, Any] | None = None
) -> duckdb.DuckDBPyConnection:
    """A DuckDB connection that has these views as tables, with the rows of one sweep. Close it.

    ``views``: ``sweep_…`` views, and tables that say the same in every sweep (``packages``, ``chains``). ``image``: a
    row of ``images``; then only what concerns the images of that name is taken, however large the sweep.

    Raises LakeInvalid if a file of the lake is damaged.
    """
    made = statements(apart=True)
    scopes = SCOPE if image is None else {**SCOPE, "images": _OF_NAME}
    needed = _needed(made | {f"raw.{table}": made[f"raw.{table}"] + scope for table, scope in scopes.items()}, views)
    con = memory(lake)
    try:
        for name, value in {"sweep": sweep_id, **{column: image[column] for column in _NAME if image}}.items():
            con.execute(f"SET VARIABLE {name} = $1", [value])
        con.execute(f"CREATE SCHEMA raw; CREATE SCHEMA parts; {macros(lake)}; BEGIN")
        rows = 0
        for table, scope in scopes.items():
            if f"raw.{table}" in needed:
                ((more,),) = con.execute(f"CREATE TABLE raw.{table} AS {made[f'raw.{table}']} {scope}").fetchall()
                rows += more
        if rows <= FEW:
            con.execute("SET threads = 1; PRAGMA disable_optimizer")
        for name, sql in made.items():
            if name in needed and not name.startswith("raw."):
                con.execute(f"CREATE TABLE {name} AS {sql}")
        con.execute("COMMIT; PRAGMA enable_optimizer; RESET threads")
    except duckdb.Error as error:
        con.close()
        raise translated(error) from error
    return con


def of_image(lake: Lake, image: Mapping[str, Any], statement: str) -> duckdb.DuckDBPyConnection:
    """A snapshot of one image with the views that a statement names, under the names that people know. Close it.

    ``image``: a row of ``images``. A view of the latest sweep is that of the image's own. Raises LakeInvalid.
    """
    made = statements(apart=True)
    named = {word for word in re.findall(r"[a-z_]+", statement.lower()) if word in made}
    of_sweep = {name for name in named if f"sweep_{name}" in made}
    con = snapshot(lake, image["sweep_id"], [*(f"sweep_{name}" for name in of_sweep), *(named - of_sweep)], image)
    for name in of_sweep:
        con.execute(f"CREATE VIEW IF NOT EXISTS {name} AS SELECT * EXCLUDE (sweep_id) FROM sweep_{name}")
    return con


def _needed(made: Mapping[str, str], views: Iterable[str]) -> set[str]:
    """These views and all that they are built on."""
    needed: set[str] = set()
    waiting = list(views)
    while waiting:
        name = waiting.pop()
        if name not in needed and name in made:
            needed.add(name)
            waiting += re.findall(r"(?:FROM|JOIN)\s+([a-z_.]+)", made[name])
    return needed

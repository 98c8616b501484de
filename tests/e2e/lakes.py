"""What a lake says, without what differs between two undisturbed runs: times and the ids of runs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from grid.schema import LAKE_TABLES
from grid.store import Lake
from grid.warehouse import connect

RUN_COLUMNS = {
    "task_id", "scanned_at", "scan_seconds", "sweep_id", "match_id", "squash_id", "squashed_at", "resolved_at",
    "started_at", "finished_at", "written_at", "matched_at", "fingerprint", "bytes_pulled", "bytes_scanned",
    "layers_scanned", "layers_reused", "first_seen", "last_seen",
}  # fmt: skip
VIEWS = ("image_packages", "vulnerabilities", "image_secrets", "image_notes", "image_summary")


def rows(lake: Lake, name: str, ignore: Iterable[str] = ()) -> list[tuple[Any, ...]]:
    """A view of the latest sweep, sorted; lists as tuples."""
    drop = {*RUN_COLUMNS, *ignore}
    with connect(lake) as con:
        table = con.sql(f"SELECT * FROM {name}").to_arrow_table()
    kept = [n for n in table.column_names if n not in drop]
    found = [
        tuple(tuple(v) if isinstance(v, list) else v for v in row.values()) for row in table.select(kept).to_pylist()
    ]
    return sorted(found, key=repr)


def content(lake: Lake, ignore: Iterable[str] = ()) -> dict[str, list[tuple[Any, ...]]]:
    """Every view of the latest sweep and every fact."""
    facts = [t.name for t in LAKE_TABLES if t.columns[0].name == "layer_digest"]
    return {name: rows(lake, name, ignore) for name in (*facts, *VIEWS)}

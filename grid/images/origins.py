"""Which layer introduced a package: the exceptions, for the records that layers rewrite.

A package database that a layer rewrites lists again what was installed before, so the layer that holds the record is
not the one to blame. A record *continues* another one if it lies in the layer that hides that one, at the same path or
as the very entry that hid it. Of the records that continue each other, a package's origin is the first of the unbroken
run of those that list it (the same name, version, architecture and source): what was removed and came back came with
the layer that brought it back. Packages that stand in their record for the first time need no row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from grid.schema import ORIGINS

Record = tuple[str, str]
"""(layer, path) of a package record."""
Packages = Callable[[list[str]], pa.Table]
"""Layers → ``layer_digest, source_path, package_id`` of their packages."""

_QUERY = """
WITH stages AS (
    SELECT record, unnest(generate_series(1, len(layers))) AS stage, unnest(layers) AS layer_digest,
        unnest(paths) AS source_path, unnest(ordinals) AS ordinal, len(layers) AS last
    FROM lineages
),
listed AS (
    SELECT s.record, p.package_id, max(s.last) AS last, list(DISTINCT s.stage ORDER BY s.stage DESC) AS stages
    FROM stages s JOIN packages p USING (layer_digest, source_path) GROUP BY ALL
),
runs AS (
    SELECT record, package_id, last - len(list_filter(stages, lambda stage, n: stage = last - n + 1)) + 1 AS first
    FROM listed WHERE stages[1] = last
)
SELECT l.chain_id, l.squash_id, l.paths[len(l.paths)] AS path, r.package_id, l.ordinals[r.first] AS ordinal
FROM runs r JOIN lineages l USING (record) WHERE r.first < len(l.layers)
"""


class Origins:
    """Rows of ``origins`` for the batches of one squash, given in its order: parents before their children."""

    def __init__(self, chains: pa.Table, records: pa.Table, older: pa.Table) -> None:
        """``chains``: all that ``squash`` was given. ``records``: the packages' ``layer_digest, source_path``.

        ``older``: the ``hidden`` rows of those chains that are not wanted, as an earlier squash wrote them.
        """
        columns = (chains[name].to_pylist() for name in ("chain_id", "parent_id", "layer_digest", "depth"))
        self._chains = {row[0]: row[1:] for row in zip(*columns, strict=True)}
        self._records = records.select(["layer_digest", "source_path"])
        self._lineages: dict[tuple[str, Record], list[tuple[str, str, int]]] = {}
        """(chain, record of its top layer) → (layer, path, ordinal) of the records it continues, and its own."""
        depths = {chain: row[2] for chain, row in self._chains.items()}
        self._follow(sorted(older.to_pylist(), key=lambda row: depths[row["chain_id"]]))

    def rows(self, hidden: pa.Table, packages: Packages, connect: Callable[[], Any]) -> pa.Table:
        """The exceptions of one batch of ``hidden`` rows; ``connect`` opens any DuckDB connection, if one is needed."""
        depths = {chain: row[2] for chain, row in self._chains.items()}
        only = hidden.filter(pc.equal(hidden["reason"], "hidden"))
        fresh = self._follow(sorted(only.to_pylist(), key=lambda row: depths[row["chain_id"]]))
        if not fresh:
            return ORIGINS.arrow.empty_table()
        stages = list(fresh.values())
        lineages = pa.table({
            "record": pa.array(range(len(fresh)), pa.int64()),
            "chain_id": pa.array([chain for chain, _ in fresh], pa.string()),
            "squash_id": pa.repeat(hidden["squash_id"][0], len(fresh)),
            "layers": pa.array([[layer for layer, _, _ in run] for run in stages], pa.list_(pa.string())),
            "paths": pa.array([[path for _, path, _ in run] for run in stages], pa.list_(pa.string())),
            "ordinals": pa.array([[ordinal for _, _, ordinal in run] for run in stages], pa.list_(pa.int32())),
        })  # fmt: skip
        listed = packages(sorted({layer for run in stages for layer, _, _ in run}))
        with connect() as work:
            work.register("lineages", lineages)
            work.register("packages", listed)
            found = work.sql(_QUERY).to_arrow_table()
        return found.select(ORIGINS.arrow.names).cast(ORIGINS.arrow)

    def _follow(self, hidden: list[Mapping[str, str]]) -> dict[tuple[str, Record], list[tuple[str, str, int]]]:
        """Note which records continue which; ``hidden`` rows of lower chains come first. Returns what is new."""
        fresh: dict[tuple[str, Record], list[tuple[str, str, int]]] = {}
        records = self._among({path for row in hidden for path in (row["path"], row["by"].partition(" ")[2])})
        for row in hidden:
            chain, lower = row["chain_id"], (row["layer_digest"], row["path"])
            if row["reason"] != "hidden" or lower not in records:
                continue
            parent, top, depth = self._chains[chain]
            for path in (row["path"], row["by"].partition(" ")[2]):
                upper = (top, path)
                if upper in records and (chain, upper) not in self._lineages:
                    before = self._before(parent, lower)
                    fresh[chain, upper] = self._lineages[chain, upper] = [*before, (top, path, depth - 1)]
                    break
        return fresh

    def _among(self, paths: set[str]) -> set[Record]:
        """The package records at these paths: hidden paths are few, records many."""
        found = self._records.filter(
            pc.is_in(self._records["source_path"], value_set=pa.array(sorted(paths), pa.string()))
        )
        return set(zip(found["layer_digest"].to_pylist(), found["source_path"].to_pylist(), strict=True))

    def _before(self, chain: str | None, record: Record) -> list[tuple[str, str, int]]:
        """The lineage of a record that a lower layer of ``chain`` holds."""
        at = chain
        while at is not None:
            parent, layer, depth = self._chains[at]
            if layer == record[0]:
                return self._lineages.get((at, record)) or [(*record, depth - 1)]
            at = parent
        return []

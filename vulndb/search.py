"""Looking things up in a published database, by id or by package."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from grid.database import Database
from grid.ecosystems import ALL, for_osv


@dataclass(frozen=True, slots=True)
class Hit:
    """One range or listed version, with the advisory that says so."""

    vuln_id: str
    advisory_id: str
    source: str
    aliases: tuple[str, ...]
    title: str
    namespace: str
    name: str
    affected: str
    """For people: ``≥ 1.0, < 1.2``; ``all versions``."""
    fixed: str
    state: str
    severity: str
    """The distribution's word on this package, else the worst label of any source; "" for none."""


_ORDER = ("critical", "high", "medium", "low", "negligible")


def search(database: Database, text: str, ecosystem: str | None = None, limit: int = 10_000) -> list[Hit]:
    """What the database says of an id (any alias of it) or else of a package, sorted by id.

    ``ecosystem`` is a purl type (``deb``), an OSV ecosystem (``Debian``) or a namespace (``Debian:12``).
    """
    advisories = _by_id(database, text)
    by_package = advisories.num_rows == 0
    if by_package:
        names = {text} | {one.canonical(text) for one in ALL}
        rows = [
            r for table in ("ranges", "exact") for r in _rows(database, table, pc.field("name").isin(_strings(names)))
        ]
        wanted = {str(row["advisory_id"]) for row in rows}
        advisories = _rows_table(database, "advisories", pc.field("advisory_id").isin(_strings(wanted)))
    else:
        ids = pc.field("advisory_id").isin(advisories["advisory_id"].unique())
        rows = [r for table in ("ranges", "exact") for r in _rows(database, table, ids)]
    about: dict[tuple[str, str], list[dict[str, object]]] = {}
    for row in advisories.to_pylist():
        about.setdefault((row["advisory_id"], row["source"]), []).append(row)
    labels = _labels(database, {str(row["vuln_id"]) for found in about.values() for row in found})
    hits = [
        _hit(row, advisory, labels)
        for row in rows
        if _concerns(str(row["namespace"]), ecosystem)
        for advisory in about.get((str(row["advisory_id"]), str(row["source"])), ())
        if row["vuln_id"] in (None, advisory["vuln_id"])
    ]
    return sorted(set(hits), key=lambda h: (h.vuln_id, h.namespace, h.name, h.affected, h.advisory_id))[:limit]


def _by_id(database: Database, text: str) -> pa.Table:
    found = []
    wanted = text.upper() if text.upper().startswith("CVE-") else text
    for batch in pq.ParquetFile(database.parquet("advisories")).iter_batches():
        aliases = batch.column("aliases")
        parents = pc.list_parent_indices(aliases).filter(pc.equal(pc.list_flatten(aliases), wanted))
        own = pc.indices_nonzero(
            pc.or_(pc.equal(batch.column("vuln_id"), wanted), pc.equal(batch.column("advisory_id"), wanted))
        )
        chosen = sorted({*parents.to_pylist(), *own.to_pylist()})
        if chosen:
            found.append(batch.take(pa.array(chosen)))
    if not found:
        return pq.read_schema(database.parquet("advisories")).empty_table()
    return pa.Table.from_batches(found)


def _rows_table(database: Database, table: str, where: pc.Expression) -> pa.Table:
    return pq.read_table(database.parquet(table), filters=where)


def _rows(database: Database, table: str, where: pc.Expression) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = _rows_table(database, table, where).to_pylist()
    return rows


def _strings(values: set[str]) -> pa.Array:
    return pa.array(sorted(values), pa.string())  # typed: there may be none


def _labels(database: Database, problems: set[str]) -> dict[str, str]:
    worst: dict[str, str] = {}
    for row in _rows(database, "severities", pc.field("vuln_id").isin(_strings(problems))):
        problem, label = str(row["vuln_id"]), row["label"]
        if label in _ORDER and (problem not in worst or _ORDER.index(str(label)) < _ORDER.index(worst[problem])):
            worst[problem] = str(label)
    return worst


def _concerns(namespace: str, ecosystem: str | None) -> bool:
    if ecosystem is None:
        return True
    known = for_osv(namespace)
    return ecosystem.lower() in (
        namespace.lower(), namespace.partition(":")[0].lower(), known.name if known else "",
    )  # fmt: skip


def _hit(row: dict[str, object], advisory: dict[str, object], labels: dict[str, str]) -> Hit:
    aliases = advisory["aliases"]
    return Hit(
        vuln_id=str(advisory["vuln_id"]),
        advisory_id=str(advisory["advisory_id"]),
        source=str(advisory["source"]),
        aliases=tuple(aliases) if isinstance(aliases, list) else (),
        title=str(advisory["title"] or ""),
        namespace=str(row["namespace"]),
        name=str(row["name"]),
        affected=_affected(row),
        fixed=str(row["fixed"] or ""),
        state=str(row["state"]),
        severity=str(row["severity"] or labels.get(str(advisory["vuln_id"]), "")),
    )


def _affected(row: dict[str, object]) -> str:
    if "version" in row:
        return f"= {row['version']}"
    if row["last_affected"] is not None and row["introduced"] == row["last_affected"]:
        return f"= {row['introduced']}"
    parts = []
    if row["introduced"] not in (None, "0"):
        parts.append(f"≥ {row['introduced']}")
    if row["last_affected"] is not None:
        parts.append(f"≤ {row['last_affected']}")
    elif row["fixed"] is not None:
        parts.append(f"< {row['fixed']}")
    elif row["hi"] is not None:
        parts.append("< a version that is not to be had")
    return ", ".join(parts) or "all versions"

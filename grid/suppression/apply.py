"""Which statements speak of which findings. Images are not looked at here: the views compare their names."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import duckdb
import pyarrow as pa
from packageurl import PackageURL

from grid.schema import FINDINGS, STATEMENTS
from grid.suppression._products import Component, key, parse, speaks_of
from grid.suppression.statement import SUPPRESSING, Statement

PACKAGES = ("package_id", "ecosystem", "name", "version", "source_name", "source_version", "purl")
"""Columns of ``packages`` that statements are compared with."""

Distros = Mapping[str, Sequence[tuple[str, str]]]
"""Namespace of OS packages → (ID, VERSION_ID) of the distributions that it is for."""


@dataclass(frozen=True, slots=True)
class Decided:
    """What ``decide`` found."""

    findings: pa.Array
    """For each finding the numbers of the statements that speak of it, in their order, or null."""
    statements: pa.Table
    """The rows of the table ``statements``, without ``match_id``: those that do not apply, too."""


def decide(
    con: duckdb.DuckDBPyConnection,
    statements: Sequence[Statement],
    findings: pa.Table,
    packages: pa.Table,
    distros: Distros,
    today: date,
) -> Decided:
    """Compare every statement that applies today with every finding.

    Args:
        con: any DuckDB connection; works on a cursor of its own and leaves nothing behind.
        statements: in the order in which they decide; numbered from 1.
        findings: package_id, namespace, vuln_id and aliases; more is ignored.
        packages: ``PACKAGES`` of the packages of these findings, one row each at most.
        distros: what package URLs with a distribution are compared with.
        today: in UTC.
    """
    numbered = {n: s for n, s in enumerate(statements, 1) if s.state(today) == "applies"}
    column = FINDINGS.arrow.field("statements").type
    if numbered and findings.num_rows:
        with con.cursor() as work:
            lists = _lists(work, numbered, findings, packages, distros)
        values = dict(zip(lists["row"].to_pylist(), lists["numbers"].to_pylist(), strict=True))
        decided = pa.array((values.get(row) for row in range(findings.num_rows)), column)
    else:
        values, decided = {}, pa.nulls(findings.num_rows, column)
    counts: dict[int, int] = defaultdict(int)
    for numbers in values.values():
        for number in numbers:
            counts[number] += 1
    rows = [
        s.row() | {"number": n, "state": s.state(today), "findings": counts[n]} for n, s in enumerate(statements, 1)
    ]
    names = [c.name for c in STATEMENTS.columns if c.name != "match_id"]
    return Decided(decided, pa.Table.from_pylist(rows, schema=STATEMENTS.only(*names)))


def _lists(
    work: duckdb.DuckDBPyConnection,
    numbered: Mapping[int, Statement],
    findings: pa.Table,
    packages: pa.Table,
    distros: Distros,
) -> pa.Table:
    """(row, numbers): the findings that at least one statement suppresses in some image."""
    found = findings.select(["package_id", "namespace", "vuln_id", "aliases"])
    work.register("found_in", found.append_column("row", pa.array(range(found.num_rows), pa.int64())))
    work.register("packages_in", packages.select(list(PACKAGES)))
    work.register("ids_in", _ids(numbered))
    work.register("names_in", _names(numbered))
    work.register("suppressing_in", pa.table({"number": [n for n, s in numbered.items() if s.status in SUPPRESSING]}))
    work.execute(_PAIRS)
    urls = {n: _by_key(s) for n, s in numbered.items() if s.packages}
    work.register("stated_in", pa.table({"number": pa.array(urls, pa.int32())}))
    asked = work.sql(_ASKED).to_arrow_table().to_pylist()
    rows = {row["package_id"]: row for row in packages.to_pylist()} if asked else {}
    components: dict[tuple[int, str], Component | None] = {}
    met: list[dict[str, object]] = []
    for pair in asked:
        place = (pair["package_id"], pair["namespace"])
        if place not in components:
            row = rows.get(place[0])
            components[place] = Component.of(row, distros.get(place[1], ())) if row else None
        component = components[place]
        if component is not None and _meets(urls[pair["number"]], component):
            met.append(pair)
    schema = pa.schema([("number", pa.int32()), ("package_id", pa.int64()), ("namespace", pa.string())])
    work.register("met_in", pa.Table.from_pylist(met, schema=schema))
    return work.sql(_LISTS).to_arrow_table()


def _ids(numbered: Mapping[int, Statement]) -> pa.Table:
    rows = [{"number": n, "id": id.lower()} for n, s in numbered.items() for id in s.ids]
    return pa.Table.from_pylist(rows, schema=pa.schema([("number", pa.int32()), ("id", pa.string())]))


def _names(numbered: Mapping[int, Statement]) -> pa.Table:
    """The packages of statements that name no problem."""
    schema = pa.schema([("number", pa.int32()), ("type", pa.string()), ("name", pa.string())])
    rows = [
        {"number": n, "type": url.type, "name": url.name.lower()}
        for n, s in numbered.items() if not s.ids
        for url in filter(None, map(parse, s.packages))
    ]  # fmt: skip
    return pa.Table.from_pylist(rows, schema=schema)


def _by_key(statement: Statement) -> dict[tuple[str, str], list[PackageURL]]:
    urls: dict[tuple[str, str], list[PackageURL]] = defaultdict(list)
    for url in filter(None, map(parse, statement.packages)):
        urls[key(url)].append(url)
    return urls


def _meets(urls: Mapping[tuple[str, str], list[PackageURL]], component: Component) -> bool:
    names = {key(component.url), (component.url.type, component.source_name.lower())}
    return any(speaks_of(url, component) for name in names for url in urls.get(name, ()))


_PAIRS = """
CREATE TEMP TABLE pairs AS
WITH spoken AS (SELECT row, unnest(list_append(aliases, vuln_id)) AS id FROM found_in)
SELECT DISTINCT s.row, i.number FROM spoken s JOIN ids_in i ON i.id = lower(s.id)
UNION
SELECT f.row, n.number
FROM names_in n
JOIN packages_in p ON starts_with(p.purl, 'pkg:' || n.type || '/')
    AND (regexp_extract(lower(p.name), '[^/:]*$') = n.name OR lower(p.name) = n.name OR lower(p.source_name) = n.name)
JOIN found_in f USING (package_id)
"""

_ASKED = """
SELECT DISTINCT p.number, f.package_id, f.namespace
FROM pairs p JOIN stated_in USING (number) JOIN found_in f USING (row)
"""

# What only says `affected` changes nothing unless another statement would suppress the finding.
_LISTS = """
SELECT row, list(number ORDER BY number) AS numbers
FROM (
    SELECT p.row, p.number
    FROM pairs p JOIN found_in f USING (row)
    LEFT JOIN met_in m ON m.number = p.number AND m.package_id = f.package_id AND m.namespace = f.namespace
    WHERE m.number IS NOT NULL OR p.number NOT IN (SELECT number FROM stated_in)
)
GROUP BY row
HAVING bool_or(number IN (SELECT number FROM suppressing_in))
"""

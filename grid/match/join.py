"""The join itself: candidates become targets, rows of the database those that speak of them, and both are matched."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import duckdb
import pyarrow as pa

from grid import ecosystems
from grid.database import Database
from grid.errors import VersionInvalid
from grid.match import queries

_NO_EPOCHS = frozenset({"Photon OS"})
"""Distributions whose advisories leave the epoch out: a package's own says nothing against them."""

CANDIDATES = pa.schema(
    [
        ("package_id", pa.int64()),
        ("ecosystem", pa.string()),
        ("name", pa.string()),
        ("version", pa.string()),
        ("source_name", pa.string()),
        ("source_version", pa.string()),
        ("arch", pa.string()),
        ("modularity", pa.string()),
        ("origin", pa.string()),
        ("repositories", pa.list_(pa.string())),
        ("namespace", pa.string()),
    ]
)
"""What is matched: distinct packages, each with the OSV ecosystem whose advisories apply (null: none do), and the
repositories (and CPEs) that its image names, null where it names none."""

_BY_BINARY = frozenset({"AlmaLinux", "Amazon Linux", "Arch Linux", "Oracle Linux", "Red Hat", "SUSE", "openSUSE"})
"""Distributions whose advisories list the binary packages. The others list sources, whose builds all match."""


@contextmanager
def joined(
    con: duckdb.DuckDBPyConnection, database: Database, candidates: pa.Table
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A cursor with the temporary tables packages, targets, versions, problems, rows and matched."""
    with con.cursor() as work:
        work.register("candidates", candidates.select(CANDIDATES.names).cast(CANDIDATES))
        work.register("schemes", _schemes(table(work, queries.PAIRS)))
        work.register("foreign_origins", _foreign(table(work, queries.ORIGINS)))
        work.execute(queries.PACKAGES, {"binaries": database.parquet("binaries")})
        work.register("canonical", _canonical_names(table(work, queries.NAMES)))
        files = {name: database.parquet(name) for name in ("ranges", "exact", "advisories")}
        work.register("gates", _gates(work, database))
        work.register("extensions", _extensions(table(work, queries.CHANNELS), table(work, queries.GATED)))
        work.execute(queries.LISTED, {name: files[name] for name in ("ranges", "exact")})
        work.execute(queries.TARGETS)
        work.register("versions", _version_keys(table(work, queries.VERSIONS)))
        work.execute(queries.KEYED)
        work.execute(queries.ROW, files)
        work.execute(queries.PROBLEMS)
        work.execute(queries.NUMBERED)
        work.execute(queries.MATCHED)
        yield work


def table(work: duckdb.DuckDBPyConnection, query: str) -> pa.Table:
    """What a query returns."""
    return work.sql(query).to_arrow_table()


def _schemes(pairs: pa.Table) -> pa.Table:
    """The (ecosystem, namespace) pairs that belong together, with ``system``, ``by_source``, ``epochs``, ``lender``.

    ``by_source`` says by which name and version packages are matched: their own or their source's. ``lender`` is the
    namespace as whose packages they are judged by what is not fixed there, too.

    A Debian package in an Alpine image (its dpkg came as an apk) is no package of Alpine's: a key of one scheme
    must not meet the ranges of another.
    """
    fitting = []
    for pair in pairs.to_pylist():
        known = ecosystems.BY_NAME.get(pair["ecosystem"])
        ordered_by = ecosystems.for_osv(pair["namespace"])
        if known is None or ordered_by is None or known.key is ordered_by.key:
            system = known is not None and known.system
            by_source = system and pair["namespace"].partition(":")[0] not in _BY_BINARY
            lender = known.borrows(pair["namespace"]) if known is not None else None
            epochs = pair["namespace"].partition(":")[0] not in _NO_EPOCHS
            fitting.append(pair | {"system": system, "by_source": by_source, "epochs": epochs, "lender": lender})
    names, flags = ("ecosystem", "namespace", "lender"), ("system", "by_source", "epochs")
    return pa.Table.from_pylist(
        fitting, pa.schema([*((n, pa.string()) for n in names), *((n, pa.bool_()) for n in flags)])
    )


def _foreign(origins: pa.Table) -> pa.Table:
    """Those of the (ecosystem, namespace, origin, version) rows that are another publisher's packages."""
    found = []
    for row in origins.to_pylist():
        known = ecosystems.BY_NAME.get(row["ecosystem"])
        found.append(known is not None and known.foreign(row["namespace"], row["origin"] or "", row["version"]))
    return origins.filter(pa.array(found, pa.bool_()))


def _gates(work: duckdb.DuckDBPyConnection, database: Database) -> pa.Table:
    """(namespace, channel, allowed): which of the products that rows speak of a channel's packages belong to."""
    named = {row["namespace"]: row["ecosystem"] for row in table(work, queries.GATED).to_pylist()}
    spoken: dict[str, set[str]] = {}
    if named:
        found = work.execute(queries.SPOKEN_CPES, {"ranges": database.parquet("ranges"), "namespaces": list(named)})
        for namespace, cpe in found.fetchall():
            spoken.setdefault(namespace, set()).add(cpe)
    gates: list[dict[str, object]] = []
    if spoken:
        products: dict[str, set[str]] = {}
        wanted = {"known": database.parquet("repository_cpes")}
        for repository, cpe in work.execute(queries.REPOSITORY_CPES, wanted).fetchall():
            products.setdefault(repository, set()).add(cpe)
        for row in table(work, queries.CHANNELS).to_pylist():
            namespace = row["namespace"]
            applies = ecosystems.BY_NAME[named[namespace]].applies
            given = set(row["repositories"] or ())
            known = frozenset(cpe for one in given for cpe in products.get(one, ()))
            stated = frozenset(one for one in given if one.startswith("cpe:"))
            allowed = sorted(cpe for cpe in spoken.get(namespace, ()) if applies(cpe, namespace, known, stated))
            gates.append({"namespace": namespace, "channel": row["channel"], "allowed": allowed})
    schema = [("namespace", pa.string()), ("channel", pa.string()), ("allowed", pa.list_(pa.string()))]
    return pa.Table.from_pylist(gates, pa.schema(schema))


def _extensions(channels: pa.Table, gated: pa.Table) -> pa.Table:
    """(namespace, channel, extended): whose advisories are asked second for packages of a channel."""
    named = {row["namespace"]: row["ecosystem"] for row in gated.to_pylist()}
    found = []
    for row in channels.to_pylist():
        known = ecosystems.BY_NAME[named[row["namespace"]]]
        more = known.extended(row["namespace"], frozenset(row["repositories"] or ()))
        if more is not None:
            found.append({"namespace": row["namespace"], "channel": row["channel"], "extended": more})
    return pa.Table.from_pylist(found, pa.schema([(n, pa.string()) for n in ("namespace", "channel", "extended")]))


def _canonical_names(names: pa.Table) -> pa.Table:
    """Add ``name``, the canonical form of ``stated``; an ecosystem we do not know keeps names as they are."""
    out: list[str] = []
    for ecosystem, stated in zip(names["ecosystem"].to_pylist(), names["stated"].to_pylist(), strict=True):
        known = ecosystems.BY_NAME.get(ecosystem)
        out.append(known.canonical(stated) if known else stated)
    return names.append_column("name", pa.array(out, pa.string()))


def _version_keys(versions: pa.Table) -> pa.Table:
    """Add ``key`` and ``message`` (null where there is a key) to distinct (ecosystem, version)."""
    keys: list[bytes | None] = []
    messages: list[str | None] = []
    for ecosystem, version in zip(versions["ecosystem"].to_pylist(), versions["version"].to_pylist(), strict=True):
        key, message = _key(ecosystem, version)
        keys.append(key)
        messages.append(message)
    return versions.append_column("key", pa.array(keys, pa.binary())).append_column(
        "message", pa.array(messages, pa.string())
    )


def _key(ecosystem: str, version: str) -> tuple[bytes | None, str | None]:
    known = ecosystems.BY_NAME.get(ecosystem)
    if known is None:
        return None, f"no version scheme is known for {ecosystem!r}"
    try:
        return known.key(version), None
    except VersionInvalid as error:
        return None, error.message


def add_fixed_keys(work: duckdb.DuckDBPyConnection) -> None:
    """A listed version's range or entry does not end at its fix, which is text only: order that, too."""
    texts = table(work, queries.FIXED_TEXTS)
    work.register("fixed_texts", _version_keys(texts))

"""Match: which rows of the vulnerability database speak of which packages, as one DuckDB join.

Python touches distinct values only: a canonical name per distinct (ecosystem, name) and a byte key per
distinct (ecosystem, version) of packages that some advisory names at all. The rest is SQL over the
database's Parquet files, on integers wherever the result is large: packages with the same namespace,
canonical name and version are one *target*, and rows of one problem in one package are numbered once.

All records that name a package count, as a union: where the distribution's own feed has the say about a
problem, ``vulndb`` has already left out what others said. One rule is left for here: a row in state
``not_affected`` that contains the version removes every hit of that problem in that package.

A row may speak of some builds only. Where any row of a name or namespace does, packages are told apart by it:

* ``arches``: of these architectures. A package without one, or ``noarch``, is met by every row.
* ``module``: of that rpm module and stream. In a namespace that has such rows, a row without a module is about
  packages outside all modules, unless its fixed version is itself a module's build (``.module`` in the release).
  A package that is a module's build and does not say of which stream meets the rows of every stream, and what
  they say of it is ``unknown``: it may be affected, and no stream's fix is known to be its own.
* ``flavour``: packages whose version holds ``ksplice`` or ``fips`` meet rows of that flavour, others the rest.
* ``cpes``: of these products. A package is of the products that its image's repositories belong to (``channel``), or
  of those that every installation of the distribution has, where the image does not say. Where one of them has a fix,
  what another has not fixed is not said of the package: that product's own build is meant.

Where an image has a distribution's paid support (``Ecosystem.extended``: Ubuntu Pro), the advisories of that are asked
second: a problem that the distribution calls open, or fixes above the version, and that they speak of is a hit only
if they say so, too, and has their fix.

A package of which nothing runs (``Ecosystem.inert``: headers of the kernel) has no hits: what its source suffers
from is in the packages that run, which are judged themselves.

A package of another publisher (``Ecosystem.foreign``) is judged by no advisory of the distribution's. A distribution
that rebuilds another's packages (``Ecosystem.borrows``) is also judged by what the other says is not fixed, for each
package and problem that its own advisories are silent about.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from grid import ecosystems
from grid.database import Database
from grid.errors import VersionInvalid

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

REPOSITORIES = """
CASE WHEN os_namespace LIKE 'Red Hat:%' AND (len(content_sets) > 0 OR len(content_cpes) > 0)
THEN list_concat(coalesce(content_sets, []), coalesce(content_cpes, []))
WHEN os_namespace LIKE 'Ubuntu:%' AND len(pro_services) > 0 THEN pro_services END
"""
"""SQL: what the repositories of a row of ``chains`` are, as far as advisories of its distribution tell them apart."""

CHANNEL = "left(md5(array_to_string(list_sort(list_distinct({0})), chr(10))), 16)"
"""SQL: a list of repositories as the name of a channel, ``FINDINGS.channel``."""

_BY_BINARY = frozenset({"AlmaLinux", "Amazon Linux", "Arch Linux", "Oracle Linux", "Red Hat", "SUSE", "openSUSE"})
"""Distributions whose advisories list the binary packages. The others list sources, whose builds all match."""


@dataclass(frozen=True, slots=True)
class Hits:
    """The outcome of the join, normalised: tables that refer to each other by number.

    The numbers mean something within one ``Hits`` only. What ``grid.findings`` needs is here, except what
    is true of a problem wherever it occurs (aliases, ratings, titles), which it reads from the database.
    """

    packages: pa.Table
    """(package_id, target_id): the packages of each target."""
    targets: pa.Table
    """(target_id, namespace, name, version, key): name and version as advisories see them; key null if unparsable."""
    problems: pa.Table
    """(problem_id, namespace, channel, name, vuln_id, system, name_id): what was hit; system is true in an OS
    namespace, name_id numbers what versions are compared within: a name, and its build where rows tell builds apart."""
    rows: pa.Table
    """(row_id, problem_id, advisory_id, source, lo, hi, version, introduced, fixed, fixed_key, state, severity,
    subscriber_fix):
    every database row of those problems, matched or not, but for ``not_affected`` ones. ``version`` is null for
    a range and set for an entry of an exact list; ``fixed_key`` is the key of ``fixed``."""
    matched: pa.Table
    """(target_id, row_id): the hits."""
    unparsed: pa.Table
    """(package_id, namespace, ecosystem, name, version, message): packages that advisories name and whose version
    no scheme could parse. They were matched by exact lists only: each deserves a note."""
    foreign: pa.Table
    """(package_id, namespace, ecosystem, name, version, origin): OS packages of other publishers; not matched."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one record says about one package, and why that is or is not a hit."""

    namespace: str
    name: str
    """As the advisory lists it: the source package for an OS package, the canonical name for a language."""
    version: str
    vuln_id: str
    advisory_id: str
    source: str
    introduced: str | None
    fixed: str | None
    last_affected: str | None
    state: str
    matched: bool
    reason: str
    """One sentence."""


def hits(con: duckdb.DuckDBPyConnection, database: Database, candidates: pa.Table) -> Hits:
    """Join candidates with the advisories of their namespaces.

    Args:
        con: any DuckDB connection; works on a cursor of its own and leaves nothing behind.
        database: an open vulnerability database.
        candidates: columns as in ``CANDIDATES``, any order, more are ignored.
    """
    with _joined(con, database, candidates) as work:
        work.execute(_DECIDE)
        work.execute(_HIT_ROWS)
        _add_fixed_keys(work)
        return Hits(
            packages=_table(work, "SELECT package_id, target_id FROM packages SEMI JOIN hit USING (target_id)"),
            targets=_table(
                work, "SELECT target_id, namespace, name, version, key FROM targets SEMI JOIN hit USING (target_id)"
            ),
            problems=_table(work, "SELECT * FROM problems SEMI JOIN hit USING (problem_id)"),
            rows=_table(work, _ROWS),
            matched=_table(work, "SELECT target_id, row_id FROM hit"),
            unparsed=_table(work, _UNPARSED),
            foreign=_table(work, _FOREIGN),
        )


def explain(con: duckdb.DuckDBPyConnection, database: Database, candidates: pa.Table) -> list[Verdict]:
    """Everything the database says about the candidates (usually the rows of one package), hit or not.

    Sorted with the hits first, then by problem and record. Empty: no advisory names the package.
    """
    with _joined(con, database, candidates) as work:
        work.execute(_DECIDE)
        rows = _table(work, _EXPLAIN).to_pylist()
    verdicts = [_verdict(row) for row in rows]
    return sorted(verdicts, key=lambda v: (v.namespace, v.name, v.version, not v.matched, v.vuln_id, v.advisory_id))


# --- the join ------------------------------------------------------------------------------------


@contextmanager
def _joined(
    con: duckdb.DuckDBPyConnection, database: Database, candidates: pa.Table
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A cursor with the temporary tables packages, targets, versions, problems, rows and matched."""
    with con.cursor() as work:
        work.register("candidates", candidates.select(CANDIDATES.names).cast(CANDIDATES))
        work.register("schemes", _schemes(_table(work, _PAIRS)))
        work.register("foreign_origins", _foreign(_table(work, _ORIGINS)))
        work.execute(_PACKAGES)
        work.register("canonical", _canonical_names(_table(work, _NAMES)))
        files = {name: database.parquet(name) for name in ("ranges", "exact", "advisories")}
        work.register("gates", _gates(work, database))
        work.register("extensions", _extensions(_table(work, _CHANNELS), _table(work, _GATED)))
        work.execute(_LISTED, {name: files[name] for name in ("ranges", "exact")})
        work.execute(_TARGETS)
        work.register("versions", _version_keys(_table(work, _VERSIONS)))
        work.execute(_KEYED)
        work.execute(_ROW, files)
        work.execute(_PROBLEMS)
        work.execute(_NUMBERED)
        work.execute(_MATCHED)
        yield work


def _table(work: duckdb.DuckDBPyConnection, query: str) -> pa.Table:
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
    named = {row["namespace"]: row["ecosystem"] for row in _table(work, _GATED).to_pylist()}
    spoken: dict[str, set[str]] = {}
    if named:
        found = work.execute(_SPOKEN_CPES, {"ranges": database.parquet("ranges"), "namespaces": list(named)})
        for namespace, cpe in found.fetchall():
            spoken.setdefault(namespace, set()).add(cpe)
    gates: list[dict[str, object]] = []
    if spoken:
        products: dict[str, set[str]] = {}
        wanted = {"known": database.parquet("repository_cpes")}
        for repository, cpe in work.execute(_REPOSITORY_CPES, wanted).fetchall():
            products.setdefault(repository, set()).add(cpe)
        for row in _table(work, _CHANNELS).to_pylist():
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


def _add_fixed_keys(work: duckdb.DuckDBPyConnection) -> None:
    """A listed version's range or entry does not end at its fix, which is text only: order that, too."""
    texts = _table(work, _FIXED_TEXTS)
    work.register("fixed_texts", _version_keys(texts))


_PAIRS = "SELECT DISTINCT ecosystem, namespace FROM candidates WHERE namespace IS NOT NULL"

_ORIGINS = """
SELECT DISTINCT c.ecosystem, c.namespace, c.origin, c.version
FROM candidates c JOIN schemes s USING (ecosystem, namespace) WHERE s.system
"""

_FOREIGN = """
SELECT DISTINCT c.package_id, c.namespace, c.ecosystem, c.name, c.version, c.origin
FROM candidates c JOIN foreign_origins f
    ON f.ecosystem = c.ecosystem AND f.namespace = c.namespace AND f.version = c.version
    AND f.origin IS NOT DISTINCT FROM c.origin
ORDER BY ALL
"""

# Patterns that are constants are compiled once, those of a column for every row.
_INERT = "CASE c.ecosystem {} ELSE false END".format(
    " ".join(f"WHEN '{e.name}' THEN regexp_full_match(c.name, '{e.inert}')" for e in ecosystems.ALL if e.inert)
)

_PACKAGES = f"""
CREATE TEMP TABLE stated_packages AS
SELECT DISTINCT
    c.package_id, c.ecosystem, c.namespace, s.system, c.arch, c.modularity,
    CASE WHEN s.by_source THEN coalesce(nullif(c.source_name, ''), c.name) ELSE c.name END AS stated,
    CASE
        WHEN NOT s.epochs
            THEN regexp_replace(coalesce(nullif(c.source_version, ''), c.version), '^[0-9]+:', '')
        WHEN s.by_source THEN coalesce(nullif(c.source_version, ''), c.version)
        ELSE c.version
    END AS version,
    CASE WHEN s.system AND len(c.repositories) > 0 THEN {CHANNEL.format("c.repositories")} END AS channel,
    list_sort(list_distinct(c.repositories)) AS repositories,
    s.lender, CASE WHEN s.lender IS NOT NULL THEN c.name END AS binary_name,
    {_INERT} AS inert
FROM candidates c JOIN schemes s USING (ecosystem, namespace)
ANTI JOIN foreign_origins f
    ON f.ecosystem = c.ecosystem AND f.namespace = c.namespace AND f.version = c.version
    AND f.origin IS NOT DISTINCT FROM c.origin
"""

_NAMES = "SELECT DISTINCT ecosystem, stated FROM stated_packages"

_CHANNELS = """
SELECT namespace, channel, any_value(repositories) AS repositories FROM stated_packages WHERE system GROUP BY ALL
UNION SELECT DISTINCT lender, NULL, NULL FROM stated_packages WHERE lender IS NOT NULL
"""

_GATED = """
SELECT DISTINCT ecosystem, namespace FROM stated_packages WHERE system
UNION SELECT DISTINCT ecosystem, lender FROM stated_packages WHERE lender IS NOT NULL
"""

_SPOKEN_CPES = """
SELECT DISTINCT namespace, unnest(cpes) FROM (
    SELECT DISTINCT namespace, cpes FROM read_parquet($ranges)
    WHERE cpes IS NOT NULL AND list_contains($namespaces, namespace)
)
"""

_REPOSITORY_CPES = """
SELECT repository, cpe FROM read_parquet($known)
WHERE repository IN (SELECT unnest(repositories) FROM stated_packages)
"""

# Most packages of an estate have no advisory at all: dropping them here saves making keys for their versions.
_LISTED = """
CREATE TEMP TABLE listed AS
WITH spoken AS (
    SELECT namespace, name, bool_or(arches IS NOT NULL) AS arched, bool_or(module IS NOT NULL) AS modular,
        bool_or(flavour IS NOT NULL) AS flavoured
    FROM read_parquet($ranges) GROUP BY namespace, name
    UNION ALL SELECT DISTINCT namespace, name, false, false, false FROM read_parquet($exact)
    UNION ALL
    SELECT DISTINCT p.namespace, p.stated, false, false, false
    FROM stated_packages p SEMI JOIN (SELECT namespace, name FROM read_parquet($ranges) WHERE fixed IS NULL) s
        ON s.namespace = p.lender AND s.name = p.binary_name
)
SELECT row_number() OVER () AS listed_id, namespace, name, bool_or(arched) AS arched,
    bool_or(bool_or(modular)) OVER of_namespace AS modular, bool_or(bool_or(flavoured)) OVER of_namespace AS flavoured
FROM spoken SEMI JOIN (SELECT DISTINCT namespace FROM stated_packages) USING (namespace)
GROUP BY namespace, name WINDOW of_namespace AS (PARTITION BY namespace)
"""

# What rows may tell builds of one name apart by; '' where no row does, for most names have one kind of build.
_TARGETS = """
CREATE TEMP TABLE placed AS
SELECT p.package_id, p.ecosystem, p.system, l.listed_id, p.version,
    p.channel, p.lender, p.binary_name, p.inert,
    CASE WHEN l.arched OR l.modular OR l.flavoured THEN
        CASE WHEN l.arched AND p.arch <> 'noarch' THEN p.arch ELSE '' END || chr(31)
        || CASE
            WHEN NOT l.modular THEN ''
            WHEN p.modularity <> '' THEN p.modularity
            WHEN contains(p.version, '.module') THEN '?'
            ELSE ''
        END || chr(31)
        || CASE
            WHEN NOT l.flavoured THEN ''
            WHEN contains(lower(p.version), 'ksplice') THEN 'ksplice'
            WHEN contains(lower(p.version), 'fips') THEN 'fips'
            ELSE ''
        END
    ELSE '' END AS build
FROM stated_packages p JOIN canonical c USING (ecosystem, stated)
JOIN listed l ON l.namespace = p.namespace AND l.name = c.name;
CREATE TEMP TABLE named AS
SELECT row_number() OVER () AS name_id, *, split_part(build, chr(31), 1) AS arch,
    split_part(build, chr(31), 2) AS module, split_part(build, chr(31), 3) AS flavour
FROM (SELECT DISTINCT listed_id, build, channel, lender, binary_name FROM placed) JOIN listed USING (listed_id);
CREATE TEMP TABLE bare_targets AS
SELECT row_number() OVER () AS target_id, *
FROM (
    SELECT DISTINCT n.name_id, p.ecosystem, p.system, n.namespace, n.name, p.version, p.inert
    FROM placed p JOIN named n ON {0}
);
CREATE TEMP TABLE packages AS
SELECT p.package_id, t.target_id
FROM placed p JOIN named n ON {0}
JOIN bare_targets t ON t.name_id = n.name_id AND t.version = p.version AND t.ecosystem = p.ecosystem
    AND t.inert = p.inert;
DROP TABLE placed
""".format(
    "n.listed_id = p.listed_id AND n.build = p.build AND n.channel IS NOT DISTINCT FROM p.channel "
    "AND n.binary_name IS NOT DISTINCT FROM p.binary_name"
)

_VERSIONS = "SELECT DISTINCT ecosystem, version FROM bare_targets"

_KEYED = "CREATE TEMP TABLE targets AS SELECT * FROM bare_targets JOIN versions USING (ecosystem, version)"

# A record that speaks of many problems (a DSA) becomes a row for each; a record that the advisories table
# does not know is its own problem: rather an unmerged finding than none. What is borrowed counts where the
# distribution itself says nothing.
_ROW = """
CREATE TEMP TABLE bare_rows AS
WITH names AS (
    SELECT DISTINCT n.*, t.ecosystem, t.system FROM targets t JOIN named n USING (name_id)
),
spoken AS (
    SELECT namespace, name, advisory_id, source, lo, hi, NULL::VARCHAR AS version, introduced, fixed, last_affected,
        state, severity, vuln_id, arches, module, flavour, cpes, subscriber_fix
    FROM read_parquet($ranges)
    UNION ALL
    SELECT namespace, name, advisory_id, source, NULL, NULL, version, NULL, fixed, NULL, state, severity, vuln_id,
        NULL, NULL, NULL, NULL, NULL
    FROM read_parquet($exact)
),
fitting AS (
    SELECT n.name_id, n.ecosystem, n.system, n.namespace AS own_namespace, n.name AS own_name, false AS borrowed,
        false AS second, g.allowed, n.arch, n.module AS own_module, n.modular, n.flavour AS own_flavour, s.*
    FROM spoken s JOIN names n USING (namespace, name)
    LEFT JOIN gates g ON g.namespace = n.namespace AND g.channel IS NOT DISTINCT FROM n.channel
    UNION ALL
    SELECT n.name_id, n.ecosystem, n.system, n.namespace, n.name, true, false, g.allowed,
        n.arch, n.module, n.modular, n.flavour, s.*
    FROM spoken s JOIN names n ON s.namespace = n.lender AND s.name = n.binary_name
    LEFT JOIN gates g ON g.namespace = n.lender AND g.channel IS NULL
    WHERE s.fixed IS NULL AND s.state NOT IN ('fixed', 'not_affected')
    UNION ALL
    SELECT n.name_id, n.ecosystem, n.system, n.namespace, n.name, false, true, NULL,
        n.arch, n.module, n.modular, n.flavour, s.*
    FROM extensions e JOIN names n ON n.namespace = e.namespace AND n.channel IS NOT DISTINCT FROM e.channel
    JOIN spoken s ON s.namespace = e.extended AND s.name = n.name
),
wanted AS (
    SELECT name_id, ecosystem, system, own_namespace AS namespace, own_name AS name, borrowed, second, advisory_id,
        source, lo, hi, version, introduced, CASE WHEN own_module = '?' THEN NULL ELSE fixed END AS fixed,
        last_affected, CASE WHEN own_module = '?' AND state <> 'not_affected' THEN 'unknown' ELSE state END AS state,
        severity, vuln_id, subscriber_fix, cpes IS NOT NULL AND own_module <> '?' AND NOT borrowed AS by_product,
        fixed IS NOT NULL AS ends
    FROM fitting s
    WHERE (s.arches IS NULL OR s.arch = '' OR list_contains(s.arches, s.arch) OR list_contains(s.arches, 'noarch'))
        AND (NOT s.modular OR coalesce(s.module, '') = s.own_module
             OR (s.module IS NULL AND contains(coalesce(s.fixed, ''), '.module'))
             OR (s.module IS NOT NULL AND s.own_module = '?' AND s.state <> 'not_affected'))
        AND coalesce(s.flavour, '') = s.own_flavour
        AND (s.cpes IS NULL OR list_has_any(s.cpes, s.allowed))
),
groups AS (SELECT DISTINCT advisory_id, source, vuln_id FROM read_parquet($advisories)),
told AS (
    SELECT * FROM wanted WHERE vuln_id IS NOT NULL
    UNION ALL
    SELECT w.* REPLACE (coalesce(g.vuln_id, w.advisory_id) AS vuln_id)
    FROM wanted w LEFT JOIN groups g USING (advisory_id, source) WHERE w.vuln_id IS NULL
)
SELECT * EXCLUDE (borrowed, by_product, ends) FROM told t
WHERE (NOT borrowed
    OR NOT EXISTS (FROM told o WHERE o.name_id = t.name_id AND o.vuln_id = t.vuln_id AND NOT o.borrowed))
    AND (ends OR NOT by_product OR NOT EXISTS (
        FROM told o WHERE o.name_id = t.name_id AND o.vuln_id = t.vuln_id AND o.by_product AND o.ends))
"""

_PROBLEMS = """
CREATE TEMP TABLE problems AS
SELECT row_number() OVER (ORDER BY namespace, vuln_id, name, name_id) AS problem_id, namespace, channel, name, vuln_id,
    system, name_id
FROM (SELECT DISTINCT namespace, name, vuln_id, system, name_id FROM bare_rows)
JOIN (SELECT name_id, channel FROM named) USING (name_id)
"""

_NUMBERED = """
CREATE TEMP TABLE rows AS
SELECT row_number() OVER () AS row_id, p.problem_id, b.name_id, b.ecosystem, b.advisory_id, b.source, b.lo, b.hi,
    b.version, b.introduced, b.fixed, b.last_affected, b.state, b.severity, b.subscriber_fix, b.second
FROM bare_rows b JOIN problems p USING (name_id, vuln_id, system);
CREATE TEMP TABLE asked_twice AS SELECT DISTINCT problem_id FROM rows WHERE second
"""

_MATCHED = """
CREATE TEMP TABLE matched AS
SELECT t.target_id, r.row_id, r.problem_id, r.state, r.second
FROM targets t JOIN rows r USING (name_id, ecosystem)
WHERE r.version IS NULL AND r.lo <= t.key AND (r.hi IS NULL OR t.key < r.hi)
UNION ALL
SELECT t.target_id, r.row_id, r.problem_id, r.state, r.second
FROM targets t JOIN rows r USING (name_id, ecosystem, version)
"""

_DECIDE = """
CREATE TEMP TABLE denied AS
SELECT DISTINCT target_id, problem_id FROM matched WHERE state = 'not_affected'
UNION
SELECT target_id, problem_id FROM matched JOIN targets USING (target_id) WHERE inert
UNION
SELECT target_id, problem_id FROM matched SEMI JOIN asked_twice USING (problem_id)
GROUP BY ALL HAVING NOT (bool_or(second) AND bool_or(NOT second));
CREATE TEMP TABLE hit AS
SELECT m.target_id, m.problem_id, m.row_id FROM matched m ANTI JOIN denied USING (target_id, problem_id)
LEFT JOIN asked_twice a USING (problem_id) WHERE a.problem_id IS NULL OR m.second
"""

_HIT_ROWS = """
CREATE TEMP TABLE hit_rows AS
SELECT r.* FROM rows r SEMI JOIN (SELECT DISTINCT problem_id FROM hit) USING (problem_id)
LEFT JOIN asked_twice a USING (problem_id)
WHERE r.state <> 'not_affected' AND (a.problem_id IS NULL OR r.second)
"""

_FIXED_TEXTS = """
SELECT DISTINCT ecosystem, fixed AS version
FROM hit_rows WHERE fixed IS NOT NULL AND (version IS NOT NULL OR last_affected IS NOT NULL)
"""

_ROWS = """
SELECT r.row_id, r.problem_id, r.advisory_id, r.source, r.lo, r.hi, r.version, r.introduced, r.fixed,
    CASE
        WHEN r.fixed IS NULL THEN NULL
        WHEN r.version IS NULL AND r.last_affected IS NULL THEN r.hi
        ELSE f.key
    END AS fixed_key,
    r.state, r.severity, r.subscriber_fix
FROM hit_rows r LEFT JOIN fixed_texts f ON f.ecosystem = r.ecosystem AND f.version = r.fixed
"""

_UNPARSED = """
SELECT p.package_id, t.namespace, t.ecosystem, t.name, t.version, t.message
FROM targets t JOIN packages p USING (target_id) WHERE t.key IS NULL ORDER BY ALL
"""


# --- explain -------------------------------------------------------------------------------------

# Versions listed one by one (in `exact`, or as ranges of one version) are one line, however many they are.
_EXPLAIN = """
WITH judged AS (
    SELECT t.* EXCLUDE (name_id, ecosystem, system), r.* EXCLUDE (name_id, ecosystem, version),
        r.version IS NOT NULL OR coalesce(r.introduced = r.last_affected, false) AS single,
        m.row_id IS NOT NULL AS contained
    FROM targets t JOIN rows r USING (name_id, ecosystem) LEFT JOIN matched m USING (target_id, row_id)
),
lines AS (
    SELECT target_id, namespace, name, version, inert, key, message, problem_id, advisory_id, source, state,
        lo, hi, introduced, fixed, last_affected, contained, NULL::BIGINT AS listed
    FROM judged WHERE NOT single
    UNION ALL
    SELECT target_id, namespace, name, version, inert, key, message, problem_id, advisory_id, source, state,
        NULL, NULL, NULL, min(fixed) FILTER (contained), NULL, bool_or(contained), count(*)
    FROM judged WHERE single GROUP BY ALL
)
SELECT l.*, p.vuln_id, d.problem_id IS NOT NULL AS denied
FROM lines l JOIN problems p USING (problem_id)
LEFT JOIN denied d ON d.target_id = l.target_id AND d.problem_id = l.problem_id
ORDER BY l.target_id, p.vuln_id, l.source, l.advisory_id, l.lo NULLS LAST, l.hi NULLS LAST, l.state
"""


def _verdict(row: dict[str, object]) -> Verdict:
    text = {name: value if isinstance(value, str) else None for name, value in row.items()}
    return Verdict(
        namespace=str(row["namespace"]),
        name=str(row["name"]),
        version=str(row["version"]),
        vuln_id=str(row["vuln_id"]),
        advisory_id=str(row["advisory_id"]),
        source=str(row["source"]),
        introduced=text["introduced"],
        fixed=text["fixed"],
        last_affected=text["last_affected"],
        state=str(row["state"]),
        matched=bool(row["contained"]) and not row["denied"],
        reason=_reason(row),
    )


def _reason(row: dict[str, object]) -> str:
    version, listed = row["version"], row["listed"]
    if not row["contained"]:
        if listed is not None:
            return f"{version} is not among the versions it lists ({listed})"
        return _outside(row)
    if listed is not None:
        inside = f"{version} is one of the versions it lists ({listed})"
    else:
        inside = f"{version} is in the range it gives: {_range(row)}"
    if row["state"] == "not_affected":
        return f"{inside}; it says that these are not affected"
    if not row["denied"]:
        return inside
    if row["inert"]:
        return f"{inside}; but nothing of this package runs: its source's problems are those of other packages"
    return f"{inside}; but another record of {row['vuln_id']} says that this version is not affected"


def _outside(row: dict[str, object]) -> str:
    version, key, lo = row["version"], row["key"], row["lo"]
    if not isinstance(key, bytes):
        return f"{version} cannot be ordered ({row['message']}), so the range {_range(row)} cannot be judged"
    if isinstance(lo, bytes) and key < lo:
        return f"{version} is below {row['introduced']}, where the problem begins"
    if row["fixed"] is not None:
        return f"{version} is at or above {row['fixed']}, where it is fixed"
    if row["last_affected"] is not None:
        return f"{version} is above {row['last_affected']}, the last affected version"
    return f"{version} is past the end of the range {_range(row)}"


def _range(row: dict[str, object]) -> str:
    introduced = row["introduced"]
    start = "from the first version" if introduced in (None, "", "0") else f"from {introduced}"
    if row["fixed"] is not None:
        return f"{start} to before {row['fixed']}"
    if row["last_affected"] is not None:
        return f"{start} to {row['last_affected']}"
    return f"{start}, no fix known" if row["hi"] is None else start

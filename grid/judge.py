"""What the facts of the lake mean for the images of a sweep: squash new chains, match distinct packages.

Reads no layer and asks no registry, so a new database costs a join and nothing else.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from packageurl import PackageURL

from grid import ecosystems, findings, match, support
from grid.database import Database
from grid.detectors.packages import package_id
from grid.errors import DatabaseInvalid
from grid.events import Emit, Stage, Warned
from grid.model import Distro
from grid.schema import DISTRO_SUPPORT, FINDINGS, JAR_NAMES, MATCHES
from grid.squashing import squash_new
from grid.store import Lake
from grid.suppression import Decided, Statement, decide, record
from grid.suppression.apply import PACKAGES as SUPPRESSION_COLUMNS
from grid.warehouse import connect

_SYSTEMS = [e for e in ecosystems.ALL if e.system]
_LANGUAGES = {e.name: e.namespace(Distro("")) for e in ecosystems.ALL if not e.system}


_NOTHING = FINDINGS.only("package_id", "namespace", "vuln_id", "aliases")


@dataclass(frozen=True, slots=True)
class Judged:
    """What squash and match did."""

    chains: int
    """Chains squashed now."""
    match_id: str | None
    """None if there is no database."""
    db_version: str | None
    packages: int = 0
    """Distinct packages matched."""
    findings: int = 0
    notes: Mapping[str, int] = field(default_factory=dict)
    """Layer → notes on it, which lower the coverage of its images."""
    evaluated: pa.Table = field(default_factory=_NOTHING.empty_table, repr=False, compare=False)
    """``package_id, namespace`` of the packages matched."""
    found: pa.Table = field(default_factory=_NOTHING.empty_table, repr=False, compare=False)
    """``package_id, namespace, vuln_id, aliases`` of the findings."""


def judge(
    lake: Lake,
    digests: Sequence[str],
    detectors: Mapping[str, str],
    sweep_id: str,
    database: Database | None,
    emit: Emit,
    statements: Sequence[Statement] = (),
) -> Judged:
    """Squash the chains of these images that are new, then match their packages with ``database``.

    ``detectors``: the versions whose facts are current. Without a database nothing is matched and no ``findings``
    row is written. ``statements`` suppress findings, in their order.
    """
    stack = lake.read(
        "image_layers",
        columns=["digest", "ordinal", "layer_digest", "chain_id", "created_by"],
        filter={"digest": list(digests)},
    )
    record.warn(statements, emit)
    record.secrets(lake, sweep_id, statements)
    emit(Stage("squash"))
    squashed = squash_new(lake, stack, detectors)
    layers = pc.unique(stack["layer_digest"])
    notes = lake.read("notes", columns=["layer_digest"], filter={"layer_digest": layers})
    counted = {row["values"]: row["counts"] for row in pc.value_counts(notes["layer_digest"]).to_pylist()}
    if database is None:
        return Judged(squashed, None, None, notes=counted)
    emit(Stage("match"))
    return replace(_match(lake, stack, sweep_id, database, emit, statements), chains=squashed, notes=counted)


def judge_again(
    lake: Lake,
    sweep_id: str,
    database: Database,
    emit: Emit,
    statements: Sequence[Statement] | None = None,
    current: bool = True,
) -> Judged:
    """Match the images of a sweep with another database, their chains taken as they were squashed.

    Without ``statements`` those of the sweep's last match count, but for what has expired since.
    A match that is not ``current`` stands beside those of the sweep that count: the views show it only if asked.

    Nothing here is as long as the list of images, of which there may be a million.
    """
    emit(Stage("match"))
    if statements is None:
        statements = record.last(lake, sweep_id)
    record.warn(statements, emit)
    if current:
        record.secrets(lake, sweep_id, statements)
    judged = _match(lake, None, sweep_id, database, emit, statements, current)
    if not judged.packages:
        emit(Warned("the sweep has no package to match"))
    return judged


# A layer stands in images of several distributions at times: its packages are matched once for each. Hidden
# packages are matched too: a few findings that no image shows cost less than the join that would leave them out.
_CANDIDATES = """
SELECT DISTINCT p.package_id, p.ecosystem, p.name, p.version, p.source_name, p.source_version, p.arch, p.modularity,
    p.origin, CASE WHEN l.ecosystem IS NULL THEN places.repositories END AS repositories,
    CASE WHEN l.ecosystem IS NULL THEN places.os_namespace ELSE l.namespace END AS applies
FROM packages p JOIN places USING (layer_digest) LEFT JOIN languages l USING (ecosystem)
WHERE (p.found_as IS DISTINCT FROM 'declared' OR (SELECT bool_or(lockfiles) FROM sweeps WHERE sweep_id = $sweep))
    AND (p.found_as IS DISTINCT FROM 'sbom' OR l.ecosystem IS NOT NULL)
"""

_PLACES_OF_STACK = f"""
CREATE TEMP TABLE places AS
WITH tops AS (SELECT arg_max(chain_id, ordinal) AS chain_id, digest FROM stack GROUP BY digest)
SELECT DISTINCT s.layer_digest, c.os_namespace, c.distro_id, c.distro_version, c.distro_name,
    {match.REPOSITORIES} AS repositories
FROM stack s JOIN tops t USING (digest) JOIN chains c ON c.chain_id = t.chain_id
"""

_PLACES_OF_SWEEP = f"""
CREATE TEMP TABLE places AS
WITH tops AS (
    SELECT DISTINCT t.chain_id FROM images i JOIN image_chains t USING (digest)
    WHERE i.sweep_id = ? AND i.status IN ('ok', 'incomplete')
)
SELECT DISTINCT unnest(c.layers) AS layer_digest, c.os_namespace, c.distro_id, c.distro_version, c.distro_name,
    {match.REPOSITORIES} AS repositories
FROM tops JOIN chains c USING (chain_id)
"""


_RELEASES = (
    "SELECT DISTINCT distro_id, distro_version, distro_name FROM places WHERE distro_id IS NOT NULL ORDER BY ALL"
)


def _support(database: Database, releases: pa.Table, match_id: str) -> pa.Table:
    """Rows of ``distro_support``: the state of each distribution today."""
    rows = releases.to_pylist()
    found = support.support(database, [tuple(row.values()) for row in rows], datetime.now(UTC).date())
    told = [
        {"match_id": match_id, **row, "support": s.state, "eol": s.eol, "extended_eol": s.extended_eol}
        for row, s in zip(rows, found, strict=True)
    ]
    return pa.Table.from_pylist(told, schema=DISTRO_SUPPORT.arrow)


_UNNAMED_JARS = """
SELECT DISTINCT p.sha1 FROM parts._recorded p SEMI JOIN places USING (layer_digest) WHERE p.sha1 IS NOT NULL
"""

_JAR_NAMES = """
SELECT i.sha1, i.named."group" || ':' || i.named.artifact AS name, i.named.version AS version
FROM read_parquet($files) i SEMI JOIN unnamed u ON u.sha1 = i.sha1
ANTI JOIN jar_names j ON j.sha1 = i.sha1 AND j.version = i.named.version
    AND j.name = i.named."group" || ':' || i.named.artifact
"""


def _name_jars(lake: Lake, con: Any, database: Database) -> None:
    """Write down what the Java index says of jars that do not say what they are. No layer is read."""
    files = database.java_index()
    unnamed = con.sql(_UNNAMED_JARS).to_arrow_table() if files else None
    if unnamed is None or not unnamed.num_rows:
        return
    con.register("unnamed", unnamed)
    now = datetime.now(UTC)
    rows = []
    for row in con.sql(_JAR_NAMES, params={"files": files}).to_arrow_table().to_pylist():
        group, _, artifact = row["name"].partition(":")
        url = PackageURL("maven", group, artifact, row["version"]).to_string()
        number = package_id("maven", row["name"], row["version"], "", "", "", "")
        rows.append({**row, "purl": url, "package_id": number, "named_at": now})
    con.unregister("unnamed")
    if rows:
        name = f"{now:%Y%m%dT%H%M%S.%f}Z-{secrets.token_hex(4)}"
        lake.write("jar_names", name, pa.Table.from_pylist(rows, schema=JAR_NAMES.arrow))


def _known_namespaces(con: Any, database: Database, candidates: pa.Table) -> list[str]:
    """The distributions of these packages that the database says anything about."""
    con.register("candidates", candidates)
    rows = con.sql(
        "SELECT DISTINCT namespace FROM candidates SEMI JOIN (SELECT DISTINCT namespace FROM read_parquet($ranges) "
        "UNION SELECT namespace FROM read_parquet($exact)) USING (namespace) WHERE list_contains($systems, ecosystem)",
        params={
            "ranges": database.parquet("ranges"),
            "exact": database.parquet("exact"),
            "systems": [e.name for e in _SYSTEMS],
        },
    ).fetchall()
    return sorted(row[0] for row in rows)


def _unlisted(con: Any, database: Database, present: pa.Table) -> list[str]:
    """The kinds of these packages, beside distributions', that the database says nothing about: ``matches.unlisted``.

    A package of a language without an advisory has none, for its registry's advisories are all there. Programs have no
    such registry: one that no advisory names is one that nobody watches.
    """
    unmanaged = [e for e in ecosystems.ALL if e.unmanaged]
    con.register("present", present)
    stated = con.sql(
        "SELECT DISTINCT ecosystem, namespace, CASE WHEN list_contains($unmanaged, ecosystem) THEN name END AS name "
        "FROM present WHERE NOT list_contains($systems, ecosystem)",
        params={"unmanaged": [e.name for e in unmanaged], "systems": [e.name for e in _SYSTEMS]},
    ).fetchall()
    con.register("wanted", pa.table({"namespace": pa.array({row[1] for row in stated}, pa.string())}))
    spoken: dict[str, set[str]] = {}
    for namespace, name in con.sql(
        "SELECT DISTINCT namespace, CASE WHEN list_contains($unmanaged, namespace) THEN name ELSE '' END FROM "
        "(SELECT namespace, name FROM read_parquet($ranges) UNION ALL SELECT namespace, name FROM read_parquet($exact))"
        " SEMI JOIN wanted USING (namespace)",
        params={
            "unmanaged": [e.namespace(Distro("")) for e in unmanaged],
            "ranges": database.parquet("ranges"),
            "exact": database.parquet("exact"),
        },
    ).fetchall():
        spoken.setdefault(namespace, set()).add(name)
    unlisted = set()
    for ecosystem, namespace, name in stated:
        names = spoken.get(namespace, set())
        if name is None and not names:
            unlisted.add(ecosystem)
        elif name is not None and ecosystems.BY_NAME[ecosystem].canonical(name) not in names:
            unlisted.add(f"{ecosystem}:{name}")
    return sorted(unlisted)


def _decided(con: Any, found: pa.Table, said: Sequence[Statement]) -> Decided:
    """Compare findings with what is said against them."""
    today = datetime.now(UTC).date()
    statements = [s for s in said if s.about_findings]
    if not statements:
        return decide(con, (), found, pa.table({}), {}, today)
    con.register("found", found.select(["package_id"]))
    columns = ", ".join(SUPPRESSION_COLUMNS)
    packages = con.sql(
        f"SELECT DISTINCT ON (package_id) {columns} FROM packages SEMI JOIN found USING (package_id)"
    ).to_arrow_table()
    distros: dict[str, list[tuple[str, str]]] = {}
    for namespace, id, version in con.sql(
        "SELECT DISTINCT os_namespace, distro_id, coalesce(distro_version, '') FROM chains "
        "WHERE os_namespace IS NOT NULL AND distro_id IS NOT NULL"
    ).fetchall():
        distros.setdefault(namespace, []).append((id, version))
    return decide(con, statements, found, packages, distros, today)


_EVALUATED = f"""
SELECT DISTINCT package_id, namespace || CASE
    WHEN list_contains($systems, ecosystem) AND len(repositories) > 0 THEN '|' || {match.CHANNEL.format("repositories")}
    ELSE ''
END AS namespace
FROM candidates
"""

_FOUND = "SELECT package_id, namespace || coalesce('|' || channel, '') AS namespace, vuln_id, aliases FROM found"


def _match(
    lake: Lake,
    stack: pa.Table | None,
    sweep_id: str,
    database: Database,
    emit: Emit,
    statements: Sequence[Statement],
    current: bool = True,
) -> Judged:
    """Match the packages of a stack of image layers, or of the images that the lake has for the sweep."""
    outdated = database.outdated_keys({e.name: e.key_version for e in ecosystems.ALL})
    if outdated:
        raise DatabaseInvalid(
            f"the database orders versions of {', '.join(outdated)} in another way than this scangrid"
        )
    match_id = f"{datetime.now(UTC):%Y%m%dT%H%M%S.%f}Z-{secrets.token_hex(4)}"
    languages = pa.table({"ecosystem": list(_LANGUAGES), "namespace": pa.array(_LANGUAGES.values(), pa.string())})
    with connect(lake) as con:
        if stack is None:
            con.execute(_PLACES_OF_SWEEP, [sweep_id])
        else:
            con.register("stack", stack)
            con.execute(_PLACES_OF_STACK)
        con.register("languages", languages)
        _name_jars(lake, con, database)
        present = con.sql(f"SELECT * RENAME (applies AS namespace) FROM ({_CANDIDATES})", params={"sweep": sweep_id})
        present = present.to_arrow_table()
        candidates = present.filter(pc.is_valid(present["namespace"]))
        hits = match.hits(con, database, candidates)
        rows = findings.merge(con, database, hits)
        known = _known_namespaces(con, database, candidates)
        unlisted = _unlisted(con, database, present)
        con.register("found", rows)
        evaluated = con.sql(_EVALUATED, params={"systems": [e.name for e in _SYSTEMS]}).to_arrow_table()
        found = con.sql(_FOUND).to_arrow_table()
        releases = con.sql(_RELEASES).to_arrow_table()
        decided = _decided(con, rows, statements)
    unordered = hits.unparsed.num_rows
    if hits.foreign.num_rows:
        emit(
            Warned(
                f"{hits.foreign.num_rows} OS packages are another publisher's: "
                "their distribution's advisories are not about them"
            )
        )
    if unordered:
        emit(
            Warned(
                f"{unordered} packages have a version that no scheme can order: they were matched by exact lists only"
            )
        )
    rows = rows.append_column("match_id", pa.repeat(pa.scalar(match_id, pa.string()), rows.num_rows))
    lake.write("distro_support", match_id, _support(database, releases, match_id))
    rows = rows.append_column("statements", decided.findings)
    said = decided.statements
    lake.write(
        "statements",
        match_id,
        said.append_column("match_id", pa.repeat(pa.scalar(match_id, pa.string()), said.num_rows)),
    )
    lake.write("findings", match_id, rows.select(FINDINGS.arrow.names))
    mark = {
        "match_id": match_id,
        "sweep_id": sweep_id,
        "db_version": database.version,
        "packages": candidates.num_rows,
        "findings": rows.num_rows,
        "namespaces": known,
        "unlisted": unlisted,
        "unordered": unordered,
        "foreign": hits.foreign.num_rows,
        "foreign_packages": pc.unique(hits.foreign["package_id"]).to_pylist(),
        "matched_at": datetime.now(UTC),
        "current": True if current else None,
    }
    lake.write("matches", match_id, pa.Table.from_pylist([mark], schema=MATCHES.arrow))
    return Judged(
        0, match_id, database.version, candidates.num_rows, rows.num_rows,
        evaluated=evaluated, found=found,
    )  # fmt: skip

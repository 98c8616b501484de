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
that rebuilds another's packages (``Ecosystem.borrows``) is also judged by what the other says is not fixed, or fixed in
a later version (but for builds of modules), for each package and problem that its own advisories are silent about.
One whose advisories list sources and single builds (Wolfi) is judged by what they say of either.
"""

from __future__ import annotations

from dataclasses import dataclass

import duckdb
import pyarrow as pa

from grid.database import Database
from grid.match import queries
from grid.match.join import CANDIDATES, add_fixed_keys, joined, table
from grid.match.queries import CHANNEL, REPOSITORIES
from grid.match.verdicts import Verdict, verdict

__all__ = ["CANDIDATES", "CHANNEL", "REPOSITORIES", "Hits", "Verdict", "explain", "hits"]


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
    subscriber_fix, erratum):
    every database row of those problems, matched or not, but for ``not_affected`` ones. ``version`` is null for
    a range and set for an entry of an exact list; ``fixed_key`` is the key of ``fixed``."""
    matched: pa.Table
    """(target_id, row_id): the hits."""
    unparsed: pa.Table
    """(package_id, namespace, ecosystem, name, version, message): packages that advisories name and whose version
    no scheme could parse. They were matched by exact lists only: each deserves a note."""
    foreign: pa.Table
    """(package_id, namespace, ecosystem, name, version, origin): OS packages of other publishers; not matched."""


def hits(con: duckdb.DuckDBPyConnection, database: Database, candidates: pa.Table) -> Hits:
    """Join candidates with the advisories of their namespaces.

    Args:
        con: any DuckDB connection; works on a cursor of its own and leaves nothing behind.
        database: an open vulnerability database.
        candidates: columns as in ``CANDIDATES``, any order, more are ignored.
    """
    with joined(con, database, candidates) as work:
        work.execute(queries.DECIDE)
        work.execute(queries.HIT_ROWS)
        add_fixed_keys(work)
        return Hits(
            packages=table(work, "SELECT package_id, target_id FROM packages SEMI JOIN hit USING (target_id)"),
            targets=table(
                work, "SELECT target_id, namespace, name, version, key FROM targets SEMI JOIN hit USING (target_id)"
            ),
            problems=table(work, "SELECT * FROM problems SEMI JOIN hit USING (problem_id)"),
            rows=table(work, queries.ROWS),
            matched=table(work, "SELECT target_id, row_id FROM hit"),
            unparsed=table(work, queries.UNPARSED),
            foreign=table(work, queries.FOREIGN),
        )


def explain(con: duckdb.DuckDBPyConnection, database: Database, candidates: pa.Table) -> list[Verdict]:
    """Everything the database says about the candidates (usually the rows of one package), hit or not.

    Sorted with the hits first, then by problem and record. Empty: no advisory names the package.
    """
    with joined(con, database, candidates) as work:
        work.execute(queries.DECIDE)
        rows = table(work, queries.EXPLAIN).to_pylist()
    verdicts = [verdict(row) for row in rows]
    return sorted(verdicts, key=lambda v: (v.namespace, v.name, v.version, not v.matched, v.vuln_id, v.advisory_id))

"""Findings: hits of one problem in one package become one row, with its state, fix and rating.

What is chosen where records or sources differ (``rank``: a distribution's own feed 0; of OSV's, GHSA 1, a
language's own database such as PYSEC 2, a bare CVE 3):

* **fixed_version**: the smallest known fix above the installed version that lies in no range and no exact list
  of any record of the problem, so a user who follows it sees the finding gone. If no fix clears every
  record (one of them knows no fix), the smallest that clears all ranges of the best-ranked record that matched
  and has one. Never below the installed version; for a version that cannot be ordered, the highest fix.
* **upgrade_version**: of the known fixes above the installed version, in the same namespace, channel and build, that
  with the fewest problems left of all that were hit under the name; of these the smallest. For a version that cannot
  be ordered the highest of them. ``upgrade_clears`` says whether it clears this problem.
* **state**: ``fixed`` if there is a fixed_version; else what the best-ranked matching record says, the more
  specific word winning a tie, and a bare ``fixed`` without a usable version counting as ``affected``.
* **severity**: for OS packages the distribution's rating of this very package, then its rating of the problem, NVD,
  other distributions (``_RATERS``), GHSA, anyone; for languages GHSA, NVD, who wrote the matching advisories,
  distributions, anyone, the record's own; Bitnami's own first. Of several ratings of one source the label that it
  states goes before one worked out from a vector, then CVSS v4 before v3.1, v3.0 and v2, then the higher score. A
  rating without a label gets one by its score. A package that is itself the attack (``MAL-``) is critical whatever
  else is said.
* **score, vector**: from the rating that gave the severity if it has a score, else from the next that has.
* **epss, epss_date**: the highest score of any id of the problem and its day; null where there is none.
* **ratings**: all of them, in the order of that choice, the distribution's of this very package first.
* **risk**: min(threat × severity × modifier, 1) × 100, rounded to two places, as Grype has it. Threat is 1 for
  what is in CISA's list, else ``epss``, else 0. Severity is a tenth of the mean of the label's middle
  (critical 9, high 7.5, medium and unknown 5, low 3, negligible 0.5) and of the mean of all CVSS base scores above 0;
  of the former alone if there are none. The modifier is 1.1 for ransomware, 1.05 for the rest of CISA's list, else 1.
* **title, url, dates**: of records that speak of this package first, by rank.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from grid.database import Database
from grid.schema import FINDINGS

COLUMNS = tuple(c.name for c in FINDINGS.columns if c.name not in ("match_id", "statements"))
SCHEMA: pa.Schema = FINDINGS.only(*COLUMNS)
"""What ``merge`` returns: FINDINGS without ``match_id`` and without what is said against findings."""


class Hits(Protocol):
    """The tables of ``grid.match.Hits`` that are read here (a sibling, hence not imported)."""

    @property
    def packages(self) -> pa.Table: ...
    @property
    def targets(self) -> pa.Table: ...
    @property
    def problems(self) -> pa.Table: ...
    @property
    def rows(self) -> pa.Table: ...
    @property
    def matched(self) -> pa.Table: ...


def merge(con: duckdb.DuckDBPyConnection, database: Database, hits: Hits) -> pa.Table:
    """One row per (package_id, namespace, channel, vuln_id), sorted by them, in ``SCHEMA``.

    Args:
        con: any DuckDB connection; works on a cursor of its own and leaves nothing behind.
        database: the database that the hits come from.
        hits: what ``grid.match.hits`` returned.
    """
    return pa.Table.from_batches(batches(con, database, hits), SCHEMA)


def batches(
    con: duckdb.DuckDBPyConnection, database: Database, hits: Hits, rows: int = 65_536
) -> Iterator[pa.RecordBatch]:
    """The rows of ``merge``, at most ``rows`` at a time: for estates whose findings do not fit in memory."""
    with con.cursor() as work:
        for name in ("packages", "targets", "problems", "rows", "matched"):
            work.register(f"{name}_in", getattr(hits, name))
        work.execute(_ROWS)
        work.execute(_CASES)
        work.execute(_FIXES)
        work.execute(_RATINGS, {"severities": database.parquet("severities"), "raters": _RATERS})
        work.execute(_PROBLEMS, {name: database.parquet(name) for name in ("advisories", "kev", "epss")})
        work.execute(_CASE_FACTS)
        work.execute(_OUTCOMES)
        work.execute(_UPGRADES)
        facts = work.sql(_FACTS).to_arrow_table().combine_chunks()
        # Only numbers are sorted; the wide columns, the same for all packages of a case, are picked afterwards.
        for outcome in work.sql(_SORTED).to_arrow_reader(rows):
            if outcome.num_rows:
                yield _widened(outcome, facts)


def _widened(outcome: pa.RecordBatch, facts: pa.Table) -> pa.RecordBatch:
    place, fixed = outcome["place"], outcome["fixed_version"]
    paid = _picked(facts["subscriber_fix"], place)
    columns = {
        "subscriber_fix": pc.if_else(pc.is_valid(fixed), pa.scalar(None, paid.type), paid),
        "package_id": outcome["package_id"],
        "fixed_version": fixed,
        "upgrade_version": outcome["upgrade_version"],
        "upgrade_clears": outcome["upgrade_clears"],
        "state": pc.if_else(pc.is_valid(fixed), "fixed", _picked(facts["unfixed_state"], place)),
    }
    return pa.RecordBatch.from_arrays(
        [columns[f.name] if f.name in columns else _picked(facts[f.name], place).cast(f.type) for f in SCHEMA],
        schema=SCHEMA,
    )


def _picked(column: pa.ChunkedArray, place: pa.Array) -> pa.Array:
    taken = column.take(place)
    return taken.chunk(0) if taken.num_chunks == 1 else taken.combine_chunks()


_RATERS = [
    "red hat", "debian", "ubuntu", "alpine", "amazon linux", "oracle linux", "suse", "opensuse", "photon os",
    "arch linux", "almalinux", "rocky linux", "azure linux",
]  # fmt: skip
"""Distributions as raters, in the order in which they are believed where neither the own one nor the NVD rated."""

_ROWS = """
CREATE TEMP TABLE records AS
SELECT *,
    CASE
        WHEN source <> 'osv' THEN 0 WHEN advisory_id LIKE 'GHSA-%' THEN 1 WHEN advisory_id LIKE 'CVE-%' THEN 3 ELSE 2
    END AS rank
FROM rows_in
"""

# A case is a distinct set of rows that some target of a problem hit. Targets are many and cases few, so all
# that does not depend on the installed version is worked out per case.
_CASES = """
CREATE TEMP TABLE found AS
SELECT m.target_id, r.problem_id, list_sort(list(m.row_id)) AS row_ids
FROM matched_in m JOIN records r USING (row_id) GROUP BY ALL;
CREATE TEMP TABLE cases AS
SELECT row_number() OVER () AS case_id, problem_id, row_ids
FROM (SELECT DISTINCT problem_id, row_ids FROM found);
CREATE TEMP TABLE case_records AS
SELECT c.case_id, r.* FROM (SELECT case_id, unnest(row_ids) AS row_id FROM cases) c JOIN records r USING (row_id)
"""

# Sorted by key, each fix serves the installed versions from the fix below it up to itself: as half-open spans
# the choice is a plain join. `clear_fixes` clear the whole problem, `record_fixes` their own record only.
_FIXES = """
CREATE TEMP TABLE offers AS
SELECT problem_id, source, advisory_id, fixed_key AS key, min_by(fixed, (rank, length(fixed), fixed)) AS fixed,
    min(rank) AS rank
FROM records WHERE fixed_key IS NOT NULL GROUP BY ALL;

CREATE TEMP TABLE tainted AS
SELECT DISTINCT o.problem_id, o.key, r.source, r.advisory_id
FROM offers o JOIN records r USING (problem_id)
WHERE r.version = o.fixed OR (r.version IS NULL AND r.lo <= o.key AND (r.hi IS NULL OR o.key < r.hi));

CREATE TEMP TABLE clear_fixes AS
SELECT problem_id, key, fixed,
    lag(key) OVER span AS above, lead(key) OVER span IS NULL AS highest
FROM (
    SELECT problem_id, key, min_by(fixed, (rank, length(fixed), fixed)) AS fixed
    FROM offers ANTI JOIN tainted USING (problem_id, key) GROUP BY ALL
)
WINDOW span AS (PARTITION BY problem_id ORDER BY key);

CREATE TEMP TABLE record_fixes AS
SELECT problem_id, source, advisory_id, rank, key, fixed,
    lag(key) OVER span AS above, lead(key) OVER span IS NULL AS highest
FROM offers ANTI JOIN tainted USING (problem_id, key, source, advisory_id)
WINDOW span AS (PARTITION BY problem_id, source, advisory_id ORDER BY key)
"""

_RATINGS = """
CREATE TEMP TABLE ratings AS
WITH wanted AS (
    SELECT DISTINCT vuln_id, system, lower(split_part(namespace, ':', 1)) AS family FROM problems_in
),
spoken AS (
    SELECT DISTINCT p.vuln_id, p.system, lower(split_part(p.namespace, ':', 1)) AS family, r.advisory_id
    FROM records r JOIN problems_in p USING (problem_id)
),
rated AS (
    SELECT w.vuln_id, w.system, w.family, s.source, s.score, s.vector, s.advisory_id,
        CASE
            WHEN s.label IS NOT NULL THEN s.label
            WHEN s.score IS NULL THEN NULL
            WHEN s.score >= 9 THEN 'critical'
            WHEN s.score >= 7 THEN 'high'
            WHEN s.score >= 4 THEN 'medium'
            WHEN s.score > 0 THEN 'low'
            ELSE 'negligible'
        END AS label,
        CASE
            WHEN s.source = w.family THEN 0
            WHEN s.source = 'nvd' THEN CASE WHEN w.system THEN 1 ELSE 2 END
            WHEN s.source = 'ghsa' THEN CASE WHEN w.system THEN 50 ELSE 1 END
            WHEN NOT w.system AND k.advisory_id IS NOT NULL THEN 3
            ELSE 4 + coalesce(list_position($raters, s.source) - 1, 90)
        END AS precedence,
        CASE
            WHEN s.vector IS NULL AND s.label IS NOT NULL THEN -1
            WHEN s.vector LIKE 'CVSS:4%' THEN 0
            WHEN s.vector LIKE 'CVSS:3.1%' THEN 1
            WHEN s.vector LIKE 'CVSS:3%' THEN 2
            ELSE 3
        END AS scheme
    FROM wanted w JOIN read_parquet($severities) s USING (vuln_id)
    LEFT JOIN spoken k ON k.vuln_id = w.vuln_id AND k.system = w.system AND k.family = w.family
        AND k.advisory_id = s.advisory_id
),
ordered AS (
    SELECT *, (precedence, scheme, coalesce(-score, 1),
        coalesce(list_position(['critical', 'high', 'medium', 'low', 'negligible'], label), 9), source, advisory_id,
        coalesce(vector, '')) AS place
    FROM rated
)
SELECT vuln_id, system, family,
    min_by({'label': label, 'source': source, 'score': score, 'vector': vector}, place)
        FILTER (label IS NOT NULL AND label <> 'unknown') AS chosen,
    min_by({'score': score, 'vector': vector}, place) FILTER (score IS NOT NULL) AS scored,
    list({'source': source, 'severity': label, 'score': score, 'vector': vector} ORDER BY place) AS ratings,
    avg(score) FILTER (score > 0) AS mean_score
FROM (SELECT vuln_id, system, family, label, source, score, vector, min(place) AS place FROM ordered GROUP BY ALL)
GROUP BY ALL
"""

# True of a problem wherever it is installed. Records that speak of this package go before the rest of the
# alias group, whose titles are better than none (Alpine's secdb has none); aliases are those that they state.
_PROBLEMS = """
CREATE TEMP TABLE problem_facts AS
WITH exploited AS (
    SELECT cve_id, min(due_date) AS due_date, bool_or(ransomware) AS ransomware FROM read_parquet($kev) GROUP BY cve_id
),
likely AS (
    SELECT cve_id, max(score) AS score, max_by(date, (score, date)) AS date FROM read_parquet($epss) GROUP BY cve_id
),
wanted AS (SELECT DISTINCT vuln_id FROM problems_in),
members AS (
    SELECT a.*,
        CASE
            WHEN source <> 'osv' THEN 0 WHEN advisory_id LIKE 'GHSA-%' THEN 1 WHEN advisory_id LIKE 'CVE-%' THEN 3
            ELSE 2
        END AS rank
    FROM read_parquet($advisories) a SEMI JOIN wanted USING (vuln_id)
),
speaking AS (SELECT DISTINCT problem_id, source, advisory_id FROM records),
told AS (
    SELECT p.problem_id, m.* EXCLUDE (rank), s.problem_id IS NOT NULL AS speaks,
        (s.problem_id IS NULL, m.rank, m.advisory_id, m.source) AS place
    FROM problems_in p JOIN members m USING (vuln_id)
    LEFT JOIN speaking s ON s.problem_id = p.problem_id AND s.source = m.source AND s.advisory_id = m.advisory_id
),
ids AS (
    SELECT DISTINCT problem_id, vuln_id, unnest(aliases) AS id FROM told WHERE speaks
    UNION
    SELECT problem_id, vuln_id, vuln_id FROM problems_in
),
named AS (
    SELECT problem_id, coalesce(list(id ORDER BY id) FILTER (id <> vuln_id), []) AS aliases,
        bool_or(ids.id LIKE 'MAL-%') AS malicious, bool_or(exploited.cve_id IS NOT NULL) AS kev,
        min(exploited.due_date) AS kev_due_date,
        bool_or(exploited.ransomware) AS kev_ransomware, max(likely.score) AS epss,
        max_by(likely.date, (likely.score, likely.date)) AS epss_date
    FROM ids LEFT JOIN likely ON likely.cve_id = ids.id LEFT JOIN exploited ON exploited.cve_id = ids.id
    GROUP BY problem_id
),
stories AS (
    SELECT problem_id,
        min_by(title, place) FILTER (title <> '') AS title,
        min_by(url, place) FILTER (speaks AND url <> '') AS url,
        coalesce(min(published) FILTER (speaks), min(published)) AS published,
        coalesce(max(modified) FILTER (speaks), max(modified)) AS modified,
        max(status) AS cve_status
    FROM told GROUP BY problem_id
)
SELECT p.problem_id, p.namespace, p.channel, p.vuln_id, p.system, n.* EXCLUDE (problem_id), s.title, s.published,
    s.modified, s.cve_status,
    coalesce(s.url, CASE
        WHEN p.vuln_id LIKE 'CVE-%' THEN 'https://nvd.nist.gov/vuln/detail/' || p.vuln_id
        WHEN p.vuln_id LIKE 'GHSA-%' THEN 'https://github.com/advisories/' || p.vuln_id
        ELSE 'https://osv.dev/vulnerability/' || p.vuln_id
    END) AS url,
    r.chosen, r.scored, r.ratings, r.mean_score, lower(split_part(p.namespace, ':', 1)) AS family
FROM problems_in p JOIN named n USING (problem_id) LEFT JOIN stories s USING (problem_id)
LEFT JOIN ratings r
    ON r.vuln_id = p.vuln_id AND r.system = p.system AND r.family = lower(split_part(p.namespace, ':', 1))
"""

_CASE_FACTS = """
CREATE TEMP TABLE case_facts AS
WITH labels AS (
    SELECT unnest(['critical', 'high', 'medium', 'low', 'negligible']) AS label, unnest([0, 1, 2, 3, 4]) AS grade
),
words AS (
    SELECT unnest(['will_not_fix', 'end_of_life', 'fix_deferred', 'under_investigation', 'affected', 'fixed',
        'unknown']) AS state, unnest([0, 1, 2, 3, 4, 5, 6]) AS vagueness
),
told AS (
    SELECT c.case_id, c.problem_id,
        list_sort(list_distinct(list_concat(list(advisory_id), list(c.erratum)))) AS advisories,
        min_by(c.state, (rank, coalesce(vagueness, 6), c.state)) AS state,
        min_by(introduced, (rank, advisory_id, lo)) FILTER (introduced IS NOT NULL) AS introduced,
        min_by(subscriber_fix, (rank, advisory_id)) FILTER (subscriber_fix IS NOT NULL) AS subscriber_fix,
        min_by({'label': severity, 'source': source}, (rank, grade, source)) FILTER (grade IS NOT NULL) AS rated
    FROM case_records c LEFT JOIN labels l ON l.label = c.severity LEFT JOIN words w ON w.state = c.state
    GROUP BY ALL
),
decided AS (
    SELECT t.case_id, t.advisories, t.introduced, t.subscriber_fix, p.*,
        CASE WHEN t.state = 'fixed' THEN 'affected' ELSE t.state END AS unfixed_state,
        CASE WHEN t.rated.source = 'osv' AND p.system THEN p.family ELSE t.rated.source END AS package_source,
        t.rated.label AS package_label,
        t.rated.label IS NOT NULL AND (p.system OR p.chosen IS NULL) AS by_package
    FROM told t JOIN problem_facts p USING (problem_id)
),
rated AS (
    SELECT * EXCLUDE (chosen, scored, ratings, package_source, package_label, by_package),
        CASE
            WHEN malicious THEN 'critical' WHEN by_package THEN package_label ELSE coalesce(chosen.label, 'unknown')
        END AS severity,
        CASE
            WHEN malicious THEN 'malicious-packages' WHEN by_package THEN package_source ELSE chosen.source
        END AS severity_source,
        CASE WHEN NOT by_package AND chosen.score IS NOT NULL THEN chosen.score ELSE scored.score END AS score,
        CASE WHEN NOT by_package AND chosen.score IS NOT NULL THEN chosen.vector ELSE scored.vector END AS vector,
        CASE
            WHEN package_label IS NULL OR list_contains(list_transform(ratings, lambda r: [r.source, r.severity]),
                [package_source, package_label]) THEN coalesce(ratings, [])
            ELSE list_prepend({'source': package_source, 'severity': package_label, 'score': NULL::DOUBLE,
                'vector': NULL::VARCHAR}, coalesce(ratings, []))
        END AS ratings
    FROM decided
),
weighed AS (
    SELECT *, CASE severity WHEN 'critical' THEN 9 WHEN 'high' THEN 7.5 WHEN 'low' THEN 3 WHEN 'negligible' THEN 0.5
            ELSE 5 END AS middle,
        CASE WHEN kev THEN 1 ELSE coalesce(epss, 0) END AS threat,
        CASE WHEN kev_ransomware THEN 1.1 WHEN kev THEN 1.05 ELSE 1 END AS modifier
    FROM rated
)
SELECT * EXCLUDE (mean_score, middle, threat, modifier),
    round(least(threat * (middle + coalesce(mean_score, middle))::DOUBLE / 20 * modifier, 1) * 100, 2) AS risk
FROM weighed
"""

# Where one record knows no fix, another's counts: they are two opinions of one thing. Chainguard's are not: each is of
# a component of the package, and as long as one is not fixed, the package is not.
_OUTCOMES = """
CREATE TEMP TABLE versions AS
SELECT f.target_id, f.problem_id, c.case_id, t.key
FROM found f JOIN cases c USING (problem_id, row_ids) JOIN targets_in t USING (target_id);

CREATE TEMP TABLE cleared AS
SELECT v.*, f.fixed
FROM versions v LEFT JOIN clear_fixes f
    ON f.problem_id = v.problem_id
    AND CASE WHEN v.key IS NULL THEN f.highest ELSE v.key < f.key AND (f.above IS NULL OR f.above <= v.key) END;

CREATE TEMP TABLE eased AS
SELECT v.target_id, v.case_id, min_by(f.fixed, (f.rank, f.key, f.source, f.advisory_id)) AS fixed
FROM cleared v
JOIN (SELECT DISTINCT case_id, source, advisory_id FROM case_records) c USING (case_id)
JOIN record_fixes f ON f.problem_id = v.problem_id AND f.source = c.source AND f.advisory_id = c.advisory_id
    AND CASE WHEN v.key IS NULL THEN f.highest ELSE v.key < f.key AND (f.above IS NULL OR f.above <= v.key) END
JOIN problems_in p ON p.problem_id = v.problem_id AND p.namespace NOT IN ('Chainguard', 'Wolfi')
WHERE v.fixed IS NULL
GROUP BY ALL;

CREATE TEMP TABLE outcomes AS
SELECT v.target_id, v.case_id, coalesce(v.fixed, e.fixed) AS fixed_version
FROM cleared v LEFT JOIN eased e USING (target_id, case_id)
"""

# Candidates are the fixes of all problems of one name, `standing` the problems that a candidate still has. The window
# finds the best candidate from each upwards, so that an installed version needs only the first above it.
_UPGRADES = """
CREATE TEMP TABLE candidate_fixes AS
SELECT name_id, fixed_key AS key, min_by(fixed, (rank, length(fixed), fixed)) AS fixed
FROM records JOIN problems_in USING (problem_id) WHERE fixed_key IS NOT NULL GROUP BY ALL;

CREATE TEMP TABLE standing AS
SELECT DISTINCT c.name_id, c.key, r.problem_id
FROM candidate_fixes c JOIN problems_in p USING (name_id) JOIN records r USING (problem_id)
WHERE r.version = c.fixed OR (r.version IS NULL AND r.lo <= c.key AND (r.hi IS NULL OR c.key < r.hi));

CREATE TEMP TABLE best_fixes AS
WITH counted AS (
    SELECT c.name_id, c.key, c.fixed, count(s.problem_id) AS problems
    FROM candidate_fixes c LEFT JOIN standing s USING (name_id, key) GROUP BY ALL
)
SELECT name_id, key, lag(key) OVER span AS above,
    min({'problems': problems, 'key': key, 'fixed': fixed}) OVER (
        PARTITION BY name_id ORDER BY key ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING) AS best,
    first_value({'problems': problems, 'key': key, 'fixed': fixed}) OVER (
        PARTITION BY name_id ORDER BY problems, key DESC ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)
        AS highest,
    lead(key) OVER span IS NULL AS last
FROM counted WINDOW span AS (PARTITION BY name_id ORDER BY key);

CREATE TEMP TABLE upgrades AS
SELECT t.target_id, t.name_id, CASE WHEN t.key IS NULL THEN b.highest ELSE b.best END AS best
FROM (SELECT DISTINCT v.target_id, v.key, p.name_id FROM versions v JOIN problems_in p USING (problem_id)) t
JOIN best_fixes b ON b.name_id = t.name_id
    AND CASE WHEN t.key IS NULL THEN b.last ELSE t.key < b.key AND (b.above IS NULL OR b.above <= t.key) END
"""

_FACTS = "SELECT * FROM case_facts ORDER BY case_id"

_SORTED = """
SELECT p.package_id, o.case_id - 1 AS place, o.fixed_version, u.best.fixed AS upgrade_version,
    CASE WHEN u.best IS NOT NULL THEN s.problem_id IS NULL END AS upgrade_clears
FROM outcomes o JOIN packages_in p USING (target_id) JOIN cases c USING (case_id) JOIN problems_in q USING (problem_id)
LEFT JOIN upgrades u ON u.target_id = o.target_id AND u.name_id = q.name_id
LEFT JOIN standing s ON s.name_id = q.name_id AND s.key = u.best.key AND s.problem_id = c.problem_id
ORDER BY p.package_id, c.problem_id
"""

"""The SQL of a match, statement by statement, in the order in which ``join`` and the package run them."""

from __future__ import annotations

from grid import ecosystems

REPOSITORIES = """
CASE WHEN os_namespace LIKE 'Red Hat:%' AND (len(content_sets) > 0 OR len(content_cpes) > 0)
THEN list_concat(coalesce(content_sets, []), coalesce(content_cpes, []))
WHEN os_namespace LIKE 'Ubuntu:%' AND len(pro_services) > 0 THEN pro_services END
"""
"""SQL: what the repositories of a row of ``chains`` are, as far as advisories of its distribution tell them apart."""

CHANNEL = "left(md5(array_to_string(list_sort(list_distinct({0})), chr(10))), 16)"
"""SQL: a list of repositories as the name of a channel, ``FINDINGS.channel``."""

PAIRS = "SELECT DISTINCT ecosystem, namespace FROM candidates WHERE namespace IS NOT NULL"

ORIGINS = """
SELECT DISTINCT c.ecosystem, c.namespace, c.origin, c.version
FROM candidates c JOIN schemes s USING (ecosystem, namespace) WHERE s.system
"""

FOREIGN = """
SELECT DISTINCT c.package_id, c.namespace, c.ecosystem, c.name, c.version, c.origin
FROM candidates c JOIN foreign_origins f
    ON f.ecosystem = c.ecosystem AND f.namespace = c.namespace AND f.version = c.version
    AND f.origin IS NOT DISTINCT FROM c.origin
ORDER BY ALL
"""

# Patterns that are constants are compiled once, those of a column for every row.
INERT = "CASE c.ecosystem {} ELSE false END".format(
    " ".join(f"WHEN '{e.name}' THEN regexp_full_match(c.name, '{e.inert}')" for e in ecosystems.ALL if e.inert)
)

PACKAGES = f"""
CREATE TEMP TABLE stated_packages AS
SELECT DISTINCT
    c.package_id, c.ecosystem, c.namespace, s.system, c.arch, c.modularity,
    CASE WHEN s.by_source THEN coalesce(nullif(c.source_name, ''), b.source, c.name) ELSE c.name END AS stated,
    CASE
        WHEN NOT s.epochs
            THEN regexp_replace(coalesce(nullif(c.source_version, ''), c.version), '^[0-9]+:', '')
        WHEN s.by_source THEN coalesce(nullif(c.source_version, ''), c.version)
        ELSE c.version
    END AS version,
    CASE WHEN s.system AND len(c.repositories) > 0 THEN {CHANNEL.format("c.repositories")} END AS channel,
    list_sort(list_distinct(c.repositories)) AS repositories,
    s.lender, CASE WHEN s.lender IS NOT NULL THEN c.name END AS binary_name,
    {INERT} AS inert
FROM candidates c JOIN schemes s USING (ecosystem, namespace)
LEFT JOIN read_parquet($binaries) b
    ON b.namespace = c.namespace AND b.name = c.name AND coalesce(c.source_name, '') = ''
ANTI JOIN foreign_origins f
    ON f.ecosystem = c.ecosystem AND f.namespace = c.namespace AND f.version = c.version
    AND f.origin IS NOT DISTINCT FROM c.origin
"""

NAMES = "SELECT DISTINCT ecosystem, stated FROM stated_packages"

CHANNELS = """
SELECT namespace, channel, any_value(repositories) AS repositories FROM stated_packages WHERE system GROUP BY ALL
UNION SELECT DISTINCT lender, NULL, NULL FROM stated_packages WHERE lender IS NOT NULL
"""

GATED = """
SELECT DISTINCT ecosystem, namespace FROM stated_packages WHERE system
UNION SELECT DISTINCT ecosystem, lender FROM stated_packages WHERE lender IS NOT NULL
"""

SPOKEN_CPES = """
SELECT DISTINCT namespace, unnest(cpes) FROM (
    SELECT DISTINCT namespace, cpes FROM read_parquet($ranges)
    WHERE cpes IS NOT NULL AND list_contains($namespaces, namespace)
)
"""

REPOSITORY_CPES = """
SELECT repository, cpe FROM read_parquet($known)
WHERE repository IN (SELECT unnest(repositories) FROM stated_packages)
"""

# Most packages of an estate have no advisory at all: dropping them here saves making keys for their versions.
LISTED = """
CREATE TEMP TABLE listed AS
WITH spoken AS (
    SELECT namespace, name, bool_or(arches IS NOT NULL) AS arched, bool_or(module IS NOT NULL) AS modular,
        bool_or(flavour IS NOT NULL) AS flavoured
    FROM read_parquet($ranges) GROUP BY namespace, name
    UNION ALL SELECT DISTINCT namespace, name, false, false, false FROM read_parquet($exact)
    UNION ALL
    SELECT DISTINCT p.namespace, p.stated, false, false, false
    FROM stated_packages p SEMI JOIN (
        SELECT namespace, name, bool_or(fixed IS NULL) AS unfixed FROM read_parquet($ranges)
        WHERE namespace IN (SELECT lender FROM stated_packages WHERE lender IS NOT NULL)
            AND (fixed IS NULL OR NOT contains(fixed, '.module'))
        GROUP BY ALL
    ) s ON s.namespace = p.lender AND s.name = p.binary_name
        AND (s.unfixed OR p.stated = p.binary_name OR p.lender = p.namespace)
)
SELECT row_number() OVER () AS listed_id, namespace, name, bool_or(arched) AS arched,
    bool_or(bool_or(modular)) OVER of_namespace AS modular, bool_or(bool_or(flavoured)) OVER of_namespace AS flavoured
FROM spoken SEMI JOIN (SELECT DISTINCT namespace FROM stated_packages) USING (namespace)
GROUP BY namespace, name WINDOW of_namespace AS (PARTITION BY namespace)
"""

# What rows may tell builds of one name apart by; '' where no row does, for most names have one kind of build.
TARGETS = """
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

VERSIONS = "SELECT DISTINCT ecosystem, version FROM bare_targets"

KEYED = "CREATE TEMP TABLE targets AS SELECT * FROM bare_targets JOIN versions USING (ecosystem, version)"

# A record that speaks of many problems (a DSA) becomes a row for each; a record that the advisories table
# does not know is its own problem: rather an unmerged finding than none. What is borrowed counts where the
# distribution itself says nothing: many errata of AlmaLinux's, as OSV has them, leave out the package that they are
# about. A borrowed fix is a version of the binary package, so a package that is matched as its source has none; and
# builds of modules are numbered by each build system for itself. Who borrows of itself has two names for a package,
# and what is said of either counts.
ROW = """
CREATE TEMP TABLE bare_rows AS
WITH names AS (
    SELECT DISTINCT n.*, t.ecosystem, t.system FROM targets t JOIN named n USING (name_id)
),
spoken AS (
    SELECT namespace, name, advisory_id, source, lo, hi, NULL::VARCHAR AS version, introduced, fixed, last_affected,
        state, severity, vuln_id, arches, module, flavour, cpes, subscriber_fix, erratum
    FROM read_parquet($ranges)
    UNION ALL
    SELECT namespace, name, advisory_id, source, NULL, NULL, version, NULL, fixed, NULL, state, severity, vuln_id,
        NULL, NULL, NULL, NULL, NULL, NULL
    FROM read_parquet($exact)
),
fitting AS (
    SELECT n.name_id, n.ecosystem, n.system, n.namespace AS own_namespace, n.name AS own_name, false AS borrowed,
        false AS second, g.allowed, n.arch, n.module AS own_module, n.modular, n.flavour AS own_flavour, s.*
    FROM spoken s JOIN names n USING (namespace, name)
    LEFT JOIN gates g ON g.namespace = n.namespace AND g.channel IS NOT DISTINCT FROM n.channel
    UNION ALL
    SELECT n.name_id, n.ecosystem, n.system, n.namespace, n.name, n.lender <> n.namespace, false, g.allowed,
        n.arch, n.module, n.modular, n.flavour, s.*
    FROM spoken s JOIN names n ON s.namespace = n.lender AND s.name = n.binary_name
    LEFT JOIN gates g ON g.namespace = n.lender AND g.channel IS NULL
    WHERE s.state <> 'not_affected'
        AND CASE WHEN n.lender = n.namespace THEN n.name <> n.binary_name
                 WHEN s.fixed IS NULL THEN s.state <> 'fixed'
                 ELSE n.name = n.binary_name AND NOT contains(s.fixed, '.module') END
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
        severity, vuln_id, subscriber_fix, CASE WHEN own_module <> '?' THEN erratum END AS erratum,
        cpes IS NOT NULL AND own_module <> '?' AND NOT borrowed AS by_product,
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

PROBLEMS = """
CREATE TEMP TABLE problems AS
SELECT row_number() OVER (ORDER BY namespace, vuln_id, name, name_id) AS problem_id, namespace, channel, name, vuln_id,
    system, name_id
FROM (SELECT DISTINCT namespace, name, vuln_id, system, name_id FROM bare_rows)
JOIN (SELECT name_id, channel FROM named) USING (name_id)
"""

NUMBERED = """
CREATE TEMP TABLE rows AS
SELECT row_number() OVER () AS row_id, p.problem_id, b.name_id, b.ecosystem, b.advisory_id, b.source, b.lo, b.hi,
    b.version, b.introduced, b.fixed, b.last_affected, b.state, b.severity, b.subscriber_fix, b.erratum, b.second
FROM bare_rows b JOIN problems p USING (name_id, vuln_id, system);
CREATE TEMP TABLE asked_twice AS SELECT DISTINCT problem_id FROM rows WHERE second
"""

MATCHED = """
CREATE TEMP TABLE matched AS
SELECT t.target_id, r.row_id, r.problem_id, r.state, r.second
FROM targets t JOIN rows r USING (name_id, ecosystem)
WHERE r.version IS NULL AND r.lo <= t.key AND (r.hi IS NULL OR t.key < r.hi)
UNION ALL
SELECT t.target_id, r.row_id, r.problem_id, r.state, r.second
FROM targets t JOIN rows r USING (name_id, ecosystem, version)
"""

DECIDE = """
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

HIT_ROWS = """
CREATE TEMP TABLE hit_rows AS
SELECT r.* FROM rows r SEMI JOIN (SELECT DISTINCT problem_id FROM hit) USING (problem_id)
LEFT JOIN asked_twice a USING (problem_id)
WHERE r.state <> 'not_affected' AND (a.problem_id IS NULL OR r.second)
"""

FIXED_TEXTS = """
SELECT DISTINCT ecosystem, fixed AS version
FROM hit_rows WHERE fixed IS NOT NULL AND (version IS NOT NULL OR last_affected IS NOT NULL)
"""

ROWS = """
SELECT r.row_id, r.problem_id, r.advisory_id, r.source, r.lo, r.hi, r.version, r.introduced, r.fixed,
    CASE
        WHEN r.fixed IS NULL THEN NULL
        WHEN r.version IS NULL AND r.last_affected IS NULL THEN r.hi
        ELSE f.key
    END AS fixed_key,
    r.state, r.severity, r.subscriber_fix, r.erratum
FROM hit_rows r LEFT JOIN fixed_texts f ON f.ecosystem = r.ecosystem AND f.version = r.fixed
"""

UNPARSED = """
SELECT p.package_id, t.namespace, t.ecosystem, t.name, t.version, t.message
FROM targets t JOIN packages p USING (target_id) WHERE t.key IS NULL ORDER BY ALL
"""

# Versions listed one by one (in `exact`, or as ranges of one version) are one line, however many they are.
EXPLAIN = """
WITH judged AS (
    SELECT t.* EXCLUDE (name_id, ecosystem, system), r.* EXCLUDE (name_id, ecosystem, version),
        r.version IS NOT NULL OR coalesce(r.introduced = r.last_affected, false) AS single,
        m.row_id IS NOT NULL AS contained
    FROM targets t JOIN rows r USING (name_id, ecosystem) LEFT JOIN matched m USING (target_id, row_id)
),
lines AS (
    SELECT target_id, namespace, name, version, inert, key, message, problem_id, advisory_id, source, state,
        lo, hi, introduced, fixed, last_affected, erratum, contained, NULL::BIGINT AS listed
    FROM judged WHERE NOT single
    UNION ALL
    SELECT target_id, namespace, name, version, inert, key, message, problem_id, advisory_id, source, state,
        NULL, NULL, NULL, min(fixed) FILTER (contained), NULL, NULL, bool_or(contained), count(*)
    FROM judged WHERE single GROUP BY ALL
)
SELECT l.*, p.vuln_id, d.problem_id IS NOT NULL AS denied
FROM lines l JOIN problems p USING (problem_id)
LEFT JOIN denied d ON d.target_id = l.target_id AND d.problem_id = l.problem_id
ORDER BY l.target_id, p.vuln_id, l.source, l.advisory_id, l.lo NULLS LAST, l.hi NULLS LAST, l.state
"""

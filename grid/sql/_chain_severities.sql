-- Distinct problems of each chain by their worst severity, and apart from them those suppressed wherever they occur.
-- Where nothing is excepted and nothing said, they are summed up once a layer (`sums`); the rest (`odd`) is decided row by
-- row as in `_chain_findings`. All in small numbers: a lake of a million images is counted in seconds only so.
-- `who`: a chain in a sweep under a profile. `risk`: in hundredths. `bits`: 1 exploited, 2 fixable, 4 from the base image, then
-- one for each severity from 8, critical, to 256, unknown, 512 for what is suppressed, and 1024 for what only
-- packages of lock files have, which no other count has: the lowest is the worst.
WITH {shared:image_chains,_squashes,_tops,_chains,_profiles,_chain_profiles,_origins,_chain_visible,_found,_verdicts}
sorts AS MATERIALIZED (
  SELECT sweep_id, ck, profile, (row_number() OVER ())::UINTEGER AS who
  FROM (SELECT s.sweep_id, s.ck, unnest(list_prepend(0, p.profiles)) AS profile
        FROM {_tops} s LEFT JOIN {_chain_profiles} p USING (ck))
), places AS MATERIALIZED (
  SELECT w.who, w.profile, w.sweep_id, v.lk, v.judged_by, v.off, v.told, v.rk, v.n, v.base_layers,
         CASE WHEN v.n <= v.base_layers THEN 4 ELSE 0 END::USMALLINT AS base
  FROM {_chain_visible} v JOIN sorts w USING (ck)
), problems AS (
  SELECT sweep_id, package_id, system, decision, (100 * risk)::USMALLINT AS risk,
         (dense_rank() OVER (ORDER BY vuln_id))::UINTEGER AS problem,
         (kev::UTINYINT + 2 * (fixed_version IS NOT NULL)::UTINYINT
          + CASE severity WHEN 'critical' THEN 8 WHEN 'high' THEN 16 WHEN 'medium' THEN 32 WHEN 'low' THEN 64
              WHEN 'negligible' THEN 128 ELSE 256 END)::USMALLINT AS bits
  FROM {_found}
), facts AS MATERIALIZED (
  SELECT f.sweep_id, p.lk, f.system, f.problem, f.decision, CASE WHEN NOT p.declared THEN f.risk END AS risk,
         CASE WHEN p.declared THEN 1024 ELSE f.bits END::USMALLINT AS bits, p.package_id, p.source_path,
         coalesce(p.found_as = 'sbom', false) AS sbom,
         f.decision IS NOT NULL OR o.path IS NOT NULL OR coalesce(p.found_as = 'sbom', false) AS odd
  FROM (SELECT *, {key:layer_digest} AS lk, coalesce(found_as = 'declared', false) AS declared FROM packages) p
  JOIN problems f ON f.package_id = p.package_id AND (f.system <> '') = (p.ecosystem IN {system})
  LEFT JOIN (SELECT DISTINCT package_id, path FROM {_origins}) o ON o.package_id = p.package_id AND o.path = p.source_path
  WHERE p.found_as IS DISTINCT FROM 'sbom' OR p.ecosystem NOT IN {system}
), sums AS (
  SELECT sweep_id, lk, system, problem, bit_or(bits) AS bits, max(risk) AS risk FROM facts WHERE NOT odd GROUP BY ALL
), odd AS (
  SELECT p.who, p.profile, p.rk, p.n, p.base_layers, p.off, p.told, t.* FROM places p JOIN facts t
    ON t.lk = p.lk AND t.sweep_id = p.sweep_id AND t.system IN ('', p.judged_by) WHERE t.odd
  UNION ALL
  SELECT p.who, p.profile, p.rk, p.n, p.base_layers, p.off, p.told, t.* FROM places p JOIN facts t
    ON t.lk = p.lk AND t.sweep_id = p.sweep_id AND t.system IN ('', p.judged_by) WHERE NOT t.odd AND p.off IS NOT NULL
), decided AS MATERIALIZED (
  SELECT p.who, p.problem, p.risk, p.bits,
         CASE WHEN p.decision IS NULL THEN false ELSE len(list_filter(
           coalesce(list_filter(v.places, lambda x: x.profile = p.profile)[1].choices, v.elsewhere),
           lambda c: c.paths IS NULL OR len(list_filter(c.paths, lambda g: p.source_path GLOB g)) > 0)) > 0 END AS suppressed,
         CASE WHEN coalesce(o.n, p.n) <= p.base_layers THEN 4 ELSE 0 END::USMALLINT AS base
  FROM odd p
  LEFT JOIN {_origins} o ON o.mk = p.rk AND o.package_id = p.package_id AND o.path = p.source_path
  LEFT JOIN {_verdicts} v ON v.decision = p.decision
  WHERE (p.off IS NULL OR NOT list_contains(p.off, p.source_path))
    AND (NOT p.sbom OR p.told IS NULL OR NOT list_contains(p.told, p.package_id))
), worst AS (
  SELECT who, problem, bit_or(bits) AS bits, max(risk) AS risk
  FROM (
    SELECT p.who, s.problem, CASE WHEN s.bits < 1024 OR s.bits & 504 > 0 THEN s.bits | p.base ELSE s.bits END AS bits, s.risk
    FROM places p JOIN sums s ON s.lk = p.lk AND s.sweep_id = p.sweep_id AND s.system IN ('', p.judged_by) WHERE p.off IS NULL
    UNION ALL
    SELECT who, problem, CASE WHEN bits = 1024 THEN CASE WHEN suppressed THEN 0 ELSE 1024 END
      WHEN suppressed THEN 512 | (bits & 1) ELSE bits | base END, risk FROM decided
  ) GROUP BY who, problem
), findings AS (
  SELECT who, sum(n)::BIGINT AS findings
  FROM (
    SELECT p.who, s.n
    FROM places p JOIN (SELECT sweep_id, lk, system, count(*) AS n FROM facts WHERE NOT odd AND bits < 1024 GROUP BY ALL) s
      ON s.lk = p.lk AND s.sweep_id = p.sweep_id AND s.system IN ('', p.judged_by) WHERE p.off IS NULL
    UNION ALL
    SELECT who, count(*) FROM decided WHERE NOT suppressed AND bits < 1024 GROUP BY who
  ) GROUP BY who
)
SELECT s.sweep_id, {chain:s.ck,s.profile} AS ck, c.* EXCLUDE (who, risk, risk_total), coalesce(f.findings, 0) AS findings,
       c.risk / 100 AS risk, c.risk_total / 100 AS risk_total
FROM (
  SELECT who, count(*) FILTER (shown) AS vulnerabilities, count(*) FILTER (bits & 8 > 0) AS critical,
         count(*) FILTER (bits & 24 = 16) AS high, count(*) FILTER (bits & 56 = 32) AS medium,
         count(*) FILTER (bits & 120 = 64) AS low, count(*) FILTER (bits & 248 = 128) AS negligible,
         count(*) FILTER (bits & 504 = 256) AS unknown, count(*) FILTER (bits & 2 > 0) AS fixable,
         count(*) FILTER (bits & 1 > 0 AND shown) AS kev, count(*) FILTER (bits & 4 > 0) AS base,
         count(*) FILTER (NOT shown AND bits & 512 > 0) AS suppressed, count(*) FILTER (NOT shown AND bits & 1536 = 1024) AS declared,
         max(risk) FILTER (shown) AS risk, sum(risk) FILTER (shown) AS risk_total
  FROM (SELECT *, bits & 504 > 0 AS shown FROM worst) GROUP BY who
) c JOIN sorts s USING (who) LEFT JOIN findings f USING (who)

-- Distinct problems of each chain by their worst severity, and apart from them those suppressed wherever they occur.
-- What nothing is said of, in any chain, is summed up once a layer (`sums`), in numbers; the rest (`odd`) is decided row by
-- row as in `_chain_findings`. A lake of a million images is counted in seconds only so.
-- `flags`: 1 exploited, 2 fixable, 4 from the base image.
WITH places AS MATERIALIZED (
  SELECT {chain:v.ck,v.profile} AS ck, v.* EXCLUDE (ck), CASE WHEN n <= base_layers THEN 4 ELSE 0 END::UTINYINT AS base
  FROM (SELECT v.ck, v.lk, v.judged_by, v.off, v.told, v.rk, v.n, v.base_layers, unnest(list_prepend(0, c.profiles)) AS profile
        FROM {_chain_visible} v LEFT JOIN {_chain_profiles} c ON c.ck = v.ck) v
), facts AS MATERIALIZED (
  SELECT md5_number_lower(f.sweep_id) AS sk, p.lk, f.system, md5_number_lower(f.vuln_id) AS vk,
         f.decision, f.risk, p.package_id, p.source_path, p.found_as = 'sbom' AS sbom,
         f.kev::UTINYINT AS exploited, 2 * (f.fixed_version IS NOT NULL)::UTINYINT AS fixable,
         CASE f.severity WHEN 'critical' THEN 1 WHEN 'high' THEN 2 WHEN 'medium' THEN 3 WHEN 'low' THEN 4 WHEN 'negligible' THEN 5
           ELSE 6 END::UTINYINT AS rank,
         f.decision IS NOT NULL OR x.path IS NOT NULL OR o.path IS NOT NULL OR coalesce(p.found_as = 'sbom', false) AS odd
  FROM (SELECT *, {key:layer_digest} AS lk FROM packages) p
  JOIN {_findings} f ON f.package_id = p.package_id AND (f.system <> '') = (p.ecosystem IN {system})
  LEFT JOIN (SELECT DISTINCT lk, unnest(off) AS path FROM places WHERE off IS NOT NULL) x ON x.lk = p.lk AND x.path = p.source_path
  LEFT JOIN (SELECT DISTINCT package_id, path FROM {_origins}) o ON o.package_id = p.package_id AND o.path = p.source_path
  WHERE p.found_as IS DISTINCT FROM 'sbom' OR p.ecosystem NOT IN {system}
), sums AS (
  SELECT sk, lk, system, vk, count(*)::UINTEGER AS n, bit_or(exploited | fixable) AS flags, max(risk) AS risk, min(rank) AS rank
  FROM facts WHERE NOT odd GROUP BY ALL
), kinds AS (
  SELECT *, judged_by AS system FROM places UNION ALL SELECT *, '' FROM places
), odd AS (
  SELECT t.sk, p.ck, t.vk,
         CASE WHEN t.decision IS NOT NULL AND len(list_filter(
                coalesce(list_filter(v.places, lambda x: x.profile = p.profile)[1].choices, v.elsewhere),
                lambda c: c.paths IS NULL OR len(list_filter(c.paths, lambda g: t.source_path GLOB g)) > 0)) > 0
              THEN 7 ELSE t.rank END::UTINYINT AS rank,
         t.exploited, t.fixable, CASE WHEN coalesce(o.n, p.n) <= p.base_layers THEN 4 ELSE 0 END::UTINYINT AS base, t.risk
  FROM kinds p JOIN (SELECT * FROM facts WHERE odd) t ON t.lk = p.lk AND t.system = p.system
  LEFT JOIN {_origins} o ON o.mk = p.rk AND o.package_id = t.package_id AND o.path = t.source_path
  LEFT JOIN {_verdicts} v ON v.decision = t.decision
  WHERE (p.off IS NULL OR NOT list_contains(p.off, t.source_path))
    AND (NOT coalesce(t.sbom, false) OR p.told IS NULL OR NOT list_contains(p.told, t.package_id))
), worst AS (
  SELECT sk, ck, vk, sum(n)::UINTEGER AS n, bit_or(flags) AS flags, max(risk) AS risk, min(rank) AS rank
  FROM (
    SELECT s.sk, p.ck, s.vk, s.n, s.flags | p.base AS flags, s.risk, s.rank
    FROM kinds p JOIN sums s ON s.lk = p.lk AND s.system = p.system
    UNION ALL
    SELECT sk, ck, vk, (rank < 7)::UINTEGER, exploited | CASE WHEN rank < 7 THEN fixable | base ELSE 0 END::UTINYINT, risk, rank FROM odd
  ) GROUP BY ALL
)
SELECT s.sweep_id, c.* EXCLUDE (sk)
FROM (
  SELECT sk, ck, count(*) FILTER (rank < 7) AS vulnerabilities, count(*) FILTER (rank = 1) AS critical,
         count(*) FILTER (rank = 2) AS high, count(*) FILTER (rank = 3) AS medium, count(*) FILTER (rank = 4) AS low,
         count(*) FILTER (rank = 5) AS negligible, count(*) FILTER (rank = 6) AS unknown,
         count(*) FILTER (flags & 2 > 0) AS fixable, count(*) FILTER (flags & 1 > 0 AND rank < 7) AS kev,
         count(*) FILTER (flags & 4 > 0) AS base, sum(n)::BIGINT AS findings, count(*) FILTER (rank = 7) AS suppressed,
         max(risk) FILTER (rank < 7) AS risk, sum(risk) FILTER (rank < 7) AS risk_total
  FROM worst GROUP BY sk, ck
) c JOIN (SELECT DISTINCT sweep_id, md5_number_lower(sweep_id) AS sk FROM matches) s ON s.sk = c.sk

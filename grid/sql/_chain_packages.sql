-- The packages of each chain that are matched: neither hidden nor owned, and told by an SBOM only if by no record of their
-- own. `system`: whose advisories apply to an OS package.
SELECT l.ck, l.rk, l.n, l.step, l.base_layers, p.*,
       CASE WHEN p.ecosystem IN {system} THEN l.judged_by ELSE '' END AS system
FROM {_chain_visible} l JOIN (SELECT *, {key:layer_digest} AS lk FROM packages) p ON p.lk = l.lk
WHERE (l.off IS NULL OR NOT list_contains(l.off, p.source_path))
  AND (p.found_as IS DISTINCT FROM 'sbom' OR (
    p.ecosystem NOT IN {system} AND (l.told IS NULL OR NOT list_contains(l.told, p.package_id))))

-- Findings of each chain of layers: what is neither hidden nor owned, system packages by their distribution's advisories.
SELECT p.ck, p.layer_digest, p.source_path, p.ecosystem, p.name AS package, p.version, p.arch, p.source_name,
       p.found_as,
       coalesce(o.layer, p.layer_digest) AS introduced_layer, nullif(coalesce(o.step, p.step), '') AS introduced_by,
       coalesce(o.n, p.n) <= p.base_layers AS from_base, f.*
FROM (
  SELECT l.ck, l.rk, l.n, l.step, l.base_layers, p.*,
         CASE WHEN p.ecosystem IN {system} THEN l.judged_by ELSE '' END AS system
  FROM {_chain_visible} l JOIN (SELECT *, {key:layer_digest} AS lk FROM packages) p ON p.lk = l.lk
  WHERE (l.off IS NULL OR NOT list_contains(l.off, p.source_path))
    AND (p.found_as IS DISTINCT FROM 'sbom' OR (
      p.ecosystem NOT IN {system} AND (l.told IS NULL OR NOT list_contains(l.told, p.package_id))))) p
JOIN {_findings} f ON f.package_id = p.package_id AND f.system = p.system
LEFT JOIN {_origins} o ON o.mk = p.rk AND o.package_id = p.package_id AND o.path = p.source_path

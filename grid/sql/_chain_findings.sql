-- Findings of each chain of layers: what is neither hidden nor owned, system packages by their distribution's advisories.
-- A chain has rows once more, under another key, for each profile of its images: other findings are suppressed there.
-- `suppressed` is the statement that does so, or null.
SELECT p.ck, p.layer_digest, p.source_path, p.ecosystem, p.name AS package, p.version, p.arch, p.source_name, p.source_version,
       p.found_as,
       coalesce(o.layer, p.layer_digest) AS introduced_layer, nullif(coalesce(o.step, p.step), '') AS introduced_by,
       coalesce(o.n, p.n) <= p.base_layers AS from_base, f.*,
       CASE WHEN f.decision IS NOT NULL THEN
         list_filter(coalesce(list_filter(v.places, lambda x: x.profile = p.profile)[1].choices, v.elsewhere),
                     lambda c: c.paths IS NULL OR len(list_filter(c.paths, lambda g: p.source_path GLOB g)) > 0)[1]
       END AS suppressed
FROM (
  SELECT {chain:l.ck,l.profile} AS ck, l.profile, l.rk, l.n, l.step, l.base_layers, p.*,
         CASE WHEN p.ecosystem IN {system} THEN l.judged_by ELSE '' END AS system
  FROM (SELECT v.*, unnest(list_prepend(0, c.profiles)) AS profile
        FROM {_chain_visible} v LEFT JOIN {_chain_profiles} c ON c.ck = v.ck) l
  JOIN (SELECT *, {key:layer_digest} AS lk FROM packages) p ON p.lk = l.lk
  WHERE (l.off IS NULL OR NOT list_contains(l.off, p.source_path))
    AND (p.found_as IS DISTINCT FROM 'sbom' OR (
      p.ecosystem NOT IN {system} AND (l.told IS NULL OR NOT list_contains(l.told, p.package_id))))) p
JOIN {_findings} f ON f.package_id = p.package_id AND f.system = p.system
LEFT JOIN {_origins} o ON o.mk = p.rk AND o.package_id = p.package_id AND o.path = p.source_path
LEFT JOIN {_verdicts} v ON v.decision = f.decision

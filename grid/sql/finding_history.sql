-- The life of every finding that an image has or had: a row per image, package name, problem and stretch of time. It goes by
-- the package's name, so an upgrade that does not mend it does not begin it anew. Ask with a `repository` in large lakes.
-- like: image_events, finding_events, findings
-- digest: the image manifest; of what was fixed by other layers, that with these
-- versions: of the package that are or were affected
-- status: `open`, `fixed` (by other layers or, as the database has it now, it never was one) or `removed` with the image
-- first_seen: the first match run that reported it
-- last_seen: the last one
-- fixed_at: the first one that did not any more, while the image was still there
-- severity: as last reported
WITH ended AS (
  SELECT l.image_id, l.registry, l.repository, l.tag, l.os, l.arch, l.digest, l.ecosystem, l.package, l.vuln_id, l.status,
         l.ended_in, min(l.first_seen) AS first_seen, list(DISTINCT l.version ORDER BY l.version) AS versions,
         min(l.package_id) AS package_id
  FROM {_lives} l
  WHERE l.status <> 'fixed' OR NOT EXISTS (
    SELECT 1 FROM {any:_chain_packages} p JOIN {_problem_spans} a ON a.package_id = p.package_id AND a.system = p.system
    WHERE p.ck = l.ck AND p.ecosystem = l.ecosystem AND p.name = l.package AND a.vuln_id = l.vuln_id
      AND a.from_match <= l.ended_in AND (a.to_match IS NULL OR a.to_match > l.ended_in))
  GROUP BY ALL
  UNION ALL BY NAME
  SELECT f.image_id, i.registry, i.repository, i.tag, i.os, i.arch, i.digest, f.ecosystem, f.package, f.vuln_id,
         'fixed' AS status, f.match_id AS ended_in, f.first_seen, [f.version] AS versions, f.package_id
  FROM finding_events f JOIN {_image_spans} i ON i.image_id = f.image_id AND i.from_match = f.match_id
  WHERE f.event = 'fixed'
)
SELECT e.registry, e.repository, e.tag, e.os, e.arch, e.digest, e.ecosystem, e.package, e.versions, e.vuln_id, v.severity,
       e.status, e.first_seen, coalesce(r.before, (SELECT max(matched_at) FROM {_runs})) AS last_seen,
       CASE WHEN e.status = 'fixed' THEN r.matched_at END AS fixed_at
FROM ended e
LEFT JOIN {_runs} r ON r.match_id = e.ended_in
LEFT JOIN (SELECT package_id, vuln_id, arg_max(severity, match_id) AS severity FROM {raw.findings} GROUP BY ALL) v
  ON v.package_id = e.package_id AND v.vuln_id = e.vuln_id

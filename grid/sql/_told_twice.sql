-- Packages that an SBOM names and that a record of their own tells as well, in the same chain: the record counts. A URL
-- writes Python's names in their canonical form; a program's package note names the source package, rpm's without epoch.
-- Most lakes have no such row: then no chain is looked at.
WITH named AS (
  SELECT {key:layer_digest} AS lk, source_path, package_id, ecosystem, version,
         regexp_replace(version, '^[0-9]+:', '') AS bare, lower(replace(replace(name, '_', '-'), '.', '-')) AS name
  FROM packages WHERE found_as = 'sbom'
), recorded AS (
  SELECT DISTINCT {key:p.layer_digest} AS lk, p.source_path, n.package_id
  FROM packages p JOIN named n ON n.ecosystem = p.ecosystem AND n.version = p.version
    AND n.name = lower(replace(replace(p.name, '_', '-'), '.', '-'))
  WHERE p.found_as IS NULL OR p.found_as NOT IN ('sbom', 'declared')
  UNION
  SELECT {key:p.layer_digest}, p.source_path, n.package_id
  FROM packages p JOIN named n ON n.ecosystem = p.ecosystem AND n.name = lower(replace(replace(p.source_name, '_', '-'), '.', '-'))
    AND n.bare = regexp_replace(coalesce(p.source_version, p.version), '^[0-9]+:', '')
  WHERE p.ecosystem IN {system} AND (p.found_as IS NULL OR p.found_as NOT IN ('sbom', 'declared'))
), mixed AS (
  SELECT ck, layers, members FROM {_chains}
  WHERE list_has_any(layers, (SELECT list(DISTINCT layer_digest) FROM packages WHERE found_as = 'sbom'))
), places AS (
  SELECT ck, {key:layer} AS lk FROM (SELECT ck, unnest(list_distinct(layers)) AS layer FROM mixed)
), hides AS (
  SELECT m.ck, {key:h.layer_digest} AS lk, list(h.path) AS paths
  FROM (SELECT ck, layers, unnest(members) AS member, generate_subscripts(members, 1) AS depth FROM mixed) m
  JOIN (SELECT * FROM {raw.hidden} SEMI JOIN {_squashes} USING (chain_id, squash_id) WHERE reason = 'hidden') h ON h.chain_id = m.member
  WHERE NOT list_contains(m.layers[m.depth + 1:], h.layer_digest)  -- there once more further up
  GROUP BY ALL
)
SELECT DISTINCT l.ck, l.lk, n.source_path, n.package_id, n.ecosystem
FROM places l JOIN named n ON n.lk = l.lk
JOIN (
  SELECT l.ck, r.package_id
  FROM places l JOIN recorded r ON r.lk = l.lk LEFT JOIN hides h ON h.ck = l.ck AND h.lk = l.lk
  WHERE h.paths IS NULL OR NOT list_contains(h.paths, r.source_path)) o ON o.ck = l.ck AND o.package_id = n.package_id
LEFT JOIN hides h ON h.ck = l.ck AND h.lk = l.lk
WHERE h.paths IS NULL OR NOT list_contains(h.paths, n.source_path)

-- Packages that an SBOM names and that a record of their own tells as well, in the same chain: the record counts. A URL
-- writes Python's names in their canonical form. Most lakes have no such row: then no package is read.
WITH named AS (
  SELECT {key:layer_digest} AS lk, source_path, package_id, ecosystem, version, lower(replace(replace(name, '_', '-'), '.', '-')) AS name
  FROM packages WHERE found_as = 'sbom'
), recorded AS (
  SELECT DISTINCT {key:p.layer_digest} AS lk, p.source_path, n.package_id
  FROM packages p JOIN named n ON n.ecosystem = p.ecosystem AND n.version = p.version
    AND n.name = lower(replace(replace(p.name, '_', '-'), '.', '-'))
  WHERE p.found_as IS NULL OR p.found_as NOT IN ('sbom', 'declared')
), hides AS (SELECT ck, lk, list(path) FILTER (hidden) AS paths FROM {_exceptions} GROUP BY ck, lk)
SELECT DISTINCT l.ck, l.lk, n.source_path, n.package_id
FROM {_chain_layers} l JOIN named n ON n.lk = l.lk
JOIN (
  SELECT l.ck, r.package_id
  FROM {_chain_layers} l JOIN recorded r ON r.lk = l.lk LEFT JOIN hides h ON h.ck = l.ck AND h.lk = l.lk
  WHERE h.paths IS NULL OR NOT list_contains(h.paths, r.source_path)) o ON o.ck = l.ck AND o.package_id = n.package_id
LEFT JOIN hides h ON h.ck = l.ck AND h.lk = l.lk
WHERE h.paths IS NULL OR NOT list_contains(h.paths, n.source_path)

-- The images that statements for some images only speak of: equal `profile`, equal statements. Patterns as in an estate:
-- the last that matches decides. A registry that goes by a name instead of its host is not compared.
SELECT i.sweep_id, i.registry, i.repository, i.tag, i.digest, list_sort(list(DISTINCT s.number)) AS numbers,
       md5_number_lower(any_value(s.match_id) || list_sort(list(DISTINCT s.number))::VARCHAR) AS profile
FROM {raw.images} i
JOIN (SELECT * FROM {_statements} WHERE scoped) s ON s.sweep_id = i.sweep_id
  AND (s.registry IS NULL OR i.registry = s.registry
       OR NOT regexp_full_match(i.registry, '([a-z0-9-]+[.])+[a-z0-9-]+(:[0-9]+)?|localhost(:[0-9]+)?|[a-z0-9-]+:[0-9]+'))
  AND (s.digest IS NULL OR s.digest IN (i.digest, i.ref_digest))
  AND (s.arch IS NULL OR i.arch = s.arch OR starts_with(i.arch, s.arch || '/'))
  AND {chosen:s}
WHERE i.digest IS NOT NULL
GROUP BY i.sweep_id, i.registry, i.repository, i.tag, i.digest

-- Packages (those of the distribution as `system` too), secrets, malware and notes of each chain: counted per layer, then
-- what is hidden is taken off, and of unmanaged programs what an OS package owns. `blind`: of the packages those of kinds that
-- some match had no advisories for, by kind (`matches.unlisted`); few, and which count is for who knows the match. `strange`: of
-- the distribution's those of other publishers, by name. `elsewhere`: packages of OS package managers of which only an SBOM, a
-- program or the database of another root tells.
WITH {shared:_told_twice,_chain_visible}
facts AS (
  SELECT {key:layer_digest} AS lk, source_path AS path,
         CASE WHEN ecosystem IN {unmanaged} OR found_as = 'binary' THEN 'unmanaged' WHEN found_as IN ('declared', 'sbom') THEN found_as ELSE 'packages' END AS kind,
         count(*) AS n, count(*) FILTER (ecosystem IN {system}) AS system
  FROM packages GROUP BY ALL
  UNION ALL
  SELECT {key:layer_digest}, source_path, CASE WHEN ecosystem IN {unmanaged} OR found_as = 'binary' THEN 'bare ' ELSE 'blind ' END || label, count(*), 0
  FROM (SELECT *, CASE WHEN ecosystem IN {unmanaged} THEN ecosystem || ':' || name ELSE ecosystem END AS label
        FROM packages WHERE ecosystem NOT IN {system} AND found_as IS DISTINCT FROM 'declared')
  SEMI JOIN (SELECT DISTINCT unnest(unlisted) AS label FROM matches) USING (label) GROUP BY ALL
  UNION ALL
  SELECT {key:layer_digest}, source_path, 'foreign ' || name, count(*), 0
  FROM packages SEMI JOIN (SELECT DISTINCT unnest(foreign_packages) AS package_id FROM matches) USING (package_id) GROUP BY ALL
  UNION ALL
  SELECT {key:layer_digest}, source_path, 'elsewhere', count(*), 0
  FROM packages WHERE found_as = 'sbom' AND ecosystem IN {system} GROUP BY ALL
  UNION ALL SELECT {key:layer_digest}, path, 'secrets', count(*), 0 FROM secrets GROUP BY ALL
  UNION ALL SELECT {key:layer_digest}, path, 'malware', count(*), 0 FROM malware GROUP BY ALL
  UNION ALL SELECT {key:layer_digest}, '', 'notes', count(*), 0 FROM notes GROUP BY ALL
), whole AS (
  SELECT l.ck, t.kind, sum(t.n) AS n, sum(t.system) AS system
  FROM {_chain_visible} l JOIN (SELECT lk, kind, sum(n) AS n, sum(system) AS system FROM facts GROUP BY ALL) t ON t.lk = l.lk
  GROUP BY ALL
), off AS (
  SELECT x.ck, t.kind, sum(t.n) AS n, sum(t.system) AS system
  FROM (SELECT ck, lk, coalesce(list_contains(hidden, path), false) AS hidden, path
        FROM (SELECT ck, lk, hidden, unnest(off) AS path FROM {_chain_visible})) x
  JOIN facts t ON t.lk = x.lk AND t.path = x.path AND t.kind <> 'notes' AND (x.hidden OR t.kind IN ('unmanaged', 'elsewhere') OR starts_with(t.kind, 'bare '))
  GROUP BY ALL
), minus AS (
  SELECT ck, kind, sum(n) AS n, sum(system) AS system
  FROM (SELECT * FROM off
        UNION ALL SELECT ck, 'sbom', sum(told_rows), 0 FROM {_chain_visible} WHERE told_rows IS NOT NULL GROUP BY ck
        UNION ALL
        SELECT t.ck, 'elsewhere', count(*), 0 FROM {_told_twice} t JOIN {_chain_visible} l ON l.ck = t.ck AND l.lk = t.lk
        WHERE t.ecosystem IN {system} AND (l.off IS NULL OR NOT list_contains(l.off, t.source_path)) GROUP BY t.ck) GROUP BY ALL
)
SELECT w.ck,
       (sum(w.n - coalesce(o.n, 0)) FILTER (w.kind IN ('packages', 'unmanaged', 'sbom')))::BIGINT AS packages,
       (sum(w.system - coalesce(o.system, 0)) FILTER (w.kind = 'packages'))::BIGINT AS system,
       (sum(w.n - coalesce(o.n, 0)) FILTER (w.kind = 'elsewhere'))::BIGINT AS elsewhere,
       (sum(w.n - coalesce(o.n, 0)) FILTER (w.kind = 'declared'))::BIGINT AS declared,
       (sum(w.n) FILTER (w.kind = 'secrets'))::BIGINT AS secrets,
       (sum(o.n) FILTER (w.kind = 'secrets'))::BIGINT AS secrets_hidden,
       (sum(w.n) FILTER (w.kind = 'malware'))::BIGINT AS malware,
       (sum(w.n) FILTER (w.kind = 'notes'))::BIGINT AS notes,
       list({'kind': split_part(w.kind, ' ', 2), 'n': (w.n - coalesce(o.n, 0))::BIGINT})
         FILTER (starts_with(w.kind, 'blind ') OR starts_with(w.kind, 'bare ')) AS blind,
       list({'name': w.kind[9:], 'n': (w.n - coalesce(o.n, 0))::BIGINT}) FILTER (starts_with(w.kind, 'foreign ')) AS strange
FROM whole w LEFT JOIN minus o ON o.ck = w.ck AND o.kind = w.kind
GROUP BY w.ck

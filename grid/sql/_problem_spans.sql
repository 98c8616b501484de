-- From which match run to which (null: it still is) the database reports a problem of a package, and what ended it.
SELECT package_id, vuln_id, since, match_id AS from_match, to_match, ended,
       CASE WHEN split_part(split_part(namespace, '|', 1), ':', 1) IN {system_osv} THEN namespace ELSE '' END AS system
FROM (SELECT *, lead(match_id) OVER life AS to_match, lead(event) OVER life AS ended FROM package_events
      WINDOW life AS (PARTITION BY package_id, namespace, vuln_id ORDER BY match_id))
WHERE event NOT IN ('gone', 'merged')

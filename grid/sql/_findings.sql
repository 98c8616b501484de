-- The findings of the newest match of each sweep. `system`: the distribution's namespace and channel; empty for languages.
SELECT m.sweep_id, m.matched_at, a.from_match, a.since AS known_since, f.*
FROM (SELECT *, md5_number_lower(match_id || statements::VARCHAR) AS decision,
             CASE WHEN split_part(namespace, ':', 1) IN {system_osv} THEN namespace || coalesce('|' || channel, '') ELSE '' END
               AS system
      FROM findings) f
JOIN matches m USING (match_id)
LEFT JOIN {_problem_spans} a
  ON a.package_id = f.package_id AND a.system = f.system AND a.vuln_id = f.vuln_id
  AND a.from_match <= f.match_id AND (a.to_match IS NULL OR a.to_match > f.match_id)
WHERE m.sweep_id IN (SELECT sweep_id FROM {sweeps})

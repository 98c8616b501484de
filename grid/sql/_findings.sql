-- The same with the time since which the database reports the problem.
SELECT a.from_match, a.since AS known_since, f.*
FROM {_found} f
LEFT JOIN {_problem_spans} a
  ON a.package_id = f.package_id AND a.system = f.system AND a.vuln_id = f.vuln_id
  AND a.from_match <= f.match_id AND (a.to_match IS NULL OR a.to_match > f.match_id)

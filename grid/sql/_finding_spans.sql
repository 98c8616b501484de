-- From which match run on (until the next row) what a change of an image's layers says of its findings counts.
SELECT image_id, package_id, vuln_id, first_seen, match_id AS from_match, r.matched_at AS told_at,
       lead(match_id) OVER (PARTITION BY image_id, package_id, vuln_id ORDER BY match_id) AS to_match
FROM finding_events JOIN {_runs} r USING (match_id) WHERE event <> 'fixed'

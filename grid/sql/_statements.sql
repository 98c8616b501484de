-- What is said against findings in the newest match of each sweep. `scoped`: only for some images.
SELECT m.sweep_id, s.*,
       coalesce(s.registry, s.digest, s.arch) IS NOT NULL OR s.repositories IS NOT NULL OR s.tags IS NOT NULL AS scoped
FROM {raw.statements} s JOIN matches m USING (match_id)
WHERE s.state = 'applies' AND m.sweep_id IN (SELECT sweep_id FROM {sweeps})

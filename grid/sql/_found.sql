-- The findings of the newest match of each sweep. `system`: the distribution's namespace and channel; empty for languages.
-- `decision`: the same where the same is said against findings; null where nothing is.
SELECT m.sweep_id, m.matched_at, f.*, md5_number_lower(f.match_id || f.statements::VARCHAR) AS decision,
       CASE WHEN split_part(f.namespace, ':', 1) IN {system_osv} THEN f.namespace || coalesce('|' || f.channel, '') ELSE '' END
         AS system
FROM findings f JOIN matches m USING (match_id)
WHERE m.sweep_id IN (SELECT sweep_id FROM {sweeps})

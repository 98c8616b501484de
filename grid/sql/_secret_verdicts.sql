-- The statements that may suppress a secret, in their order: it depends on the image whether one does.
SELECT t.rule_id, t.fingerprint, t.path,
       list({'sweep_id': s.sweep_id, 'by': s.kind || ' ' || s.origin, 'reason': s.reason, 'repositories': s.repositories,
             'tags': s.tags} ORDER BY s.number) AS said
FROM {_secret_statements} s
JOIN (SELECT DISTINCT rule_id, fingerprint, path FROM secrets) t
  ON len(list_filter(s.secrets, lambda p: t.rule_id GLOB p OR t.fingerprint = p)) > 0
  AND (s.paths IS NULL OR len(list_filter(s.paths, lambda g: t.path GLOB g)) > 0)
GROUP BY t.rule_id, t.fingerprint, t.path

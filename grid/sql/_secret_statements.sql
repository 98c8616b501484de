-- What the site said last against the secrets of each sweep.
SELECT *
FROM (SELECT *, said_at = max(said_at) OVER (PARTITION BY sweep_id) AS newest
      FROM {raw.secret_statements} WHERE sweep_id IN (SELECT sweep_id FROM {sweeps}))
WHERE newest AND state = 'applies'

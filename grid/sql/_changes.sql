-- Since when something is new: the first match of the sweep before the latest one; no row if there is none.
SELECT min(matched_at) AS since FROM {_runs}
WHERE sweep_id = (
  SELECT max(sweep_id) FROM {_runs}
  WHERE kind = (SELECT kind FROM latest_sweep) AND sweep_id < (SELECT sweep_id FROM latest_sweep))
HAVING min(matched_at) IS NOT NULL

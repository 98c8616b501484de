-- The sweep that the views without `sweep_` show: the newest one that has ended, an estate's before images named on
-- the command line; one that has not ended only if there is no other.
-- like: sweeps
SELECT * FROM sweeps
ORDER BY kind = 'sweep' DESC, finished_at IS NOT NULL DESC, started_at DESC, sweep_id DESC
LIMIT 1

-- The match runs of the history, each with the time of the one before it.
SELECT match_id, sweep_id, kind, matched_at, lag(matched_at) OVER (ORDER BY match_id) AS before FROM history

-- What went since the sweep before the latest one: fixed, or removed with its image (`status`).
-- like: finding_history
SELECT h.* FROM finding_history h JOIN {_changes} c ON h.status <> 'open' AND h.last_seen >= c.since

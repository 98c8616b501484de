-- Every match run, newest first: those that count for their sweep and those that do not any more.
-- like: matches, history
-- counts: whether the views of its sweep show it
-- in_history: whether the life of findings knows it
SELECT m.*, n.match_id IS NOT NULL AS counts, h.match_id IS NOT NULL AS in_history
FROM {raw.matches} m
LEFT JOIN (SELECT match_id FROM matches) n ON n.match_id = m.match_id
LEFT JOIN (SELECT match_id FROM history) h ON h.match_id = m.match_id
ORDER BY m.match_id DESC

-- Since when each image of the sweep is in the estate, as of the sweep's match.
SELECT m.sweep_id, s.image_id, s.hk, s.since
FROM (SELECT sweep_id, match_id FROM matches WHERE sweep_id IN (SELECT sweep_id FROM {sweeps})) m
JOIN {_image_spans} s ON s.from_match <= m.match_id AND (s.to_match IS NULL OR s.to_match > m.match_id)

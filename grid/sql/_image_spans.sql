-- From which match run to which (null: it still does) an image has these layers, and what ended it. `hk`: `image_id` if
-- there are events of its findings, else null: what is null costs no look-up.
SELECT i.*, {key:chain_id} AS ck, h.image_id AS hk
FROM (SELECT * EXCLUDE (match_id), match_id AS from_match, lead(match_id) OVER life AS to_match, lead(event) OVER life AS ended
      FROM image_events WINDOW life AS (PARTITION BY image_id ORDER BY match_id)) i
LEFT JOIN (SELECT DISTINCT image_id FROM finding_events) h ON h.image_id = i.image_id
WHERE event <> 'vanished'

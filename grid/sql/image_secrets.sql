-- Credentials in each image, also in files that a later layer deletes: whoever pulls the image has them.
-- like: images, secrets
-- suppressed_by: the waiver or the line of an ignore file that suppresses it in this image; null if none does. Counts leave it out
-- suppressed_reason: as it is given there
-- layer_digest: the layer that holds the file
-- visible: false if a later layer hides the file
SELECT * EXCLUDE (said), said.by AS suppressed_by, said.reason AS suppressed_reason
FROM (
  SELECT {sweep} i.registry, i.repository, i.tag, i.digest, s.layer_digest, s.path, s.line, s.end_line, s.rule_id, s.title, s.severity,
         s.redacted, s.fingerprint, NOT coalesce(list_contains(l.hidden, s.path), false) AS visible,
         list_filter(s.said, lambda c: c.sweep_id = i.sweep_id AND {chosen:c})[1] AS said
  FROM {_images} i
  JOIN {_chain_visible} l ON l.ck = i.ck
  JOIN (SELECT s.*, {key:s.layer_digest} AS lk, v.said FROM secrets s LEFT JOIN {_secret_verdicts} v USING (rule_id, fingerprint, path)) s
    ON s.lk = l.lk)

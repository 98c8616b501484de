-- Credentials in each image, also in files that a later layer deletes: whoever pulls the image has them.
-- like: images, secrets
-- layer_digest: the layer that holds the file
-- visible: false if a later layer hides the file
SELECT {sweep} i.registry, i.repository, i.tag, i.digest, s.layer_digest, s.path, s.line, s.end_line, s.rule_id, s.title, s.severity,
       s.redacted, s.fingerprint, NOT coalesce(list_contains(l.hidden, s.path), false) AS visible
FROM {_images} i
JOIN {_chain_visible} l ON l.ck = i.ck
JOIN (SELECT *, {key:layer_digest} AS lk FROM secrets) s ON s.lk = l.lk

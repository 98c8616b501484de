-- What was skipped or could not be parsed in each image.
-- like: images, notes
SELECT {sweep} i.registry, i.repository, i.tag, i.digest, n.layer_digest, n.detector, n.path, n.code, n.message
FROM {_images} i
JOIN {_chain_layers} l ON l.ck = i.ck
JOIN (SELECT *, {key:layer_digest} AS lk FROM notes) n ON n.lk = l.lk

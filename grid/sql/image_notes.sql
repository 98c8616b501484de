-- What was skipped or could not be parsed in each image, and why its distribution's packages may have problems that are
-- not shown: `NoPackages`, `DistributionUnknown`, `DistributionUnmatched`, `PackagesUnmatched`, `PackagesForeign`, `PackagesElsewhere`, `DistributionEnded` (detector `match`).
-- like: images, notes
-- layer_digest: the layer; null for what is said of the whole image
SELECT {sweep} i.registry, i.repository, i.tag, i.digest, n.layer_digest, n.detector, n.path, n.code, n.message
FROM {_images} i
JOIN {_chain_layers} l ON l.ck = i.ck
JOIN (SELECT *, {key:layer_digest} AS lk FROM notes) n ON n.lk = l.lk
UNION ALL
SELECT {sweep} i.registry, i.repository, i.tag, i.digest, NULL, 'match', '', d.doubt.code, d.doubt.message
FROM {_images} i JOIN (SELECT sweep_id, ck, unnest(doubts) AS doubt FROM {_chain_states}) d
  ON d.ck = i.ck AND {same:d}

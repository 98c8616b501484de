-- The profiles of the images of each chain, where they have any.
SELECT {key:chain_id} AS ck, list(DISTINCT profile) AS profiles
FROM (SELECT p.profile, max_by(l.chain_id, l.ordinal) AS chain_id
      FROM {_profiles} p JOIN {raw.image_layers} l USING (digest) GROUP BY p.profile, digest)
GROUP BY ck

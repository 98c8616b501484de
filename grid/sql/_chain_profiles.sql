-- The profiles of the images of each chain, where they have any.
SELECT {key:t.chain_id} AS ck, list(DISTINCT p.profile) AS profiles
FROM {_profiles} p JOIN {image_chains} t USING (digest)
GROUP BY {key:t.chain_id}

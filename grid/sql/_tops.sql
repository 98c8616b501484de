-- The whole chains of the images of each sweep.
SELECT DISTINCT i.sweep_id, t.chain_id, {key:t.chain_id} AS ck
FROM {raw.images} i JOIN {image_chains} t USING (digest)
WHERE i.sweep_id IN (SELECT sweep_id FROM {sweeps})

-- The images that have layers, with the key of their chain; `lockfiles`: whether their sweep asked for these.
SELECT i.*, {key:c.chain_id} AS ck, i.sweep_id IN (SELECT sweep_id FROM sweeps WHERE lockfiles) AS lockfiles
FROM {images} i JOIN {image_chains} c USING (digest)

-- The images that have layers, with the key of their chain.
SELECT i.*, {key:c.chain_id} AS ck FROM {images} i JOIN image_chains c USING (digest)

-- Which chain of layers each image manifest is: everything squash says hangs on it.
-- like: image_layers
-- chain_id: the whole chain of the image
SELECT digest, max_by(chain_id, ordinal) AS chain_id FROM {raw.image_layers} GROUP BY digest

-- Each layer that images of the sweep have, and how many: the base layers worth mending first.
-- like: image_layers
-- images: images with this layer
-- repositories: repositories with such an image
-- ordinal: its lowest position
SELECT {sweep} l.layer_digest, count(*) AS images, count(DISTINCT (i.registry, i.repository)) AS repositories,
       min(l.ordinal) AS ordinal, max(l.size_bytes) AS size_bytes, any_value(l.created_by) AS created_by
FROM {images} i
JOIN (SELECT digest, layer_digest, min(ordinal) AS ordinal, max(size_bytes) AS size_bytes,
             any_value(created_by) AS created_by
      FROM {raw.image_layers} GROUP BY digest, layer_digest) l USING (digest)
GROUP BY {sweep} l.layer_digest

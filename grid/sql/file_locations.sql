-- Who ships this file: every entry of every layer of each image, hidden by a later layer or not. Ask with a `path`.
-- like: images, entries
SELECT {sweep} i.registry, i.repository, i.tag, i.digest, e.layer_digest, e.path, e.kind, e.size, e.mode, e.uid, e.gid,
       e.link_target
FROM {images} i
JOIN (SELECT DISTINCT digest, layer_digest FROM {raw.image_layers}) l USING (digest)
JOIN entries e USING (layer_digest)

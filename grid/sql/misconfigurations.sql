-- Bad configuration of each image.
-- like: images, config_checks
SELECT {sweep} i.registry, i.repository, i.tag, i.digest, c.check_id, c.title, c.severity, c.message, c.evidence, c.remediation
FROM {images} i JOIN config_checks c USING (digest)

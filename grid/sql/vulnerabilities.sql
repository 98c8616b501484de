-- A row per image, package and problem. Packages that an OS package owns are matched as that one, not by themselves.
-- like: images, findings, packages
-- package: the package's name
-- layer_digest: the layer whose record of the package is read: the topmost
-- arch: of the package
-- found_as: as in `image_packages`: of what is `declared` nobody knows whether it is installed
-- platform_arch: the image's architecture
-- introduced_layer: the layer to blame: the first that listed this package, of those that rewrote its record
-- introduced_by: the build step of that layer; null where the image's history does not align with its layers
-- from_base: whether that layer is the base image's; null where neither history nor another image shows the base
-- suppressed_by: the statement that suppresses it in this image: `vex FILE#NUMBER`, `waiver FILE:LINE` or `ignore FILE:LINE`;
--   null if none does. Counts leave it out
-- suppressed_status: `not_affected`, `fixed` or `accepted`
-- suppressed_reason: as the statement gives it
-- first_seen: the first match run that reported the problem in this package, or in another version of it that stood in the
--   image before it; more in `finding_history`
-- last_seen: the match run that the row is of
SELECT {sweep} i.registry, i.repository, i.tag, i.digest, f.vuln_id, f.aliases, f.package, f.version, f.fixed_version,
       f.state, f.severity, f.score, f.vector, f.kev, f.epss, f.layer_digest, f.source_path, f.ecosystem, f.published,
       f.modified, f.title, f.url, f.arch, f.namespace, f.advisories, f.introduced, f.severity_source, f.package_id,
       f.source_name, i.os, i.arch AS platform_arch, f.risk, f.ratings, f.epss_date, f.kev_due_date, f.kev_ransomware,
       f.introduced_layer, f.introduced_by, f.from_base, coalesce(f.found_as, 'installed') AS found_as, f.subscriber_fix, f.cve_status, f.malicious,
       f.upgrade_version, f.upgrade_clears, f.suppressed.by AS suppressed_by,
       f.suppressed.status AS suppressed_status, f.suppressed.reason AS suppressed_reason,
       coalesce(CASE WHEN c.from_match >= f.from_match AND c.told_at >= l.since THEN c.first_seen
                     ELSE greatest(l.since, f.known_since) END, f.matched_at) AS first_seen,
       f.matched_at AS last_seen
FROM {_images} i
LEFT JOIN {_profiles} p ON p.digest = i.digest AND p.tag = i.tag AND p.repository = i.repository
  AND p.registry = i.registry AND p.sweep_id = i.sweep_id
JOIN {_chain_findings} f ON f.ck = {chain:i.ck,p.profile} AND {same:f}
LEFT JOIN {_image_lives} l ON l.image_id = {image:i} AND l.sweep_id = i.sweep_id
LEFT JOIN {_finding_spans} c
  ON c.image_id = l.hk AND c.package_id = f.package_id AND c.vuln_id = f.vuln_id
  AND c.from_match <= f.match_id AND (c.to_match IS NULL OR c.to_match > f.match_id)

-- What any match run found, also one that a later match of the same sweep replaced, or one with an older database that was
-- asked for (`python -m jobs.refresh --as-of`). Ask with a `match_id` of `match_runs`.
-- like: images, findings, packages, matches
-- package: the package's name
-- platform_arch: the image's architecture
SELECT m.match_id, m.sweep_id, m.db_version, i.registry, i.repository, i.tag, i.digest, f.vuln_id, f.aliases, p.name AS package,
       p.version, f.fixed_version, f.state, f.severity, f.score, f.kev, f.epss, p.layer_digest, p.source_path, p.ecosystem,
       f.namespace, f.title, f.url, p.package_id, i.os, i.arch AS platform_arch
FROM {any:_images} i
JOIN match_runs m ON m.sweep_id = i.sweep_id
JOIN {any:_chain_packages} p ON p.ck = i.ck
JOIN (SELECT *, CASE WHEN split_part(namespace, ':', 1) IN {system_osv} THEN namespace || coalesce('|' || channel, '') ELSE '' END AS system
      FROM {raw.findings}) f
  ON f.match_id = m.match_id AND f.package_id = p.package_id AND f.system = p.system

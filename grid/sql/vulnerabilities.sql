-- A row per image, package and problem. Packages that an OS package owns are matched as that one, not by themselves.
-- like: images, findings, packages
-- package: the package's name
-- layer_digest: the layer that brought the package
-- arch: of the package
-- platform_arch: the image's architecture
SELECT {sweep} i.registry, i.repository, i.tag, i.digest, f.vuln_id, f.aliases, f.package, f.version, f.fixed_version,
       f.state, f.severity, f.score, f.vector, f.kev, f.epss, f.layer_digest, f.source_path, f.ecosystem, f.published,
       f.modified, f.title, f.url, f.arch, f.namespace, f.advisories, f.introduced, f.severity_source, f.package_id,
       f.source_name, i.os, i.arch AS platform_arch, f.risk, f.ratings, f.epss_date, f.kev_due_date, f.kev_ransomware
FROM {_images} i JOIN {_chain_findings} f ON f.ck = i.ck AND {same}

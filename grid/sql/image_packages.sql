-- The packages of each image that are visible in its merged view.
-- like: images, packages
-- purl: package URL, with the distribution
-- namespace: whose advisories apply to an OS package; null for language packages
-- owned: an OS package's own file: listed here, and matched as that package
-- arch: of the package
-- platform_arch: the image's architecture
SELECT {sweep} i.registry, i.repository, i.tag, i.digest, p.layer_digest, p.source_path, p.ecosystem, p.name, p.version,
       p.arch, p.source_name, p.source_version,
       CASE
         WHEN p.ecosystem NOT IN {system} OR l.distro_id IS NULL THEN p.purl
         ELSE regexp_replace(
                CASE WHEN regexp_matches(p.purl, '^pkg:[^/@?]+/[^/@?]+(@|[?]|$)')
                     THEN regexp_replace(p.purl, '^pkg:([^/]+)/', 'pkg:\1/' || l.distro_id || '/') ELSE p.purl END,
                '[?].*$', '')
              || '?' || array_to_string(list_sort(list_append(
                   list_filter(string_split(regexp_extract(p.purl, '[?](.*)$', 1), '&'), lambda q: q <> ''),
                   'distro=' || concat_ws('-', l.distro_id, l.distro_version))), '&')
       END AS purl,
       p.licenses, p.origin, CASE WHEN p.ecosystem IN {system} THEN l.os_namespace END AS namespace,
       coalesce(list_contains(l.off, p.source_path), false) AS owned, p.modularity, p.package_id, i.os, i.arch AS platform_arch
FROM {_images} i
JOIN {_chain_visible} l ON l.ck = i.ck
JOIN (SELECT *, {key:layer_digest} AS lk FROM packages) p ON p.lk = l.lk
WHERE l.hidden IS NULL OR NOT list_contains(l.hidden, p.source_path)

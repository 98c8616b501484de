-- The packages of each image that are visible in its merged view. Of unmanaged programs (`generic`) only those that no OS
-- package owns.
-- like: images, packages
-- purl: package URL, with the distribution
-- namespace: whose advisories apply to an OS package; null for language packages
-- owned: an OS package's own file: listed here, and matched as that package
-- arch: of the package
-- found_as: as in `packages`, never null; `declared` only where the sweep read lock files
-- platform_arch: the image's architecture
-- layer_digest: the layer whose record is read: the topmost
-- introduced_layer: the layer to blame: the first that listed this package, of those that rewrote its record
-- introduced_by: the build step of that layer; null where the image's history does not align with its layers
-- from_base: whether that layer is the base image's; null where neither history nor another image shows the base
SELECT {sweep} i.registry, i.repository, i.tag, i.digest, p.layer_digest, p.source_path, p.ecosystem, p.name, p.version,
       p.arch, p.source_name, p.source_version,
       CASE
         WHEN p.ecosystem NOT IN {system} OR l.distro_id IS NULL OR p.found_as = 'sbom' THEN p.purl
         ELSE regexp_replace(
                CASE WHEN regexp_matches(p.purl, '^pkg:[^/@?]+/[^/@?]+(@|[?]|$)')
                     THEN regexp_replace(p.purl, '^pkg:([^/]+)/', 'pkg:\1/' || l.distro_id || '/') ELSE p.purl END,
                '[?].*$', '')
              || '?' || array_to_string(list_sort(list_append(
                   list_filter(string_split(regexp_extract(p.purl, '[?](.*)$', 1), '&'), lambda q: q <> ''),
                   'distro=' || concat_ws('-', l.distro_id, l.distro_version))), '&')
       END AS purl,
       p.licenses, p.origin, p.cpes, CASE WHEN p.ecosystem IN {system} AND p.found_as IS DISTINCT FROM 'sbom' THEN l.os_namespace END AS namespace,
       coalesce(list_contains(l.off, p.source_path), false) AS owned, p.modularity, p.package_id,
       coalesce(p.found_as, 'installed') AS found_as, i.os, i.arch AS platform_arch,
       coalesce(o.layer, p.layer_digest) AS introduced_layer, nullif(coalesce(o.step, l.step), '') AS introduced_by,
       coalesce(o.n, l.n) <= l.base_layers AS from_base
FROM {_images} i
JOIN {_chain_visible} l ON l.ck = i.ck
JOIN (SELECT *, {key:layer_digest} AS lk FROM packages) p ON p.lk = l.lk
LEFT JOIN {_origins} o ON o.mk = l.rk AND o.package_id = p.package_id AND o.path = p.source_path
WHERE (l.hidden IS NULL OR NOT list_contains(l.hidden, p.source_path))
  AND ((p.ecosystem NOT IN {unmanaged} AND p.found_as IS DISTINCT FROM 'binary') OR l.off IS NULL OR NOT list_contains(l.off, p.source_path))
  AND (p.found_as IS DISTINCT FROM 'sbom' OR l.told IS NULL OR NOT list_contains(l.told, p.package_id))
  AND (i.lockfiles OR p.found_as IS DISTINCT FROM 'declared')

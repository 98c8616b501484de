-- The newest squash of each chain that is an image's; not of those that others are merely built on. `judged_by`: whose
-- advisories its OS packages are matched with, and by which repositories.
SELECT {key:chain_id} AS ck, layers, members, steps, base_layers, base_evidence, base_digest, os_namespace, distro_id, distro_version, distro_name,
       coalesce(os_namespace || coalesce('|' || {channel}, ''), '-') AS judged_by
FROM {raw.chains} SEMI JOIN {_squashes} USING (chain_id, squash_id)
WHERE chain_id IN (SELECT chain_id FROM {_tops})

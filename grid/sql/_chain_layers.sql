-- The distinct layers of each chain.
SELECT ck, os_namespace, distro_id, distro_version, {key:layer} AS lk
FROM (SELECT ck, os_namespace, distro_id, distro_version, unnest(list_distinct(layers)) AS layer FROM {_chains})

-- The distinct layers of each chain, each at its highest place. `n`: that place, from 1. `mk`: the chain up to there.
SELECT ck, os_namespace, judged_by, distro_id, distro_version, base_layers, {key:layer} AS lk, {key:member} AS mk, n, steps[n] AS step
FROM (SELECT ck, os_namespace, judged_by, distro_id, distro_version, base_layers, steps, unnest(layers) AS layer, unnest(members) AS member,
             generate_subscripts(layers, 1) AS n,
             CASE WHEN list_unique(layers) < len(layers) THEN layers END AS repeated
      FROM {_chains})
WHERE repeated IS NULL OR NOT list_contains(repeated[n + 1:], layer)

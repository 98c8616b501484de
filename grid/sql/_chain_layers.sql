-- The distinct layers of each chain, each at its highest place. `n`: that place, from 1. `mk`: the chain up to there.
-- `places` is null, and costs nothing, unless a layer comes twice.
SELECT ck, os_namespace, judged_by, distro_id, distro_version, base_layers, {key:layer} AS lk, {key:member} AS mk, n, steps[n] AS step
FROM (
  SELECT ck, os_namespace, judged_by, distro_id, distro_version, base_layers, steps,
         unnest(CASE WHEN places IS NULL THEN layers ELSE list_select(layers, places) END) AS layer,
         unnest(CASE WHEN places IS NULL THEN members ELSE list_select(members, places) END) AS member,
         unnest(coalesce(places, range(1, len(layers) + 1))) AS n
  FROM (SELECT *, CASE WHEN list_unique(layers) < len(layers)
                       THEN list_filter(range(1, len(layers) + 1), lambda n: NOT list_contains(layers[n + 1:], layers[n])) END
                    AS places
        FROM {_chains}))

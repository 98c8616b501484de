-- The distinct layers of each chain, each at its highest place, with what is excepted there: the paths hidden, those hidden
-- or owned, and the packages that an SBOM names and a record of their own tells as well. Lists, and not rows to join with:
-- there are few, and the join is done on layers instead of on every package of every image.
-- `n`: the place, from 1. `mk`: the chain up to there; `rk`: the same where there are exceptions of origin, else null: what is
-- null costs no look-up. What is said against a path is inherited from the chains below, and void if the same layer comes
-- once more further up: then its files are there again. (`places` and `repeated` are null, and cost nothing, unless a layer
-- comes twice.)
WITH chains_now AS MATERIALIZED (
  SELECT *, CASE WHEN list_unique(layers) < len(layers) THEN layers END AS repeated FROM {_chains}
), layers_now AS (
  SELECT * EXCLUDE (layer, member, steps, repeated), {key:layer} AS lk, {key:member} AS mk, steps[n] AS step
  FROM (SELECT ck, os_namespace, judged_by, distro_id, distro_version, base_layers, steps, repeated,
               unnest(CASE WHEN places IS NULL THEN layers ELSE list_select(layers, places) END) AS layer,
               unnest(CASE WHEN places IS NULL THEN members ELSE list_select(members, places) END) AS member,
               unnest(coalesce(places, range(1, len(layers) + 1))) AS n
        FROM (SELECT *, CASE WHEN repeated IS NOT NULL THEN
                list_filter(range(1, len(layers) + 1), lambda n: NOT list_contains(layers[n + 1:], layers[n])) END AS places
              FROM chains_now))
), said AS (
  SELECT m.ck, {key:h.layer_digest} AS lk, h.path, bool_or(h.reason = 'hidden') AS hidden,
         coalesce(arg_max(h.reason = 'owned', m.depth) FILTER (h.reason IN ('owned', 'unowned')), false) AS owned
  FROM (
    SELECT ck, {key:member} AS mk, depth, repeated
    FROM (SELECT ck, unnest(members) AS member, generate_subscripts(members, 1) AS depth, repeated FROM chains_now)) m
  JOIN (SELECT *, {key:chain_id} AS mk FROM hidden) h ON h.mk = m.mk
  WHERE m.repeated IS NULL OR NOT list_contains(m.repeated[m.depth + 1:], h.layer_digest)
  GROUP BY m.ck, lk, h.path
)
SELECT l.*, x.hidden, x.off, t.told, t.told_rows, r.mk AS rk
FROM layers_now l
LEFT JOIN (
  SELECT ck, lk, list(path) FILTER (hidden) AS hidden, list(path) FILTER (hidden OR owned) AS off FROM said GROUP BY ck, lk
) x ON x.ck = l.ck AND x.lk = l.lk
LEFT JOIN (SELECT ck, lk, list(DISTINCT package_id) AS told, count(*) AS told_rows FROM {_told_twice} GROUP BY ck, lk) t ON t.ck = l.ck AND t.lk = l.lk
LEFT JOIN (SELECT DISTINCT mk FROM {_origins}) r ON r.mk = l.mk

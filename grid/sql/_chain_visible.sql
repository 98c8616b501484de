-- The distinct layers of each chain, each at its highest place, with what is excepted there: the paths hidden, those hidden
-- or owned, and the packages that an SBOM names and a record of their own tells as well. Lists, and not rows to join with:
-- there are few, and the join is done on layers instead of on every package of every image.
-- `n`: the place, from 1. `mk`: the chain up to there; `rk`: the same where there are exceptions of origin, else null: what is
-- null costs no look-up. What is said against a path is inherited from the chains below, and void if the same layer comes
-- once more further up: then its files are there again. (`repeated` is null, and costs nothing, unless a layer comes twice.)
WITH {shared:image_chains,_squashes,_tops,_chains,_origins,_told_twice}
rungs AS MATERIALIZED (
  SELECT * EXCLUDE (member, steps), {key:layer} AS lk, {key:member} AS mk, steps[n] AS step
  FROM (SELECT * EXCLUDE (layers, members), unnest(layers) AS layer, unnest(members) AS member, generate_subscripts(layers, 1) AS n
        FROM (SELECT ck, os_namespace, judged_by, distro_id, distro_version, base_layers, steps, layers, members,
                     CASE WHEN list_unique(layers) < len(layers) THEN layers END AS repeated
              FROM {_chains}))
), said AS (
  SELECT m.ck, {key:h.layer_digest} AS lk, h.path, bool_or(h.reason = 'hidden') AS hidden,
         coalesce(arg_max(h.reason = 'owned', m.n) FILTER (h.reason IN ('owned', 'unowned')), false) AS owned
  FROM rungs m
  JOIN (SELECT *, {key:chain_id} AS mk FROM {raw.hidden} SEMI JOIN {_squashes} USING (chain_id, squash_id)) h ON h.mk = m.mk
  WHERE m.repeated IS NULL OR NOT list_contains(m.repeated[m.n + 1:], h.layer_digest)
  GROUP BY m.ck, h.layer_digest, h.path
)
SELECT l.* EXCLUDE (layer, repeated), x.hidden, x.off, t.told, t.told_rows, r.mk AS rk
FROM rungs l
LEFT JOIN (
  SELECT ck, lk, list(path) FILTER (hidden) AS hidden, list(path) FILTER (hidden OR owned) AS off FROM said GROUP BY ck, lk
) x ON x.ck = l.ck AND x.lk = l.lk
LEFT JOIN (SELECT ck, lk, list(DISTINCT package_id) AS told, count(*) AS told_rows FROM {_told_twice} GROUP BY ck, lk) t ON t.ck = l.ck AND t.lk = l.lk
LEFT JOIN (SELECT DISTINCT mk FROM {_origins}) r ON r.mk = l.mk
WHERE l.repeated IS NULL OR NOT list_contains(l.repeated[l.n + 1:], l.layer)

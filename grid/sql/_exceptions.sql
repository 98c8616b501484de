-- What is said against a path of a layer in a chain, inherited from the chains below. It is void if the same layer
-- comes once more further up: then its files are there again.
SELECT m.ck, {key:h.layer_digest} AS lk, h.path,
       bool_or(h.reason = 'hidden') AS hidden,
       coalesce(arg_max(h.reason = 'owned', m.depth) FILTER (h.reason IN ('owned', 'unowned')), false) AS owned
FROM (
  SELECT ck, {key:member} AS mk, depth, repeated
  FROM (SELECT ck, unnest(members) AS member, generate_subscripts(members, 1) AS depth,
               CASE WHEN list_unique(layers) < len(layers) THEN layers END AS repeated
        FROM {_chains})) m
JOIN (SELECT *, {key:chain_id} AS mk FROM hidden) h ON h.mk = m.mk
WHERE m.repeated IS NULL OR NOT list_contains(m.repeated[m.depth + 1:], h.layer_digest)
GROUP BY m.ck, lk, h.path

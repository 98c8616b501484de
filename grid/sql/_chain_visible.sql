-- The distinct layers of each chain, with what is excepted there: the paths hidden, those hidden or owned, and the packages
-- that an SBOM names and a record of their own tells as well. Lists, and not rows to join with: there are few, and the join
-- is done on layers instead of on every package of every image.
-- `rk` is `mk` where there are exceptions of origin, else null: what is null costs no look-up.
SELECT l.ck, l.lk, l.os_namespace, l.judged_by, l.distro_id, l.distro_version, x.hidden, x.off, t.told, l.n, l.step, l.base_layers, r.mk AS rk
FROM {_chain_layers} l
LEFT JOIN (
  SELECT ck, lk, list(path) FILTER (hidden) AS hidden, list(path) FILTER (hidden OR owned) AS off FROM {_exceptions} GROUP BY ck, lk
) x ON x.ck = l.ck AND x.lk = l.lk
LEFT JOIN (SELECT ck, lk, list(DISTINCT package_id) AS told FROM {_told_twice} GROUP BY ck, lk) t ON t.ck = l.ck AND t.lk = l.lk
LEFT JOIN (SELECT DISTINCT mk FROM {_origins}) r ON r.mk = l.mk

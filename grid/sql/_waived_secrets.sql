-- The secrets that a statement suppresses, image by image; `n` of a kind in one file. Built on tables as they are written, and
-- not on `_chain_visible`: where nothing is said of secrets, this costs nothing.
WITH said AS MATERIALIZED (
  SELECT v.*, s.layer_digest, s.n
  FROM (SELECT layer_digest, path, rule_id, fingerprint, count(*) AS n FROM secrets GROUP BY ALL) s
  JOIN {_secret_verdicts} v ON v.rule_id = s.rule_id AND v.fingerprint = s.fingerprint AND v.path = s.path
), holders AS MATERIALIZED (
  SELECT digest, layer_digest, max(ordinal) AS ordinal
  FROM {raw.image_layers} SEMI JOIN said USING (layer_digest) GROUP BY ALL
), members AS MATERIALIZED (
  SELECT DISTINCT h.digest, h.layer_digest, l.chain_id
  FROM (SELECT * FROM {raw.image_layers} SEMI JOIN holders USING (digest)) l
  JOIN holders h ON h.digest = l.digest AND h.ordinal <= l.ordinal
), newest AS (
  SELECT chain_id, max_by(squash_id, (squashed_at, squash_id)) AS squash_id
  FROM {raw.chains} SEMI JOIN members USING (chain_id) GROUP BY chain_id
), gone AS (
  SELECT DISTINCT m.digest, m.layer_digest, h.path
  FROM (SELECT * FROM {raw.hidden} SEMI JOIN said USING (layer_digest, path) WHERE reason = 'hidden') h
  JOIN newest USING (chain_id, squash_id)
  JOIN members m ON m.chain_id = h.chain_id AND m.layer_digest = h.layer_digest
), judged AS (
  SELECT DISTINCT i.sweep_id, i.registry, i.repository, i.tag, i.digest, s.layer_digest, s.path, s.rule_id, s.fingerprint, s.n,
         s.said, g.path IS NOT NULL AS hidden
  FROM {images} i JOIN holders USING (digest)
  JOIN said s ON s.layer_digest = holders.layer_digest
  LEFT JOIN gone g ON g.digest = i.digest AND g.layer_digest = s.layer_digest AND g.path = s.path
)
SELECT sweep_id, registry, repository, tag, digest, sum(n)::BIGINT AS secrets,
       coalesce(sum(n) FILTER (hidden), 0)::BIGINT AS hidden
FROM judged i
WHERE len(list_filter(said, lambda c: c.sweep_id = i.sweep_id
    AND {chosen:c})) > 0
GROUP BY sweep_id, registry, repository, tag, digest

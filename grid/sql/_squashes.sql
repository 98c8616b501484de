-- The newest squash of each chain: the one that counts.
SELECT chain_id, max_by(squash_id, (squashed_at, squash_id)) AS squash_id FROM {raw.chains} GROUP BY chain_id

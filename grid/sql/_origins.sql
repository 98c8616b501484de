-- Packages that a layer lists again: the place in the chain, from 1, of the layer that introduced them. `mk`: the chain
-- whose top layer lists them again.
SELECT {key:o.chain_id} AS mk, o.path, o.package_id, o.ordinal + 1 AS n, c.layers[o.ordinal + 1] AS layer,
       c.steps[o.ordinal + 1] AS step
FROM {raw.origins} o JOIN {raw.chains} c USING (chain_id, squash_id) SEMI JOIN {_squashes} s USING (chain_id, squash_id)

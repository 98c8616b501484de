"""Chains of layers: their names, their order, and how to share them out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from grid.errors import LakeInvalid

Ints = npt.NDArray[np.int64]


def chain_id(parent: str | None, layer_digest: str) -> str:
    """The name of the chain that ``layer_digest`` makes on top of ``parent`` (None: it is a base)."""
    text = layer_digest if parent is None else f"{parent} {layer_digest}"
    return "sha256:" + sha256(text.encode()).hexdigest()


def chain_ids(layer_digests: Iterable[str]) -> list[str]:
    """The chain at each layer of an image, base first."""
    chains: list[str] = []
    for digest in layer_digests:
        chains.append(chain_id(chains[-1] if chains else None, digest))
    return chains


@dataclass(frozen=True, slots=True)
class Walk:
    """Chains in depth-first order: a parent stands before its children, a subtree in one piece."""

    rows: Ints
    """Row of the chains table, in the order of the walk."""
    depths: Ints
    """Layers in that chain."""


def walk(chains: pa.Table) -> Walk:
    """Order ``chains`` (``chain_id``, ``parent_id``).

    Raises LakeInvalid if a parent is missing, or if they go in circles.
    """
    count = chains.num_rows
    ids = chains["chain_id"].combine_chunks()
    parents = pc.index_in(chains["parent_id"].combine_chunks(), value_set=ids)
    lost = pc.and_(pc.is_null(parents), pc.is_valid(chains["parent_id"].combine_chunks()))
    if pc.any(lost).as_py():
        raise LakeInvalid(f"chain {ids[pc.index(lost, True).as_py()].as_py()} is asked for without its parent")
    parent = pc.fill_null(parents, -1).to_numpy(zero_copy_only=False).astype(np.int64)
    children = np.argsort(parent, kind="stable")  # grouped by parent, bases (-1) first
    first = np.searchsorted(parent[children], np.arange(-1, count + 1)).tolist()  # first[p + 1] : children of p
    order = children.tolist()
    rows = np.empty(count, dtype=np.int64)
    depths = np.empty(count, dtype=np.int64)
    stack = [(row, 1) for row in reversed(order[first[0] : first[1]])]
    at = 0
    while stack:
        row, depth = stack.pop()
        rows[at], depths[at] = row, depth
        at += 1
        stack.extend((child, depth + 1) for child in order[first[row + 1] : first[row + 2]])
    if at != count:
        raise LakeInvalid("some chains are their own ancestors")
    return Walk(rows, depths)


def split(chains: pa.Table, parts: int) -> list[pa.Table]:
    """Share chains out to workers: at most ``parts`` tables to be squashed one by one, in any order, anywhere.

    Each is a run of the depth-first order together with the ancestors it stands on, which are marked not ``wanted``.
    """
    order = walk(chains)
    asked = wanted(chains)
    tables = []
    for run in np.array_split(np.arange(chains.num_rows), max(1, parts)):
        if not len(run):
            continue
        above: dict[int, int] = {}  # depth → position of the nearest chain before the run
        position, depth = int(run[0]) - 1, int(order.depths[run[0]])
        while depth > 1:
            if order.depths[position] < depth:
                depth = int(order.depths[position])
                above[depth] = position
            position -= 1
        chosen = np.concatenate([np.array([above[d] for d in sorted(above)], dtype=np.int64), run])
        rows = order.rows[chosen]
        flags = asked[rows]
        flags[: len(above)] = False
        part = chains.take(pa.array(rows))
        if "wanted" in part.column_names:
            part = part.drop_columns(["wanted"])
        tables.append(part.append_column("wanted", pa.array(flags)))
    return tables


def wanted(chains: pa.Table) -> npt.NDArray[np.bool_]:
    """Which rows to answer for: the column ``wanted``, else all."""
    if "wanted" not in chains.column_names:
        return np.ones(chains.num_rows, dtype=np.bool_)
    return np.array(chains["wanted"].to_numpy(), dtype=np.bool_)


def chain_table(images: Iterable[Sequence[str]]) -> pa.Table:
    """Every distinct chain of some images, each given as its layer digests, base first."""
    rows: dict[str, tuple[str | None, str, int]] = {}
    for layers in images:
        parent: str | None = None
        for depth, (digest, chain) in enumerate(zip(layers, chain_ids(layers), strict=True), 1):
            rows.setdefault(chain, (parent, digest, depth))
            parent = chain
    return pa.table({
        "chain_id": pa.array(list(rows), pa.string()),
        "parent_id": pa.array([r[0] for r in rows.values()], pa.string()),
        "layer_digest": pa.array([r[1] for r in rows.values()], pa.string()),
        "depth": pa.array([r[2] for r in rows.values()], pa.int32()),
    })  # fmt: skip

"""Which repositories the packages of a chain come from, as its layers say."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from grid.schema import CHAINS

Content = frozenset[tuple[str, str]]
"""(kind, value) of ``content_sets`` rows."""

COLUMNS = {"content_sets": "content_set", "content_cpes": "cpe", "content_builds": "build", "pro_services": "pro"}
"""Column of ``chains`` → the kind of row that it gathers."""
_RED_HAT = frozenset({"content_set", "cpe", "build"})


def content_layers(layers: Sequence[tuple[str, Content]]) -> list[str]:
    """For each (digest, content) of a chain, base first, the layer whose Red Hat records speak of it; "" if none does.

    Red Hat's builds leave a record in each layer that they add. What a customer builds on top has none and takes that
    of the last Red Hat layer; the base of the older two-layer images has none, and takes that of the layer above it.
    """
    told = [digest if any(kind in _RED_HAT for kind, _ in content) else "" for digest, content in layers]
    result: list[str] = []
    for digest in told:
        result.append(digest or (result[-1] if result else ""))
    if len(told) > 1 and not told[0]:
        result[0] = told[1]
    return result


def content_columns(rows: Sequence[tuple[Content, Sequence[tuple[str, Content]]]]) -> dict[str, pa.Array]:
    """The columns of ``chains`` for each (what all its layers say, its layers): null where nothing is said."""
    columns: dict[str, list[list[str] | None]] = {name: [] for name in (*COLUMNS, "content_layers")}
    known: dict[Content, dict[str, list[str] | None]] = {}
    for content, layers in rows:
        gathered = known.get(content)
        if gathered is None:
            gathered = known[content] = {
                name: sorted(value for k, value in content if k == kind) or None for name, kind in COLUMNS.items()
            }
        for name, values in gathered.items():
            columns[name].append(values)
        of_layers = content_layers(layers)
        columns["content_layers"].append(of_layers if any(of_layers) else None)
    return {name: pa.array(lists, CHAINS.arrow.field(name).type) for name, lists in columns.items()}

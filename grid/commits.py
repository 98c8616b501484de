"""What a layer task leaves in the lake: the rows of its facts, and those that say of which layers they count."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from grid.counting import conform
from grid.errors import GridError
from grid.model import Layer
from grid.schema import LAYER_SCANS, Table

if TYPE_CHECKING:
    from grid.layers.scan import LayerFacts


@dataclass(frozen=True, slots=True)
class LayerFailure:
    """A layer of a task that could not be scanned; nothing of it is published but this."""

    layer: Layer
    error: GridError


def facts(table: Table, scan: LayerFacts, commit_id: str, versions: Mapping[str, str]) -> pa.Table:
    """One layer's rows of a table with the columns that say whose they are; sorted, so that tasks need not be."""
    rows = scan.tables[table.name]
    if not table.detector:
        rows = rows.filter(pc.is_in(rows["detector"], value_set=pa.array(list(versions), pa.string())))
    digest, task = (pa.repeat(pa.scalar(value, pa.string()), rows.num_rows) for value in (scan.layer.digest, commit_id))
    rows = rows.append_column("layer_digest", digest).append_column("task_id", task)
    return conform(table, rows).sort_by([(key, "ascending") for key in table.sort_by[1:]])


def marks(
    scans: Iterable[LayerFacts | LayerFailure], versions: Mapping[str, str], commit_id: str, scanned_at: datetime
) -> pa.Table:
    """``layer_scans`` rows: one per layer and detector, written last."""
    rows = []
    for scan in scans:
        mark: dict[str, object] = {
            "layer_digest": scan.layer.digest,
            "task_id": commit_id,
            "media_type": scan.layer.media_type or None,
            "scanned_at": scanned_at,
            "final": False,
        }
        if isinstance(scan, LayerFailure):
            error = scan.error
            mark |= {"status": "failed", "error_code": error.code, "error_message": error.message, "final": error.final}
            mark |= {"size_bytes": 0, "uncompressed_bytes": 0, "entries": 0, "scan_seconds": 0.0}
        else:
            stats = scan.stats
            mark |= {"status": "ok", "diff_id": stats.diff_id, "size_bytes": stats.size_bytes, "entries": stats.entries}
            mark |= {"uncompressed_bytes": stats.uncompressed_bytes, "scan_seconds": stats.seconds}
        rows += [mark | {"detector": name, "detector_version": version} for name, version in sorted(versions.items())]
    return pa.Table.from_pylist(rows, schema=LAYER_SCANS.arrow)

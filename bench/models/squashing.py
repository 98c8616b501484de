"""Squash of many distinct chains: time, memory, exceptions; and the same facts in listings of ten times the size."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pyarrow as pa

from bench.estates import make_estate, namespace
from bench.models import Outcome, Work, clock, in_child, peak_memory
from grid.images import Work as Counted
from grid.images import squash

TIMES = 10
"""How much longer the longer listings are."""


def measure(work: Work) -> Outcome:
    """Chains per second, and the ratio for longer listings (``listing``: of which estate)."""
    told = in_child("bench.models.squashing:once", {n: work[n] for n in ("chains", "layers", "files")})
    sizes = work["listing"]
    plain, large = (in_child("bench.models.squashing:once", {**sizes, "times": times}) for times in (1, TIMES))
    images = work["images"]
    return Outcome(
        counts={
            "rows": told["rows"],
            "chains": told["made"],
            **{reason: told["reasons"].get(reason, 0) for reason in ("hidden", "owned", "unowned")},
            "pairs_large": large["work"]["pairs"],
            "paths_large": large["work"]["paths"],
            "exceptions_large": sum(large["reasons"].values()),
        },
        wanted={
            "rows": told["made"],
            "pairs_large": plain["work"]["pairs"],
            "paths_large": plain["work"]["paths"],
            "exceptions_large": sum(plain["reasons"].values()),
        },
        figures={
            "seconds": told["cpu"],
            "us_per_chain": told["cpu"] / told["made"] * 1e6,
            "chains": told["made"],
            "images": images,
            "exceptions": sum(told["reasons"].values()),
            "peak": told["peak"] / 1e6,
            "listing_ratio": large["cpu"] / plain["cpu"],
        },
    )


def once(chains: int, layers: int, files: int, times: int = 1) -> dict[str, Any]:
    """Squash a made estate in this process, its listings ``times`` as long."""
    table, facts = make_estate(chains, layers, files=files)
    if times > 1:
        facts = replace(facts, path_index=_longer(facts.path_index, times))
    work, reasons, rows = Counted(), Counter[str](), 0
    with clock() as told:
        for batch in squash(table, facts, namespace, "bench", systems=("deb",), work=work):
            rows += batch.chains.num_rows
            reasons.update(batch.hidden["reason"].to_pylist())
    return {"made": table.num_rows, "rows": rows, "reasons": dict(reasons), "cpu": told.cpu, "peak": peak_memory(),
            "work": asdict(work)}  # fmt: skip


def _longer(index: pa.Table, times: int) -> pa.Table:
    """The same listings with more files that nobody asks for."""
    rng = np.random.default_rng(5)
    longer = []
    for packed in index["files"].to_pylist():
        files = np.frombuffer(packed, dtype="<u8")
        others = rng.integers(0, 1 << 63, len(files) * (times - 1), dtype=np.uint64)
        longer.append(np.sort(np.concatenate([files, others])).astype("<u8").tobytes())
    return index.set_column(index.schema.get_field_index("files"), "files", pa.array(longer, pa.binary()))

"""Facts of invented layers, as small as they can be."""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa

from grid.layers.scan import LayerFacts
from grid.model import Layer, LayerStats

VERSIONS = {"packages": "1"}


def layer(name: str) -> Layer:
    return Layer(f"sha256:{name}", 10, "application/vnd.oci.image.layer.v1.tar")


def facts(name: str, packages: Iterable[str], notes: Iterable[str] = ()) -> LayerFacts:
    """A layer with these packages, and a note of each of these detectors."""
    names, said = list(packages), list(notes)
    count = len(names)
    tables = {
        "packages": pa.table({
            "source_path": pa.array(["var/lib/dpkg/status"] * count, pa.string()),
            "package_id": pa.array(range(count), pa.int64()),
            "ecosystem": pa.array(["deb"] * count, pa.string()),
            "name": pa.array(names, pa.string()),
            "version": pa.array(["1"] * count, pa.string()),
            "purl": pa.array([f"pkg:deb/{n}@1" for n in names], pa.string()),
        }),
        "notes": pa.table({
            "detector": pa.array(said, pa.string()),
            **{column: pa.array(["x"] * len(said), pa.string()) for column in ("path", "code", "message")},
        }),
    }  # fmt: skip
    return LayerFacts(layer(name), LayerStats(10, 30, 5, 0.1, "sha256:diff"), tables)

"""Detectors that only remember, and ways to look at what a layer scan gives."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa

from grid.detectors import output_schema
from grid.layers.scan import LayerFacts, scan_layer
from grid.model import Limits, Wants
from grid.schema import DISTROS, PACKAGES, SECRETS
from grid.testing import BuiltLayer


class Recorder:
    """Remembers each file it is given, and how the batches were cut."""

    version = "1"

    def __init__(self, wants: Wants = Wants(every=True), name: str = "secrets") -> None:  # noqa: B008
        self.wants = wants
        self.name = name
        self.schema = output_schema({"secrets": SECRETS, "packages": PACKAGES}[name])
        self.files: dict[str, bytes] = {}
        self.modes: dict[str, int] = {}
        self.batches: list[int] = []

    def detect(self, files: pa.RecordBatch) -> pa.RecordBatch:
        files.validate(full=True)
        for row in files.to_pylist():
            assert row["size"] == len(row["content"]) or (self.wants.head and row["size"] > self.wants.max_bytes)
            self.files[row["path"]] = row["content"]
            self.modes[row["path"]] = row["mode"]
        self.batches.append(sum(files.column("size").to_pylist()))
        return pa.RecordBatch.from_pylist([], schema=self.schema)


class Teller:
    """Returns the rows that a function makes of each batch."""

    version = "1"
    wants = Wants(every=True)

    def __init__(self, tell: Callable[[list[str]], list[dict[str, object]]], name: str = "distros") -> None:
        self.name = name
        self.schema = output_schema(DISTROS)
        self._tell = tell

    def detect(self, files: pa.RecordBatch) -> pa.RecordBatch:
        return pa.RecordBatch.from_pylist(self._tell(files.column("path").to_pylist()), schema=self.schema)


def scan(built: BuiltLayer, *detectors: object, limits: Limits | None = None, chunk: int = 1 << 18) -> LayerFacts:
    return scan_layer(built.chunks(chunk), built.layer, detectors, limits or Limits())  # type: ignore[arg-type]


def listing(built: BuiltLayer, **options: object) -> dict[str, str]:
    """path → kind."""
    table = scan(built, **options).tables["entries"]  # type: ignore[arg-type]
    return dict(zip(table.column("path").to_pylist(), table.column("kind").to_pylist(), strict=True))


def notes(facts: LayerFacts) -> set[tuple[str, str, str]]:
    """(detector, path, code)."""
    return {(row["detector"], row["path"], row["code"]) for row in facts.tables["notes"].to_pylist()}

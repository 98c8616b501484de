"""Detectors: what is looked for in the files of a layer.

A new detector is one file in this folder, with one module-level ``DETECTOR``, and one line in ``NAMES``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib import import_module
from typing import Protocol, runtime_checkable

import pyarrow as pa

from grid.errors import UsageError
from grid.model import Wants
from grid.schema import Table

NOTE_COLUMNS = (
    pa.field("note_code", pa.string()),
    pa.field("note_message", pa.string()),
)
"""A row whose ``note_code`` is set is no fact but a note on its ``path`` (or ``source_path``)."""


def output_schema(table: Table) -> pa.Schema:
    """What a detector that fills ``table`` returns: its columns less those the layer scan adds
    (``layer_digest``, ``task_id``), all nullable, and ``NOTE_COLUMNS``."""
    fields = [pa.field(c.name, c.type) for c in table.columns[2:]]
    return pa.schema([*fields, *NOTE_COLUMNS])


class Detector(Protocol):
    """Pure and picklable: the same files give the same rows, wherever it runs.

    ``name`` is also the name of the lake table it fills; ``schema`` is that table's ``output_schema``.
    ``detect`` is called once a batch (``grid.schema.FILES``: only files that ``wants`` asks for, the
    batch bounded in bytes) and returns a row per fact. It must not raise on bad content: what it cannot
    read is a note row.
    """

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str:
        """Changes whenever the same files would give other rows."""
        ...

    @property
    def wants(self) -> Wants: ...

    @property
    def schema(self) -> pa.Schema: ...

    def detect(self, files: pa.RecordBatch) -> pa.RecordBatch: ...


@runtime_checkable
class Settles(Protocol):
    """A detector whose facts make some of another's needless."""

    def settle(self, tables: Mapping[str, pa.Table]) -> Mapping[str, pa.Table]:
        """Those of a layer's fact tables that become others when all are known."""
        ...


NAMES: tuple[str, ...] = (
    "packages",
    "lockfiles",
    "owned_files",
    "distros",
    "content_sets",
    "secrets",
)


def detectors(names: Iterable[str] = NAMES) -> tuple[Detector, ...]:
    """The named detectors, imported on demand so that a scan without secrets never loads Hyperscan."""
    unknown = set(names) - set(NAMES)
    if unknown:
        raise UsageError(f"no detector {', '.join(sorted(unknown))}", remedy=f"choose from {', '.join(NAMES)}")
    return tuple(import_module(f"grid.detectors.{name}").DETECTOR for name in NAMES if name in names)

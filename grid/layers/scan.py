"""Scan one layer: its listing, and what each detector finds in its files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from grid.detectors import NOTE_COLUMNS, Detector, Settles
from grid.errors import DetectorFailed, GridError, LayerError
from grid.layers import tar
from grid.layers.blob import open_stream
from grid.layers.entries import Listing, walk
from grid.model import Layer, LayerStats, Limits, Note
from grid.schema import FACT_TABLES, HIDERS, NOTES, PATH_INDEX, Table

ENTRIES_VERSION = "2"
"""Version of the pseudo-detector ``entries`` (tables ``entries``, ``hiders`` and ``path_index``): changes whenever the
same layer would give other rows."""

_NOTE_NAMES = frozenset(field.name for field in NOTE_COLUMNS)
_FACT_SCHEMAS = {table.name: table for table in FACT_TABLES}


@dataclass(frozen=True, slots=True)
class LayerFacts:
    """All that is known of a layer by itself."""

    layer: Layer
    stats: LayerStats
    tables: dict[str, pa.Table]
    """``entries``, ``hiders``, ``path_index``, ``notes`` and a table for each detector, by name: the tables of
    ``grid.schema`` without ``layer_digest`` and ``task_id``."""


def scan_layer(
    chunks: Iterable[bytes],
    layer: Layer,
    detectors: Sequence[Detector],
    limits: Limits = Limits(),  # noqa: B008
) -> LayerFacts:
    """Read a blob once and return its facts; memory does not grow with the layer's bytes.

    ``chunks`` is the blob as stored. Raises LayerError with the layer's digest as its place: whatever is wrong,
    nothing is returned. Other errors of ``chunks`` (a broken connection) pass through.
    """
    run = _Run(detectors)
    stream = open_stream(chunks, layer, limits)
    try:
        try:
            listing = walk(stream, [d.wants for d in detectors], limits, run.files, run.note)
        except LayerError as error:
            raise stream.verdict(error) from None
        stats = stream.finish(len(listing.table))
        tables = _listing_tables(listing) | run.tables(doubled=not listing.stays.all())
    except LayerError as error:
        error.at(layer.digest)
        raise
    return LayerFacts(layer, stats, tables)


class _Run:
    """The detectors at work on one layer, and what they have found so far."""

    def __init__(self, detectors: Sequence[Detector]) -> None:
        self._detectors = detectors
        self._rows: list[list[pa.RecordBatch]] = [[] for _ in detectors]
        self._notes: list[tuple[str, str, str, str]] = []

    def files(self, place: int, files: pa.RecordBatch) -> None:
        """A batch for one detector. What it raises becomes DetectorFailed, without a word of the content."""
        detector = self._detectors[place]
        try:
            found = detector.detect(files)
        except GridError:  # what the site must mend (a key file, a rule of its own) is no fault of the layer
            raise
        except Exception as error:
            raise DetectorFailed(f"{detector.name} raised {type(error).__name__} {_place(error)}".rstrip()) from None
        if found.schema != detector.schema:
            raise DetectorFailed(f"{detector.name} returned rows of another schema than its own")
        if found.num_rows:
            self._rows[place].append(found)

    def note(self, place: int, note: Note) -> None:
        """Something skipped by the walk, for a detector (its place) or by itself (-1)."""
        name = self._detectors[place].name if place >= 0 else "entries"
        self._notes.append((name, note.path, note.code, note.message))

    def tables(self, *, doubled: bool) -> dict[str, pa.Table]:
        """The facts and notes of all detectors. ``doubled``: the tar has several entries of one path, whose detectors
        may have said the same twice."""
        note_schema = _inner(NOTES)
        columns = zip(*self._notes, strict=True) if self._notes else [()] * 4
        notes = [pa.table([pa.array(c, pa.string()) for c in columns], schema=note_schema)]
        out: dict[str, pa.Table] = {}
        for detector, rows in zip(self._detectors, self._rows, strict=True):
            found = pa.Table.from_batches(rows, schema=detector.schema)
            is_note = pc.is_valid(found.column("note_code"))
            facts = _facts(detector, found.filter(pc.invert(is_note)))
            out[detector.name] = _distinct(facts) if doubled else facts
            notes.append(_detector_notes(detector, found.filter(is_note), note_schema))
        for detector in self._detectors:
            if isinstance(detector, Settles):
                out.update(detector.settle(out))
        out["notes"] = pa.concat_tables(notes).sort_by([("path", "ascending"), ("detector", "ascending")])
        return out


def _place(error: Exception) -> str:
    """Where an exception comes from: file and line of our code, never its message, which may quote the file."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"in {Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace is not None else ""


def _inner(table: Table) -> pa.Schema:
    return pa.schema([pa.field(c.name, c.type, nullable=c.nullable) for c in table.columns[2:]])


def _facts(detector: Detector, found: pa.Table) -> pa.Table:
    table = _FACT_SCHEMAS.get(detector.name)
    schema = _inner(table) if table else pa.schema([f for f in detector.schema if f.name not in _NOTE_NAMES])
    if missing := set(schema.names) - set(found.schema.names):
        raise DetectorFailed(f"{detector.name} has no column {min(missing)}, which its table has")
    for field in schema:
        if not field.nullable and found.column(field.name).null_count:
            raise DetectorFailed(f"{detector.name} returned a fact without {field.name}")
    facts = pa.Table.from_arrays([found.column(name) for name in schema.names], schema=schema)
    key = next((name for name in ("path", "source_path") if name in schema.names), None)
    return facts.sort_by(key) if key and len(facts) else facts


def _distinct(facts: pa.Table) -> pa.Table:
    seen: dict[str, int] = {}
    for place, row in enumerate(facts.to_pylist()):
        seen.setdefault(repr(row), place)
    return facts if len(seen) == len(facts) else facts.take(pa.array(seen.values(), pa.int64()))


def _detector_notes(detector: Detector, found: pa.Table, schema: pa.Schema) -> pa.Table:
    key = next((name for name in ("source_path", "path") if name in found.schema.names), None)
    paths = pc.fill_null(found.column(key), "") if key else pa.array([""] * len(found), pa.string())
    names = pa.array([detector.name] * len(found), pa.string())
    messages = pc.fill_null(found.column("note_message"), "")
    return pa.table([names, paths, found.column("note_code"), messages], schema=schema)


def _listing_tables(listing: Listing) -> dict[str, pa.Table]:
    entries, kinds, stays = listing.table, listing.kinds, listing.stays
    hiders = stays & np.isin(kinds, (tar.WHITEOUT, tar.OPAQUE, tar.SYMLINK, tar.HARDLINK))
    schema = _inner(HIDERS)
    markers = np.isin(kinds, (tar.WHITEOUT, tar.OPAQUE))
    dirs = kinds == tar.DIR
    index = [
        pa.array([_packed(listing.hashes[stays & ~dirs & ~markers])], pa.binary()),
        pa.array([_packed(listing.hashes[stays & dirs])], pa.binary()),
    ]
    implied = _implied(entries["path"].filter(pa.array(~markers)), entries["path"].filter(pa.array(dirs)))
    nowhere = pa.nulls(len(implied), pa.string())
    links = pa.table([implied, pa.array(["implied"] * len(implied), pa.string()), nowhere], schema=schema)
    return {
        "entries": entries,
        "hiders": pa.concat_tables([entries.select(schema.names).filter(pa.array(hiders)).cast(schema), links]),
        "path_index": pa.table(index, schema=_inner(PATH_INDEX)),
    }


def _implied(paths: pa.ChunkedArray, dirs: pa.ChunkedArray) -> pa.Array:
    """Directories that entries lie in and that have no entry of their own: there, links below are followed."""
    named = set(dirs.to_pylist())
    lost: set[str] = set()
    for parent in {path.rpartition("/")[0] for path in paths.to_pylist()}:
        at = parent
        while at and at not in lost:
            if at not in named:
                lost.add(at)
            at = at.rpartition("/")[0]
    return pa.array(sorted(lost), pa.string())


def _packed(hashes: npt.NDArray[np.uint64]) -> bytes:
    return np.sort(hashes).astype("<u8").tobytes()

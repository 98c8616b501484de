"""From finished tables to a published version: files, manifest, switch, and what is kept of the old."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq

from grid.database import (
    CHECKED,
    CURRENT,
    MANIFEST,
    VERSIONS,
    Database,
    FeedState,
    Manifest,
    TableFile,
    current_version,
    open_version,
)
from grid.errors import DatabaseBusy, DatabaseInvalid, UsageError
from grid.schema import DATABASE_SCHEMA_VERSION, DATABASE_TABLES, Table

KEPT = 2
"""Versions, at least: the current one, and the one before it for readers that opened it."""
KEEP = "keep"
"""``ROOT/keep``: how many versions the site wants kept."""
ROW_GROUP = 32_768
_TEMPORARY = ".tmp-"

Rows: TypeAlias = pa.Table | Sequence[Mapping[str, Any]] | Iterable[pa.RecordBatch]


@contextmanager
def locked(root: Path) -> Iterator[None]:
    """One writer at a time; raises DatabaseBusy at once if there is another. Readers take no lock."""
    root.mkdir(parents=True, exist_ok=True)
    with (root / "lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            lock.seek(0)
            raise DatabaseBusy(
                f"process {lock.read(20).strip() or 'unknown'} is updating the database in {root}"
            ) from error
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def write_table(folder: Path, table: Table, rows: Rows) -> TableFile:
    """Write one sorted table as ``folder/<name>.parquet``, on disk when this returns.

    A ``pa.Table`` or a list of row dicts is sorted here (columns left out are null); a stream of record
    batches must come sorted.
    """
    path = folder / f"{table.name}.parquet"
    count = 0
    with pq.ParquetWriter(path, table.arrow, compression="zstd", write_statistics=True) as writer:
        for batch in _batches(table, rows):
            conformed = _conform(batch, table)
            count += conformed.num_rows
            writer.write_table(conformed, row_group_size=ROW_GROUP)
    with path.open("rb+") as stream:
        os.fsync(stream.fileno())
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return TableFile(count, path.stat().st_size, digest)


def _batches(table: Table, rows: Rows) -> Iterator[pa.Table]:
    if isinstance(rows, Sequence):
        rows = pa.Table.from_pylist([dict(row) for row in rows], schema=table.arrow)
    if isinstance(rows, pa.Table):
        yield _conform(rows, table).sort_by([(name, "ascending") for name in table.sort_by])
        return
    for batch in rows:
        yield pa.Table.from_batches([batch])


def _conform(rows: pa.Table, table: Table) -> pa.Table:
    """The columns of the contract in their order; those left out are null, others are refused."""
    unknown = set(rows.column_names) - {c.name for c in table.columns}
    if unknown:
        raise DatabaseInvalid(f"table {table.name!r} has no column {min(unknown)!r}")
    arrays = []
    for column in table.columns:
        if column.name in rows.column_names:
            array = rows[column.name].cast(column.type)
        else:
            array = pa.chunked_array([pa.nulls(rows.num_rows, column.type)])
        if not column.nullable and array.null_count:
            raise DatabaseInvalid(f"{table.name}.{column.name} holds a null")
        arrays.append(array)
    return pa.table(arrays, schema=table.arrow)


def publish(
    root: Path,
    tables: Mapping[str, Rows],
    *,
    key_versions: Mapping[str, int] | None = None,
    feeds: Sequence[FeedState] = (),
    notes: Sequence[str] = (),
    inputs: str = "",
) -> Database:
    """Publish tables as a new version and switch to it; the caller holds ``locked(root)`` if others may write.

    ``tables`` maps names of ``DATABASE_TABLES`` to rows; a table left out is empty. At any moment, also
    after a crash or a power cut, readers see the old version or the new one, whole.
    """
    unknown = set(tables) - {t.name for t in DATABASE_TABLES}
    if unknown:
        raise DatabaseInvalid(f"the database has no table {min(unknown)!r}")
    with new_version(root) as folder:
        files = {table.name: write_table(folder, table, tables.get(table.name, ())) for table in DATABASE_TABLES}
        return seal(root, folder, files, key_versions=key_versions or {}, feeds=feeds, notes=notes, inputs=inputs)


@contextmanager
def new_version(root: Path) -> Iterator[Path]:
    """A temporary folder beside the versions, removed on the way out unless it was sealed."""
    parent = root / VERSIONS
    parent.mkdir(parents=True, exist_ok=True)
    for leftover in parent.glob(f"{_TEMPORARY}*"):  # of a writer that was killed: we hold the lock
        shutil.rmtree(leftover, ignore_errors=True)
    folder = parent / f"{_TEMPORARY}{os.getpid()}-{os.urandom(4).hex()}"
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def seal(
    root: Path,
    folder: Path,
    files: Mapping[str, TableFile],
    *,
    key_versions: Mapping[str, int],
    feeds: Sequence[FeedState],
    notes: Sequence[str],
    inputs: str,
) -> Database:
    """Write the manifest, give the folder its name and switch to it."""
    built_at = datetime.now(UTC)
    content = hashlib.sha256("".join(f"{name}{t.sha256}" for name, t in sorted(files.items())).encode()).hexdigest()
    version = f"{built_at:%Y%m%dT%H%M%S.%fZ}-{content[:8]}"
    manifest = Manifest(
        version, DATABASE_SCHEMA_VERSION, built_at, files, key_versions, tuple(feeds), tuple(notes), inputs
    )
    write_durably(folder / MANIFEST, manifest.to_json())
    return adopt(root, folder, manifest)


def adopt(root: Path, folder: Path, manifest: Manifest) -> Database:
    """Make a whole version folder, manifest and all, the current version. Raises DatabaseInvalid if it is another's."""
    parent = root / VERSIONS
    final = parent / manifest.version
    held = _held(final)
    if held is not None:  # the same bundle imported again
        if held != manifest:
            raise DatabaseInvalid(f"another database is kept as version {manifest.version}")
    else:
        if final.exists():  # what is left of it after a writer was killed while it removed it, or damaged
            final.rename(parent / f"{_TEMPORARY}wreck-{os.urandom(4).hex()}")
        sync_folder(folder)
        folder.rename(final)
        sync_folder(parent)
    previous = _previous(root)
    write_durably(root / CURRENT, f"{manifest.version}\n".encode())
    _prune(root, keep={manifest.version} | ({previous} if previous else set()))
    return Database(final, manifest)


def _held(path: Path) -> Manifest | None:
    try:
        return open_version(path).manifest
    except DatabaseInvalid:
        return None


def _previous(root: Path) -> str | None:
    try:
        return current_version(root)
    except DatabaseInvalid:
        return None


def kept(root: Path) -> int:
    """How many versions are kept under ``root``."""
    try:
        return max(KEPT, int((root / KEEP).read_text("utf-8", "replace")))
    except (OSError, ValueError):
        return KEPT


def keep(root: Path, versions: int) -> None:
    """Keep so many versions from now on; the caller holds ``locked(root)``. Raises UsageError below KEPT."""
    if versions < KEPT:
        raise UsageError(
            f"{versions} versions cannot be kept", remedy=f"at least {KEPT}: one in use, and the one before for readers"
        )
    if versions != kept(root):
        write_durably(root / KEEP, f"{versions}\n".encode())


def _prune(root: Path, keep: set[str]) -> None:
    """Remove old versions: ``keep`` and, while fewer than ``kept(root)``, the newest others stay."""
    found = [p for p in (root / VERSIONS).iterdir() if p.name not in keep and not p.name.startswith(_TEMPORARY)]
    wrecks = [p.name for p in found if not (p / MANIFEST).exists()]  # of a writer that was killed while it removed them
    others = sorted({p.name for p in found} - set(wrecks), reverse=True)
    for name in wrecks + others[max(0, kept(root) - len(keep)) :]:
        doomed = root / VERSIONS / name
        (doomed / MANIFEST).unlink(missing_ok=True)  # first: half a version must not look whole
        shutil.rmtree(doomed, ignore_errors=True)


def mark_checked(root: Path, version: str) -> None:
    """Note that ``version`` is what the feeds say as of now."""
    write_durably(root / CHECKED, f"{version} {datetime.now(UTC).isoformat(timespec='seconds')}\n".encode())


def write_durably(path: Path, data: bytes) -> None:
    """Replace a small file atomically, on disk when this returns."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with temporary.open("wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

"""The lake: a folder, or a bucket, of Parquet files that are written whole and never modified.

    LAKE/scangrid.json            the schema version; its presence makes a folder a lake
    LAKE/<table>/~schema.parquet  no rows: a glob over a table always matches, and its columns are known
    LAKE/<table>/<name>.parquet   published by an atomic rename, or by one PUT on object stores
    LAKE/scangrid.duckdb          views only (``grid.warehouse``)

There is no manifest of files. What counts is decided by rows that were written last: a fact counts while
``layer_scans`` holds the row of its layer, detector and task, and no later one. So a crash between two
files, two writers at once and a repeat with newer rules never show a fact twice, or half of a task.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import posixpath
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from grid import commits
from grid.commits import LayerFailure
from grid.counting import (
    NEWEST,
    RUNS,
    committed,
    commutes,
    conform,
    current_images,
    helpers,
    joined,
    newest,
)
from grid.errors import LakeError, LakeInvalid, LakeMissing
from grid.schema import FACT_TABLES, LAKE_SCHEMA_VERSION, LAKE_TABLES, LAYER_SCANS, Table

if TYPE_CHECKING:
    from grid.layers.scan import LayerFacts

Filter = Mapping[str, object]
"""Column → the value it must have, or a collection (list, tuple, set, Arrow array) of such values."""

TABLES: dict[str, Table] = {table.name: table for table in LAKE_TABLES}
MARK = "scangrid.json"
VIEWS = "scangrid.duckdb"
VIEWS_MARK = ".views"
"""Names the views that ``scangrid.duckdb`` holds: writing them again costs more than a small scan."""
SCHEMA = "~schema.parquet"
"""Sorts last: DuckDB estimates how many rows a table has from its first file, and a wrong estimate ruins its plans."""
ROW_GROUP = 128 * 1024
STALE_SECONDS = 24 * 3600
_TEMPORARY = ".tmp-"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")


class Known(NamedTuple):
    """What the lake knows about a layer under one detector version."""

    ok: bool
    error_code: str
    error_message: str


@dataclass(frozen=True, slots=True)
class Lake:
    """An open lake. Holds no handles: it is cheap to open, and it may be pickled and used from many threads."""

    location: str
    """The absolute path, or the URI, without a trailing slash."""
    fs: pafs.FileSystem
    root: str
    """The lake's path inside ``fs``."""

    @classmethod
    def open(cls, uri: str | os.PathLike[str], create: bool = False) -> Lake:
        """Open a lake; with ``create`` make what is missing, and sweep away what crashed writers left.

        ``uri`` is a path, or any URI that Arrow's filesystems know (``s3://bucket/prefix?region=…``).
        Raises LakeMissing, LakeInvalid (not a lake, or written by a newer scangrid) and LakeError.
        """
        location, fs, root = _locate(os.fspath(uri))
        lake = cls(location, fs, root)
        with _reported(location):
            mark = lake._mark()
            if mark is None and not create:
                raise LakeMissing(f"no lake at {location}")
            if mark is None:
                lake._refuse_foreign()
            if create:
                lake._prepare()
        return lake

    @property
    def uri(self) -> str:
        """What ``open`` takes to open it again, on another machine too if the place is shared."""
        return self.location

    @property
    def address(self) -> str:
        """As any client names it: the folder, or ``s3://bucket/prefix`` without the options that Arrow takes."""
        return self.root if self.local else f"{self.location.partition('://')[0]}://{self.root}"

    @property
    def local(self) -> bool:
        """Whether the lake is a folder of this machine."""
        return isinstance(self.fs, pafs.LocalFileSystem)

    def __reduce__(self) -> tuple[object, ...]:
        return (Lake.open, (self.location,))

    # --- writing ---------------------------------------------------------------------------------

    def write(self, table: str, name: str, data: pa.Table) -> int:
        """Publish ``data`` as the file ``name`` of ``table``, atomically; the same name replaces. Returns the rows.

        ``name`` comes from the content or the task, so that a retry overwrites itself. Columns are cast to the
        table's schema and rows sorted by its key; nullable columns may be missing. No file is written for no rows.
        """
        spec = _table(table)
        if not _NAME.fullmatch(name):
            raise LakeError(f"{name!r} cannot name a file of the lake")
        rows = conform(spec, data)
        if spec.name == "chains":
            rows = self._with_lineage(rows)
        if rows.num_rows:
            self._publish(spec, name, rows.sort_by([(key, "ascending") for key in spec.sort_by]))
        return int(rows.num_rows)

    def commit(
        self,
        task_id: str,
        scans: Iterable[LayerFacts | LayerFailure],
        versions: Mapping[str, str],
        scanned_at: datetime | None = None,
    ) -> str:
        """Publish what a layer task found: a file per facts table that has rows, then, as the mark, ``layer_scans``.

        ``versions`` are the detectors that ran, ``entries`` among them if the listing is to be kept; facts of others
        are dropped. Returns the commit's id, which is the file name and stands in ``task_id``. It is made of the task
        and of which layers succeeded: the same outcome overwrites itself, and a retry that fails where the first try
        did not adds a failure but takes nothing away.
        """
        scans = sorted(scans, key=lambda scan: scan.layer.digest)
        done = [scan for scan in scans if not isinstance(scan, LayerFailure)]
        outcome = "\n".join(
            [*(scan.layer.digest for scan in done), "", *(f"{k} {v}" for k, v in sorted(versions.items()))]
        )
        commit_id = f"{task_id}-{hashlib.blake2b(outcome.encode(), digest_size=6).hexdigest()}"
        if not _NAME.fullmatch(commit_id):
            raise LakeError(f"{task_id!r} cannot name a task")
        for table in FACT_TABLES:
            if table.detector and table.detector not in versions:
                continue
            parts = [commits.facts(table, scan, commit_id, versions) for scan in done if table.name in scan.tables]
            rows = pa.concat_tables([table.arrow.empty_table(), *parts])
            if rows.num_rows:
                self._publish(table, commit_id, rows)
        marks = commits.marks(scans, versions, commit_id, scanned_at or datetime.now(UTC))
        if marks.num_rows:
            self._publish(LAYER_SCANS, commit_id, marks)
        return commit_id

    def published_views(self) -> str | None:
        """The mark of the views that are published; None if there are none."""
        views, mark = (posixpath.join(self.root, name) for name in (VIEWS, VIEWS_MARK))
        with _reported(self.location):
            if any(i.type != pafs.FileType.File for i in self.fs.get_file_info([views, mark])):
                return None
        return self.get(VIEWS_MARK).decode("ascii", "replace")

    def get(self, name: str) -> bytes:
        """A file in the lake's root."""
        with _reported(self.location), self.fs.open_input_file(posixpath.join(self.root, name)) as file:
            return bytes(file.read())

    def put(self, name: str, content: bytes) -> None:
        """Publish a file in the lake's root atomically (``scangrid.duckdb``)."""
        with _reported(self.location):
            self._put(name, content)

    # --- reading ---------------------------------------------------------------------------------

    def read(
        self,
        table: str,
        columns: Iterable[str] | None = None,
        filter: Filter | None = None,
        marks: pa.Table | None = None,
    ) -> pa.Table:
        """The rows of ``table`` that count, newest where a key was written more than once; order unspecified.

        Every value of ``filter`` must be met (see ``Filter``). ``marks``, if they were read before, spare reading them
        with each of several tables of facts. Raises LakeInvalid naming a file that is damaged or is none of ours.
        """
        spec = _table(table)
        wanted = list(columns) if columns is not None else [c.name for c in spec.columns]
        where = dict(filter or {})
        for column in (*wanted, *where):
            spec.arrow.field(column)
        early = {c: v for c, v in where.items() if commutes(spec, c)}
        rule = NEWEST.get(spec.name)
        needs = dict.fromkeys([*wanted, *where, *helpers(spec)])
        if spec not in FACT_TABLES:
            marks = None
        elif marks is None:
            marks = self.marks()  # before the facts: these are written first
        runs = self._current_runs(spec)
        rows = self._scan(spec, list(needs), early)
        if marks is not None:
            rows = rows.filter(committed(spec, rows, marks))
        elif runs is not None:
            rows = rows.filter(pc.is_in(joined(rows, RUNS[spec.name][1]), value_set=runs))
        elif spec.name == "images":
            rows = rows.filter(current_images(rows))
        elif rule is not None:
            rows = rows.filter(newest(rows, *rule))
        late = {c: v for c, v in where.items() if c not in early}
        if late:
            rows = ds.dataset(rows).to_table(filter=_expression(spec, late))
        return rows.select(wanted)

    def marks(self) -> pa.Table:
        """(layer_digest, detector, task_id) of the newest successful scan of each layer and detector."""
        names = ["layer_digest", "detector", "task_id", "scanned_at"]
        rows = self._scan(LAYER_SCANS, names, {"status": "ok"})
        return rows.filter(newest(rows, names[:2], ["scanned_at", "task_id"]))

    def scanned(self) -> dict[tuple[str, str, str], Known]:
        """What need not be scanned again, by (layer_digest, detector, detector_version).

        Scans that succeeded, and failures that the content itself causes (``final``); no other failure is listed.
        """
        names = ["layer_digest", "detector", "detector_version", "status", "error_code", "error_message", "scanned_at"]
        rows = self._scan(LAYER_SCANS, [*names, "final"], {})
        ok = pc.equal(rows["status"], "ok")
        rows = rows.append_column("ok", ok).filter(pc.or_(ok, rows["final"]))
        rows = rows.filter(newest(rows, names[:3], ["ok", "scanned_at"]))
        lists = (rows[name].to_pylist() for name in ("layer_digest", "detector", "detector_version"))
        told = (rows[name].to_pylist() for name in ("ok", "error_code", "error_message"))
        return {
            key: Known(fine, code or "", message or "")
            for key, (fine, code, message) in zip(zip(*lists, strict=True), zip(*told, strict=True), strict=True)
        }

    def widened(self) -> frozenset[str]:
        """The tables some of whose files were written before a column was added."""
        with _reported(self.location):
            mark = self._mark()
            return frozenset(mark.widened if mark else ())

    def files(self, table: str) -> list[str]:
        """The published files of a table, as paths inside ``fs``, without the empty ``~schema.parquet``."""
        selector = pafs.FileSelector(posixpath.join(self.root, _table(table).name), allow_not_found=True)
        with _reported(self.location):
            infos = self.fs.get_file_info(selector)
        return sorted(i.path for i in infos if _published(i) and i.base_name != SCHEMA)

    # --- inside ----------------------------------------------------------------------------------

    def _with_lineage(self, rows: pa.Table) -> pa.Table:
        """Fill in ``members``, ``layers`` and ``steps``, so that no view need climb from parent to parent."""
        ids, parents, layers, made = (
            rows[name].to_pylist() for name in ("chain_id", "parent_id", "layer_digest", "created_by")
        )
        filled = ("members", "layers", "steps")
        missing = list({parent for parent in parents if parent} - set(ids))
        older = self.read("chains", ["chain_id", *filled], {"chain_id": missing}) if missing else rows[:0]
        known = {
            chain: (members, below, steps or [""] * len(members))
            for chain, members, below, steps in zip(
                *(older[name].to_pylist() for name in ("chain_id", *filled)), strict=True
            )
        }
        step = {
            chain: (parent, layer, by or "")
            for chain, parent, layer, by in zip(ids, parents, layers, made, strict=True)
        }
        for chain in ids:
            path = []
            at: str | None = chain
            while at and at not in known:
                if at not in step:
                    raise LakeError(f"chains: {chain} is built on {at}, which the lake does not have")
                path.append(at)
                at = step[at][0]
            for below in reversed(path):
                parent, layer, by = step[below]
                lower = known[parent] if parent else ([], [], [])
                known[below] = ([*lower[0], below], [*lower[1], layer], [*lower[2], by])
        for place, name in enumerate(filled):
            column = pa.array([known[chain][place] for chain in ids], rows.schema.field(name).type)
            rows = rows.set_column(rows.schema.get_field_index(name), rows.schema.field(name), column)
        return rows

    def _mark(self) -> _Mark | None:
        """What the lake says of itself; None if there is no lake."""
        path = posixpath.join(self.root, MARK)
        if self.fs.get_file_info(path).type != pafs.FileType.File:
            return None
        with self.fs.open_input_file(path) as file:
            text = file.read()
        try:
            content = json.loads(text)
            version, widened = int(content["schema_version"]), [str(name) for name in content.get("widened", ())]
            columns = str(content.get("columns", ""))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise LakeInvalid(f"{path} is not what scangrid writes there") from error
        if version > LAKE_SCHEMA_VERSION:
            raise LakeInvalid(
                f"{self.location} was written by a newer scangrid (lake schema {version}, this one reads "
                f"{LAKE_SCHEMA_VERSION})",
                remedy="upgrade scangrid, or name another lake with --lake",
            )
        return _Mark(widened, columns)

    def _put_mark(self, widened: list[str]) -> None:
        content = {"schema_version": LAKE_SCHEMA_VERSION, "widened": widened, "columns": columns()}
        self._put(MARK, json.dumps(content).encode() + b"\n")

    def _refuse_foreign(self) -> None:
        """A mistyped --lake must not turn someone's home folder into a lake."""
        names = {i.base_name for i in self.fs.get_file_info(pafs.FileSelector(self.root, allow_not_found=True))}
        foreign = sorted(n for n in names - {MARK, VIEWS} - TABLES.keys() if not n.startswith("."))
        if foreign:
            raise LakeInvalid(
                f"{self.location} is no lake and holds other things ({foreign[0]})",
                remedy="name a new or an empty folder with --lake",
            )

    def _prepare(self) -> None:
        mark = self._mark()
        if not self.local and mark is not None and mark.columns == columns():
            return  # to ask an object store for each table takes seconds
        self.fs.create_dir(self.root, recursive=True)
        widened = set(mark.widened if mark else ())
        for table in LAKE_TABLES:
            folder = posixpath.join(self.root, table.name)
            self.fs.create_dir(folder, recursive=True)
            if not self._describes(posixpath.join(folder, SCHEMA), table):
                if self.files(table.name):
                    widened.add(table.name)
                self._publish(table, SCHEMA.removesuffix(".parquet"), table.arrow.empty_table())
        if mark is None or (mark.widened, mark.columns) != (sorted(widened), columns()):
            self._put_mark(sorted(widened))
        if self.local:
            for folder in (self.root, *(posixpath.join(self.root, t.name) for t in LAKE_TABLES)):
                _remove_stale(Path(folder))

    def _describes(self, path: str, table: Table) -> bool:
        """Whether the empty file of a table is there and has all its columns."""
        try:
            return set(pq.read_schema(path, filesystem=self.fs).names) >= set(table.arrow.names)
        except (pa.ArrowInvalid, OSError):
            return False

    def _publish(self, table: Table, name: str, rows: pa.Table) -> None:
        sink = pa.BufferOutputStream()
        pq.write_table(rows, sink, compression="zstd", row_group_size=ROW_GROUP, write_page_index=True)
        with _reported(self.location):
            self._put(posixpath.join(table.name, f"{name}.parquet"), sink.getvalue())

    def _put(self, name: str, content: bytes | pa.Buffer) -> None:
        """Make a file visible whole or not at all, and on a local disk lasting before this returns."""
        path = posixpath.join(self.root, name)
        if not self.local:  # an object store shows an object once its upload is complete
            with self.fs.open_output_stream(path) as stream:
                stream.write(content)
            WRITTEN.files += 1
            return
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.parent / f"{_TEMPORARY}{os.getpid()}-{os.urandom(6).hex()}"
        try:
            with temporary.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(target)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _scan(self, table: Table, columns: list[str], where: Filter) -> pa.Table:
        files = self.files(table.name)
        if not files:
            return table.only(*columns).empty_table()
        try:
            dataset = ds.dataset(files, schema=table.arrow, format="parquet", filesystem=self.fs)
            rows = dataset.to_table(columns=columns, filter=_expression(table, where))
            if any(rows[c.name].null_count for c in table.columns if c.name in columns and not c.nullable):
                raise pa.ArrowInvalid("a file lacks a column")
            return rows
        except (pa.ArrowException, OSError, ValueError) as error:
            self._blame(table, files)
            raise LakeError(f"{self.location}: {table.name} cannot be read: {error}") from error

    def _blame(self, table: Table, files: list[str]) -> None:
        for path in files:
            try:
                with self.fs.open_input_file(path) as source:
                    pq.ParquetFile(source).read().select([c.name for c in table.columns if not c.nullable])
            except (pa.ArrowException, OSError, KeyError) as error:
                raise LakeInvalid(
                    f"{path} is damaged or was not written by scangrid",
                    remedy="remove the file: the next sweep scans again what it held",
                ) from error

    def _current_runs(self, table: Table) -> pa.Array | None:
        """The keys of the runs whose rows count, for tables that another table commits."""
        if table.name not in RUNS:
            return None
        committing, keys = RUNS[table.name]
        rule = NEWEST[committing]
        rows = self._scan(TABLES[committing], list(dict.fromkeys([*keys, *rule[0], *rule[1]])), {})
        return pc.unique(joined(rows.filter(newest(rows, *rule)), keys))


@dataclass
class Written:
    """What this process has written: whoever keeps a list of an object store's files can tell whether it is old."""

    files: int = 0


WRITTEN = Written()


# --- places --------------------------------------------------------------------------------------


def _locate(uri: str) -> tuple[str, pafs.FileSystem, str]:
    if "://" not in uri:
        path = str(Path(uri).expanduser().resolve())
        return path, pafs.LocalFileSystem(), path
    if urlsplit(uri).username is not None:  # it would stand in task arguments, logs and errors
        raise LakeError("the lake's URI holds credentials", remedy="give them by AWS_ACCESS_KEY_ID or a profile")
    try:
        fs, root = pafs.FileSystem.from_uri(uri)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as error:
        raise LakeError(f"{uri}: {error}", remedy="name a folder or an s3:// URI with --lake") from error
    root = root.rstrip("/")
    return (root if isinstance(fs, pafs.LocalFileSystem) else uri.rstrip("/")), fs, root


class _Mark(NamedTuple):
    """``scangrid.json``."""

    widened: list[str]
    """The tables with files that lack columns of today."""
    columns: str
    """What names the tables and columns that the lake was prepared for."""


@cache
def columns() -> str:
    """Names all tables of the lake with their columns and types: what changes where a lake must be prepared again."""
    told = repr([(table.name, [(c.name, str(c.type)) for c in table.columns]) for table in LAKE_TABLES])
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def _table(name: str) -> Table:
    try:
        return TABLES[name]
    except KeyError:
        raise LakeError(f"the lake has no table {name!r}") from None


def _published(info: pafs.FileInfo) -> bool:
    name = info.base_name
    return info.type == pafs.FileType.File and name.endswith(".parquet") and not name.startswith(".")


def _expression(table: Table, where: Filter) -> pc.Expression | None:
    result: pc.Expression | None = None
    for column, value in where.items():
        if isinstance(value, (list, tuple, set, frozenset, pa.Array, pa.ChunkedArray)):
            values = value.to_pylist() if isinstance(value, (pa.Array, pa.ChunkedArray)) else list(value)
            term = pc.field(column).isin(pa.array(values, table.arrow.field(column).type))
        else:
            term = pc.field(column) == value if value is not None else pc.field(column).is_null()
        result = term if result is None else result & term
    return result


def _remove_stale(folder: Path) -> None:
    limit = time.time() - STALE_SECONDS
    for path in folder.glob(f"{_TEMPORARY}*"):
        with contextlib.suppress(OSError):  # another writer may be removing it too
            if path.stat().st_mtime < limit:
                path.unlink()


@contextlib.contextmanager
def _reported(location: str) -> Iterator[None]:
    """The operating system's and the object store's errors as ours."""
    try:
        yield
    except OSError as error:
        raise LakeError(f"{location}: {error.strerror or error}") from error

"""The vulnerability database as its readers see it. ``vulndb`` writes it; matching only reads.

::

    ROOT/current                       text: the id of the version in use, replaced atomically
    ROOT/versions/<id>/manifest.json   written last: a version without it does not exist
    ROOT/versions/<id>/<table>.parquet one file for each of ``grid.schema.DATABASE_TABLES``
    ROOT/checked                       text: when an update last found the version in use up to date
    ROOT/java/current, ROOT/java/<id>  optional: what jars are, by their SHA-1, whatever the version in use
    ROOT/workspace, ROOT/lock          the writer's own: fetched feeds, and one writer at a time

A version is never modified. A reader resolves ``current`` once, with ``open_database``, and from then on
opens files by the path of that version; the writer keeps the version before the current one for it, and as many
older ones as the site asks for (``scangrid db update --keep``), which ``open_database`` opens by id or by date.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import platformdirs
import pyarrow as pa
import pyarrow.parquet as pq

from grid.errors import DatabaseInvalid, DatabaseMissing
from grid.schema import DATABASE_SCHEMA_VERSION, DATABASE_TABLES

ENVIRONMENT = "SCANGRID_DB"
CURRENT = "current"
CHECKED = "checked"
VERSIONS = "versions"
JAVA = "java"
JAVA_CURRENT = "current"
MANIFEST = "manifest.json"
STALE_AFTER = timedelta(days=7)
"""Older than this and a user should be told."""

_VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,127}")
_MANIFEST_LIMIT = 16 << 20


@dataclass(frozen=True, slots=True)
class TableFile:
    """One Parquet file of a version."""

    rows: int
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class FeedState:
    """What one feed contributed, and how fresh that is."""

    name: str
    status: str
    """``ok``, ``stale`` (the last fetch failed in part or whole: its last good state was used) or ``absent``."""
    advisories: int = 0
    fetched_at: str = ""
    """RFC 3339: when the newest of its files was fetched."""
    source_date: str = ""
    """RFC 3339: the newest date that the publisher gives (Last-Modified, else of a record); "" if none."""
    files: tuple[Mapping[str, Any], ...] = ()
    """``url``, ``etag``, ``bytes``, ``sha256`` of every file that was read."""
    message: str = ""
    """Why it is not ``ok``."""
    ranges: int = 0
    """Affected ranges and listed versions in what it says."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """``manifest.json``: what a version holds and what it was made of."""

    version: str
    schema_version: int
    built_at: datetime
    tables: Mapping[str, TableFile]
    key_versions: Mapping[str, int]
    """Of each ecosystem whose versions are encoded, ``Ecosystem.key_version`` at build time."""
    feeds: tuple[FeedState, ...] = ()
    notes: tuple[str, ...] = ()
    """What a reader of results should know: ecosystems without ordered ranges, records not understood …"""
    inputs: str = ""
    """Hash over everything the build depends on: equal inputs need no new build."""

    def to_json(self) -> bytes:
        """The bytes of ``manifest.json``."""
        document = {
            "version": self.version,
            "schema_version": self.schema_version,
            "built_at": self.built_at.isoformat(),
            "inputs": self.inputs,
            "key_versions": dict(sorted(self.key_versions.items())),
            "tables": {
                name: {"rows": t.rows, "bytes": t.bytes, "sha256": t.sha256} for name, t in sorted(self.tables.items())
            },
            "feeds": [
                {
                    "name": f.name,
                    "status": f.status,
                    "advisories": f.advisories,
                    "ranges": f.ranges,
                    "fetched_at": f.fetched_at,
                    "source_date": f.source_date,
                    "message": f.message,
                    "files": [dict(file) for file in f.files],
                }
                for f in self.feeds
            ],
            "notes": list(self.notes),
        }
        return json.dumps(document, indent=1).encode()

    @classmethod
    def from_json(cls, data: bytes) -> Manifest:
        """Parse and check ``manifest.json``; raises DatabaseInvalid."""
        try:
            raw = json.loads(data)
            schema_version = int(raw["schema_version"])
            if schema_version != DATABASE_SCHEMA_VERSION:
                raise DatabaseInvalid(
                    f"the database has schema {schema_version}, this scangrid reads schema {DATABASE_SCHEMA_VERSION}"
                )
            built_at = datetime.fromisoformat(raw["built_at"])
            return cls(
                version=str(raw["version"]),
                schema_version=schema_version,
                built_at=built_at if built_at.tzinfo else built_at.replace(tzinfo=UTC),
                inputs=str(raw.get("inputs", "")),
                key_versions={str(k): int(v) for k, v in raw["key_versions"].items()},
                tables={
                    str(name): TableFile(int(t["rows"]), int(t["bytes"]), str(t["sha256"]))
                    for name, t in raw["tables"].items()
                },
                feeds=tuple(
                    FeedState(
                        name=str(f["name"]),
                        status=str(f["status"]),
                        advisories=int(f["advisories"]),
                        ranges=int(f.get("ranges", 0)),
                        fetched_at=str(f.get("fetched_at", "")),
                        source_date=str(f.get("source_date", "")),
                        message=str(f.get("message", "")),
                        files=tuple(f.get("files", ())),
                    )
                    for f in raw["feeds"]
                ),
                notes=tuple(str(note) for note in raw["notes"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise DatabaseInvalid(f"{MANIFEST} cannot be read: {type(error).__name__}: {error}") from error


@dataclass(frozen=True, slots=True)
class Database:
    """One published version: a folder of Parquet files that will not change."""

    path: Path
    manifest: Manifest
    checked_at: datetime | None = field(default=None, compare=False)
    """When an update last found that this is still what the feeds say; None if none has since it was built."""

    @property
    def version(self) -> str:
        return self.manifest.version

    def parquet(self, table: str) -> str:
        """Path of a table's Parquet file, for DuckDB's ``read_parquet`` or pyarrow."""
        if table not in self.manifest.tables:
            raise DatabaseInvalid(f"version {self.version} has no table {table!r}")
        return str(self.path / f"{table}.parquet")

    def java_index(self) -> list[str]:
        """The Parquet files of the Java index beside this version, one for each first digit; none if there is none.

        Columns: ``sha1``, and ``named``, a struct of group, artifact and version.
        """
        folder = self.path.parent.parent / JAVA
        try:
            name = (folder / JAVA_CURRENT).read_text("utf-8", "replace").strip()
        except OSError:
            return []
        return sorted(map(str, (folder / name).glob("?.parquet"))) if _VERSION.fullmatch(name) else []

    def rows(self, table: str) -> int:
        return self.manifest.tables[table].rows

    def age(self, now: datetime | None = None) -> timedelta:
        """Since it was known to be what the feeds say: built, or found unchanged. Never negative."""
        known = max(self.manifest.built_at, self.checked_at or self.manifest.built_at)
        return max((now or datetime.now(UTC)) - known, timedelta())

    def concerns(self, now: datetime | None = None) -> list[str]:
        """What a reader of results should be told: that all of it is old, or that some feeds are."""
        found = []
        if self.age(now) > STALE_AFTER:
            found.append(f"the vulnerability database is {self.age(now).days} days old; run: scangrid db update")
        if stale := [feed.name for feed in self.manifest.feeds if feed.status == "stale"]:
            found.append(
                f"older data stands in for feeds that could not be had: {', '.join(stale)} (scangrid db status)"
            )
        return found

    def outdated_keys(self, current: Mapping[str, int]) -> tuple[str, ...]:
        """The ecosystems whose keys this version encodes in another way than ``current`` key versions do.

        Their ranges must not be compared with keys made now: the database has to be built again.
        """
        return tuple(
            sorted(
                name
                for name, version in self.manifest.key_versions.items()
                if name in current and current[name] != version
            )
        )

    def verify(self) -> None:
        """Read every file against its checksum and schema; raises DatabaseInvalid naming the first bad one."""
        for table in DATABASE_TABLES:
            file = self.path / f"{table.name}.parquet"
            expected = self.manifest.tables.get(table.name)
            if expected is None:
                raise DatabaseInvalid(f"version {self.version} has no table {table.name!r}")
            try:
                with file.open("rb") as stream:
                    actual = hashlib.file_digest(stream, "sha256").hexdigest()
                if actual != expected.sha256:
                    raise DatabaseInvalid(f"{file.name} does not have the checksum that the manifest gives")
                schema = pq.read_schema(file)
            except (OSError, pa.ArrowInvalid) as error:
                raise DatabaseInvalid(f"{file.name} cannot be read: {error}") from error
            check_schema(table.name, schema)


def check_schema(table: str, schema: pa.Schema) -> None:
    """Every column of the contract must be there with its type; more columns are welcome."""
    wanted = next(t for t in DATABASE_TABLES if t.name == table).arrow
    for column in wanted:
        index = schema.get_field_index(column.name)
        if index < 0:
            raise DatabaseInvalid(f"table {table!r} has no column {column.name!r}")
        if schema.field(index).type != column.type:
            raise DatabaseInvalid(f"column {table}.{column.name} is {schema.field(index).type}, expected {column.type}")


def default_root() -> Path:
    """``SCANGRID_DB``, else a folder in the user's cache."""
    named = os.environ.get(ENVIRONMENT, "")
    return Path(named).expanduser() if named else platformdirs.user_cache_path("scangrid") / "db"


def current_version(root: Path) -> str | None:
    """The id that ``ROOT/current`` names, or None; raises DatabaseInvalid if it is no id."""
    try:
        text = (root / CURRENT).read_text("utf-8", "replace").strip()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise DatabaseInvalid(f"{root / CURRENT} cannot be read: {error.strerror}") from error
    if not _VERSION.fullmatch(text):
        raise DatabaseInvalid(f"{root / CURRENT} does not name a version")
    return text


def open_version(path: Path) -> Database:
    """The version in this folder; sizes are checked, contents are not. Raises DatabaseInvalid."""
    try:
        file = path / MANIFEST
        if file.stat().st_size > _MANIFEST_LIMIT:
            raise DatabaseInvalid(f"{file} is too large to be a manifest")
        database = Database(path, Manifest.from_json(file.read_bytes()))
        for table in DATABASE_TABLES:
            expected = database.manifest.tables.get(table.name)
            if expected is None:
                raise DatabaseInvalid(f"{path.name} has no table {table.name!r}")
            if (path / f"{table.name}.parquet").stat().st_size != expected.bytes:
                raise DatabaseInvalid(f"{path.name}/{table.name}.parquet does not have the size that it should")
    except OSError as error:
        raise DatabaseInvalid(f"{path} cannot be read: {error.strerror}") from error
    return database


def open_database(root: Path | None = None, *, version: str | None = None, as_of: datetime | None = None) -> Database:
    """The version in use, or the kept one with the id ``version``, or the newest kept one built by ``as_of``.

    ``root`` is ``default_root()`` if not given. Raises DatabaseMissing where there is none, DatabaseInvalid where it
    is damaged. What is returned stays readable while updates go on, until the second update after this call.
    """
    root = default_root() if root is None else root
    if version is not None or as_of is not None:
        return _open_kept(root, version, as_of)
    current = current_version(root)
    if current is None:
        raise DatabaseMissing(f"there is no vulnerability database in {root}")
    for _ in range(3):  # two updates between reading the pointer and the folder would take the folder away
        try:
            return replace(open_version(root / VERSIONS / current), checked_at=_checked(root, current))
        except DatabaseInvalid:
            again = current_version(root)
            if again is None or again == current:
                raise
            current = again
    return open_version(root / VERSIONS / current)


def kept_versions(root: Path | None = None) -> list[Database]:
    """Every whole version under ``root``, the newest built first; what another scangrid wrote is left out."""
    root = default_root() if root is None else root
    found = []
    for path in (root / VERSIONS).glob("[!.]*"):
        try:
            found.append(replace(open_version(path), checked_at=_checked(root, path.name)))
        except DatabaseInvalid:
            continue
    return sorted(found, key=lambda database: (database.manifest.built_at, database.version), reverse=True)


def _open_kept(root: Path, version: str | None, as_of: datetime | None) -> Database:
    kept = kept_versions(root)
    for database in kept:
        if version in (None, database.version) and (as_of is None or database.manifest.built_at <= as_of):
            return database
    what = f"no version {version!r}" if version is not None else f"no version built by {as_of:%Y-%m-%d %H:%M}"
    raise DatabaseMissing(
        f"the database in {root} has {what} any more, or never had",
        remedy="`scangrid db list` shows the kept versions; `scangrid db update --keep N` keeps more from now on",
    )


def _checked(root: Path, version: str) -> datetime | None:
    """The date in ``ROOT/checked``, if it speaks of this version: a hint, so whatever is wrong with it is None."""
    try:
        told, _, moment = (root / CHECKED).read_text("utf-8", "replace").strip().partition(" ")
        found = datetime.fromisoformat(moment) if told == version else None
    except (OSError, ValueError):
        return None
    return found if found is not None and found.tzinfo is not None else None

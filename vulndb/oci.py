"""Databases in registries: an OCI artifact whose files are those of a version's folder.

The only module of ``vulndb`` that knows registries: what ``bundle`` is for one file, this is for a registry. Each table
is a blob of its own, so a pull brings only the tables that differ from those of the versions that are kept already.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from grid.database import MANIFEST, Database, Manifest, kept_versions
from grid.errors import DatabaseInvalid
from grid.registries import Access
from grid.registries.exchange import Item, Progress, item, open_artifacts
from grid.schema import DATABASE_TABLES
from vulndb.bundle import MANIFEST_LIMIT, MAX_BYTES, SIGNATURE, plain, signature_of
from vulndb.publish import adopt, locked, new_version
from vulndb.signing import MAX_SIGNATURE, verify

ARTIFACT = "application/vnd.scangrid.db.v1"
MANIFEST_TYPE = "application/vnd.scangrid.db.manifest.v1+json"
SIGNATURE_TYPE = "application/vnd.scangrid.db.signature.v1"
TABLE_TYPE = "application/vnd.apache.parquet"
_REMEDY = "export it again with this version of scangrid"


def _silent(name: str, done: int, total: int) -> None:
    return None


def push(
    database: Database, access: Access, repository: str, tag: str, key: Path | None = None, progress: Progress = _silent
) -> str:
    """Push a version, checked first and signed with ``key`` if there is one; the digest of the artifact."""
    database.verify()
    folder = database.path
    with TemporaryDirectory(prefix="scangrid-") as temporary:
        files = [item(MANIFEST, MANIFEST_TYPE, folder / MANIFEST)]
        signature = signature_of(database, key)
        if signature is not None:
            written = Path(temporary) / SIGNATURE
            written.write_bytes(signature)
            files.append(item(SIGNATURE, SIGNATURE_TYPE, written))
        for table in DATABASE_TABLES:
            told = database.manifest.tables[table.name]
            name = f"{table.name}.parquet"
            files.append(Item(name, TABLE_TYPE, f"sha256:{told.sha256}", told.bytes, folder / name))
        annotations = {
            "org.opencontainers.image.created": database.manifest.built_at.isoformat(),
            "org.opencontainers.image.version": database.version,
            "org.opencontainers.image.title": "scangrid vulnerability database",
        }
        registry = open_artifacts(access)
        try:
            return registry.push(repository, tag, ARTIFACT, files, annotations, progress)
        finally:
            registry.close()


def pull(
    root: Path,
    access: Access,
    repository: str,
    target: str,
    key: Path | None = None,
    progress: Progress = _silent,
) -> Database:
    """Publish what a tag or digest names under ``root``, signed by the owner of ``key`` if there is one.

    Raises RegistryError, or DatabaseInvalid if anything about it is wrong; then nothing changes.
    """
    registry = open_artifacts(access)
    try:
        with locked(root), new_version(root) as folder:
            artifact = registry.find(repository, target, ARTIFACT)
            listed = _listed(artifact.items)
            registry.fetch(repository, listed[MANIFEST], folder / MANIFEST)
            data = (folder / MANIFEST).read_bytes()
            if key is not None or SIGNATURE in listed:
                signature = None
                if SIGNATURE in listed:
                    registry.fetch(repository, listed[SIGNATURE], folder / SIGNATURE)
                    signature = (folder / SIGNATURE).read_bytes()
                if key is not None:
                    verify(data, signature, key)
            manifest = Manifest.from_json(data)
            if not plain(manifest.version):
                raise _bad("its version is not a plain name")
            held = _held(root)
            for table in DATABASE_TABLES:
                one, expected = listed[f"{table.name}.parquet"], manifest.tables.get(table.name)
                if expected is None or (one.digest, one.size) != (f"sha256:{expected.sha256}", expected.bytes):
                    raise _bad(f"{one.name!r} is not the file that its manifest describes")
                if not _taken(held.get(expected.sha256), folder / one.name, expected.sha256):
                    registry.fetch(repository, one, folder / one.name, progress)
            Database(folder, manifest).verify()
            return adopt(root, folder, manifest)
    finally:
        registry.close()


def _listed(items: tuple[Item, ...]) -> dict[str, Item]:
    """The files by name: those that belong in it, each once, none larger than it may be."""
    tables = {f"{table.name}.parquet": MAX_BYTES for table in DATABASE_TABLES}
    limits = {MANIFEST: MANIFEST_LIMIT, SIGNATURE: MAX_SIGNATURE, **tables}
    found: dict[str, Item] = {}
    for one in items:
        if one.name not in limits or one.name in found:
            raise _bad(f"{one.name!r} does not belong in it")
        if one.size > limits[one.name]:
            raise _bad(f"{one.name!r} is larger than it may be")
        found[one.name] = one
    if missing := limits.keys() - found.keys() - {SIGNATURE}:
        raise _bad(f"it lacks {min(missing)!r}")
    return found


def _held(root: Path) -> Mapping[str, Path]:
    """Tables of the kept versions by checksum."""
    return {
        table.sha256: database.path / f"{name}.parquet"
        for database in kept_versions(root)
        for name, table in database.manifest.tables.items()
    }


def _taken(source: Path | None, target: Path, sha256: str) -> bool:
    """Take a file that is here already, if it is what it is said to be."""
    if source is None:
        return False
    try:
        with source.open("rb") as stream:
            if hashlib.file_digest(stream, "sha256").hexdigest() != sha256:
                return False
        try:
            os.link(source, target)
        except OSError:
            shutil.copyfile(source, target)
    except OSError:
        target.unlink(missing_ok=True)
        return False
    return True


def _bad(reason: str) -> DatabaseInvalid:
    return DatabaseInvalid(f"this is not a database of scangrid's: {reason}", remedy=_REMEDY)

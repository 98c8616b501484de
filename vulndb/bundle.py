"""One file that carries a database to where no feed can be reached.

A bundle is a zstd-compressed tar: ``manifest.json``, its SHA-256 in ``manifest.sha256``, perhaps a signature of it in
``manifest.sig`` (``signing``), then the Parquet files that the manifest lists with size and SHA-256. What is imported
is believed only after all of them, and the schema, have been checked.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import tarfile
from pathlib import Path
from typing import IO

import zstandard

from grid.database import MANIFEST, Database, Manifest
from grid.errors import DatabaseInvalid, UsageError
from grid.schema import DATABASE_TABLES
from vulndb.publish import adopt, locked, new_version, write_durably
from vulndb.signing import MAX_SIGNATURE, sign, verify

SUM = "manifest.sha256"
SIGNATURE = "manifest.sig"
MAX_BYTES = 64 << 30
"""Of one table of a bundle; beyond any real one."""
MANIFEST_LIMIT = 16 << 20
_CHUNK = 1 << 20
_REMEDY = "export it again, and copy it whole"


def export(database: Database, file: Path, key: Path | None = None) -> int:
    """Write a version as a bundle, checked first; the number of bytes. Replaces ``file`` atomically.

    ``key`` is a private key to sign with; without one, a signature that the version was imported with goes along.
    """
    database.verify()
    signature = signature_of(database, key)
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        with temporary.open("wb") as raw:
            compressor = zstandard.ZstdCompressor(level=3, write_checksum=True)
            with (
                compressor.stream_writer(raw, closefd=False) as stream,
                tarfile.open(fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT) as tar,
            ):
                manifest = (database.path / MANIFEST).read_bytes()
                _add(tar, MANIFEST, len(manifest), io.BytesIO(manifest))
                _add(tar, SUM, 64, io.BytesIO(hashlib.sha256(manifest).hexdigest().encode()))
                if signature is not None:
                    _add(tar, SIGNATURE, len(signature), io.BytesIO(signature))
                for table in DATABASE_TABLES:
                    path = database.path / f"{table.name}.parquet"
                    with path.open("rb") as content:
                        _add(tar, path.name, path.stat().st_size, content)
            raw.flush()
            os.fsync(raw.fileno())
        temporary.replace(file)
    except OSError as error:
        raise UsageError(f"{file} cannot be written: {error.strerror}") from error
    finally:
        temporary.unlink(missing_ok=True)
    return file.stat().st_size


def _add(tar: tarfile.TarFile, name: str, size: int, content: IO[bytes]) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o644
    tar.addfile(info, content)


def signature_of(database: Database, key: Path | None) -> bytes | None:
    """The signature that goes with a version: made now with a private key, else the one that it came with."""
    if key is not None:
        return sign((database.path / MANIFEST).read_bytes(), key)
    try:
        with (database.path / SIGNATURE).open("rb") as stream:
            return stream.read(MAX_SIGNATURE)
    except FileNotFoundError:
        return None


def import_bundle(root: Path, file: Path, key: Path | None = None) -> Database:
    """Publish a bundle under ``root``; raises DatabaseInvalid if anything about it is wrong, and nothing changes.

    With ``key``, a public one, its owner must have signed it.
    """
    with locked(root), new_version(root) as folder:
        try:
            with (
                file.open("rb") as raw,
                zstandard.ZstdDecompressor().stream_reader(raw) as stream,
                tarfile.open(fileobj=stream, mode="r|") as tar,
            ):
                manifest = _unpack(tar, folder, key)
        except FileNotFoundError as error:
            raise UsageError(f"{file} does not exist") from error
        except (OSError, tarfile.TarError, zstandard.ZstdError, EOFError) as error:
            raise DatabaseInvalid(f"{file} is not a whole bundle: {error}", remedy=_REMEDY) from error
        Database(folder, manifest).verify()
        return adopt(root, folder, manifest)


def _unpack(tar: tarfile.TarFile, folder: Path, key: Path | None) -> Manifest:
    """Write the members that belong in a bundle; any other member makes it no bundle."""
    manifest: Manifest | None = None
    told = ""
    signature: bytes | None = None
    waiting = {SUM, SIGNATURE} | {f"{table.name}.parquet" for table in DATABASE_TABLES}
    for member in tar:
        if not member.isreg():
            raise _bad(f"{member.name!r} is not a plain file")
        content = tar.extractfile(member)
        assert content is not None
        if manifest is None:
            if member.name != MANIFEST or member.size > MANIFEST_LIMIT:
                raise _bad(f"it does not begin with {MANIFEST}")
            data = content.read(MANIFEST_LIMIT)
            manifest = Manifest.from_json(data)
            if not plain(manifest.version):
                raise _bad("its version is not a plain name")
            (folder / MANIFEST).write_bytes(data)
            told = hashlib.sha256(data).hexdigest()
            continue
        if member.name not in waiting:
            raise _bad(f"{member.name!r} does not belong in it")
        waiting.remove(member.name)
        if member.name == SUM:
            if content.read(65) != told.encode():
                raise _bad(f"{MANIFEST} does not have the checksum that {SUM} gives")
            continue
        if member.name == SIGNATURE:
            signature = content.read(MAX_SIGNATURE + 1)
            if len(signature) > MAX_SIGNATURE:
                raise _bad(f"{SIGNATURE} is too long")
            write_durably(folder / SIGNATURE, signature)
            continue
        expected = manifest.tables.get(member.name.removesuffix(".parquet"))
        if expected is None or expected.bytes != member.size or member.size > MAX_BYTES:
            raise _bad(f"{member.name!r} does not have the size that the manifest gives")
        if _write(content, folder / member.name) != expected.sha256:
            raise _bad(f"{member.name!r} does not have the checksum that the manifest gives")
    if manifest is None or (missing := waiting - {SIGNATURE}):
        raise _bad(f"it lacks {MANIFEST if manifest is None else min(missing)!r}")
    if key is not None:
        verify((folder / MANIFEST).read_bytes(), signature, key)
    return manifest


def _write(content: IO[bytes], path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("xb") as out:
        while chunk := content.read(_CHUNK):
            digest.update(chunk)
            out.write(chunk)
        out.flush()
        os.fsync(out.fileno())
    return digest.hexdigest()


def plain(version: str) -> bool:
    """Whether a version is a name that a folder may have."""
    return re.fullmatch(r"[0-9A-Za-z][0-9A-Za-z._-]{0,127}", version) is not None


def _bad(reason: str) -> DatabaseInvalid:
    return DatabaseInvalid(f"this is not a database bundle: {reason}", remedy=_REMEDY)

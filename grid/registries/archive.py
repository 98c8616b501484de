"""Folders and tar files of blobs, read by name and offset and never unpacked: the ground of the local sources."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import posixpath
import tarfile
import tempfile
import threading
import zlib
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol, cast

import zstandard

from grid.errors import ArchiveInvalid, ReferenceInvalid
from grid.model import GIB, MIB

CHUNK = 512 * 1024
SPOOL_BYTES = 200 * GIB
MEMBERS = 1_000_000
_LINKS = 16
_DAMAGE = (OSError, EOFError, zlib.error, lzma.LZMAError, zstandard.ZstdError)


class Files(Protocol):
    """Named bytes. Safe for many threads."""

    def exists(self, name: str) -> bool: ...

    def size(self, name: str) -> int:
        """In bytes; raises KeyError."""
        ...

    def read(self, name: str, limit: int) -> bytes:
        """All bytes; raises KeyError, and ArchiveInvalid if there are more than ``limit``."""
        ...

    def chunks(self, name: str) -> Generator[bytes, None, None]:
        """All bytes in bounded chunks; raises KeyError at once."""
        ...

    def close(self) -> None: ...


class Folder:
    """Files below a folder."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def exists(self, name: str) -> bool:
        return (self._root / name).is_file()

    def size(self, name: str) -> int:
        try:
            return (self._root / name).stat().st_size
        except OSError:
            raise KeyError(name) from None

    def read(self, name: str, limit: int) -> bytes:
        with self._open(name) as file:
            body = file.read(limit + 1)
        if len(body) > limit:
            raise ArchiveInvalid(f"{name} is larger than {limit} bytes")
        return body

    def chunks(self, name: str) -> Generator[bytes, None, None]:
        return _chunks(self._open(name))

    def close(self) -> None:
        pass

    def _open(self, name: str) -> IO[bytes]:
        path = self._root / name
        try:
            if not path.is_file():  # a fifo would block for ever
                raise KeyError(name)
            return path.open("rb", buffering=0)
        except OSError as error:
            raise ArchiveInvalid(f"{name} cannot be read: {error.strerror}") from None


def _chunks(file: IO[bytes]) -> Generator[bytes, None, None]:
    with file:
        while chunk := file.read(CHUNK):
            yield chunk


@dataclass(frozen=True, slots=True)
class _Member:
    offset: int
    size: int
    link: str = ""


class Tar:
    """The members of a tar, indexed once and read at their offset; symbolic and hard links are followed inside it.

    A compressed tar (gzip, zstd, xz, bzip2) is inflated once into an anonymous temporary file, for its members
    are wanted in any order.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[bytes] | None = None
        self._members: dict[str, _Member] = {}
        self._lock = threading.Lock()

    def exists(self, name: str) -> bool:
        return self._find(name) is not None

    def size(self, name: str) -> int:
        return self._member(name).size

    def read(self, name: str, limit: int) -> bytes:
        member = self._member(name)
        if member.size > limit:
            raise ArchiveInvalid(f"{self._path.name}: {name} is larger than {limit} bytes")
        return b"".join(self._bytes(member))

    def chunks(self, name: str) -> Generator[bytes, None, None]:
        return self._bytes(self._member(name))

    def head(self, name: str, size: int) -> bytes:
        """The first bytes of a member, for a look at its magic."""
        member = self._member(name)
        return os.pread(self._open().fileno(), min(size, member.size), member.offset)

    def close(self) -> None:
        with self._lock:
            if self._file is not None:
                self._file.close()
                self._file = None

    def _bytes(self, member: _Member) -> Generator[bytes, None, None]:
        descriptor = self._open().fileno()
        at, end = member.offset, member.offset + member.size
        while at < end:
            chunk = os.pread(descriptor, min(CHUNK, end - at), at)  # no shared position: safe for threads
            if not chunk:
                return  # a cut file: the reader of the blob sees that bytes are missing
            at += len(chunk)
            yield chunk

    def _member(self, name: str) -> _Member:
        member = self._find(name)
        if member is None:
            raise KeyError(name)
        return member

    def _find(self, name: str) -> _Member | None:
        self._open()
        for _ in range(_LINKS):
            member = self._members.get(_normal(name))
            if member is None or not member.link:
                return member
            name = member.link
        return None

    def _open(self) -> IO[bytes]:
        with self._lock:
            if self._file is None:
                file = _open_plain(self._path)
                try:
                    self._members = _index(file, self._path.name)
                except BaseException:
                    file.close()
                    raise
                self._file = file
            return self._file


def _normal(name: str) -> str:
    return posixpath.normpath("/" + name).lstrip("/")


def _index(file: IO[bytes], label: str) -> dict[str, _Member]:
    members: dict[str, _Member] = {}
    try:
        with tarfile.open(fileobj=file, mode="r:") as tar:
            while (info := tar.next()) is not None:
                tar.members = []  # type: ignore[attr-defined]  # it would keep every header
                name = _normal(info.name)
                if info.issym():
                    members[name] = _Member(0, 0, posixpath.join(posixpath.dirname(name), info.linkname))
                elif info.islnk():
                    if _normal(info.linkname) != name:
                        members[name] = _Member(0, 0, info.linkname)
                elif info.isreg() and not info.issparse():
                    members[name] = _Member(info.offset_data, info.size)
                if len(members) > MEMBERS:
                    raise ArchiveInvalid(f"{label} has more than {MEMBERS} members")
    except (tarfile.TarError, EOFError, ValueError, OverflowError) as error:
        if not members:
            raise ArchiveInvalid(f"{label} is not a tar archive") from None
        raise ArchiveInvalid(f"{label} is damaged: {error}") from None
    return members


def _open_plain(path: Path) -> IO[bytes]:
    try:
        if not path.is_file():
            raise ReferenceInvalid(f"{path} is not a file")
        file = path.open("rb")
    except OSError as error:
        raise ReferenceInvalid(f"{path} cannot be read: {error.strerror}") from None
    magic = file.read(6)
    file.seek(0)
    inflated = _inflater(magic, file)
    if inflated is None:
        return file
    with file:
        return _spool(inflated, path.name)


def _inflater(magic: bytes, file: IO[bytes]) -> IO[bytes] | None:
    if magic.startswith(b"\x1f\x8b"):
        return cast("IO[bytes]", gzip.open(file, "rb"))
    if magic.startswith(b"\x28\xb5\x2f\xfd"):
        reader = zstandard.ZstdDecompressor(max_window_size=1 << 27).stream_reader(file, read_across_frames=True)
        return cast("IO[bytes]", reader)
    if magic.startswith(b"\xfd7zXZ\0"):
        return cast("IO[bytes]", lzma.open(file, "rb"))
    if magic.startswith(b"BZh"):
        return cast("IO[bytes]", bz2.open(file, "rb"))
    return None


def _spool(inflated: IO[bytes], label: str) -> IO[bytes]:
    spool = tempfile.TemporaryFile(prefix="scangrid-")  # noqa: SIM115  (handed to the caller)
    try:
        size = 0
        while chunk := inflated.read(MIB):
            size += len(chunk)
            if size > SPOOL_BYTES:
                raise ArchiveInvalid(f"{label} inflates to more than {SPOOL_BYTES // GIB} GiB")
            spool.write(chunk)
        spool.flush()
    except _DAMAGE as error:
        spool.close()
        no_room = isinstance(error, OSError) and error.errno is not None
        why = f"no room to inflate it: {error.strerror}" if no_room and isinstance(error, OSError) else "cut or damaged"
        raise ArchiveInvalid(f"{label} cannot be inflated: {why}") from None
    except BaseException:
        spool.close()
        raise
    spool.seek(0)
    return cast("IO[bytes]", spool)

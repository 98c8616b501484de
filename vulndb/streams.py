"""Feed files read as streams: inflated by their first bytes, XML element by element, JSON item by item.

Everything that is read here came from outside, so every size has an end: of the inflated file, of one XML
element, of one JSON item. Memory holds one of them at a time.
"""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import json
import lzma
import tarfile
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast
from xml.etree import ElementTree
from xml.parsers import expat

import zstandard

from grid.errors import FeedInvalid
from vulndb.feed import MIB

MAX_INFLATED = 16 * 1024 * MIB
"""Bytes of one inflated file."""
MAX_ELEMENT = 64 * MIB
"""Bytes of XML within one element that is kept, and characters of one JSON item."""
_CHUNK = 1 << 18
_DEPTH = 100
_XZ_MEMORY = 256 * MIB
_DAMAGED = (OSError, EOFError, zlib.error, lzma.LZMAError, zstandard.ZstdError)


class _Limited(io.RawIOBase):
    """A stream that refuses to become longer than allowed."""

    def __init__(self, inner: IO[bytes], name: str, limit: int) -> None:
        self._inner, self._name, self._left = inner, name, limit

    def readable(self) -> bool:
        return True

    def readinto(self, target: Any) -> int:
        data = self._inner.read(len(target))
        self._left -= len(data)
        if self._left < 0:
            raise FeedInvalid(f"{self._name} inflates to more than any real one")
        target[: len(data)] = data
        return len(data)


@contextmanager
def inflated(path: Path, limit: int = MAX_INFLATED) -> Iterator[IO[bytes]]:
    """The content of a file: gzip, bzip2, xz, zstd or plain, as its first bytes say.

    Raises FeedInvalid, also while it is read, for a damaged file and for one of more than ``limit`` bytes.
    """
    try:
        with path.open("rb") as raw:
            magic = raw.read(6)
            raw.seek(0)
            inner = cast("IO[bytes]", raw)
            if magic.startswith(b"\x1f\x8b"):
                inner = cast("IO[bytes]", gzip.GzipFile(fileobj=raw))
            elif magic.startswith(b"BZh"):
                inner = cast("IO[bytes]", bz2.BZ2File(raw))
            elif magic.startswith(b"\xfd7zXZ\x00"):
                inner = cast("IO[bytes]", _Xz(raw))
            elif magic.startswith(b"\x28\xb5\x2f\xfd"):
                inner = cast("IO[bytes]", zstandard.ZstdDecompressor(max_window_size=128 * MIB).stream_reader(
                    raw, read_across_frames=True
                ))  # fmt: skip
            yield cast("IO[bytes]", io.BufferedReader(_Limited(inner, path.name, limit), _CHUNK))
    except _DAMAGED as error:
        raise FeedInvalid(f"{path.name} cannot be read: {error}") from error


class _Xz:
    """An xz stream with a limit on what its dictionary may take; ``lzma.LZMAFile`` has none."""

    def __init__(self, raw: IO[bytes]) -> None:
        self._raw = raw
        self._fresh()

    def _fresh(self) -> None:
        self._decoder = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)

    def read(self, size: int = -1) -> bytes:
        while True:
            if self._decoder.eof:
                rest = self._decoder.unused_data.lstrip(b"\0") or self._raw.read(_CHUNK).lstrip(b"\0")
                if not rest:
                    return b""
                self._fresh()
            elif self._decoder.needs_input:
                rest = self._raw.read(_CHUNK)
                if not rest:
                    raise EOFError("it ends in the middle")
            else:
                rest = b""
            if data := self._decoder.decompress(rest, size):
                return data


# --- XML -----------------------------------------------------------------------------------------


def elements(stream: IO[bytes], names: Collection[str]) -> Iterator[ElementTree.Element]:
    """The elements with one of these local names, whole, one after the other; namespaces are dropped.

    Elements within such an element belong to it. A document type (where entities would be declared) is
    refused. Raises FeedInvalid.
    """
    builder: ElementTree.TreeBuilder | None = None
    depth = inner = began = 0
    done: list[ElementTree.Element] = []
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.buffer_size = _CHUNK
    locals_: dict[str, str] = {}

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal builder, depth, inner, began
        depth += 1
        if depth > _DEPTH:
            raise FeedInvalid("the XML is nested deeper than any real one")
        local = locals_.get(name) or locals_.setdefault(name, name.rpartition(":")[2])
        if builder is None:
            if local not in names:
                return
            builder, inner, began = ElementTree.TreeBuilder(), depth, parser.CurrentByteIndex
            parser.CharacterDataHandler = builder.data
        for key in attributes:
            if ":" in key:
                attributes = {key.rpartition(":")[2]: value for key, value in attributes.items()}
                break
        builder.start(local, attributes)

    def end(name: str) -> None:
        nonlocal builder, depth
        if builder is not None:
            builder.end(locals_[name])
            if depth == inner:
                done.append(builder.close())
                builder = None
                parser.CharacterDataHandler = None
        depth -= 1

    def refuse(*_: object) -> None:
        raise FeedInvalid("the XML has a document type, which no feed needs")

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.StartDoctypeDeclHandler = refuse
    try:
        while chunk := stream.read(_CHUNK):
            parser.Parse(chunk, False)
            yield from done
            done.clear()
            if builder is not None and parser.CurrentByteIndex - began > MAX_ELEMENT:
                raise FeedInvalid("the XML has an element larger than any real one")
        parser.Parse(b"", True)
        yield from done
    except expat.ExpatError as error:
        raise FeedInvalid(f"it is not XML: {error}") from error
    finally:  # the handlers refer to each other and to the parser
        parser.StartElementHandler = parser.EndElementHandler = None
        parser.CharacterDataHandler = parser.StartDoctypeDeclHandler = None


def text_of(element: ElementTree.Element, path: str) -> str:
    """The text of the first element at a path, on one line; "" if there is none."""
    return " ".join((element.findtext(path) or "").split())


# --- JSON ----------------------------------------------------------------------------------------


def items(stream: IO[bytes], name: str) -> Iterator[Any]:
    """The items of the list that is the member ``name`` of the JSON object in ``stream``, one after the other.

    The list is taken from where ``"name": [`` stands first. Raises FeedInvalid if it is not there or the
    file ends before it does.
    """
    decoder = json.JSONDecoder()
    text = codecs.getincrementaldecoder("utf-8")("strict")
    buffer, at, ended = "", 0, False

    def more() -> None:
        nonlocal buffer, at, ended
        raw = stream.read(max(_CHUNK, len(buffer) - at))  # doubling: a long item is not rescanned often
        ended = not raw
        buffer, at = buffer[at:] + text.decode(raw, ended), 0
        if len(buffer) > MAX_ELEMENT:
            raise FeedInvalid("the JSON has an item larger than any real one")

    def upcoming() -> str:
        """The next character that is not blank, "" at the end."""
        nonlocal at
        while True:
            while at < len(buffer) and buffer[at] in " \t\r\n":
                at += 1
            if at < len(buffer) or ended:
                return buffer[at : at + 1]
            more()

    quoted = json.dumps(name)
    try:
        while True:
            found = buffer.find(quoted, at)
            if found >= 0:
                at = found + len(quoted)
                if upcoming() != ":":
                    continue
                at += 1
                if upcoming() == "[":
                    break
                continue
            if ended:
                raise FeedInvalid(f"the JSON has no list {name!r}")
            at = max(at, len(buffer) - len(quoted))
            more()
        at += 1
        if upcoming() == "]":
            return
        while True:
            while True:
                try:
                    item, end = decoder.raw_decode(buffer, at)
                except (ValueError, RecursionError) as error:
                    if ended or isinstance(error, RecursionError):
                        raise FeedInvalid(f"it is not JSON: {error}") from error
                    more()
                    continue
                at = end
                break
            yield item
            if upcoming() == "]":
                return
            if upcoming() != ",":
                raise FeedInvalid("it is not JSON: the list does not end")
            at += 1
            upcoming()
    except UnicodeDecodeError as error:
        raise FeedInvalid("the JSON is not UTF-8") from error


# --- tar -----------------------------------------------------------------------------------------


def tar_files(stream: IO[bytes], suffix: str, limit: int) -> Iterator[tuple[str, bytes | None]]:
    """(name, content) of the regular files of a tar whose names end so; None for one of more than ``limit`` bytes."""
    try:
        with tarfile.open(fileobj=stream, mode="r|") as archive:
            for member in archive:
                archive.members.clear()  # type: ignore[attr-defined]  # it remembers every header
                if member.isreg() and member.name.endswith(suffix):
                    if member.size > limit:
                        yield member.name, None
                    elif (opened := archive.extractfile(member)) is not None:
                        yield member.name, opened.read(limit)
    except tarfile.TarError as error:
        raise FeedInvalid(f"it is not a tar: {error}") from error

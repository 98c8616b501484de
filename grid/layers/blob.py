"""A layer blob as a stream of uncompressed bytes, verified and bounded while it flows.

chunks → size and digest of the blob → inflate by magic (gzip, zstd, plain) → limits, diff_id → read, skip.

What decides when several things are wrong: bytes that do not have the size and digest that name them are
that error and no other, for whatever else is wrong with them follows from it. So an error of content is
raised only after the rest of the blob has been read (not inflated) and its digest found right.
"""

from __future__ import annotations

import gzip
import hashlib
import time
from collections.abc import Iterable
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from isal import igzip_lib, isal_zlib

from grid.errors import (
    CompressionCorrupt,
    DecompressionBomb,
    DiffIdMismatch,
    DigestMismatch,
    GridError,
    LayerError,
    LayerTooLarge,
    LayerTruncated,
    SizeMismatch,
)
from grid.model import Layer, LayerStats, Limits

PIECE = 1 << 18
"""Most bytes that one step inflates to: large enough to make Python's share small, small enough for the L2 cache."""
_GZIP_INPUT = 1 << 17
"""Compressed bytes that the inflater is given at once, and the most that a gzip header may have."""
_AFTER_GZIP = b"\xff" * 16
"""Given to the inflater after the last byte: no magic number, and in a header a time in the year 2105."""
_CUT_HEADER = 0xFF000000
_TAIL = 64
_INFLATE_ERRORS: tuple[Any, ...] = (
    igzip_lib.IsalError,
    isal_zlib.error,
    gzip.BadGzipFile,
    EOFError,
    OverflowError,
)
_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
_ZSTD_SKIPPABLE = b"\x2a\x4d\x18"  # after a byte 0x50 to 0x5f (RFC 8878, 3.1.2)
_ZEROS = np.zeros(256, np.uint8)


def open_stream(chunks: Iterable[bytes], layer: Layer, limits: Limits) -> Stream:
    """Begin to read a layer; nothing is asked of ``chunks`` yet.

    ``chunks`` is the blob as stored, in pieces of any size. What it raises passes through unchanged.
    """
    return Stream(chunks, layer, limits)


def hash_into(state: hashlib._Hash, data: bytes | memoryview) -> None:
    """``state.update(data)`` at full speed.

    ISA-L returns with the upper halves of the vector registers in use, and while they are, the CPU's own SHA
    instructions, which know the lower halves only, run a sixth slower (bench case ``sha256-after-inflate``). NumPy
    clears them after it has added with vectors.
    """
    np.add(_ZEROS, _ZEROS, out=_ZEROS)
    state.update(data)


class _Source:
    """The compressed side: counts and hashes; says at the end whether these were the bytes named by the digest."""

    def __init__(self, chunks: Iterable[bytes], layer: Layer) -> None:
        algorithm, _, self._wanted = layer.digest.partition(":")
        if algorithm not in ("sha256", "sha512"):
            raise LayerError(f"digest algorithm {algorithm!r} is not known")
        self._chunks = iter(chunks)
        self._size = layer.size
        self.hash = hashlib.new(algorithm, usedforsecurity=False)
        self.read_bytes = 0
        self._pushed = b""
        self._failure: GridError | None = None
        self._ended = False

    def next(self) -> bytes:
        """The next chunk, never empty; b"" at the end of a blob that is what its descriptor says.

        Raises SizeMismatch, LayerTruncated or DigestMismatch, again at each further call.
        """
        if self._pushed:
            chunk, self._pushed = self._pushed, b""
            return chunk
        if self._failure:
            raise self._failure
        if self._ended:
            return b""
        for chunk in self._chunks:
            if chunk:
                self.read_bytes += len(chunk)
                if 0 <= self._size < self.read_bytes:
                    self._fail(SizeMismatch(f"the blob is longer than the {self._size} bytes of its descriptor"))
                hash_into(self.hash, chunk)
                return chunk
        if self.read_bytes < self._size:
            self._fail(LayerTruncated(f"the blob ends after {self.read_bytes} of {self._size} bytes"))
        if self.hash.hexdigest() != self._wanted:
            self._fail(DigestMismatch(f"the bytes served have the digest {self.hash.name}:{self.hash.hexdigest()}"))
        self._ended = True
        return b""

    def _fail(self, error: GridError) -> None:
        self._failure = error
        raise error

    def push(self, data: bytes) -> None:
        """Give back what was looked at."""
        self._pushed = data


class _Readable:
    """A source as the file object that decoders want; keeps the error that Arrow would rename."""

    closed = False

    def __init__(self, source: _Source, after: bytes = b"") -> None:
        self._source = source
        self._rest = memoryview(b"")
        self._after = after
        self.failure: BaseException | None = None
        self.tail = b""
        """The last bytes that were read, at most ``_TAIL``."""
        self.ended = False
        """The last byte has been read; from then on come those of ``after``, once."""

    def read(self, n: int = -1) -> memoryview:
        try:
            if not self._rest:
                chunk = self._source.next()
                self._rest, self.tail = memoryview(chunk), (self.tail + chunk[-_TAIL:])[-_TAIL:]
        except BaseException as error:
            self.failure = error
            raise
        if not self._rest and not self.ended:
            self.ended = True
            self._rest = memoryview(self._after)
        out, self._rest = self._rest[:n], self._rest[n:]
        return out

    def readinto(self, target: memoryview) -> int:
        part = self.read(len(target))
        target[: len(part)] = part
        return len(part)

    def close(self) -> None:
        """Nothing is held."""


class _Decoder(Protocol):
    """The uncompressed bytes of a source."""

    def readinto(self, target: memoryview) -> int:
        """Write the next bytes to ``target``, as many as come at once; 0 at the end."""


class _Gzip:
    """Any number of members; what follows the last one is ignored if it is no member, as GNU gzip does.

    isal's reader inflates into memory that is used again, which is faster than taking new bytes each time.
    """

    def __init__(self, source: _Source) -> None:
        self._blob = _Readable(source, _AFTER_GZIP)
        # What igzip.open() returns reads through this; the stub wants all of a file and knows no times.
        self._reader: Any = isal_zlib._GzipReader(self._blob, _GZIP_INPUT)  # type: ignore[arg-type]
        self._done = 0
        self._header: int | None = None
        self._ended = False

    def readinto(self, target: memoryview) -> int:
        if self._ended:
            return 0
        if self._header is None:
            target = target[:1]  # so that the first member's header is known before it ends
        try:
            n: int = self._reader.readinto(target)
        except _INFLATE_ERRORS as error:
            between = str(error).startswith("Not a gzipped file")
            if not between and not self._blob.ended:
                raise CompressionCorrupt(f"the gzip stream is damaged: {error}") from None
            cut = self._header is None or (self._reader._last_mtime or 0) < _CUT_HEADER
            if not between and (cut or not _padded(self._blob.tail, self._reader.tell())):
                raise LayerTruncated("the gzip stream ends early") from None
            self._ended = True
            n = self._reader.tell() - self._done
        self._done += n
        self._header = self._reader._last_mtime
        return n


def _padded(tail: bytes, size: int) -> bool:
    """Whether zero bytes lie between the member of that size and the start of a header that ends the blob.

    Then it is no member, as for GNU gzip; straight after one it is a member that was cut off.
    """
    body = tail[: tail.rfind(_GZIP)]
    ends = size.to_bytes(8, "little")[:4]  # RFC 1952, 2.3.1: a trailer ends with the size
    zeros = len(body) - len(body.rstrip(b"\0"))
    return not body.endswith(ends) and any(body[:-n].endswith(ends) for n in range(1, zeros + 1))


class _Zstd:
    """Any number of frames, skippable ones too. The window is at most 128 MiB, the decoder's own default.

    Through Arrow, because its reader bounds the output of a call and tells a stream that ends early.
    """

    def __init__(self, source: _Source) -> None:
        self._readable = _Readable(source)
        self._stream = pa.CompressedInputStream(pa.PythonFile(self._readable, "r"), "zstd")

    def readinto(self, target: memoryview) -> int:
        try:
            return int(self._stream.readinto(target))
        except (OSError, pa.ArrowException, GridError) as error:
            if self._readable.failure is not None:
                raise self._readable.failure from None
            if "Truncated" in str(error):
                raise LayerTruncated("the zstd stream ends early") from None
            raise CompressionCorrupt(f"the zstd stream is damaged: {error}") from None


class Stream:
    """The uncompressed layer. Raises LayerError in the order of blame that the module's docstring gives."""

    def __init__(self, chunks: Iterable[bytes], layer: Layer, limits: Limits) -> None:
        self._started = time.perf_counter()
        self._source = _Source(chunks, layer)
        self._layer = layer
        self._limits = limits
        self._decoder: _Decoder | None = None
        self._diff: hashlib._Hash | None = None
        self._piece = memoryview(bytearray(PIECE))
        self._view = self._piece[:0]
        self._at = 0
        self._end = 0
        self._base = 0
        """Position of the piece in the layer."""
        self._charged = 0
        self._compressed = False

    @property
    def position(self) -> int:
        """Uncompressed bytes read or skipped so far."""
        return self._base + self._at

    @property
    def blob_bytes(self) -> int:
        """Compressed size: as declared, else what was read so far."""
        return self._layer.size if self._layer.size >= 0 else self._source.read_bytes

    def read(self, n: int) -> bytes:
        """The next ``n`` bytes; fewer only at the end of the layer."""
        at = self._at
        end = at + n
        if end <= self._end:
            self._at = end
            return bytes(self._view[at:end])
        parts = []
        while n > 0:
            part = bytes(self._view[self._at : self._at + n])
            self._at += len(part)
            n -= len(part)
            parts.append(part)
            if n and not self._refill():
                break
        return b"".join(parts)

    def readinto(self, target: memoryview) -> int:
        """Fill ``target`` with the next bytes; returns how many there were."""
        n = len(target)
        at = self._at
        if at + n <= self._end:
            target[:] = self._view[at : at + n]
            self._at = at + n
            return n
        done = self._end - at
        target[:done] = self._view[at:]
        self._at = self._end
        while n - done >= PIECE:  # where it is wanted, with no stop on the way
            got = self._inflate(target[done : done + PIECE])
            if not got:
                return done
            self._base += self._end + got
            self._view, self._at, self._end = self._piece[:0], 0, 0
            done += got
        while done < n and self._refill():
            part = self._view[: n - done]
            target[done : done + len(part)] = part
            self._at = len(part)
            done += len(part)
        return done

    def seek(self, position: int) -> bool:
        """Skip forward to ``position``; False if the layer ends before it."""
        while position - self._base > self._end:
            self._at = self._end
            if not self._refill():
                return False
        self._at = position - self._base
        return True

    def skip(self, n: int) -> bool:
        """Skip ``n`` bytes; False if the layer ends before that."""
        return self.seek(self.position + n)

    def charge(self, n: int) -> None:
        """Count ``n`` bytes that are not in the stream (holes of sparse files) against the limits."""
        self._charged += n
        self._bound(self._base + self._end)

    def finish(self, entries: int = 0) -> LayerStats:
        """Read to the end and compare size, digest and diff_id. ``entries`` is only passed on."""
        while self._refill():
            pass
        while self._source.next():  # what follows the last gzip member
            pass
        total = self._base + self._end
        diff_id = f"{self._hash.name}:{self._hash.hexdigest()}"
        if self._layer.diff_id and self._layer.diff_id != diff_id:
            raise DiffIdMismatch(f"the uncompressed bytes have the diff_id {diff_id}, not {self._layer.diff_id}")
        seconds = time.perf_counter() - self._started
        return LayerStats(self._source.read_bytes, total, entries, seconds, diff_id)

    def verdict(self, error: GridError) -> GridError:
        """What to blame for an error of content: the blob, if it is not the one that its digest names."""
        try:
            while self._source.next():
                pass
        except LayerError as blame:
            return blame
        return error

    @property
    def _hash(self) -> hashlib._Hash:
        return self._source.hash if self._diff is None else self._diff

    def _refill(self) -> bool:
        """Put the next piece in place of the one read; False at the end."""
        n = self._inflate(self._piece)
        self._base += self._end
        self._view = self._piece[:n]
        self._at = 0
        self._end = n
        return n > 0

    def _inflate(self, target: memoryview) -> int:
        """The next bytes of the layer, hashed and counted; 0 at the end."""
        try:
            decoder = self._decoder or self._sniff()
            n = decoder.readinto(target)
        except (CompressionCorrupt, LayerTruncated) as error:
            raise self.verdict(error) from None
        if n:
            if self._diff is not None:
                hash_into(self._diff, target[:n])
            self._bound(self._base + self._end + n)
        return n

    def _bound(self, total: int) -> None:
        limits = self._limits
        total += self._charged
        if total > limits.max_layer_bytes:
            raise self.verdict(LayerTooLarge(f"the layer inflates to more than {limits.max_layer_bytes} bytes"))
        if (
            (self._compressed or self._charged)
            and total > limits.ratio_grace_bytes
            and total > limits.max_ratio * self._source.read_bytes
        ):
            raise self.verdict(
                DecompressionBomb(f"the layer inflates to more than {limits.max_ratio} times its compressed size")
            )

    def _sniff(self) -> _Decoder:
        source = self._source
        head = source.next()
        while len(head) < 4 and (more := source.next()):
            head += more
        source.push(head)
        self._compressed = True
        if head[:2] == _GZIP:
            self._decoder = _Gzip(source)
        elif head[:4] == _ZSTD or (head[1:4] == _ZSTD_SKIPPABLE and head[0] >> 4 == 5):
            self._decoder = _Zstd(source)
        else:
            self._decoder = _Readable(source)
            self._compressed = False
        algorithm = "sha512" if self._layer.diff_id.startswith("sha512:") else "sha256"
        if self._compressed or source.hash.name != algorithm:  # else digest and diff_id are one
            self._diff = hashlib.new(algorithm, usedforsecurity=False)
        return self._decoder

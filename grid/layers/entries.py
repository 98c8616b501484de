"""From tar entries to the listing's columns, and from file contents to the batches that detectors see.

Memory holds the listing as Arrow columns, one batch of contents and one piece of the stream: it does not
grow with the bytes of a layer.
"""

from __future__ import annotations

import mmap
import re
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from grid.errors import LayerTruncated, PathEscapesRoot
from grid.layers import tar
from grid.layers.blob import Stream
from grid.layers.parts import Fill, of_archive, of_program
from grid.model import ARCHIVE_BYTES, Limits, Note, Wants, any_glob
from grid.paths import path_hashes
from grid.schema import ENTRIES, FILES

Emit = Callable[[int, pa.RecordBatch], None]
"""Called with the place of a detector and the files it wants."""
Remark = Callable[[int, Note], None]
"""Called with the place of a detector (-1: the walk itself) and what it has to know."""

_FLUSH_ROWS = 20_000
_TEXT_PROBE = 8192
"""A file too large for a detector that wants every file is noted if its first bytes hold no NUL: it is text."""
_SPARE_BYTES = 96 << 20
"""The largest buffer that is kept for the next batch."""
_LARGEST = -1
_MAX_BATCHES = 16
"""Sets of detectors whose files wait at the same time. In an image of Debian, Java, Python and Node there are five."""
_MAX_CONTENT = (1 << 31) - 1  # Arrow's binary offsets have 32 bits


def classifier(wants: Sequence[Wants]) -> Callable[[str, int], int]:
    """``(path, mode) -> bits``, bit *i* set if ``wants[i].matcher()`` would say yes: one look for all of them."""
    names: dict[str, int] = {}
    paths: dict[str, int] = {}
    by_suffix: list[tuple[int, tuple[str, ...]]] = []
    slow: list[tuple[int, Callable[[str, int], bool]]] = []
    nearly: list[tuple[int, Callable[[str], object]]] = []
    always = executables = 0
    for place, want in enumerate(wants):
        bit = 1 << place
        if want.everything:
            always |= bit
            continue
        if want.every:
            nearly.append((bit, re.compile(want.unless).match))
        for name in want.names:
            names[name] = names.get(name, 0) | bit
        for path in want.paths:
            paths[path] = paths.get(path, 0) | bit
        if want.suffixes:
            by_suffix.append((bit, want.suffixes))
        if want.executables:
            executables |= bit
        if want.globs:
            slow.append((bit, Wants(globs=want.globs).matcher()))
    suffixes = tuple({suffix for _, some in by_suffix for suffix in some})
    short, ends = any(len(suffix) < 2 for suffix in suffixes), {suffix[-2:] for suffix in suffixes}
    globs = tuple({glob for want in wants if not want.everything for glob in want.globs})
    of_a_glob = any_glob(globs) if globs else None

    def classify(path: str, mode: int) -> int:
        bits = always
        for bit, left_out in nearly:
            if left_out(path) is None:
                bits |= bit
        name = path[path.rfind("/") + 1 :]
        if name in names:
            bits |= names[name]
        if path in paths:
            bits |= paths[path]
        if executables and mode & 0o111:
            bits |= executables
        if (path[-2:] in ends or short) and path.endswith(suffixes):  # most end in none, which two letters tell
            for bit, some in by_suffix:
                if path.endswith(some):
                    bits |= bit
        if of_a_glob is not None and of_a_glob(path):  # most paths are of none
            for bit, wanted in slow:
                if not bits & bit and wanted(path, mode):
                    bits |= bit
        return bits

    return classify


class _Spare(threading.local):
    """Buffers for the next batches of this thread: memory never touched before costs more than its filling."""

    def __init__(self) -> None:
        self._buffers: dict[int, list[mmap.mmap]] = {}

    def take(self, size: int, largest: bool = False) -> mmap.mmap:
        """A buffer of that size, with anything in it; of at least that size if it is for the ``largest`` files."""
        kept = self._buffers.get(_LARGEST if largest else size)
        spare = kept.pop() if kept else None
        if spare is None or len(spare) < size:
            spare = None  # let go before another one comes
            spare = _pages(max(size, _SPARE_BYTES) if largest else size)  # what is not touched costs nothing
        return spare

    def give(self, buffer: mmap.mmap, largest: bool = False) -> None:
        """Take a buffer back, unless somebody's rows still lie in it."""
        try:
            buffer.resize(len(buffer))  # refused while memory is lent out
        except (BufferError, SystemError, ValueError):
            return
        if len(buffer) <= _SPARE_BYTES:
            self._buffers.setdefault(_LARGEST if largest else len(buffer), []).append(buffer)


def _pages(size: int) -> mmap.mmap:
    """Fresh memory, in large pages where the system gives them: they take a fraction of the time."""
    memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    with suppress(AttributeError, OSError):  # Linux, unless it was built without them
        memory.madvise(mmap.MADV_HUGEPAGE)
    return memory


_spare = _Spare()


class _Batch:
    """Files that the same detectors want, gathered in one buffer, which is used again once nobody holds it."""

    def __init__(self, capacity: int, bits: int, emit: Emit, alone: bool = False) -> None:
        self._capacity = capacity
        self._alone = alone
        self._bits = bits
        self._emit = emit
        self._buffer: mmap.mmap | None = None
        self._used = 0
        self._rows: list[tuple[str, int, int]] = []
        self._ends = [0]

    def add(self, path: str, size: int, mode: int, fill: Fill, stated: int, thin: bool = False) -> None:
        """Append a file, whose content ``fill`` writes into the memory given to it; ``stated`` is its whole size.
        ``thin``: it leaves out the most, which must be zeros, so that it needs memory that nobody has used."""
        if thin:
            alone = _Batch(size, self._bits, self._emit, alone=True)
            alone._buffer = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
            with suppress(AttributeError, OSError):
                alone._buffer.madvise(mmap.MADV_NOHUGEPAGE)  # a page for each small member, and no large one
            alone.add(path, size, mode, fill, stated)
            alone.flush()
            return
        if size > self._capacity - self._used or len(self._rows) >= _FLUSH_ROWS:
            self.flush()
        if size > self._capacity:  # a batch of its own, in memory of its own
            alone = _Batch(size, self._bits, self._emit, alone=True)
            alone.add(path, size, mode, fill, stated)
            alone.flush()
            return
        if self._buffer is None:
            self._buffer = _spare.take(self._capacity, self._alone)
        used = self._used
        if size:
            with memoryview(self._buffer) as view:
                fill(view[used : used + size])
        self._used = used + size
        self._ends.append(self._used)
        self._rows.append((path, stated, mode))

    def flush(self) -> None:
        """Give each detector the files of the batch."""
        if not self._rows or self._buffer is None:
            return
        paths, sizes, modes = zip(*self._rows, strict=True)
        ends = pa.py_buffer(np.array(self._ends, dtype=np.int32))
        content = pa.BinaryArray.from_buffers(
            pa.binary(), len(paths), [None, ends, pa.py_buffer(self._buffer).slice(0, self._used)]
        )
        columns = [pa.array(paths, pa.string()), pa.array(sizes, pa.int64()), pa.array(modes, pa.int32()), content]
        files = pa.RecordBatch.from_arrays(columns, schema=FILES)
        del columns, content
        self._rows, self._ends, self._used = [], [0], 0
        for place in _places(self._bits):
            self._emit(place, files)
        del files
        _spare.give(self._buffer, self._alone)
        self._buffer = None


class _Batches:
    """A batch for each set of detectors, so that each is handed to all of its set as it is, uncopied."""

    def __init__(self, capacity: int, most_wanted: int, emit: Emit) -> None:
        self._capacity = capacity
        self._most_wanted = most_wanted
        self._emit = emit
        self._batches: dict[int, _Batch] = {}

    def of(self, bits: int) -> _Batch:
        """That of the set ``bits``. Most files go to ``most_wanted``; the others' batches are smaller."""
        batch = self._batches.get(bits)
        if batch is None:
            if len(self._batches) >= _MAX_BATCHES:
                self.flush()
                self._batches.clear()
            capacity = self._capacity if bits == self._most_wanted else max(self._capacity // 4, 1)
            batch = self._batches[bits] = _Batch(capacity, bits, self._emit)
        return batch

    def flush(self) -> None:
        for batch in self._batches.values():
            batch.flush()


@dataclass(frozen=True, slots=True)
class Listing:
    """The entries of a layer, sorted by path (equal paths by their order in the tar)."""

    table: pa.Table
    """``grid.schema.ENTRIES`` without its first two columns."""
    kinds: npt.NDArray[np.int8]
    """Places in ``tar.KINDS``, in the order of the table."""
    hashes: npt.NDArray[np.uint64]
    """Path hashes, in the order of the table."""
    stays: npt.NDArray[np.bool_]
    """False where a later entry of the same path takes the place; markers always stay."""


class _Columns:
    """The listing while it grows: Python rows for a while, then Arrow."""

    _SCHEMA = pa.schema(
        [
            pa.field("path", pa.string()),
            pa.field("size", pa.int64()),
            pa.field("mode", pa.int32()),
            pa.field("uid", pa.int64()),
            pa.field("gid", pa.int64()),
            pa.field("link_target", pa.string()),
        ]
    )

    def __init__(self) -> None:
        self.rows: list[tuple[str, int, int, tar.Owner, str | None]] = []
        self._batches: list[pa.RecordBatch] = []
        self._kinds: list[npt.NDArray[np.int8]] = []
        self._hashes: list[npt.NDArray[np.uint64]] = []

    def flush(self) -> None:
        if not self.rows:
            return
        paths, kinds, sizes, owners, links = zip(*self.rows, strict=True)
        modes, uids, gids = zip(*owners, strict=True)
        columns = [
            pa.array(values, field.type)
            for values, field in zip((paths, sizes, modes, uids, gids, links), self._SCHEMA, strict=True)
        ]
        self._batches.append(pa.RecordBatch.from_arrays(columns, schema=self._SCHEMA))
        self._kinds.append(np.array(kinds, dtype=np.int8))
        self._hashes.append(path_hashes(paths))
        self.rows.clear()

    def listing(self) -> Listing:
        self.flush()
        table = pa.Table.from_batches(self._batches, schema=self._SCHEMA).combine_chunks()
        self._batches = []
        kinds = np.concatenate([np.empty(0, np.int8), *self._kinds])
        hashes = np.concatenate([np.empty(0, np.uint64), *self._hashes])
        order = pc.sort_indices(table.column("path"))  # stable
        places = order.to_numpy()
        table, kinds, hashes = table.take(order), kinds[places], hashes[places]
        names = pa.DictionaryArray.from_arrays(pa.array(kinds), pa.array(tar.KINDS)).cast(pa.string())
        out = ENTRIES.arrow
        fields = [out.field(i) for i in range(2, len(out))]
        columns = {"kind": names, "ordinal": pa.array(places.astype(np.int64))}
        arrays = [columns[f.name] if f.name in columns else table.column(f.name) for f in fields]
        return Listing(pa.Table.from_arrays(arrays, schema=pa.schema(fields)), kinds, hashes, _stays(kinds, hashes))


def _stays(kinds: npt.NDArray[np.int8], hashes: npt.NDArray[np.uint64]) -> npt.NDArray[np.bool_]:
    markers = (kinds == tar.WHITEOUT) | (kinds == tar.OPAQUE)
    own = np.flatnonzero(~markers)
    _, last = np.unique(hashes[own][::-1], return_index=True)  # equal paths lie in the order of the tar
    stays: npt.NDArray[np.bool_] = markers.copy()
    stays[own[len(own) - 1 - last]] = True
    return stays


def walk(stream: Stream, wants: Sequence[Wants], limits: Limits, emit: Emit, remark: Remark) -> Listing:
    """Read the whole tar: list every entry, hand every wanted content to its detectors, in batches.

    A batch holds at most ``limits.batch_bytes`` of content; a larger file is a batch of its own. A detector must
    not change what it is given; it may keep it. Raises what ``tar.entries`` raises.
    """
    classify = classifier(wants)
    every = sum(1 << place for place, want in enumerate(wants) if want.every)
    sieve = _Sieve(stream, every, wants, remark)
    batches = _Batches(limits.batch_bytes, every, emit)
    columns = _Columns()
    rows = columns.rows
    whole = _filler(stream)

    for path, kind, size, owner, link, segments in tar.entries(stream, limits, lambda note: remark(-1, note)):
        if ".wh." in path and (marked := _marker(path)):
            path, kind = marked
            if kind >= 0:
                rows.append((path, kind, 0, owner, None))
            continue
        rows.append((path, kind, size, owner, link))
        if len(rows) >= _FLUSH_ROWS:
            columns.flush()
        if kind == tar.FILE:
            bits = classify(path, owner[0])
            fill, taken, thin = whole, size, False
            if size == 0:
                bits &= ~every
            elif bits and size > sieve.least:
                part = sieve.small_enough(path, size, owner[0], bits, segments)
                bits, fill, taken, thin = part.bits, part.fill, part.size, part.thin
            if bits:
                if segments is not None:
                    stream.charge(size - sum(length for _, length in segments))
                    fill = _sparse_filler(whole, segments)
                batches.of(bits).add(path, taken, owner[0], fill, size, thin)
        elif kind == tar.HARDLINK and link is not None:
            missed = classify(path, owner[0]) & ~every
            if missed:
                for place in _places(missed & ~classify(link, owner[0])):
                    remark(place, Note("HardLinkNotRead", f"its content stands under {link[:200]!r}", path))
    batches.flush()
    return columns.listing()


def _places(bits: int) -> list[int]:
    return [place for place in range(bits.bit_length()) if bits & (1 << place)]


def _marker(path: str) -> tuple[str, int] | None:
    """What a whiteout stands for (OCI image layer specification, "Whiteouts"); kind -1: nothing, None: no whiteout."""
    head, slash, name = path.rpartition("/")
    if name == ".wh..wh..opq":
        return head, tar.OPAQUE
    if path.startswith(".wh..wh.") or "/.wh..wh." in path:  # aufs keeps its own affairs there
        return path, -1
    if not name.startswith(".wh."):
        return None
    hidden = name[4:]
    if hidden in (".", ".."):
        raise PathEscapesRoot(f"the whiteout {path[:200]!r} names no entry of its directory")
    return (head + slash + hidden, tar.WHITEOUT) if hidden else (path, -1)


def _filler(stream: Stream, head: bytes = b"") -> Fill:
    """What writes the next content of the stream, of which ``head`` has been read already."""
    readinto = stream.readinto

    def fill(target: memoryview) -> None:
        nonlocal head
        if head:
            part, head = head[: len(target)], head[len(target) :]
            target[: len(part)] = part
            target = target[len(part) :]
        if readinto(target) < len(target):
            raise LayerTruncated("the tar ends inside an entry")

    return fill


def _sparse_filler(read: Fill, segments: tar.Segments) -> Fill:
    def fill(target: memoryview) -> None:
        np.frombuffer(target, np.uint8).fill(0)
        for offset, length in segments:
            read(target[offset : offset + length])

    return fill


@dataclass(frozen=True, slots=True)
class _Part:
    """How much of a file is read, and by whom."""

    bits: int
    fill: Fill
    size: int
    thin: bool = False
    """The most of it is left out."""


class _Sieve:
    """Drops the detectors for which a file is too large, and says so where it matters."""

    def __init__(self, stream: Stream, every: int, wants: Sequence[Wants], remark: Remark) -> None:
        self._stream = stream
        self._every = every
        self._wants = wants
        self._most = [min(want.max_bytes, _MAX_CONTENT) for want in wants]
        self._remark = remark
        self.least = min(self._most, default=0)

    def small_enough(self, path: str, size: int, mode: int, bits: int, segments: tar.Segments | None) -> _Part:
        """The file for those for which it is not too large; where there are none, a part for those that take one."""
        drop = [place for place in _places(bits) if size > self._most[place]]
        bits &= ~sum(1 << place for place in drop)
        alone = not bits and segments is None
        offered = drop if alone and size <= _MAX_CONTENT else []
        members = {place: found for place in offered if (found := self._wants[place].members(path))}
        head = b""
        if segments is None and any(self._every & (1 << place) for place in drop):
            head = self._stream.read(min(size, _TEXT_PROBE))
        for place in drop:
            if place not in members and (not self._every & (1 << place) or (head and b"\0" not in head)):
                self._remark(place, Note("FileTooLarge", f"{size} bytes, more than {self._most[place]}", path))
        fill = _filler(self._stream, head)
        if members:
            wanted = {member.encode() for found in members.values() for member in found}
            some = sum(1 << place for place in members)
            left_out = partial(self._left_out, path, list(members))
            return _Part(some, of_archive(fill, size, tuple(sorted(wanted)), left_out), size, thin=True)
        heads = [place for place in drop if alone and mode & 0o111 and self._wants[place].head]
        if heads:
            some, most = sum(1 << place for place in heads), min(self._most[place] for place in heads)
            marks = {mark for place in heads for mark in self._wants[place].marks}
            if not marks or not offered:
                return _Part(some, fill, most)
            return _Part(some, of_program(fill, size, most, tuple(sorted(marks))), size, thin=True)
        return _Part(bits, fill, size)

    def _left_out(self, path: str, places: list[int]) -> None:
        for place in places:
            self._remark(place, Note("FileTooLarge", f"more than {ARCHIVE_BYTES} bytes of it are of interest", path))

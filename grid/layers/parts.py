"""Parts of files too large to hold, in one pass over the stream: of ZIP archives the directory and the members that
somebody wants, of programs the beginning, the end and what stands behind a mark.

What is kept lies where it lay, and all else is zeros in memory that costs nothing before it is written: readers see a
file of the same length. Nothing tells beforehand where a directory begins, so that the end of an archive is kept.

Source: PKWARE's APPNOTE.TXT, sections 4.3.7 (local header), 4.3.9 (data descriptor), 4.3.12 (central directory).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import islice
from struct import Struct

from grid.model import ARCHIVE_BYTES

TAIL = 32 << 20
"""A directory of 250,000 members."""

_BEGINNING = 64
"""What a file begins with tells what it is."""
_CHUNK = 1 << 20
_REACH = 30 + 4096
"""A header and the longest name that anybody wants."""
_BEHIND = 24
"""What ends a member may stand before a header: the longest data descriptor."""
_MAX_HEADERS = 1_000_000
"""The largest archives have a few hundred thousand; each costs a microsecond."""
_HEADER = re.compile(rb"PK(?:\x03\x04|\x01\x02)")
_LOCAL = Struct("<6xH10xI4xHH")
_LATER = 8
"""The flag of a local header that leaves lengths to the descriptor behind the member."""
_DESCRIPTORS = (
    (16, Struct("<4x4xI4x"), b"PK\7\x08"), (24, Struct("<4x4xQ8x"), b"PK\7\x08"), (12, Struct("<4xI4x"), b""),
)  # fmt: skip
"""Length, where in it the length of the member stands, and how it begins: that of ZIP64, and the one without a mark."""


_END = 8 << 20
"""The table of sections of a program, and their names."""
_MARKED = 2 << 20
_MAX_MARKS = 8

Fill = Callable[[memoryview], None]
"""Writes the next bytes of a file into the memory given."""


def of_program(read: Fill, size: int, beginning: int, marks: tuple[bytes, ...]) -> Fill:
    """What fills memory of ``size`` zeros with the first bytes of the file that ``read`` gives, its end, and what
    begins with a mark."""
    search = re.compile(b"|".join(map(re.escape, marks)))
    overlap = max(map(len, marks)) - 1

    def fill(target: memoryview) -> None:
        read(target[:beginning])
        at, last = beginning, max(size - _END, beginning)
        held = min(overlap, beginning)
        window = bytearray(target[at - held : at]) + bytearray(_CHUNK)
        view, until, room = memoryview(window), 0, _MAX_MARKS
        for match in search.finditer(target, max(beginning - _MARKED, 0), beginning):
            until = match.start() + _MARKED
        while at < last:
            base, end = at - held, held + min(_CHUNK, last - at)
            read(view[held:end])
            spans = [(held, until - base)]
            for match in islice(search.finditer(window, 0, end), room):
                room, until = room - 1, base + match.start() + _MARKED
                spans.append((match.start(), until - base))
            for start, stop in spans:
                stop = max(min(stop, end), start)
                target[base + start : base + stop] = window[start:stop]
            view[:held], at = bytes(view[end - held : end]), base + end
        read(target[last:])

    return fill


def of_archive(read: Fill, size: int, wanted: tuple[bytes, ...], left_out: Callable[[], None]) -> Fill:
    """What fills memory of ``size`` zeros with what is kept of the archive that ``read`` gives: members whose names end
    in one of ``wanted``. ``left_out`` is called if they were more than is kept."""

    def fill(target: memoryview) -> None:
        archive = _Archive(target, wanted)
        window = bytearray(_BEHIND + _REACH + _CHUNK)
        view, base, held, fresh = memoryview(window), 0, 0, 0
        while base + held < size:
            end = held + min(_CHUNK, size - base - held)
            read(view[held:end])
            settled = archive.look(window, base, fresh, end, base + end == size)
            start = max(settled - _BEHIND, 0)
            view[: end - start] = bytes(view[start:end])
            base, held, fresh = base + start, end - start, settled - start
        if archive.full:
            left_out()

    return fill


class _Archive:
    """What is known of an archive of which the beginning has been seen."""

    def __init__(self, target: memoryview, wanted: tuple[bytes, ...]) -> None:
        self._target = target
        self._wanted = wanted
        self._tail = max(len(target) - TAIL, 0)
        self._room = ARCHIVE_BYTES - TAIL
        self._until = _BEGINNING
        self._since = -1
        """Where the content of a member begins of which nobody knows yet where it ends; -1: there is none."""
        self._headers = _MAX_HEADERS
        self.full = False

    def look(self, window: bytearray, base: int, fresh: int, end: int, last: bool) -> int:
        """Keep what is to be kept of ``window[fresh:end]``, which stands at ``base + fresh`` in the file; returns up to
        where. The rest is to be shown once more, with what comes after."""
        at = fresh
        for match in _HEADER.finditer(window, fresh, end) if self._headers > 0 else ():
            start = match.start()
            self._headers -= 1
            if not last and start + _REACH > end:
                self._keep(window, base, at, start)
                return start
            if base + start >= self._tail:
                break  # all of it is kept
            self._keep(window, base, at, start)
            at = start
            if self._since >= 0:
                if not _ends(window, start, base + start - self._since):
                    continue  # a header in the content
                self._since = -1
            if window[start + 2] == 3 and start + 30 <= end:
                self._open(window, base, start)
        if self._headers <= 0:
            self.full, self._until, self._since = True, 0, -1
        settled = end if last else max(at, end - 3)  # a header may begin here
        self._keep(window, base, at, settled)
        return settled

    def _open(self, window: bytearray, base: int, start: int) -> None:
        flags, packed, named, extra = _LOCAL.unpack_from(window, start)
        if bytes(window[start + 30 : start + 30 + named]).endswith(self._wanted):
            content = base + start + 30 + named + extra
            if flags & _LATER and not packed:
                self._until, self._since = max(self._until, content), content
            else:
                self._until = max(self._until, content + packed)

    def _keep(self, window: bytearray, base: int, start: int, stop: int) -> None:
        first, last = base + start, base + stop
        end = min(last, self._tail, last if self._since >= 0 else self._until)
        if end - first > self._room:
            self.full = True
        elif end > first:
            self._room -= end - first
            self._target[first:end] = window[start : end - base]
        if last > (first := max(first, self._tail)):
            self._target[first:last] = window[first - base : stop]


def _ends(window: bytearray, header: int, behind: int) -> bool:
    """Whether a member ends before a header that stands ``behind`` bytes after where its content begins."""
    for length, numbers, mark in _DESCRIPTORS:
        at = header - length
        if at >= 0 and window.startswith(mark, at) and numbers.unpack_from(window, at)[0] == behind - length:
            return True
    return False

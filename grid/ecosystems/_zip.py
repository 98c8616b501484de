"""ZIP archives in memory, as much of them as package readers need: which members there are, and a few of them.

Source: PKWARE's APPNOTE.TXT, sections 4.3.7 (local header), 4.3.12 (central directory), 4.3.14 to 4.3.16 (its end).
The standard library makes an object for every member, which costs ten times as much; jars have thousands.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from struct import Struct

import numpy as np
import numpy.typing as npt

MAGIC = b"PK\x03\x04"
_END_MAGIC = b"PK\x05\x06"
_LOCATOR64_MAGIC = b"PK\x06\x07"
_END_REACH = (1 << 16) + 22
"""The end record stands before a comment of at most 64 KiB."""

_END = Struct("<4xHHHHIIH")
_END64 = Struct("<4xQHHIIQQQQ")
_MEMBER = Struct("<4sHHHHHHIIIHHHHHII")
_ENTRY_MAGIC = b"PK\x01\x02"
_LENGTHS = Struct("<HHH").unpack_from
_LOCAL = Struct("<HH").unpack_from
_STORED, _DEFLATED = 0, 8
_MANY = 8192
"""Bytes of a directory from which on NumPy, which has a cost of its own, is three times as fast."""
_ENCRYPTED = 1
_NOT_HERE = 0xFFFFFFFF
"""The number stands in the member's ZIP64 field."""


class ZipInvalid(ValueError):
    """No archive, a damaged one, or a member that cannot be read; the text says which."""


@dataclass(frozen=True, slots=True)
class Member:
    """One entry of the central directory, its numbers as stated there."""

    name: str
    method: int
    encrypted: bool
    packed: int
    size: int
    offset: int
    """Of its local header, from the start of the bytes that hold the archive."""


def directory(data: memoryview) -> tuple[int, int, int]:
    """(start, end, shift) of the central directory; ``shift`` is the length of what stands before the archive
    (a shell script in self-starting jars). Raises ZipInvalid."""
    base = max(len(data) - _END_REACH, 0)
    tail = bytes(data[base:])
    at = tail.rfind(_END_MAGIC)
    for _ in range(4):  # a comment may hold the magic by chance
        if at < 0:
            break
        if at + _END.size <= len(tail):
            _, _, _, _, size, offset, _ = _END.unpack_from(tail, at)
            end = base + at
            if end >= 20 and bytes(data[end - 20 : end - 16]) == _LOCATOR64_MAGIC:
                size, offset, end = _end64(data, end)
            start = end - size
            if 0 <= offset <= start and (size == 0 or bytes(data[start : start + 4]) == _ENTRY_MAGIC):
                return start, end, start - offset
        at = tail.rfind(_END_MAGIC, 0, at)
    raise ZipInvalid("it has no central directory")


def _end64(data: memoryview, end: int) -> tuple[int, int, int]:
    """Size, offset and end of the central directory as the ZIP64 record before the locator tells."""
    at = end - 20 - 56  # the locator, and before it a record without extensible data
    if at < 0 or bytes(data[at : at + 4]) != b"PK\x06\x06":
        raise ZipInvalid("its ZIP64 record is missing")
    _, _, _, _, _, _, _, size, offset = _END64.unpack_from(data, at)
    return size, offset, at


def members(data: memoryview, endings: tuple[bytes, ...], at_most: int) -> tuple[list[Member], int, str]:
    """Members whose name has one of the ``endings``, how many entries were looked at (``at_most`` at most), and what
    stopped it.

    The third is "" if the whole directory was read. Raises ZipInvalid if there is no directory.
    """
    start, end, shift = directory(data)
    listing = bytes(data[start:end])
    places, seen, stopped = _whole(listing, endings, at_most) or _one_by_one(listing, endings, at_most)
    return [_member(listing, at, shift) for at in places], seen, stopped


def _whole(listing: bytes, endings: tuple[bytes, ...], at_most: int) -> tuple[list[int], int, str] | None:
    """What ``_one_by_one`` tells, from all entries at once; endings have four bytes at least. None for a small
    directory, with which that is as fast, and for one that is not a chain of entries from beginning to end in which
    the magic stands nowhere else."""
    if not _MANY <= len(listing) <= _MEMBER.size * at_most:
        return None
    octets, (halves, words) = np.frombuffer(listing, np.uint8), _at_every_byte(listing)
    starts = np.flatnonzero(octets[: 1 - _MEMBER.size] == _ENTRY_MAGIC[0])
    starts = starts[words[starts] == int.from_bytes(_ENTRY_MAGIC, "little")]
    stops = starts + _MEMBER.size + halves[starts + 28]
    ends = stops + halves[starts + 30] + halves[starts + 32]
    if not len(starts) or starts[0] or ends[-1] != len(listing) or (ends[:-1] != starts[1:]).any():
        return None
    lasts = np.isin(words[stops - 4], [int.from_bytes(ending[-4:], "little") for ending in endings])
    pairs = zip(starts[lasts].tolist(), stops[lasts].tolist(), strict=True)
    places = [start for start, stop in pairs if listing.endswith(endings, start + _MEMBER.size, stop)]
    return places, len(starts), ""


def _at_every_byte(listing: bytes) -> tuple[npt.NDArray[np.uint16], npt.NDArray[np.uint32]]:
    """The two-byte numbers that begin at each byte, and those of four: views."""
    halves: npt.NDArray[np.uint16] = np.ndarray((len(listing) - 1,), "<u2", listing, strides=(1,))
    words: npt.NDArray[np.uint32] = np.ndarray((len(listing) - 3,), "<u4", listing, strides=(1,))
    return halves, words


def _one_by_one(listing: bytes, endings: tuple[bytes, ...], at_most: int) -> tuple[list[int], int, str]:
    """Where the entries of ``members`` stand in the directory; the rest as there."""
    places: list[int] = []
    at, seen, end = 0, 0, len(listing)
    while at + _MEMBER.size <= end:
        if seen >= at_most:
            return places, seen, f"more than {at_most} entries"
        name_length, extra_length, comment_length = _LENGTHS(listing, at + 28)
        stop = at + _MEMBER.size + name_length
        if listing[at : at + 4] != _ENTRY_MAGIC or stop > end:
            return places, seen, "its central directory is damaged"
        seen += 1
        if listing.endswith(endings, at + _MEMBER.size, stop):
            places.append(at)
        at = stop + extra_length + comment_length
    return places, seen, "" if at == end else "its central directory is damaged"


def _member(listing: bytes, at: int, shift: int) -> Member:
    _, _, _, flags, method, _, _, _, packed, size, named, extra, *_, offset = _MEMBER.unpack_from(listing, at)
    stop = at + _MEMBER.size + named
    if _NOT_HERE in (packed, size, offset):
        size, packed, offset = _numbers64(listing[stop : stop + extra], size, packed, offset)
    name = listing[at + _MEMBER.size : stop].decode("utf-8", "replace")
    return Member(name, method, bool(flags & _ENCRYPTED), packed, size, offset + shift)


def _numbers64(extra: bytes, *stated: int) -> list[int]:
    """The numbers of a member, those that do not fit taken from its ZIP64 extra field, in the order given there."""
    at = 0
    wide = b""
    while at + 4 <= len(extra):
        kind, length = _LOCAL(extra, at)
        if kind == 1:
            wide = extra[at + 4 : at + 4 + length]
            break
        at += 4 + length
    numbers = []
    for number in stated:
        if number == _NOT_HERE and len(wide) >= 8:
            number, wide = int.from_bytes(wide[:8], "little"), wide[8:]
        numbers.append(number)
    return numbers


def content(data: memoryview, member: Member, at_most: int) -> memoryview:
    """A member's bytes; a stored one is a part of ``data``, uncopied.

    Never more than ``at_most`` bytes are made, whatever the archive states. Raises ZipInvalid, also for more.
    """
    at = member.offset
    if at < 0 or at + 30 > len(data) or bytes(data[at : at + 4]) != MAGIC:
        raise ZipInvalid("it has no local header")
    name_length, extra_length = _LOCAL(data, at + 26)
    start = at + 30 + name_length + extra_length
    packed = data[start : start + member.packed]
    if len(packed) < member.packed:
        raise ZipInvalid("it is cut short")
    if member.method == _STORED:
        if len(packed) > at_most:
            raise ZipInvalid(f"it has more than {at_most} bytes")
        return packed
    if member.method != _DEFLATED:
        raise ZipInvalid(f"compression method {member.method} is not known")
    inflate = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        out = inflate.decompress(packed, at_most + 1)
    except zlib.error as error:
        raise ZipInvalid("it cannot be inflated") from error
    if len(out) > at_most:
        raise ZipInvalid(f"it has more than {at_most} bytes")
    if not inflate.eof:
        raise ZipInvalid("it is cut short")
    return memoryview(out)

"""The headers of a tar: ustar, GNU and pax, as they come out of a stream.

Why not ``tarfile``: it takes 20 to 40 µs a header and lets much pass that a container runtime refuses. The
formats are those of POSIX.1-2017 ``pax`` (ustar, extended headers) and of the GNU tar manual, appendix D
(``L``, ``K``, base-256 numbers, sparse files).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice

from isal.isal_zlib import adler32

from grid.errors import EntryTooLarge, LayerTruncated, TarCorrupt, TooManyEntries
from grid.layers.blob import Stream
from grid.model import Limits, Note
from grid.paths import normalise

KINDS = ("file", "dir", "symlink", "hardlink", "whiteout", "opaque", "char", "block", "fifo")
"""What ``entries.kind`` may say; a kind is passed around as its place here."""
FILE, DIR, SYMLINK, HARDLINK, WHITEOUT, OPAQUE, CHAR, BLOCK, FIFO = range(9)

Segments = list[tuple[int, int]]
"""(offset in the file, length) of the stored parts of a sparse file, in order."""
Owner = tuple[int, int, int]
"""mode, uid, gid."""
Entry = tuple[str, int, int, Owner, str | None, Segments | None]
"""path, kind, size of the content, owner, link target, stored parts of a sparse file."""

_TYPES = {
    0: FILE,
    ord("0"): FILE,
    ord("7"): FILE,
    ord("1"): HARDLINK,
    ord("2"): SYMLINK,
    ord("3"): CHAR,
    ord("4"): BLOCK,
    ord("5"): DIR,
    ord("6"): FIFO,
}
"""Any other type that is not special is read as a file: POSIX asks for that."""
_EXTENDED = frozenset(b"xXgLK")
_SPECIAL = _EXTENDED | frozenset(b"VMNSD")
_LINKS = frozenset((SYMLINK, HARDLINK))
_ZERO = bytes(512)
_MAX_EXTENDED = 1 << 20
"""Bytes of one extended header or long name (the bound of Go's archive/tar)."""
_MAX_EXTENDED_RUN = 16
"""Extended headers before one entry."""
_MAX_SEGMENTS = 1 << 16
_MAX_INT = (1 << 63) - 1

Extended = dict[str, bytes]


def entries(stream: Stream, limits: Limits, note: Callable[[Note], None]) -> Iterator[Entry]:
    """Every entry, in order. Between two steps the caller may read the entry's content from ``stream``; what it
    leaves is skipped.

    Names are normalised; an entry whose name is too long is left out and noted. Raises TarCorrupt (with the
    position), LayerTruncated, EntryTooLarge, TooManyEntries, PathEscapesRoot.
    """
    read = stream.read
    next_header = 0
    extended: Extended = {}
    for_all: Extended = {}
    run = 0
    count = 0
    allowed = min(limits.max_entries, limits.dense_entries)
    owners: dict[bytes, Owner] = {}
    while True:
        header = read(512)
        start = next_header
        if len(header) < 512 or (header[0] == 0 and header == _ZERO):
            header, start = _after_end(stream, header, start)
            if not header:
                if extended:
                    raise LayerTruncated("the tar ends after an extended header")
                return
        _check(header, start)
        type_ = header[156]
        kind = _TYPES.get(type_, FILE)
        content = start + 512

        stored = 0
        if kind == FILE:
            try:
                stored = int(header[124:135], 8) if header[135] in b"\0 " else _number(header[124:136], start)
            except ValueError:
                stored = _number(header[124:136], start)
            if (extended or for_all) and type_ not in _EXTENDED:
                stored = _pax_number(extended, for_all, "size", stored, start)
            if not 0 <= stored <= limits.max_entry_bytes:
                if 0 <= stored <= _MAX_INT:
                    raise EntryTooLarge(f"the entry at byte {start} is larger than {limits.max_entry_bytes} bytes")
                raise TarCorrupt(f"the entry at byte {start} has the size {stored}")

        segments: Segments | None = None
        size = stored
        if type_ in _SPECIAL:
            if type_ in _EXTENDED:
                run += 1
                if run > _MAX_EXTENDED_RUN or stored > _MAX_EXTENDED:
                    raise TarCorrupt(f"the extended header at byte {start} is too large, or one too many")
                data = read(stored)
                if len(data) < stored:
                    raise LayerTruncated("the tar ends inside an extended header")
                _extend(type_, data, extended, for_all, start)
                next_header = content + -(-stored // 512) * 512
                _leave(stream, content + stored, next_header)
                continue
            if type_ in b"VMN":  # a volume's label, the rest of a split file, names of an old format: no entries
                extended, run = {}, 0
                next_header = content + -(-stored // 512) * 512
                _leave(stream, content + stored, next_header)
                continue
            if type_ == ord("D"):  # GNU dumpdir: a directory whose content lists names
                kind = DIR
            else:
                segments, size, content = _old_sparse(stream, header, stored, start)
        next_header = content + -(-stored // 512) * 512

        name = header[: header.find(0, 0, 100)] if not header[99] else header[:100].partition(b"\0")[0]
        if header[345] and header[257:263] == b"ustar\0":
            name = header[345:500].partition(b"\0")[0] + b"/" + name
        link = b""
        if kind in _LINKS:
            link = header[157:257].partition(b"\0")[0]
        key = header[100:124]
        owner = owners.get(key)
        if owner is None:
            owner = _number(key[:8], start) & 0o7777, _id(_number(key[8:16], start)), _id(_number(key[16:], start))
            if len(owners) < 4096:
                owners[key] = owner
        if extended or for_all:
            both = {**for_all, **extended}
            name = both.get("path") or name
            if kind in _LINKS:
                link = both.get("linkpath") or link
            if "uid" in both or "gid" in both:
                uid = _pax_number(extended, for_all, "uid", owner[1], start)
                owner = owner[0], _id(uid), _id(_pax_number(extended, for_all, "gid", owner[2], start))
            if kind == FILE and any(k.startswith("GNU.sparse.") for k in both):
                name = both.get("GNU.sparse.name") or name
                segments, size = _pax_sparse(stream, both, content + stored, start)
            extended = {}
        run = 0

        count += 1
        if count > allowed:
            allowed = min(limits.max_entries, max(limits.dense_entries, stream.blob_bytes >> 10))
            if count > allowed:
                raise TooManyEntries(f"the layer lists more than {allowed} entries")

        if len(name) > limits.max_path_bytes or len(link) > limits.max_path_bytes:
            longest = max(len(name), len(link))
            note(Note("PathTooLong", f"a name of {longest} bytes: the entry is left out", _text(name[:200])))
        else:
            if kind == FILE and name.endswith(b"/"):  # how tar wrote directories before there was a type for them
                kind, size = DIR, 0
            path = normalise(_text(name))
            if path:  # not the root itself
                target = None
                if kind == HARDLINK:
                    target = normalise(_text(link))
                elif kind == SYMLINK:
                    target = _text(link)
                yield path, kind, 0 if kind == DIR else size, owner, target, segments
        if stored:
            _leave(stream, content + stored, next_header)


def _leave(stream: Stream, end: int, next_header: int) -> None:
    """Skip what is left of a content; its padding may be missing at the end of the tar."""
    if not stream.seek(next_header) and stream.position < end:
        raise LayerTruncated(f"the tar ends inside the entry that should end at byte {end}")


def _after_end(stream: Stream, header: bytes, start: int) -> tuple[bytes, int]:
    """After zero blocks or at the end: the header of another tar appended, or b"" if only padding follows."""
    padding = False
    while len(header) == 512 and header == _ZERO:
        padding = True
        header = stream.read(512)
        start += 512
    if len(header) == 512 and header[257:262] == b"ustar" and _sum_is_right(header):
        return header, start
    if padding or not header.strip(b"\0"):
        return b"", start
    raise LayerTruncated(f"the tar ends inside the header at byte {start}")


def _check(header: bytes, start: int) -> None:
    """The header's checksum: the sum of its bytes with those of the sum itself read as blanks."""
    try:
        stated = int(header[148:154], 8)
        # Adler-32 holds 1 + the sum modulo 65521 in its lower half, and is computed in C
        if ((adler32(header) & 0xFFFF) + 255 - sum(header[148:156]) - stated) % 65521 == 0 and not header[154]:
            return
    except ValueError:
        pass
    if not _sum_is_right(header):
        what = "the layer is not a tar" if start == 0 else "damaged tar header"
        raise TarCorrupt(f"{what}: wrong checksum at byte {start}")


def _sum_is_right(header: bytes) -> bool:
    try:
        stated = _number(header[148:156], 0)
    except TarCorrupt:
        return False
    others = header[:148] + header[156:]
    unsigned = sum(others) + 8 * 32
    return stated in (unsigned, unsigned - 256 * sum(byte > 127 for byte in others))  # some old tars summed signed


def _number(field: bytes, start: int) -> int:
    """Octal text among blanks and NULs, or base-256 (GNU, star) if the first bit is set."""
    if field[0] & 0x80:
        value = int.from_bytes(field, "big")
        bits = 8 * len(field)
        return value - (1 << bits) if field[0] & 0x40 else value - (1 << (bits - 1))
    text = field.strip(b" \0").partition(b"\0")[0].rstrip(b" ")
    if text.strip(b"01234567"):
        raise TarCorrupt(f"damaged tar header: a number that is none at byte {start}")
    return int(text, 8) if text else 0


def _id(value: int) -> int:
    return min(max(value, -1), _MAX_INT)


def _text(name: bytes) -> str:
    try:
        return name.decode()
    except UnicodeDecodeError:
        return name.decode("utf-8", "backslashreplace")


# --- extended headers ----------------------------------------------------------------------------


def _extend(type_: int, data: bytes, extended: Extended, for_all: Extended, start: int) -> None:
    """Take in a pax header or a GNU long name. pax wins over GNU, as in GNU tar."""
    if type_ == ord("L"):
        extended.setdefault("path", data.partition(b"\0")[0])
    elif type_ == ord("K"):
        extended.setdefault("linkpath", data.partition(b"\0")[0])
    elif type_ == ord("g"):
        for_all.update(_records(data, start))
    else:
        extended.update(_records(data, start))


def _records(data: bytes, start: int) -> Extended:
    """``length key=value\\n`` records. The map of a sparse file of version 0.0, in many records, becomes one value."""
    out: Extended = {}
    sparse: list[bytes] = []
    at = 0
    while at < len(data) and data[at]:
        blank = data.find(b" ", at, at + 21)
        length = data[at:blank] if blank > 0 else b""
        end = at + int(length) if length.isdigit() else 0
        equals = data.find(b"=", blank, end)
        if end > len(data) or equals < 0 or data[end - 1] != 10:
            raise TarCorrupt(f"damaged extended header at byte {start}")
        key, value = _text(data[blank + 1 : equals]), data[equals + 1 : end - 1]
        at = end
        if key in ("path", "linkpath", "GNU.sparse.name") and b"\0" in value:
            raise TarCorrupt(f"an extended header at byte {start} gives a name with a NUL")
        if key in ("GNU.sparse.offset", "GNU.sparse.numbytes"):
            sparse.append(value)
        else:
            out[key] = value
    if sparse:
        out["GNU.sparse.map"] = b",".join(sparse)
    return out


def _pax_number(extended: Extended, for_all: Extended, key: str, default: int, start: int) -> int:
    value = extended.get(key, for_all.get(key, b""))
    return _decimal(value, start) if value else default


def _decimal(value: bytes, start: int) -> int:
    if not value.isdigit() or len(value) > 19:
        raise TarCorrupt(f"an extended header before byte {start} has a number that is none")
    return int(value)


# --- sparse files --------------------------------------------------------------------------------


def _old_sparse(stream: Stream, header: bytes, stored: int, start: int) -> tuple[Segments, int, int]:
    """GNU type ``S``: the map lies in the header and in blocks after it. Returns (map, size, start of the content)."""
    segments: Segments = []
    size = _number(header[483:495], start)
    block, at, more = header, 386, 4
    while True:
        for place in range(at, at + 24 * more, 24):
            if not block[place] and not block[place + 12]:
                break
            offset, length = _number(block[place : place + 12], start), _number(block[place + 12 : place + 24], start)
            segments.append((offset, length))
        if not block[at + 24 * more]:
            break
        block, at, more = stream.read(512), 0, 21
        if len(block) < 512:
            raise LayerTruncated("the tar ends inside the map of a sparse file")
        if len(segments) > _MAX_SEGMENTS:
            raise TarCorrupt(f"the sparse file at byte {start} has more than {_MAX_SEGMENTS} parts")
    return _checked(segments, size, stored, start), size, stream.position


def _pax_sparse(stream: Stream, pax: Extended, end: int, start: int) -> tuple[Segments, int]:
    """pax sparse formats 0.0, 0.1 (map in the header) and 1.0 (map before the content, which is read here)."""
    stored = end - stream.position
    size = _decimal(pax.get("GNU.sparse.realsize") or pax.get("GNU.sparse.size") or b"%d" % stored, start)
    if pax.get("GNU.sparse.major") == b"1":
        lines = _map_lines(stream, end, start)
        count = next(lines)
        if count > _MAX_SEGMENTS:
            raise TarCorrupt(f"the sparse file at byte {start} has more than {_MAX_SEGMENTS} parts")
        numbers = list(islice(lines, 2 * count))
    else:
        text = pax.get("GNU.sparse.map", b"")
        numbers = [_decimal(value, start) for value in text.split(b",")] if text else []
    if len(numbers) % 2 or len(numbers) > 2 * _MAX_SEGMENTS:
        raise TarCorrupt(f"the sparse file at byte {start} has a damaged map")
    segments = list(zip(numbers[::2], numbers[1::2], strict=True))
    return _checked(segments, size, end - stream.position, start), size


def _map_lines(stream: Stream, end: int, start: int) -> Iterator[int]:
    """The numbers of a 1.0 map, a line each; reads whole blocks, as many as are asked for."""
    text = b""
    while True:
        block = stream.read(512) if end - stream.position >= 512 else b""
        *lines, text = (text + block).split(b"\n")
        if len(block) < 512 or len(text) > 512:
            raise TarCorrupt(f"the sparse file at byte {start} has no whole map")
        for line in lines:
            yield _decimal(line, start)


def _checked(segments: Segments, size: int, stored: int, start: int) -> Segments:
    end = total = 0
    for offset, length in segments:
        if offset < end or length < 0:
            raise TarCorrupt(f"the parts of the sparse file at byte {start} are not in order")
        end = offset + length
        total += length
    if end > size or size > _MAX_INT:
        raise TarCorrupt(f"the sparse file at byte {start} is smaller than its parts")
    if total > stored:
        raise TarCorrupt(f"the sparse file at byte {start} has more parts than content")
    return segments

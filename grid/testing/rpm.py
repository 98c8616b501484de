"""Headers as rpm stores them, and databases of each backend around them."""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Callable, Mapping, Sequence

from grid.ecosystems._rpm.header import (
    ARCH,
    BASENAMES,
    DIRINDEXES,
    DIRNAMES,
    EPOCH,
    LICENSE,
    MODULARITYLABEL,
    NAME,
    OLDFILENAMES,
    RELEASE,
    SOURCERPM,
    VENDOR,
    VERSION,
)

Value = str | int | Sequence[str] | Sequence[int]
SUMMARY = 1004
_REGION = 63

TAGS = {
    "name": NAME, "version": VERSION, "release": RELEASE, "epoch": EPOCH, "arch": ARCH, "sourcerpm": SOURCERPM,
    "vendor": VENDOR, "license": LICENSE, "modularitylabel": MODULARITYLABEL, "basenames": BASENAMES,
    "dirnames": DIRNAMES, "dirindexes": DIRINDEXES, "oldfilenames": OLDFILENAMES, "summary": SUMMARY,
}  # fmt: skip

BDB, NDB, SQLITE = "var/lib/rpm/Packages", "usr/lib/sysimage/rpm/Packages.db", "usr/share/rpm/rpmdb.sqlite"


def _packed(value: Value) -> tuple[int, int, bytes]:
    """Type, count and data."""
    if isinstance(value, str):
        return 6, 1, value.encode() + b"\0"
    numbers = [value] if isinstance(value, int) else [v for v in value if isinstance(v, int)]
    if numbers:
        return 4, len(numbers), struct.pack(f">{len(numbers)}I", *numbers)
    texts = [] if isinstance(value, int) else [str(v).encode("utf-8", "surrogateescape") for v in value]
    return 8, len(texts), b"".join(text + b"\0" for text in texts)


def header(after: Mapping[str, Value] | None = None, /, **tags: Value) -> bytes:
    """A header with its region; ``after`` are the tags behind it, which replace."""
    values: list[tuple[int, tuple[int, int, bytes]]] = [(TAGS[name], _packed(value)) for name, value in tags.items()]
    index, data = [], b""
    inside = len(values) + 1
    values += ((TAGS[name], _packed(value)) for name, value in (after or {}).items())
    for number, (tag, (kind, count, packed)) in enumerate(values, 1):
        if number == inside:
            data += struct.pack(">4i", _REGION, 7, -16 * inside, 16)
        if kind == 4:
            data += bytes(-len(data) % 4)
        index.append(struct.pack(">4I", tag, kind, len(data), count))
        data += packed
    if inside > len(values):
        data += struct.pack(">4i", _REGION, 7, -16 * inside, 16)
    index.insert(0, struct.pack(">4I", _REGION, 7, 0, 16))
    return struct.pack(">2I", len(index), len(data)) + b"".join(index) + data


def package(name: str = "bash", version: str = "5.1", release: str = "2.el9", /, **tags: Value) -> bytes:
    """The header of a package, with whatever other tags it is to have."""
    return header(None, name=name, version=version, release=release, **tags)


def bdb(headers: Sequence[bytes], order: str = "<", size: int = 4096, version: int = 9) -> bytes:
    """A BerkeleyDB hash: small values in its pages, larger ones off them."""
    pages: dict[int, bytes] = {}
    items: list[bytes] = []
    kind = 13 if version > 8 else 2
    last = 0

    def head(number: int, following: int, entries: int, offset: int, what: int) -> bytes:
        return struct.pack(order + "8x3I2H2B", number, 0, following, entries, offset, 0, what)

    def hash_page() -> None:
        nonlocal last
        last += 1
        body, places, end = bytearray(size), [], size
        for item in items:
            end -= len(item)
            places.append(end)
            body[end : end + len(item)] = item
        index = struct.pack(f"{order}{len(places)}H", *places)
        body[: 26 + len(index)] = head(last, 0, len(places), end, kind) + index
        pages[last] = bytes(body)
        items.clear()

    for number, blob in enumerate([struct.pack(order + "I", len(headers)), *headers]):
        key = b"\1" + struct.pack(order + "I", number)
        value = b"\1" + blob
        if len(value) > size // 4:
            value = struct.pack(order + "B3x2I", 3, last + 1, len(blob))
            room = size - 26
            chunks = [blob[at : at + room] for at in range(0, len(blob), room)]
            for place, chunk in enumerate(chunks, 1):
                last += 1
                following = last + 1 if place < len(chunks) else 0
                pages[last] = (head(last, following, 1, len(chunk), 7) + chunk).ljust(size, b"\0")
        if sum(map(len, items)) + len(key) + len(value) + 2 * (len(items) + 2) + 26 > size:
            hash_page()
        items += (key, value)
    hash_page()
    meta = struct.pack(order + "8x4I4BI", 0, 0x61561, version, size, 0, 8, 0, 0, 0)
    pages[0] = (meta + struct.pack(order + "I", last)).ljust(size, b"\0")
    return b"".join(pages[number] for number in sorted(pages))


def ndb(headers: Sequence[bytes], pages: int = 2) -> bytes:
    """An NDB with room for 254 headers in its first page of slots, and 256 in each other."""
    slots, blobs, block = [], [], pages * 256
    for number, blob in enumerate(headers, 1):
        count = -(-(len(blob) + 28) // 16)
        slots.append(struct.pack("<4s3I", b"Slot", number, block, count))
        whole = struct.pack("<4s3I", b"BlbS", number, 1, len(blob)) + blob
        blobs.append(whole.ljust(count * 16 - 12, b"\0") + struct.pack("<2I4s", 0, len(blob), b"BlbE"))
        block += count
    free = struct.pack("<4s3I", b"Slot", 0, 0, 0)
    slots.insert(1, free)  # a package was removed
    slots += [free] * (pages * 256 - 2 - len(slots))
    return struct.pack("<4s4I12x", b"RpmP", 0, 1, pages, len(headers) + 1) + b"".join(slots) + b"".join(blobs)


def sqlite(headers: Sequence[bytes], size: int = 4096, wal: bool = True) -> bytes:
    """The file that SQLite makes of rpm's table of packages (and one of its indexes)."""
    con = sqlite3.connect(":memory:")
    con.execute(f"PRAGMA page_size = {size}")
    con.execute("CREATE TABLE 'Name' (key TEXT NOT NULL, hnum INTEGER NOT NULL, idx INTEGER NOT NULL)")
    con.execute("CREATE TABLE 'Packages' (hnum INTEGER PRIMARY KEY AUTOINCREMENT, blob BLOB NOT NULL)")
    con.executemany("INSERT INTO Packages (blob) VALUES (?)", [(blob,) for blob in headers])
    con.commit()
    content = bytearray(con.serialize())
    con.close()
    if wal:
        content[18:20] = b"\2\2"  # as rpm leaves it
    return bytes(content)


BACKENDS: dict[str, tuple[str, Callable[[Sequence[bytes]], bytes]]] = {
    "hash": (BDB, bdb),
    "hash, big-endian": (BDB, lambda headers: bdb(headers, ">")),
    "hash of an old rpm": (BDB, lambda headers: bdb(headers, "<", 1024, 8)),
    "ndb": (NDB, ndb),
    "sqlite": (SQLITE, sqlite),
    "sqlite, small pages": (SQLITE, lambda headers: sqlite(headers, 512)),
    "sqlite, large pages": (SQLITE, lambda headers: sqlite(headers, 65536, wal=False)),
}

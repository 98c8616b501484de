"""Rows of one table of an SQLite file: what a package manager keeps in such a database.

Source: https://www.sqlite.org/fileformat2.html. A reader of our own needs two of the format's page types, no copy of
the file, and no trust in it: SQLite itself would copy it, refuse one in WAL mode without its journal, and run what
a hostile schema defines.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from struct import error, unpack_from

from grid.ecosystems._blobs import Allowance, Content, Damaged

MAGIC = b"SQLite format 3\0"
JOURNAL_HEADER = 32
"""A write-ahead journal (``-wal``) that is longer holds changes which the file has not."""
_HEADER = 100  # at the start of page 1
_INTERIOR, _LEAF = 5, 13
_MAX_DEPTH = 20  # SQLite's own bound
_MAX_TABLES = 1000  # and indexes: rpm makes some 40


def rows(content: Content, table: str, columns: int) -> Iterator[tuple[bytes, ...] | Damaged]:
    """The first ``columns`` of each row of a table, as the bytes that they are stored in; see ``_blobs`` on damage."""
    file = _File(memoryview(content))
    damage: Damaged | None = None
    for record in islice(file.records(1), _MAX_TABLES):
        if isinstance(record, Damaged):
            damage = record
            continue
        try:
            kind, name, _, root = islice(_columns(record), 4)
        except (Damaged, ValueError):
            damage = Damaged("a row of the schema cannot be read")
            continue
        if (kind, name) == (b"table", table.encode()) and len(root) <= 8:
            break
    else:
        raise damage or Damaged(f"it has no table {table}")
    for record in file.records(int.from_bytes(root, "big")):
        if isinstance(record, Damaged):
            yield record
            continue
        try:
            found = tuple(islice(_columns(record), columns))
        except Damaged:
            found = ()
        yield found if len(found) == columns else Damaged(f"a row of {table} cannot be read")


class _File:
    def __init__(self, view: memoryview) -> None:
        if len(view) < 512 or bytes(view[:16]) != MAGIC:
            raise Damaged("no SQLite file")
        (size,) = unpack_from(">H", view, 16)
        self._size = 65536 if size == 1 else size
        self._usable = self._size - view[20]
        if self._size < 512 or self._size & (self._size - 1) or self._usable < 480:
            raise Damaged(f"pages of {self._size} bytes, {self._usable} of them used")
        self._view = view
        self._allowed = Allowance(len(view) // self._size, len(view))

    def records(self, root: int) -> Iterator[bytes | Damaged]:
        """The rows of a table, whole, in the order of their numbers."""
        try:
            self._allowed.page(root, 1)
        except Damaged as damage:
            yield damage
            return
        todo = [(root, 0)]
        while todo:
            number, depth = todo.pop()
            try:
                if depth > _MAX_DEPTH:
                    raise Damaged("its tree is too deep")
                page = self._view[(number - 1) * self._size : number * self._size][: self._usable]
                start = _HEADER if number == 1 else 0
                kind, count = page[start], unpack_from(">H", page, start + 3)[0]
                if kind not in (_LEAF, _INTERIOR):
                    raise Damaged(f"page {number} is no page of a table")
                cells = unpack_from(f">{count}H", page, start + (8 if kind == _LEAF else 12))
            except Damaged as damage:
                yield damage
                continue
            except error:
                yield Damaged(f"page {number} has cells outside of it")
                continue
            if kind == _INTERIOR:  # from the last child to the first, as the last one pushed is read first
                cells = (*cells, start + 8)[::-1]
            for cell in cells:
                try:
                    if kind == _LEAF:
                        yield self._payload(page, cell)
                    else:
                        (child,) = unpack_from(">I", page, cell)
                        self._allowed.page(child, 1)
                        todo.append((child, depth + 1))
                except Damaged as damage:
                    yield damage
                except error:
                    yield Damaged(f"page {number} has a cell outside of it")

    def _payload(self, page: memoryview, cell: int) -> bytes:
        size, at = _varint(page, cell)
        _, at = _varint(page, at)
        self._allowed.take(size)
        most = self._usable - 35
        if size <= most:
            if at + size > len(page):
                raise Damaged("a row lies outside of its page")
            return bytes(page[at : at + size])
        least = (self._usable - 12) * 32 // 255 - 23
        local = least + (size - least) % (self._usable - 4)
        if local > most:
            local = least
        if at + local > len(page):
            raise Damaged("a row lies outside of its page")
        (following,) = unpack_from(">I", page, at + local)
        parts, left = [page[at : at + local]], size - local
        while left > 0:
            self._allowed.page(following, 1)
            begin = (following - 1) * self._size
            (following,) = unpack_from(">I", self._view, begin)
            parts.append(self._view[begin + 4 : begin + min(self._usable, 4 + left)])
            left -= self._usable - 4
        return b"".join(parts)


def _varint(data: Content, at: int) -> tuple[int, int]:
    """A number of one to nine bytes, and the place after it; raises Damaged."""
    value = 0
    for place in range(at, min(at + 8, len(data))):
        byte = data[place]
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, place + 1
    if at + 8 >= len(data):
        raise Damaged("a number has no end")
    return value << 8 | data[at + 8], at + 9


_WIDTHS = (0, 1, 2, 3, 4, 6, 8, 8, 0, 0)


def _columns(record: bytes) -> Iterator[bytes]:
    """The columns of a row, as the bytes that they are stored in; raises Damaged."""
    start, at = _varint(record, 0)
    if start > len(record):
        raise Damaged("a row has no columns")
    place = start
    while at < start:
        kind, at = _varint(record, at)
        if kind in (10, 11):
            raise Damaged("a column has a type that is reserved")
        width = _WIDTHS[kind] if kind < 12 else (kind - 12) // 2
        if place + width > len(record):
            raise Damaged("a column has no end")
        yield record[place : place + width]
        place += width

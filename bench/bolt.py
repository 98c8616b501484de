"""Write a bbolt file: nested buckets of sorted keys, which is all that Trivy's database is.

Format: https://github.com/etcd-io/bbolt (``internal/common``): pages of 4096 bytes; two meta pages, a free list, then
B+trees whose leaves hold (key, value) pairs. A bucket is a value that begins with the page of its root; a small one
stands in that value itself. Everything is little-endian. The whole file is made in memory.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeVar, Union

PAGE = 4096
_BRANCH, _LEAF, _META, _FREELIST = 0x01, 0x02, 0x04, 0x10
_MAGIC, _VERSION = 0xED0CDAED, 2
_BUCKET = 1
_INLINE = 64 << 10
"""Bytes of a bucket that still stands in its parent; readers set no bound."""
_FULL = 32 << 10
"""Bytes after which a page is closed; a page may run over into those behind it."""

Tree = Mapping[str, Union[bytes, "Tree"]]
"""Names → values, or → buckets."""
_Item = tuple[bytes, int, bytes]
_T = TypeVar("_T")


def write(root: Tree) -> bytes:
    """The file that holds these buckets."""
    pages = _Pages()
    top = pages.tree(pages.items(root))
    free = _page(2, _FREELIST, 0, b"").ljust(PAGE, b"\0")
    return b"".join((_meta(0, top, pages.next), _meta(1, top, pages.next), free, *pages.written))


class _Pages:
    """Pages from 3 on, in the order of their numbers."""

    def __init__(self) -> None:
        self.next = 3
        self.written: list[bytes] = []

    def items(self, tree: Tree) -> list[_Item]:
        """(key, flags, value) of one bucket, sorted; buckets in it are written first, or kept in the value."""
        found = []
        for name, value in tree.items():
            if isinstance(value, bytes):
                found.append((name.encode(), 0, value))
                continue
            inner = self.items(value)
            if sum(16 + len(k) + len(v) for k, _, v in inner) <= _INLINE:
                found.append((name.encode(), _BUCKET, struct.pack("<QQ", 0, 0) + _page(0, _LEAF, *_leaf(inner))))
            else:
                found.append((name.encode(), _BUCKET, struct.pack("<QQ", self.tree(inner), 0)))
        return sorted(found)

    def tree(self, items: Sequence[_Item]) -> int:
        """Write a B+tree; returns the page of its root."""
        leaves = _cut(items, lambda item: 16 + len(item[0]) + len(item[2])) or [[]]
        level = [(chunk[0][0] if chunk else b"", self._add(_LEAF, *_leaf(chunk))) for chunk in leaves]
        while len(level) > 1:
            chunks = _cut(level, lambda item: 16 + len(item[0]))
            level = [(chunk[0][0], self._add(_BRANCH, *_branch(chunk))) for chunk in chunks]
        return level[0][1]

    def _add(self, flags: int, count: int, body: bytes) -> int:
        number = self.next
        page = _page(number, flags, count, body)
        self.next += -(-len(page) // PAGE)
        self.written.append(page.ljust((self.next - number) * PAGE, b"\0"))
        return number


def _cut(items: Sequence[_T], size: Callable[[_T], int]) -> list[list[_T]]:
    """Runs of at least two items (but for the last) that fill a page."""

    def runs() -> Iterator[list[_T]]:
        run: list[_T] = []
        used = 0
        for item in items:
            run.append(item)
            used += size(item)
            if used >= _FULL and len(run) > 1:
                yield run
                run, used = [], 0
        if run:
            yield run

    return list(runs())


def _page(number: int, flags: int, count: int, body: bytes) -> bytes:
    return struct.pack("<QHHI", number, flags, count, max(0, -(-(16 + len(body)) // PAGE) - 1)) + body


def _leaf(items: Sequence[_Item]) -> tuple[int, bytes]:
    heads: list[bytes] = []
    bodies: list[bytes] = []
    at = 16 * len(items)
    for number, (key, flags, value) in enumerate(items):
        heads.append(struct.pack("<IIII", flags, at - 16 * number, len(key), len(value)))
        bodies += (key, value)
        at += len(key) + len(value)
    return len(items), b"".join((*heads, *bodies))


def _branch(items: Sequence[tuple[bytes, int]]) -> tuple[int, bytes]:
    heads: list[bytes] = []
    bodies: list[bytes] = []
    at = 16 * len(items)
    for number, (key, page) in enumerate(items):
        heads.append(struct.pack("<IIQ", at - 16 * number, len(key), page))
        bodies.append(key)
        at += len(key)
    return len(items), b"".join((*heads, *bodies))


def _meta(number: int, root: int, pages: int) -> bytes:
    body = struct.pack("<IIIIQQQQQ", _MAGIC, _VERSION, PAGE, 0, root, 0, 2, pages, number)
    checksum = 0xCBF29CE484222325  # FNV-1a
    for byte in body:
        checksum = (checksum ^ byte) * 0x100000001B3 % 2**64
    return _page(number, _META, 0, body + struct.pack("<Q", checksum)).ljust(PAGE, b"\0")

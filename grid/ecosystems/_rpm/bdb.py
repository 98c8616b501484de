"""``Packages`` of rpm before 4.16: a BerkeleyDB hash of package number to header, in the byte order of its machine.

Source: the on-disk page layouts of BerkeleyDB 4 and 5 (``db_page.h``: hash versions 7 to 10 agree on all that is read
here). Every page tells its type, so pages are read as they lie and no bucket is looked up.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct, error, unpack_from

from grid.ecosystems._blobs import Allowance, Content, Damaged

MAGIC = 0x00061561
_MAGIC_AT = 12
_ENCRYPTION_AT = 24
_LAST_PAGE_AT = 32
_HASH_META, _OVERFLOW, _HASHES = 8, 7, (2, 13)  # the second kind of hash page is sorted
_PAGE = 26  # bytes of a page's header
_TYPE_AT = 25
_INLINE, _OFF_PAGE = 1, 3


def is_hash(content: Content) -> bool:
    return _order(content) is not None


def _order(content: Content) -> str | None:
    if len(content) < 512:
        return None
    return next((o for o in "<>" if unpack_from(o + "I", content, _MAGIC_AT)[0] == MAGIC), None)


def blobs(content: Content) -> Iterator[bytes | Damaged]:
    """Every header, see ``grid.ecosystems._blobs``."""
    view, order = memoryview(content), _order(content)
    if order is None:
        raise Damaged("no BerkeleyDB hash")
    version, size = unpack_from(order + "2I", view, _MAGIC_AT + 4)
    if not 7 <= version <= 10 or view[_TYPE_AT] != _HASH_META:
        raise Damaged(f"a BerkeleyDB of version {version} and type {view[_TYPE_AT]}, not a hash of version 7 to 10")
    if not 512 <= size <= 65536 or size & (size - 1):
        raise Damaged(f"pages of {size} bytes")
    if view[_ENCRYPTION_AT]:
        raise Damaged("it is encrypted")
    book = _Book(view, order, size)
    for page in range(1, book.pages):
        if view[page * size + _TYPE_AT] in _HASHES:
            yield from book.values(page)
    (last,) = unpack_from(order + "I", view, _LAST_PAGE_AT)
    if last >= book.pages:
        yield Damaged(f"it ends before page {book.pages} of {last + 1}")


class _Book:
    def __init__(self, view: memoryview, order: str, size: int) -> None:
        self.pages = len(view) // size
        self._view, self._size, self._order = view, size, order
        self._allowed = Allowance(self.pages, len(view))
        self._counted = False
        self._head = Struct(order + "16xI2H")  # next page; entries (hash) and used bytes (overflow)
        self._item = Struct(order + "4x2I")  # first page, bytes
        self._number = Struct(order + "I")

    def values(self, page: int) -> Iterator[bytes | Damaged]:
        """The values of a hash page: its items are keys and values in turn, from the end of the page down."""
        view = self._view[page * self._size : (page + 1) * self._size]
        _, count, _ = self._head.unpack_from(view)
        try:
            places = unpack_from(f"{self._order}{count}H", view, _PAGE)
        except error:
            yield Damaged(f"page {page} states {count} items")
            return
        for key, value in zip(places[::2], places[1::2], strict=False):
            try:
                if self._number.unpack_from(view, key + 1)[0]:
                    yield self._value(view, value, key)  # an item ends where the one before it begins
                elif self._counted:
                    raise Damaged("there are two records of number 0")
                else:  # the last package number that was given
                    self._counted = True
            except Damaged as damage:
                yield damage
            except error:
                yield Damaged(f"page {page} has an item outside of it")
        if count % 2:
            yield Damaged(f"page {page} has a key without a value")

    def _value(self, view: memoryview, at: int, end: int) -> bytes:
        if at >= len(view):
            raise Damaged("an item lies outside of its page")
        if view[at] == _OFF_PAGE:
            return self._chain(*self._item.unpack_from(view, at))
        if view[at] != _INLINE:
            raise Damaged(f"an item of type {view[at]}")
        self._allowed.take(max(end - at, 0))
        return bytes(view[at + 1 : end])

    def _chain(self, page: int, length: int) -> bytes:
        """A value too large for its page: a chain of overflow pages."""
        self._allowed.take(length)
        parts, left = [], length
        while left > 0:
            self._allowed.page(page, 1)
            at = page * self._size
            following, _, used = self._head.unpack_from(self._view, at)
            if self._view[at + _TYPE_AT] != _OVERFLOW or not 0 < used <= self._size - _PAGE:
                raise Damaged(f"page {page} is no overflow page")
            parts.append(self._view[at + _PAGE : at + _PAGE + min(used, left)])
            left -= used
            page = following
        return b"".join(parts)

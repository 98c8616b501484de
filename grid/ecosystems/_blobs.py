"""What readers of databases share: how they say that something is damaged, and how much they may read.

Of rpm's three backends each is one function, ``blobs(content) -> Iterator[bytes | Damaged]``: every header that the
database holds, or ``Damaged`` where one should be and cannot be read; ``_sqlite.rows`` is like them. They raise
``Damaged`` only if nothing at all can be told.
"""

from __future__ import annotations

Content = bytes | memoryview
"""A whole database file. It may be a view, since a copy of it could cost 200 MB."""


class Damaged(Exception):
    """A page, record or header does not have the form that the format prescribes. Its text is for a note."""


MAX_HEADER = 24 << 20
"""Bytes of one header. The largest real ones, of packages with 100,000 files, have some 15 MB."""


class Allowance:
    """Each page of a file is read once, no record is too large, and all together are no larger than the file.

    Real databases never share a page between two records. Hostile ones would make a reader go round in circles, or
    gather gigabytes from a few pages.
    """

    def __init__(self, pages: int, size: int) -> None:
        self._pages = pages
        self._seen = bytearray(pages)
        self._left = size

    def page(self, number: int, first: int = 0) -> None:
        """Ask for a page, numbered from ``first``; raises Damaged if there is none, or it was given before."""
        place = number - first
        if not 0 <= place < self._pages:
            raise Damaged(f"page {number} lies outside of the file")
        if self._seen[place]:
            raise Damaged(f"page {number} is used twice")
        self._seen[place] = 1

    def take(self, size: int) -> None:
        """Ask for the bytes of a record; raises Damaged if all of them would be more than the file."""
        if size > MAX_HEADER:
            raise Damaged(f"a record of {size} bytes")
        if size > self._left:
            raise Damaged("records overlap")
        self._left -= size

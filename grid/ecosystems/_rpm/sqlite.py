"""``rpmdb.sqlite``: the table ``Packages (hnum, blob)`` of an SQLite file (``_sqlite.py``)."""

from __future__ import annotations

from collections.abc import Iterator

from grid.ecosystems._blobs import Content, Damaged
from grid.ecosystems._sqlite import MAGIC, rows

__all__ = ["MAGIC", "blobs"]


def blobs(content: Content) -> Iterator[bytes | Damaged]:
    """Every header, see ``grid.ecosystems._blobs``."""
    return (row if isinstance(row, Damaged) else row[1] for row in rows(content, "Packages", 2))

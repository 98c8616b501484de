"""``Packages.db``: rpm's own NDB, the backend of SUSE. Slots of 16 bytes say where each header lies; little-endian.

Source: the layout that rpm's ``lib/backend/ndb/rpmpkg.c`` documents. Checksums are left to rpm.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct, unpack_from

from grid.ecosystems._blobs import Allowance, Content, Damaged

MAGIC = b"RpmP"
_PAGE, _BLOCK = 4096, 16
_HEADER = 32  # two slots' room
_SLOT = Struct("<4s3I")  # magic, package number (0: free), first block, blocks
_BLOB = Struct("<4s3I")  # magic, package number, generation, bytes
_TAIL = 12


def blobs(content: Content) -> Iterator[bytes | Damaged]:
    """Every header, see ``grid.ecosystems._blobs``."""
    view = memoryview(content)
    if len(view) < _HEADER or bytes(view[:4]) != MAGIC:
        raise Damaged("no NDB")
    version, _, pages = unpack_from("<3I", view, 4)
    if version:
        raise Damaged(f"an NDB of version {version}")
    allowed = Allowance(0, len(view))
    end = min(pages * _PAGE, len(view) // _BLOCK * _BLOCK)
    for magic, number, block, blocks in _SLOT.iter_unpack(view[_HEADER : max(end, _HEADER)]):
        if magic != b"Slot":
            yield Damaged("a slot has another magic")
        elif number:
            try:
                yield _blob(view, number, block * _BLOCK, blocks * _BLOCK, allowed)
            except Damaged as damage:
                yield damage
    if pages * _PAGE > len(view):
        yield Damaged("it ends before its last slot")


def _blob(view: memoryview, number: int, at: int, room: int, allowed: Allowance) -> bytes:
    if at + room > len(view) or room < _BLOB.size + _TAIL:
        raise Damaged(f"header {number} lies outside of the file")
    magic, owner, _, size = _BLOB.unpack_from(view, at)
    if magic != b"BlbS" or owner != number or size > room - _BLOB.size - _TAIL:
        raise Damaged(f"header {number} is not where its slot says")
    allowed.take(size)
    return bytes(view[at + _BLOB.size : at + _BLOB.size + size])

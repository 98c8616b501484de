"""Order-preserving byte keys: the parts that version schemes are composed of.

A key is a string of bytes such that comparing two keys as bytes compares the two versions, in Python,
Arrow and DuckDB alike. Each scheme is a module here with one ``key(version) -> bytes``.

Every part below ends itself: no part is a proper prefix of another of its kind, so parts may be laid one
after the other and the first difference decides. A key made of such parts is never a proper prefix of
another key, which is what makes ``successor`` exact.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from grid.errors import VersionInvalid

LOWEST = b""
"""Below every key: OSV's ``introduced: 0``."""

MAX_LENGTH = 1024
"""Longer versions are refused: none is real, and a hostile one must not cost quadratic time."""

_PRINTABLE = re.compile("[!-~]+")
_LONG = 0xFF
_SMALL = tuple(bytes((1, n)) if n else b"\0" for n in range(256))


def successor(key: bytes) -> bytes:
    """The smallest byte string above ``key``: makes ``last_affected`` exclusive."""
    return key + b"\0"


def number(value: int) -> bytes:
    """A natural number of any size: its length in bytes, then the bytes, big end first."""
    if value < 256:
        if value < 0:
            raise VersionInvalid(f"{value} is negative")
        return _SMALL[value]
    size = (value.bit_length() + 7) >> 3
    if size < _LONG:
        return bytes((size,)) + value.to_bytes(size, "big")
    return bytes((_LONG,)) + size.to_bytes(4, "big") + value.to_bytes(size, "big")


def text(value: str) -> bytes:
    """Text in the order of its code points; a prefix comes before what extends it. It holds no NUL."""
    if "\0" in value:
        raise VersionInvalid("a version holds a NUL")
    return value.encode("utf-8", "surrogatepass") + b"\0"


def tag(rank: int) -> bytes:
    """One of several alternatives at the same place, by rank (0 to 255)."""
    return bytes((rank,))


def sequence(items: Iterable[bytes]) -> bytes:
    """A list of parts, compared item by item; a list that ends comes before one that goes on."""
    return b"".join(b"\1" + item for item in items) + b"\0"


def inverted(part: bytes) -> bytes:
    """A part that ends itself, in the opposite order."""
    return bytes(255 - byte for byte in part)


_BELOW, _PADS_THEN_BELOW, _PADS_FOR_EVER, _PADS_THEN_ABOVE, _ABOVE = map(tag, range(1, 6))


def padded(items: Iterable[tuple[int, bytes]]) -> bytes:
    """A list that goes on with pads for ever, compared item by item: ``1``, ``1.0`` and ``1.0.0`` are equal.

    Each item is (sign, part): below the pad (-1), the pad itself (0, whose part is not looked at), or above it
    (1). Parts of one sign are compared with each other. A run of pads before another item is written as its
    length: the longer it is, the closer to the list that is all pads from there on.
    """
    out = []
    run = 0
    for sign, part in items:
        if not sign:
            run += 1
            continue
        if run:
            out.append(_PADS_THEN_BELOW + number(run) if sign < 0 else _PADS_THEN_ABOVE + inverted(number(run)))
            run = 0
        else:
            out.append(_BELOW if sign < 0 else _ABOVE)
        out.append(part)
    out.append(_PADS_FOR_EVER)
    return b"".join(out)


def without_trailing_zeros(numbers: list[int]) -> list[int]:
    """``1.2.0.0`` and ``1.2`` are the same release in many schemes: drop what makes them differ."""
    end = len(numbers)
    while end and not numbers[end - 1]:
        end -= 1
    return numbers[:end]


def checked(version: str) -> str:
    """The version without blanks around it; raises VersionInvalid if nothing is left or it is too long."""
    version = version.strip()
    if not version:
        raise VersionInvalid("the version is empty")
    if len(version) > MAX_LENGTH:
        raise VersionInvalid(f"the version is longer than {MAX_LENGTH} characters")
    return version


def printable(version: str) -> str:
    """``checked``, and of printable ASCII without blanks only; raises VersionInvalid."""
    version = checked(version)
    if not _PRINTABLE.fullmatch(version):
        raise VersionInvalid(f"{version[:80]!r} has a blank or a character outside ASCII")
    return version

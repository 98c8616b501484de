"""Arch Linux versions, ``[epoch:]pkgver[-pkgrel]``, in the order of pacman's vercmp(8).

Derived from an old ``rpmvercmp``, without ``~`` and ``^``, and with two rules of its own: letters at the end come
before nothing (``1.0rc < 1.0``), and of two separators that differ in length the shorter comes first. That is no
order for versions that end in a separator (``1..a < 1. < 1.1 < 1..a``), so these are refused. vercmp also ignores
the release if either version has none, which is no order either: here a missing release comes before any.
"""

from __future__ import annotations

import re

from grid.errors import VersionInvalid
from grid.keys import number, printable, tag, text
from grid.keys.rpm import split_epoch

_SEGMENT = re.compile(r"([^0-9A-Za-z]*)([0-9]+|[A-Za-z]+)")

# What may come next at any place, lowest first; after a separator, its length decides before the kind.
_LETTERS = tag(1)
_END = tag(2)
_DIGITS = tag(3)
_SEPARATOR = tag(4)
_NO_RELEASE, _RELEASE = tag(0), tag(1)


def _part(value: str) -> bytes:
    out: list[bytes] = []
    for separator, segment in _SEGMENT.findall(value):
        if separator:
            out += (_SEPARATOR, number(len(separator)))
        out += (_DIGITS, number(int(segment))) if segment.isdigit() else (_LETTERS, text(segment))
    out.append(_END)
    return b"".join(out)


def key(version: str) -> bytes:
    """The byte key of an Arch Linux version; raises VersionInvalid."""
    epoch, rest = split_epoch(printable(version))
    pkgver, hyphen, pkgrel = rest.rpartition("-")
    if not hyphen:
        pkgver = rest
    if not pkgver[-1:].isalnum() or (hyphen and not pkgrel[-1:].isalnum()):
        raise VersionInvalid(f"{version[:80]!r} has a part that is empty or ends in a separator")
    return number(epoch) + _part(pkgver) + (_RELEASE + _part(pkgrel) if hyphen else _NO_RELEASE)

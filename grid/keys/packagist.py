"""Packagist versions, in the order of PHP's ``version_compare``, which is the order that OSV uses for them.

Source: https://www.php.net/version_compare. Unlike in Composer, ``1.0`` comes before ``1.0.0``, and words other than
``dev``, ``alpha``, ``beta``, ``RC`` and ``pl`` (or what begins like these or with a, b or p) are all equal and come
first. Numbers have any size. A ``v`` in front is ignored.
"""

from __future__ import annotations

import re
from itertools import pairwise

from grid.errors import VersionInvalid
from grid.keys import number, printable, tag

_SPECIAL = frozenset("-_+")

# What may come next at any place, lowest first; the first name that a word begins with is its own.
_UNKNOWN = tag(1)
_WORDS = (
    ("dev", tag(2)), ("alpha", tag(3)), ("a", tag(3)), ("beta", tag(4)), ("b", tag(4)), ("RC", tag(5)), ("rc", tag(5)),
    ("pl", tag(8)), ("p", tag(8)),
)  # fmt: skip
_END = tag(6)
_NUMBER = tag(7)


def _canonical(version: str) -> str:
    """Dots for whatever separates, and between digits and what is none, just as PHP puts them."""
    out = [version[0]]
    for last, this in pairwise(version):
        if this in _SPECIAL:
            separates, keeps = True, False
        elif (this.isdigit() and not last.isdigit() and last != "." and last not in _SPECIAL) or (
            last.isdigit() and not this.isdigit() and this != "."
        ):
            separates = keeps = True
        else:
            keeps = this.isalnum()
            separates = not keeps
        if separates and out[-1] != ".":
            out.append(".")
        if keeps:
            out.append(this)
    return "".join(out)


def _segment(segment: str) -> bytes:
    if segment.isdigit():
        return _NUMBER + number(int(segment))
    return next((rank for name, rank in _WORDS if segment.startswith(name)), _UNKNOWN)


def key(version: str) -> bytes:
    """The byte key of a Packagist version; raises VersionInvalid."""
    plain = re.sub("^[vV](?=[0-9])", "", printable(version))
    canonical = _canonical(plain)
    if not plain[0].isalnum() or canonical.endswith("."):
        raise VersionInvalid(f"{version[:80]!r} begins or ends with a separator")
    if ".#" in canonical:  # to PHP that equals any number, and nothing at all: no order
        raise VersionInvalid(f"{version[:80]!r} has a number sign after a digit")
    return b"".join(map(_segment, canonical.split("."))) + _END

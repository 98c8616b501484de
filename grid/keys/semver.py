"""Semantic versions, in the order of SemVer 2, section 11.

As lenient as npm's own loose mode and OSV records need: a leading ``v`` or ``=``, missing minor or patch
(taken as 0), more than three numbers, zeros in front, a pre-release without its hyphen (``1.2.3beta``).
Build metadata is ignored.
"""

from __future__ import annotations

import re

from grid.errors import VersionInvalid
from grid.keys import checked, number, sequence, tag, text, without_trailing_zeros

_VERSION = re.compile(
    r"[=vV\s]*(?P<numbers>[0-9]+(?:\.[0-9]+)*)"
    r"(?:(?:-|(?=[A-Za-z]))(?P<pre>[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?"
    r"(?:\+[0-9A-Za-z.+-]*)?",
    re.ASCII,
)
_PRE, _FINAL = tag(0), tag(1)
_NUMBER, _WORD = tag(0), tag(1)


def key(version: str) -> bytes:
    """The byte key of a semantic version; raises VersionInvalid."""
    version = checked(version)
    match = _VERSION.fullmatch(version)
    if match is None:
        raise VersionInvalid(f"{version[:80]!r} is not a semantic version")
    numbers = without_trailing_zeros([int(n) for n in match["numbers"].split(".")])
    release = sequence(map(number, numbers))
    pre = match["pre"]
    if pre is None:
        return release + _FINAL
    return release + _PRE + identifiers(pre)


def identifiers(dotted: str) -> bytes:
    """Identifiers of ASCII between dots: numbers by value, before words."""
    return sequence(_NUMBER + number(int(i)) if i.isdigit() else _WORD + text(i) for i in dotted.split("."))

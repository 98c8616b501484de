"""NuGet versions, in the order of ``NuGet.Versioning.VersionComparer``.

Source: https://learn.microsoft.com/nuget/concepts/package-versioning. One to four numbers, then a pre-release as in
SemVer 2 but without regard to case; an identifier is a number only if it fits 32 bits. Metadata is ignored.
"""

from __future__ import annotations

import re

from grid.errors import VersionInvalid
from grid.keys import checked, inverted, number, sequence, tag, text, without_trailing_zeros

_VERSION = re.compile(
    r"(?P<numbers>[0-9]+(?:\.[0-9]+){0,3})"
    r"(?:-(?P<pre>[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?"
    r"(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?"
)
_INTEGER = re.compile(r"-?[0-9]+")
_PRE, _FINAL = tag(0), tag(1)
_NEGATIVE, _NUMBER, _WORD = tag(0), tag(1), tag(2)


def _identifier(value: str) -> bytes:
    if _INTEGER.fullmatch(value) and -(2**31) <= (n := int(value)) < 2**31:
        return _NEGATIVE + inverted(number(-n)) if n < 0 else _NUMBER + number(n)
    return _WORD + text(value.upper())


def key(version: str) -> bytes:
    """The byte key of a NuGet version; raises VersionInvalid."""
    version = checked(version)
    match = _VERSION.fullmatch(version)
    if match is None:
        raise VersionInvalid(f"{version[:80]!r} is not a NuGet version")
    release = sequence(number(n) for n in without_trailing_zeros([int(n) for n in match["numbers"].split(".")]))
    if match["pre"] is None:
        return release + _FINAL
    return release + _PRE + sequence(map(_identifier, match["pre"].split(".")))

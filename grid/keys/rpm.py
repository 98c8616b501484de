"""RPM versions, ``[epoch:]version[-release]``, in the order of rpm's ``rpmVersionCompare`` (rpm 4.15 and later).

Source: rpm-version(7) and https://rpm-software-management.github.io/rpm/manual/dependencies.html. Text is cut into
runs of ASCII digits, runs of ASCII letters, ``~`` and ``^``; all else only separates. A missing epoch is 0; a
missing release comes before any.
"""

from __future__ import annotations

import re

from grid.errors import VersionInvalid
from grid.keys import checked, number, tag, text

_SEGMENT = re.compile(r"[0-9]+|[A-Za-z]+|[~^]")

# What may come next at any place, lowest first.
_TILDE = tag(1)
_END = tag(2)
_CARET = tag(3)
_LETTERS = tag(4)
_DIGITS = tag(5)
_NO_RELEASE, _RELEASE = tag(0), tag(1)


def _part(value: str) -> bytes:
    out = []
    for segment in _SEGMENT.findall(value):
        if segment == "~":
            out.append(_TILDE)
        elif segment == "^":
            out.append(_CARET)
        elif segment[0] <= "9":
            out += (_DIGITS, number(int(segment)))
        else:
            out += (_LETTERS, text(segment))
    out.append(_END)
    return b"".join(out)


def split_epoch(version: str) -> tuple[int, str]:
    """The number before the first colon, 0 if there is none or another thing, and the rest."""
    epoch, colon, rest = version.partition(":")
    if not colon or not (epoch or "0").isdecimal() or not epoch.isascii():
        return 0, version
    return int(epoch or "0"), rest


def key(version: str) -> bytes:
    """The byte key of an RPM version; raises VersionInvalid."""
    version = checked(version)
    if not version.isprintable() or " " in version:
        raise VersionInvalid(f"{version[:80]!r} has a blank or a control character")
    epoch, rest = split_epoch(version)
    name, hyphen, release = rest.rpartition("-")
    if not hyphen:
        name = rest
    if not name:
        raise VersionInvalid(f"{version[:80]!r} has no version before its release")
    return number(epoch) + _part(name) + (_RELEASE + _part(release) if hyphen else _NO_RELEASE)

"""RubyGems versions, in the order of ``Gem::Version``.

Source: https://docs.ruby-lang.org/en/master/Gem/Version.html. Letters come before numbers, and so before nothing,
which counts as 0. A platform (``1.2.0-x86_64-linux``) is no part of a version: as one it is a pre-release.
"""

from __future__ import annotations

import re
from itertools import takewhile

from grid.errors import VersionInvalid
from grid.keys import checked, number, padded, text

_VERSION = re.compile(r"[0-9]+(?:\.[0-9A-Za-z]+)*(?:-[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?")
_SEGMENT = re.compile(r"[0-9]+|[A-Za-z]+")


def key(version: str) -> bytes:
    """The byte key of a gem's version; raises VersionInvalid."""
    version = checked(version)
    if not _VERSION.fullmatch(version):
        raise VersionInvalid(f"{version[:80]!r} is not a gem version")
    segments = [_item(s) for s in _SEGMENT.findall(version.replace("-", ".pre."))]
    # Zeros right before the first letters are dropped: 1.0.a is 1.a, and not what padding would make of it.
    leading = list(takewhile(lambda item: item[0] >= 0, segments))
    rest = segments[len(leading) :]
    while leading and not leading[-1][0]:
        leading.pop()
    return padded(leading + rest)


def _item(segment: str) -> tuple[int, bytes]:
    if not segment.isdigit():
        return -1, text(segment)
    value = int(segment)
    return (1, number(value)) if value else (0, b"")

"""Versions that are lists of numbers and nothing else: R (CRAN) and Haskell (Hackage, GHC).

Sources: R's ``numeric_version`` and the Haskell Package Versioning Policy. A longer list comes after what it begins
with: ``1.0 < 1.0.0``. R takes a hyphen for a dot.
"""

from __future__ import annotations

import re

from grid.errors import VersionInvalid
from grid.keys import checked, number, sequence

_DOTTED = re.compile(r"[0-9]+(?:\.[0-9]+)*")
_R = re.compile(r"[0-9]+(?:[.-][0-9]+)*")


def _key(version: str, grammar: re.Pattern[str]) -> bytes:
    version = checked(version)
    if not grammar.fullmatch(version):
        raise VersionInvalid(f"{version[:80]!r} has other things than numbers")
    return sequence(number(int(n)) for n in version.replace("-", ".").split("."))


def cran(version: str) -> bytes:
    """The byte key of an R package's version; raises VersionInvalid."""
    return _key(version, _R)


def hackage(version: str) -> bytes:
    """The byte key of a Haskell package's version; raises VersionInvalid."""
    return _key(version, _DOTTED)

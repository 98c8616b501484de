"""Go: versions of modules (``v1.2.3``, pseudo-versions, ``+incompatible``) and of the toolchain (``go1.21rc2``).

Sources: https://go.dev/ref/mod#versions and https://go.dev/doc/toolchain#version. Both become the semantic versions
that the Go vulnerability database states: ``1.21rc2`` is ``1.21.0-rc.2`` there. ``(devel)`` is no version.
"""

from __future__ import annotations

import re

from grid.errors import VersionInvalid
from grid.keys import checked, semver

_MODULE = re.compile(
    r"v?[0-9]+(?:\.[0-9]+){0,2}(?:-[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?"
)
_TOOLCHAIN = re.compile(r"(?:go)?([0-9]+(?:\.[0-9]+){0,2})(?:(beta|rc)([0-9]+))?")


def key(version: str) -> bytes:
    """The byte key of a Go version; raises VersionInvalid."""
    version = checked(version)
    if _MODULE.fullmatch(version):
        return semver.key(version)
    toolchain = _TOOLCHAIN.fullmatch(version)
    if toolchain is None:
        raise VersionInvalid(f"{version[:80]!r} is not a Go version")
    numbers, kind, count = toolchain.groups()
    return semver.key(f"{numbers}-{kind}.{count}" if kind else numbers)

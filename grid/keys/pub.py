"""Versions of Dart's pub and of Julia: semantic versions whose build metadata counts, after all else.

Sources: https://pub.dev/documentation/pub_semver and Julia's manual on VersionNumber. No build comes before any,
and builds are compared as pre-releases are. Julia's binary packages (JLL) count their rebuilds this way.
"""

from __future__ import annotations

import re

from grid.errors import VersionInvalid
from grid.keys import checked, semver, sequence

_BUILD = re.compile(r"[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*")


def key(version: str) -> bytes:
    """The byte key of a version whose build counts; raises VersionInvalid."""
    version = checked(version)
    plain, plus, build = version.partition("+")
    if not plus:
        return semver.key(plain) + sequence(())
    if not _BUILD.fullmatch(build):
        raise VersionInvalid(f"{version[:80]!r} has no proper build after its plus")
    return semver.key(plain) + semver.identifiers(build)

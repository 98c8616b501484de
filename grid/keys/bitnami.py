"""Bitnami's versions: semantic ones, then the number of Bitnami's own rebuild (``2.3.1-4``).

Bitnami's advisories state upstream's versions, so a rebuild counts as the version that it is built from, and not
as the pre-release that SemVer would see in it.
"""

from __future__ import annotations

import re

from grid.keys import checked, semver

_REBUILD = re.compile(r"(?<=[0-9A-Za-z])-[0-9]+$")


def key(version: str) -> bytes:
    """The byte key of a Bitnami version; raises VersionInvalid."""
    plain, plus, build = checked(version).partition("+")
    return semver.key(_REBUILD.sub("", plain) + plus + build)

"""Java runtimes: ``1.8.0_131-b11`` and ``8u131`` of old, ``11.0.4+11`` since Java 9 (JEP 223), on one scale.

Builds are ignored; ``-ea`` and the like are pre-releases.
"""

from __future__ import annotations

import re

from grid.errors import VersionInvalid
from grid.keys import checked, semver

_OLD = re.compile(
    r"(?:1\.(?P<major>[0-9]+)(?:\.(?P<minor>[0-9]+)(?:[_-](?:update_?)?(?P<update>[0-9]+))?)?"
    r"|(?P<feature>[0-9]+)u(?P<short>[0-9]+))"
    r"(?P<pre>-(?!b[0-9])[0-9A-Za-z]+)?(?:-b[0-9]+)?"
)
_NEW = re.compile(r"[0-9]+(?:\.[0-9]+)*(?:-[0-9A-Za-z]+(?:\.[0-9A-Za-z]+)*)?(?:\+[0-9A-Za-z.-]+)?")


def key(version: str) -> bytes:
    """The byte key of a Java runtime's version; raises VersionInvalid."""
    version = checked(version)
    old = _OLD.fullmatch(version)
    if old is None:
        if not _NEW.fullmatch(version):
            raise VersionInvalid(f"{version[:80]!r} is not the version of a Java runtime")
        return semver.key(version)
    numbers = (old["major"] or old["feature"], old["minor"] or "0", old["update"] or old["short"] or "0")
    return semver.key(".".join(numbers) + (old["pre"] or ""))

"""PHP packages: versions, and names as ``vendor/package``, without regard to case.

Versions are first made as long as Composer makes them (https://getcomposer.org/doc/articles/versions.md): ``1.0`` is
``1.0.0.0``, and so after ``1.0.0-beta1`` and not before it. Then the order is that of ``version_compare``.
"""

from __future__ import annotations

import re

from grid.ecosystems import Ecosystem, language
from grid.ecosystems._locks import others
from grid.ecosystems._php import FILE, read
from grid.keys import packagist
from grid.model import Wants

_NUMBERS = re.compile(r"v?\d+(?:\.\d+){0,2}(?![\d.])", re.IGNORECASE)


def key(version: str) -> bytes:
    """The byte key of a version; raises VersionInvalid."""
    numbers = _NUMBERS.match(version)
    if numbers is None:
        return packagist.key(version)
    missing = 3 - numbers[0].count(".")
    return packagist.key(numbers[0] + ".0" * missing + version[numbers.end() :])


ECOSYSTEM = Ecosystem(
    name="composer",
    version=2,
    key=key,
    key_version=2,
    namespace=language("Packagist"),
    osv=("Packagist",),
    canonical=str.lower,
    wants=Wants(suffixes=(FILE,), max_bytes=4 << 20),
    read=read,
    declares=others.COMPOSER_WANTS,
    declared=others.composer,
    upgrade=(("", "composer require", "{name}:{version}"),),
)

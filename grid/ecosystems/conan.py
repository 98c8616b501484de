"""C and C++ packages of Conan: only lock files name them, for what is built of them carries no record."""

from __future__ import annotations

from grid.ecosystems import Ecosystem, language
from grid.ecosystems._locks.others import CONAN_WANTS, conan
from grid.keys.semver import key

ECOSYSTEM = Ecosystem(
    name="conan",
    version=1,
    key=key,
    namespace=language("ConanCenter"),
    osv=("ConanCenter",),
    declares=CONAN_WANTS,
    declared=conan,
    upgrade=(("", "in conanfile.txt:", "{name}/{version}"),),
)

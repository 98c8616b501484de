"""PHP packages: versions, and names as ``vendor/package``, without regard to case."""

from __future__ import annotations

from grid.ecosystems import Ecosystem, language
from grid.ecosystems._php import FILE, read
from grid.keys.packagist import key
from grid.model import Wants

ECOSYSTEM = Ecosystem(
    name="composer",
    version=2,
    key=key,
    namespace=language("Packagist"),
    osv=("Packagist",),
    canonical=str.lower,
    wants=Wants(suffixes=(FILE,), max_bytes=4 << 20),
    read=read,
)

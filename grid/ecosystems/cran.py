"""R packages: versions and names, as CRAN has them."""

from __future__ import annotations

from grid.ecosystems import Ecosystem, language
from grid.ecosystems._locks import others
from grid.ecosystems._r import read
from grid.keys.numbers import cran as key
from grid.model import Wants

ECOSYSTEM = Ecosystem(
    name="cran",
    version=3,
    key=key,
    namespace=language("CRAN"),
    osv=("CRAN",),
    wants=Wants(names=frozenset({"DESCRIPTION"}), max_bytes=1 << 20),
    read=read,
    declares=others.CRAN_WANTS,
    declared=others.cran,
    upgrade=(("", "in R:", 'install.packages("{name}")'),),
)

"""Julia packages: versions and names, as the General registry has them."""

from __future__ import annotations

from grid.ecosystems import Ecosystem, language
from grid.ecosystems._julia import read
from grid.ecosystems._locks import others
from grid.keys.pub import key
from grid.model import Wants

ECOSYSTEM = Ecosystem(
    name="julia",
    version=2,
    key=key,
    namespace=language("Julia"),
    osv=("Julia",),
    wants=Wants(names=frozenset({"Project.toml", "JuliaProject.toml"}), max_bytes=1 << 20),
    read=read,
    declares=others.JULIA_WANTS,
    declared=others.julia,
    upgrade=(("", "in Julia's pkg:", "add {name}@{version}"),),
)

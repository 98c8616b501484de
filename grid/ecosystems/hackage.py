"""Haskell packages, and GHC itself, which OSV keeps apart but whose versions have the same order."""

from __future__ import annotations

from grid.ecosystems import Ecosystem, language
from grid.ecosystems._haskell import read
from grid.ecosystems._locks import others
from grid.keys.numbers import hackage as key
from grid.model import Wants

ECOSYSTEM = Ecosystem(
    name="hackage",
    version=2,
    key=key,
    namespace=language("Hackage"),
    osv=(
        "Hackage",
        "GHC",
    ),
    wants=Wants(globs=("*/package.conf.d/*.conf", "*/package.db/*.conf"), max_bytes=1 << 20),
    read=read,
    declares=others.HACKAGE_WANTS,
    declared=others.hackage,
    upgrade=(("", "cabal install", "{name}-{version}"),),
)

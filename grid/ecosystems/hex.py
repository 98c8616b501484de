"""Erlang and Elixir packages: versions and names, as hex.pm has them."""

from __future__ import annotations

from grid.ecosystems import Ecosystem, language
from grid.ecosystems._beam import SUFFIX, read_hex
from grid.ecosystems._locks import others
from grid.keys.semver import key
from grid.model import Wants

ECOSYSTEM = Ecosystem(
    name="hex",
    version=2,
    key=key,
    namespace=language("Hex"),
    osv=("Hex",),
    wants=Wants(suffixes=(SUFFIX,), max_bytes=1 << 20),
    read=read_hex,
    declares=others.HEX_WANTS,
    declared=others.hexpm,
    upgrade=(("", "in mix.exs:", "{name} {version}"),),
)

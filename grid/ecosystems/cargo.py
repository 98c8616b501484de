"""Rust crates: versions and names, as crates.io has them."""

from __future__ import annotations

from grid.ecosystems import Ecosystem, language
from grid.ecosystems._binary import MAX_BYTES
from grid.ecosystems._locks import others
from grid.ecosystems._rust import read
from grid.keys.semver import key
from grid.model import Wants

ECOSYSTEM = Ecosystem(
    name="cargo",
    version=2,
    key=key,
    namespace=language("crates.io"),
    osv=("crates.io",),
    wants=Wants(executables=True, suffixes=(".exe",), max_bytes=MAX_BYTES),
    read=read,
    views=True,
    declares=others.CARGO_WANTS,
    declared=others.cargo,
    upgrade=(("", "cargo update", "-p {name} --precise {version}"),),
)

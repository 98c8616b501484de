"""Dart packages: versions and names, as pub.dev has them."""

from __future__ import annotations

from grid.ecosystems import Ecosystem, language
from grid.ecosystems._locks import others
from grid.keys.pub import key

ECOSYSTEM = Ecosystem(
    name="pub",
    version=1,
    key=key,
    namespace=language("Pub"),
    osv=("Pub",),
    declares=others.PUB_WANTS,
    declared=others.pub,
)

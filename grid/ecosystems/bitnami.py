"""Bitnami components, as their embedded SBOMs name them."""

from __future__ import annotations

from grid.ecosystems import Ecosystem, language
from grid.keys.bitnami import key

ECOSYSTEM = Ecosystem(
    name="bitnami",
    version=1,
    key=key,
    namespace=language("Bitnami"),
    osv=("Bitnami",),
)

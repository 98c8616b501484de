"""Arch Linux packages. OSV knows no Arch ecosystem: the name is ours, for the feed of Arch's own tracker."""

from __future__ import annotations

from grid.ecosystems import Ecosystem
from grid.keys.alpm import key
from grid.model import Distro


def namespace(distro: Distro) -> str | None:
    """``Arch Linux``; None for the distributions that took pacman over, whose packages are others."""
    return "Arch Linux" if distro.id in ("arch", "archarm") else None


ECOSYSTEM = Ecosystem(
    name="alpm",
    version=1,
    key=key,
    namespace=namespace,
    osv=("Arch Linux",),
    system=True,
)

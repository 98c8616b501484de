"""Conda packages. OSV knows no conda ecosystem, so none of its advisories apply to them by name."""

from __future__ import annotations

from grid.ecosystems import Ecosystem, language
from grid.ecosystems._conda import read
from grid.ecosystems._locks import others
from grid.keys.conda import key
from grid.model import Wants

ECOSYSTEM = Ecosystem(
    name="conda",
    version=2,
    key=key,
    namespace=language(None),
    osv=(),
    canonical=str.lower,
    wants=Wants(globs=("*/conda-meta/*.json",), max_bytes=8 << 20),
    read=read,
    declares=others.CONDA_WANTS,
    declared=others.conda,
    upgrade=(("", "conda install", "{name}={version}"),),
)

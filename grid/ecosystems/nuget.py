""".NET packages: versions, and names without regard to case."""

from __future__ import annotations

from grid.ecosystems import Ecosystem, language
from grid.ecosystems._dotnet import ASSEMBLIES, MAX_BYTES, MAX_RECORD, SUFFIX, owned, read
from grid.ecosystems._locks import dotnet
from grid.keys.nuget import key
from grid.model import Wants

ECOSYSTEM = Ecosystem(
    name="nuget",
    version=4,
    key=key,
    namespace=language("NuGet"),
    osv=("NuGet",),
    canonical=str.lower,
    wants=Wants(suffixes=(SUFFIX, *ASSEMBLIES), max_bytes=MAX_BYTES),
    owns=Wants(suffixes=(SUFFIX,), max_bytes=MAX_RECORD),
    owned=owned,
    read=read,
    declares=dotnet.WANTS,
    declared=dotnet.read,
    upgrade=(("", "dotnet add package", "{name} --version {version}"),),
)

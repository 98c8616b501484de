"""Java packages: what jars hold (``_java.py``), versions, and names as ``group:artifact``, whose case counts."""

from __future__ import annotations

from grid.ecosystems import Ecosystem, language
from grid.ecosystems._java import MAX_BYTES, MEMBERS, SUFFIXES, UNPACKED, read
from grid.ecosystems._locks import java
from grid.keys.maven import key
from grid.model import Wants

ECOSYSTEM = Ecosystem(
    name="maven",
    version=10,
    key=key,
    namespace=language("Maven"),
    osv=("Maven",),
    wants=Wants(
        suffixes=(*SUFFIXES, UNPACKED), max_bytes=MAX_BYTES, archives=tuple((suffix, MEMBERS) for suffix in SUFFIXES)
    ),
    read=read,
    views=True,
    declares=java.WANTS,
    declared=java.read,
    upgrade=(("", "in pom.xml or build.gradle:", "{name}:{version}"),),
)

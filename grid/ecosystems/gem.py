"""Ruby gems: versions and names, as RubyGems.org has them."""

from __future__ import annotations

from grid.ecosystems import Ecosystem, language
from grid.ecosystems._locks import others
from grid.ecosystems._ruby import MAX_BYTES, read
from grid.keys.gem import key
from grid.model import Wants

ECOSYSTEM = Ecosystem(
    name="gem",
    version=3,
    key=key,
    namespace=language("RubyGems"),
    osv=("RubyGems",),
    wants=Wants(suffixes=(".gemspec",), max_bytes=MAX_BYTES),
    read=read,
    declares=others.GEM_WANTS,
    declared=others.gem,
    upgrade=(("", "gem install", "{name}:{version}"),),
)

"""Swift packages: names are the places of their repositories, as ``github.com/apple/swift-nio``."""

from __future__ import annotations

from grid.ecosystems import Ecosystem, language
from grid.ecosystems._locks import others
from grid.keys.semver import key


def canonical(name: str) -> str:
    """The repository without scheme, user, port and ``.git``, lower case: hosts of code take any case."""
    place = name.lower()
    place = (place.partition("://")[2] or place).strip("/").removesuffix(".git")
    host, slash, path = place.partition("/")
    host, colon, port = host.rpartition("@")[2].partition(":")
    if colon and not port.isdigit():  # git@host:path, as ssh has it
        host = f"{host}/{port}"
    return host + slash + path


ECOSYSTEM = Ecosystem(
    name="swift",
    version=1,
    key=key,
    namespace=language("SwiftURL"),
    osv=("SwiftURL",),
    canonical=canonical,
    declares=others.SWIFT_WANTS,
    declared=others.swift,
    upgrade=(("", "in Package.swift:", "{name} {version}"),),
)

"""C and C++ libraries that vcpkg built: the document ``share/NAME/vcpkg.spdx.json`` that it leaves with each.

Sources: https://learn.microsoft.com/vcpkg/reference/software-bill-of-materials and
https://github.com/package-url/purl-spec (``vcpkg``). The document is SPDX 2 without package URLs: its ``SPDXRef-port``
is the package, the others are what it was built from and to. A version may end in the revision of its port
(``3.12.4#2``). No advisories speak of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from packageurl import PackageURL

from grid.ecosystems import Ecosystem, language
from grid.ecosystems._locks import Unreadable, json_object, objects
from grid.keys.rpm import key
from grid.model import Limits, Note, Package, Wants

_FILE = "vcpkg.spdx.json"
_NAME = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_VERSION = re.compile(r"([0-9A-Za-z][!-\"$-~]{0,200})(?:#([0-9]{1,9}))?")
_LICENSE = re.compile(r"(?!NOASSERTION|NONE|LicenseRef)[A-Za-z0-9.+() -]{1,200}")


def read(path: str, content: bytes, limits: Limits) -> Iterator[Package | Note]:
    """The package that was installed from a port."""
    if path.rpartition("/")[2] != _FILE:
        return
    try:
        packages = list(objects(json_object(content).get("packages")))
    except Unreadable as error:
        yield Note("Unparsable", f"the document of vcpkg cannot be read: {error}", path)
        return
    for package in packages:
        if package.get("SPDXID") != "SPDXRef-port":
            continue
        name, version, license_ = (str(package.get(k, "")) for k in ("name", "versionInfo", "licenseConcluded"))
        stated = _VERSION.fullmatch(version)
        if not _NAME.fullmatch(name) or stated is None:
            yield Note("Unparsable", "the port has no usable name and version", path)
            return
        revision = {"port_version": stated[2]} if stated[2] else None
        purl = PackageURL("vcpkg", None, name, stated[1], revision).to_string()
        yield Package(name, version, licenses=(license_,) if _LICENSE.fullmatch(license_) else (), purl=purl)
        return


ECOSYSTEM = Ecosystem(
    name="vcpkg",
    version=1,
    key=key,
    namespace=language(None),
    osv=(),
    wants=Wants(names=frozenset({_FILE}), max_bytes=8 << 20),
    read=read,
    upgrade=(("", "vcpkg upgrade --no-dry-run", "{name}"),),
)

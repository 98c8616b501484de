"""Arch Linux packages: pacman's local database, a folder a package with ``desc`` and ``files``.

OSV knows no Arch ecosystem: the name is ours, for the feed of Arch's own tracker. Format: alpm-db-desc(5) and
alpm-db-files(5): ``%FIELD%`` on a line, its values on the lines below it, up to a blank one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from io import BytesIO

from packageurl import PackageURL

from grid.ecosystems import Ecosystem
from grid.keys.alpm import key
from grid.model import Distro, Limits, Note, OwnedFile, Package, Wants

_LOCAL = "var/lib/pacman/local/"
_NAME = re.compile(r"[A-Za-z0-9@_+][A-Za-z0-9@._+-]*")
_BAD_VERSION = re.compile(r"[^!-~]")
_SCALARS = ("NAME", "VERSION", "BASE", "ARCH", "PACKAGER")


def read(path: str, content: bytes, limits: Limits) -> Iterator[Package | Note]:
    """The package of one ``desc``; repositories' databases, which list what could be installed, are not asked for."""
    if not (path.startswith(_LOCAL) and path.endswith("/desc")):
        return
    fields: dict[str, list[str]] = {}
    values: list[str] = []
    for line in content.decode("utf-8", "replace").splitlines():
        text = line.strip()
        if len(text) > 2 and text[0] == text[-1] == "%":
            values = fields.setdefault(text[1:-1], [])
        elif text:
            values.append(text)
    name, version, base, arch, packager = ((fields.get(field) or [""])[0] for field in _SCALARS)
    if not _NAME.fullmatch(name) or not version or _BAD_VERSION.search(version):
        yield Note("Unparsable", "it has no usable %NAME% and %VERSION%", path)
        return
    yield Package(
        name=name,
        version=version,
        arch=arch,
        source_name=base or name,
        source_version=version,
        licenses=tuple(dict.fromkeys(fields.get("LICENSE", ()))),
        origin="" if packager == "Unknown Packager" else packager,
        purl=PackageURL("alpm", None, name, version, {"arch": arch} if arch else None).to_string(),
    )


def owned(path: str, content: bytes, limits: Limits) -> Iterator[OwnedFile | Note]:
    """What ``files`` lists, but for folders and for the checksums of files that the user may change."""
    if not (path.startswith(_LOCAL) and path.endswith("/files")):
        return
    owner = path[len(_LOCAL) : -len("/files")].rsplit("-", 2)[0]
    for raw in BytesIO(content):
        line = raw.decode("utf-8", "backslashreplace").rstrip("\r\n")
        if line and line[0] != "%" and line[-1] != "/" and "\t" not in line:
            yield OwnedFile(line.lstrip("/"), owner)


def namespace(distro: Distro) -> str | None:
    """``Arch Linux``; None for the distributions that took pacman over, whose packages are others."""
    return "Arch Linux" if distro.id in ("arch", "archarm") else None


ECOSYSTEM = Ecosystem(
    name="alpm",
    version=2,
    key=key,
    namespace=namespace,
    osv=("Arch Linux",),
    wants=Wants(globs=(f"{_LOCAL}*/desc",), max_bytes=1 << 20),
    read=read,
    system=True,
    owns=Wants(globs=(f"{_LOCAL}*/files",)),
    owned=owned,
    owned_lines=True,
    upgrade=(("pacman", "pacman -Syu", "{name}"),),
)

"""opkg packages, of OpenWrt and of what Yocto builds: a database like dpkg's, in ``opkg/status``, and no advisories.

Sources: https://openwrt.org/docs/guide-user/additional-software/opkg and opkg(1). Versions are compared as dpkg does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from io import BytesIO

from packageurl import PackageURL

from grid.ecosystems import Ecosystem, language
from grid.keys.dpkg import key
from grid.model import Limits, Note, OwnedFile, Package, Wants

_FOLDERS = ("usr/lib/opkg/", "var/lib/opkg/", "opt/lib/opkg/")
"""OpenWrt's, Yocto's, Entware's."""
_STATUS = frozenset(f"{folder}status" for folder in _FOLDERS)
_INFO = tuple(f"{folder}info/" for folder in _FOLDERS)
_FIELDS = re.compile(rb"^(package|status|version|architecture):[ \t]*([^\n]*)", re.IGNORECASE | re.MULTILINE)
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9+._-]*")
_BAD_VERSION = re.compile(r"[^!-~]")


def read(path: str, content: bytes, limits: Limits) -> Iterator[Package | Note]:
    """The packages whose ``Status`` (``install user installed``) ends in ``installed``, a stanza each."""
    if path not in _STATUS:
        return
    for number, stanza in enumerate(content.replace(b"\r\n", b"\n").split(b"\n\n"), 1):
        fields = {name.lower(): value.decode("utf-8", "replace").strip() for name, value in _FIELDS.findall(stanza)}
        if not stanza.strip() or (b"package" in fields and fields.get(b"status", "").split()[2:] != ["installed"]):
            continue
        name, version, arch = (fields.get(field, "") for field in (b"package", b"version", b"architecture"))
        if not _NAME.fullmatch(name) or not version or _BAD_VERSION.search(version):
            yield Note("Unparsable", f"stanza {number} has no usable Package and Version", path)
            continue
        purl = PackageURL("opkg", None, name, version, {"arch": arch} if arch else None)
        yield Package(name, version, arch, purl=purl.to_string())


def owned(path: str, content: bytes, limits: Limits) -> Iterator[OwnedFile | Note]:
    """The files of ``info/NAME.list``: a path a line, and behind a tab what newer versions tell of it."""
    owner = path.rpartition("/")[2].removesuffix(".list")
    for line in BytesIO(content) if path.startswith(_INFO) and path.endswith(".list") else ():
        place = line.partition(b"\t")[0].decode("utf-8", "backslashreplace").strip("\r\n").lstrip("/")
        if place:
            yield OwnedFile(place, owner)


ECOSYSTEM = Ecosystem(
    name="opkg",
    version=1,
    key=key,
    namespace=language(None),
    osv=(),
    wants=Wants(paths=_STATUS),
    read=read,
    system=True,
    owns=Wants(globs=tuple(f"{folder}*.list" for folder in _INFO)),
    owned=owned,
    upgrade=(("opkg", "opkg upgrade", "{name}"),),
)

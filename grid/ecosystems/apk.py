"""Alpine packages, and those of the distributions that took apk over: its one database file, ``installed``.

Source: https://wiki.alpinelinux.org/wiki/Apk_spec.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from io import BytesIO

from packageurl import PackageURL

from grid.ecosystems import Ecosystem
from grid.keys.apk import key
from grid.model import Distro, Limits, Note, OwnedFile, Package, Wants

_PATHS = frozenset({"lib/apk/db/installed", "usr/lib/apk/db/installed"})
_FIELDS = re.compile(rb"^([PVAoLm]):([^\n]*)", re.MULTILINE)
_NAME = re.compile(r"[.-]*[A-Za-z0-9_+][A-Za-z0-9._+-]*")  # `apk add --virtual` makes names like .build-deps
_BAD_VERSION = re.compile(r"[^!-~]")
_LICENSE_WORD = re.compile(r"\s+(?:AND|and)\s+")


def read(path: str, content: bytes, limits: Limits) -> Iterator[Package | Note]:
    """The packages of ``lib/apk/db/installed``: a stanza each, ``K:value`` lines with one-letter keys."""
    if path not in _PATHS:
        return
    if b"\r" in content:
        content = content.replace(b"\r\n", b"\n")
    for number, stanza in enumerate(content.split(b"\n\n"), 1):
        if not stanza.strip():
            continue
        # A package's own fields come first; F: begins the list of its files, where letters mean other things.
        head = stanza.partition(b"\nF:")[0]
        fields = {name: value.decode("utf-8", "replace").strip() for name, value in _FIELDS.findall(head)}
        name, version = fields.get(b"P", ""), fields.get(b"V", "")
        if not _NAME.fullmatch(name) or not version or _BAD_VERSION.search(version):
            yield Note("Unparsable", f"stanza {number} has no usable P: and V:", path)
            continue
        arch = fields.get(b"A", "")
        yield Package(
            name=name,
            version=version,
            arch=arch,
            source_name=fields.get(b"o") or name,
            source_version=version,
            licenses=licenses(fields.get(b"L", "")),
            origin=fields.get(b"m", ""),
            purl=PackageURL("apk", None, name, version, {"arch": arch} if arch else None).to_string(),
        )


def licenses(declared: str) -> tuple[str, ...]:
    """An SPDX expression without OR is split at its ANDs; what else stands in ``L:`` is kept as it is."""
    if " OR " in declared.upper() or "(" in declared or len(declared) > 300:
        return (declared,)
    return tuple(dict.fromkeys(filter(None, _LICENSE_WORD.split(declared))))


def owned(path: str, content: bytes, limits: Limits) -> Iterator[OwnedFile | Note]:
    """The files of each package: ``F:`` names a folder, ``R:`` a file in it."""
    if path not in _PATHS:
        return
    owner = folder = ""
    for raw in BytesIO(content):
        line = raw.decode("utf-8", "backslashreplace").rstrip("\r\n")
        kind, value = line[:2], line[2:]
        if kind == "R:" and value:
            yield OwnedFile(f"{folder}/{value}" if folder else value, owner)
        elif kind == "F:":
            folder = value.strip("/")
        elif kind == "P:":
            owner, folder = value, ""


def namespace(distro: Distro) -> str | None:
    """``Alpine:v3.20``, ``Alpine:edge``, ``Wolfi`` …; None where no advisories of ours apply."""
    if distro.id == "alpine":
        version = distro.version_id.lower()
        # 3.21.0_alpha20240807 is what edge calls itself between two releases.
        if version == "edge" or "_alpha" in version:
            return "Alpine:edge"
        release = re.match(r"v?([0-9]+\.[0-9]+)(?![0-9])", version)
        return f"Alpine:v{release[1]}" if release else None
    if distro.id == "alpaquita":
        return f"Alpaquita:{distro.version_id}" if distro.version_id else None
    return {"wolfi": "Wolfi", "chainguard": "Chainguard", "minimos": "MinimOS", "secureos": "SecureOS"}.get(distro.id)


def borrows(namespace: str) -> str | None:
    """Chainguard files what it knows under the package that holds the component: a source or one of its subpackages."""
    return namespace if namespace in ("Wolfi", "Chainguard") else None


ECOSYSTEM = Ecosystem(
    name="apk",
    version=1,
    key=key,
    namespace=namespace,
    osv=("Alpine", "Wolfi", "Chainguard", "Alpaquita", "MinimOS", "SecureOS"),
    wants=Wants(paths=_PATHS),
    read=read,
    system=True,
    owns=Wants(paths=_PATHS),
    owned=owned,
    borrows=borrows,
    upgrade=(("apk-tools", "apk add --upgrade", "'{name}>={version}'"),),
)

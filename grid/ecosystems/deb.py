"""Debian packages: dpkg's database (``status``, or one file a package in ``status.d`` as distroless has it), and what
chisel cut out of them.

Sources: deb-control(5), dpkg(1), and https://security-tracker.debian.org for the release numbers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from io import BytesIO

from packageurl import PackageURL

from grid.ecosystems import Ecosystem, _vendors
from grid.ecosystems._chisel import MANIFEST, objects
from grid.keys.dpkg import key
from grid.model import Distro, Limits, Note, OwnedFile, Package, Wants

_FOLDERS = ("var/lib/dpkg/", "usr/lib/dpkg/")
"""dpkg's own, and where images with a read-only system keep it."""
_STATUS = frozenset(f"{folder}status" for folder in _FOLDERS)
_STATUS_D = tuple(f"{folder}status.d/" for folder in _FOLDERS)
_INFO = tuple(f"{folder}info/" for folder in _FOLDERS)

CODENAMES = {
    "buzz": 1, "rex": 1, "bo": 1, "hamm": 2, "slink": 2, "potato": 2, "woody": 3, "sarge": 3, "etch": 4, "lenny": 5,
    "squeeze": 6, "wheezy": 7, "jessie": 8, "stretch": 9, "buster": 10, "bullseye": 11, "bookworm": 12, "trixie": 13,
    "forky": 14, "duke": 15,
}  # fmt: skip
"""Debian's releases: codename to major number."""

UBUNTU_CODENAMES = {
    "precise": "12.04", "trusty": "14.04", "xenial": "16.04", "bionic": "18.04", "focal": "20.04", "jammy": "22.04",
    "noble": "24.04", "oracular": "24.10", "plucky": "25.04", "questing": "25.10", "resolute": "26.04",
}  # fmt: skip
"""Ubuntu's releases that others are made from: codename to number."""

TESTING = 14
"""The release that ``testing`` and ``sid`` become: advisories list it before it is stable."""

_FIELDS = re.compile(
    rb"^(package|status|version|architecture|source|maintainer|origin):[ \t]*([^\n]*)", re.IGNORECASE | re.MULTILINE
)
_SOURCE = re.compile(r"(\S+)(?:\s*\(([^()\s]+)\))?")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9+._-]*")
_BAD_VERSION = re.compile(r"[^!-~]")
_PLAIN = re.compile(r"[A-Za-z0-9.:~_+-]+")
"""What a package URL holds as it is, and the plus sign."""


def read(path: str, content: bytes, limits: Limits) -> Iterator[Package | Note]:
    """The installed packages of a dpkg database file: a stanza each, in which only single-line fields matter."""
    if path == MANIFEST:
        yield from _chiselled(path, content)
        return
    single = path.startswith(_STATUS_D)
    if path.endswith(".md5sums") or not (single or path in _STATUS):
        return  # a file elsewhere that is merely named status (vcpkg has one) is no dpkg database
    if b"\r" in content:
        content = content.replace(b"\r\n", b"\n")
    for number, stanza in enumerate(content.split(b"\n\n"), 1):
        if not stanza.strip():
            continue
        fields = {name.lower(): value.decode("utf-8", "replace").strip() for name, value in _FIELDS.findall(stanza)}
        status = fields.get(b"status")
        # In `status` dpkg itself takes a stanza without Status as not installed; in `status.d` there is none.
        if (status.split()[2:] != ["installed"]) if status is not None else (not single and b"package" in fields):
            continue
        yield _package(fields, path, number)


def _package(fields: dict[bytes, str], path: str, number: int) -> Package | Note:
    name, version = fields.get(b"package", ""), fields.get(b"version", "")
    if not _NAME.fullmatch(name) or not version or _BAD_VERSION.search(version):
        return Note("Unparsable", f"stanza {number} has no usable Package and Version", path)
    arch = fields.get(b"architecture", "")
    source = _SOURCE.fullmatch(fields.get(b"source", ""))
    return Package(
        name=name,
        version=version,
        arch=arch,
        source_name=source[1] if source else name,
        source_version=(source[2] if source else None) or version,
        origin=fields.get(b"maintainer") or fields.get(b"origin", ""),
        purl=purl(name, version, arch),
    )


def _chiselled(path: str, content: bytes) -> Iterator[Package | Note]:
    """The packages that slices were cut from. Their sources are not told: match finds them in Ubuntu's advisories."""
    bare = 0
    for found in objects(path, content, "package"):
        if isinstance(found, Note):
            yield found
            continue
        name, version, arch = (found.get(field) for field in ("name", "version", "arch"))
        if not isinstance(name, str) or not isinstance(version, str) or not isinstance(arch or "", str):
            name = version = ""
        if not _NAME.fullmatch(name) or not version or _BAD_VERSION.search(version):
            yield Note("Unparsable", "a package in the manifest of chisel has no usable name and version", path)
            continue
        bare += 1
        architecture = str(arch or "")
        yield Package(name=name, version=version, arch=architecture, purl=purl(name, version, architecture))
    if bare:
        yield Note("SourceUnknown", f"the manifest of chisel names no source package for its {bare} packages", path)


def purl(name: str, version: str, arch: str) -> str:
    """``pkg:deb/NAME@VERSION?arch=ARCH``: the view adds the distribution as namespace."""
    told = f"pkg:deb/{name}@{version}?arch={arch}"
    if all(map(_PLAIN.fullmatch, (name, version, arch))):  # nearly all; the library takes ten times as long
        return told.replace("+", "%2B")
    return PackageURL("deb", None, name, version, {"arch": arch} if arch else None).to_string()


def owned(path: str, content: bytes, limits: Limits) -> Iterator[OwnedFile | Note]:
    """What ``info/NAME[:ARCH].list`` (absolute paths), ``status.d/NAME.md5sums`` (relative ones) or chisel lists."""
    if path == MANIFEST:
        for found in objects(path, content, "path"):
            place = None if isinstance(found, Note) else found.get("path")
            slices = None if isinstance(found, Note) else found.get("slices")
            if isinstance(place, str) and place[-1:] not in ("", "/") and isinstance(slices, list) and slices:
                yield OwnedFile(place.lstrip("/"), str(slices[0]).rpartition("_")[0])
        return  # what cannot be read is noted beside the packages
    if path.startswith(_INFO) and path.endswith(".list"):
        owner = path.rpartition("/")[2].removesuffix(".list").partition(":")[0]
        for line in _lines(content):
            place = line.lstrip("/")
            if place and place != ".":
                yield OwnedFile(place, owner)
    elif path.startswith(_STATUS_D) and path.endswith(".md5sums"):
        owner = path.rpartition("/")[2].removesuffix(".md5sums")
        for line in _lines(content):
            _, _, name = line.partition("  ")
            if place := name.lstrip("/"):
                yield OwnedFile(place, owner)


def _lines(content: bytes) -> Iterator[str]:
    for line in BytesIO(content):
        yield line.decode("utf-8", "backslashreplace").rstrip("\r\n")


def namespace(distro: Distro) -> str | None:
    """``Debian:12``, ``Ubuntu:22.04:LTS``, ``Ubuntu:24.10``; None where no advisories of ours apply.

    A derivative has those of the release it is made from if it names that by its codename: the numbers are its own
    (Mint 21 is made from Ubuntu 22.04, Devuan 5 from Debian 12, Kali from none).
    """
    if distro.id == "echo":  # rebuilds of Debian's packages, without releases
        return "Echo"
    if distro.id not in ("debian", "ubuntu"):
        base = UBUNTU_CODENAMES.get(distro.codename) if "ubuntu" in distro.id_like else None
        if base is not None:
            return namespace(Distro("ubuntu", base))
        made_from = distro.codename if "debian" in distro.id_like and distro.codename in CODENAMES else ""
        return f"Debian:{CODENAMES[made_from]}" if made_from else None
    if distro.id == "debian":
        release = distro.version_id.partition("/")[0].lower()
        if release in ("sid", "unstable", "testing"):
            return f"Debian:{TESTING}"
        if release in CODENAMES:
            return f"Debian:{CODENAMES[release]}"
        major = release.partition(".")[0]
        return f"Debian:{int(major)}" if re.fullmatch("[0-9]{1,4}", major) else None
    if distro.id == "ubuntu":
        told = distro.version_id or UBUNTU_CODENAMES.get(distro.codename, "")
        version = re.match(r"([0-9]{1,2})\.(04|06|10)(?:\.|$)", told)
        if version is None:
            return None
        year, month = int(version[1]), version[2]
        long_term = month == "06" or (month == "04" and year % 2 == 0)
        return f"Ubuntu:{version[1]}.{month}" + (":LTS" if long_term else "")
    return None


PRO_SERVICES = frozenset({"esm-infra", "esm-apps"})
"""Services of Ubuntu Pro with fixes of their own. Advisories do not say which of the two has one: either counts."""


def extended(namespace: str, services: frozenset[str]) -> str | None:
    """``Ubuntu:Pro:16.04:LTS`` for an Ubuntu that is attached to Ubuntu Pro with longer support."""
    if namespace.startswith("Ubuntu:") and services & PRO_SERVICES:
        return f"Ubuntu:Pro:{namespace.removeprefix('Ubuntu:')}"
    return None


ECOSYSTEM = Ecosystem(
    name="deb",
    version=3,
    key=key,
    namespace=namespace,
    osv=("Debian", "Echo", "Ubuntu"),
    wants=Wants(paths=_STATUS | {MANIFEST}, globs=tuple(f"{folder}*" for folder in _STATUS_D)),
    read=read,
    system=True,
    owns=Wants(
        paths=frozenset({MANIFEST}),
        globs=(*(f"{folder}*.list" for folder in _INFO), *(f"{folder}*.md5sums" for folder in _STATUS_D)),
    ),
    owned=owned,
    owned_lines=True,
    extended=extended,
    inert=r"linux-libc-dev(-.*)?|linux-(.+-)?headers-.+|linux-(kbuild|compiler|source|doc)(-.*)?",
    foreign=_vendors.deb,
    upgrade=(("apt", "apt-get install --only-upgrade", "{name}={version}"),),
)

"""What VEX documents call products: package URLs of packages, and names of images.

Sources: https://github.com/package-url/purl-spec (types ``oci`` and ``docker``), and for the distributions that
vendors write into package URLs: Canonical's OpenVEX (``distro=jammy``, ``distro=esm-infra/focal``) and Red Hat's CSAF
(``pkg:rpm/redhat/…?arch=src``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from packageurl import PackageURL

from grid.ecosystems.deb import CODENAMES

_DIGEST = re.compile(r"(?:^|@)(sha256:[0-9a-f]{64})$")
_IMAGE_TYPES = ("oci", "docker")
_SOURCE_ARCHES = ("source", "src")
_UBUNTU = {
    "precise": "12.04", "trusty": "14.04", "xenial": "16.04", "bionic": "18.04", "focal": "20.04", "jammy": "22.04",
    "lunar": "23.04", "mantic": "23.10", "noble": "24.04", "oracular": "24.10", "plucky": "25.04", "questing": "25.10",
}  # fmt: skip
_RELEASES = {**{name: str(number) for name, number in CODENAMES.items()}, **_UBUNTU}
_VENDORS = {
    "redhat": {"rhel", "redhat", "centos"},
    "suse": {"sles", "sled", "sle-micro", "sl-micro", "suse", "opensuse-leap", "opensuse-tumbleweed"},
    "opensuse": {"opensuse-leap", "opensuse-tumbleweed"}, "amazon": {"amzn"}, "oracle": {"ol"},
    "mariner": {"mariner", "azurelinux"}, "azurelinux": {"azurelinux", "mariner"}, "rockylinux": {"rocky"},
    "alma": {"almalinux"}, "oraclelinux": {"ol"}, "photonos": {"photon"}, "archlinux": {"arch"},
}  # fmt: skip
"""What vendors write as the namespace of their packages, and the ``ID`` of os-release."""


@dataclass(frozen=True, slots=True)
class ImageName:
    """Which images a product is; what is empty is any."""

    registry: str = ""
    repositories: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    digest: str = ""
    arch: str = ""

    @property
    def pinned(self) -> bool:
        """Whether it names one build, and not whatever is built under that name."""
        return bool(self.digest or self.tags)


@lru_cache(maxsize=65_536)
def parse(text: str) -> PackageURL | None:
    """A package URL, or None."""
    if not text.startswith("pkg:") or len(text) > 4096:
        return None
    try:
        return PackageURL.from_string(text)
    except ValueError:
        return None


def image_name(text: str) -> ImageName | None:
    """The image that a package URL of an image, ``name@sha256:…`` or a digest alone stands for; else None."""
    if found := _DIGEST.search(text):
        if not text.startswith("pkg:") or text.startswith(tuple(f"pkg:{t}/" for t in _IMAGE_TYPES)):
            return ImageName(digest=found[1])
        return None
    url = parse(text)
    if url is None or url.type not in _IMAGE_TYPES:
        return None
    qualifiers = url.qualifiers if isinstance(url.qualifiers, dict) else {}
    version = url.version or ""
    if _DIGEST.search(version):
        return ImageName(digest=version)
    place = re.sub(r"^https?://", "", qualifiers.get("repository_url", "")).strip("/")
    host, _, path = place.partition("/")
    name = "/".join(filter(None, (url.namespace, url.name)))
    if place and not (re.search(r"[.:]", host) or host == "localhost"):
        host, path = "", place  # a repository without its registry
    if not path:
        repositories: tuple[str, ...] = (name,) if host else (name, f"*/{name}")
    elif path == name or path.endswith(f"/{name}"):
        repositories = (path,)
    else:
        repositories = (f"{path}/{name}",)
    tag = qualifiers.get("tag") or (version if url.type == "docker" else "")
    return ImageName(
        registry="docker.io" if host == "index.docker.io" else host,
        repositories=repositories,
        tags=(tag,) if tag else (),
        arch=qualifiers.get("arch", ""),
    )


@dataclass(frozen=True, slots=True)
class Component:
    """A package as statements are compared with it."""

    url: PackageURL
    source_name: str
    source_version: str
    version: str
    distros: tuple[tuple[str, str], ...]
    """(ID, VERSION_ID) of the distributions that its advisories are about; empty for a language."""

    @classmethod
    def of(cls, row: Mapping[str, Any], distros: Sequence[tuple[str, str]]) -> Component | None:
        """From a row of ``packages``; None if its package URL is none."""
        url = parse(row["purl"])
        if url is None:
            return None
        source = row["source_name"] or row["name"]
        return cls(url, source, row["source_version"] or row["version"], row["version"], tuple(distros))


def key(url: PackageURL) -> tuple[str, str]:
    """What two package URLs must share to be worth comparing."""
    return url.type, url.name.lower()


def speaks_of(url: PackageURL, component: Component) -> bool:
    """Whether a statement's package URL is about a package: equal wherever it says something.

    One with ``arch=source`` (or ``src``) is about all packages built from that source, others about the package
    of that name alone.
    """
    ours = component.url
    qualifiers = dict(url.qualifiers) if isinstance(url.qualifiers, dict) else {}
    of_source = qualifiers.get("arch") in _SOURCE_ARCHES
    if of_source:
        del qualifiers["arch"]
    name = component.source_name if of_source else ours.name
    if url.type != ours.type or url.name.lower() != name.lower():
        return False
    if component.distros:
        if url.namespace and not _vendor_fits(url.namespace.lower(), ours, component):
            return False
    elif (url.namespace or "").lower() != (ours.namespace or "").lower():
        return False
    if url.version and not _version_fits(url, qualifiers, component, of_source):
        return False
    if url.subpath and url.subpath != ours.subpath:
        return False
    own = ours.qualifiers if isinstance(ours.qualifiers, dict) else {}
    distro = qualifiers.pop("distro", "")
    qualifiers.pop("epoch", None)
    if distro and not any(_distro_fits(distro, *known) for known in component.distros):
        return False
    return all(own.get(name) == value for name, value in qualifiers.items())


def _vendor_fits(vendor: str, ours: PackageURL, component: Component) -> bool:
    known = {id for id, _ in component.distros} | ({ours.namespace.lower()} if ours.namespace else set())
    return vendor in known or bool(_VENDORS.get(vendor, set()) & known)


def _version_fits(url: PackageURL, qualifiers: Mapping[str, str], component: Component, of_source: bool) -> bool:
    stated, epoch = str(url.version), qualifiers.get("epoch", "")
    if not component.distros:
        whole = {stated}
        if url.type == "golang":
            whole |= {stated.removeprefix("v"), f"v{stated}"}
        return bool(whole & {component.version, component.url.version})
    # Syft and Trivy write the epoch as a qualifier: without it, as without any, the statement is about every epoch.
    ours = component.source_version if of_source else component.version
    number, colon, rest = ours.partition(":")
    number, rest = (number, rest) if colon else ("0", ours)
    if ":" in stated:
        epoch, _, stated = stated.partition(":")
    no_epoch = of_source and url.type == "rpm"  # SOURCERPM has none
    return rest == stated and (not epoch or no_epoch or epoch == number)


def _distro_fits(stated: str, id: str, version: str) -> bool:
    """``debian-12``, ``alpine-3.18`` (for every 3.18.x), ``bookworm``, ``esm-infra/focal`` …"""
    stated = stated.rpartition("/")[2].lower()
    if release := _RELEASES.get(stated):
        return version == release and id == ("ubuntu" if stated in _UBUNTU else "debian")
    name, _, number = stated.rpartition("-")
    if not name:  # a bare ID: every release of it
        return stated == id
    if name != id and id not in _VENDORS.get(name, ()):
        return False
    return version == number or version.startswith(f"{number}.") or number.startswith(f"{version}.")

"""RPM packages: versions, and which of OSV's ecosystems speaks of each distribution's packages.

Sources: https://ossf.github.io/osv-schema/ for the names of ecosystems, and each distribution's os-release.
"""

from __future__ import annotations

import re
from dataclasses import replace

from grid.ecosystems import Ecosystem, _cpe, _rpm, _vendors
from grid.keys.rpm import key
from grid.model import Distro

_MAJOR = {
    "almalinux": "AlmaLinux",
    "rocky": "Rocky Linux",
    "azurelinux": "Azure Linux",
    "mariner": "Azure Linux",  # its name until 2.0; the advisories have followed
    "mageia": "Mageia",
    "amzn": "Amazon Linux",
    "ol": "Oracle Linux",
    "rhel": "Red Hat",
    "fedora": "Fedora",
}
"""Distributions whose advisories are listed under the major number of the release.

OSV has none of Amazon Linux, Fedora and Oracle Linux: these names are ours, after its manner, for their own feeds. It
has Red Hat by product; ours are by release, with the products in a column, for a system has several of them."""

_REBUILDS = frozenset({"scientific"})
"""Built from Red Hat's sources under the same versions, with the same release numbers."""

_RELEASE = re.compile(r"([0-9]{1,4})(?:\.[0-9.]*)?")
_PHOTON = re.compile(r"[0-9]{1,2}\.[0-9]")
_SERVICE_PACK = re.compile(r"(1[0-9])(?:\.([0-9]))?")
_MICRO = re.compile(r"[5-9]\.[0-9]")
_LEAP = re.compile(r"[0-9]{2}\.[0-9]{1,2}")
_EULER = re.compile(r"([0-9]{2}\.[0-9]{2})(?:.*?\((LTS(?:[ -]SP[0-9]+)?)\))?")


def namespace(distro: Distro) -> str | None:
    """``AlmaLinux:9``, ``openSUSE:Leap 15.6``, ``openEuler:22.03-LTS-SP3`` …; None where no single one applies.

    CentOS up to 8 is Red Hat's sources built again, and Red Hat's advisories are about it. CentOS Stream runs ahead
    of them, under version numbers of its own, and nobody publishes advisories for it.
    """
    name = distro.id.lower()
    if name == "centos":
        release = _RELEASE.fullmatch(distro.version_id)
        streams = release is None or int(release[1]) > 8 or "stream" in distro.pretty_name.lower()
        return None if streams or release is None else f"Red Hat:{release[1]}"
    if name in _REBUILDS:
        return namespace(replace(distro, id="rhel"))
    if name == "amzn" and re.match(r"201[0-9]\.", distro.version_id):
        return "Amazon Linux:1"  # its releases had dates until it was called 1, afterwards
    if name in _MAJOR:
        release = _RELEASE.fullmatch(distro.version_id)
        return f"{_MAJOR[name]}:{release[1]}" if release else None
    if name == "photon":
        return f"Photon OS:{distro.version_id}" if _PHOTON.fullmatch(distro.version_id) else None
    if name in ("sles", "sles_sap", "sled", "sle_hpc"):
        return _enterprise(distro.version_id)
    if name in ("sle-micro", "sl-micro", "sle-micro-rancher"):  # the name has changed with 6.0
        release = _MICRO.fullmatch(distro.version_id)
        return f"SUSE:Linux {'Enterprise ' if distro.version_id < '6' else ''}Micro {release[0]}" if release else None
    if name == "opensuse-tumbleweed":
        return "openSUSE:Tumbleweed"
    if name in ("opensuse-leap", "opensuse"):
        return f"openSUSE:Leap {distro.version_id}" if _LEAP.fullmatch(distro.version_id) else None
    if name == "openeuler":
        # The service pack is told in the name only: "openEuler 22.03 (LTS-SP3)".
        release = _EULER.search(distro.pretty_name) or _EULER.fullmatch(distro.version_id)
        if release is None or release[1] != distro.version_id:
            return None
        return f"openEuler:{release[1]}" + (f"-{release[2].replace(' ', '-')}" if release[2] else "")
    return None


def borrows(namespace: str) -> str | None:
    """AlmaLinux and Rocky list what they have fixed, and not all of it; what Red Hat has not, they have not either."""
    base, _, release = namespace.partition(":")
    return f"Red Hat:{release}" if base in ("AlmaLinux", "Rocky Linux") and release.isdecimal() else None


def _enterprise(version: str) -> str | None:
    """SUSE's products of one service pack under the server's name, as the feed of SUSE's own OVAL files does it."""
    release = _SERVICE_PACK.fullmatch(version)
    if release is None:
        return None
    pack = release[2] or "0"
    if int(release[1]) >= 16:
        return f"SUSE:Linux Enterprise Server {release[1]}.{pack}"
    return f"SUSE:Linux Enterprise Server {release[1]}" + (f" SP{pack}" if pack != "0" else "")


ECOSYSTEM = Ecosystem(
    name="rpm",
    version=2,
    key=key,
    namespace=namespace,
    osv=(
        "AlmaLinux", "Amazon Linux", "Azure Linux", "Fedora", "Mageia", "Oracle Linux", "Photon OS", "Red Hat",
        "Rocky Linux", "SUSE", "openEuler", "openSUSE",
    ),
    wants=_rpm.WANTS,
    read=_rpm.read,
    inert=r"kernel(-.+)?-(headers|devel|doc|docs)(-.+)?|linux-api-headers",
    system=True,
    owns=_rpm.OWNS,
    owned=_rpm.owned,
    views=True,
    foreign=_vendors.rpm,
    borrows=borrows,
    applies=_cpe.applies,
    upgrade=(
        ("dnf", "dnf upgrade", "{name}-{version}"), ("dnf5", "dnf upgrade", "{name}-{version}"),
        ("yum", "yum update", "{name}-{version}"), ("microdnf", "microdnf update", "{name}-{version}"),
        ("zypper", "zypper install", "'{name}>={version}'"), ("tdnf", "tdnf update", "{name}"),
    ),
)  # fmt: skip

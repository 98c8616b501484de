"""Which distribution a merged view is, from the os-release facts that are visible in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from grid.model import Distro

PRECEDENCE = (
    "etc/os-release",
    "usr/lib/os-release",
    "etc/system-release-cpe",
    "etc/oracle-release",
    "etc/almalinux-release",
    "etc/rocky-release",
    "etc/centos-release",
    "etc/fedora-release",
    "etc/amazon-release",
    "etc/amazon-linux-release",
    "etc/photon-release",
    "etc/mariner-release",
    "etc/azurelinux-release",
    "etc/SuSE-release",
    "etc/system-release",
    "etc/redhat-release",
    "etc/lsb-release",
    "etc/alpine-release",
    "etc/debian_version",
)
"""os-release first; then the more specific file before the one that derivatives also ship. Others come last."""

NAMELESS = "linux"
"""What os-release(5) says of a distribution that gives no ``ID``: any other file knows more."""
APK_REPOSITORIES = "etc/apk/repositories"
DEBIAN_VERSION = "etc/debian_version"


@dataclass(frozen=True, slots=True)
class DistroFact:
    """What a row of ``distros`` says, null as ""."""

    id: str
    version_id: str = ""
    id_like: str = ""
    pretty_name: str = ""
    codename: str = ""


def choose_distro(facts: Mapping[str, DistroFact]) -> Distro | None:
    """The distribution of a view, from its visible facts by path; None if it does not say.

    ``etc/apk/repositories`` says which branch an Alpine follows (its os-release may lag behind ``edge``), and
    ``etc/debian_version`` which release a Debian without ``VERSION_ID`` is made from: the codename (of ``trixie/sid``,
    ``trixie``) then stands as its version. A version or a name that any other leaves
    out it takes from a fall-back of the same distribution (a CPE has no name, and so no ``Stream`` in it).
    """
    rank = {path: n for n, path in enumerate(PRECEDENCE)}
    named = [path for path, fact in facts.items() if fact.id and path != APK_REPOSITORIES]
    if not named:
        return None
    named.sort(key=lambda path: (facts[path].id == NAMELESS, rank.get(path, len(rank)), path))
    best = facts[named[0]]
    repositories = facts.get(APK_REPOSITORIES)
    if best.id == "alpine" and repositories is not None and repositories.version_id == "edge":
        best = replace(best, version_id="edge")
    if best.id == "debian" and not best.version_id:
        said = facts.get(DEBIAN_VERSION)
        codename = best.codename or (said.codename if said is not None else "")
        best = replace(best, version_id=codename.partition("/")[0] or (said.version_id if said is not None else ""))
    same = [facts[path] for path in named if facts[path].id == best.id]
    best = replace(
        best,
        version_id=best.version_id or next((fact.version_id for fact in same if fact.version_id), ""),
        pretty_name=best.pretty_name or next((fact.pretty_name for fact in same if fact.pretty_name), ""),
    )
    return Distro(best.id, best.version_id, tuple(best.id_like.split()), best.pretty_name, best.codename)

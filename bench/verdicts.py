"""Findings of two scanners for one image: where they differ, and which row of ``vulndb/README.md``'s table says why.

A rule goes by what the advisories say (``trivy_db.Written``), never by which scanner is right.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from bench import inventory, trivy_db
from grid.ecosystems import BY_NAME, for_osv
from grid.errors import VersionInvalid

Place = tuple[str, str, str]
"""(package, version, vulnerability)."""


@dataclass(frozen=True, slots=True)
class Said:
    """What a scanner says of one vulnerability of one package."""

    fixed: str
    severity: str
    state: str = ""
    namespace: str = ""
    names: tuple[str, ...] = ()
    """Under one of them the advisory lists the package."""


@dataclass(slots=True)
class Compared:
    """How two scanners answered for one image."""

    agreed: int = 0
    differences: list[tuple[str, str, Place, str, str]] = field(default_factory=list)
    """(namespace, kind, place, ours, theirs)."""


def compare(ours: Mapping[Place, Said], theirs: Mapping[Place, Said]) -> Compared:
    """Set against set, then what is said of what both have."""
    found = Compared()
    for place in sorted(ours.keys() | theirs.keys()):
        mine, other = ours.get(place), theirs.get(place)
        if mine is None or other is None:
            one = mine or other
            assert one is not None
            texts = (one.fixed, "") if other is None else ("", one.fixed)
            found.differences.append((one.namespace, "ours only" if other is None else "theirs only", place, *texts))
            continue
        if mine.fixed not in other.fixed.split(", "):
            differs = ("fix", mine.fixed, other.fixed)
        elif mine.severity != other.severity:
            differs = ("severity", mine.severity, other.severity)
        elif mine.state != other.state:
            differs = ("state", mine.state, other.state)
        else:
            found.agreed += 1
            continue
        found.differences.append((mine.namespace, differs[0], place, differs[1], differs[2]))
    return found


def reason(
    written: trivy_db.Written, namespace: str, kind: str, place: Place, ours: str, theirs: str, image: str = ""
) -> str | None:
    """Which row of the table in ``vulndb/README.md`` a difference is; None if it is not one."""
    package, version, problem = place
    base = namespace.partition(":")[0]
    ordered = for_osv(namespace)
    if kind == "ours only":
        if base == "npm" and "-" in version and (package, problem, version.partition("-")[0]) not in written.early_ends:
            return "prereleases of npm"
        if base in ("AlmaLinux", "Rocky Linux") and ours == "":
            release = namespace.partition(":")[2]
            if (f"Red Hat:{release}", problem) in written.open_at_red_hat:
                return "unfixed in RHEL, in AlmaLinux and Rocky images"
        if base in ("AlmaLinux", "Rocky Linux") and ours:
            release = namespace.partition(":")[2]
            if (f"Red Hat:{release}", problem, ours) in written.fixed_at_red_hat:
                return "fixed in RHEL, and no word of AlmaLinux's or Rocky's"
        if base in ("AlmaLinux", "Red Hat") and ".module" in version:
            return "a module's build without a label"
        if base == "Bitnami" and re.search(r"-\d+$", version):
            return "rebuilds of Bitnami's"
        if base == "Packagist" and "-p" in version + ours:
            return "Composer's patch releases"
    if (
        base == "Bitnami"
        and kind in ("ours only", "theirs only")
        and ((package, problem) in written.odd_ends or not trivy_db.PLAIN_NUMBERS.fullmatch(version))
    ):
        return "Bitnami's versions that are not three plain numbers"
    if kind == "theirs only" and (namespace, package) in written.folded:
        return "names of npm packages that differ in case"
    if base in inventory.VENDORS and "^" in version + ours + theirs:
        fixes = [fix for fix in (*ours.split(", "), *theirs.split(", ")) if fix]
        if kind == "fix" or (kind in ("ours only", "theirs only") and any(_by_caret(version, fix) for fix in fixes)):
            return "carets in rpm versions"
    if base == "Red Hat":
        return _by_product(written, namespace, kind, problem, image)
    if base == "Amazon Linux" and kind in ("ours only", "theirs only") and (fixed := ours or theirs):
        skipped = bool(set("^_") & set(version + fixed))
        told = skipped or _before("deb", version, fixed) != _before("rpm", version, fixed)
        return "rpm versions ordered by dpkg's rules" if told else None
    if kind == "theirs only" and ordered is not None and re.fullmatch(ordered.inert, package):
        return "headers of the kernel"
    if kind == "theirs only" and (namespace, problem) in written.unshipped:
        return "a fix that the release does not ship"
    if kind == "severity" and problem in written.malicious and ours == "critical":
        return "malicious packages"
    ranked = written.ranked.get(problem, set())
    believed = {"bitnami"} if base == "Bitnami" else {"ghsa", "nvd"} if base in trivy_db.LANGUAGES else ranked
    if kind == "severity" and not believed & ranked:
        return "ratings of neither the publisher, GHSA nor the NVD"
    if kind == "severity" and (namespace, problem) in written.rated_apart:
        return "packages that a distribution rates apart"
    if kind == "fix" and ours == "" and base in trivy_db.LANGUAGES:
        if ordered is None or (namespace, ordered.canonical(package), problem) in written.no_clear_fix:
            return "a fix that another range of the advisory holds"
        try:
            installed = ordered.key(version)
            if all(ordered.key(fix) <= installed for fix in theirs.split(", ")):
                return "a fix below the installed version"
        except VersionInvalid:
            return None
    return None


def _by_caret(version: str, fixed: str) -> bool:
    """Whether the order of the two is another one for an rpm to which a caret only separates."""
    earlier = _before("rpm", version.replace("^", "."), fixed.replace("^", "."))
    return _before("rpm", version, fixed) != earlier


def _before(scheme: str, version: str, fixed: str) -> bool | None:
    """Whether a scheme has a version before a fix; None if it refuses either."""
    order = BY_NAME[scheme].key
    try:
        return order(version) < order(fixed)
    except VersionInvalid:
        return None


def _by_product(written: trivy_db.Written, namespace: str, kind: str, problem: str, image: str) -> str | None:
    if image == "built, no sets":
        return "RHEL: a build record without content sets"
    if image in ("says nothing", "CentOS"):
        if namespace == "Red Hat:10":
            return "RHEL 10 without content sets"
        if (namespace, problem) in written.unusual:
            return "RHEL without content sets"
    if kind == "state" and (namespace, problem) in written.several_states:
        return "products that say different things of what is not fixed"
    return None

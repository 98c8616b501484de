"""OVAL: what several rpm distributions publish their advisories in.

Format: https://oval.mitre.org/language/version5.11/. A definition (an advisory, or a CVE) has a tree of criteria;
its leaves refer to tests, a test to an object (a package's name) and a state (what its version must be for the
definition to hold). The tests stand after the definitions, so a file is read twice: first the tests, of
which only names and bounds are kept, then the definitions one by one. A leaf whose test is not in the file is
read by its comment (``bind is earlier than 30:9.3.3-8.el5``), which says the same in words.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from sys import intern
from xml.etree.ElementTree import Element

from grid.errors import FeedInvalid
from vulndb.feed import MIB
from vulndb.records import Affected, Range, Rating
from vulndb.streams import elements, inflated, text_of

Events = tuple[tuple[str, str], ...]
MAX_INFLATED = 8192 * MIB
MAX_TESTS = 20_000_000

BELOW, UP_TO, FROM, ABOVE, NEVER, ALWAYS = "below", "up to", "from", "above", "never", "always"
"""What must hold of a version for the package to be affected."""
_OPERATIONS = {
    "less than": BELOW,
    "less than or equal": UP_TO,
    "greater than": ABOVE,
    "greater than or equal": FROM,
    "6": BELOW,  # SUSE has written the number of a table instead
}


@dataclass(frozen=True, slots=True)
class Bound:
    """One leaf about a package."""

    name: str
    kind: str
    version: str = ""
    """``epoch:version-release``, without an epoch of 0: so it is printed, and compares the same."""
    arches: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Place:
    """Where a leaf holds: what the branches above it ask for."""

    products: tuple[str, ...] = ()
    """Any of these is installed, in the words of the comment: ``SUSE Linux Enterprise Server 15 SP1``."""
    arch: str = ""
    module: str = ""
    """``name:stream``, enabled."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A package is affected if all of the bounds hold, in that place; the bounds are of one package."""

    place: Place
    bounds: tuple[Bound, ...]


@dataclass(frozen=True, slots=True)
class Definition:
    """One definition, its metadata still as XML."""

    id: str
    metadata: Element
    claims: tuple[Claim, ...]


def definitions(path: Path) -> Iterator[Definition]:
    """The definitions of a file, inflated as needed; raises FeedInvalid."""
    tests = _tests(path)
    with inflated(path, MAX_INFLATED) as stream:
        for element in elements(stream, {"definition"}):
            metadata, criteria = element.find("metadata"), element.find("criteria")
            if metadata is not None:
                claims = tuple(_claims(criteria, Place(), tests)) if criteria is not None else ()
                yield Definition(element.get("id", ""), metadata, claims)


def check(path: Path) -> None:
    """Raises FeedInvalid unless the whole file is well-formed and holds definitions."""
    with inflated(path, MAX_INFLATED) as stream:
        if not sum(element.find("metadata") is not None for element in elements(stream, {"definition"})):
            raise FeedInvalid(f"{path.name} holds no definition")


# --- tests ---------------------------------------------------------------------------------------

_Tests = dict[str, Bound | None]
_PARTS = {"rpminfo_test", "rpminfo_object", "rpminfo_state"}
_ARCHES = re.compile(r"[\w.-]+")


def _tests(path: Path) -> _Tests:
    """What each test asks of which package; None for a test about something else (a signature, a release)."""
    refers: dict[str, tuple[str, str]] = {}
    names: dict[str, str] = {}
    states: dict[str, Bound | None] = {}
    shared: dict[Bound | None, Bound | None] = {}

    def once(value: Bound | None) -> Bound | None:
        return shared.setdefault(value, value)

    with inflated(path, MAX_INFLATED) as stream:
        for element in elements(stream, _PARTS):
            name = _short(element.get("id", ""))
            if element.tag == "rpminfo_test":
                target, state = element.find("object"), element.find("state")
                if target is not None and state is not None:
                    refers[name] = (_short(target.get("object_ref", "")), _short(state.get("state_ref", "")))
            elif element.tag == "rpminfo_object":
                names[name] = intern(text_of(element, "name"))
            else:
                states[name] = once(_state(element))
            if len(refers) > MAX_TESTS:
                raise FeedInvalid(f"{path.name} has more tests than any real one")
    found: _Tests = {}
    for name, (of, must) in refers.items():
        if of in names and must in states:
            bound = states[must]
            found[name] = once(replace(bound, name=names[of])) if bound else None
    return found


def _short(name: str) -> str:
    return name.rpartition(":")[2]


def _state(element: Element) -> Bound | None:
    """A state as a bound without a name; None if it is not about a package's version."""
    evr, version, arch = element.find("evr"), element.find("version"), element.find("arch")
    arches = tuple(_ARCHES.findall(arch.text or "")) if arch is not None else ()
    if evr is not None and evr.text:
        kind = _OPERATIONS.get(evr.get("operation", ""))
        return Bound("", kind, evr.text.strip().removeprefix("0:"), arches) if kind else None
    if version is not None and (version.text or "").strip() == "0":
        return Bound("", NEVER if version.get("operation") == "equals" else ALWAYS, "", arches)
    return None


# --- criteria ------------------------------------------------------------------------------------

_EARLIER = re.compile(r"(?:Package )?(\S+) is earlier than (\S+?)(?:, affected by .*)?")
_STANDING = re.compile(r"(\S+) is (not )?affected")
_NVR = re.compile(r"(\S+)-([^\s-]+-\d[^\s-]*) is installed")
_PRODUCT = re.compile(r"(\S+ .+) is installed")
_ARCH = re.compile(r".* arch is (\S+)")
_MODULE = re.compile(r"Module (\S+:\S+) is enabled")


def _claims(node: Element, place: Place, tests: _Tests) -> Iterator[Claim]:
    """Walk down: an AND narrows the place for all in it, an OR tries each of its branches."""
    together = node.get("operator", "AND").upper() == "AND"
    branches: list[Element] = []
    bounds: list[Bound] = []
    products: list[str] = []
    for child in node:
        if child.tag == "criteria":
            if together and (named := _products(child)):
                place = replace(place, products=_narrowed(place.products, named))
            else:
                branches.append(child)
        elif child.tag == "criterion":
            comment = " ".join(child.get("comment", "").split())
            bound = _bound(_short(child.get("test_ref", "")), comment, tests)
            if bound is not None:
                bounds.append(bound)
            elif match := _PRODUCT.fullmatch(comment):
                products.append(match[1])
            elif match := _ARCH.fullmatch(comment):
                place = replace(place, arch=match[1])
            elif match := _MODULE.fullmatch(comment):
                place = replace(place, module=match[1])
    if products:
        place = replace(place, products=_narrowed(place.products, products))
    if together:
        by_name: dict[str, list[Bound]] = {}
        for bound in bounds:
            by_name.setdefault(bound.name, []).append(bound)
        for group in by_name.values():
            yield Claim(place, tuple(group))
    else:
        for bound in bounds:
            yield Claim(place, (bound,))
    for branch in branches:
        yield from _claims(branch, place, tests)


def _products(node: Element) -> list[str]:
    """The products of a branch that is nothing but a choice of products; [] for any other."""
    found = []
    for child in node:
        match = _PRODUCT.fullmatch(" ".join(child.get("comment", "").split())) if child.tag == "criterion" else None
        if match is None:
            return []
        found.append(match[1])
    return found


def _narrowed(outer: tuple[str, ...], inner: Sequence[str]) -> tuple[str, ...]:
    """Both a product above and one here are asked for: the inner says it more closely."""
    return tuple(dict.fromkeys(inner)) or outer


def _bound(test: str, comment: str, tests: _Tests) -> Bound | None:
    if test in tests:
        return tests[test]
    if match := _EARLIER.fullmatch(comment):
        return Bound(match[1], BELOW, match[2].removeprefix("0:"))
    if match := _STANDING.fullmatch(comment):
        return Bound(match[1], NEVER if match[2] else ALWAYS)
    if match := _NVR.fullmatch(comment):
        return Bound(match[1], BELOW, match[2])
    return None


def events(bounds: Sequence[Bound]) -> Events | None:
    """Bounds of one package as the events of one range; None if they say that it is never affected."""
    introduced, ends = "0", []
    for bound in bounds:
        if bound.kind == NEVER:
            return None
        if bound.kind in (FROM, ABOVE):  # `introduced` includes its version: the one build more is the safe side
            introduced = bound.version
        elif bound.kind == BELOW:
            ends.append(("fixed", bound.version))
        elif bound.kind == UP_TO:
            ends.append(("last_affected", bound.version))
    return (("introduced", introduced), *ends)


# --- what the feeds have in common ---------------------------------------------------------------

_I386 = ("i386", "i486", "i586", "i686")


def affected(
    claims: Iterable[Claim],
    namespaces: Callable[[Place], Iterable[str]],
    severity: str | None,
    flavour: Callable[[str], str | None] = lambda version: None,
) -> tuple[Affected, ...]:
    """The packages of one definition. ``namespaces`` of a claim's place: () leaves the claim out.

    Architectures are kept only where they matter: what holds alike for every architecture that the definition
    names in that namespace holds for all. A package that is nothing but "not affected" has no range.
    """
    told: dict[tuple[str, str, str, str | None], dict[Events, set[str]]] = {}
    known: dict[str, set[str]] = {}
    for claim in claims:
        found = events(claim.bounds)
        arches = {arch for bound in claim.bounds for arch in bound.arches} or {claim.place.arch}
        fixed = next((version for kind, version in found or () if kind == "fixed"), "")
        for namespace in namespaces(claim.place):
            known.setdefault(namespace, set()).update(arches)
            key = (namespace, claim.bounds[0].name, claim.place.module, flavour(fixed))
            ranges = told.setdefault(key, {})
            if found is not None:
                ranges.setdefault(found, set()).update(arches)
    out = []
    for (namespace, name, module, kind), ranges in told.items():
        by_arch: dict[tuple[str, ...], list[Range]] = {}
        for found, arches in ranges.items():
            everywhere = "" in arches or (len(known[namespace]) > 1 and known[namespace] - {""} <= arches)
            wide = arches | set(_I386) if "i386" in arches else arches
            by_arch.setdefault(() if everywhere else tuple(sorted(wide)), []).append(Range(found))
        for only, listed in (by_arch or {(): []}).items():
            out.append(Affected(namespace, name, tuple(listed), (), "", severity, only, module or None, kind))
    return tuple(out)


_CVE = re.compile(r"CVE-\d{4}-\d{4,}")
_VECTOR = re.compile(r"(?:\d{1,2}(?:\.\d)?/)?((?:CVSS:\d\.\d/)?\S+)")


def cve_of(element: Element) -> str | None:
    """The CVE that a ``<cve>`` or ``<reference>`` names."""
    match = _CVE.search(element.get("ref_id", "") or element.text or "")
    return match[0] if match else None


def cvss_of(element: Element, source: str) -> Rating | None:
    """The rating in ``<cve cvss3="7.8/CVSS:3.1/AV:L/…">`` (or ``cvss4``, ``cvss2``)."""
    for name in ("cvss4", "cvss3", "cvss2"):
        match = _VECTOR.fullmatch(element.get(name, "").strip())
        if match:
            return Rating(source, vector=match[1])
    return None


def attribute(element: Element, path: str, name: str) -> str | None:
    """An attribute of the first element at a path."""
    found = element.find(path)
    return found.get(name) if found is not None else None

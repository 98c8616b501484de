"""Red Hat: a CSAF VEX document for every CVE, and which repositories belong to which products.

All documents stand in one archive, made about once a week; ``changes.csv`` says which have changed since, and
``deletions.csv`` which are gone. Format: ``vulndb.csaf``; https://redhatproductsecurity.github.io/security-data-guidelines/.

| document says                                             | we say                                               |
| --------------------------------------------------------- | ---------------------------------------------------- |
| ``fixed``, a binary package                               | affected below that build, in that product           |
| ``vendor_fix``, its URL                                   | the erratum that brings the build                    |
| ``known_affected``, ``none_available``: ``Affected``      | affected                                             |
| …                     , …             : ``Fix deferred``  | fix_deferred                                         |
| …                     , ``no_fix_planned``: ``Will not fix`` | will_not_fix                                      |
| …                     , …      : ``Out of support scope`` | end_of_life                                          |
| ``under_investigation``                                   | under_investigation                                  |
| ``known_not_affected``                                    | nothing: no other feed speaks of these packages      |
| threat ``impact``                                         | the severity of that package in that product         |
| no ``impact``, and a CVSS score of 0.0                    | nothing                                              |

* The product is a CPE (``cpe:/a:redhat:enterprise_linux:8::appstream``); the release in it, or else in the fixed build,
  is the namespace. A layered product of no release (``openshift:4``) stands in the namespaces of all releases.
* Of several fixes in one product (``8.8.Z`` and ``8.9.Z`` are both ``enterprise_linux:8``) the highest counts.
* Packages are binary ones. Where a document (of before 2025) lists the source only for a product, that is taken for
  the binary of the same name. ``debuginfo`` and ``debugsource`` hold no program, so nothing is said of them.
* ``oci`` purls (whole images of layered products) are left out: what is in an image is matched by itself.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson

from grid.errors import FeedInvalid, VersionInvalid
from grid.keys.rpm import key
from vulndb import csaf
from vulndb.feed import (
    MIB,
    Source,
    Transport,
    Workspace,
    fetch_one,
    fetch_several,
    finish,
    keep_only,
    load_json,
    mapping,
    one_line,
    strings,
    timestamp,
)
from vulndb.ratings import label
from vulndb.records import Advisory, Affected, Range, Rating, Record, RepositoryProduct, Skipped
from vulndb.streams import inflated, tar_files

HOST = "https://security.access.redhat.com/data"
BASE = f"{HOST}/csaf/v2/vex"
LATEST, CHANGES, DELETIONS = f"{BASE}/archive_latest.txt", f"{BASE}/changes.csv", f"{BASE}/deletions.csv"
REPOSITORIES = f"{HOST}/metrics/repository-to-cpe.json"
MAX_DOCUMENT = 128 * MIB
MAX_ARCHIVE = 4096 * MIB
MAX_INFLATED = 256 * 1024 * MIB
MAX_CHANGES = 1_000_000
RELEASES = ("7", "8", "9", "10")
"""Of these a layered product may be, that names none."""
_ARCHIVE = re.compile(r"csaf_vex_(\d{4}-\d{2}-\d{2})\.tar\.zst")
_DOCUMENT = re.compile(r"(?:.*/)?(\d{4}/cve-\d{4}-\d{4,}\.json)")
_OVERLAP = timedelta(days=2)
"""The archive's name is a day: what changed a little before it is fetched rather than missed."""


class RedHatFeed:
    """See ``vulndb.feed.Feed``."""

    name = "redhat"
    version = 3
    verdicts = False  # no other feed speaks of these namespaces, and the list of what is spoken of would be long

    def fetch(self, workspace: Workspace, transport: Transport, ecosystems: Sequence[str] = ()) -> None:
        changed, reached, kept = False, 0, set[str]()

        def one(source: Source, check: Callable[[Path], None], aside: bool = False) -> bool:
            nonlocal changed, reached
            outcome = fetch_one(workspace, transport, source, check, aside=aside)
            changed |= outcome == "new"
            reached += outcome in ("new", "unchanged")
            kept.add(source.url)
            return outcome in ("new", "unchanged")

        one(Source(REPOSITORIES, 64 * MIB, optional=True), check_repositories)
        before = {url for url in workspace.files if url.startswith(BASE)}
        listed = one(Source(LATEST, MIB), check_latest, aside=True)
        if listed and one(Source(url := archive_url(workspace), MAX_ARCHIVE), check_archive):
            lists = [one(Source(each, 256 * MIB, optional=True), check_list) for each in (CHANGES, DELETIONS)]
            wanted = _wanted(workspace) if lists[0] else {}
            known = {u: w for u, w in wanted.items() if u in workspace.files and _fetched(workspace, u) > w}
            sources = [Source(u, MAX_DOCUMENT, optional=True) for u in wanted if u not in known]
            changed |= "new" in list(fetch_several(workspace, transport, sources, check_document))
            kept |= wanted.keys() | {url}
        else:
            kept |= before
        keep_only(workspace, kept)
        finish(workspace, changed, reached)

    def parse(self, workspace: Workspace) -> Iterator[Record]:
        present = {state.url: path for state, path in workspace.present()}
        if REPOSITORIES in present:
            yield from repositories(load_json(present[REPOSITORIES]))
        gone = _gone(workspace)
        newer = {name: path for url, path in present.items() if (name := _name(url)) is not None}
        for name, path in newer.items():
            if name not in gone:
                yield from document(path.read_bytes())
        for url, path in present.items():
            if _ARCHIVE.fullmatch(url.rpartition("/")[2]):
                yield from archive(path, gone | newer.keys())


def archive_url(workspace: Workspace) -> str:
    """The URL of the newest archive, as the list says that was fetched last."""
    return f"{BASE}/{_latest(workspace.path(LATEST))}"


def _latest(path: Path) -> str:
    name = path.read_text("utf-8", "replace").strip()
    if not _ARCHIVE.fullmatch(name):
        raise FeedInvalid(f"{path.name} names no archive")
    return name


def _name(url: str) -> str | None:
    """``2024/cve-2024-1.json`` of a document's URL."""
    found = _DOCUMENT.fullmatch(urlsplit(url).path)
    return found[1] if found and url.startswith(BASE) else None


def _dated(path: Path) -> dict[str, datetime]:
    """Document → when it changed, of ``"2024/cve-2024-1.json","2024-05-01T10:00:00+00:00"`` lines."""
    found: dict[str, datetime] = {}
    with path.open(encoding="utf-8", errors="replace", newline="") as stream:
        for number, row in enumerate(csv.reader(stream)):
            if number >= MAX_CHANGES:
                raise FeedInvalid(f"{path.name} is longer than any real one")
            moment = timestamp(row[1].strip()) if len(row) > 1 else None
            if moment is not None and (name := _DOCUMENT.fullmatch(row[0].strip())):
                found[name[1]] = max(moment, found.get(name[1], moment))
    return found


def _wanted(workspace: Workspace) -> dict[str, datetime]:
    """The URLs of the documents that are newer than the archive, and when they changed."""
    day = _ARCHIVE.fullmatch(_latest(workspace.path(LATEST)))
    since = datetime.fromisoformat(f"{day[1] if day else '9999-12-31'}T00:00:00+00:00") - _OVERLAP
    gone, changes = _gone(workspace), _dated(workspace.path(CHANGES))
    return {f"{BASE}/{name}": moment for name, moment in changes.items() if moment >= since and name not in gone}


def _gone(workspace: Workspace) -> set[str]:
    """Documents that were deleted, and not written again since."""
    deleted, changes = (_dated(workspace.path(url)) if url in workspace.files else {} for url in (DELETIONS, CHANGES))
    return {name for name, moment in deleted.items() if name not in changes or changes[name] <= moment}


def _fetched(workspace: Workspace, url: str) -> datetime:
    return timestamp(workspace.files[url].fetched_at) or datetime.min.replace(tzinfo=UTC)


# --- files ---------------------------------------------------------------------------------------


def repositories(content: object) -> Iterator[Record]:
    """``{"data": {"rhel-8-for-x86_64-baseos-rpms": {"cpes": ["cpe:/o:redhat:enterprise_linux:8::baseos"]}}}``."""
    for name, entry in _data(content).items():
        for cpe in strings(mapping(entry).get("cpes")):
            yield RepositoryProduct(name, cpe.strip())


def _data(content: object) -> Mapping[str, Any]:
    data = mapping(content).get("data")
    if not isinstance(data, dict):
        raise FeedInvalid("the list of repositories has no 'data'")
    return data


def archive(path: Path, without: set[str]) -> Iterator[Record]:
    """The documents of an archive but for those named; raises FeedInvalid."""
    with inflated(path, MAX_INFLATED) as stream:
        for member, content in tar_files(stream, ".json", MAX_DOCUMENT):
            name = _DOCUMENT.fullmatch(member)
            if name is None or name[1] in without:
                continue
            if content is None:
                yield Skipped("documents too large")
            else:
                yield from document(content)


def document(content: bytes) -> Iterator[Record]:
    """The advisories of one document, one for each vulnerability."""
    try:
        raw = mapping(orjson.loads(content))
    except ValueError:
        yield Skipped("documents that cannot be read")
        return
    head = mapping(raw.get("document"))
    tracking = mapping(head.get("tracking"))
    listed = raw.get("vulnerabilities")
    if not head or not isinstance(listed, list):
        yield Skipped("documents not understood")
        return
    if tracking.get("status") == "deleted":
        return
    tree = csaf.Tree(raw)
    for one in listed:
        vulnerability = mapping(one)
        name = vulnerability.get("cve")
        if not isinstance(name, str) or not name.startswith("CVE-"):
            yield Skipped("vulnerabilities without a CVE")
            continue
        scores, harmless = csaf.ratings(vulnerability, "red hat")
        overall, impact = label(mapping(head.get("aggregate_severity")).get("text")), _impact(vulnerability)
        # An erratum's severity is the worst of its problems, a VEX document's is that of its only one.
        overall = (overall or impact) if head.get("category") == "csaf_vex" else (impact or overall)
        rated = tuple(Rating("red hat", overall, one.vector) for one in scores) or (
            (Rating("red hat", overall),) if overall else ()
        )
        title = head.get("title") if head.get("category") == "csaf_vex" else vulnerability.get("title")
        yield Advisory(
            id=name,
            affected=tuple(_affected(vulnerability, tree, harmless, overall)),
            title=one_line(title),
            published=timestamp(vulnerability.get("release_date")),
            modified=timestamp(tracking.get("current_release_date")),
            url=f"https://access.redhat.com/security/cve/{name}",
            ratings=rated,
        )


# --- one vulnerability ---------------------------------------------------------------------------

_STATES = {
    ("no_fix_planned", "will not fix"): "will_not_fix",
    ("no_fix_planned", "out of support scope"): "end_of_life",
    ("no_fix_planned", ""): "will_not_fix",
    ("none_available", "fix deferred"): "fix_deferred",
    ("none_available", "deferred"): "fix_deferred",
}
_EDITION_RELEASE = re.compile(r"[:_-]el(\d+)")
_BUILD_RELEASE = re.compile(r"[.+~_]a?el(\d{1,2})")
_ERRATUM = re.compile(r"RH[SBE]A-[0-9]{4}:[0-9]{4,}")
_NO_PROGRAM = ("-debuginfo", "-debugsource", "-debuginfo-common")
_SECOND = frozenset({"i386", "i486", "i586", "i686", "s390", "ppc", "noarch", ""})
"""Architectures whose packages come beside another's: that a fix is not for them says nothing."""


def _affected(
    vulnerability: Mapping[str, Any], tree: csaf.Tree, harmless: frozenset[str], overall: str | None
) -> Iterator[Affected]:
    """What is said of packages; a product whose impact is not told has the ``overall`` one."""
    status = mapping(vulnerability.get("product_status"))
    impact = csaf.by_product(vulnerability.get("threats"), "product_ids", "details", {"category": "impact"})

    def components(kind: str) -> list[tuple[str, csaf.Component, str | None]]:
        told = []
        for name in strings(status.get(kind), csaf.MAX_PRODUCTS):
            severity = label(impact.get(name))
            if severity is None and name in harmless:
                continue
            found = tree.component(name)
            if found is not None and found.package.type == "rpm" and not found.package.name.endswith(_NO_PROGRAM):
                told.append((name, found, severity or overall))
        named = {(found.cpe, found.module) for _, found, _ in told if not _source(found)}
        return [one for one in told if not _source(one[1]) or (one[1].cpe, one[1].module) not in named]

    errata = csaf.by_product(vulnerability.get("remediations"), "product_ids", "url", {"category": "vendor_fix"})
    yield from _fixed(
        (found, severity, _erratum(errata.get(name, ""))) for name, found, severity in components("fixed")
    )
    states = _states(vulnerability.get("remediations"))
    told = [(found, severity, states.get(name, "affected")) for name, found, severity in components("known_affected")]
    told += [(found, severity, "under_investigation") for _, found, severity in components("under_investigation")]
    yield from _unfixed(told)


def _source(component: csaf.Component) -> bool:
    return component.package.qualifiers.get("arch") == "src"


def _impact(vulnerability: Mapping[str, Any]) -> str | None:
    """The worst that a vulnerability is rated in any product."""
    threats = vulnerability.get("threats")
    found = {
        label(mapping(one).get("details"))
        for one in (threats if isinstance(threats, list) else ())
        if mapping(one).get("category") == "impact"
    }
    return next((one for one in ("critical", "high", "medium", "low", "negligible") if one in found), None)


def _states(remediations: object) -> dict[str, str]:
    """Product → why there is no fix."""
    found: dict[str, str] = {}
    for one in remediations if isinstance(remediations, list) else ():
        entry = mapping(one)
        category, details = str(entry.get("category")), str(entry.get("details") or "").strip().lower()
        state = _STATES.get((category, details)) or _STATES.get((category, ""))
        if state is not None:
            for name in strings(entry.get("product_ids"), csaf.MAX_PRODUCTS):
                found[name] = state
    return found


def _releases(cpe: str, version: str) -> tuple[str, ...]:
    """The releases that a product is of: as its CPE says, else as the build says, else any."""
    if found := _EDITION_RELEASE.search(cpe):
        return (found[1],)
    parts = cpe.removeprefix("cpe:/").split(":")
    if len(parts) > 3 and (parts[2] == "enterprise_linux" or parts[2].startswith("rhel_")):
        major = parts[3].partition(".")[0]
        if major.isdecimal() and int(major) >= 3 and (parts[2] == "enterprise_linux" or int(major) >= 5):
            return (str(int(major)),)
    if found := _BUILD_RELEASE.search(version):
        return (found[1],)
    return () if version else RELEASES


@lru_cache(maxsize=100_000)
def _order(version: str) -> bytes:
    """Its key; below all others if it has none."""
    try:
        return key(version)
    except VersionInvalid:
        return b""


_Package = tuple[str, str, str, str | None]
"""Namespace, name, module, severity."""


def _erratum(url: str) -> str:
    found = _ERRATUM.search(url)
    return found[0] if found else ""


def _fixed(told: Iterable[tuple[csaf.Component, str | None, str]]) -> Iterator[Affected]:
    """For each package and product the highest fixed build; products that agree are one row. Of several errata with one
    build the first counts."""
    best: dict[tuple[_Package, str], dict[str, tuple[bytes, str]]] = {}
    errata: dict[tuple[_Package, str], str] = {}
    known: dict[str, set[str]] = {}
    for found, severity, erratum in told:
        package = found.package
        arch = "" if _source(found) else package.qualifiers.get("arch", "")
        if not package.version:
            continue
        epoch = package.qualifiers.get("epoch", "0")
        version = package.version if epoch in ("", "0") else f"{epoch}:{package.version}"
        order = _order(version)
        for release in _releases(found.cpe, package.version):
            namespace = f"Red Hat:{release}"
            known.setdefault(namespace, set()).add(arch)
            package_ = (namespace, package.name, found.module, severity)
            builds = best.setdefault((package_, found.cpe), {})
            if erratum:
                errata[package_, version] = min(errata.get((package_, version), erratum), erratum)
            builds[arch] = max(builds.get(arch, (order, version)), (order, version))
    rows: dict[tuple[_Package, str, tuple[str, ...]], set[str]] = {}
    for (package_, cpe), builds in best.items():
        by_version: dict[str, set[str]] = {}
        for arch, (_, version) in builds.items():
            by_version.setdefault(version, set()).add(arch)
        everywhere = known[package_[0]] - _SECOND
        for version, arches in by_version.items():
            only = () if arches & {"noarch", ""} or everywhere <= arches else tuple(sorted(arches))
            rows.setdefault((package_, version, only), set()).add(cpe)
    for (package_, version, only), cpes in rows.items():
        namespace, name, module, severity = package_
        ranges = (Range((("introduced", "0"), ("fixed", version))),)
        yield Affected(namespace, name, ranges, (), "", severity, only, module or None, cpes=tuple(sorted(cpes)),
                       erratum=errata.get((package_, version)))  # fmt: skip


def _unfixed(told: Sequence[tuple[csaf.Component, str | None, str]]) -> Iterator[Affected]:
    rows: dict[tuple[_Package, str], set[str]] = {}
    for found, severity, state in told:
        for release in _releases(found.cpe, ""):
            package = f"Red Hat:{release}", found.package.name, found.module, severity
            rows.setdefault((package, state), set()).add(found.cpe)
    for ((namespace, name, module, severity), state), cpes in rows.items():
        everything = (Range((("introduced", "0"),)),)
        yield Affected(namespace, name, everything, (), state, severity, (), module or None, cpes=tuple(sorted(cpes)))


# --- checks --------------------------------------------------------------------------------------


def check_latest(path: Path) -> None:
    """Raises FeedInvalid unless the file names an archive."""
    _latest(path)


def check_repositories(path: Path) -> None:
    """Raises FeedInvalid unless products of repositories can be read from the file."""
    if next(repositories(load_json(path)), None) is None:
        raise FeedInvalid(f"{path.name} names no repository")


def check_list(path: Path) -> None:
    """Raises FeedInvalid for something that is no list of documents; it may be empty."""
    if path.stat().st_size and not _dated(path):
        raise FeedInvalid(f"{path.name} lists no document")


def check_document(path: Path) -> None:
    """Raises FeedInvalid unless the file is a CSAF document."""
    if any(isinstance(record, Skipped) for record in document(path.read_bytes())):
        raise FeedInvalid(f"{path.name} is no CSAF document")


def check_archive(path: Path) -> None:
    """Raises FeedInvalid unless the whole file can be inflated and holds documents."""
    with inflated(path, MAX_INFLATED) as stream:
        if not sum(_DOCUMENT.fullmatch(name) is not None for name, _ in tar_files(stream, ".json", 0)):
            raise FeedInvalid(f"{path.name} holds no document")


FEED = RedHatFeed()

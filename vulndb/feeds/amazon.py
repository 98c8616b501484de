"""Amazon Linux: the ``updateinfo.xml`` of each release's core repository.

A repository is found by its ``mirror.list`` (one base URL, with a hash that changes with every update), whose
``repodata/repomd.xml`` names the file and its checksum. Format: createrepo's, ``<updates><update type><id>,
<severity>, <references><reference type="cve" id>, <pkglist><collection><package name epoch version release
arch>``. Binary packages are listed by architecture, so both architectures' repositories are read; what they
say alike is about every architecture. Updates that name no CVE are no advisories.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit
from xml.etree.ElementTree import Element

from grid.errors import FeedInvalid
from vulndb.feed import MIB, Source, Transport, Workspace, fetch_one, finish, keep_only, one_line, timestamp
from vulndb.groups import is_cve
from vulndb.ratings import label
from vulndb.records import Advisory, Affected, Range, Rating, Record, Skipped
from vulndb.streams import elements, inflated, text_of

HOST = "https://cdn.amazonlinux.com"
RELEASES = {"Amazon Linux:2": "2/core/latest", "Amazon Linux:2023": "al2023/core/mirrors/latest"}
"""Namespace → where its core repositories' mirror lists are; the first folder is the release's alone."""
ARCHES = ("x86_64", "aarch64")
_MAX_INFLATED = 2048 * MIB
_BASE = re.compile(rf"{re.escape(HOST)}/[\w./-]+")


class AmazonFeed:
    """See ``vulndb.feed.Feed``."""

    name = "amazon"
    version = 1
    verdicts = True

    def fetch(self, workspace: Workspace, transport: Transport, ecosystems: Sequence[str] = ()) -> None:
        changed, reached, kept = False, 0, set[str]()
        for release in RELEASES.values():
            for arch in ARCHES:
                outcome, urls = _repository(workspace, transport, release, arch)
                changed |= outcome == "new"
                reached += outcome in ("new", "unchanged")
                kept |= urls
        keep_only(workspace, kept)
        if not workspace.files and not workspace.failures:
            first = mirror_list(next(iter(RELEASES.values())), ARCHES[0])
            workspace.failures[first] = f"{first} does not exist"
        finish(workspace, changed, reached)

    def parse(self, workspace: Workspace) -> Iterator[Record]:
        for namespace, release in RELEASES.items():
            start = f"{HOST}/{release.partition('/')[0]}/"
            updates = [
                path for state, path in workspace.present() if state.url.startswith(start) and "updateinfo" in path.name
            ]
            yield from records(updates, namespace)


def mirror_list(release: str, arch: str) -> str:
    """The URL of a repository's mirror list."""
    return f"{HOST}/{release}/{arch}/mirror.list"


def _repository(workspace: Workspace, transport: Transport, release: str, arch: str) -> tuple[str, set[str]]:
    """Fetch list, index and updates of one repository; (outcome, URLs to keep). A failure keeps what there was."""
    start = f"{HOST}/{release.partition('/')[0]}/"
    first = mirror_list(release, arch)
    before = {url for url in workspace.files if url.startswith(start) and f"/{arch}/" in url} | {first}
    outcome: str = fetch_one(workspace, transport, Source(first, MIB, optional=True), _check_list)
    if outcome not in ("new", "unchanged"):
        return outcome, before
    base = _base(workspace.path(first))
    index = f"{base}/repodata/repomd.xml"
    outcome = fetch_one(workspace, transport, Source(index, 16 * MIB), _check_index)
    if outcome not in ("new", "unchanged"):
        return outcome, before | {index}
    place, digest = _updateinfo(workspace.path(index))
    url = f"{base}/{place}"
    outcome = fetch_one(workspace, transport, Source(url, 256 * MIB), _checker(digest))
    return outcome, {first, index, url} if outcome in ("new", "unchanged") else before | {index, url}


def _base(path: Path) -> str:
    """The repository's URL; raises FeedInvalid unless it is on the same host."""
    line = path.read_text("utf-8", "replace").strip().partition("\n")[0].strip().rstrip("/")
    if not _BASE.fullmatch(line) or ".." in urlsplit(line).path:
        raise FeedInvalid(f"{path.name} does not name a repository of {HOST}")
    return line


def _updateinfo(path: Path) -> tuple[str, str]:
    """(path below the repository, sha256) of the updates."""
    with inflated(path, 16 * MIB) as stream:
        for element in elements(stream, {"data"}):
            if element.get("type") != "updateinfo":
                continue
            location, checksum = element.find("location"), element.find("checksum[@type='sha256']")
            place = location.get("href", "") if location is not None else ""
            if re.fullmatch(r"repodata/[\w.-]+", place) and checksum is not None and checksum.text:
                return place, checksum.text.strip().lower()
    raise FeedInvalid(f"{path.name} names no updateinfo")


def _check_list(path: Path) -> None:
    _base(path)


def _check_index(path: Path) -> None:
    _updateinfo(path)


def _checker(digest: str) -> Callable[[Path], None]:
    def check(path: Path) -> None:
        with path.open("rb") as stream:
            if hashlib.file_digest(stream, "sha256").hexdigest() != digest:
                raise FeedInvalid(f"{path.name} does not have the checksum that its index gives")
        if not sum(isinstance(record, Advisory) for record in records([path], "Amazon Linux:2")):
            raise FeedInvalid(f"{path.name} holds no advisory")

    return check


# --- the updates ---------------------------------------------------------------------------------

_Builds = dict[str, dict[str, set[str]]]
"""Package → fixed version → architectures."""


def records(paths: Sequence[Path], namespace: str) -> Iterator[Record]:
    """The advisories of a release's repositories; raises FeedInvalid if a file is none of updates.

    Packages of an update are gathered from all files, then told once: an update stands in each repository.
    """
    told: dict[str, tuple[Advisory, _Builds]] = {}
    for path in paths:
        with inflated(path, _MAX_INFLATED) as stream:
            for update in elements(stream, {"update"}):
                name = text_of(update, "id")
                if not name:
                    yield Skipped("updates without an id")
                    continue
                known, builds = told.setdefault(name, (_advisory(name, update), {}))
                if known.upstream:
                    _gather(update, builds)
    for advisory, builds in told.values():
        if advisory.upstream and builds:
            severity = advisory.ratings[0].label if advisory.ratings else None
            listed = tuple(_affected(namespace, builds, severity))
            yield Advisory(
                advisory.id, listed, (), advisory.upstream, advisory.title, advisory.published, advisory.modified,
                advisory.url,
            )  # fmt: skip


def _advisory(name: str, update: Element) -> Advisory:
    cves = [(one.get("id") or one.get("title") or "").strip().upper() for one in update.iterfind("references/reference")
            if (one.get("type") or "").lower() == "cve"]  # fmt: skip
    release = "AL2023" if name.startswith("ALAS2023") else "AL2"
    page = name.replace("ALAS2023-", "ALAS-").replace("ALAS2-", "ALAS-")
    severity = label(text_of(update, "severity"))
    return Advisory(
        id=name,
        affected=(),
        upstream=tuple(dict.fromkeys(filter(is_cve, cves))),
        title=one_line(text_of(update, "title")),
        published=_date(update, "issued"),
        modified=_date(update, "updated"),
        url=f"https://alas.aws.amazon.com/{release}/{page}.html",
        ratings=(Rating("amazon linux", severity),) if severity else (),
    )


def _date(update: Element, name: str) -> datetime | None:
    element = update.find(name)
    return timestamp((element.get("date") or "").strip()) if element is not None else None


def _gather(update: Element, builds: _Builds) -> None:
    for package in update.iterfind("pkglist/collection/package"):
        name, version, release = (package.get(key) or "" for key in ("name", "version", "release"))
        arch = package.get("arch") or "noarch"
        if name and version and arch != "src":
            fixed = f"{package.get('epoch') or '0'}:".removeprefix("0:") + version + (f"-{release}" if release else "")
            builds.setdefault(name, {}).setdefault(fixed, set()).add(arch)


def _affected(namespace: str, builds: _Builds, severity: str | None) -> Iterator[Affected]:
    """One fix for all that are listed is a fix for all; else each is for its own architectures."""
    for name, fixes in builds.items():
        for fixed, arches in fixes.items():
            only = () if len(fixes) == 1 or "noarch" in arches else tuple(sorted(arches))
            ranges = (Range((("introduced", "0"), ("fixed", fixed))),)
            yield Affected(namespace, name, ranges, (), "", severity, only)


FEED = AmazonFeed()

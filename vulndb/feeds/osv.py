"""OSV: a zip of JSON records for each ecosystem, and what has changed since (``_osv_changes``).

Format: https://ossf.github.io/osv-schema/. A record that speaks of several ecosystems stands in the zip of
each, so from one zip only what concerns its own ecosystem is taken. By default the ecosystems that
``grid.ecosystems`` can order are fetched; others are taken on request, and stay from then on.

Chainguard's records (``CGA-``, of Wolfi, too), as of version 3 of its feed: one about each component of each build of a
package, resolved or not. ``ecosystem_specific.components[].latest_event_status`` says how far it has come (seen in
aquasecurity/vuln-list-update, chainguard/osv/testdata). For which architecture a build is, as its purl says, is not
taken: one in eleven is listed for one only, though all are built from the same source (aquasecurity/trivy, #11015).

| status                                        | state               |
| --------------------------------------------- | ------------------- |
| ``detection``                                 | under_investigation |
| ``pending_upstream_fix``                      | fix_deferred        |
| ``fix_not_planned``, ``analysis_not_planned`` | will_not_fix        |
| others                                        | affected            |
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import orjson

from grid.ecosystems import BY_OSV
from grid.errors import FeedInvalid, UsageError
from vulndb.feed import MIB, Source, Transport, Workspace, fetch_one, finish, mapping, one_line, strings, timestamp
from vulndb.feeds._osv_changes import bring, changes, changes_url
from vulndb.groups import is_distribution
from vulndb.ratings import label
from vulndb.records import Advisory, Affected, Range, Rating, Record, Skipped

HOST = "https://osv-vulnerabilities.storage.googleapis.com"
LIST = f"{HOST}/ecosystems.txt"
_ZIP = "/all.zip"
MAX_ZIP = 4096 * MIB
MAX_RECORD = 32 * MIB
"""Uncompressed bytes; the largest real ones (Linux kernel errata) have a few."""
MAX_RECORDS = 5_000_000
MAX_TOTAL = 64 * 1024 * MIB
"""Uncompressed bytes of a whole zip."""
_ELSEWHERE = frozenset({"Amazon Linux", "Arch Linux", "Fedora", "Oracle Linux", "Red Hat", "SecureOS"})
"""Namespaces of ours that are named in OSV's manner, but that OSV does not have, or (Red Hat) has in other words."""
_CHAINGUARD = ("Chainguard", "Wolfi")
_UNRESOLVED = {"detection": "under_investigation", "pending_upstream_fix": "fix_deferred",
               "fix_not_planned": "will_not_fix", "analysis_not_planned": "will_not_fix"}  # fmt: skip
_MAX_ID = 200
_KINDS = ("introduced", "fixed", "last_affected", "limit")
_RELATED_IS_UPSTREAM = ("ALSA-", "ALBA-", "ALEA-", "RLSA-", "RLBA-", "RLEA-", "RXSA-")
"""Errata whose publishers list the CVEs they fix under ``related``."""
_NO_PROBLEM = ("ALBA-", "ALEA-", "RLBA-", "RLEA-")
"""Errata that mend bugs or bring news: of no concern, unless they name a CVE that they fix as well."""
_RATERS = {"CVE": "nvd", "DEBIAN": "nvd", "ALPINE": "nvd", "DSA": "debian", "DLA": "debian", "USN": "ubuntu",
           "ALSA": "almalinux", "RLSA": "rocky linux", "BIT": "bitnami"}  # fmt: skip
"""Who rated, by the id's prefix, where it is not the prefix itself: OSV fills these in from the NVD."""


def url(ecosystem: str) -> str:
    """Where OSV publishes an ecosystem (a suffix such as ``:12`` is dropped)."""
    return f"{HOST}/{quote(ecosystem.partition(':')[0], safe='')}/all.zip"


class OsvFeed:
    """See ``vulndb.feed.Feed``."""

    name = "osv"
    version = 8
    verdicts = False

    def fetch(self, workspace: Workspace, transport: Transport, ecosystems: Sequence[str] = ()) -> None:
        there = _listed(workspace, transport)
        for name in ecosystems:
            if there and name.partition(":")[0] not in there:
                raise _unknown(name)
        wanted = {
            url(name): Source(url(name), MAX_ZIP, optional=True)
            for name in BY_OSV
            if name not in _ELSEWHERE and (not there or name in there)
        }
        zips = [known for known in workspace.files if known.endswith(_ZIP)]
        wanted |= {known: Source(known, MAX_ZIP) for known in zips if known not in wanted}
        for name in ecosystems:
            wanted[url(name)] = Source(url(name), MAX_ZIP)
        try:
            outcomes = [bring(workspace, transport, source, check) for source in wanted.values()]
            finish(workspace, "new" in outcomes, sum(outcome != "failed" for outcome in outcomes))
        finally:
            for name in ecosystems:
                if workspace.failures.get(url(name), "").endswith("does not exist"):
                    del workspace.failures[url(name)]
                    workspace.save()
                    raise _unknown(name)

    def parts(self, urls: Iterable[str]) -> dict[str, list[str]]:
        """One for each ecosystem."""
        found: dict[str, list[str]] = {}
        for one in urls:
            found.setdefault(unquote(urlsplit(one).path).split("/")[1], []).append(one)
        return found

    def parse(self, workspace: Workspace) -> Iterator[Record]:
        for state, path in workspace.present():
            if not state.url.endswith(_ZIP):
                continue
            ecosystem = unquote(urlsplit(state.url).path).split("/")[1]
            newer = changes(workspace.path(changes_url(state.url))) if changes_url(state.url) in workspace.files else {}
            yield from archive(path, ecosystem, newer.keys())
            for record in newer.values():
                if record is not None:
                    yield from _told(advisory(record, ecosystem), ecosystem)


def _listed(workspace: Workspace, transport: Transport) -> set[str]:
    """The ecosystems that there are; empty where that cannot be had, as from a mirror."""
    outcome = fetch_one(workspace, transport, Source(LIST, MIB, optional=True), _check_names, aside=True)
    workspace.failures.pop(LIST, None)
    if outcome not in ("new", "unchanged"):
        return set()
    return _names(workspace.path(LIST))


def _names(path: Path) -> set[str]:
    lines = path.read_text("utf-8", "replace").splitlines()
    return {line.strip().partition(":")[0] for line in lines if line.strip()}


def _check_names(path: Path) -> None:
    names = _names(path)
    if not names or any("<" in name or len(name) > _MAX_ID for name in names):
        raise FeedInvalid(f"{path.name} is not a list of names")


def _unknown(name: str) -> UsageError:
    return UsageError(f"OSV has no ecosystem {name!r}", remedy=f"see {LIST} for their names; a mirror may hold fewer")


def check(path: Path) -> None:
    """Raises FeedInvalid unless the file is a zip of records."""
    try:
        with zipfile.ZipFile(path) as zipped:
            if not any(name.endswith(".json") for name in zipped.namelist()):
                raise FeedInvalid(f"{path.name} holds no record")
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise FeedInvalid(f"{path.name} is not a zip: {error}") from error


def archive(path: Path, ecosystem: str, newer: Container[str] = ()) -> Iterator[Record]:
    """The records of one zip that concern ``ecosystem``, one in memory at a time; raises FeedInvalid.

    Those whose id is in ``newer`` are left out: the zip's are out of date.
    """
    total = 0
    try:
        with zipfile.ZipFile(path) as zipped:
            for number, info in enumerate(zipped.infolist()):
                if not info.filename.endswith(".json") or info.filename.rpartition("/")[2][:-5] in newer:
                    continue
                total += min(info.file_size, MAX_RECORD)
                if number >= MAX_RECORDS or total > MAX_TOTAL:
                    raise FeedInvalid(f"{ecosystem}: the zip holds more than any real one")
                if info.file_size > MAX_RECORD:
                    yield Skipped(f"{ecosystem}: records too large")
                    continue
                try:
                    with zipped.open(info) as stream:
                        raw = orjson.loads(stream.read(MAX_RECORD))
                except (zipfile.BadZipFile, OSError, ValueError, EOFError, NotImplementedError, RuntimeError):
                    yield Skipped(f"{ecosystem}: records that cannot be read")
                    continue
                yield from _told(advisory(raw, ecosystem), ecosystem)
    except (zipfile.BadZipFile, OSError) as error:
        raise FeedInvalid(f"{path.name} is not a zip: {error}") from error


def _told(found: Advisory | Skipped | None, ecosystem: str) -> Iterator[Record]:
    if isinstance(found, Skipped):
        yield Skipped(f"{ecosystem}: {found.reason}")
    elif found is not None:
        yield found


def advisory(raw: object, ecosystem: str | None = None) -> Advisory | Skipped | None:
    """One OSV record; None if it is withdrawn, tells no problem, or no package of ``ecosystem`` (None = any)."""
    record = mapping(raw)
    name = record.get("id")
    if not isinstance(name, str) or not name or len(name) > _MAX_ID:
        return Skipped("records without an id")
    if record.get("withdrawn"):
        return None
    entries = record.get("affected")
    affected = [one for entry in entries or () if (one := _affected(mapping(entry), ecosystem)) is not None] \
        if isinstance(entries, list | None) else []  # fmt: skip
    if not affected:
        return None
    if name.startswith("UBUNTU-"):
        affected = list(_beside_pro(affected))
    if found := _MODULE.search(str(record.get("summary"))):
        affected = [_of_module(one, found["module"]) for one in affected]
    upstream = strings(record.get("upstream"))
    if name.startswith(_RELATED_IS_UPSTREAM) and not upstream:
        upstream = strings(record.get("related"))
    if name.startswith(_NO_PROBLEM) and not upstream:
        return None
    return Advisory(
        id=name,
        affected=tuple(affected),
        aliases=tuple(a for a in strings(record.get("aliases")) if a != name and len(a) <= _MAX_ID),
        upstream=tuple(u for u in upstream if u != name and len(u) <= _MAX_ID),
        title=one_line(record.get("summary")) or one_line(record.get("details")),
        published=timestamp(record.get("published")),
        modified=timestamp(record.get("modified")),
        url=_link(name, record.get("references")),
        ratings=tuple(_ratings(name, record)),
    )


_PRO = re.compile(r"Ubuntu:Pro:(\d\d\.\d\d(?::LTS)?)")
_MODULE = re.compile(
    r"(?:^|[\s:])(?P<module>\w[\w.+-]*:[\w.+-]+)(?:/\S+)?"
    r"(?: (?:security|bug fix|enhancement|metadata)\b|$)"
)
"""In the titles of AlmaLinux and Rocky: ``Moderate: mariadb:10.3 security, bug fix, and enhancement update``,
``new module: ruby:3.0``, ``Important: httpd:2.4/mod_http2 security update``."""

_SCORES = ("cvss_v4", "cvss_v3", "cvss_v2")
"""Where ruby-advisory-db has base scores, without their vectors; the newest standard counts."""
_ERRATUM = re.compile(r"(?:ALSA|RLSA|RXSA) (?P<word>Critical|Important|Moderate|Low): ")
"""How the errata of AlmaLinux and Rocky begin, which say how grave they are in their titles only."""


def _beside_pro(affected: Sequence[Affected]) -> Iterator[Affected]:
    """What is fixed for subscribers only stays affected for all others, up to that fix, which is named.

    Where a record says nothing of the release itself, it is affected as far as its subscribers were. What other
    channels fix (FIPS, real-time) says nothing about it.
    """
    said = {(one.namespace, one.name) for one in affected}
    paid: dict[tuple[str, str], Affected] = {}
    for one in affected:
        if found := _PRO.fullmatch(one.namespace):
            paid[f"Ubuntu:{found[1]}", one.name] = one
    for one in affected:
        pro = paid.get((one.namespace, one.name))
        yield replace(one, subscriber_fix=_fix(pro)) if pro is not None and _fix(one) is None else one
    for place, pro in paid.items():
        if place not in said:
            ranges = tuple(replace(each, unreleased=True) for each in pro.ranges)
            versions = () if ranges else pro.versions
            yield replace(pro, namespace=place[0], ranges=ranges, versions=versions, subscriber_fix=_fix(pro))


def _fix(affected: Affected) -> str | None:
    """The last fixed version that it names."""
    return next((v for each in reversed(affected.ranges) for kind, v in each.events if kind == "fixed"), None)


def _of_module(affected: Affected, module: str) -> Affected:
    """The same, said of a module's builds if its fixed versions are such builds."""
    fixed = [version for each in affected.ranges for kind, version in each.events if kind == "fixed"]
    if not affected.namespace.startswith(("AlmaLinux", "Rocky Linux", "Red Hat")):
        return affected
    return replace(affected, module=module) if any(".module" in version for version in fixed) else affected


def _affected(entry: Mapping[str, Any], ecosystem: str | None) -> Affected | None:
    package = mapping(entry.get("package"))
    namespace, name = package.get("ecosystem"), package.get("name")
    if not isinstance(namespace, str) or not isinstance(name, str) or not namespace or not name:
        return None
    if ecosystem is not None and namespace.partition(":")[0] != ecosystem:
        return None
    listed = entry.get("ranges")
    ranges = tuple(
        Range(events)
        for one in (listed if isinstance(listed, list) else ())
        if mapping(one).get("type") in ("ECOSYSTEM", "SEMVER") and (events := _events(mapping(one).get("events")))
    )
    versions = strings(entry.get("versions"))
    if not ranges and not versions:
        return None
    binaries = _binaries(entry, ranges, versions) if namespace.startswith("Ubuntu:") else ()
    found = Affected(namespace, name, ranges, versions, severity=_severity(namespace, entry), binaries=binaries)
    return replace(found, state=_unresolved(entry)) if namespace in _CHAINGUARD and _fix(found) is None else found


def _binaries(entry: Mapping[str, Any], ranges: Iterable[Range], versions: Iterable[str]) -> tuple[str, ...]:
    """What Ubuntu's records say is built from the source, as far as it has a version of the source's.

    ``[{"binary_name": "libssl3", "binary_version": "3.0.2-0ubuntu1.10"}]``, of the build that fixes the problem, else
    of the latest. Binaries that count their own versions (``g++`` of ``gcc-defaults``) cannot be compared with it.
    """
    known = {*versions, *(version for one in ranges for _, version in one.events)}
    listed = mapping(entry.get("ecosystem_specific")).get("binaries")
    return tuple(
        name
        for one in (listed if isinstance(listed, list) else ())
        if isinstance(name := mapping(one).get("binary_name"), str) and mapping(one).get("binary_version") in known
    )


def _unresolved(entry: Mapping[str, Any]) -> str:
    """Why Chainguard has no fix, if it gives one reason for all components; "" is affected."""
    listed = mapping(entry.get("ecosystem_specific")).get("components")
    words = [mapping(one).get("latest_event_status") for one in (listed if isinstance(listed, list) else ())]
    states = {_UNRESOLVED.get(word, "") if isinstance(word, str) else "" for word in words}
    return states.pop() if len(states) == 1 else ""


def _events(listed: object) -> tuple[tuple[str, str], ...]:
    """One object may hold several kinds of event, in practice."""
    return tuple(
        (kind, version)
        for event in (listed if isinstance(listed, list) else ())
        if isinstance(event, dict)
        for kind in (_KINDS if len(event) > 1 else event)
        if kind in _KINDS and isinstance(told := event.get(kind), str) and (version := told.strip())
    )


def _severity(namespace: str, entry: Mapping[str, Any]) -> str | None:
    """A distribution's own word on this package."""
    if not is_distribution(namespace):
        return None
    for place in (mapping(entry.get("ecosystem_specific")), mapping(entry.get("database_specific"))):
        for field in ("urgency", "ubuntu_priority", "priority", "severity"):
            if (found := label(place.get(field))) is not None:
                return found
    return None


def _ratings(name: str, record: Mapping[str, Any]) -> Iterator[Rating]:
    prefix = name.partition("-")[0]
    rater = _RATERS.get(prefix, prefix.lower())
    if prefix == "MAL":  # the package itself is the attack; such records carry no rating
        yield Rating("malicious-packages", label="critical")
    lists = [record.get("severity")]
    entries = record.get("affected")
    if not lists[0] and isinstance(entries, list):
        lists = [mapping(entry).get("severity") for entry in entries]
    for listed in lists:
        for one in listed if isinstance(listed, list) else ():
            kind, score = mapping(one).get("type"), mapping(one).get("score")
            if not isinstance(kind, str) or not isinstance(score, str):
                continue
            if kind.startswith("CVSS"):
                yield Rating(rater, vector=score)
            elif (word := label(score)) is not None:
                yield Rating(kind.lower(), label=word)
    own = mapping(record.get("database_specific"))
    if not record.get("severity") and (base := _base_score(own)) is not None:
        yield Rating(rater, score=base)
    if (word := label(own.get("severity"))) is not None:
        yield Rating(rater, label=word)
    elif prefix == "RUSTSEC" and not record.get("severity") and (kind := _informational(record)) is not None:
        yield Rating(rater, label=kind)
    elif found := _ERRATUM.match(f"{prefix} {record.get('summary')}"):
        yield Rating(rater, label=label(found["word"]))


def _base_score(own: Mapping[str, Any]) -> float | None:
    for field in _SCORES:
        try:
            score = float(own.get(field) or 0)
        except (TypeError, ValueError):
            continue
        if 0 < score <= 10:
            return score
    return None


def _informational(record: Mapping[str, Any]) -> str | None:
    """RustSec's word for what is no vulnerability (yet): nobody maintains it, or its users should know something.

    ``unsound`` says nothing of how grave it is.
    """
    entries = record.get("affected")
    kinds = {
        mapping(mapping(entry).get("database_specific")).get("informational")
        for entry in (entries if isinstance(entries, list) else ())
    }
    return "negligible" if kinds and kinds <= {"unmaintained", "notice"} else None


def _link(name: str, references: object) -> str:
    best: dict[str, str] = {}
    for reference in references if isinstance(references, list) else ():
        kind, link = mapping(reference).get("type"), mapping(reference).get("url")
        if isinstance(kind, str) and isinstance(link, str) and link.startswith(("https://", "http://")):
            best.setdefault(kind, link)
    if name.startswith("GHSA-"):
        return f"https://github.com/advisories/{name}"
    return best.get("ADVISORY") or f"https://osv.dev/vulnerability/{name}"


FEED = OsvFeed()

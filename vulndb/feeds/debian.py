"""Debian's security tracker: for each source package and CVE, what holds in each release.

Format (https://security-tracker.debian.org/tracker/data/json): ``{SOURCE: {CVE: {"description", "releases":
{CODENAME: {"status", "repositories", "fixed_version", "urgency", "nodsa", "nodsa_reason"}}}}}``.

| tracker says                                        | we say                                          |
| --------------------------------------------------- | ----------------------------------------------- |
| ``undetermined``                                    | nothing: another feed may know                  |
| ``resolved``, fixed in ``0``                        | not affected, and no other feed may disagree    |
| ``resolved``, fixed in what the release ships       | fixed                                           |
| ``resolved``, fixed only above what it ships        | affected below that version, no fix to be had   |
| ``open``                                            | affected                                        |
| … with ``nodsa_reason`` ``postponed``               | fix_deferred                                    |
| … with ``nodsa_reason`` ``ignored``, or ``nodsa``   | will_not_fix                                    |
| … with urgency ``end-of-life``                      | end_of_life                                     |
| urgency ``unimportant``, ``low``, ``medium``, ``high`` | negligible, low, medium, high (stars dropped) |
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from grid.ecosystems.deb import CODENAMES
from grid.errors import FeedInvalid, VersionInvalid
from grid.keys.dpkg import key
from vulndb.feed import MIB, Source, mapping, one_line
from vulndb.plain import FileFeed
from vulndb.ratings import label
from vulndb.records import Advisory, Affected, Range, Record, Skipped

URL = "https://security-tracker.debian.org/tracker/data/json"
_CHUNK = 1 * MIB
_LARGEST = 256 * MIB
"""Characters of one source package's entry."""


def records(path: Path) -> Iterator[Record]:
    """The advisories of the tracker's file; raises FeedInvalid if it is not one."""
    unknown: set[str] = set()
    for source, problems in members(path):
        for problem, entry in mapping(problems).items():
            releases = mapping(mapping(entry).get("releases"))
            affected = []
            for codename, status in releases.items():
                major = CODENAMES.get(codename)
                if major is None:
                    if codename != "sid":  # what runs sid is matched as the release to come
                        unknown.add(codename)
                    continue
                found = _affected(f"Debian:{major}", source, mapping(status))
                if found is not None:
                    affected.append(found)
            if not releases:
                yield Skipped("entries not understood")
            elif affected:
                yield Advisory(
                    id=problem,
                    affected=tuple(affected),
                    title=one_line(mapping(entry).get("description")),
                    url=f"https://security-tracker.debian.org/tracker/{problem}",
                )
    for codename in sorted(unknown):
        yield Skipped(f"release {codename[:40]!r} is not known")


def _affected(namespace: str, name: str, status: Mapping[str, Any]) -> Affected | None:
    urgency = status.get("urgency")
    severity = label(urgency)
    if status.get("status") == "resolved":
        fixed = status.get("fixed_version")
        if not isinstance(fixed, str) or not fixed:
            return None
        if fixed == "0":
            return Affected(namespace, name)
        late = _later(fixed, mapping(status.get("repositories")))
        return Affected(
            namespace, name, ranges=(Range((("introduced", "0"), ("fixed", fixed)), late),), severity=severity
        )
    if status.get("status") != "open":
        return None
    reason = status.get("nodsa_reason")
    if urgency == "end-of-life":
        state = "end_of_life"
    elif reason == "postponed":
        state = "fix_deferred"
    elif reason == "ignored" or status.get("nodsa"):
        state = "will_not_fix"
    else:
        state = "affected"
    return Affected(namespace, name, ranges=(Range((("introduced", "0"),)),), state=state, severity=severity)


def _later(fixed: str, repositories: Mapping[str, Any]) -> bool:
    """Whether the fix is above everything that the release ships."""
    try:
        shipped = [key(version) for version in repositories.values() if isinstance(version, str)]
        return bool(shipped) and key(fixed) > max(shipped)
    except VersionInvalid:
        return False


def members(path: Path) -> Iterator[tuple[str, Any]]:
    """The members of a JSON object too large to load whole, one after the other; raises FeedInvalid.

    Memory holds the largest member, not the file (the tracker's is 70 MB, a gigabyte as objects).
    """
    decoder = json.JSONDecoder()
    with path.open(encoding="utf-8", errors="strict") as stream:
        buffer, at, ended = "", 0, False

        def more() -> None:
            nonlocal buffer, at, ended
            fresh = stream.read(max(_CHUNK, len(buffer) - at))  # doubling: a long member is not rescanned often
            ended = not fresh
            buffer, at = buffer[at:] + fresh, 0
            if len(buffer) > _LARGEST:
                raise FeedInvalid(f"{path.name}: one member has more than {_LARGEST} characters")

        def skip(allowed: str) -> str:
            """Move over blanks and return the next character, "" at the end; ``allowed`` it must be one of."""
            nonlocal at
            while True:
                while at < len(buffer) and buffer[at] in " \t\r\n":
                    at += 1
                if at < len(buffer) or ended:
                    break
                more()
            found = buffer[at : at + 1]
            if found not in allowed or not found:
                raise FeedInvalid(f"{path.name} is not one whole JSON object")
            return found

        def value() -> Any:
            nonlocal at
            while True:
                try:
                    found, end = decoder.raw_decode(buffer, at)
                except (ValueError, RecursionError) as error:
                    if ended or isinstance(error, RecursionError):
                        raise FeedInvalid(f"{path.name} is not JSON: {error}") from error
                    more()
                    continue
                at = end
                return found

        try:
            skip("{")
            at += 1
            if skip('"}') == "}":
                return
            while True:
                skip('"')
                name = value()
                skip(":")
                at += 1
                skip('{["')
                yield name, value()
                if skip(",}") == "}":
                    return
                at += 1
        except UnicodeDecodeError as error:
            raise FeedInvalid(f"{path.name} is not UTF-8") from error


def read(address: str, path: Path) -> Iterator[Record]:
    """``records`` of a file."""
    yield from records(path)


FEED = FileFeed("debian", [Source(URL)], read)

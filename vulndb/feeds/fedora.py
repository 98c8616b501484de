"""Fedora: the updates that its update system, Bodhi, has pushed for security.

Format: https://bodhi.fedoraproject.org/docs/server_api/rest/updates.html: pages of ``{"updates": [{"alias", "title",
"severity", "release": {"name": "F40"}, "builds": [{"nvr", "epoch"}], "bugs": [{"title"}]}], "page", "pages"}``. A build
is a source package; the CVEs stand in the titles of bugs and of the update, else in its notes. Fedora says nothing
about problems that it has not fixed.

Updates are asked for by the month in which they were pushed: a month that is over does not change, so it is fetched
once, and an update of this database asks for the running month only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from grid.errors import FeedInvalid
from vulndb.feed import (
    MIB,
    Source,
    Transport,
    Workspace,
    fetch_one,
    finish,
    keep_only,
    load_json,
    mapping,
    one_line,
    timestamp,
)
from vulndb.ratings import label
from vulndb.records import Advisory, Affected, Range, Rating, Record, Skipped

HOST = "https://bodhi.fedoraproject.org/updates/"
MONTHS = 25
"""A release is supported for thirteen months; images live a while longer."""
MAX_PAGES = 200
"""Pages of one month; real months have about five."""
_PAGE = 100
_SETTLED = timedelta(days=2)
"""What was fetched so long after the end of a month is the whole of it."""
_RELEASE = re.compile(r"F(\d{1,3})")
_NVR = re.compile(r"(.+)-([^-\s]+)-([^-\s]+)")
_CVE = re.compile(r"CVE-\d{4}-\d{4,}")


class FedoraFeed:
    """See ``vulndb.feed.Feed``."""

    name = "fedora"
    version = 1
    verdicts = True

    def fetch(self, workspace: Workspace, transport: Transport, ecosystems: Sequence[str] = ()) -> None:
        changed, reached, kept = False, 0, set[str]()
        for start, end in months(_today()):
            before = [u for u in workspace.files if _month(u) == start.isoformat()]
            if before and all(_settled(workspace, u, end) for u in before) and url(start, end, 1) in before:
                kept |= set(before)
                reached += 1
                continue
            number, pages = 1, 1
            while number <= min(pages, MAX_PAGES):
                page = Source(url(start, end, number), 64 * MIB, optional=True)
                outcome = fetch_one(workspace, transport, page, check)
                changed |= outcome == "new"
                reached += outcome in ("new", "unchanged")
                kept.add(page.url)
                if outcome not in ("new", "unchanged"):
                    kept |= set(before)
                    break
                pages = _pages(workspace.path(page.url))
                number += 1
        keep_only(workspace, kept)
        if not workspace.files and not workspace.failures:
            workspace.failures[HOST] = f"{HOST} does not exist"
        finish(workspace, changed, reached)

    def parse(self, workspace: Workspace) -> Iterator[Record]:
        seen: set[str] = set()
        for _, path in workspace.present():
            for record in records(load_json(path)):
                if isinstance(record, Advisory):
                    if record.id in seen:  # pages move while they are read
                        continue
                    seen.add(record.id)
                yield record


def _today() -> date:
    return datetime.now(UTC).date()


def months(today: date) -> Iterator[tuple[date, date]]:
    """(first day, first day of the next) of the last months, oldest first."""
    for back in range(MONTHS - 1, -1, -1):
        number = today.year * 12 + today.month - 1 - back
        yield date(number // 12, number % 12 + 1, 1), date((number + 1) // 12, (number + 1) % 12 + 1, 1)


def url(start: date, end: date, page: int) -> str:
    """One page of the security updates that became stable from ``start`` to before ``end``."""
    return (
        f"{HOST}?type=security&status=stable&pushed_since={start}&pushed_before={end}&rows_per_page={_PAGE}&page={page}"
    )


def _month(address: str) -> str:
    return "".join(parse_qs(urlsplit(address).query).get("pushed_since", ()))


def _settled(workspace: Workspace, address: str, end: date) -> bool:
    fetched = timestamp(workspace.files[address].fetched_at)
    return fetched is not None and fetched.date() >= end + _SETTLED


def _pages(path: Path) -> int:
    pages = mapping(load_json(path)).get("pages")
    return pages if isinstance(pages, int) else 1


def records(document: object) -> Iterator[Record]:
    """The updates of one page; raises FeedInvalid if it is none."""
    updates = mapping(document).get("updates")
    if not isinstance(updates, list):
        raise FeedInvalid("Bodhi's answer has no 'updates'")
    for entry in updates:
        update = mapping(entry)
        release = _RELEASE.fullmatch(str(mapping(update.get("release")).get("name")))
        if release is None or update.get("type") != "security" or update.get("status") != "stable":
            continue  # EPEL, containers, flatpaks; what a mirror has kept of another answer
        name = update.get("alias")
        affected = tuple(_affected(f"Fedora:{release[1]}", update))
        if not isinstance(name, str) or not name or not affected:
            yield Skipped("updates not understood")
            continue
        severity = affected[0].severity
        yield Advisory(
            id=name,
            affected=affected,
            upstream=_cves(update),
            title=one_line(update.get("display_name")) or one_line(update.get("title")),
            published=_moment(update.get("date_stable")) or _moment(update.get("date_pushed")),
            modified=_moment(update.get("date_modified")) or _moment(update.get("date_stable")),
            url=f"https://bodhi.fedoraproject.org/updates/{name}",
            ratings=(Rating("fedora", severity),) if severity else (),
        )


def _affected(namespace: str, update: dict[str, Any] | Any) -> Iterator[Affected]:
    word = update.get("severity")
    severity = "critical" if word == "urgent" else label(word)
    builds = update.get("builds")
    for one in builds if isinstance(builds, list) else ():
        build = mapping(one)
        parts = _NVR.fullmatch(str(build.get("nvr")))
        epoch = build.get("epoch")
        if parts is None or build.get("type", "rpm") != "rpm":
            continue
        fixed = f"{parts[2]}-{parts[3]}"
        if isinstance(epoch, int) and not isinstance(epoch, bool) and epoch > 0:
            fixed = f"{epoch}:{fixed}"
        yield Affected(namespace, parts[1], (Range((("introduced", "0"), ("fixed", fixed))),), severity=severity)


def _cves(update: Any) -> tuple[str, ...]:
    bugs = update.get("bugs")
    told = [mapping(bug).get("title") for bug in (bugs if isinstance(bugs, list) else ())]
    titles = " ".join(str(text) for text in (*told, update.get("title"), update.get("display_name")) if text)
    return tuple(dict.fromkeys(_CVE.findall(titles) or _CVE.findall(str(update.get("notes") or ""))))


def _moment(text: object) -> datetime | None:
    """``2025-03-05 12:00:00``, in UTC."""
    return timestamp(text.replace(" ", "T")) if isinstance(text, str) else None


def check(path: Path) -> None:
    """Raises FeedInvalid unless the file is a page of updates; it may be empty."""
    for _ in records(load_json(path, 64 * MIB)):
        pass


FEED = FedoraFeed()

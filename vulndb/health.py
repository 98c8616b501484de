"""How a database is doing: each feed, how fresh it is, and what somebody should do about it.

A version's manifest says what it was built from and never changes; what updates since have found (that it is still what
the feeds say, or that one of them is down) stands in the workspaces beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from grid.database import STALE_AFTER, Database, FeedState
from vulndb.feed import Workspace
from vulndb.update import NOT_THERE, reasons_of
from vulndb.words import ago, span

UPDATE = "run: scangrid db update"


@dataclass(frozen=True, slots=True)
class FeedHealth:
    """One feed of a database."""

    name: str
    status: str
    """``ok``, ``stale`` (older data stands in for what could not be had or believed) or ``absent``."""
    advisories: int
    ranges: int
    checked_at: str
    """RFC 3339: when all of it was last known to be what the publisher has; "" if never."""
    source_date: str
    """RFC 3339: the newest date that the publisher gives; "" if none."""
    message: str
    """What is wrong with it."""


def feeds(root: Path, database: Database, now: datetime | None = None) -> list[FeedHealth]:
    """Every feed of a version under ``root``, as of the last update."""
    return [_health(root, feed, now) for feed in database.manifest.feeds]


def _health(root: Path, feed: FeedState, now: datetime | None) -> FeedHealth:
    workspace = Workspace.open(root / "workspace" / feed.name)
    status, message, checked_at = feed.status, feed.message, feed.fetched_at
    parsed = [state for state in workspace.files.values() if not state.aside]
    if {state.sha256 for state in parsed} == {str(file.get("sha256")) for file in feed.files}:  # else of elsewhere
        reasons = reasons_of(workspace, now)
        checked_at = min((state.checked_at for state in parsed), default="")
        message = reasons[0] if reasons else ""
        status = "absent" if not parsed else "stale" if reasons else "ok"
    return FeedHealth(feed.name, status, feed.advisories, feed.ranges, checked_at, feed.source_date, message)


def warnings(root: Path, database: Database, key_versions: Mapping[str, int], now: datetime | None = None) -> list[str]:
    """What somebody should do something about; empty for a database in good health."""
    now = now or datetime.now(UTC)
    found = []
    if database.age(now) > STALE_AFTER:
        found.append(f"the database is {span(database.age(now))} old; {UPDATE}")
    if outdated := database.outdated_keys(key_versions):
        found.append(f"made for another order of {', '.join(outdated)} versions; {UPDATE}")
    if not database.rows("ranges") + database.rows("exact"):
        found.append(f"it knows of no vulnerable package; {UPDATE}")
    for feed in feeds(root, database, now):
        missing = feed.status == "absent" and feed.message and NOT_THERE not in feed.message
        if feed.status == "stale" or missing:
            found.append(f"{feed.name}: {feed.message}")
        elif feed.status == "ok" and _older(feed.checked_at, now, STALE_AFTER):
            found.append(f"{feed.name} was last looked at {ago(feed.checked_at, now)} ago; {UPDATE} --only {feed.name}")
    return found


def _older(moment: str, now: datetime, limit: timedelta) -> bool:
    try:
        then = datetime.fromisoformat(moment)
    except ValueError:
        return False
    return now - (then if then.tzinfo else then.replace(tzinfo=UTC)) > limit

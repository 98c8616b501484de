"""One update: fetch every feed, then build if anything that the build depends on has changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path

from grid.database import Database, FeedState, open_database
from grid.errors import DatabaseError, DatabaseInvalid, DatabaseMissing, FeedUnavailable, UsageError
from grid.events import Emit, Stage, Warned, silent
from vulndb.build import build, inputs_of
from vulndb.feed import (
    Feed,
    FeedFetched,
    FeedParsed,
    FileState,
    Record,
    Skipped,
    Transport,
    Unchanged,
    Workspace,
)
from vulndb.feeds import FEEDS
from vulndb.publish import keep as keep_versions
from vulndb.publish import locked, mark_checked

COLLAPSED = 0.5
"""A feed with less than this share of the advisories it had before is worth a warning."""
_TICK = 2_000


@dataclass(frozen=True, slots=True)
class Updated:
    """What an update did."""

    database: Database
    rebuilt: bool
    warnings: tuple[str, ...]


def update(
    root: Path,
    transport: Transport,
    *,
    only: Sequence[str] = (),
    ecosystems: Sequence[str] = (),
    keep: int | None = None,
    feeds: Sequence[Feed] = FEEDS,
    emit: Emit = silent,
) -> Updated:
    """Bring the database under ``root`` up to date.

    ``only`` names the feeds to fetch; the others are built from what was fetched last. Without it, all are but
    those that are made to be asked for, until they are. ``ecosystems`` are
    further OSV ecosystems; they are fetched by later updates, too. ``keep`` is how many versions are kept from
    now on. A feed that cannot be fetched keeps its
    last good state, and the manifest says so. Raises DatabaseBusy, UsageError (an unknown feed or ecosystem),
    FeedUnavailable (nothing at all could be had), FeedInvalid.
    """
    unknown = set(only) - {feed.name for feed in feeds}
    if unknown:
        raise UsageError(
            f"there is no feed {min(unknown)!r}", remedy=f"the feeds are {', '.join(f.name for f in feeds)}"
        )
    with locked(root):
        if keep is not None:
            keep_versions(root, keep)
        previous = _previous(root)
        workspaces = {feed.name: Workspace.open(root / "workspace" / feed.name, emit) for feed in feeds}
        for feed in feeds:
            held = bool(workspaces[feed.name].files)
            if feed.name in only or (not only and (held or getattr(feed, "default", True))):
                emit(Stage(f"fetch {feed.name}"))
                _fetch(feed, workspaces[feed.name], transport, ecosystems if feed.name == "osv" else (), emit)
        if not any(workspace.files for workspace in workspaces.values()):
            reasons = [reason for w in workspaces.values() for reason in w.failures.values()]
            raise FeedUnavailable(f"no feed could be fetched: {reasons[0] if reasons else 'the mirror holds none'}")
        warnings = [
            f"{name}: {reason}" for name, workspace in workspaces.items() for reason in workspace.failures.values()
        ]
        inputs = inputs_of(
            (state.url + state.sha256 for w in workspaces.values() for state in w.files.values()),
            ((feed.name, feed.version) for feed in feeds),
        )
        if previous is not None and previous.manifest.inputs == inputs:
            mark_checked(root, previous.version)
            _warn(warnings, emit)
            return Updated(previous, False, tuple(warnings))
        emit(Stage("build"))

        def states(counts: Counter[str]) -> list[FeedState]:
            return [_state(feed.name, workspaces[feed.name], counts[feed.name]) for feed in feeds]

        def notes(counts: Counter[str]) -> list[str]:
            collapsed = _collapsed(previous, counts)
            warnings.extend(collapsed)
            return collapsed

        database = build(root, _parse(feeds, workspaces, emit), states=states, notes=notes, inputs=inputs)
        _warn(warnings, emit)
        return Updated(database, True, tuple(warnings))


def _previous(root: Path) -> Database | None:
    """The database in use; a damaged one is as good as none, for it is about to be replaced."""
    try:
        return open_database(root)
    except (DatabaseMissing, DatabaseInvalid):
        return None


def _fetch(feed: Feed, workspace: Workspace, transport: Transport, ecosystems: Sequence[str], emit: Emit) -> None:
    outcome = "new"
    try:
        feed.fetch(workspace, transport, ecosystems)
    except Unchanged:
        outcome = "unchanged" if workspace.files else "absent"
    except DatabaseError as error:
        workspace.failures = workspace.failures or {"": str(error)}
    if workspace.failures:
        outcome = "stale" if workspace.files else "absent"
    emit(FeedFetched(feed.name, outcome, next(iter(workspace.failures.values()), "")))


def _parse(feeds: Sequence[Feed], workspaces: dict[str, Workspace], emit: Emit) -> Iterator[tuple[str, bool, Record]]:
    for feed in feeds:
        count = 0
        for record in feed.parse(workspaces[feed.name]):
            if not isinstance(record, Skipped):
                count += 1
                if count % _TICK == 0:
                    emit(FeedParsed(feed.name, count))
            yield feed.name, feed.verdicts, record
        emit(FeedParsed(feed.name, count, finished=True))


def _state(name: str, workspace: Workspace, advisories: int) -> FeedState:
    files = [state for state, _ in workspace.present()]
    failure = next(iter(workspace.failures.values()), "")
    return FeedState(
        name=name,
        status="absent" if not files else "stale" if failure else "ok",
        advisories=advisories,
        fetched_at=max((state.fetched_at for state in files), default=""),
        source_date=max((date for state in files if (date := _modified(state))), default=""),
        files=tuple({"url": s.url, "etag": s.etag, "bytes": s.bytes, "sha256": s.sha256} for s in files),
        message=failure,
    )


def _modified(state: FileState) -> str:
    try:
        return parsedate_to_datetime(state.last_modified).isoformat() if state.last_modified else ""
    except (ValueError, TypeError):
        return ""


def _collapsed(previous: Database | None, counts: Counter[str]) -> list[str]:
    return [
        f"{feed.name}: {counts[feed.name]} advisories, there were {feed.advisories} before"
        for feed in (previous.manifest.feeds if previous else ())
        if counts[feed.name] < feed.advisories * COLLAPSED
    ]


def _warn(warnings: Sequence[str], emit: Emit) -> None:
    for warning in warnings:
        emit(Warned(warning))

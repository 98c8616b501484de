"""One update: fetch every feed, stage what has changed, judge it, and build if what a build depends on differs."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

from grid.database import Database, FeedState, open_database
from grid.errors import DatabaseError, DatabaseInvalid, DatabaseMissing, FeedUnavailable, UsageError
from grid.events import Emit, Event, Stage, Warned, silent
from vulndb.build import build_staged, inputs_of, noted
from vulndb.feed import Feed, FeedFetched, FeedParsed, FileState, Transport, Unchanged, Workspace
from vulndb.feeds import FEEDS
from vulndb.parts import Part, Summary, forget_others, parts_of, total
from vulndb.publish import keep as keep_versions
from vulndb.publish import locked, mark_checked
from vulndb.words import ago
from vulndb.workers import Processes, Runner

COLLAPSED = 0.5
"""A part with less than this share of the advisories or ranges it had is refused, unless the user insists."""
ELSEWHERE = (
    "its rows are not where they should be: all nodes and processes must see the same folder and have the same scangrid"
)
AT_ONCE = 4
"""Feeds that are fetched at a time."""
NOT_THERE = "does not exist"
"""What the reason says where a server or mirror simply does not have a file."""


@dataclass(frozen=True, slots=True)
class Updated:
    """What an update did."""

    database: Database
    rebuilt: bool
    warnings: tuple[str, ...]
    incomplete: tuple[str, ...] = ()
    """The feeds that could not be fetched, read or believed, in part or whole: older data stands in for them."""


@dataclass(frozen=True, slots=True)
class _Fetched:
    feed: Feed
    workspace: Workspace
    parts: tuple[Part, ...] = ()
    summaries: tuple[Summary, ...] = ()
    """Of ``parts``, one each."""


def update(
    root: Path,
    transport: Transport,
    *,
    only: Sequence[str] = (),
    ecosystems: Sequence[str] = (),
    force: bool = False,
    keep: int | None = None,
    feeds: Sequence[Feed] = FEEDS,
    runner: Runner | None = None,
    emit: Emit = silent,
) -> Updated:
    """Bring the database under ``root`` up to date.

    ``only`` names the feeds to fetch; the others are built from what was fetched last. Without it, all are but
    those that are made to be asked for, until they are. ``ecosystems`` are
    further OSV ecosystems; they are fetched by later updates, too. ``keep`` is how many versions are kept from
    now on. ``runner`` parses (by default in as many processes as there are cores, if there is much to do).

    A feed that cannot be fetched or parsed keeps its last good state, and the warnings say so, with its age. So does
    one that has lost half of its advisories or ranges, unless ``force``. Raises DatabaseBusy, UsageError (an unknown
    feed or ecosystem), FeedUnavailable (nothing at all could be had).
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
        emit = _one_at_a_time(emit)
        fetched = [_Fetched(feed, Workspace.open(root / "workspace" / feed.name, emit)) for feed in feeds]
        asked = [
            one
            for one in fetched
            if one.feed.name in only or (not only and (one.workspace.files or getattr(one.feed, "default", True)))
        ]
        _fetch_many(asked, transport, ecosystems, emit)
        if any(one.workspace.files for one in fetched):
            fetched = _staged(fetched, runner or Processes(), force, emit)
        if not any(one.parts for one in fetched):
            reasons = [reason for one in fetched for reason in one.workspace.failures.values()]
            raise FeedUnavailable(f"no feed could be fetched: {reasons[0] if reasons else 'the mirror holds none'}")
        inputs = inputs_of(
            (part.feed.name + part.folder.name for one in fetched for part in one.parts),
            ((feed.name, feed.version) for feed in feeds),
        )
        rebuilt = previous is None or previous.manifest.inputs != inputs
        if previous is None or rebuilt:
            emit(Stage("build"))
            database = build_staged(
                root,
                [part.folder for one in fetched for part in one.parts],
                feeds=[_state(one) for one in fetched],
                notes=noted(total(summary for one in fetched for summary in one.summaries)),
                inputs=inputs,
            )
        else:
            database = previous
        for one in fetched:
            one.workspace.accept(_counts(one))
            forget_others(one.workspace.folder, one.parts)
        missing = [one.feed.name for one in fetched if is_missing(one.workspace)]
        warnings = tuple(
            f"{one.feed.name}: {reason}"
            for one in fetched
            if one.feed.name not in missing
            for reason in reasons_of(one.workspace)
        ) + ((f"the server or mirror has nothing of {', '.join(missing)}",) if missing else ())
        incomplete = tuple(
            one.feed.name
            for one in fetched
            if any(NOT_THERE not in reason for reason in one.workspace.failures.values())
        )
        if not incomplete and not only:
            mark_checked(root, database.version)
        for warning in warnings:
            emit(Warned(warning))
        return Updated(open_database(root), rebuilt, warnings, incomplete)


def _previous(root: Path) -> Database | None:
    """The database in use; a damaged one is as good as none, for it is about to be replaced."""
    try:
        return open_database(root)
    except (DatabaseMissing, DatabaseInvalid):
        return None


def _fetch_many(asked: Sequence[_Fetched], transport: Transport, ecosystems: Sequence[str], emit: Emit) -> None:
    """Fetch feeds, a few at a time: each asks hosts of its own, one file after the other."""
    waiting: queue.SimpleQueue[_Fetched] = queue.SimpleQueue()
    for one in asked:
        waiting.put(one)
    failed: list[BaseException] = []

    def work() -> None:
        while not failed:
            try:
                one = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                emit(Stage(f"fetch {one.feed.name}"))
                one.workspace.remember()
                _fetch(one.feed, one.workspace, transport, ecosystems if one.feed.name == "osv" else (), emit)
            except BaseException as error:  # the user's mistake, or a fault of ours: not this feed's
                failed.append(error)

    threads = [threading.Thread(target=work, daemon=True) for _ in range(min(AT_ONCE, len(asked)))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]


def _one_at_a_time(emit: Emit) -> Emit:
    lock = threading.Lock()

    def told(event: Event) -> None:
        with lock:
            emit(event)

    return told


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


# --- staging and judging -------------------------------------------------------------------------


def _staged(fetched: Sequence[_Fetched], runner: Runner, force: bool, emit: Emit) -> list[_Fetched]:
    """Rows for every part. What cannot be read or has collapsed is put back to its last good state, and tried again."""
    results: dict[Path, Summary | str] = {}
    for again in (True, False):
        parts = {one.feed.name: parts_of(one.feed, one.workspace) for one in fetched}
        _run([part for listed in parts.values() for part in listed], results, runner, emit)
        refused = [
            (one, part, why)
            for one in fetched
            for part in parts[one.feed.name]
            if (why := _refusal(results[part.folder], one.workspace.accepted.get(part.name, {}), part, force))
        ]
        if not refused or not again:
            break
        for one, part, why in refused:
            _put_back(one, part, why)
    return [
        _Fetched(one.feed, one.workspace, tuple(read), tuple(results[p.folder] for p in read))  # type: ignore[misc]
        for one in fetched
        for read in [[part for part in parts[one.feed.name] if isinstance(results[part.folder], Summary)]]
    ]


def _run(parts: Iterable[Part], results: dict[Path, Summary | str], runner: Runner, emit: Emit) -> None:
    todo = []
    for part in parts:
        if part.folder in results:
            continue
        if (summary := part.ready()) is None:
            todo.append(part)
        else:
            results[part.folder] = summary
    if not todo:
        return
    emit(Stage("parse"))

    def done(part: Part, result: Summary | str) -> None:
        if isinstance(result, Summary) and part.ready() is None:
            result = ELSEWHERE
        results[part.folder] = result
        emit(FeedParsed(part.label, result.advisories if isinstance(result, Summary) else 0, finished=True))

    runner(todo, done, lambda part, count: emit(FeedParsed(part.label, count)))


def _refusal(result: Summary | str, accepted: dict[str, int], part: Part, force: bool) -> str:
    """Why a part must not be built from; "" if nothing is wrong with it."""
    if isinstance(result, str):
        return result
    if force or accepted.get("version") != part.feed.version:  # another parser may well come to less
        return ""
    before = (accepted.get("advisories", 0), accepted.get("ranges", 0))
    if result.advisories >= before[0] * COLLAPSED and result.ranges >= before[1] * COLLAPSED:
        return ""
    return (
        f"{result.advisories:,} advisories with {result.ranges:,} ranges, there were {before[0]:,} with {before[1]:,}: "
        "refused (--force accepts it)"
    )


def _put_back(one: _Fetched, part: Part, why: str) -> None:
    workspace = one.workspace
    good = {p.name: p for p in parts_of(one.feed, workspace.last_good())}.get(part.name)
    urls = {state.url for state in (*part.files, *(good.files if good else ()))}
    workspace.restore(urls)
    workspace.failures[part.files[0].url] = f"{part.name}: {why}" if part.name else why
    workspace.save()


# --- what is said of it --------------------------------------------------------------------------


def is_missing(workspace: Workspace) -> bool:
    """Whether a feed is not there at all, and nothing else is wrong: a mirror may do without."""
    failures = workspace.failures.values()
    return not workspace.files and bool(failures) and all(NOT_THERE in reason for reason in failures)


def reasons_of(workspace: Workspace, now: datetime | None = None) -> list[str]:
    """What is wrong with a feed, and how old what stands in for it is."""
    said = []
    for url, reason in workspace.failures.items():
        held = workspace.files.get(url)
        if held is not None:
            reason += (
                f"; the state of {held.checked_at[:16].replace('T', ' ')}, {ago(held.checked_at, now)} old, is used"
            )
        elif NOT_THERE not in reason:
            reason += f"; {'the rest of it' if workspace.files else 'nothing of it'} is used"
        said.append(reason)
    return said


def _counts(one: _Fetched) -> dict[str, dict[str, int]]:
    return {
        part.name: {"version": part.feed.version, "advisories": summary.advisories, "ranges": summary.ranges}
        for part, summary in zip(one.parts, one.summaries, strict=True)
    }


def _state(one: _Fetched) -> FeedState:
    files = [state for part in one.parts for state in part.files]
    reasons = reasons_of(one.workspace)
    return FeedState(
        name=one.feed.name,
        status="absent" if not files else "stale" if reasons else "ok",
        advisories=sum(summary.advisories for summary in one.summaries),
        ranges=sum(summary.ranges for summary in one.summaries),
        fetched_at=max((state.fetched_at for state in files), default=""),
        source_date=max((date for state in files if (date := _modified(state))), default=""),
        files=tuple({"url": s.url, "etag": s.etag, "bytes": s.bytes, "sha256": s.sha256} for s in files),
        message=reasons[0] if reasons else "",
    )


def _modified(state: FileState) -> str:
    try:
        moment = parsedate_to_datetime(state.last_modified) if state.last_modified else None
    except (ValueError, TypeError):
        return ""
    return moment.astimezone(UTC).isoformat() if moment else ""

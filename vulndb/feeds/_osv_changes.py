"""OSV between two zips: what has changed since is fetched record by record, as long as it is little.

``<ECOSYSTEM>/modified_id.csv`` lists every record with the time of its last change (``DATE,ID``, newest first), and
``<ECOSYSTEM>/<ID>.json`` is a record: https://google.github.io/osv.dev/data/. Beside the zip stands ``changes.jsonl``:
the records that were fetched since, one a line, and ``{"id": …, "gone": true}`` for those that the list no longer has.
Where there is no list (most mirrors), or much has changed, the zip is fetched, if it is another one.
"""

from __future__ import annotations

import hashlib
import os
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

import orjson

from grid.errors import DatabaseError, FeedInvalid
from vulndb.feed import MIB, Absent, FileState, Source, Transport, Workspace, fetch_one, mapping, timestamp
from vulndb.publish import write_durably

FEW = 500
"""Records that one update fetches one by one."""
FEWEST = 20
"""So many always are; more only if they are less to fetch than the zip."""
RECORD = 8 * 1024
"""Bytes that a record counts for, its request included."""
MOST = 5_000
"""Records in ``changes.jsonl``; beyond it the zip is fetched."""
MAX_LIST = 128 * MIB
_LINE = 1024
_MAX_RECORDS = 5_000_000
_MAX_TOTAL = 64 * 1024 * MIB
"""Uncompressed bytes of a zip that are looked at."""
MAX_RECORD = 32 * MIB
_SLACK = 1.0
"""Seconds: the list rounds."""

Outcome = Literal["new", "unchanged", "absent", "failed"]


def bring(workspace: Workspace, transport: Transport, source: Source, check: Callable[[Path], None]) -> Outcome:
    """Bring one ecosystem up to date; ``source`` is its zip."""
    held = source.url in workspace.files and list_url(source.url) in workspace.files
    if held:
        outcome = _fetch_list(workspace, transport, source.url)
        if outcome == "unchanged" and _is_done(workspace, source.url):
            return _still(workspace, source.url)
        if outcome in ("new", "unchanged"):
            applied = _apply(workspace, transport, source.url)
            if applied is not None:
                return applied
    outcome = fetch_one(workspace, transport, source, check)
    if outcome == "new":
        _forget(workspace, changes_url(source.url))
        if _fetch_list(workspace, transport, source.url) in ("new", "unchanged"):
            _apply(workspace, transport, source.url)
            workspace.failures.pop(list_url(source.url), None)  # the zip is there, and new: that will do
    elif outcome == "unchanged":
        _still(workspace, source.url)
    return outcome


def list_url(url: str) -> str:
    """Where the list beside a zip is."""
    return url.rpartition("/")[0] + "/modified_id.csv"


def changes_url(url: str) -> str:
    """The name under which the changes since a zip are kept; nobody publishes it."""
    return url.rpartition("/")[0] + "/changes.jsonl"


def changes(path: Path) -> dict[str, Any]:
    """The records of ``changes.jsonl`` by id; None for those that are gone. Raises FeedInvalid."""
    found: dict[str, Any] = {}
    try:
        with path.open("rb") as lines:
            for line in lines:
                record = orjson.loads(line)
                found[record["id"]] = None if record.get("gone") else record
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise FeedInvalid(f"{path.name} cannot be read: {error}") from error
    return found


# --- the list ------------------------------------------------------------------------------------


def _fetch_list(workspace: Workspace, transport: Transport, url: str) -> Outcome:
    """A list that cannot be had is no failure of the feed: the zip decides."""
    listed = list_url(url)
    outcome = fetch_one(workspace, transport, Source(listed, MAX_LIST, optional=True), check_list, aside=True)
    if outcome in ("failed", "absent"):
        workspace.failures.pop(listed, None)
        _forget(workspace, listed)
    return outcome


def check_list(path: Path) -> None:
    """Raises FeedInvalid unless every line is a date and an id."""
    if not any(True for _ in _listed(path)):
        raise FeedInvalid(f"{path.name} lists nothing")


def _listed(path: Path) -> Iterator[tuple[str, float]]:
    with path.open("rb") as lines:
        while line := lines.readline(_LINE):
            date, comma, name = line.decode("utf-8", "replace").strip().partition(",")
            moment = timestamp(date)
            if not comma or not name or moment is None:
                raise FeedInvalid(f"{path.name} is not a list of dates and ids")
            yield name, moment.timestamp()


def _mark(workspace: Workspace, url: str) -> str:
    """What a comparison of list, zip and changes depends on."""
    states = (workspace.files.get(one) for one in (list_url(url), url, changes_url(url)))
    return " ".join(state.sha256 if state else "-" for state in states)


def _is_done(workspace: Workspace, url: str) -> bool:
    try:
        return _mark_file(workspace, url).read_text("utf-8", "replace") == _mark(workspace, url)
    except OSError:
        return False


def _mark_done(workspace: Workspace, url: str) -> None:
    write_durably(_mark_file(workspace, url), _mark(workspace, url).encode())


def _mark_file(workspace: Workspace, url: str) -> Path:
    return workspace.path(list_url(url)).with_name("compared")


def _still(workspace: Workspace, url: str) -> Outcome:
    """The list says that what we have is what the publisher has."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    for one in (url, changes_url(url)):
        workspace.failures.pop(one, None)
        if one in workspace.files:
            workspace.files[one] = replace(workspace.files[one], checked_at=now)
    return "unchanged"


def _forget(workspace: Workspace, url: str) -> None:
    workspace.files.pop(url, None)
    workspace.path(url).unlink(missing_ok=True)


# --- the changes ---------------------------------------------------------------------------------


def _apply(workspace: Workspace, transport: Transport, url: str) -> Outcome | None:
    """Fetch what the list says has changed; None if that is too much, or the list and the zip do not fit."""
    listed = dict(_listed(workspace.path(list_url(url))))
    known = _index(workspace, url)
    held = changes(workspace.path(changes_url(url))) if changes_url(url) in workspace.files else {}
    for name, record in held.items():
        known[name] = _modified(record) if record is not None else float("-inf")
    changed = [name for name, at in listed.items() if at - known.get(name, float("-inf")) >= _SLACK]
    gone = [name for name in known if name not in listed and held.get(name, name) is not None]
    if not changed and not gone:
        _mark_done(workspace, url)
        return _still(workspace, url)
    if (
        len(changed) > FEW
        or (len(changed) > FEWEST and len(changed) * RECORD > workspace.files[url].bytes)
        or len(held.keys() | set(changed) | set(gone)) > MOST
        or len(gone) > max(FEWEST, len(known) // 100)  # half a list, more likely
    ):
        return None
    try:
        fetched = _fetch_records(workspace, transport, url, {name: listed[name] for name in changed})
    except (DatabaseError, OSError) as error:
        workspace.failures[url] = str(error)
        return "failed"
    lines = {name: record or {"id": name, "gone": True} for name, record in {**held, **fetched}.items()}
    lines |= {name: {"id": name, "gone": True} for name in gone}
    _write(workspace, url, b"".join(orjson.dumps(lines[name]) + b"\n" for name in sorted(lines)))
    _mark_done(workspace, url)
    _journal(workspace, url).unlink(missing_ok=True)
    _still(workspace, url)
    return "new"


def _write(workspace: Workspace, url: str, content: bytes) -> None:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    named = changes_url(url)
    write_durably(workspace.path(named), content)
    sha256 = hashlib.sha256(content).hexdigest()
    workspace.files[named] = FileState(named, len(content), sha256, fetched_at=now, checked_at=now)
    workspace.save()


def _fetch_records(
    workspace: Workspace, transport: Transport, url: str, wanted: dict[str, float]
) -> dict[str, dict[str, Any]]:
    """The wanted records. What has come is kept in a journal, so that an update that breaks off goes on from there."""
    journal = _journal(workspace, url)
    found: dict[str, dict[str, Any]] = {}
    with suppress(OSError), journal.open("rb") as lines:
        for line in lines:
            with suppress(ValueError, KeyError, TypeError):  # the last one may be torn
                record = orjson.loads(line)
                if wanted.get(record["id"], float("inf")) - _modified(record) < _SLACK:
                    found[record["id"]] = record
    folder = url.rpartition("/")[0]
    target = journal.with_name("record.json")
    with journal.open("wb") as kept:
        for record in found.values():
            kept.write(orjson.dumps(record) + b"\n")
        for name in wanted:
            if name in found:
                continue
            source = Source(f"{folder}/{quote(name, safe='')}.json", MAX_RECORD)
            read = _Record(name)
            with suppress(Absent):  # it has gone since the list was made
                transport.get(source, target, None, lambda done, total: None, read)
                found[name] = read.record
                kept.write(orjson.dumps(read.record) + b"\n")
                kept.flush()
    target.unlink(missing_ok=True)
    return found


class _Record:
    """The check of one record's file, which also reads it."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.record: dict[str, Any] = {}

    def __call__(self, path: Path) -> None:
        try:
            record = orjson.loads(path.read_bytes())
        except ValueError as error:
            raise FeedInvalid(f"{self._name}.json is not JSON: {error}") from error
        if mapping(record).get("id") != self._name:
            raise FeedInvalid(f"{self._name}.json is another record")
        self.record = record


def _journal(workspace: Workspace, url: str) -> Path:
    return workspace.path(changes_url(url)).with_suffix(".part")


def _modified(record: Any) -> float:
    moment = timestamp(mapping(record).get("modified"))
    return moment.timestamp() if moment else float("-inf")


# --- what the zip has ----------------------------------------------------------------------------


def _index(workspace: Workspace, url: str) -> dict[str, float]:
    """When each record of the zip was modified; kept beside it, for reading a whole zip takes a while."""
    path = workspace.path(url)
    cache = path.with_name("index.json")
    sha256 = workspace.files[url].sha256
    with suppress(OSError, ValueError, KeyError, TypeError):
        raw = orjson.loads(cache.read_bytes())
        if raw["sha256"] == sha256:
            return {str(name): float("-inf") if at is None else at for name, at in raw["records"].items()}
    found: dict[str, float] = {}
    with suppress(zipfile.BadZipFile, OSError), zipfile.ZipFile(path) as zipped:
        total = 0
        for number, info in enumerate(zipped.infolist()):
            total += info.file_size
            if number >= _MAX_RECORDS or total > _MAX_TOTAL:
                break
            if info.filename.endswith(".json") and info.file_size <= MAX_RECORD:
                with suppress(zipfile.BadZipFile, OSError, ValueError, EOFError, NotImplementedError, RuntimeError):
                    record = orjson.loads(zipped.read(info))
                    found[str(record["id"])] = _modified(record)
    temporary = cache.with_name(f".index.{os.getpid()}")
    temporary.write_bytes(orjson.dumps({"sha256": sha256, "records": found}))
    temporary.replace(cache)
    return found

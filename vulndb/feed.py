"""What a feed is: ``fetch`` brings its files into a workspace, ``parse`` reads advisories out of it.

The two are apart so that a feed that cannot be fetched today is built from what was fetched last, and so
that tests parse folders of files. A new feed is one file in ``feeds/`` and one line in its list.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, Protocol
from urllib.parse import quote, urlsplit

import orjson

from grid.errors import DatabaseError, FeedInvalid, FeedUnavailable
from grid.events import Emit, Event, silent
from vulndb.publish import write_durably
from vulndb.records import Record

MIB = 1 << 20

# --- progress ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FileProgress(Event):
    """Bytes of one file; ``total`` is None where the server does not say."""

    feed: str
    url: str
    done: int
    total: int | None


@dataclass(frozen=True, slots=True)
class FeedFetched(Event):
    """A feed's fetch is over: ``new``, ``unchanged``, ``stale`` or ``absent``."""

    feed: str
    outcome: str
    message: str = ""


@dataclass(frozen=True, slots=True)
class FeedParsed(Event):
    """So many advisories of a feed have been read."""

    feed: str
    advisories: int
    finished: bool = False


# --- the workspace -------------------------------------------------------------------------------


class Unchanged(Exception):  # it is a signal
    """No file of the feed has changed since it was last fetched."""


class Absent(Exception):  # it is a signal
    """The server, or the mirror, does not have this file (404)."""


@dataclass(frozen=True, slots=True)
class Source:
    """One file to fetch."""

    url: str
    max_bytes: int = 512 * MIB
    optional: bool = False
    """That it does not exist is no failure (an old release, an ecosystem that a mirror leaves out)."""


@dataclass(frozen=True, slots=True)
class FileState:
    """What is known of a fetched file; kept in the workspace's ``state.json``."""

    url: str
    bytes: int
    sha256: str
    etag: str = ""
    last_modified: str = ""
    origin: str = ""
    """Where it came from, mirror included: validators of one origin mean nothing to another."""
    fetched_at: str = ""
    """RFC 3339: when these bytes came."""
    checked_at: str = ""
    """RFC 3339: when the publisher last said that they are what it has."""
    aside: bool = False
    """Not parsed: it only says what to fetch."""


def mirrored(url: str) -> str:
    """Where a mirror has the file of a URL: ``host/path``; a query makes ``host/path@query`` of it."""
    parts = urlsplit(url)
    return f"{parts.netloc}{parts.path}" if not parts.query else f"{parts.netloc}{parts.path.rstrip('/')}@{parts.query}"


class Transport(Protocol):
    """Brings one file; see ``vulndb.fetch`` for the one that speaks HTTP and reads mirrors."""

    def get(self, source: Source, target: Path, known: FileState | None, progress: Callable[[int, int | None], None],
            check: Callable[[Path], None]) -> FileState:  # fmt: skip
        """Put the file at ``target``, atomically, after ``check`` passed; raises Unchanged, Absent, FeedUnavailable."""
        ...


@dataclass
class Workspace:
    """A feed's folder of fetched files, which outlives updates."""

    folder: Path
    files: dict[str, FileState] = field(default_factory=dict)
    """By URL: what is there, whole and checked."""
    failures: dict[str, str] = field(default_factory=dict)
    """By URL: why the last fetch of it failed, or why what came was refused."""
    emit: Emit = silent
    accepted: dict[str, dict[str, int]] = field(default_factory=dict)
    """By part (see ``vulndb.parts``): what it came to when it was last built into a database."""

    @classmethod
    def open(cls, folder: Path, emit: Emit = silent) -> Workspace:
        """Read the state; what is unreadable or no longer there is fetched again."""
        workspace = cls(folder, emit=emit)
        try:
            raw = orjson.loads((folder / "state.json").read_bytes())
            states = [FileState(**state) for state in raw["files"]]
            workspace.failures = {str(k): str(v) for k, v in raw["failures"].items()}
            workspace.accepted = {str(k): {n: int(c) for n, c in v.items()} for k, v in raw.get("accepted", {}).items()}
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return workspace
        for state in states:
            path = workspace.path(state.url)
            if path.is_file() and path.stat().st_size == state.bytes:
                workspace.files[state.url] = state
        return workspace

    @property
    def name(self) -> str:
        return self.folder.name

    def path(self, url: str) -> Path:
        """Where the file of a URL is kept: ``host/path`` (``host/path@query``) below the folder."""
        host, _, path = mirrored(url).partition("/")
        return self.folder / quote(host, safe=".-") / quote(path.strip("/"), safe="./- @=&").replace("..", "%2E%2E")

    def save(self) -> None:
        """Make the state durable."""
        self.folder.mkdir(parents=True, exist_ok=True)
        document = {
            "files": [asdict(state) for state in self.files.values()],
            "failures": self.failures,
            "accepted": self.accepted,
        }
        write_durably(self.folder / "state.json", orjson.dumps(document, option=orjson.OPT_INDENT_2))

    def present(self) -> Iterator[tuple[FileState, Path]]:
        """The fetched files, sorted by URL."""
        for url in sorted(self.files):
            yield self.files[url], self.path(url)

    # What is fetched replaces what was there, and may turn out to be bad only when it is parsed: until it has been
    # accepted, the last good state is kept beside it, as hard links.

    def remember(self) -> None:
        """Keep the present files as the last good state, unless an earlier one still waits to be accepted over."""
        good = self.folder / _GOOD
        if good.exists() or not self.files:
            return
        temporary = self.folder / f"{_GOOD}-tmp"
        shutil.rmtree(temporary, ignore_errors=True)
        kept = Workspace(temporary, dict(self.files))
        for state, path in self.present():
            _link(path, kept.path(state.url))
        kept.save()
        temporary.rename(good)

    def last_good(self) -> Workspace:
        """The state that ``remember`` kept; empty if there is none."""
        return Workspace.open(self.folder / _GOOD)

    def restore(self, urls: Iterable[str]) -> None:
        """Put these files back as ``remember`` found them; those that it did not find are forgotten."""
        good = self.last_good()
        chosen = set(urls)
        for url in chosen:
            self.files.pop(url, None)
        self.save()  # killed from here on, they are fetched again
        for url in chosen:
            self.path(url).unlink(missing_ok=True)
            if url in good.files:
                _link(good.path(url), self.path(url))
                self.files[url] = good.files[url]
        self.save()

    def accept(self, counts: Mapping[str, dict[str, int]]) -> None:
        """The present files have been built into a database: they are the good ones now."""
        if self.accepted != counts:
            self.accepted = dict(counts)
            self.save()
        good = self.folder / _GOOD
        if good.exists():
            (good / "state.json").unlink(missing_ok=True)  # first: half of it must not count
            shutil.rmtree(good, ignore_errors=True)


_GOOD = ".good"


def _link(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    try:
        target.hardlink_to(source)
    except OSError:  # a file system without hard links
        shutil.copyfile(source, target)


# --- the protocol --------------------------------------------------------------------------------


class Feed(Protocol):
    """A publisher of advisories."""

    name: str
    """Also the ``source`` column of the database."""
    version: int
    """Raise it when ``parse`` changes what it yields: the next update builds again."""
    verdicts: bool
    """It speaks for its namespaces: for a package and problem it names, other feeds' rows there are dropped."""
    # A feed with ``default = False`` is fetched only when named, and from then on. One whose files can be parsed apart
    # may say so: ``parts(urls) -> {name: [url, …]}``, each of which is given to ``parse`` as a workspace of its own.

    def fetch(self, workspace: Workspace, transport: Transport, ecosystems: Sequence[str] = ()) -> None:
        """Bring the files up to date. ``ecosystems`` names extra ones that the user asked for.

        A file that cannot be had keeps its last good state and is recorded in ``workspace.failures``.
        Raises Unchanged if nothing changed, FeedUnavailable if nothing could be had at all.
        """
        ...

    def parse(self, workspace: Workspace) -> Iterator[Record]:
        """Advisories of the files in the workspace, one after the other, in bounded memory.

        What is not understood is a ``Skipped``; raises FeedInvalid only if a whole file is not what it
        should be, which ``fetch`` has already checked.
        """
        ...


def fetch_all(
    workspace: Workspace, transport: Transport, sources: Sequence[Source], check: Callable[[Path], None]
) -> None:
    """The usual ``fetch``: every source on its own, each failure its own. Raises as ``Feed.fetch`` says."""
    changed, reached = False, 0
    for source in sources:
        outcome = fetch_one(workspace, transport, source, check)
        changed |= outcome == "new"
        reached += outcome != "failed"
    finish(workspace, changed, reached)


def finish(workspace: Workspace, changed: bool, reached: int) -> None:
    """Save, and raise what ``Feed.fetch`` promises."""
    workspace.save()
    if changed:
        return
    if not reached and workspace.failures:
        raise FeedUnavailable(next(iter(workspace.failures.values())))
    raise Unchanged


Outcome = Literal["new", "unchanged", "absent", "failed"]


def fetch_several(
    workspace: Workspace, transport: Transport, sources: Sequence[Source], check: Callable[[Path], None]
) -> Iterator[Outcome]:
    """``fetch_one`` for many small files: the state is saved once in a while, and what a crash loses comes again."""
    for number, source in enumerate(sources, 1):
        yield fetch_one(workspace, transport, source, check, save=number % 200 == 0)
    workspace.save()


def fetch_one(
    workspace: Workspace,
    transport: Transport,
    source: Source,
    check: Callable[[Path], None],
    *,
    aside: bool = False,
    save: bool = True,
) -> Outcome:
    """Fetch one file into the workspace and record how it went; ``aside`` as in ``FileState``."""
    url = source.url
    target = workspace.path(url)
    target.parent.mkdir(parents=True, exist_ok=True)

    def progress(done: int, total: int | None) -> None:
        workspace.emit(FileProgress(workspace.name, url, done, total))

    try:
        state = transport.get(source, target, workspace.files.get(url), progress, check)
    except Unchanged:
        workspace.failures.pop(url, None)
        workspace.files[url] = replace(workspace.files[url], checked_at=_now())
        return "unchanged"
    except Absent:
        if url in workspace.files:
            workspace.failures[url] = f"{url} is no longer there; the last good copy is kept"
            return "failed"
        if source.optional:
            workspace.failures.pop(url, None)
            return "absent"
        workspace.failures[url] = f"{url} does not exist"
        return "failed"
    except (DatabaseError, OSError) as error:
        workspace.failures[url] = str(error)
        return "failed"
    workspace.failures.pop(url, None)
    same = url in workspace.files and workspace.files[url].sha256 == state.sha256
    workspace.files[url] = replace(state, fetched_at=_now(), checked_at=_now(), aside=aside)
    if save:
        workspace.save()
    return "unchanged" if same else "new"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def load_json(path: Path, limit: int = 512 * MIB) -> Any:
    """A JSON file; raises FeedInvalid."""
    try:
        if path.stat().st_size > limit:
            raise FeedInvalid(f"{path.name} is larger than {limit} bytes")
        return orjson.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise FeedInvalid(f"{path.name} is not JSON: {error}") from error


def timestamp(text: object) -> datetime | None:
    """An RFC 3339 date, in UTC; None if it is none."""
    if not isinstance(text, str) or not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    try:
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except OverflowError:
        return None


def one_line(text: object, limit: int = 200) -> str | None:
    """Text for a title: one line, at most ``limit`` characters; None if there is none."""
    if not isinstance(text, str):
        return None
    line = " ".join(text.split())
    return (line if len(line) <= limit else line[: limit - 1].rstrip() + "…") or None


def strings(value: object, limit: int = 100_000) -> tuple[str, ...]:
    """The strings of a JSON list, whatever else it holds."""
    return tuple(v for v in value[:limit] if isinstance(v, str) and v) if isinstance(value, list) else ()


def mapping(value: object) -> Mapping[str, Any]:
    """A JSON object, or an empty one where there is something else."""
    return value if isinstance(value, dict) else {}


def keep_only(workspace: Workspace, urls: Iterable[str]) -> None:
    """Forget the files of all other URLs: for feeds whose URLs carry a date or a hash."""
    kept = set(urls)
    for url in [url for url in workspace.files if url not in kept]:
        del workspace.files[url]
        workspace.path(url).unlink(missing_ok=True)
    for url in [url for url in workspace.failures if url not in kept]:
        del workspace.failures[url]


def fetch_some(
    workspace: Workspace, transport: Transport, sources: Sequence[Source], check: Callable[[Path], None]
) -> None:
    """``fetch_all`` for a feed of files none of which must be there; that there is not even one is a failure."""
    outcomes = [fetch_one(workspace, transport, replace(source, optional=True), check) for source in sources]
    if not workspace.files and not workspace.failures:
        workspace.failures[sources[0].url] = f"{sources[0].url} does not exist"
    finish(workspace, "new" in outcomes, sum(o in ("new", "unchanged") for o in outcomes))

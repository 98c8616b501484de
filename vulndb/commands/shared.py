"""What several commands of ``scangrid db`` share: options, the console, and the progress display."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    SpinnerColumn,
    Task,
    TaskID,
    TextColumn,
    TransferSpeedColumn,
)
from rich.text import Text

from grid.database import default_root
from grid.errors import UsageError
from grid.events import Event, Stage, Warned
from vulndb.feed import FeedFetched, FeedParsed, FileProgress

EXIT_INCOMPLETE = 3
"""As everywhere in ``scangrid``: it went on, and something is missing."""

Root = Annotated[
    Path | None,
    typer.Option("--db", metavar="DIR", help="The database's folder.  [default: SCANGRID_DB, else the user's cache]"),
]
Format = Annotated[str, typer.Option("--format", metavar="FORMAT", help="table or json.")]

_OUTCOMES = {
    "new": "[green]new[/]",
    "unchanged": "unchanged",
    "stale": "[yellow]kept as it was[/]",
    "absent": "[dim]absent[/]",
}


def screen() -> Console:
    """Standard output; files and pipes do not wrap."""
    tty = sys.stdout.isatty()
    return Console(highlight=False, soft_wrap=not tty, width=None if tty else 200)


def place(root: Path | None) -> Path:
    """The database's folder."""
    return default_root() if root is None else root


def checked(format: str) -> str:
    """The format, if there is such a one."""
    if format not in ("table", "json"):
        raise UsageError(f"there is no format {format!r}", remedy="use table or json")
    return format


@contextlib.contextmanager
def watched(console: Console, quiet: bool = False) -> Iterator[Watcher]:
    """A progress display while the body runs; only warnings where nobody looks at a terminal."""
    errors = Console(stderr=True, highlight=False, soft_wrap=not sys.stderr.isatty())
    if quiet or not console.is_terminal or os.environ.get("TERM") == "dumb" or "CI" in os.environ:
        yield Watcher(None, errors)
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), _Bar(), _Bytes(), _Speed())
    with Progress(*columns, console=console, transient=True) as progress:
        yield Watcher(progress, progress.console)


class _Bar(BarColumn):
    """These three are for transfers only."""

    def render(self, task: Task) -> Any:
        return super().render(task) if task.fields["transfer"] else Text()


class _Bytes(DownloadColumn):
    def render(self, task: Task) -> Text:
        return super().render(task) if task.fields["transfer"] else Text()


class _Speed(TransferSpeedColumn):
    def render(self, task: Task) -> Text:
        return super().render(task) if task.fields["transfer"] else Text()


class Watcher:
    """Turns events into the display."""

    def __init__(self, progress: Progress | None, console: Console) -> None:
        self._progress = progress
        self._console = console
        self._task: TaskID | None = None
        self._what = ""

    def __call__(self, event: Event) -> None:
        if isinstance(event, Warned):
            self._console.print(f"[yellow]warning: {escape(event.message)}[/]")
        progress = self._progress
        if progress is None:
            return
        if isinstance(event, FileProgress):
            parts = urlsplit(event.url)
            self._show(f"{event.feed}  {parts.path.strip('/')[-50:]}", event.done, event.total, transfer=True)
        elif isinstance(event, FeedParsed):
            self._show(f"parse {event.feed}  {event.advisories:,} advisories")
        elif isinstance(event, FeedFetched):
            progress.console.print(f"{event.feed:10} {_OUTCOMES.get(event.outcome, event.outcome)}")
        elif isinstance(event, Stage):
            self._show(event.name)

    def moved(self, what: str) -> _Mover:
        """For pushes and pulls: a callback that shows how far a file is over."""
        return _Mover(self, what)

    def _show(self, what: str, done: int = 0, total: int | None = None, *, transfer: bool = False) -> None:
        progress = self._progress
        assert progress is not None
        if self._task is None or what != self._what:  # a new line each, for a total cannot become unknown again
            if self._task is not None:
                progress.remove_task(self._task)
            self._task = progress.add_task(escape(what), total=total, transfer=transfer)
            self._what = what
        progress.update(self._task, completed=done)


class _Mover:
    def __init__(self, watcher: Watcher, what: str) -> None:
        self._watcher = watcher
        self._what = what

    def __call__(self, name: str, done: int, total: int) -> None:
        self._watcher(FileProgress(self._what, name, done, total))

"""``scangrid db``: the vulnerability database from the command line."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, SpinnerColumn, TaskID, TextColumn, TransferSpeedColumn
from rich.table import Table

from grid.database import STALE_AFTER, Database, current_version, default_root, kept_versions, open_database
from grid.ecosystems import BY_NAME, BY_OSV
from grid.errors import UsageError
from grid.events import Event, Stage, Warned
from vulndb.build import key_versions
from vulndb.bundle import export, import_bundle
from vulndb.feed import FeedFetched, FeedParsed, FileProgress
from vulndb.fetch import HttpTransport
from vulndb.search import search as find
from vulndb.update import update as run_update

app = typer.Typer(
    no_args_is_help=True,
    help="The vulnerability database: fetch it, look into it, carry it to where there is no network.",
)

_COLOURS = {"critical": "bold red", "high": "red", "medium": "yellow", "low": "green", "negligible": "dim"}
_OUTCOMES = {
    "new": "[green]new[/]",
    "unchanged": "unchanged",
    "stale": "[yellow]kept as it was[/]",
    "absent": "[dim]absent[/]",
}

Root = Annotated[
    Path | None,
    typer.Option("--db", metavar="DIR", help="The database's folder.  [default: SCANGRID_DB, else the user's cache]"),
]


def _console() -> Console:
    tty = sys.stdout.isatty()
    return Console(highlight=False, soft_wrap=not tty, width=None if tty else 200)  # files and pipes do not wrap


def _root(root: Path | None) -> Path:
    return default_root() if root is None else root


@app.command(epilog="Example: scangrid db update --mirror https://mirror.example.com/feeds")
def update(
    mirror: Annotated[
        str | None,
        typer.Option(metavar="URL_OR_DIR", help="Take https://host/path from URL_OR_DIR/host/path instead."),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="FEED", help="Fetch only this feed (osv, alpine, debian, kev). Repeatable."),
    ] = None,
    ecosystem: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A further OSV ecosystem (Maven, Go, …), from now on. Repeatable."),
    ] = None,
    keep: Annotated[
        int | None, typer.Option(metavar="N", help="Keep N versions from now on, for `as of` questions (at least 2).")
    ] = None,
    root: Root = None,
) -> None:
    """Fetch the feeds and build the database, if anything has changed."""
    console = _console()
    with _watched(console) as emit, HttpTransport(mirror) as transport:
        done = run_update(_root(root), transport, only=only or (), ecosystems=ecosystem or (), keep=keep, emit=emit)
    database = done.database
    word = "built" if done.rebuilt else "unchanged"
    console.print(
        f"{word}: {escape(database.version)}, {database.rows('advisories'):,} advisories, "
        f"{database.rows('ranges') + database.rows('exact'):,} ranges"
    )


@app.command(epilog="Example: scangrid db status --format json")
def status(
    format: Annotated[str, typer.Option("--format", metavar="FORMAT", help="table or json.")] = "table",
    root: Root = None,
) -> None:
    """Show how old the database is and what it was made of."""
    database = open_database(_root(root))
    manifest = database.manifest
    if _format(format) == "json":
        typer.echo(json.dumps(_status(database)))
        return
    console = _console()
    console.print(f"[bold]{escape(manifest.version)}[/]  {escape(str(database.path))}")
    console.print(f"built {manifest.built_at:%Y-%m-%d %H:%M} UTC, {_ago(database.age())} ago")
    table = Table(box=None, pad_edge=False)
    for name in ("feed", "state", "advisories", "fetched", "published", ""):
        table.add_column(name, justify="right" if name == "advisories" else "left", overflow="fold")
    for feed in manifest.feeds:
        colour = {"ok": "green", "stale": "yellow"}.get(feed.status, "dim")
        table.add_row(
            feed.name, f"[{colour}]{feed.status}[/]", f"{feed.advisories:,}", feed.fetched_at[:16].replace("T", " "),
            feed.source_date[:10], escape(feed.message),
        )  # fmt: skip
    console.print(table)
    console.print("  ".join(f"{name} {file.rows:,}" for name, file in manifest.tables.items()))
    for note in manifest.notes:
        console.print(f"[dim]note: {escape(note)}[/]")
    for warning in _warnings(database):
        console.print(f"[yellow]warning: {escape(warning)}[/]")


@app.command("list", epilog="Example: scangrid db list")
def list_command(
    format: Annotated[str, typer.Option("--format", metavar="FORMAT", help="table or json.")] = "table",
    root: Root = None,
) -> None:
    """Show the versions that are kept, newest first."""
    place = _root(root)
    current = current_version(place)
    versions = kept_versions(place)
    if _format(format) == "json":
        typer.echo(json.dumps([_version(database, current) for database in versions]))
        return
    if not versions:
        open_database(place)  # says that there is none, or what is wrong with it
    console = _console()
    table = Table(box=None, pad_edge=False)
    for name in ("version", "built", "advisories", "ranges", "size", ""):
        table.add_column(name, justify="right" if name in ("advisories", "ranges", "size") else "left", overflow="fold")
    for database in versions:
        table.add_row(
            escape(database.version), f"{database.manifest.built_at:%Y-%m-%d %H:%M} UTC",
            f"{database.rows('advisories'):,}", f"{database.rows('ranges') + database.rows('exact'):,}",
            f"{sum(file.bytes for file in database.manifest.tables.values()) / 1e6:.1f} MB",
            "in use" if database.version == current else "",
        )  # fmt: skip
    console.print(table)


@app.command(epilog="Example: scangrid db search CVE-2022-37434 --ecosystem Debian")
def search(
    id_or_package: Annotated[
        str, typer.Argument(metavar="ID_OR_PACKAGE", help="CVE, GHSA, DSA … or a package's name.")
    ],
    ecosystem: Annotated[
        str | None, typer.Option(metavar="NAME", help="deb, Debian or Debian:12; any if not given.")
    ] = None,
    format: Annotated[str, typer.Option("--format", metavar="FORMAT", help="table or json.")] = "table",
    root: Root = None,
) -> None:
    """Look up an advisory by any of its ids, or all that is known of a package."""
    hits = find(open_database(_root(root)), id_or_package, ecosystem)
    if _format(format) == "json":
        typer.echo(json.dumps([dataclasses.asdict(hit) for hit in hits]))
        return
    console = _console()
    if not hits:
        known = "" if ecosystem is None else f" in {ecosystem}"
        console.print(f"nothing is known of {escape(id_or_package)}{escape(known)}")
        if (
            ecosystem is not None
            and ecosystem.lower() not in {n.lower() for n in (*BY_OSV, *BY_NAME)}
            and ":" not in ecosystem
        ):
            console.print(f"[dim]ecosystems: {', '.join(sorted(BY_OSV))}[/]")
        return
    table = Table(box=None, pad_edge=False)
    for name in ("problem", "severity", "package", "namespace", "affected", "fixed", "said by"):
        table.add_column(name, overflow="fold", no_wrap=name in ("problem", "severity", "namespace", "said by"))
    titles: dict[str, str] = {}
    for hit in hits:
        if hit.title:
            titles.setdefault(hit.vuln_id, hit.title)
        fixed = hit.fixed or f"[dim]{hit.state.replace('_', ' ')}[/]"
        table.add_row(
            hit.vuln_id, f"[{_COLOURS.get(hit.severity, 'dim')}]{hit.severity or 'unknown'}[/]", escape(hit.name),
            escape(hit.namespace), escape(hit.affected), fixed if hit.fixed == "" else escape(hit.fixed),
            escape(hit.advisory_id),
        )  # fmt: skip
    console.print(table)
    if len(titles) == 1:
        console.print(f"[dim]{escape(next(iter(titles.values())))}[/]")


@app.command("export", epilog="Example: scangrid db export scangrid-db.tar.zst")
def export_command(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The bundle to write: one checksummed tar.zst.")],
    root: Root = None,
) -> None:
    """Write the database as one file."""
    database = open_database(_root(root))
    size = export(database, file)
    _console().print(f"wrote {escape(str(file))}: {escape(database.version)}, {size / 1e6:.1f} MB")


@app.command("import", epilog="Example: scangrid db import scangrid-db.tar.zst")
def import_command(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A bundle that `scangrid db export` wrote.")],
    root: Root = None,
) -> None:
    """Use the database in a bundle, once its checksums and schema are found right."""
    database = import_bundle(_root(root), file)
    _console().print(
        f"imported {escape(database.version)}: {database.rows('advisories'):,} advisories, "
        f"built {_ago(database.age())} ago"
    )


def _version(database: Database, current: str | None) -> dict[str, object]:
    manifest = database.manifest
    return {
        "version": manifest.version,
        "built_at": manifest.built_at.isoformat(),
        "current": manifest.version == current,
        "rows": {name: file.rows for name, file in manifest.tables.items()},
        "bytes": sum(file.bytes for file in manifest.tables.values()),
        "path": str(database.path),
    }


# --- helpers -------------------------------------------------------------------------------------


def _format(name: str) -> str:
    if name not in ("table", "json"):
        raise UsageError(f"there is no format {name!r}", remedy="use table or json")
    return name


def _ago(age: timedelta) -> str:
    hours = int(age.total_seconds() // 3600)
    if hours < 1:
        return f"{int(age.total_seconds() // 60)} minutes"
    return f"{hours} hours" if hours < 48 else f"{hours // 24} days"


def _warnings(database: Database) -> list[str]:
    warnings = []
    if database.age() > STALE_AFTER:
        warnings.append(f"the database is {_ago(database.age())} old; run: scangrid db update")
    if stale := [feed.name for feed in database.manifest.feeds if feed.status == "stale"]:
        warnings.append(f"not fetched at the last update, older data was used: {', '.join(stale)}")
    if outdated := database.outdated_keys(key_versions()):
        warnings.append(f"made for another order of {', '.join(outdated)} versions; run: scangrid db update")
    return warnings


def _status(database: Database) -> dict[str, object]:
    document: dict[str, object] = json.loads(database.manifest.to_json())
    document["path"] = str(database.path)
    document["age_seconds"] = int(database.age().total_seconds())
    document["warnings"] = _warnings(database)
    return document


@contextlib.contextmanager
def _watched(console: Console) -> Iterator[_Watcher]:
    """A progress display while the body runs; only warnings where nobody looks at a terminal."""
    errors = Console(stderr=True, highlight=False, soft_wrap=not sys.stderr.isatty())
    if not console.is_terminal:
        yield _Watcher(None, errors)
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        yield _Watcher(progress, progress.console)


class _Watcher:
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
            self._show(f"{event.feed}  {parts.path.strip('/')[-50:]}", event.done, event.total)
        elif isinstance(event, FeedParsed):
            self._show(f"{event.feed}  {event.advisories:,} advisories", None, None)
        elif isinstance(event, FeedFetched):
            progress.console.print(f"{event.feed:8} {_OUTCOMES.get(event.outcome, event.outcome)}")
        elif isinstance(event, Stage):
            self._show(event.name, None, None)

    def _show(self, what: str, done: int | None, total: int | None) -> None:
        progress = self._progress
        assert progress is not None
        if self._task is None:
            self._task = progress.add_task(what, total=total)
        if what != self._what:
            progress.reset(self._task, total=total, description=escape(what))
            self._what = what
        progress.update(self._task, completed=done or 0, total=total)

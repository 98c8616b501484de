"""``scangrid db update``."""

from __future__ import annotations

import time
from typing import Annotated

import typer
from rich.markup import escape

from grid.errors import UsageError
from vulndb.commands.shared import EXIT_INCOMPLETE, Root, place, screen, watched
from vulndb.feeds import FEEDS
from vulndb.fetch import HttpTransport
from vulndb.update import update as run_update
from vulndb.workers import Processes, Runner


def add(app: typer.Typer) -> None:
    """Add the command."""
    app.command(epilog="Example: scangrid db update --mirror https://mirror.example.com/feeds")(update)


def update(
    mirror: Annotated[
        str | None,
        typer.Option(metavar="URL_OR_DIR", help="Take https://host/path from URL_OR_DIR/host/path instead."),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FEED",
            help=f"Fetch only this feed, the others stay as they are: {', '.join(f.name for f in FEEDS)}. Repeatable.",
        ),
    ] = None,
    ecosystem: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A further OSV ecosystem (Maven, Go, …), from now on. Repeatable."),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Accept a feed that has lost half of its advisories or ranges.")
    ] = False,
    keep: Annotated[
        int | None, typer.Option(metavar="N", help="Keep N versions from now on, for `as of` questions (at least 2).")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Parse in N processes.  [default: as many as cores]")
    ] = None,
    ray: Annotated[
        bool, typer.Option("--ray", help="Parse on Ray; without --address on a cluster of its own.")
    ] = False,
    address: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="The Ray cluster; its nodes must see the database's folder.")
    ] = "",
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
    root: Root = None,
) -> None:
    """Fetch the feeds and build the database, if anything has changed.

    A feed that is down, half delivered or not to be believed keeps its last good state; a warning says so, and the exit
    code is 3: the database is there, and older in part.
    """
    console = screen()
    started = time.monotonic()
    runner: Runner = Processes(workers)
    if ray or address:
        if workers:
            raise UsageError("--workers is for processes here, not for Ray")
        from jobs.database import RayRunner  # Ray is imported only when it is asked for

        runner = RayRunner(address or None)
    with watched(console, quiet) as emit, HttpTransport(mirror) as transport:
        done = run_update(
            place(root), transport, only=only or (), ecosystems=ecosystem or (), force=force, keep=keep, runner=runner,
            emit=emit,
        )  # fmt: skip
    database = done.database
    word = "built" if done.rebuilt else "unchanged"
    console.print(
        f"{word}: {escape(database.version)}, {database.rows('advisories'):,} advisories, "
        f"{database.rows('ranges') + database.rows('exact'):,} ranges, {time.monotonic() - started:.1f} s"
    )
    if done.incomplete:
        raise typer.Exit(EXIT_INCOMPLETE)

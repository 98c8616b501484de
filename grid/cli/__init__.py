"""The ``scangrid`` command: one file a command group, found by the list below and by entry points.

``scangrid db`` comes from ``vulndb`` through the entry point group ``scangrid.commands``: this package never
imports it, and any other package can add a command in the same way.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points, version
from typing import Annotated

import typer

from grid.errors import GridError

EXIT_FINDINGS, EXIT_USAGE, EXIT_INCOMPLETE = 1, 2, 3

COMMANDS = ("scan", "sweep", "sql", "explain", "diff", "registry", "demo")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"scangrid {version('scangrid')}")
        raise typer.Exit


def _top(
    _: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None: ...


@cache
def build(wanted: str = "") -> typer.Typer:
    """The command: all of it (ours, and what installed packages add), or only the part that is ``wanted``.

    What a scan does not need, it does not import: that would take as long as scanning a small image. Nor does a
    command import what it works with before it runs, so that help is there at once.
    """
    app = typer.Typer(
        name="scangrid",
        help="Scan whole estates of container images, each layer once, into Parquet tables that answer SQL.",
        no_args_is_help=True,
        rich_markup_mode="markdown",
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
        epilog="Start with `scangrid demo`: it needs no registry, no network and no database.",
    )
    app.callback()(_top)
    added = {point.name: point for point in entry_points(group="scangrid.commands")}
    everything = wanted not in COMMANDS and wanted not in added
    for name in COMMANDS:
        if everything or name == wanted:
            import_module(f"grid.cli.{name}").add(app)
    for name, point in added.items():
        if everything or name == wanted:
            app.add_typer(point.load(), name=name)
    return app


def main() -> None:
    """Run the command: a user's mistake is one clear line and exit code 2, never a traceback."""
    # numpy's library for matrices, of which we have none, would start a thread a core, and they spin
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        build(*sys.argv[1:2])()
    except GridError as error:
        fail(error)
        sys.exit(EXIT_INCOMPLETE if error.retryable else EXIT_USAGE)
    except BrokenPipeError:  # `scangrid sql … | head` is no mistake
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def importing() -> Iterator[None]:
    """Imports make many objects and no garbage: looking for it meanwhile takes a tenth as long again."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def fail(error: GridError) -> None:
    """Code, what, remedy: on one line of standard error."""
    from rich.console import Console
    from rich.markup import escape

    console = Console(stderr=True, soft_wrap=True, highlight=False)
    remedy = f" [dim]→ {escape(error.remedy)}[/]" if error.remedy else ""
    console.print(f"[bold red]{error.code}[/]: {escape(str(error))}{remedy}")

"""``scangrid diff A B``: new, fixed and remaining findings between two sweeps, matches, dates or images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from grid.cli import EXIT_FINDINGS
from grid.cli.explain import find_image
from grid.cli.options import LakeOption, open_lake, screen
from grid.errors import UsageError

if TYPE_CHECKING:
    from grid.reports.changes import Side
    from grid.store import Lake

FORMATS = ("table", "json", "csv", "parquet")


def add(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(diff)


def diff(
    before: Annotated[str, typer.Argument(metavar="[A]", help="What was; see below.")] = "previous",
    after: Annotated[str, typer.Argument(metavar="[B]", help="What is.")] = "latest",
    lake: LakeOption = None,
    format: Annotated[str, typer.Option("--format", "-f", help="table, json, csv or parquet.")] = "table",
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write there instead of the screen.")] = None,
    status: Annotated[
        str, typer.Option(help="Show only these: new, fixed, removed, unread, remaining.")
    ] = "new,fixed,removed,unread",
    severity: Annotated[str, typer.Option(help="Show only these, for example critical,high.")] = "",
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="Exit with 1 if something new is of a severity shown.")
    ] = False,
) -> None:
    """Say what is new, what is fixed and what remains between A and B.

    Each is `latest` (the sweep that the views show), `previous` (the one before it), the id of a sweep or of a match
    run, a date (the newest sweep that had ended by then), or an image as in `explain`: then B is one, too.
    A finding goes by the package's name: an upgrade that does not mend it leaves it remaining.

    Example: `scangrid diff previous latest --severity critical,high --exit-code`
    """
    from rich.console import Console

    from grid.reports import changes, tables
    from grid.reports.results import SEVERITIES
    from grid.warehouse import connect

    if format not in FORMATS:
        raise UsageError(f"no format {format!r}", remedy=f"choose from {', '.join(FORMATS)}")
    statuses, severities = _chosen(status, changes.STATUSES, "status"), _chosen(severity, SEVERITIES, "severity")
    store = open_lake(lake, create=False)
    with connect(store) as con:
        a, b = (_side(con, store, text) for text in (before, after))
        found = changes.compare(con, a, b)
    shown = changes.select(found, statuses, severities)
    if format != "table":
        tables.write(shown, format, output)
    elif output is None:
        changes.show(screen(), a, b, found, shown)
    else:
        with output.open("w", encoding="utf-8") as file:
            changes.show(Console(file=file, highlight=False, width=160), a, b, found, shown)
    if exit_code and changes.select(found, ("new",), severities).num_rows:
        raise typer.Exit(EXIT_FINDINGS)


def _chosen(text: str, known: tuple[str, ...], what: str) -> tuple[str, ...]:
    chosen = tuple(part.strip().lower() for part in text.split(",") if part.strip())
    for name in chosen:
        if name not in known:
            raise UsageError(f"no {what} {name!r}", remedy=f"choose from {', '.join(known)}")
    return chosen


def _side(con: Any, lake: Lake, text: str) -> Side:
    from grid.reports import changes

    return changes.find_side(con, text) or changes.side_of_image(lake, find_image(con, text))

"""``scangrid sql``: ask the lake."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from grid.cli.explain import find_image
from grid.cli.options import LakeOption, open_lake
from grid.errors import QueryInvalid, UsageError

FORMATS = ("table", "json", "csv", "parquet")


def add(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(sql)


def sql(
    statement: Annotated[str | None, typer.Argument(metavar="[QUERY]", help="SQL; without it a prompt.")] = None,
    lake: LakeOption = None,
    format: Annotated[str, typer.Option("--format", "-f", help="table, json, csv or parquet.")] = "table",
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write there instead of the screen.")] = None,
    image: Annotated[
        str, typer.Option(metavar="IMAGE", help="Ask of this image only (as in `explain`): quick in the largest lake.")
    ] = "",
) -> None:
    """Ask the lake in DuckDB's SQL. `show tables` lists the views, `describe vulnerabilities` one of them.

    Example: `scangrid sql "select severity, count(*) from vulnerabilities group by 1"`
    """
    from rich.console import Console

    from grid.reports import tables
    from grid.snapshot import of_image
    from grid.warehouse import connect, query

    if format not in FORMATS:
        raise UsageError(f"no format {format!r}", remedy=f"choose from {', '.join(FORMATS)}")
    if format == "parquet" and output is None and sys.stdout.isatty():
        raise UsageError("Parquet does not belong on a terminal", remedy="name a file with --output")
    if image and statement is None:
        raise UsageError("--image wants a query", remedy='scangrid sql --image IMAGE "select …"')
    store = open_lake(lake, create=False)
    with connect(store) as con:
        if image and statement is not None:
            with of_image(store, find_image(con, image), statement) as one:
                tables.write(query(one, statement), format, output)
            return
        if statement is not None:
            tables.write(query(con, statement), format, output)
            return
        if not sys.stdin.isatty():
            for text in _statements(iter(sys.stdin)):
                tables.write(query(con, text), format, output)
            return
        console = Console(highlight=False)
        console.print("DuckDB SQL; end a query with [b];[/]  [dim]show tables; lists the views, Ctrl-D leaves[/]")
        for text in _statements(_typed()):
            try:
                tables.write(query(con, text), format, output)
            except QueryInvalid as error:
                console.print(f"[red]{error.code}[/]: ", end="")
                console.print(error.message, markup=False)


def _typed() -> Iterator[str]:
    """Lines from a person, with history and editing."""
    from prompt_toolkit import PromptSession
    from prompt_toolkit.lexers import PygmentsLexer
    from pygments.lexers.sql import SqlLexer

    session: PromptSession[str] = PromptSession(lexer=PygmentsLexer(SqlLexer))
    prompt = "sql> "
    while True:
        try:
            line = session.prompt(prompt)
        except KeyboardInterrupt:
            yield "\0"  # forget what was typed so far
            continue
        except EOFError:
            return
        prompt = "sql> " if line.rstrip().endswith(";") else "...> "
        yield line + "\n"


def _statements(lines: Iterator[str]) -> Iterator[str]:
    """Statements end at a line that ends in a semicolon, and with the input."""
    text = ""
    for line in lines:
        if line == "\0":
            text = ""
            continue
        text += line
        if line.rstrip().endswith(";"):
            yield text
            text = ""
    if text.strip():
        yield text

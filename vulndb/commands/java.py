"""``scangrid db java-index``: the table that tells what a jar is by its SHA-1."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vulndb.commands.shared import Root, place, screen
from vulndb.java import build


def add(app: typer.Typer) -> None:
    """Add the command."""
    app.command("java-index", epilog="Example: scangrid db java-index jars.tsv.gz")(java_index)


def java_index(
    table: Annotated[Path, typer.Argument(metavar="FILE", help="sha1, group, artifact, version; tabs between them.")],
    root: Root = None,
) -> None:
    """Make the optional index of Java archives, for jars that do not say what they are.

    The next sweep or re-match uses it: no layer is read again.
    """
    named = build(table, place(root))
    screen().print(f"the Java index names {named:,} jars")

"""``scangrid db``: the vulnerability database from the command line, one file a group of commands."""

from __future__ import annotations

import typer

from vulndb.commands import carry, java, look, update

app = typer.Typer(
    no_args_is_help=True,
    help="The vulnerability database: fetch it, look into it, carry it to where there is no network.",
)
for _part in (update, look, carry, java):
    _part.add(app)

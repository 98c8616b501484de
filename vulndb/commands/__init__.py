"""``scangrid db``: the vulnerability database from the command line, one file a group of commands."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup

PARTS = ("update", "look", "carry", "java")


class _Commands(TyperGroup):
    """The commands of ``PARTS``, imported when one of them, or their list, is asked for: `scangrid --help` is not."""

    def _load(self) -> None:
        if not self.commands:
            whole = typer.Typer()
            for part in PARTS:
                import_module(f"vulndb.commands.{part}").add(whole)
            self.commands.update(typer.main.get_group(whole).commands)

    def list_commands(self, ctx: Any) -> list[str]:
        self._load()
        return super().list_commands(ctx)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        self._load()
        return super().get_command(ctx, cmd_name)


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    help="The vulnerability database: fetch it, look into it, carry it to where there is no network.",
)


@app.callback()
def _top() -> None: ...

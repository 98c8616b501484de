"""``scangrid db``: the vulnerability database from the command line, one file a group of commands."""

from __future__ import annotations

from collections.abc import MutableMapping
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup

PARTS = ("update", "look", "carry", "java")


class _Commands(TyperGroup):
    """The commands of ``PARTS``, imported when one of them, or their list, is asked for: `scangrid --help` is not."""

    _loaded: MutableMapping[str, Any]

    @property
    def commands(self) -> MutableMapping[str, Any]:
        if not self._loaded:
            whole = typer.Typer()
            for part in PARTS:
                import_module(f"vulndb.commands.{part}").add(whole)
            self._loaded = dict(typer.main.get_group(whole).commands)
        return self._loaded

    @commands.setter
    def commands(self, _: MutableMapping[str, Any]) -> None:
        self._loaded = {}


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    help="The vulnerability database: fetch it, look into it, carry it to where there is no network.",
)


@app.callback()
def _top() -> None: ...

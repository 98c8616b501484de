"""What a command tells of its work while it is at it: a live display if a person watches, else warnings only."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from grid.cli.options import interactive

if TYPE_CHECKING:
    from grid.events import Emit, Event


@contextmanager
def watching(quiet: bool = False) -> Iterator[Emit]:
    """Yields the ``emit`` to hand to a sweep."""
    if quiet or not interactive():
        yield _warn
        return
    from grid.cli.progress import display

    with display() as emit:
        yield emit


def _warn(event: Event) -> None:
    from grid.events import Warned

    if isinstance(event, Warned):
        from rich.console import Console
        from rich.markup import escape

        Console(stderr=True, highlight=False, soft_wrap=True).print(f"warning: {escape(event.message)}")

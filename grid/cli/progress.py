"""Live progress of a sweep: images, layers, MB/s and the time left."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from grid.events import Emit, Event, ImageListed, ImageResolved, LayerDone, Planned, Stage, Warned
from grid.reports.terminal import size

TITLES = {
    "enumerate": "listing images",
    "resolve": "looking up images",
    "scan": "scanning layers",
    "squash": "merging layers",
    "match": "matching advisories",
}


class _Details(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(str(task.fields.get("details", "")), style="cyan")


class _Display:
    def __init__(self, progress: Progress, console: Console) -> None:
        self._progress = progress
        self._console = console
        self._task = progress.add_task("starting workers", total=None, details="")
        self._listed = self._looked_up = self._known = 0
        self._layers = self._layers_planned = self._failed = 0
        self._bytes = self._raw = 0
        self._planned = self._reused = 0
        self._started = time.monotonic()
        self._shown = 0.0

    def __call__(self, event: Event) -> None:
        match event:
            case Stage(name=name):
                self._stage(name)
            case ImageListed():
                self._listed += 1
                self._show(details=f"{self._listed} images")
            case ImageResolved(known=known):
                self._looked_up += 1
                self._known += known
                self._show(completed=self._looked_up, details=f"{self._looked_up - self._known} new")
            case Planned(layers=layers, bytes=planned, layers_reused=reused):
                self._planned, self._reused = planned, reused
                self._layers_planned = layers
            case LayerDone():
                self._layer(event)
            case Warned(message=message):
                self._console.print(f"[yellow]warning[/]: {escape(message)}")

    def _stage(self, name: str) -> None:
        total: float | None = None
        if name == "resolve":
            total = self._listed or None
        elif name == "scan":
            total = self._planned or None
            self._started = time.monotonic()
        self._progress.reset(self._task, total=total, description=TITLES.get(name, name), details="")

    def _layer(self, event: LayerDone) -> None:
        self._layers += 1
        self._failed += bool(event.error_code)
        self._bytes += event.size_bytes
        self._raw += event.uncompressed_bytes
        rate = self._raw / max(time.monotonic() - self._started, 0.001)
        failed = f", {self._failed} failed" if self._failed else ""
        details = f"{self._layers}/{self._layers_planned} layers{failed}, {self._reused} known, {size(rate)}/s"
        self._show(completed=min(self._bytes, self._planned), details=details)

    def _show(self, **update: object) -> None:
        if time.monotonic() - self._shown > 0.05:  # thousands of events a second must not cost a redraw each
            self._shown = time.monotonic()
            self._progress.update(self._task, **update)  # type: ignore[arg-type]


@contextmanager
def display() -> Iterator[Emit]:
    """Yields the ``emit`` of a display on standard error, which goes when all is done."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    progress = Progress(
        SpinnerColumn(),
        TextColumn("{task.description:<20}"),
        BarColumn(bar_width=28),
        _Details(),
        TimeRemainingColumn(compact=True),
        console=console,
        transient=True,
    )
    with progress:
        yield _Display(progress, console)

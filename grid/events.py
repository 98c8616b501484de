"""What a sweep tells whoever watches: the progress display, the log, a test."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Event:
    """Base of all events."""


@dataclass(frozen=True, slots=True)
class Stage(Event):
    """A stage of the flow begins: enumerate, resolve, scan, squash, match."""

    name: str


@dataclass(frozen=True, slots=True)
class ImageListed(Event):
    """One more image of the estate is known by name."""

    registry: str


@dataclass(frozen=True, slots=True)
class ImageResolved(Event):
    """An image was looked up; ``known`` if its digest was, so that one HEAD request was all."""

    known: bool
    status: str


@dataclass(frozen=True, slots=True)
class Planned(Event):
    """The plan: what will be read, before anything is."""

    layers: int
    bytes: int
    tasks: int
    layers_reused: int


@dataclass(frozen=True, slots=True)
class LayerDone(Event):
    """One layer was scanned or has failed."""

    digest: str
    size_bytes: int
    uncompressed_bytes: int
    error_code: str = ""


@dataclass(frozen=True, slots=True)
class Warned(Event):
    """Something the user should know that is no failure."""

    message: str


Emit = Callable[[Event], None]


def silent(event: Event) -> None:
    """Nobody watches."""

"""Feeds that are files at fixed addresses, each read by itself: what most publishers offer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from grid.errors import FeedInvalid
from vulndb.feed import Source, Transport, Workspace, fetch_all, fetch_some
from vulndb.records import Advisory, Record, Statement


class FileFeed:
    """See ``vulndb.feed.Feed``; what it is given are functions of a module, so that it can be pickled.

    ``sources`` are the files, or a function that lists them; with ``some``, none of them must be there, but not all
    missing. ``read`` takes a file's URL and path, and raises FeedInvalid. ``check`` decides whether a file may replace
    the last good one; without it, one that can be read to its end and says something of the kind ``told`` may.
    """

    def __init__(
        self,
        name: str,
        sources: Sequence[Source] | Callable[[], Sequence[Source]],
        read: Callable[[str, Path], Iterator[Record]],
        *,
        version: int = 1,
        verdicts: bool = True,
        default: bool = True,
        some: bool = False,
        told: type[Statement] = Advisory,
        check: Callable[[Path], None] | None = None,
    ) -> None:
        self.name, self.version, self.verdicts, self.default = name, version, verdicts, default
        self.read, self.check = read, check or self._holds
        self._sources, self._some, self._told = sources, some, told

    def fetch(self, workspace: Workspace, transport: Transport, ecosystems: Sequence[str] = ()) -> None:
        sources = self._sources() if callable(self._sources) else self._sources
        (fetch_some if self._some else fetch_all)(workspace, transport, sources, self.check)

    def parse(self, workspace: Workspace) -> Iterator[Record]:
        for state, path in workspace.present():
            yield from self.read(state.url, path)

    def _holds(self, path: Path) -> None:
        if not sum(isinstance(record, self._told) for record in self.read(path.name, path)):  # not any(): to the end
            raise FeedInvalid(f"{path.name} holds nothing of what it should")

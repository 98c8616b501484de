"""Wolfi's secdb: one JSON file, as Alpine's (see ``alpine``) but for the release, which Wolfi does not have."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import orjson

from grid.errors import FeedInvalid
from vulndb.feed import MIB, Advisory, Record, Source, Transport, Workspace, fetch_all
from vulndb.feeds import alpine
from vulndb.streams import inflated

MAX_INFLATED = 512 * MIB


class SecdbFeed:
    """A secdb without releases; see ``vulndb.feed.Feed``."""

    version = 1
    verdicts = True

    def __init__(self, name: str, namespace: str, url: str) -> None:
        self.name, self.namespace, self.url = name, namespace, url

    def fetch(self, workspace: Workspace, transport: Transport, ecosystems: Sequence[str] = ()) -> None:
        fetch_all(workspace, transport, [Source(self.url, 256 * MIB)], self.check)

    def parse(self, workspace: Workspace) -> Iterator[Record]:
        for _, path in workspace.present():
            yield from self.records(path)

    def records(self, path: Path) -> Iterator[Record]:
        """The advisories of one file; raises FeedInvalid if it is none."""
        with inflated(path, MAX_INFLATED) as stream:
            content = stream.read()
        try:
            document = orjson.loads(content)
        except ValueError as error:
            raise FeedInvalid(f"{path.name} is not JSON: {error}") from error
        packages = document.get("packages") if isinstance(document, dict) else None
        if not isinstance(packages, list):
            raise FeedInvalid(f"{path.name} is no secdb file: it lacks 'packages'")
        yield from alpine.fixed_in(self.namespace, packages)

    def check(self, path: Path) -> None:
        """Raises FeedInvalid unless the whole file can be read and holds advisories."""
        if not sum(isinstance(record, Advisory) for record in self.records(path)):
            raise FeedInvalid(f"{path.name} holds no advisory")


FEED = SecdbFeed("wolfi", "Wolfi", "https://packages.wolfi.dev/os/security.json")

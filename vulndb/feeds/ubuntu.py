"""Ubuntu's own OSV records: one tar of them.

The records are those that OSV publishes under ``Ubuntu``, usually a day fresher; see ``osv`` for what is made
of them. Large, and therefore only fetched on request (``--only ubuntu``), and from then on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import orjson

from grid.errors import FeedInvalid
from vulndb.feed import MIB, Advisory, Record, Skipped, Source, Transport, Workspace, fetch_all
from vulndb.feeds import osv
from vulndb.streams import inflated, tar_files

URL = "https://security-metadata.canonical.com/osv/osv-all.tar.xz"


class UbuntuFeed:
    """See ``vulndb.feed.Feed``."""

    name = "ubuntu"
    version = 2
    verdicts = True
    default = False

    def fetch(self, workspace: Workspace, transport: Transport, ecosystems: Sequence[str] = ()) -> None:
        fetch_all(workspace, transport, [Source(URL, 2048 * MIB)], check)

    def parse(self, workspace: Workspace) -> Iterator[Record]:
        for _, path in workspace.present():
            yield from records(path)


def records(path: Path) -> Iterator[Record]:
    """The records of the tar, one in memory at a time; raises FeedInvalid."""
    with inflated(path, osv.MAX_TOTAL) as stream:
        for _, content in tar_files(stream, ".json", osv.MAX_RECORD):
            if content is None:
                yield Skipped("records too large")
                continue
            try:
                found = osv.advisory(orjson.loads(content), "Ubuntu")
            except ValueError:
                yield Skipped("records that cannot be read")
                continue
            if found is not None:
                yield found


def check(path: Path) -> None:
    """Raises FeedInvalid unless the whole file can be read and holds records."""
    if not sum(isinstance(record, Advisory) for record in records(path)):
        raise FeedInvalid(f"{path.name} holds no record")


FEED = UbuntuFeed()

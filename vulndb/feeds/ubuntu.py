"""Ubuntu's own OSV records: one tar of them.

The records are those that OSV publishes under ``Ubuntu``, usually a day fresher; see ``osv`` for what is made
of them. Large, and therefore only fetched on request (``--only ubuntu``), and from then on.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import orjson

from vulndb.feed import MIB, Source
from vulndb.feeds import osv
from vulndb.plain import FileFeed
from vulndb.records import Record, Skipped
from vulndb.streams import inflated, tar_files

URL = "https://security-metadata.canonical.com/osv/osv-all.tar.xz"


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


def read(address: str, path: Path) -> Iterator[Record]:
    """``records`` of a file."""
    yield from records(path)


FEED = FileFeed("ubuntu", [Source(URL, 2048 * MIB)], read, version=3, default=False)

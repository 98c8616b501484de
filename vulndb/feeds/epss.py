"""EPSS: FIRST's daily prediction of which CVEs will be exploited, one CSV a day.

Format (https://www.first.org/epss/data_stats): a comment line ``#model_version:…,score_date:…``, a header
``cve,epss,percentile``, then a row per CVE. The newest day that is published is kept, alone.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from grid.errors import FeedInvalid
from vulndb.feed import MIB, Source, Transport, Workspace, fetch_one, finish, keep_only
from vulndb.groups import is_cve
from vulndb.records import Record, Scored, Skipped
from vulndb.streams import inflated

HOST = "https://epss.cyentia.com"
CURRENT = f"{HOST}/epss_scores-current.csv.gz"
LOOK_BACK = 5
"""Days; a day without scores happens, a week without them does not."""
_MAX = 256 * MIB
_DATE = re.compile(r"score_date:(\d{4}-\d{2}-\d{2})")


def url(day: date) -> str:
    """Where the scores of a day are."""
    return f"{HOST}/epss_scores-{day:%Y-%m-%d}.csv.gz"


def _today() -> date:
    return datetime.now(UTC).date()


class EpssFeed:
    """See ``vulndb.feed.Feed``."""

    name = "epss"
    version = 1
    verdicts = False

    def fetch(self, workspace: Workspace, transport: Transport, ecosystems: Sequence[str] = ()) -> None:
        held = set(workspace.files)
        tried = [url(_today() - timedelta(days)) for days in range(LOOK_BACK + 1)]
        outcome = "absent"
        for address in [*tried, CURRENT]:
            outcome = fetch_one(workspace, transport, Source(address, _MAX, optional=True), check)
            if outcome in ("new", "unchanged"):
                keep_only(workspace, [address])
            if outcome != "absent" or address in held:
                break
        else:
            workspace.failures[tried[0]] = f"{tried[0]} does not exist, nor do the days before"
        finish(workspace, outcome == "new", outcome in ("new", "unchanged"))

    def parse(self, workspace: Workspace) -> Iterator[Record]:
        for _, path in workspace.present():
            yield from records(path)


def records(path: Path) -> Iterator[Record]:
    """The scores of one file; raises FeedInvalid if it is none."""
    with inflated(path, _MAX) as stream:
        lines = io.TextIOWrapper(stream, "utf-8", "replace")
        try:
            found = _DATE.search(lines.readline(1000))
            if found is None:
                raise FeedInvalid(f"{path.name} does not say of which day it is")
            if lines.readline(1000).strip().split(",")[:3] != ["cve", "epss", "percentile"]:
                raise FeedInvalid(f"{path.name} does not have the columns cve, epss, percentile")
            for line in lines:
                yield _scored(line, found[1])
        finally:
            lines.detach()


def _scored(line: str, day: str) -> Record:
    fields = line.strip().split(",")
    try:
        name, score, percentile = fields[0].upper(), float(fields[1]), float(fields[2])
    except (IndexError, ValueError):
        return Skipped("rows not understood")
    if not is_cve(name) or not 0 <= score <= 1 or not 0 <= percentile <= 1:
        return Skipped("rows not understood")
    return Scored(name, score, percentile, day)


def check(path: Path) -> None:
    """Raises FeedInvalid unless the whole file can be read and holds scores."""
    if not sum(isinstance(record, Scored) for record in records(path)):
        raise FeedInvalid(f"{path.name} holds no score")


FEED = EpssFeed()

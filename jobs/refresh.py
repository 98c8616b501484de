"""Job: match the newest sweep again with today's vulnerability database. Reads no layer, asks no registry.

    python -m jobs.refresh --lake s3://bucket/lake
    python -m jobs.refresh --lake s3://bucket/lake --as-of 2026-01-31

What the new database changes enters the history of findings (views ``new_vulnerabilities``, ``finding_history``).
With an older database (``scangrid db update --keep`` says how many are kept) or an older sweep the match stands beside
those that count: no view shows it but ``match_vulnerabilities``, asked with the ``match_id`` that is printed.

Matching is one DuckDB join, so it wants one big node and not a cluster; submitted with ``ray job submit``
it runs on the head.
"""

from __future__ import annotations

import argparse
import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from grid.cli import EXIT_USAGE, fail
from grid.database import default_root, open_database
from grid.errors import GridError
from grid.estate import load_estate
from grid.store import Lake
from grid.sweep import rematch
from grid.warehouse import publish


def main(arguments: list[str] | None = None) -> int:
    """Re-match; prints one line of JSON with the counts."""
    parser = argparse.ArgumentParser(prog="python -m jobs.refresh", description="Match a sweep again.")
    parser.add_argument("--lake", default="scangrid-lake", help="folder or s3:// URI")
    parser.add_argument("--database", type=Path, default=None, help="the vulnerability database's folder")
    parser.add_argument("--config", type=Path, default=None, help="the estate, for its waivers and VEX documents today")
    parser.add_argument("--sweep", default="", help="another sweep than the newest, by its id")
    parser.add_argument("--db-version", default=None, help="with this version of the database, if it is still kept")
    parser.add_argument("--as-of", type=_time, default=None, metavar="DATE", help="with the newest one built by then")
    options = parser.parse_args(arguments)
    try:
        Lake.open(options.lake)  # a mistyped place is no new lake
        lake = Lake.open(options.lake, create=True)  # tables that are newer than the lake
        estate = load_estate(options.config) if options.config else None
        root = options.database or default_root()
        asked = options.db_version is not None or options.as_of is not None
        database = open_database(root, version=options.db_version, as_of=options.as_of)
        current = not asked or database.version == open_database(root).version
        judged = rematch(lake, database, estate=estate, sweep_id=options.sweep, current=current)
        publish(lake)
    except GridError as error:
        fail(error)
        return EXIT_USAGE
    print(json.dumps({"match_id": judged.match_id, "db_version": judged.db_version,
                      "packages": judged.packages, "findings": judged.findings}))  # fmt: skip
    return 0


def _time(text: str) -> datetime:
    """A date means the end of that day; without an offset it is UTC's."""
    at = datetime.fromisoformat(text)
    if len(text) <= len("2026-01-31"):
        at += timedelta(days=1, microseconds=-1)
    return at if at.tzinfo else at.replace(tzinfo=UTC)


if __name__ == "__main__":
    sys.exit(main())

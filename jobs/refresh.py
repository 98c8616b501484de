"""Job: match the newest sweep again with today's vulnerability database. Reads no layer, asks no registry.

    python -m jobs.refresh --lake s3://bucket/lake

Matching is one DuckDB join, so it wants one big node and not a cluster; submitted with ``ray job submit``
it runs on the head.
"""

from __future__ import annotations

import argparse
import json
import sys
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
    parser = argparse.ArgumentParser(prog="python -m jobs.refresh", description="Match the newest sweep again.")
    parser.add_argument("--lake", default="scangrid-lake", help="folder or s3:// URI")
    parser.add_argument("--database", type=Path, default=None, help="the vulnerability database's folder")
    parser.add_argument("--config", type=Path, default=None, help="the estate, for its waivers and VEX documents today")
    options = parser.parse_args(arguments)
    try:
        lake = Lake.open(options.lake)
        estate = load_estate(options.config) if options.config else None
        judged = rematch(lake, open_database(options.database or default_root()), estate=estate)
        publish(lake)
    except GridError as error:
        fail(error)
        return EXIT_USAGE
    print(json.dumps({"match_id": judged.match_id, "db_version": judged.db_version,
                      "packages": judged.packages, "findings": judged.findings}))  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())

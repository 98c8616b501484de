"""Ray job: the nightly sweep of an estate on the cluster that the job runs on.

ray job submit --address http://HEAD:8265 -- python -m jobs.nightly --config /srv/estate.yaml --lake s3://bucket/lake
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from grid.cli import EXIT_INCOMPLETE, EXIT_USAGE, fail
from grid.database import default_root, open_database
from grid.driver import RayExecutor
from grid.errors import DatabaseMissing, GridError
from grid.estate import load_estate
from grid.store import Lake
from grid.sweep import sweep
from grid.warehouse import publish


def main(arguments: list[str] | None = None) -> int:
    """Sweep; prints one line of JSON with the counts. Exit codes as the command line's."""
    parser = argparse.ArgumentParser(prog="python -m jobs.nightly", description="Sweep an estate on this Ray cluster.")
    parser.add_argument("--config", type=Path, default=Path("estate.yaml"), help="the estate")
    parser.add_argument("--lake", default="", help="folder or s3:// URI, reachable from every node; else the estate's")
    parser.add_argument("--address", default="auto", help="the cluster; 'local' starts one here")
    options = parser.parse_args(arguments)
    try:
        estate = load_estate(options.config)
        lake = Lake.open(options.lake or estate.lake or "scangrid-lake", create=True)
        try:
            database = open_database(Path(estate.database) if estate.database else default_root())
        except DatabaseMissing:
            database = None
        executor = RayExecutor(None if options.address == "local" else options.address)
        try:
            done = sweep(estate, lake, executor, database=database)
        finally:
            executor.close()
        publish(lake)
    except GridError as error:
        fail(error)
        return EXIT_USAGE
    report = {
        "sweep_id": done.sweep_id,
        "status": done.status,
        "images": dict(done.images),
        "layers_scanned": done.layers_scanned,
        "layers_reused": done.layers_reused,
        "bytes_pulled": done.bytes_pulled,
        "findings": done.judged.findings if done.judged and done.judged.match_id else None,
        "seconds": round(done.seconds, 1),
    }
    print(json.dumps(report))
    return EXIT_INCOMPLETE if done.images.get("failed") or done.images.get("incomplete") else 0


if __name__ == "__main__":
    sys.exit(main())

"""Job: bring the vulnerability database up to date, each feed (or part of one) parsed as a Ray task.

    python -m jobs.database --db /shared/db --address auto

``scangrid db update --ray`` does the same from the command line. The database's folder must be reachable under the same
path from every node: tasks read fetched files and write rows there, and only counts come back.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from grid.cli import EXIT_INCOMPLETE, EXIT_USAGE, fail
from grid.database import default_root
from grid.driver import join_ray
from grid.errors import GridError
from vulndb.fetch import HttpTransport
from vulndb.parts import Part, try_part
from vulndb.update import update
from vulndb.workers import Done, Progress


class RayRunner:
    """A ``vulndb.workers.Runner`` on Ray: a cluster of its own on this machine, or the one at ``address``.

    Ray is joined when there is something to parse, and left again when that is done.
    """

    def __init__(self, address: str | None = None, num_cpus: int | None = None) -> None:
        self._address = address
        self._num_cpus = num_cpus

    def __call__(self, parts: Sequence[Part], done: Done, progress: Progress) -> None:
        ray, started = join_ray(self._address, num_cpus=self._num_cpus)
        running: dict[Any, Part] = {}
        try:
            task = ray.remote(try_part).options(num_cpus=1, max_retries=1)  # Ray itself retries where a worker dies
            running |= {task.remote(part): part for part in sorted(parts, key=lambda part: -part.bytes)}
            while running:
                (ref, *_), _ = ray.wait(list(running), num_returns=1)
                part = running.pop(ref)
                try:
                    done(part, ray.get(ref))
                except ray.exceptions.RayError:
                    done(part, "the worker that read it died more than once, most often for want of memory")
        finally:
            for ref in running:
                with suppress(Exception):
                    ray.cancel(ref, force=True)
            if started:
                ray.shutdown()


def main(arguments: list[str] | None = None) -> int:
    """Update; prints one line of JSON. Exit codes as the command line's."""
    parser = argparse.ArgumentParser(prog="python -m jobs.database", description="Update the vulnerability database.")
    parser.add_argument("--db", type=Path, default=None, help="the database's folder, shared by all nodes")
    parser.add_argument("--mirror", default=None, help="URL or folder of a mirror")
    parser.add_argument("--only", action="append", default=[], help="fetch only this feed (may be repeated)")
    parser.add_argument("--keep", type=int, default=None, help="how many versions to keep from now on")
    parser.add_argument("--force", action="store_true", help="accept feeds that have lost half of what they said")
    parser.add_argument("--address", default="auto", help="the cluster; 'local' starts one here")
    options = parser.parse_args(arguments)
    try:
        runner = RayRunner(None if options.address == "local" else options.address)
        with HttpTransport(options.mirror) as transport:
            done = update(
                options.db or default_root(), transport, only=options.only, keep=options.keep, force=options.force,
                runner=runner,
            )  # fmt: skip
    except GridError as error:
        fail(error)
        return EXIT_INCOMPLETE if error.retryable else EXIT_USAGE
    report = {
        "version": done.database.version,
        "rebuilt": done.rebuilt,
        "rows": {name: table.rows for name, table in done.database.manifest.tables.items()},
        "incomplete": list(done.incomplete),
        "warnings": list(done.warnings),
    }
    print(json.dumps(report))
    return EXIT_INCOMPLETE if done.incomplete else 0


if __name__ == "__main__":
    sys.exit(main())

"""The vulnerability database, its feeds parsed on Ray."""

from __future__ import annotations

import json
import os
import signal
import zipfile
from pathlib import Path
from typing import Any

import pytest

from grid.driver import RayExecutor
from jobs.database import RayRunner
from vulndb.feed import FeedParsed, Source, fetch_all
from vulndb.feeds import BY_NAME, kev, osv
from vulndb.fetch import HttpTransport
from vulndb.update import Updated, update
from vulndb.workers import in_process

pytestmark = pytest.mark.ray


class Deadly:
    """A feed that takes its worker with it."""

    name, version, verdicts = "deadly", 1, False

    def fetch(self, workspace: Any, transport: Any, ecosystems: Any = ()) -> None:
        fetch_all(workspace, transport, [Source(kev.URL)], lambda path: None)

    def parse(self, workspace: Any) -> Any:
        os.kill(os.getpid(), signal.SIGKILL)
        yield


def mirror(folder: Path) -> Path:
    for ecosystem in ("PyPI", "npm"):
        path = folder / osv.url(ecosystem).removeprefix("https://")
        path.parent.mkdir(parents=True)
        with zipfile.ZipFile(path, "w") as zipped:
            for number in range(50):
                package = {"ecosystem": ecosystem, "name": f"p{number}"}
                events = [{"introduced": "0"}, {"fixed": "2"}]
                affected = [{"package": package, "ranges": [{"type": "ECOSYSTEM", "events": events}]}]
                zipped.writestr(f"X-{number}.json", json.dumps({"id": f"X-{number}", "affected": affected}))
    path = folder / kev.URL.removeprefix("https://")
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"vulnerabilities": [{"cveID": "CVE-2020-0001", "dateAdded": "2021-01-01"}]}))
    return folder


def run(root: Path, place: Path, runner: Any, *more: Any, emit: Any = lambda event: None) -> Updated:
    with HttpTransport(str(place)) as transport:
        return update(root, transport, feeds=(BY_NAME["osv"], BY_NAME["kev"], *more), runner=runner, emit=emit)


def test_feeds_parsed_on_ray_give_the_same_database(ray_executor: RayExecutor, tmp_path: Path) -> None:
    place = mirror(tmp_path / "mirror")
    told: list[Any] = []
    there = run(tmp_path / "ray", place, RayRunner(), emit=told.append)
    here = run(tmp_path / "here", place, in_process)
    assert there.database.manifest.tables == here.database.manifest.tables and not there.warnings
    assert there.database.rows("ranges") == 100
    assert {event.feed for event in told if isinstance(event, FeedParsed)} == {"osv PyPI", "osv npm", "kev"}


def test_a_feed_that_kills_its_worker_costs_itself_only(ray_executor: RayExecutor, tmp_path: Path) -> None:
    done = run(tmp_path / "db", mirror(tmp_path / "mirror"), RayRunner(), Deadly())
    assert done.database.rows("ranges") == 100 and done.incomplete == ("deadly",)
    assert "died" in done.warnings[0]

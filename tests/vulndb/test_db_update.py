"""Whole updates, from the real mirror and from small made ones."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest

from grid.database import Database, open_database
from grid.errors import DatabaseMissing, FeedUnavailable, UsageError
from vulndb.feed import FeedParsed, Source, fetch_all
from vulndb.feeds import BY_NAME, alpine, debian, kev, osv
from vulndb.fetch import HttpTransport
from vulndb.parts import Summary
from vulndb.update import Updated, update
from vulndb.workers import Processes, in_process


def run(root: Path, mirror: str | Path, **more: Any) -> Updated:
    with HttpTransport(str(mirror), sleep=lambda seconds: None, attempts=2) as transport:
        return update(root, transport, **more)


FOUR = tuple(BY_NAME[name] for name in ("osv", "alpine", "debian", "kev"))
"""The feeds that ``small`` has files of."""


def place(url: str) -> str:
    return url.removeprefix("https://")


def zipped(*records: dict[str, Any]) -> bytes:
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for record in records:
            archive.writestr(f"{record['id']}.json", json.dumps(record))
    return buffer.getvalue()


def record(name: str, ecosystem: str, package: str, fixed: str, **more: Any) -> dict[str, Any]:
    events = [{"introduced": "0"}, {"fixed": fixed}]
    affected = {
        "package": {"ecosystem": ecosystem, "name": package},
        "ranges": [{"type": "ECOSYSTEM", "events": events}],
    }
    return {"id": name, "affected": [affected], **more}


def small() -> dict[str, bytes]:
    """A mirror of one file a feed."""
    entry = {"status": "resolved", "fixed_version": "0", "repositories": {"bookworm": "1"}}
    return {
        place(osv.url("PyPI")): zipped(record("PYSEC-1", "PyPI", "p", "2", aliases=["CVE-2020-0001"])),
        place(osv.url("Debian")): zipped(record("DSA-1-1", "Debian:12", "src", "2", upstream=["CVE-2020-0001"])),
        place(f"{alpine.HOST}/v3.10/main.json"): json.dumps(
            {"distroversion": "v3.10", "packages": [{"pkg": {"name": "a", "secfixes": {"1-r0": ["CVE-2020-0001"]}}}]}
        ).encode(),
        place(debian.URL): json.dumps({"src": {"CVE-2020-0001": {"releases": {"bookworm": entry}}}}).encode(),
        place(kev.URL): json.dumps(
            {"vulnerabilities": [{"cveID": "CVE-2020-0001", "dateAdded": "2021-01-01"}]}
        ).encode(),
    }  # fmt: skip


def counts(database: Database) -> dict[str, int]:
    return {name: file.rows for name, file in database.manifest.tables.items()}


def sums(database: Database) -> dict[str, str]:
    return {name: file.sha256 for name, file in database.manifest.tables.items()}


@pytest.mark.data
def test_the_real_mirror_as_a_folder_and_over_http(mirror: Path, feed_server: Any, tmp_path: Path) -> None:
    folder = run(tmp_path / "folder", mirror)
    assert folder.rebuilt
    folder.database.verify()
    found = counts(folder.database)
    assert found["advisories"] > 30_000 and found["ranges"] > 25_000 and found["kev"] == 1404
    assert not run(tmp_path / "folder", mirror).rebuilt

    feed_server.folder = mirror
    over_http = run(tmp_path / "http", feed_server.url)
    assert {n: t.sha256 for n, t in over_http.database.manifest.tables.items()} == {
        n: t.sha256 for n, t in folder.database.manifest.tables.items()
    }
    feed_server.counted()
    again = run(tmp_path / "http", feed_server.url)
    assert not again.rebuilt and again.database == over_http.database
    requests = feed_server.counted()
    assert set(requests.values()) == {1}
    con = duckdb.connect()
    ranges = str(Path(folder.database.parquet("ranges")))
    (busybox,) = con.execute(
        f"SELECT fixed FROM '{ranges}' WHERE namespace = 'Alpine:v3.10' AND name = 'busybox' "
        "AND advisory_id = 'CVE-2019-5747'"
    ).fetchall()
    assert busybox == ("1.30.1-r2",)


def test_every_feed_meets_in_one_database(feed_server: Any, tmp_path: Path) -> None:
    feed_server.files |= small()
    done = run(tmp_path, feed_server.url, feeds=FOUR)
    assert done.warnings == ()
    assert [(f.name, f.status, f.advisories) for f in done.database.manifest.feeds] == [
        ("osv", "ok", 2), ("alpine", "ok", 1), ("debian", "ok", 1), ("kev", "ok", 1),
    ]  # fmt: skip
    ranges = pq.read_table(done.database.parquet("ranges")).to_pylist()
    assert [(r["namespace"], r["source"]) for r in ranges] == [("Alpine:v3.10", "alpine"), ("PyPI", "osv")]
    assert {r["vuln_id"] for r in pq.read_table(done.database.parquet("advisories")).to_pylist()} == {"CVE-2020-0001"}


def test_a_failed_feed_keeps_its_last_good_state(feed_server: Any, tmp_path: Path) -> None:
    feed_server.files |= small()
    first = run(tmp_path, feed_server.url, feeds=FOUR)
    feed_server.files[place(osv.url("PyPI"))] = zipped(
        record("PYSEC-1", "PyPI", "p", "3", aliases=["CVE-2020-0001"]), record("PYSEC-2", "PyPI", "q", "1")
    )
    feed_server.files[place(debian.URL)] = b"<html>maintenance</html>"
    del feed_server.files[place(kev.URL)]
    second = run(tmp_path, feed_server.url, feeds=FOUR)
    assert second.rebuilt and len(second.warnings) == 2
    states = {f.name: f for f in second.database.manifest.feeds}
    assert [states[n].status for n in ("osv", "alpine", "debian", "kev")] == ["ok", "ok", "stale", "stale"]
    assert "not one whole JSON object" in states["debian"].message
    assert counts(second.database)["kev"] == counts(first.database)["kev"] == 1
    assert states["osv"].advisories == 3

    feed_server.files |= small()
    third = run(tmp_path, feed_server.url, feeds=FOUR)
    assert third.warnings == () and all(f.status == "ok" for f in third.database.manifest.feeds)


def test_nothing_to_be_had_is_unavailable_and_builds_nothing(feed_server: Any, tmp_path: Path) -> None:
    with pytest.raises(FeedUnavailable):
        run(tmp_path, feed_server.url)
    with pytest.raises(DatabaseMissing):
        open_database(tmp_path)


def test_only_the_named_feed_is_fetched_and_the_others_are_kept(feed_server: Any, tmp_path: Path) -> None:
    feed_server.files |= small()
    run(tmp_path, feed_server.url, feeds=FOUR)
    feed_server.counted()
    done = run(tmp_path, feed_server.url, only=["kev"], feeds=FOUR)
    assert feed_server.counted() == {place(kev.URL): 1}
    assert counts(done.database)["ranges"] == 2
    with pytest.raises(UsageError, match="no feed 'nosuch'"):
        run(tmp_path, feed_server.url, only=["nosuch"], feeds=FOUR)


def test_a_further_ecosystem_is_fetched_from_then_on(feed_server: Any, tmp_path: Path) -> None:
    feed_server.files |= small()
    feed_server.files[place(osv.url("Android"))] = zipped(record("X-1", "Android", "p", "2"))
    done = run(tmp_path, feed_server.url, feeds=FOUR, ecosystems=["Android"])
    assert any("Android" in note for note in done.database.manifest.notes)
    feed_server.counted()
    assert not run(tmp_path, feed_server.url, feeds=FOUR).rebuilt
    assert feed_server.counted()[place(osv.url("Android"))] == 1
    with pytest.raises(UsageError, match="no ecosystem 'Nonsense'"):
        run(tmp_path, feed_server.url, feeds=FOUR, ecosystems=["Nonsense"])
    assert run(tmp_path, feed_server.url, feeds=FOUR).warnings == ()


def test_a_part_that_collapses_is_refused_until_it_is_forced(feed_server: Any, tmp_path: Path) -> None:
    many = [record(f"PYSEC-{n}", "PyPI", f"p{n}", "2") for n in range(10)]
    feed_server.files |= small() | {place(osv.url("PyPI")): zipped(*many)}
    first = run(tmp_path, feed_server.url, feeds=FOUR)
    feed_server.files[place(osv.url("PyPI"))] = zipped(*many[:2])
    for _ in range(2):  # it is fetched and refused each time, and nothing changes
        done = run(tmp_path, feed_server.url, feeds=FOUR)
        (warning,) = done.warnings
        assert (
            "PyPI: 2 advisories with 2 ranges, there were 10 with 10: refused" in warning and "old, is used" in warning
        )
        assert not done.rebuilt and done.database == first.database and done.incomplete == ("osv",)
    forced = run(tmp_path, feed_server.url, feeds=FOUR, force=True)
    assert forced.warnings == () and forced.rebuilt and counts(forced.database)["ranges"] == 3
    assert not run(tmp_path, feed_server.url, feeds=FOUR).rebuilt


def test_a_refused_part_does_not_hold_up_the_rest(feed_server: Any, tmp_path: Path) -> None:
    many = [record(f"PYSEC-{n}", "PyPI", f"p{n}", "2") for n in range(10)]
    feed_server.files |= small() | {place(osv.url("PyPI")): zipped(*many)}
    run(tmp_path, feed_server.url, feeds=FOUR)
    unranged = [{**one, "affected": [{**one["affected"][0], "ranges": [], "versions": []}]} for one in many]
    feed_server.files[place(osv.url("PyPI"))] = zipped(*many[:4], *unranged[4:])
    feed_server.files[place(osv.url("npm"))] = zipped(record("GHSA-1", "npm", "n", "2"))
    done = run(tmp_path, feed_server.url, feeds=FOUR)
    assert done.rebuilt and counts(done.database)["ranges"] == 12
    (state,) = (f for f in done.database.manifest.feeds if f.name == "osv")
    assert (state.status, state.advisories, state.ranges) == ("stale", 12, 12) and "refused" in state.message


class Breaking:
    """A feed whose files pass their check, and whose parser chokes on some."""

    name, version, verdicts = "breaking", 1, False
    URL = "https://example.com/list.json"

    def fetch(self, workspace: Any, transport: Any, ecosystems: Any = ()) -> None:
        fetch_all(workspace, transport, [Source(self.URL)], lambda path: None)

    def parse(self, workspace: Any) -> Any:
        for _, path in workspace.present():
            for entry in json.loads(path.read_bytes()):
                yield osv.advisory(entry)


@pytest.mark.parametrize("bad", [b"[", b'[{"id": 7}, 7]', b'["x", {"affected": 1}'])
def test_a_feed_that_cannot_be_parsed_keeps_its_last_good_state(feed_server: Any, tmp_path: Path, bad: bytes) -> None:
    name = place(Breaking.URL)
    feed_server.files |= small() | {name: json.dumps([record("X-1", "npm", "n", "2")]).encode()}
    feeds = (*FOUR, Breaking())
    assert counts(run(tmp_path, feed_server.url, feeds=feeds).database)["ranges"] == 3
    feed_server.files |= {name: bad, place(osv.url("npm")): zipped(record("GHSA-1", "npm", "n", "2"))}
    done = run(tmp_path, feed_server.url, feeds=feeds)
    assert done.rebuilt and counts(done.database)["ranges"] == 4
    assert done.incomplete == ("breaking",)
    if bad.endswith(b"]"):  # odd entries are notes, and too few are left
        assert "refused" in done.warnings[0]
        return
    assert "could not be read" in done.warnings[0]
    fresh = run(tmp_path / "fresh", feed_server.url, feeds=feeds)
    assert fresh.incomplete == ("breaking",) and "nothing of it is used" in fresh.warnings[0]
    feed_server.files[name] = json.dumps([record("X-1", "npm", "n", "3")]).encode()
    assert run(tmp_path, feed_server.url, feeds=feeds).warnings == ()


def test_only_what_has_changed_is_parsed_again(feed_server: Any, tmp_path: Path) -> None:
    parsed: list[str] = []

    def watching(parts: Any, done: Any, progress: Any) -> None:
        parsed.extend(part.label for part in parts)
        in_process(parts, done, progress)

    feed_server.files |= small()
    first = run(tmp_path, feed_server.url, feeds=FOUR, runner=watching)
    assert sorted(parsed) == ["alpine", "debian", "kev", "osv Debian", "osv PyPI"]
    assert not run(tmp_path, feed_server.url, feeds=FOUR, runner=watching).rebuilt and len(parsed) == 5
    feed_server.files[place(osv.url("PyPI"))] = zipped(record("PYSEC-1", "PyPI", "p", "3", aliases=["CVE-2020-0001"]))
    second = run(tmp_path, feed_server.url, feeds=FOUR, runner=watching)
    assert parsed[5:] == ["osv PyPI"] and second.rebuilt
    fresh = run(tmp_path / "fresh", feed_server.url, feeds=FOUR)
    assert sums(fresh.database) == sums(second.database) != sums(first.database)
    (staged,) = (tmp_path / "workspace" / "osv" / ".staged").glob("PyPI-*")
    (staged / "ranges.parquet").write_bytes(b"damaged")
    feed_server.files[place(osv.url("npm"))] = zipped(record("GHSA-1", "npm", "n", "2"))
    run(tmp_path, feed_server.url, feeds=FOUR, runner=watching)
    assert sorted(parsed[6:]) == ["osv PyPI", "osv npm"]


def test_parsing_in_other_processes_gives_the_same(feed_server: Any, tmp_path: Path) -> None:
    feed_server.files |= small()
    told: list[Any] = []
    many = run(tmp_path / "a", feed_server.url, feeds=FOUR, runner=Processes(2, worthwhile=0), emit=told.append)
    one = run(tmp_path / "b", feed_server.url, feeds=FOUR, runner=in_process)
    assert sums(many.database) == sums(one.database) and many.warnings == ()
    assert {event.feed for event in told if isinstance(event, FeedParsed)} >= {"osv PyPI", "osv Debian", "kev"}


def test_rows_that_went_elsewhere_are_not_taken_for_none(feed_server: Any, tmp_path: Path) -> None:
    """Nodes that do not share the folder, or parse with another version, must not make an empty database."""
    feed_server.files |= small()
    first = run(tmp_path, feed_server.url, feeds=FOUR)
    feed_server.files[place(osv.url("PyPI"))] = zipped(*(record(f"PYSEC-{n}", "PyPI", "p", "3") for n in range(3)))

    def elsewhere(parts: Any, done: Any, progress: Any) -> None:
        for part in parts:
            done(part, Summary(3, 3))

    done = run(tmp_path, feed_server.url, feeds=FOUR, runner=elsewhere)
    assert done.database == first.database and done.incomplete == ("osv",) and "same folder" in done.warnings[0]
    with pytest.raises(FeedUnavailable, match="same folder"):
        run(tmp_path / "other", feed_server.url, feeds=FOUR, runner=elsewhere)


class Deadly(Breaking):
    """A feed that takes its process with it."""

    name = "deadly"

    def parse(self, workspace: Any) -> Any:
        os.kill(os.getpid(), signal.SIGKILL)
        yield


def test_a_process_that_dies_costs_its_feed_only(feed_server: Any, tmp_path: Path) -> None:
    feed_server.files |= small() | {place(Breaking.URL): b"[]"}
    done = run(tmp_path, feed_server.url, feeds=(*FOUR, Deadly()), runner=Processes(2, worthwhile=0))
    assert counts(done.database)["ranges"] == 2 and done.incomplete == ("deadly",)
    assert "died (signal 9)" in done.warnings[0]


def test_a_changed_key_builds_again_without_a_new_download(
    feed_server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed_server.files |= small()
    first = run(tmp_path, feed_server.url)
    monkeypatch.setattr("vulndb.build.key_versions", lambda: {"pypi": 99})
    second = run(tmp_path, feed_server.url)
    assert second.rebuilt and second.database.manifest.key_versions == {"pypi": 99}
    assert second.database.outdated_keys(first.database.manifest.key_versions) == ("pypi",)


def test_a_damaged_database_is_built_again(feed_server: Any, tmp_path: Path) -> None:
    feed_server.files |= small()
    first = run(tmp_path, feed_server.url)
    (first.database.path / "manifest.json").write_text("{")
    second = run(tmp_path, feed_server.url)
    assert second.rebuilt and open_database(tmp_path) == second.database


UPDATER = """
import sys
from pathlib import Path
from vulndb.fetch import HttpTransport
from vulndb.update import update
from vulndb.workers import Processes
print("ready", flush=True)
with HttpTransport(sys.argv[2]) as transport:
    update(Path(sys.argv[1]), transport, runner=Processes(2, worthwhile=int(sys.argv[3])))
"""


@pytest.mark.parametrize("worthwhile", [0, 1 << 40], ids=["in processes", "here"])
def test_an_update_killed_at_any_moment_is_done_by_the_next(tmp_path: Path, worthwhile: int) -> None:
    chance = random.Random(int(os.environ.get("SCANGRID_TEST_SEED", "11")))
    mirror, root = tmp_path / "mirror", tmp_path / "db"

    def write(count: int) -> None:
        files = small() | {
            place(osv.url("PyPI")): zipped(*(record(f"PYSEC-{n}", "PyPI", f"p{n}", "2") for n in range(count)))
        }
        for name, content in files.items():
            (mirror / name).parent.mkdir(parents=True, exist_ok=True)
            (mirror / name).write_bytes(content)

    write(2000)
    run(root, mirror)
    whole = {2001}
    for step in range(1, 5):
        write(2000 + step)
        whole.add(2001 + step)
        process = subprocess.Popen(
            [sys.executable, "-c", UPDATER, str(root), str(mirror), str(worthwhile)],
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[2],
        )
        assert process.stdout is not None and process.stdout.readline() == b"ready\n"
        time.sleep(chance.random() * (0.3 if worthwhile else 2.0))
        process.send_signal(signal.SIGKILL)
        process.wait(10)
        process.stdout.close()
        database = open_database(root)
        database.verify()
        assert database.rows("ranges") in whole
    done = run(root, mirror)
    assert not list(root.glob("workspace/*/.good*")) and not list(root.glob("versions/.tmp-*"))
    assert done.database.rows("ranges") == 2005
    fresh = run(tmp_path / "fresh", mirror)
    assert {n: t.sha256 for n, t in done.database.manifest.tables.items()} == {
        n: t.sha256 for n, t in fresh.database.manifest.tables.items()
    }

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
from vulndb.feeds import BY_NAME, alpine, debian, kev, osv
from vulndb.fetch import HttpTransport
from vulndb.update import Updated, update


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
    feed_server.files[place(osv.url("opam"))] = zipped(record("X-1", "opam", "p", "2"))
    done = run(tmp_path, feed_server.url, feeds=FOUR, ecosystems=["opam"])
    assert any("opam" in note for note in done.database.manifest.notes)
    feed_server.counted()
    assert not run(tmp_path, feed_server.url, feeds=FOUR).rebuilt
    assert feed_server.counted()[place(osv.url("opam"))] == 1
    with pytest.raises(UsageError, match="no ecosystem 'Nonsense'"):
        run(tmp_path, feed_server.url, feeds=FOUR, ecosystems=["Nonsense"])
    assert run(tmp_path, feed_server.url, feeds=FOUR).warnings == ()


def test_a_feed_that_collapses_is_told(feed_server: Any, tmp_path: Path) -> None:
    many = [record(f"PYSEC-{n}", "PyPI", f"p{n}", "2") for n in range(10)]
    feed_server.files |= small() | {place(osv.url("PyPI")): zipped(*many)}
    run(tmp_path, feed_server.url)
    feed_server.files[place(osv.url("PyPI"))] = zipped(*many[:2])
    done = run(tmp_path, feed_server.url)
    assert any("osv: 3 advisories, there were 11 before" in warning for warning in done.warnings)


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
print("ready", flush=True)
with HttpTransport(sys.argv[2]) as transport:
    update(Path(sys.argv[1]), transport)
"""


def test_an_update_killed_at_any_moment_is_done_by_the_next(tmp_path: Path) -> None:
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
            [sys.executable, "-c", UPDATER, str(root), str(mirror)],
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[2],
        )
        assert process.stdout is not None and process.stdout.readline() == b"ready\n"
        time.sleep(chance.random() * 0.3)
        process.send_signal(signal.SIGKILL)
        process.wait(10)
        process.stdout.close()
        database = open_database(root)
        database.verify()
        assert database.rows("ranges") in whole
    done = run(root, mirror)
    assert done.database.rows("ranges") == 2005
    fresh = run(tmp_path / "fresh", mirror)
    assert {n: t.sha256 for n, t in done.database.manifest.tables.items()} == {
        n: t.sha256 for n, t in fresh.database.manifest.tables.items()
    }

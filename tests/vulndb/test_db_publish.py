"""Switching versions: whole or not at all, whatever happens to the writer."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from grid.database import Database, FeedState, kept_versions, open_database
from grid.errors import DatabaseBusy, DatabaseInvalid, DatabaseMissing, UsageError
from vulndb.publish import keep, locked, publish

WRITER = """
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from vulndb.publish import locked, publish
root, number = Path(sys.argv[1]), int(sys.argv[2])
print("ready", flush=True)
while True:
    number += 1
    rows = [{"advisory_id": f"G{number}", "source": "osv", "vuln_id": f"V{n}", "aliases": []} for n in range(500)]
    spans = [{"namespace": "npm", "name": f"p{n}", "advisory_id": f"G{number}", "source": "osv", "lo": b"",
              "state": "affected"} for n in range(500)]
    with locked(root):
        publish(root, {"advisories": rows, "ranges": spans})
    time.sleep(0.03)
"""


def generation(database: Database) -> int:
    """The generation of a version, after checking that it is whole and of one piece."""
    database.verify()
    found = {
        name
        for table in ("advisories", "ranges")
        for name in pq.read_table(database.parquet(table))["advisory_id"].to_pylist()
    }
    assert len(found) == 1 and database.rows("advisories") == database.rows("ranges") == 500
    return int(found.pop()[1:])


def test_a_killed_writer_leaves_the_old_version_or_the_new_one(tmp_path: Path) -> None:
    seed = int(os.environ.get("SCANGRID_TEST_SEED", "7"))
    chance = random.Random(seed)
    last = 0
    for _ in range(5):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path), str(last)],
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[2],
        )
        assert writer.stdout is not None and writer.stdout.readline() == b"ready\n"
        deadline = time.monotonic() + 0.1 + chance.random() * 0.25
        seen = last
        patience = time.monotonic() + 20
        while time.monotonic() < deadline or (seen < last + 2 and time.monotonic() < patience):  # reading meanwhile
            try:
                database = open_database(tmp_path)
            except DatabaseMissing:
                continue
            try:
                now = generation(database)
            except (DatabaseInvalid, OSError):
                # Two updates within one reading take its version away: nothing else excuses a failure.
                assert not (database.path / "manifest.json").exists()
                continue
            assert now >= seen
            seen = now
        writer.send_signal(signal.SIGKILL)
        writer.wait(10)
        writer.stdout.close()
        if seen:
            last = generation(open_database(tmp_path))
            assert last >= seen
    assert last > 5
    with locked(tmp_path):  # the lock died with its holder, and the next writer cleans up
        publish(tmp_path, {})
    assert len(list((tmp_path / "versions").iterdir())) == 2


def test_the_version_before_the_current_one_stays_readable(tmp_path: Path) -> None:
    first = publish(tmp_path, {})
    second = publish(tmp_path, {})
    first.verify()
    third = publish(tmp_path, {})
    second.verify()
    assert not first.path.exists()
    assert open_database(tmp_path) == third


def test_versions_are_kept_by_use_not_by_name(tmp_path: Path) -> None:
    """A clock that went back must not make the version in use the one to be removed."""
    old = publish(tmp_path, {})
    future = old.path.with_name("99991231T000000Z-later")
    future.mkdir()
    new = publish(tmp_path, {})
    assert {p.name for p in (tmp_path / "versions").iterdir()} == {old.version, new.version}


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    with locked(tmp_path), pytest.raises(DatabaseBusy, match=str(os.getpid())), locked(tmp_path):
        pass
    with locked(tmp_path):
        pass


def test_a_failed_publication_changes_nothing(tmp_path: Path) -> None:
    before = publish(tmp_path, {})

    def rows():  # type: ignore[no-untyped-def]
        raise OSError("disk full")
        yield

    with pytest.raises(OSError, match="disk full"):
        publish(tmp_path, {"ranges": rows()})
    assert open_database(tmp_path) == before
    assert [p.name for p in (tmp_path / "versions").iterdir()] == [before.version]


def test_as_many_versions_are_kept_as_the_site_asks_for(tmp_path: Path) -> None:
    with locked(tmp_path):
        keep(tmp_path, 4)
    versions = [publish(tmp_path, {}) for _ in range(6)]
    assert kept_versions(tmp_path) == versions[:1:-1]
    with pytest.raises(UsageError, match="cannot be kept"):
        keep(tmp_path, 1)
    keep(tmp_path, 2)
    last = publish(tmp_path, {})
    assert kept_versions(tmp_path) == [last, versions[-1]]


def test_a_kept_version_is_opened_by_id_and_by_date(tmp_path: Path) -> None:
    keep(tmp_path, 5)
    old, middle, new = (publish(tmp_path, {}) for _ in range(3))
    assert open_database(tmp_path) == new
    assert open_database(tmp_path, version=middle.version) == middle
    assert open_database(tmp_path, as_of=middle.manifest.built_at) == middle
    assert open_database(tmp_path, as_of=datetime.now(UTC)) == new
    for question in ({"version": "nosuch"}, {"as_of": old.manifest.built_at - timedelta(seconds=1)}):
        with pytest.raises(DatabaseMissing, match="any more"):
            open_database(tmp_path, **question)  # type: ignore[arg-type]


def test_the_age_is_since_it_was_last_found_up_to_date(tmp_path: Path) -> None:
    database = publish(tmp_path, {})
    later = datetime.now(UTC) + timedelta(days=9)
    assert open_database(tmp_path).age(later) > timedelta(days=8)
    (tmp_path / "checked").write_text(f"{database.version} {later.isoformat()}")
    assert open_database(tmp_path).age(later) == timedelta()
    for nonsense in (
        "",
        "x",
        f"{database.version} yesterday",
        f"other {later.isoformat()}",
        f"{database.version} 2099-01-01",
    ):
        (tmp_path / "checked").write_text(nonsense)
        assert open_database(tmp_path).age(later) > timedelta(days=8)


def test_a_reader_is_told_that_a_database_is_old_or_old_in_part(tmp_path: Path) -> None:
    fresh = publish(tmp_path, {}, feeds=[FeedState("osv", "ok"), FeedState("arch", "absent")])
    assert fresh.concerns() == []
    stale = publish(tmp_path, {}, feeds=[FeedState("osv", "ok"), FeedState("debian", "stale")])
    assert "debian" in stale.concerns()[0] and len(stale.concerns()) == 1
    (old,) = fresh.concerns(datetime.now(UTC) + timedelta(days=8))
    assert "8 days old" in old and "db update" in old


def test_half_a_version_takes_the_place_of_none(tmp_path: Path) -> None:
    keep(tmp_path, 3)
    versions = [publish(tmp_path, {}) for _ in range(3)]
    (versions[1].path / "manifest.json").unlink()
    newest = publish(tmp_path, {})
    assert kept_versions(tmp_path) == [newest, versions[2], versions[0]] and not versions[1].path.exists()

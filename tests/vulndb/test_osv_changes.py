"""OSV between two zips: few changes come record by record, many come as a zip, and both give the same database."""

from __future__ import annotations

import contextlib
import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_db_update import place, record, run, sums, zipped

from grid.errors import FeedInvalid, UsageError
from vulndb.feeds import BY_NAME, osv
from vulndb.feeds._osv_changes import changes, changes_url, check_list, list_url
from vulndb.update import Updated

OSV = (BY_NAME["osv"],)
ZIP = osv.url("PyPI")
LIST = place(list_url(ZIP))


class Publisher:
    """What OSV would serve of one ecosystem."""

    def __init__(self, server: Any, count: int = 120) -> None:
        self._server = server
        self._clock = 0
        self.records: dict[str, dict[str, Any]] = {}
        for number in range(count):
            self.put(f"PYSEC-{number}", "2")
        self.publish()

    def put(self, name: str, fixed: str, **more: Any) -> None:
        self._clock += 60
        stamp = f"2025-01-{1 + self._clock // 86400:02d}T{self._clock // 3600 % 24:02d}:{self._clock // 60 % 60:02d}:00"
        noise = "".join(random.Random(name + fixed).choices("abcdefghij", k=9000))  # zips of real size
        self.records[name] = record(
            name, "PyPI", f"p-{name}", fixed, modified=f"{stamp}.25Z", details=noise, listed=f"{stamp}Z", **more
        )

    def publish(self, zip_too: bool = True, list_too: bool = True) -> None:
        """Put everything out; without ``zip_too`` the zip lags behind, as it may."""
        files = self._server.files
        for name in [name for name in files if name.startswith(place(ZIP).removesuffix("all.zip"))]:
            if not name.endswith(("all.zip", "modified_id.csv")):
                del files[name]
        for name, one in self.records.items():
            files[place(ZIP).replace("all.zip", f"{name}.json")] = json.dumps(one).encode()
        if zip_too:
            files[place(ZIP)] = zipped(*self.records.values())
        if list_too:
            lines = sorted(((one["listed"], name) for name, one in self.records.items()), reverse=True)
            files[LIST] = "".join(f"{date},{name}\n" for date, name in lines).encode()

    def update(self, root: Path, **more: Any) -> Updated:
        return run(root, self._server.url, feeds=OSV, **more)

    def asked(self) -> Counter[str]:
        """Requests for files of the ecosystem, by what comes after its name."""
        prefix = place(ZIP).removesuffix("all.zip")
        counted = self._server.counted()
        return Counter({name.removeprefix(prefix): n for name, n in counted.items() if name.startswith(prefix)})


@pytest.fixture
def publisher(feed_server: Any) -> Publisher:
    return Publisher(feed_server)


def fresh(publisher: Publisher, tmp_path: Path, name: str) -> dict[str, str]:
    publisher.publish()
    return sums(publisher.update(tmp_path / name).database)


def test_few_changes_are_fetched_record_by_record(publisher: Publisher, tmp_path: Path) -> None:
    root = tmp_path / "db"
    publisher.update(root)
    publisher.asked()
    assert not publisher.update(root).rebuilt
    assert publisher.asked() == {"modified_id.csv": 1}  # one request where nothing changed

    publisher.put("PYSEC-7", "3")
    publisher.put("PYSEC-new", "1", aliases=["CVE-2024-0001"])
    del publisher.records["PYSEC-9"]
    publisher.publish(zip_too=False)
    done = publisher.update(root)
    assert done.rebuilt and not done.warnings
    assert publisher.asked() == {"modified_id.csv": 1, "PYSEC-7.json": 1, "PYSEC-new.json": 1}
    found = {r["advisory_id"]: r["fixed"] for r in pq.read_table(done.database.parquet("ranges")).to_pylist()}
    assert found["PYSEC-7"] == "3" and found["PYSEC-new"] == "1" and "PYSEC-9" not in found and len(found) == 120
    publisher.put("PYSEC-7", "4")
    publisher.put("PYSEC-9", "5")  # it comes back
    publisher.publish(zip_too=False)
    again = publisher.update(root)
    assert sums(again.database) == fresh(publisher, tmp_path, "fresh")
    assert not publisher.update(root).rebuilt


def test_many_changes_come_as_a_zip(publisher: Publisher, tmp_path: Path) -> None:
    root = tmp_path / "db"
    publisher.update(root)
    for number in range(110):
        publisher.put(f"PYSEC-{number}", "3")
    publisher.publish()
    publisher.asked()
    done = publisher.update(root)
    assert publisher.asked() == {"modified_id.csv": 2, "all.zip": 1}
    assert sums(done.database) == fresh(publisher, tmp_path, "fresh")


def test_half_a_list_takes_nothing_away(publisher: Publisher, feed_server: Any, tmp_path: Path) -> None:
    root = tmp_path / "db"
    first = publisher.update(root)
    feed_server.files[LIST] = b"".join(feed_server.files[LIST].splitlines(keepends=True)[:60])
    done = publisher.update(root)
    assert not done.rebuilt and done.database == first.database and not done.warnings


@pytest.mark.parametrize(
    "bad", [b"", b"<html>", b"yesterday,PYSEC-1\n", b"2025-01-01T00:00:00Z\n", b"\xff\xfe,\n", b"x" * 3000]
)
def test_what_is_no_list_is_refused_and_the_zip_asked_for(
    publisher: Publisher, feed_server: Any, tmp_path: Path, bad: bytes
) -> None:
    (tmp_path / "list").write_bytes(bad)
    with pytest.raises(FeedInvalid):
        check_list(tmp_path / "list")
    publisher.update(tmp_path / "db")
    publisher.put("PYSEC-1", "7")
    publisher.publish()
    feed_server.files[LIST] = bad
    done = publisher.update(tmp_path / "db")
    assert done.rebuilt and not done.warnings


def test_a_broken_off_update_goes_on_where_it_stopped(publisher: Publisher, feed_server: Any, tmp_path: Path) -> None:
    root = tmp_path / "db"
    first = publisher.update(root)
    for number in range(5):
        publisher.put(f"PYSEC-{number}", "9")
    publisher.publish(zip_too=False)
    folder = place(ZIP).removesuffix("all.zip")
    feed_server.faults[f"{folder}PYSEC-1.json"] = [lambda handler, body: handler.answer(503, b"") or True] * 9
    stale = publisher.update(root)
    assert not stale.rebuilt and stale.database == first.database and stale.incomplete == ("osv",)
    assert "503" in stale.warnings[0] and "is used" in stale.warnings[0]
    feed_server.faults.clear()
    had = publisher.asked()
    done = publisher.update(root)
    assert done.rebuilt and not done.warnings and sums(done.database) == fresh(publisher, tmp_path, "fresh")
    fetched = {name for name, n in had.items() if name.startswith("PYSEC") and name != "PYSEC-1.json"}
    assert fetched and not fetched & set(publisher.asked() - Counter({"all.zip": 9}))


@pytest.mark.parametrize("bad", [b"", b"{}", b'{"id": "PYSEC-2"}', b"[1]", b"<html>"])
def test_a_record_that_is_none_changes_nothing(
    publisher: Publisher, feed_server: Any, tmp_path: Path, bad: bytes
) -> None:
    first = publisher.update(tmp_path)
    publisher.put("PYSEC-1", "9")
    publisher.publish(zip_too=False)
    feed_server.files[place(ZIP).replace("all.zip", "PYSEC-1.json")] = bad
    done = publisher.update(tmp_path)
    assert done.database == first.database and done.incomplete == ("osv",)


def test_a_record_that_has_gone_since_the_list_was_made_is_waited_for(
    publisher: Publisher, feed_server: Any, tmp_path: Path
) -> None:
    publisher.update(tmp_path)
    publisher.put("PYSEC-1", "9")
    publisher.put("PYSEC-2", "9")
    publisher.publish(zip_too=False)
    del feed_server.files[place(ZIP).replace("all.zip", "PYSEC-1.json")]
    done = publisher.update(tmp_path)
    fixed = {r["advisory_id"]: r["fixed"] for r in pq.read_table(done.database.parquet("ranges")).to_pylist()}
    assert not done.warnings and (fixed["PYSEC-1"], fixed["PYSEC-2"]) == ("2", "9")


def test_a_refused_change_is_fetched_again_when_forced(publisher: Publisher, tmp_path: Path) -> None:
    small = Publisher(publisher._server, 12)
    small.update(tmp_path)
    for number in range(8):
        small.put(f"PYSEC-{number}", "3", withdrawn="2025-02-01T00:00:00Z")
    small.publish(zip_too=False)
    for _ in range(2):
        refused = small.update(tmp_path)
        assert "refused" in refused.warnings[0] and refused.database.rows("ranges") == 12
    assert small.update(tmp_path, force=True).database.rows("ranges") == 4


def test_malicious_packages_are_kept_and_critical(publisher: Publisher, tmp_path: Path) -> None:
    publisher.put("MAL-2024-1", "0")
    publisher.records["MAL-2024-1"]["affected"][0] = {
        "package": {"ecosystem": "PyPI", "name": "evil"},
        "ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}]}],
        "versions": ["1.0"],
    }
    publisher.publish()
    database = publisher.update(tmp_path).database
    (found,) = [r for r in pq.read_table(database.parquet("ranges")).to_pylist() if r["name"] == "evil"]
    assert (found["advisory_id"], found["lo"], found["hi"], found["state"]) == ("MAL-2024-1", b"", None, "affected")
    (rated,) = [r for r in pq.read_table(database.parquet("severities")).to_pylist() if r["vuln_id"] == "MAL-2024-1"]
    assert (rated["source"], rated["label"]) == ("malicious-packages", "critical")


def test_only_ecosystems_that_there_are_are_asked_for(publisher: Publisher, feed_server: Any, tmp_path: Path) -> None:
    feed_server.files[place(osv.LIST)] = b"PyPI\nDebian:12\nDebian:11\nHaiku\n"
    publisher.update(tmp_path)
    asked = {name.split("/")[1] for name in feed_server.counted()}
    assert asked == {"ecosystems.txt", "PyPI", "Debian"}
    with pytest.raises(UsageError, match="no ecosystem 'Nonsense'"):
        publisher.update(tmp_path, ecosystems=["Nonsense"])


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(st.binary(max_size=200), st.lists(st.sampled_from(['{"id":"a"}', "{}", "[", '{"id":1,"gone":2}']))))
def test_whatever_stands_in_the_changes_is_read_or_refused(tmp_path: Path, content: bytes | list[str]) -> None:
    path = tmp_path / "changes.jsonl"
    path.write_bytes(content if isinstance(content, bytes) else "\n".join(content).encode())
    with contextlib.suppress(FeedInvalid):
        assert isinstance(changes(path), dict)
    assert changes_url(ZIP).endswith("PyPI/changes.jsonl")

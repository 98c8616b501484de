"""Fedora's updates: pages of them by the month, and what they say."""

from __future__ import annotations

import json
import zipfile
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grid.errors import FeedInvalid
from vulndb.feed import mirrored
from vulndb.feeds import BY_NAME, fedora
from vulndb.fetch import HttpTransport
from vulndb.records import Advisory, Skipped
from vulndb.update import Updated, update

SAMPLES = Path(__file__).resolve().parents[3] / "shared" / "data" / "feeds" / "samples" / "fedora.zip"


def one(alias: str, nvr: str, **more: Any) -> dict[str, Any]:
    return {
        "alias": alias, "title": nvr, "type": "security", "status": "stable", "severity": "high",
        "release": {"name": "F40", "id_prefix": "FEDORA"}, "builds": [{"nvr": nvr, "type": "rpm", "epoch": 0}],
        "bugs": [{"title": f"CVE-2025-0001 {nvr}: a flaw"}],
    } | more  # fmt: skip


def page(*updates: dict[str, Any], number: int = 1, pages: int = 1) -> bytes:
    return json.dumps({"updates": list(updates), "page": number, "pages": pages}).encode()


def told(document: object) -> set[tuple[str, str, str, str, str | None]]:
    return {
        (a.namespace, cve, a.name, dict(a.ranges[0].events)["fixed"], a.severity)
        for record in fedora.records(document)
        if isinstance(record, Advisory)
        for a in record.affected
        for cve in record.upstream
    }


def test_real_updates_say_what_another_scanners_published_expectations_say() -> None:
    if not SAMPLES.is_file():
        pytest.skip("the shared test data (../shared/data/feeds/samples) is absent")
    updates, expected = [], set()
    labels = {"Medium": "medium", "High": "high", "Unknown": None}
    with zipfile.ZipFile(SAMPLES) as zipped:
        for name in zipped.namelist():
            if "/snapshots/" in name:
                item = json.loads(zipped.read(name))["item"]["Vulnerability"]
                if item["NamespaceName"] != "fedora:7":  # EPEL 7, which is no Fedora
                    expected |= {
                        (item["NamespaceName"].replace("fedora", "Fedora"), item["Name"], fix["Name"],
                         fix["Version"].removeprefix("0:"), labels[item["Severity"]])
                        for fix in item["FixedIn"]
                    }  # fmt: skip
            elif name.endswith(".json"):
                updates.append(json.loads(zipped.read(name)))
    assert len(expected) == 17
    assert told({"updates": updates}) == expected


def test_epochs_cves_and_what_is_left_out() -> None:
    document = {
        "updates": [
            one("FEDORA-1", "a-b-1.0-2.fc40", builds=[{"nvr": "a-b-1.0-2.fc40", "type": "rpm", "epoch": 3}]),
            one("FEDORA-2", "c-1-1.fc40", bugs=[], notes="fixes CVE-2025-0002 and CVE-2025-0002"),
            one("FEDORA-3", "d-1-1.fc40", severity="urgent", bugs=[{"title": "x"}], display_name="Fix CVE-2025-0003"),
            one("FEDORA-EPEL-1", "e-1-1.el9", release={"name": "EPEL-9"}),
            one("FEDORA-4", "f-1-1.fc40", status="testing"),
            one("FEDORA-5", "g", builds=[{"nvr": "g", "type": "rpm"}]),
            one("FEDORA-6", "h-1-1", builds=[{"nvr": "h-1-1", "type": "module"}]),
        ]
    }
    assert told(document) == {
        ("Fedora:40", "CVE-2025-0001", "a-b", "3:1.0-2.fc40", "high"),
        ("Fedora:40", "CVE-2025-0002", "c", "1-1.fc40", "high"),
        ("Fedora:40", "CVE-2025-0003", "d", "1-1.fc40", "critical"),
    }
    assert sum(isinstance(record, Skipped) for record in fedora.records(document)) == 2


@settings(max_examples=100)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-3, 3) | st.text(max_size=6),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["nvr", "title", "name"]), inner),
        max_leaves=6,
    ),
    st.sampled_from(["alias", "builds", "bugs", "notes", "epoch", "severity", "date_stable", "display_name", "title"]),
)
def test_absurd_updates_are_read_without_a_fall(value: Any, place: str) -> None:
    for record in fedora.records({"updates": [one("FEDORA-1", "a-1-1") | {place: value}, value]}):
        assert isinstance(record, Advisory | Skipped)


def test_pages_that_are_none_are_refused(tmp_path: Path) -> None:
    for content in (b"", b"[]", b"<html>", b'{"updates": {}}'):
        (tmp_path / "page").write_bytes(content)
        with pytest.raises(FeedInvalid):
            fedora.check(tmp_path / "page")


def test_the_last_months_end_with_this_one() -> None:
    found = list(fedora.months(date(2026, 1, 15)))
    assert len(found) == fedora.MONTHS and found[-1] == (date(2026, 1, 1), date(2026, 2, 1))
    assert found[-2] == (date(2025, 12, 1), date(2026, 1, 1))


def run(root: Path, server: Any) -> Updated:
    with HttpTransport(server.url, sleep=lambda seconds: None, attempts=2) as transport:
        return update(root, transport, feeds=[BY_NAME["fedora"]])


def fixes(done: Updated) -> dict[str, str]:
    found = pq.read_table(done.database.parquet("ranges")).to_pylist()
    return {row["advisory_id"]: row["fixed"] for row in found}


def test_a_month_that_is_over_is_fetched_once(
    feed_server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fedora, "MONTHS", 3)
    old, middle, new = fedora.months(date.today())

    def put(month: tuple[date, date], number: int, content: bytes) -> str:
        name = mirrored(fedora.url(*month, number))
        feed_server.files[name] = content
        return name

    first_page = put(old, 1, page(one("FEDORA-1", "a-1-1.fc40"), pages=2))
    put(old, 2, page(one("FEDORA-2", "b-1-1.fc40"), one("FEDORA-1", "a-1-1.fc40"), number=2, pages=2))
    put(middle, 1, page())
    running = put(new, 1, page(one("FEDORA-3", "c-1-1.fc40")))
    first = run(tmp_path, feed_server)
    assert fixes(first) == {"FEDORA-1": "1-1.fc40", "FEDORA-2": "1-1.fc40", "FEDORA-3": "1-1.fc40"}
    assert first.warnings == ()
    feed_server.counted()
    put(new, 1, page(one("FEDORA-3", "c-1-1.fc40"), one("FEDORA-4", "d-1-1.fc40")))
    assert "FEDORA-4" in fixes(run(tmp_path, feed_server))
    asked = feed_server.counted()
    assert asked[running] == 1 and asked[first_page] == 0

    feed_server.files.clear()  # the server is down: what there was stays
    down = run(tmp_path, feed_server)
    assert len(fixes(down)) == 4 and down.warnings
    monkeypatch.setattr(fedora, "_today", lambda: new[1])  # a month on, the oldest falls out
    put(middle, 1, page())
    put(new, 1, page(*(one(f"FEDORA-{n}", "c-2-1.fc40") for n in (3, 4, 5))))
    put(next(m for m in fedora.months(new[1]) if m[0] == new[1]), 1, page())
    assert fixes(run(tmp_path, feed_server)) == {f"FEDORA-{n}": "2-1.fc40" for n in (3, 4, 5)}


def test_a_folder_as_a_mirror_has_the_query_in_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fedora, "MONTHS", 1)
    (month,) = fedora.months(date.today())
    place = tmp_path / "mirror" / mirrored(fedora.url(*month, 1))
    place.parent.mkdir(parents=True)
    place.write_bytes(page(one("FEDORA-1", "a-1-1.fc40")))
    with HttpTransport(str(tmp_path / "mirror")) as transport:
        done = update(tmp_path / "db", transport, feeds=[BY_NAME["fedora"]])
    assert fixes(done) == {"FEDORA-1": "1-1.fc40"} and place.name.startswith("updates@type=security")

"""What each feed makes of its files."""

from __future__ import annotations

import json
import zipfile
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grid.errors import FeedInvalid
from vulndb.feeds import FEEDS, alpine, debian, kev, osv
from vulndb.records import Advisory, Affected, Exploited, Range, Rating, Skipped

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data" / "feeds"

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(
        st.sampled_from(["id", "affected", "package", "ecosystem", "name", "ranges", "events", "type", "introduced",
                         "versions", "severity", "score", "references", "aliases", "database_specific", "packages",
                         "pkg", "secfixes", "distroversion", "releases", "status", "fixed_version", "vulnerabilities"]),
        inner, max_size=6,
    ),
    max_leaves=20,
)  # fmt: skip


def test_every_feed_is_listed_once() -> None:
    names = [feed.name for feed in FEEDS]
    assert len(set(names)) == len(names) and names[:4] == ["osv", "alpine", "debian", "kev"]


# --- OSV -----------------------------------------------------------------------------------------


def osv_record(**more: object) -> dict[str, object]:
    return {
        "id": "GHSA-aaaa-bbbb-cccc",
        "aliases": ["CVE-2024-1111"],
        "summary": "first\n line ",
        "published": "2024-01-02T03:04:05.123456789Z",
        "modified": "2024-02-02T00:00:00Z",
        "affected": [
            {
                "package": {"ecosystem": "PyPI", "name": "Flask_Thing"},
                "ranges": [
                    {"type": "GIT", "events": [{"introduced": "0"}, {"fixed": "deadbeef"}]},
                    {"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "1.2"}]},
                ],
                "versions": ["1.0"],
            }
        ],
        "severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}],
        "database_specific": {"severity": "MODERATE"},
        **more,
    }


def test_an_osv_record_becomes_an_advisory() -> None:
    found = osv.advisory(osv_record(), "PyPI")
    assert isinstance(found, Advisory)
    assert found.affected == (
        Affected("PyPI", "Flask_Thing", (Range((("introduced", "0"), ("fixed", "1.2"))),), ("1.0",)),
    )
    assert found.title == "first line"
    assert found.published == datetime(2024, 1, 2, 3, 4, 5, 123456, tzinfo=UTC)
    assert found.ratings == (
        Rating("ghsa", vector="CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"),
        Rating("ghsa", label="medium"),
    )


def test_withdrawn_records_and_records_of_git_only_are_dropped() -> None:
    assert osv.advisory(osv_record(withdrawn="2024-01-01T00:00:00Z")) is None
    package = {"ecosystem": "PyPI", "name": "x"}
    assert osv.advisory(osv_record(affected=[{"package": package, "ranges": [{"type": "GIT", "events": []}]}])) is None


def test_from_one_zip_only_its_own_ecosystem_is_taken() -> None:
    other = {"package": {"ecosystem": "npm", "name": "x"}, "versions": ["1.0.0"]}
    record = osv_record()
    record["affected"] = [*record["affected"], other]  # type: ignore[misc]
    both, one = osv.advisory(record), osv.advisory(record, "npm")
    assert isinstance(both, Advisory) and len(both.affected) == 2
    assert isinstance(one, Advisory) and [a.name for a in one.affected] == ["x"]


def test_a_suffix_belongs_to_its_ecosystem() -> None:
    record = osv_record(affected=[{"package": {"ecosystem": "Debian:12", "name": "x"}, "versions": ["1"],
                                   "ecosystem_specific": {"urgency": "unimportant"}}])  # fmt: skip
    found = osv.advisory(record, "Debian")
    assert isinstance(found, Advisory)
    assert found.affected == (Affected("Debian:12", "x", (), ("1",), severity="negligible"),)


def test_ubuntu_priority_is_a_rating() -> None:
    found = osv.advisory(osv_record(id="UBUNTU-CVE-2024-1111", severity=[{"type": "Ubuntu", "score": "negligible"}],
                                    database_specific={}))  # fmt: skip
    assert isinstance(found, Advisory) and found.ratings == (Rating("ubuntu", label="negligible"),)


def cga(status: object, *events: dict[str, str]) -> Affected:
    entry = {
        "package": {"ecosystem": "Wolfi", "name": "haproxy-2.2"},
        "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, *events]}],
        "ecosystem_specific": {"components": [{"latest_event_status": status}]},
    }
    found = osv.advisory({"id": "CGA-3333-3333-3333", "upstream": ["CVE-2025-32464"], "affected": [entry]})
    assert isinstance(found, Advisory)
    return found.affected[0]


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("detection", "under_investigation"),
        ("pending_upstream_fix", "fix_deferred"),
        ("fix_not_planned", "will_not_fix"),
        ("analysis_not_planned", "will_not_fix"),
        ("true_positive_determination", ""),
        ([], ""),
    ],
)
def test_why_chainguard_has_no_fix(status: object, state: str) -> None:
    assert cga(status).state == state
    assert cga(status, {"fixed": "2.2.34-r0"}).state == ""


def test_bad_members_of_a_zip_cost_only_themselves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(osv, "MAX_RECORD", 100_000)
    path = tmp_path / "all.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as zipped:
        zipped.writestr("good.json", json.dumps(osv_record()))
        zipped.writestr("bad.json", "{")
        zipped.writestr("bomb.json", "[" + " " * 10_000_000)
        zipped.writestr("noid.json", "{}")
        zipped.writestr("readme.txt", "hello")
    osv.check(path)
    found = list(osv.archive(path, "PyPI"))
    assert sum(isinstance(record, Advisory) for record in found) == 1
    assert {record.reason for record in found if isinstance(record, Skipped)} == {
        "PyPI: records that cannot be read", "PyPI: records too large", "PyPI: records without an id",
    }  # fmt: skip


@pytest.mark.parametrize("content", [b"", b"<html>", b"PK\x05\x06" + bytes(18)])
def test_what_is_no_zip_of_records_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "all.zip"
    path.write_bytes(content)
    with pytest.raises(FeedInvalid):
        osv.check(path)


@settings(max_examples=300)
@given(JSON)
def test_no_json_makes_a_parser_raise_anything_of_its_own(document: object) -> None:
    osv.advisory(document)
    for parse in (alpine.records, kev.entries):
        with suppress(FeedInvalid):
            list(parse(document))


# --- Alpine --------------------------------------------------------------------------------------


def secdb(fixes: dict[str, list[str]], release: str = "v3.10") -> dict[str, object]:
    return {"distroversion": release, "packages": [{"pkg": {"name": "xen", "secfixes": fixes}}]}


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        ("CVE-2016-9932 XSA-200", ["CVE-2016-9932"]),
        ("CVE-2019-0001 CVE-2019-0002 (+ regression fix)", ["CVE-2019-0001", "CVE-2019-0002"]),
        ("CVE_2019_2426", ["CVE-2019-2426"]),
        ("CVE-2017-17434-1", ["CVE-2017-17434"]),
        ("XSA-207", ["XSA-207"]),
        ("GHSA-g3rq-g295-4j3m", ["GHSA-g3rq-g295-4j3m"]),
        ("n/a", []),
    ],
)
def test_ids_of_a_secdb_token(token: str, expected: list[str]) -> None:
    assert alpine.ids(token) == expected


def test_secfixes_become_ranges_of_the_release() -> None:
    (found,) = alpine.records(secdb({"4.1-r0": ["CVE-2020-1000"]}))
    assert isinstance(found, Advisory)
    assert (found.id, found.affected) == (
        "CVE-2020-1000",
        (Affected("Alpine:v3.10", "xen", (Range((("introduced", "0"), ("fixed", "4.1-r0"))),)),),
    )


def test_version_zero_means_never_affected_which_is_a_verdict() -> None:
    (found,) = alpine.records(secdb({"0": ["CVE-2020-1000"]}))
    assert isinstance(found, Advisory) and found.affected == (Affected("Alpine:v3.10", "xen"),)


def test_an_id_fixed_twice_is_fixed_by_the_last() -> None:
    (found,) = alpine.records(
        secdb({"4.9-r1": ["CVE-2020-1000"], "4.10-r0": ["CVE-2020-1000"], "0": ["CVE-2020-1000"]})
    )
    assert isinstance(found, Advisory)
    assert [dict(r.events)["fixed"] for r in found.affected[0].ranges] == ["4.10-r0"]


# --- Debian --------------------------------------------------------------------------------------


def tracker(tmp_path: Path, status: dict[str, object], release: str = "bookworm") -> list[object]:
    path = tmp_path / "json"
    path.write_text(json.dumps({"src": {"CVE-2023-0001": {"description": "d", "releases": {release: status}}}}))
    return list(debian.records(path))


OPEN = {"status": "open", "urgency": "not yet assigned", "repositories": {"bookworm": "1.0-1"}}


@pytest.mark.parametrize(
    ("more", "state", "severity"),
    [
        ({}, "affected", None),
        ({"urgency": "low**"}, "affected", "low"),
        ({"urgency": "unimportant"}, "affected", "negligible"),
        ({"urgency": "end-of-life"}, "end_of_life", None),
        ({"nodsa": "Minor issue", "nodsa_reason": ""}, "will_not_fix", None),
        ({"nodsa": "Minor issue", "nodsa_reason": "ignored"}, "will_not_fix", None),
        ({"nodsa": "Minor issue", "nodsa_reason": "postponed"}, "fix_deferred", None),
    ],
)
def test_open_problems_of_a_release(tmp_path: Path, more: dict[str, object], state: str, severity: str | None) -> None:
    (found,) = tracker(tmp_path, OPEN | more)
    assert isinstance(found, Advisory)
    assert found.affected == (
        Affected("Debian:12", "src", (Range((("introduced", "0"),)),), state=state, severity=severity),
    )


def test_resolved_problems_of_a_release(tmp_path: Path) -> None:
    shipped = {"bookworm": "1.0-1", "bookworm-security": "1.0-1+deb12u2"}

    def affected(fixed: str) -> Affected:
        (found,) = tracker(tmp_path, {"status": "resolved", "fixed_version": fixed, "repositories": shipped})
        assert isinstance(found, Advisory)
        return found.affected[0]

    assert affected("1.0-1+deb12u2").ranges == (Range((("introduced", "0"), ("fixed", "1.0-1+deb12u2"))),)
    assert affected("1.1-1").ranges == (Range((("introduced", "0"), ("fixed", "1.1-1")), unreleased=True),)
    assert affected("0") == Affected("Debian:12", "src")


def test_undetermined_sid_and_unknown_releases_say_nothing(tmp_path: Path) -> None:
    assert tracker(tmp_path, {"status": "undetermined"}) == []
    assert tracker(tmp_path, OPEN, "sid") == []
    assert tracker(tmp_path, OPEN, "zurg") == [Skipped("release 'zurg' is not known")]


@pytest.mark.data
def test_the_tracker_fixture_of_real_data(tmp_path: Path) -> None:
    if not (SHARED / "samples" / "debian.zip").is_file():
        pytest.skip("the shared test data is absent")
    with zipfile.ZipFile(SHARED / "samples" / "debian.zip") as zipped:
        (name,) = [n for n in zipped.namelist() if n.endswith("input/debian.json")]
        document = json.loads(zipped.read(name))
        (tmp_path / "json").write_bytes(zipped.read(name))
    debian.FEED.check(tmp_path / "json")
    found = {(a.id, x.namespace, x.name): x for a in debian.records(tmp_path / "json") if isinstance(a, Advisory)
             for x in a.affected}  # fmt: skip
    for source, problems in document.items():
        for problem, entry in problems.items():
            if not isinstance(entry["releases"], dict):  # the fixture has a broken one on purpose
                continue
            for codename, status in entry["releases"].items():
                major = debian.CODENAMES.get(codename)
                if major is None or status["status"] == "undetermined":
                    continue
                one = found.pop((problem, f"Debian:{major}", source))
                if status.get("fixed_version") == "0":
                    assert one.ranges == ()
                elif status["status"] == "resolved":
                    assert dict(one.ranges[0].events)["fixed"] == status["fixed_version"]
                else:
                    assert one.ranges == (Range((("introduced", "0"),)),)
    assert not found


@settings(max_examples=150)
@given(st.dictionaries(st.text(max_size=5), st.dictionaries(st.text(max_size=5), JSON, max_size=3), max_size=6),
       st.integers(1, 40))  # fmt: skip
def test_members_of_a_large_object_are_read_in_pieces(tmp_path_factory, document, chunk) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path_factory.getbasetemp() / "members.json"
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False))
    before, debian._CHUNK = debian._CHUNK, chunk
    try:
        assert dict(debian.members(path)) == document
        list(debian.records(path))
    finally:
        debian._CHUNK = before


@pytest.mark.parametrize("content", ["", "[", "{", '{"a"', '{"a":{}', '{"a":{},', '{"a":{} "b":{}}', "null", '{"a":1}'])
def test_a_cut_or_foreign_tracker_file_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "json").write_text(content)
    with pytest.raises(FeedInvalid):
        list(debian.members(tmp_path / "json"))


# --- KEV -----------------------------------------------------------------------------------------


def test_kev_entries() -> None:
    entry = {"cveID": "CVE-2023-4911", "dateAdded": "2023-11-21", "dueDate": "2023-12-12",
             "knownRansomwareCampaignUse": "Known", "vulnerabilityName": "GNU C Library"}  # fmt: skip
    assert list(kev.entries({"vulnerabilities": [entry, {}]})) == [
        Exploited("CVE-2023-4911", "2023-11-21", "2023-12-12", True, "GNU C Library"),
        Skipped("entries not understood"),
    ]

"""Feeds in their publishers' formats: real documents where there are any, served over loopback HTTP.

What a feed makes of a document is compared with another, simpler reading of the same document.
"""

from __future__ import annotations

import bz2
import csv
import gzip
import hashlib
import io
import json
import re
import tarfile
import zipfile
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grid.database import Database
from grid.errors import FeedInvalid
from vulndb import oval
from vulndb.feeds import (
    BY_NAME,
    amazon,
    arch,
    azure,
    eol,
    epss,
    nvd,
    oracle,
    osv,
    photon,
    suse,
    ubuntu,
    wolfi,
)
from vulndb.fetch import HttpTransport
from vulndb.records import Advisory, Affected, EndOfLife, Range, Rated, Skipped
from vulndb.update import Updated, update

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data" / "feeds"


@pytest.fixture(scope="session")
def sample() -> Any:
    """``sample(zip, end of name)``: the bytes of one member."""
    if not (SHARED / "samples").is_dir():
        pytest.skip("the shared test data (../shared/data/feeds/samples) is absent")

    def read(archive: str, ending: str) -> bytes:
        with zipfile.ZipFile(SHARED / "samples" / f"{archive}.zip") as zipped:
            (name,) = [n for n in zipped.namelist() if n.endswith(ending)]
            return zipped.read(name)

    return read


def place(url: str) -> str:
    return url.removeprefix("https://")


def run(root: Path, server: Any, *names: str, **more: Any) -> Updated:
    with HttpTransport(server.url, sleep=lambda seconds: None, attempts=2) as transport:
        return update(root, transport, feeds=[BY_NAME[name] for name in names], **more)


def rows(database: Database, table: str) -> list[dict[str, Any]]:
    return pq.read_table(database.parquet(table)).to_pylist()


# --- EPSS ----------------------------------------------------------------------------------------


def test_epss_is_the_newest_day_that_is_published(
    sample: Any, feed_server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    csv_text = sample("epss", "example-1.csv")
    monkeypatch.setattr(epss, "_today", lambda: date(2025, 2, 22))
    feed_server.files[place(epss.url(date(2025, 2, 20)))] = gzip.compress(csv_text, mtime=0)
    first = run(tmp_path, feed_server, "epss")
    expected = list(csv.DictReader(csv_text.decode().splitlines()[1:]))
    assert rows(first.database, "epss") == [
        {"cve_id": r["cve"], "score": float(r["epss"]), "percentile": float(r["percentile"]), "date": "2025-02-20"}
        for r in expected
    ]
    assert first.warnings == () and len(expected) == 5

    newer = csv_text.replace(b"2025-02-20", b"2025-02-22").replace(b"0.00383", b"0.5")
    feed_server.files[place(epss.url(date(2025, 2, 22)))] = gzip.compress(newer, mtime=0)
    second = run(tmp_path, feed_server, "epss")
    assert rows(second.database, "epss")[0]["score"] == 0.5
    assert [f["url"] for f in second.database.manifest.feeds[0].files] == [epss.url(date(2025, 2, 22))]
    feed_server.counted()
    assert not run(tmp_path, feed_server, "epss").rebuilt
    assert feed_server.counted() == {place(epss.url(date(2025, 2, 22))): 1}


def test_epss_without_any_day_is_a_warning_and_keeps_what_there_was(
    sample: Any, feed_server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed_server.files[place(epss.CURRENT)] = gzip.compress(sample("epss", "example-1.csv"))
    run(tmp_path, feed_server, "epss")
    feed_server.files.clear()
    again = run(tmp_path, feed_server, "epss")
    assert len(rows(again.database, "epss")) == 5 and len(again.warnings) == 1


def test_epss_files_that_are_none_are_refused(sample: Any, tmp_path: Path) -> None:
    for name in ("invalid-header.csv", "missing-date.csv"):
        (tmp_path / name).write_bytes(sample("epss", name))
        with pytest.raises(FeedInvalid):
            epss.check(tmp_path / name)
    path = tmp_path / "odd.csv"
    path.write_text(
        "#score_date:2025-01-01T\ncve,epss,percentile\nCVE-2020-1,x,1\nCVE-2020-0001,2,1\nCVE-2020-0001,1\n"
    )
    assert [type(record) for record in epss.records(path)] == [Skipped, Skipped, Skipped]


# --- NVD -----------------------------------------------------------------------------------------


def test_nvd_ratings_are_those_of_the_document(sample: Any, tmp_path: Path) -> None:
    for name, count in (("full-page.json", 35), ("single-entry.json", 1)):
        raw = sample("nvd", name)
        path = tmp_path / "nvd.json.gz"
        path.write_bytes(gzip.compress(raw))
        found = list(nvd.records(path))
        assert len(found) == count and all(isinstance(record, Rated) for record in found)
        primary = {
            (entry["cve"]["id"], metric["cvssData"]["vectorString"], metric["cvssData"]["baseScore"])
            for entry in json.loads(raw)["vulnerabilities"]
            for listed in entry["cve"]["metrics"].values()
            for metric in listed
            if metric["source"] == "nvd@nist.gov"
        }
        assert {(r.id, x.vector, x.score) for r in found for x in r.ratings if x.source == "nvd"} == primary


def test_nvd_says_which_ids_are_rejected_or_disputed(tmp_path: Path) -> None:
    rated = {"cvssMetricV31": [{"source": "nvd@nist.gov", "cvssData": {"vectorString": VECTOR, "baseScore": 9.8}}]}
    tags = [{"sourceIdentifier": "cve@mitre.org", "tags": ["disputed"]}]
    cves = [
        {"id": "CVE-2031-0001", "vulnStatus": "Rejected", "metrics": rated},
        {"id": "CVE-2031-0002", "vulnStatus": "Analyzed", "metrics": rated, "cveTags": tags},
        {"id": "CVE-2031-0003", "vulnStatus": "Analyzed", "metrics": rated, "cveTags": []},
        {"id": "CVE-2031-0004", "vulnStatus": "Awaiting Analysis", "metrics": {}},
    ]
    path = tmp_path / "nvd.json.gz"
    path.write_bytes(gzip.compress(json.dumps({"vulnerabilities": [{"cve": cve} for cve in cves]}).encode()))
    found = {r.id: (r.status, len(r.ratings)) for r in nvd.records(path) if isinstance(r, Rated)}
    assert found == {
        "CVE-2031-0001": ("rejected", 0), "CVE-2031-0002": ("disputed", 1), "CVE-2031-0003": (None, 1),
    }  # fmt: skip


VECTOR = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"


def test_nvd_rates_what_other_feeds_know_and_nothing_else(feed_server: Any, tmp_path: Path) -> None:
    metric = {"source": "nvd@nist.gov", "type": "Primary", "cvssData": {"vectorString": "AV:N/AC:L/Au:N/C:P/I:P/A:P"}}
    other = metric | {"source": "cna@example.com", "type": "Secondary"}
    cves = [
        {"id": "CVE-2024-1111", "vulnStatus": "Analyzed", "metrics": {"cvssMetricV2": [other, metric]}},
        {"id": "CVE-2024-2222", "vulnStatus": "Rejected", "metrics": {"cvssMetricV2": [metric]}},
        {"id": "CVE-2024-3333", "vulnStatus": "Awaiting Analysis", "metrics": {"cvssMetricV2": [other]}},
        {"id": "CVE-2024-4444", "vulnStatus": "Analyzed", "metrics": {"cvssMetricV2": [metric]}},
    ]
    feed_server.files[place(nvd.url(2024))] = gzip.compress(
        json.dumps({"vulnerabilities": [{"cve": cve} for cve in cves] + ["?"]}).encode()
    )
    group = {"name": "AVG-1", "packages": ["p"], "status": "Vulnerable", "severity": "Low", "fixed": None,
             "issues": ["CVE-2024-1111", "CVE-2024-2222", "CVE-2024-3333"]}  # fmt: skip
    feed_server.files[place(arch.URL)] = json.dumps([group]).encode()
    done = run(tmp_path, feed_server, "nvd", "arch")
    assert done.warnings == ()
    rated = [r for r in rows(done.database, "severities") if r["source"] != "arch linux"]
    assert [(r["vuln_id"], r["source"], r["score"], r["label"]) for r in rated] == [
        ("CVE-2024-1111", "nvd", 7.5, "high"), ("CVE-2024-3333", "cna", 7.5, "high"),
    ]  # fmt: skip
    told = rows(done.database, "advisories")
    assert {r["source"] for r in told} == {"arch"}
    assert {r["vuln_id"]: r["status"] for r in told if r["status"]} == {"CVE-2024-2222": "rejected"}
    assert any("nvd: entries not understood (1)" in note for note in done.database.manifest.notes)


# --- end of life ---------------------------------------------------------------------------------


def test_end_of_life_dates_of_distributions(sample: Any, feed_server: Any, tmp_path: Path) -> None:
    document = json.loads(sample("eol", "valid-eol-response.json"))
    document["result"].append(
        {"name": "rhel", "releases": [{"name": "8", "isEol": False, "eolFrom": "2029-05-31", "eoesFrom": "2032-05-31"},
                                      {"name": 7}, {"name": "x", "isEol": True, "eolFrom": True}]}
    )  # fmt: skip
    feed_server.files[place(eol.URL)] = json.dumps(document).encode()
    found = rows(run(tmp_path, feed_server, "eol").database, "eol")
    ubuntu = next(p for p in document["result"] if p["name"] == "ubuntu")["releases"]
    assert {(r["version"], r["eol"], r["ended"]) for r in found if r["distro_id"] == "ubuntu"} == {
        (r["name"], r["eolFrom"], r["isEol"]) for r in ubuntu
    }
    assert [r for r in found if r["distro_id"] == "rhel"] == [
        {"distro_id": "rhel", "version": "8", "codename": None, "eol": "2029-05-31", "extended_eol": "2032-05-31",
         "ended": False},
        {"distro_id": "rhel", "version": "x", "codename": None, "eol": None, "extended_eol": None, "ended": True},
    ]  # fmt: skip
    assert {r["distro_id"] for r in found} == {"ubuntu", "rhel"}  # python is no distribution
    with pytest.raises(FeedInvalid):
        list(eol.records({"products": []}))
    assert not any(isinstance(r, EndOfLife) for r in eol.records({"result": [None, {"name": "debian"}]}))


# --- secdb ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["wolfi", "chainguard"])
def test_secdbs_without_releases(sample: Any, feed_server: Any, tmp_path: Path, name: str) -> None:
    address = {"wolfi": "packages.wolfi.dev/os", "chainguard": "packages.cgr.dev/chainguard"}[name]
    raw = sample(name, "input/secdb/security.json")
    feed_server.files[f"{address}/security.json"] = raw
    done = run(tmp_path, feed_server, name)
    pairs = {
        (package["pkg"]["name"], token, version)
        for package in json.loads(raw)["packages"]
        for version, tokens in package["pkg"]["secfixes"].items()
        for token in tokens
        if version != "0"
    }
    found = {(r["name"], r["advisory_id"], r["fixed"]) for r in rows(done.database, "ranges")}
    assert found <= pairs and {(p, i) for p, i, _ in found} == {(p, i) for p, i, _ in pairs} and len(found) > 40
    assert {r["namespace"] for r in rows(done.database, "ranges")} == {name.capitalize()}


# --- Ubuntu --------------------------------------------------------------------------------------


def ubuntu_tar(sample: Any) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(SHARED / "samples" / "ubuntu.zip") as zipped, tarfile.open(fileobj=buffer, mode="w:xz") as tar:
        for name in zipped.namelist():
            if re.search(r"/osv(-esm-cases)?/(cve|usn)/.*\.json$", name):
                content = zipped.read(name)
                info = tarfile.TarInfo(name.partition("test-fixtures/")[2])
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def test_ubuntus_tar_is_read_and_only_on_request(sample: Any, feed_server: Any, tmp_path: Path) -> None:
    feed_server.files[place(ubuntu.URL)] = ubuntu_tar(sample)
    feed_server.files[place(arch.URL)] = sample("arch", "all.json")
    plain = run(tmp_path, feed_server, "ubuntu", "arch")
    assert {r["source"] for r in rows(plain.database, "ranges")} == {"arch"} and plain.warnings == ()
    asked = run(tmp_path, feed_server, "ubuntu", "arch", only=["ubuntu"])
    feed_server.counted()
    run(tmp_path, feed_server, "ubuntu", "arch")
    assert feed_server.counted()[place(ubuntu.URL)] == 1  # from then on
    found = {
        (r["namespace"], r["fixed"], r["state"])
        for r in rows(asked.database, "ranges")
        if r["name"] == "wayland" and r["advisory_id"].startswith("UBUNTU-")
    }
    assert ("Ubuntu:22.04:LTS", "1.20.0-1ubuntu0.1", "fixed") in found
    ratings = rows(asked.database, "severities")
    assert ("CVE-2021-3782", "ubuntu", "medium") in {(r["vuln_id"], r["source"], r["label"]) for r in ratings}
    assert not [r for r in rows(asked.database, "ranges") if "CVE-2014-2901" in r["advisory_id"]]  # withdrawn


def test_what_ubuntu_fixes_for_subscribers_only_stays_affected_for_others(sample: Any) -> None:
    record = osv.advisory(json.loads(sample("ubuntu", "osv-esm-cases/cve/2022/UBUNTU-CVE-2022-24823.json")), "Ubuntu")
    assert isinstance(record, Advisory)
    focal = [a for a in record.affected if a.namespace == "Ubuntu:20.04:LTS"]
    assert focal == [
        Affected("Ubuntu:20.04:LTS", "netty",
                 (Range((("introduced", "0"), ("fixed", "1:4.1.45-1ubuntu0.1~esm2")), unreleased=True),),
                 subscriber_fix="1:4.1.45-1ubuntu0.1~esm2", binaries=("libnetty-java",))
    ]  # fmt: skip
    # What the record says of a release itself is not touched.
    unzip = osv.advisory(json.loads(sample("ubuntu", "UBUNTU-CVE-2014-9913.json")), "Ubuntu")
    assert isinstance(unzip, Advisory)
    (xenial,) = [a for a in unzip.affected if a.namespace == "Ubuntu:16.04:LTS"]
    assert xenial.ranges == (Range((("introduced", "0"), ("fixed", "6.0-20ubuntu1.1"))),)
    fips = {"id": "UBUNTU-CVE-2024-1111", "affected": [
        {"package": {"ecosystem": "Ubuntu:Pro:FIPS:20.04:LTS", "name": "openssl"}, "versions": ["1"]}]}  # fmt: skip
    special = osv.advisory(fips)
    assert isinstance(special, Advisory) and len(special.affected) == 1


# --- modules in OSV ------------------------------------------------------------------------------


def test_modules_are_read_from_the_titles_of_alma_and_rocky(sample: Any) -> None:
    def modules(archive: str, ending: str) -> set[str | None]:
        record = osv.advisory(json.loads(sample(archive, ending)))
        assert isinstance(record, Advisory)
        return {a.module for a in record.affected}

    assert modules("alma", "ALSA-2023:5259.json") == {"mariadb:10.3"}
    assert modules("rocky", "RLSA-2024_3671.json") == {"ruby:3.3"}
    assert modules("alma", "ALSA-2024:2433.json") == modules("rocky", "RLSA-2023_3220.json") == {None}


def test_errata_are_rated_by_the_word_in_their_titles(sample: Any) -> None:
    def rated(archive: str, ending: str) -> list[tuple[str, str | None]]:
        record = osv.advisory(json.loads(sample(archive, ending)))
        assert isinstance(record, Advisory)
        return [(r.source, r.label) for r in record.ratings if r.vector is None]

    assert rated("alma", "ALSA-2023:5259.json") == [("almalinux", "medium")]
    assert rated("rocky", "RLSA-2023_3220.json") == [("rocky linux", "high")]
    plain = {"id": "GO-1", "summary": "Important: read this", "affected": [
        {"package": {"ecosystem": "Go", "name": "a"}, "versions": ["1"]}]}  # fmt: skip
    record = osv.advisory(plain)
    assert isinstance(record, Advisory) and record.ratings == ()


@pytest.mark.parametrize(
    ("own", "score"),
    [({"cvss_v2": "6.5", "cvss_v3": "7.2"}, 7.2), ({"cvss_v2": 5}, 5.0), ({"cvss_v3": "high", "cvss_v2": "5"}, 5.0),
     ({"cvss_v3": "99"}, None), ({}, None)],
)  # fmt: skip
def test_the_base_scores_of_ruby_advisories_count(own: dict[str, object], score: float | None) -> None:
    gem = {"package": {"ecosystem": "RubyGems", "name": "rake"}, "versions": ["1"]}
    record = osv.advisory({"id": "RUBYSEC-rake-1", "affected": [gem], "database_specific": own})
    assert isinstance(record, Advisory)
    assert [(r.source, r.score) for r in record.ratings] == ([("rubysec", score)] if score else [])


@pytest.mark.parametrize(
    ("kind", "word"), [("unmaintained", "negligible"), ("notice", "negligible"), ("unsound", None), (None, None)]
)
def test_a_crate_that_nobody_maintains_is_told_and_not_rated_as_a_hole(kind: str | None, word: str | None) -> None:
    crate = {"package": {"ecosystem": "crates.io", "name": "ansi_term"}, "versions": ["0.12.1"],
             "database_specific": {"informational": kind}}  # fmt: skip
    record = osv.advisory({"id": "RUSTSEC-2021-0139", "summary": "ansi_term is Unmaintained", "affected": [crate]})
    assert isinstance(record, Advisory)
    assert [r.label for r in record.ratings] == ([word] if word else [])


def test_errata_that_fix_no_vulnerability_are_left_out() -> None:
    def erratum(name: str, *related: str) -> object:
        where = {"package": {"ecosystem": "AlmaLinux:8", "name": "bash"}, "versions": ["1-1"]}
        return osv.advisory(
            {"id": name, "summary": "bash bug fix update", "related": list(related), "affected": [where]}
        )

    assert erratum("ALBA-2026:1") is None and erratum("RLEA-2026:1") is None
    found = erratum("ALBA-2026:2", "CVE-2026-1")
    assert isinstance(found, Advisory) and found.upstream == ("CVE-2026-1",)
    assert isinstance(erratum("ALSA-2026:3"), Advisory)


def test_modules_of_the_whole_of_alma(mirror: Path) -> None:
    modular = named = 0
    for record in osv.archive(mirror / place(osv.url("AlmaLinux")), "AlmaLinux"):
        for a in record.affected if isinstance(record, Advisory) else ():
            if any(".module" in v for r in a.ranges for _, v in r.events):
                modular += 1
                named += a.module is not None
            else:
                assert a.module is None
    assert modular > 5_000 and named / modular > 0.95


# --- OVAL ----------------------------------------------------------------------------------------


def plainly(raw: bytes) -> set[tuple[str, str, str]]:
    """(definition, package, bound) of every leaf with a test, read from the whole tree by reference."""
    root = ElementTree.fromstring(raw)
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    parts = {e.attrib["id"]: e for e in root.iter() if e.tag.startswith("rpminfo_")}
    found = set()
    for definition in root.iter("definition"):
        for criterion in definition.iter("criterion"):
            test = parts.get(criterion.attrib["test_ref"])
            if test is None:
                continue
            thing, state = (parts.get(test.find(part).get(f"{part}_ref")) for part in ("object", "state"))
            evr = state.find("evr") if state is not None else None
            if thing is not None and evr is not None and evr.get("operation") != "greater than":
                kind = "last_affected" if evr.get("operation") == "less than or equal" else "fixed"
                found.add((definition.get("id"), thing.findtext("name"), f"{kind} {evr.text.removeprefix('0:')}"))
    return found


def claimed(path: Path) -> set[tuple[str, str, str]]:
    return {
        (d.id, c.bounds[0].name, " ".join(events[1]))
        for d in oval.definitions(path)
        for c in d.claims
        if (events := oval.events(c.bounds)) is not None and len(events) > 1
    }


@pytest.mark.parametrize(
    ("archive", "ending", "leaves"),
    [("photon", "com.vmware.phsa-photon3.xml", 700), ("sles", "suse_truncated.xml", 10),
     ("oracle", "mock_ksplice_data", 6), ("mariner", "mariner-truncated-2.0-oval.xml", 3)],
)  # fmt: skip
def test_oval_says_what_its_tests_say(sample: Any, tmp_path: Path, archive: str, ending: str, leaves: int) -> None:
    raw = sample(archive, ending)
    path = tmp_path / "oval.xml.bz2"
    path.write_bytes(bz2.compress(raw))
    expected = plainly(raw)
    assert len(expected) >= leaves and expected <= claimed(path)


def test_the_whole_of_azure_linux_says_what_its_tests_say(mirror: Path) -> None:
    for release in ("1", "3"):
        path = mirror / place(azure.url(release))
        expected = plainly(path.read_bytes())
        assert claimed(path) == expected and len(expected) > 1_000
        inapplicable = path.read_text().count("<patchable>Not Applicable<")
        records = [r for r in azure.records(path, f"Azure Linux:{release}") if isinstance(r, Advisory)]
        assert sum(not a.ranges for r in records for a in r.affected) == inapplicable
        assert len(records) == len(expected)


def test_azure_linux_from_a_mirror(mirror: Path, tmp_path: Path) -> None:
    with HttpTransport(str(mirror)) as transport:
        done = update(tmp_path, transport, feeds=[azure.FEED])
    assert done.warnings == ()  # that one of the releases is not there is none
    found = rows(done.database, "ranges")
    assert {r["namespace"] for r in found} == {"Azure Linux:1", "Azure Linux:3"} and len(found) > 3_000
    (ours,) = [r for r in found if r["name"] == "oath-toolkit" and r["namespace"] == "Azure Linux:3"]
    assert (ours["fixed"], ours["severity"], ours["state"]) == ("2.6.7-3.azl3", "high", "fixed")
    assert not any(r["title"] for r in rows(done.database, "advisories"))
    up_to = [r for r in found if r["last_affected"]]
    assert len(up_to) > 50 and all(r["state"] == "affected" for r in up_to)


def test_oracle_errata(sample: Any, feed_server: Any, tmp_path: Path) -> None:
    bodies = [sample("oracle", name) for name in ("mock_data", "mock_ksplice_data", "mock_per_arch_data")]
    inner = b"".join(re.search(rb"<definitions>(.*)</definitions>", body, re.DOTALL)[1] for body in bodies)  # type: ignore[index]
    xml = b"<oval_definitions><definitions>" + inner + b"</definitions></oval_definitions>"
    feed_server.files[place(oracle.URL)] = bz2.compress(xml)
    done = run(tmp_path, feed_server, "oracle")
    assert done.warnings == ()
    found = rows(done.database, "ranges")
    earlier = {(n, v.removeprefix("0:")) for n, v in re.findall(r'"(\S+) is earlier than (\S+)"', xml.decode())}
    assert {(r["name"], r["fixed"]) for r in found} == earlier  # the tests are left out: the comments tell

    def said(advisory: str, name: str) -> list[tuple[Any, ...]]:
        return [(r["namespace"], r["fixed"], r["arches"], r["flavour"]) for r in found
                if r["advisory_id"] == advisory and r["name"] == name]  # fmt: skip

    assert said("ELSA-2022-4803", "rsyslog") == [
        ("Oracle Linux:7", "8.24.0-57.0.1.el7_9.3", ["x86_64"], None),
        ("Oracle Linux:7", "8.24.0-57.0.4.el7_9.3", ["aarch64"], None),
    ]
    assert said("ELSA-2025-10073", "firefox") == [("Oracle Linux:10", "128.12.0-1.0.1.el10_0", None, None)]
    assert said("ELSA-2021-9151", "openssl") == [("Oracle Linux:8", "2:1.1.1g-15.ksplice1.el8_3", None, "ksplice")]
    assert said("ELSA-2021-9151", "openssl-debugsource")[0][2] == ["aarch64"]  # on x86_64 there is none
    problems = {r["vuln_id"] for r in rows(done.database, "advisories") if r["advisory_id"] == "ELSA-2007-0057"}
    assert problems == {"CVE-2007-0493", "CVE-2007-0494"}
    assert {r["severity"] for r in found if r["advisory_id"] == "ELSA-2007-0057"} == {"medium"}


def test_oracle_modules(tmp_path: Path) -> None:
    path = tmp_path / "oval.xml"
    path.write_text("""<oval_definitions><definitions><definition id="d"><metadata>
        <title> ELSA-2020-1379: container-tools:ol8 security update (IMPORTANT) </title>
        <reference source="CVE" ref_id="CVE-2020-8608"/><advisory><severity>IMPORTANT</severity></advisory></metadata>
        <criteria operator="AND"><criterion test_ref="t:1" comment="Oracle Linux 8 is installed"/>
        <criteria operator="OR"><criteria operator="AND">
        <criterion test_ref="t:2" comment="Oracle Linux arch is x86_64"/>
        <criteria operator="OR"><criteria operator="AND">
        <criterion test_ref="t:3" comment="Module container-tools:ol8 is enabled"/><criteria operator="OR">
        <criteria operator="AND"><criterion test_ref="t:4" comment="slirp4netns is earlier than 0:0.4.2-3.module+el8"/>
        <criterion test_ref="t:5" comment="slirp4netns is signed with the Oracle Linux 8 key"/></criteria>
        </criteria></criteria></criteria></criteria></criteria></criteria></definition></definitions></oval_definitions>""")
    (record,) = oracle.records(path)
    assert isinstance(record, Advisory) and record.id == "ELSA-2020-1379"
    assert record.affected == (
        Affected("Oracle Linux:8", "slirp4netns", (Range((("introduced", "0"), ("fixed", "0.4.2-3.module+el8"))),),
                 severity="high", arches=("x86_64",), module="container-tools:ol8"),
    )  # fmt: skip


def test_suse_products_of_a_service_pack_are_one_namespace(sample: Any, feed_server: Any, tmp_path: Path) -> None:
    feed_server.files[place(suse.url("suse.linux.enterprise.server.15"))] = bz2.compress(
        sample("sles", "truncated.xml")
    )
    done = run(tmp_path, feed_server, "suse")
    assert done.warnings == ()
    found = rows(done.database, "ranges")
    kernel = {(r["namespace"], r["fixed"]) for r in found if r["name"] == "kernel-default"}
    assert kernel == {
        ("SUSE:Linux Enterprise Server 15", "4.12.14-150.72.1"),
        ("SUSE:Linux Enterprise Server 15 SP1", "4.12.14-197.89.2"),
    }
    assert {r["fixed"] for r in found if r["advisory_id"] == "CVE-2010-1323"} == {"1.15.2-4.25"}
    assert not [r for r in found if r["advisory_id"] in ("CVE-1999-0524", "CVE-2026-34073")]  # "is not affected"
    assert all(r["arches"] is None for r in found)
    ratings = {(r["vuln_id"], r["source"], r["score"]) for r in rows(done.database, "severities")}
    assert ("CVE-2021-29154", "suse", 7.0) in ratings and ("CVE-2010-1323", "nvd", 3.7) in ratings


@pytest.mark.parametrize(
    ("product", "namespace"),
    [
        ("SUSE Linux Enterprise Module for Basesystem 15 SP1", "SUSE:Linux Enterprise Server 15 SP1"),
        ("SUSE Linux Enterprise Server 12 SP2-ESPOS", "SUSE:Linux Enterprise Server 12 SP2"),
        ("SUSE Linux Enterprise Server for SAP Applications 15", "SUSE:Linux Enterprise Server 15"),
        ("SUSE Linux Enterprise Server 16.0", "SUSE:Linux Enterprise Server 16.0"),
        ("openSUSE Leap 15.6", "openSUSE:Leap 15.6"),
        ("SUSE Linux Enterprise Micro 5.5", "SUSE:Linux Enterprise Micro 5.5"),
        ("SUSE Linux Enterprise Micro for Rancher 5.3", "SUSE:Linux Enterprise Micro 5.3"),
        ("SUSE Linux Micro 6.0", "SUSE:Linux Micro 6.0"),
        ("openSUSE Tumbleweed", "openSUSE:Tumbleweed"),
        ("SUSE Linux Enterprise Storage 7", None),
        ("SUSE Manager Server 4.1", None),
    ],
)
def test_products_of_suse(product: str, namespace: str | None) -> None:
    assert suse.namespace(product) == namespace


def test_oval_criteria_beyond_a_fix(tmp_path: Path) -> None:
    path = tmp_path / "oval.xml"
    path.write_text("""<o><definitions><definition id="d"><metadata><title>CVE-2024-0001</title></metadata>
        <criteria operator="AND"><criterion comment="openSUSE Leap 15.6 is installed" test_ref="t:1"/>
        <criteria operator="OR"><criterion comment="a is affected" test_ref="t:2"/>
        <criterion comment="b is not affected" test_ref="t:3"/>
        <criterion comment="c-lib-1.2-3.1 is installed" test_ref="t:4"/>
        <criteria operator="AND"><criterion comment="x" test_ref="t:5"/>
        <criterion comment="y" test_ref="t:6"/></criteria>
        </criteria></criteria></definition></definitions>
        <tests><rpminfo_test id="t:5"><object object_ref="o:1"/><state state_ref="s:1"/></rpminfo_test>
        <rpminfo_test id="t:6"><object object_ref="o:1"/><state state_ref="s:2"/></rpminfo_test></tests>
        <objects><rpminfo_object id="o:1"><name>d</name></rpminfo_object></objects>
        <states><rpminfo_state id="s:1"><evr operation="greater than or equal">0:1-1</evr></rpminfo_state>
        <rpminfo_state id="s:2"><evr operation="less than">1:2-1</evr></rpminfo_state></states></o>""")
    (record,) = suse.records(path)
    assert isinstance(record, Advisory)
    assert {a.name: [r.events for r in a.ranges] for a in record.affected} == {
        "a": [(("introduced", "0"),)],
        "b": [],
        "c-lib": [(("introduced", "0"), ("fixed", "1.2-3.1"))],
        "d": [(("introduced", "1-1"), ("fixed", "1:2-1"))],
    }


def test_documents_that_are_no_oval_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x"
    for raw in (b"<html></html>", b"<o", b"", bz2.compress(b"<o><definitions>")[:-9],
                b'<!DOCTYPE o [<!ENTITY a "b">]><o><definition><metadata/></definition></o>'):  # fmt: skip
        path.write_bytes(raw)
        with pytest.raises(FeedInvalid):
            oval.check(path)


# --- Amazon --------------------------------------------------------------------------------------


def updateinfo(*updates: str) -> bytes:
    return gzip.compress(f'<?xml version="1.0" ?><updates>{"".join(updates)}</updates>'.encode(), mtime=0)


def repository(server: Any, release: str, arch: str, content: bytes, guid: str) -> None:
    """A repository as Amazon serves it: list, index, updates."""
    base = f"cdn.amazonlinux.com/{release.partition('/')[0]}/core/guids/{guid}/{arch}"
    server.files[place(amazon.mirror_list(release, arch))] = f"https://{base}/\n".encode()
    server.files[f"{base}/repodata/repomd.xml"] = f"""<?xml version="1.0" encoding="UTF-8"?>
        <repomd xmlns="http://linux.duke.edu/metadata/repo">
        <data type="primary_db"><location href="repodata/p.gz"/></data>
        <data type="updateinfo"><checksum type="sha256">{hashlib.sha256(content).hexdigest()}</checksum>
        <location href="repodata/updateinfo.xml.gz"/></data></repomd>""".encode()
    server.files[f"{base}/repodata/updateinfo.xml.gz"] = content


def an_update(
    name: str, cves: list[str], packages: list[tuple[str, str, str, str]], severity: str = "Important"
) -> str:
    references = "".join(f'<reference href="" id="{cve}" title="" type="cve"/>' for cve in cves)
    listed = "".join(
        f'<package arch="{arch}" epoch="{epoch}" name="{package}" release="{evr.partition("-")[2]}" '
        f'version="{evr.partition("-")[0]}"><filename>x.rpm</filename></package>'
        for package, epoch, evr, arch in packages
    )
    return f"""<update author="x" status="final" type="security" version="1.4">
        <id>{name}</id><title>{name}: packages</title>
        <issued date="2018-01-11 21:05:00"/><updated date="2018-01-16 01:28:00"/><severity>{severity}</severity>
        <description>d</description><references>{references}<reference id="RHSA-1" type="redhat"/></references>
        <pkglist><collection short="c"><name>c</name>{listed}</collection></pkglist></update>"""


def test_amazon_lists_what_its_bulletin_lists(sample: Any, feed_server: Any, tmp_path: Path) -> None:
    """The packages of a real bulletin's page, served as updates, give what another reader of that page found."""
    page = sample("amazon", "2_html/ALAS-2018-939").decode()
    rpms = sorted(set(re.findall(r"([\w+.-]+)-(\d[\w.]*)-([\w.]+)\.(x86_64|src|i686|noarch)\b", page)))
    packages = [(name, "0", f"{version}-{release}", arch) for name, version, release, arch in rpms]
    expected = json.loads(sample("amazon", "amzn:2/alas-2018-939.json"))["item"]["Vulnerability"]["FixedIn"]
    content = updateinfo(an_update("ALAS2-2018-939", ["CVE-2017-5715", "CVE-2017-5754"], packages, "critical"))
    repository(feed_server, amazon.RELEASES["Amazon Linux:2"], "x86_64", content, "aaa")
    done = run(tmp_path, feed_server, "amazon")
    found = rows(done.database, "ranges")
    assert {(r["name"], r["fixed"]) for r in found} == {(e["Name"], e["Version"]) for e in expected}
    assert {(r["namespace"], r["severity"], r["state"]) for r in found} == {("Amazon Linux:2", "critical", "fixed")}
    advisories = rows(done.database, "advisories")
    assert {r["vuln_id"] for r in advisories} == {"CVE-2017-5715", "CVE-2017-5754"}
    assert advisories[0]["published"].isoformat() == "2018-01-11T21:05:00+00:00"


def test_amazon_architectures_matter_where_fixes_differ(feed_server: Any, tmp_path: Path) -> None:
    release = amazon.RELEASES["Amazon Linux:2023"]
    x86 = [("same", "1", "2-1", "x86_64"), ("data", "0", "2-1", "noarch"), ("own", "0", "2-1", "x86_64")]
    arm = [("same", "1", "2-1", "aarch64"), ("data", "0", "2-1", "noarch"), ("own", "0", "2-2", "aarch64"),
           ("same", "0", "2-1", "src")]  # fmt: skip
    bug = '<update type="bugfix"><id>ALAS2023-2024-9</id></update><update/>'
    repository(
        feed_server, release, "x86_64", updateinfo(an_update("ALAS2023-2024-1", ["cve-2024-0001"], x86), bug), "a"
    )
    repository(feed_server, release, "aarch64", updateinfo(an_update("ALAS2023-2024-1", ["CVE-2024-0001"], arm)), "b")
    done = run(tmp_path, feed_server, "amazon")
    assert [(r["name"], r["fixed"], r["arches"]) for r in rows(done.database, "ranges")] == [
        ("data", "2-1", None), ("own", "2-1", ["x86_64"]), ("own", "2-2", ["aarch64"]), ("same", "1:2-1", None),
    ]  # fmt: skip
    assert [r["url"] for r in rows(done.database, "advisories")] == [
        "https://alas.aws.amazon.com/AL2023/ALAS-2024-1.html"
    ]


def test_amazon_moves_on_and_forgets_the_old_place(feed_server: Any, tmp_path: Path) -> None:
    release = amazon.RELEASES["Amazon Linux:2023"]
    first = updateinfo(an_update("ALAS2023-2024-1", ["CVE-2024-0001"], [("p", "0", "1-1", "x86_64")]))
    second = updateinfo(an_update("ALAS2023-2024-2", ["CVE-2024-0002"], [("p", "0", "2-1", "x86_64")]))
    repository(feed_server, release, "x86_64", first, "aaa")
    run(tmp_path, feed_server, "amazon")
    repository(feed_server, release, "x86_64", second, "bbb")
    damaged = {name: content for name, content in feed_server.files.items() if "bbb" in name and "updateinfo" in name}
    feed_server.files |= dict.fromkeys(damaged, first)  # not what the index promises
    stale = run(tmp_path, feed_server, "amazon")
    assert any("checksum" in warning for warning in stale.warnings)
    assert [r["advisory_id"] for r in rows(stale.database, "ranges")] == ["ALAS2023-2024-1"]
    feed_server.files |= damaged
    done = run(tmp_path, feed_server, "amazon")
    assert done.warnings == () and [r["advisory_id"] for r in rows(done.database, "ranges")] == ["ALAS2023-2024-2"]
    assert all("bbb" in f["url"] or "mirror.list" in f["url"] for f in done.database.manifest.feeds[0].files)


@pytest.mark.parametrize("line", ["https://evil.example.com/x", "https://cdn.amazonlinux.com/../x", "", "<html>"])
def test_amazons_list_may_not_lead_elsewhere(feed_server: Any, tmp_path: Path, line: str) -> None:
    feed_server.files[place(amazon.mirror_list(amazon.RELEASES["Amazon Linux:2"], "x86_64"))] = line.encode()
    feed_server.files[place(arch.URL)] = b'[{"name": "AVG-1", "packages": ["p"], "status": "Vulnerable"}]'
    done = run(tmp_path, feed_server, "amazon", "arch")
    assert any("does not name a repository" in warning for warning in done.warnings)
    assert not [name for name, _ in feed_server.requests if "evil" in name]


# --- Photon, Arch, Bitnami -----------------------------------------------------------------------


def test_photon(sample: Any, feed_server: Any, tmp_path: Path) -> None:
    for release in ("1.0", "4.0"):
        feed_server.files[place(photon.url(release))] = sample("photon", f"cve_data_photon{release}.json")
    done = run(tmp_path, feed_server, "photon")
    entries = {
        (f"Photon OS:{release}", e["pkg"], e["cve_id"], e["res_ver"])
        for release in ("1.0", "4.0")
        for e in json.loads(sample("photon", f"cve_data_photon{release}.json"))
        if e["status"] == "Fixed" and e["res_ver"] != "NA"
    }
    found = rows(done.database, "ranges")
    assert {(r["namespace"], r["name"], r["advisory_id"], r["fixed"]) for r in found} == entries and len(entries) == 8
    assert any("photon: entries without a version (1)" in note for note in done.database.manifest.notes)
    unaffected = [a for r in photon.records(json.loads(sample("photon", "photon4.0.json")), "n")
                  if isinstance(r, Advisory) for a in r.affected if not a.ranges]  # fmt: skip
    assert unaffected == [Affected("n", "httpd")]


def test_arch_groups(sample: Any, feed_server: Any, tmp_path: Path) -> None:
    groups = json.loads(sample("arch", "all.json"))
    more = {"affected": "1-1", "fixed": "2-1", "severity": "Low", "type": "other", "issues": ["CVE-2024-0009"]}
    groups += [more | {"name": "AVG-1", "packages": ["t"], "status": "Testing"},
               more | {"name": "AVG-2", "packages": ["u"], "status": "Unknown", "fixed": None},
               more | {"name": "AVG-3", "packages": ["n"], "status": "Not affected", "fixed": None},
               more | {"name": "AVG-4", "packages": ["m"], "status": "Moved"}]  # fmt: skip
    feed_server.files[place(arch.URL)] = json.dumps(groups).encode()
    done = run(tmp_path, feed_server, "arch")
    found = {
        (r["name"], r["advisory_id"]): (r["fixed"], r["state"], r["severity"]) for r in rows(done.database, "ranges")
    }
    assert found == {
        ("curl", "AVG-1234"): ("8.5.0-1", "fixed", "high"),
        ("openssl", "AVG-5678"): ("3.2.0-1", "fixed", "critical"),
        ("pam", "AVG-9999"): (None, "affected", "medium"),
        ("glibc", "AVG-1324"): ("2.38-2", "fixed", "high"),
        ("lib32-glibc", "AVG-1324"): ("2.38-2", "fixed", "high"),
        ("test-pkg", "AVG-2222"): ("1.0.0-1", "fixed", "low"),
        ("t", "AVG-1"): (None, "affected", "low"),
        ("u", "AVG-2"): (None, "under_investigation", "low"),
    }
    about = {(r["advisory_id"], r["vuln_id"]) for r in rows(done.database, "advisories")}
    assert {("AVG-5678", "CVE-2024-5678"), ("AVG-5678", "CVE-2024-5679"), ("AVG-2222", "AVG-2222")} <= about


def test_bitnami_comes_through_osv(sample: Any) -> None:
    record = osv.advisory(json.loads(sample("bitnami", "data/brotli/BIT-brotli-2020-8927.json")), "Bitnami")
    assert isinstance(record, Advisory) and record.aliases == ("CVE-2020-8927",)
    assert record.affected[0].namespace == "Bitnami" and record.affected[0].name == "brotli"


# --- whatever comes --------------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["", "Fixed", "NA", "CVE-2020-0001", "1"]),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(
        st.sampled_from(["name", "packages", "status", "fixed", "issues", "severity", "cve_id", "pkg", "res_ver",
                         "cve_score", "result", "releases", "isEol", "eolFrom", "vulnerabilities", "cve", "id",
                         "metrics", "cvssMetricV31", "cvssData", "vectorString", "secfixes"]),
        inner, max_size=6,
    ),
    max_leaves=20,
)  # fmt: skip


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(JSON)
def test_json_of_any_shape_is_read_or_refused(tmp_path: Path, document: object) -> None:
    path = tmp_path / "x.json"
    path.write_text(json.dumps({"vulnerabilities": [document], "packages": [document]}))
    assert all(isinstance(record, Rated | Skipped) for record in nvd.records(path))
    assert all(isinstance(record, Advisory | Skipped) for record in wolfi.FEED.read("", path))
    for found in (document, [document], {"result": [document]}):
        for read in (arch.records, eol.records, lambda d: photon.records(d, "n")):
            with suppress(FeedInvalid):
                assert all(isinstance(record, Advisory | EndOfLife | Skipped) for record in read(found))


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_xml_of_any_shape_is_read_or_refused(tmp_path: Path, data: st.DataObject) -> None:
    tags = ["definition", "metadata", "criteria", "criterion", "rpminfo_test", "rpminfo_object", "rpminfo_state",
            "object", "state", "evr", "version", "name", "title", "cve", "update", "id", "package",
            "reference"]  # fmt: skip
    values = st.sampled_from(["", "t:1", "AND", "OR", "a is earlier than 0:1-1", "Oracle Linux 8 is installed", "cve",
                              "ELSA-2020-1: x", "CVE-2020-0001", "less than", "0"])  # fmt: skip
    keys = st.sampled_from(["id", "test_ref", "comment", "operator", "object_ref", "state_ref", "operation", "type"])

    def node(depth: int) -> ElementTree.Element:
        made = ElementTree.Element(
            data.draw(st.sampled_from(tags)), data.draw(st.dictionaries(keys, values, max_size=3))
        )
        made.text = data.draw(values)
        for _ in range(data.draw(st.integers(0, 3)) if depth else 0):
            made.append(node(depth - 1))
        return made

    root = ElementTree.Element("r")
    root.extend(node(3) for _ in range(3))
    path = tmp_path / "x.xml"
    path.write_bytes(ElementTree.tostring(root))
    for records in (oracle.records(path), suse.records(path), azure.records(path, "n"), amazon.records([path], "n")):
        assert all(isinstance(record, Advisory | Skipped) for record in records)


# --- together ------------------------------------------------------------------------------------


def test_feeds_that_a_mirror_lacks_are_absent_and_named_in_one_warning(feed_server: Any, tmp_path: Path) -> None:
    feed_server.files[place(arch.URL)] = b'[{"name": "AVG-1", "packages": ["p"], "status": "Vulnerable"}]'
    names = [name for name, feed in BY_NAME.items() if getattr(feed, "default", True) and name not in ("osv", "alpine")]
    done = run(tmp_path, feed_server, *names)
    states = {f.name: f.status for f in done.database.manifest.feeds}
    assert states.pop("arch") == "ok" and set(states.values()) == {"absent"}
    (warning,) = done.warnings
    assert sorted(warning.partition(" of ")[2].split(", ")) == sorted(states) and done.incomplete == ()
    assert len(rows(done.database, "ranges")) == 1

"""Smaller distributions, as another scanner's published expectations read the same files; and malicious packages."""

from __future__ import annotations

import gzip
import json
import zipfile
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from grid import findings, match
from grid.ecosystems import BY_NAME as ECOSYSTEMS
from grid.errors import FeedInvalid
from grid.model import Distro
from vulndb.build import build_records
from vulndb.feeds import echo, minimos, secureos
from vulndb.records import Advisory, Affected, Record, Skipped

SAMPLES = Path(__file__).resolve().parents[3] / "shared" / "data" / "feeds" / "samples"


def golden(archive: str, ending: str) -> tuple[bytes, set[tuple[str, str, str]]]:
    """(the publisher's file, what the expectations say: (CVE, package, fixed version, "" for none))."""
    if not SAMPLES.is_dir():
        pytest.skip("the shared test data (../shared/data/feeds/samples) is absent")
    expected, content = set(), b""
    with zipfile.ZipFile(SAMPLES / f"{archive}.zip") as zipped:
        for name in zipped.namelist():
            if "/snapshots/" in name:
                item = json.loads(zipped.read(name))["item"]["Vulnerability"]
                expected |= {(item["Name"], fix["Name"], fix["Version"]) for fix in item["FixedIn"]}
            elif name.endswith(ending):
                content = zipped.read(name)
    return content, expected


def told(records: Any) -> set[tuple[str, str, str]]:
    """The same of ours: "0" is a package that is known not to be affected."""
    return {
        (record.id, one.name, dict(one.ranges[0].events).get("fixed", "") if one.ranges else "0")
        for record in records
        if isinstance(record, Advisory)
        for one in record.affected
    }


def test_minimos_and_secureos_are_read_as_wolfis_secdb_is(tmp_path: Path) -> None:
    content, expected = golden("minimos", "security.json")
    (tmp_path / "security.json").write_bytes(content)
    found = told(minimos.FEED.read("", tmp_path / "security.json"))
    assert found == expected and len(found) > 50
    content, expected = golden("secureos", "secdb.json")
    (tmp_path / "secdb.json.gz").write_bytes(gzip.compress(content))
    found = told(secureos.FEED.read("", tmp_path / "secdb.json.gz"))
    assert found <= expected and len(found) > 15  # of several versions for one CVE the last is where it was fixed
    assert {row[:2] for row in found} == {row[:2] for row in expected}
    for content in (b"", gzip.compress(b"{")[:-4], gzip.compress(b"[]"), b"\xff"):
        (tmp_path / "bad").write_bytes(content)
        with pytest.raises(FeedInvalid):
            secureos.FEED.check(tmp_path / "bad")


def test_echo_says_what_is_fixed_and_what_is_not() -> None:
    content, expected = golden("echo", "data.json")
    records = list(echo.records(json.loads(content)))
    assert told(records) == expected and len(expected) > 20
    assert {one.namespace for r in records if isinstance(r, Advisory) for one in r.affected} == {"Echo"}
    odd: list[Record] = list(echo.records({"a": [], "b": {"CVE-1": 3, "CVE-2": {"fixed_version": 3}}, "c": {"CVE-3": {
        "fixed_version": "0", "severity": "High"}}}))  # fmt: skip
    assert [type(record) for record in odd] == [Skipped, Skipped, Skipped, Advisory]
    assert isinstance(odd[3], Advisory) and odd[3].affected == (Affected("Echo", "c", severity="high"),)


def test_their_images_are_judged_by_them() -> None:
    names = {"minimos": "apk", "secureos": "apk", "echo": "deb"}
    spaces = {name: ECOSYSTEMS[kind].namespace(Distro(name, "1")) for name, kind in names.items()}
    assert spaces == {"minimos": "MinimOS", "secureos": "SecureOS", "echo": "Echo"}


def test_a_malicious_package_is_a_critical_finding_of_its_own_kind(tmp_path: Path) -> None:
    records = [
        {"id": "MAL-2024-1", "summary": "Malicious code in left-pda (npm)", "affected": [
            {"package": {"ecosystem": "npm", "name": "left-pda"}, "ranges": [
                {"type": "SEMVER", "events": [{"introduced": "0"}]}]}]},
        {"id": "MAL-2024-2", "aliases": ["GHSA-aaaa-bbbb-cccc"], "affected": [
            {"package": {"ecosystem": "PyPI", "name": "reqests"}, "versions": ["1.0"]}]},
        {"id": "GHSA-aaaa-bbbb-cccc", "database_specific": {"severity": "HIGH"}, "affected": [
            {"package": {"ecosystem": "PyPI", "name": "reqests"}, "versions": ["1.0"]}]},
        {"id": "GHSA-dddd-bbbb-cccc", "affected": [
            {"package": {"ecosystem": "PyPI", "name": "flask"}, "versions": ["1.0"]}]},
        {"id": "MAL-2024-3", "withdrawn": "2024-01-01T00:00:00Z", "affected": [
            {"package": {"ecosystem": "PyPI", "name": "flask"}, "versions": ["1.0"]}]},
    ]  # fmt: skip
    database = build_records(tmp_path, records)
    packages = [
        {"package_id": n, "ecosystem": ecosystem, "name": name, "version": "1.0", "namespace": namespace}
        for n, (ecosystem, name, namespace) in enumerate(
            [("npm", "left-pda", "npm"), ("pypi", "Reqests", "PyPI"), ("pypi", "flask", "PyPI")]
        )
    ]
    with duckdb.connect() as con:
        hits = match.hits(con, database, pa.Table.from_pylist(packages, schema=match.CANDIDATES))
        rows = findings.merge(con, database, hits).to_pylist()
    told = [(r["vuln_id"], r["malicious"], r["severity"], r["state"], r["aliases"]) for r in rows]
    assert told == [
        ("MAL-2024-1", True, "critical", "affected", []),
        ("GHSA-aaaa-bbbb-cccc", True, "critical", "affected", ["MAL-2024-2"]),
        ("GHSA-dddd-bbbb-cccc", False, "unknown", "affected", []),
    ]

"""From records to tables: keys, lists, groups, precedence, ratings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from grid.database import Database
from grid.errors import DatabaseInvalid
from grid.keys import successor
from grid.keys.pep440 import key as pep440
from vulndb.build import build, build_records
from vulndb.publish import locked, publish
from vulndb.records import Advisory, Affected, Range, Record


def rows(database: Database, table: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pq.read_table(database.parquet(table)).to_pylist()
    return found


def osv(name: str, *affected: dict[str, object], **more: object) -> dict[str, object]:
    return {"id": name, "affected": list(affected), **more}


def package(ecosystem: str, name: str, *events: dict[str, str], versions: tuple[str, ...] = ()) -> dict[str, object]:
    ranges = [{"type": "ECOSYSTEM", "events": list(events)}] if events else []
    return {"package": {"ecosystem": ecosystem, "name": name}, "ranges": ranges, "versions": list(versions)}


def test_ranges_carry_keys_and_canonical_names(tmp_path: Path) -> None:
    one = package("PyPI", "Zope.Interface", {"introduced": "0"}, {"fixed": "1.2"}, {"introduced": "2.0"},
                  {"last_affected": "2.3"})  # fmt: skip
    first, second = rows(build_records(tmp_path, [osv("PYSEC-1", one)]), "ranges")
    assert (first["name"], first["lo"], first["hi"], first["fixed"], first["state"]) == (
        "zope-interface", b"", pep440("1.2"), "1.2", "fixed",
    )  # fmt: skip
    assert (second["lo"], second["hi"], second["fixed"], second["last_affected"], second["state"]) == (
        pep440("2.0"), successor(pep440("2.3")), None, "2.3", "affected",
    )  # fmt: skip


def test_listed_versions_are_kept_only_where_no_range_holds_them(tmp_path: Path) -> None:
    one = package(
        "PyPI", "p", {"introduced": "1"}, {"fixed": "2"}, versions=("1.0", "1.5", "0.5", "0.5.0", "not a version")
    )
    database = build_records(tmp_path, [osv("PYSEC-1", one)])
    found = rows(database, "ranges")
    assert [(r["lo"], r["hi"], r["fixed"]) for r in found] == [
        (pep440("0.5"), successor(pep440("0.5")), "2"), (pep440("1"), pep440("2"), "2"),
    ]  # fmt: skip
    assert [(r["version"], r["fixed"]) for r in rows(database, "exact")] == [("not a version", "2")]


def test_an_ecosystem_without_an_order_is_listed_and_noted_never_guessed(tmp_path: Path) -> None:
    one = package("Android", "p", {"introduced": "0"}, {"fixed": "2.0"}, versions=("1.0", "1.1"))
    database = build_records(tmp_path, [osv("X-1", one)])
    assert rows(database, "ranges") == []
    assert [(r["version"], r["fixed"], r["state"]) for r in rows(database, "exact")] == [
        ("1.0", "2.0", "fixed"), ("1.1", "2.0", "fixed"),
    ]  # fmt: skip
    assert any("Android" in note and "not ordered" in note and "(1)" in note for note in database.manifest.notes)


def test_an_unordered_event_drops_its_range_and_keeps_the_list(tmp_path: Path) -> None:
    one = package("PyPI", "p", {"introduced": "0"}, {"fixed": "someday!"}, versions=("1.0",))
    database = build_records(tmp_path, [osv("X-1", one)])
    assert [r["introduced"] for r in rows(database, "ranges")] == ["1.0"]
    assert any("cannot parse" in note for note in database.manifest.notes)


def test_aliases_share_a_display_id_and_an_erratum_has_a_row_a_problem(tmp_path: Path) -> None:
    records = [
        osv("GHSA-x", package("npm", "p", {"introduced": "0"}), aliases=["CVE-2020-0001"]),
        osv("PYSEC-1", package("PyPI", "p", {"introduced": "0"}), aliases=["GHSA-x"]),
        osv("DSA-1-1", package("Debian:12", "p", {"introduced": "0"}), upstream=["CVE-2020-0001", "CVE-2020-0002"]),
    ]
    found = {
        (r["advisory_id"], r["vuln_id"]): r["aliases"] for r in rows(build_records(tmp_path, records), "advisories")
    }
    assert found == {
        ("GHSA-x", "CVE-2020-0001"): ["GHSA-x", "PYSEC-1"],
        ("PYSEC-1", "CVE-2020-0001"): ["GHSA-x", "PYSEC-1"],
        ("DSA-1-1", "CVE-2020-0001"): ["DSA-1-1", "GHSA-x", "PYSEC-1"],
        ("DSA-1-1", "CVE-2020-0002"): ["DSA-1-1"],
    }


def test_related_never_groups(tmp_path: Path) -> None:
    database = build_records(
        tmp_path, [osv("PYSEC-1", package("PyPI", "p", {"introduced": "0"}), related=["CVE-2020-0001"])]
    )
    assert [r["vuln_id"] for r in rows(database, "advisories")] == ["PYSEC-1"]


def test_ratings_have_score_and_label_from_every_kind_of_vector(tmp_path: Path) -> None:
    vectors = [
        ("CVSS_V2", "AV:N/AC:L/Au:N/C:P/I:P/A:P", 7.5, "high"),
        ("CVSS_V3", "CVSS:3.0/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", 9.8, "critical"),
        ("CVSS_V4", "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N", 9.3, "critical"),
        ("CVSS_V3", "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:N", 0.0, "negligible"),
    ]
    record = osv("GHSA-x", package("npm", "p", {"introduced": "0"}), aliases=["CVE-2020-0001"],
                 severity=[{"type": kind, "score": vector} for kind, vector, _, _ in vectors]
                 + [{"type": "CVSS_V3", "score": "CVSS:3.1/nonsense"}])  # fmt: skip
    found = rows(build_records(tmp_path, [record]), "severities")
    assert {(r["vector"], r["score"], r["label"]) for r in found} == {v[1:] for v in vectors}
    assert {(r["vuln_id"], r["source"]) for r in found} == {("CVE-2020-0001", "ghsa")}


def built(root: Path, *records: tuple[str, bool, Record]) -> Database:
    with locked(root):
        return build(root, records, states=lambda counts: [])


def test_the_tracker_has_the_say_about_what_it_names_and_nothing_else(tmp_path: Path) -> None:
    until2 = (Range((("introduced", "0"), ("fixed", "2"))),)
    erratum = Advisory("DSA-1-1", tuple(Affected(f"Debian:{n}", "p", until2) for n in (8, 12)),
                       upstream=("CVE-2020-0001", "CVE-2020-0002"))  # fmt: skip
    whole = Advisory("DSA-2-1", (Affected("Debian:12", "p", until2),), upstream=("CVE-2020-0001",))
    other = Advisory("DSA-3-1", (Affected("Debian:12", "q", until2),), upstream=("CVE-2020-0001",))
    tracker = Advisory("CVE-2020-0001", (Affected("Debian:12", "p"),))
    database = built(tmp_path, *(("osv", False, a) for a in (erratum, whole, other)), ("debian", True, tracker))
    assert [(r["namespace"], r["name"], r["advisory_id"], r["vuln_id"]) for r in rows(database, "ranges")] == [
        ("Debian:12", "p", "DSA-1-1", "CVE-2020-0002"),  # what the tracker is silent about
        ("Debian:12", "q", "DSA-3-1", None),
        ("Debian:8", "p", "DSA-1-1", None),  # a release it does not speak of
    ]


def test_a_fix_that_the_release_does_not_ship_ends_the_range_but_is_no_fix(tmp_path: Path) -> None:
    late = Advisory(
        "CVE-2020-0001", (Affected("Debian:12", "p", (Range((("introduced", "0"), ("fixed", "2")), True),)),)
    )
    (found,) = rows(built(tmp_path, ("debian", True, late)), "ranges")
    assert found["hi"] is not None and found["fixed"] is None and found["state"] == "affected"


def test_the_same_records_make_the_same_files_in_any_order(tmp_path: Path) -> None:
    records = [
        osv(f"GHSA-{n}", package("npm", f"p{n % 7}", {"introduced": "0"}, {"fixed": f"1.{n}.0"}),
            aliases=[f"CVE-2020-{1000 + n // 2}"], summary=f"s{n}")
        for n in range(200)
    ]  # fmt: skip
    one = build_records(tmp_path / "a", records)
    two = build_records(tmp_path / "b", reversed(records))
    assert {n: t.sha256 for n, t in one.manifest.tables.items()} == {
        n: t.sha256 for n, t in two.manifest.tables.items()
    }


def test_tables_are_sorted_and_in_the_schema(tmp_path: Path) -> None:
    records = [osv(f"X-{n}", package("npm", f"p{n * 7919 % 101}", {"introduced": "0"})) for n in range(300)]
    database = build_records(tmp_path, records)
    database.verify()
    names = [(r["namespace"], r["name"], r["lo"]) for r in rows(database, "ranges")]
    assert names == sorted(names)


def test_publish_refuses_rows_that_break_the_schema(tmp_path: Path) -> None:
    for tables in ({"secrets": []}, {"kev": [{"cve_id": None}]}):
        with pytest.raises(DatabaseInvalid):
            publish(tmp_path, tables)
    assert not (tmp_path / "current").exists()
    assert list((tmp_path / "versions").glob("*")) == []


def test_a_record_with_many_versions_and_many_ranges_takes_no_longer_than_it_must(tmp_path: Path) -> None:
    events = [{kind: f"{n}.{m}"} for n in range(1, 20_000) for kind, m in (("introduced", 1), ("fixed", 2))]
    versions = tuple(f"{n}.5" for n in range(1, 20_000))
    database = build_records(tmp_path, [osv("X-1", package("npm", "p", *events, versions=versions))])
    assert database.rows("ranges") == 2 * 19_999 - database.rows("exact")


def test_binaries_name_their_source_where_it_is_one_and_counts_their_versions(tmp_path: Path) -> None:
    def entry(source: str, release: str, fixed: str | None, **binaries: str) -> dict[str, Any]:
        end = [{"fixed": fixed}] if fixed else []
        return {
            "package": {"ecosystem": release, "name": source},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, *end]}],
            "versions": ["1.0", "2.0"],
            "ecosystem_specific": {
                "binaries": [{"binary_name": n.replace("_", "-"), "binary_version": v} for n, v in binaries.items()]
            },
        }

    noble, jammy = "Ubuntu:24.04:LTS", "Ubuntu:22.04:LTS"
    records = [
        osv("UBUNTU-CVE-2024-1", entry("glibc", noble, "3.0", libc6="3.0", libc_bin="3.0")),
        osv("UBUNTU-CVE-2024-2", entry("glibc", noble, None, libc6="2.0"), entry("glibc", jammy, "3.0", libc6="3.0")),
        osv("UBUNTU-CVE-2024-3", entry("gcc-defaults", noble, "3.0", gcc="4:13"), entry("a", noble, None, x="1.0")),
        osv("UBUNTU-CVE-2024-4", entry("b", noble, "3.0", x="3.0")),
        osv("DEBIAN-CVE-2024-5", entry("c", "Debian:12", "3.0", y="3.0")),
    ]  # fmt: skip
    records[0]["affected"][0]["ecosystem_specific"]["binaries"] += ["odd", {"binary_name": 7}, {}]
    found = [tuple(row.values()) for row in rows(build_records(tmp_path, records), "binaries")]
    assert found == [(jammy, "libc6", "glibc"), (noble, "libc-bin", "glibc"), (noble, "libc6", "glibc")]

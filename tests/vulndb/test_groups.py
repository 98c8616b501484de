"""Which ids are one problem."""

from __future__ import annotations

from vulndb.groups import Groups, named, problem_id, rank
from vulndb.records import Advisory, Affected


def record(
    name: str, namespace: str = "PyPI", aliases: tuple[str, ...] = (), upstream: tuple[str, ...] = ()
) -> Advisory:
    return Advisory(name, (Affected(namespace, "p", versions=("1",)),), aliases, upstream)


def grouped(*records: Advisory) -> dict[str, list[str]]:
    groups = Groups()
    for one in records:
        problems, equals = named(one)
        groups.equal(problems[0], equals)
    return groups.resolve()


def test_alias_pairs_of_different_feeds_meet_in_one_group() -> None:
    found = grouped(
        record("PYSEC-2023-1", aliases=("CVE-2023-5555", "GHSA-a")), record("GHSA-a", aliases=("CVE-2023-5555",))
    )
    assert found == {"CVE-2023-5555": ["CVE-2023-5555", "GHSA-a", "PYSEC-2023-1"]}


def test_display_is_cve_then_ghsa_then_the_rest() -> None:
    ids = ["PYSEC-1", "GHSA-b", "CVE-2021-10000", "CVE-2021-9999", "GHSA-a", "CVE-2009-77777"]
    assert sorted(ids, key=rank) == ["CVE-2009-77777", "CVE-2021-9999", "CVE-2021-10000", "GHSA-a", "GHSA-b", "PYSEC-1"]
    assert list(grouped(record("PYSEC-1", aliases=("GHSA-b",)))) == ["GHSA-b"]


def test_an_erratum_is_about_each_of_its_cves_and_fuses_none() -> None:
    for one in (
        record("DSA-1-1", "Debian:12", upstream=("CVE-2020-0001", "CVE-2020-0002")),
        record("USN-1-1", "Ubuntu:22.04:LTS", aliases=("CVE-2020-0001", "CVE-2020-0002")),
        record("RUSTSEC-1", "crates.io", aliases=("CVE-2020-0001", "CVE-2020-0002", "GHSA-x")),
    ):
        assert named(one) == (("CVE-2020-0001", "CVE-2020-0002"), ())
    assert grouped(record("DSA-1-1", "Debian:12", upstream=("CVE-2020-0001", "CVE-2020-0002"))) == {}


def test_an_erratum_with_one_cve_is_about_it() -> None:
    assert named(record("DSA-1-1", "Debian:12", upstream=("CVE-2020-0001",)))[0] == ("CVE-2020-0001",)
    assert named(record("DSA-2-1", "Debian:12"))[0] == ("DSA-2-1",)


def test_a_wrapped_cve_is_the_cve() -> None:
    assert problem_id("UBUNTU-CVE-2021-3782") == "CVE-2021-3782"
    assert problem_id("ALPINE-CVE-2021-3782") == "CVE-2021-3782"
    assert problem_id("BIT-x-2021-1") == "BIT-x-2021-1"
    assert named(record("USN-5614-1", "Ubuntu:18.04:LTS", upstream=("UBUNTU-CVE-2021-3782",)))[0] == ("CVE-2021-3782",)


def test_a_chain_of_aliases_never_brings_two_cves_together() -> None:
    records = [
        record("GHSA-x", aliases=("CVE-2020-0001",)),
        record("PYSEC-1", aliases=("GHSA-x", "CVE-2020-0002")),
    ]
    expected = {"CVE-2020-0001": ["CVE-2020-0001", "GHSA-x"], "CVE-2020-0002": ["CVE-2020-0002", "PYSEC-1"]}
    assert grouped(*records) == expected
    assert grouped(*reversed(records)) == expected


def test_a_long_chain_without_cves_is_one_group() -> None:
    records = [record(f"X-{n}", aliases=(f"X-{n + 1}",)) for n in range(2000)]
    assert [len(group) for group in grouped(*records).values()] == [2001]

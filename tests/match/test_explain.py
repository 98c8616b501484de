"""Why a package is or is not hit, in sentences."""

from __future__ import annotations


def reasons(world):
    return [(v.advisory_id, v.matched, v.reason) for v in world.explain()]


def test_every_range_of_the_package_has_its_verdict_and_hits_come_first(world):
    world.advisory("GHSA-a", "CVE-9", "GHSA-a")
    world.range("PyPI", "flask", "GHSA-a", "1.0", fixed="1.5")
    world.range("PyPI", "flask", "PYSEC-1", "0", fixed="1.0")
    world.range("PyPI", "flask", "PYSEC-2", "0", last="1.1")
    world.range("PyPI", "flask", "PYSEC-3", "2.0")
    world.range("PyPI", "django", "PYSEC-4", "0")
    world.package("PyPI", "Flask", "1.2")
    assert reasons(world) == [
        ("GHSA-a", True, "1.2 is in the range it gives: from 1.0 to before 1.5"),
        ("PYSEC-1", False, "1.2 is at or above 1.0, where it is fixed"),
        ("PYSEC-2", False, "1.2 is above 1.1, the last affected version"),
        ("PYSEC-3", False, "1.2 is below 2.0, where the problem begins"),
    ]
    first = world.explain()[0]
    assert (first.namespace, first.name, first.version, first.vuln_id) == ("PyPI", "flask", "1.2", "CVE-9")
    assert (first.introduced, first.fixed, first.last_affected, first.state) == ("1.0", "1.5", None, "fixed")


def test_ends_of_ranges_are_told_as_the_advisory_has_them(world):
    world.range("Debian:12", "curl", "CVE-1", "0", source="debian")
    world.range("Debian:12", "curl", "CVE-2", "0", last="9", source="debian")
    world.package("Debian:12", "libcurl4", "7.88-1", source="curl")
    assert reasons(world) == [
        ("CVE-1", True, "7.88-1 is in the range it gives: from the first version, no fix known"),
        ("CVE-2", True, "7.88-1 is in the range it gives: from the first version to 9"),
    ]


def test_an_exact_list_is_one_line(world):
    world.exact("PyPI", "evil", "MAL-1", "1.0", "1.1", "1.2")
    world.exact("PyPI", "evil", "MAL-2", "2.0")
    for version in ("1.0", "2.0", "3.0"):  # how vulndb stores a listed version that can be ordered
        world.range("PyPI", "evil", "MAL-3", version, last=version)
    world.package("PyPI", "evil", "1.1")
    assert reasons(world) == [
        ("MAL-1", True, "1.1 is one of the versions it lists (3)"),
        ("MAL-2", False, "1.1 is not among the versions it lists (1)"),
        ("MAL-3", False, "1.1 is not among the versions it lists (3)"),
    ]


def test_a_version_that_cannot_be_ordered_says_so(world):
    world.range("PyPI", "pytz", "PYSEC-1", "0", fixed="2020.1")
    world.package("PyPI", "pytz", "2004d")
    ((_, matched, reason),) = reasons(world)
    assert not matched
    assert reason.startswith("2004d cannot be ordered (")
    assert reason.endswith("so the range from the first version to before 2020.1 cannot be judged")


def test_not_affected_is_told_by_the_record_and_by_what_it_overrules(world):
    world.advisory("CVE-1", source="debian")
    world.advisory("CVE-1-extra", "CVE-1", source="debian")
    world.range("Debian:12", "curl", "CVE-1", "0", source="debian", state="not_affected")
    world.range("Debian:12", "curl", "CVE-1-extra", "0", source="debian")
    world.package("Debian:12", "curl", "8")
    assert reasons(world) == [
        (
            "CVE-1",
            False,
            "8 is in the range it gives: from the first version, no fix known; it says that these are not affected",
        ),
        (
            "CVE-1-extra",
            False,
            "8 is in the range it gives: from the first version, no fix known; "
            "but another record of CVE-1 says that this version is not affected",
        ),
    ]
    assert world.findings() == []


def test_a_package_that_no_advisory_names_has_no_verdicts(world):
    world.range("PyPI", "django", "PYSEC-4", "0")
    world.package("PyPI", "flask", "1.0")
    assert world.explain() == []


def test_explain_and_findings_agree(world):
    for i, (introduced, fixed) in enumerate([("0", "1.0"), ("0.5", None), ("1.0", "2.0"), ("0", "3.0")]):
        world.advisory(f"GHSA-{i}", f"CVE-{i % 2}")
        world.range("npm", "lodash", f"GHSA-{i}", introduced, fixed=fixed)
    world.exact("npm", "lodash", "GHSA-9", "1.2.0", "1.3.0")
    world.package("npm", "lodash", "1.2.0")
    told = {(v.vuln_id, v.advisory_id) for v in world.explain() if v.matched}
    assert told == {(r["vuln_id"], a) for r in world.findings() for a in r["advisories"]}
    assert told

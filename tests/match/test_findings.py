"""What a finding says: identity, fix, state, rating, story."""

from __future__ import annotations

import pytest

from grid import findings

V2 = "AV:N/AC:L/Au:N/C:P/I:P/A:P"
V30 = "CVSS:3.0/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"
V31 = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"
V4 = "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N"


@pytest.fixture
def flask(world):
    """One Python package with one problem, CVE-1, known to no one in more detail."""
    world.advisory("PYSEC-1", "CVE-1", "PYSEC-1")
    world.range("PyPI", "flask", "PYSEC-1", "0", fixed="1.0")
    world.package("PyPI", "flask", "0.5")
    return world


@pytest.fixture
def curl(world):
    """One Debian package with one problem, CVE-1, without a fix."""
    world.range("Debian:12", "curl", "CVE-1", "0", source="debian")
    world.package("Debian:12", "curl", "7.88-1")
    return world


# --- identity ------------------------------------------------------------------------------------


def test_the_table_has_the_schema_of_findings_and_is_sorted(world):
    for vuln in ("CVE-2", "CVE-10", "GHSA-a", "CVE-1"):
        world.range("PyPI", "flask", vuln, "0")
        world.range("Debian:12", "flask", vuln, "0", source="debian")
    for package_id in (9, -9223372036854775808, 3):
        world.package("PyPI", "flask", "1.0", package_id=package_id)
        world.package("Debian:12", "flask", "1.0", package_id=package_id)
    table = world.table()
    assert table.schema.equals(findings.SCHEMA, check_metadata=True)
    order = [(r["package_id"], r["namespace"], r["vuln_id"]) for r in table.to_pylist()]
    assert len(order) == 24
    assert order == sorted(order)


def test_equal_input_gives_equal_output_whatever_its_order(world):
    for i, alias in enumerate(("GHSA-a", "PYSEC-1", "GHSA-b", "OSV-1")):
        world.advisory(alias, "CVE-1", "GHSA-a", "PYSEC-1", "GHSA-b", "OSV-1", title=f"title {i}")
        world.range("PyPI", "flask", alias, "0", fixed=f"2.{i}")
        world.rating("CVE-1", f"source{i}", "high", 7.5, V31)
    for _ in range(5):
        world.package("PyPI", "flask", "1.0")
    first = world.table()
    world.packages.reverse()
    world.tables = {name: rows[::-1] for name, rows in world.tables.items()}
    assert world.table().equals(first)


def test_alias_records_become_one_finding_with_all_ids_and_the_records_that_matched(world):
    ids = ("GHSA-a", "PYSEC-1", "GO-1")
    for alias in ids:
        world.advisory(alias, "CVE-1", *ids)
    world.range("PyPI", "flask", "PYSEC-1", "0", fixed="1.0")
    world.range("PyPI", "flask", "GHSA-a", "0", fixed="1.0")
    world.package("PyPI", "flask", "0.5")
    found = world.finding()
    assert found["vuln_id"] == "CVE-1"
    assert found["aliases"] == ["GHSA-a", "GO-1", "PYSEC-1"]
    assert found["advisories"] == ["GHSA-a", "PYSEC-1"]


def test_a_record_of_many_problems_becomes_a_finding_for_each(world):
    for cve in ("CVE-1", "CVE-2", "CVE-3"):
        world.advisory("DSA-1", cve)
    world.range("Debian:11", "curl", "DSA-1", "0", fixed="7.74-1+deb11u1")
    package = world.package("Debian:11", "curl", "7.74-1")
    assert world.found() == {(package, "CVE-1"), (package, "CVE-2"), (package, "CVE-3")}
    assert {tuple(r["advisories"]) for r in world.findings()} == {("DSA-1",)}
    assert all(r["aliases"] == [] for r in world.findings())


def test_ids_of_records_that_do_not_speak_of_the_package_are_no_aliases(flask):
    flask.advisory("DSA-1", "CVE-1", "DSA-1", "PYSEC-1")
    assert flask.finding()["aliases"] == ["PYSEC-1"]


def test_the_fix_of_a_listed_version_is_not_the_end_of_its_range(world):
    world.range("PyPI", "flask", "PYSEC-1", "1.0", last="1.0")
    world.tables["ranges"][0] |= {"fixed": "1.4", "state": "fixed"}  # how vulndb stores a listed version
    world.package("PyPI", "flask", "1.0")
    assert world.finding()["fixed_version"] == "1.4"


def test_a_record_that_the_advisories_table_does_not_know_is_its_own_problem(world):
    world.range("PyPI", "flask", "ORPHAN-1", "0")
    world.package("PyPI", "flask", "1.0")
    found = world.finding()
    assert (found["vuln_id"], found["aliases"], found["severity"]) == ("ORPHAN-1", [], "unknown")
    assert found["url"] == "https://osv.dev/vulnerability/ORPHAN-1"


def test_a_withdrawn_record_is_not_in_the_database_and_so_gives_nothing(flask):
    flask.tables["ranges"].clear()  # what vulndb does with it; the advisory row alone is no finding
    assert flask.findings() == []


# --- fix and state -------------------------------------------------------------------------------


def test_the_fix_is_that_of_the_installed_branch(world):
    world.range("PyPI", "django", "GHSA-a", "0", fixed="3.2.19")
    world.range("PyPI", "django", "GHSA-a", "4.0", fixed="4.1.9")
    world.range("PyPI", "django", "GHSA-a", "4.2", fixed="4.2.1")
    for version in ("2.0", "4.0.1", "4.2"):
        world.package("PyPI", "django", version)
    rows = world.findings()
    assert [r["fixed_version"] for r in rows] == ["3.2.19", "4.1.9", "4.2.1"]
    assert [r["introduced"] for r in rows] == ["0", "4.0", "4.2"]
    assert {r["state"] for r in rows} == {"fixed"}


def test_of_overlapping_ranges_the_fix_clears_all(world):
    world.range("PyPI", "flask", "GHSA-a", "0", fixed="1.0")
    world.range("PyPI", "flask", "GHSA-a", "0.5", fixed="2.0")
    world.package("PyPI", "flask", "0.6")
    assert world.finding()["fixed_version"] == "2.0"


def test_a_fix_that_lies_in_another_range_of_the_problem_is_passed_over(world):
    world.range("PyPI", "flask", "GHSA-a", "0", fixed="1.0")
    world.range("PyPI", "flask", "GHSA-a", "1.0", fixed="1.5")
    world.package("PyPI", "flask", "0.6")
    assert world.finding()["fixed_version"] == "1.5"


def test_a_fix_that_an_exact_list_names_is_passed_over(world):
    world.range("PyPI", "flask", "GHSA-a", "0", fixed="1.0")
    world.range("PyPI", "flask", "GHSA-a", "2.0", fixed="2.1")
    world.exact("PyPI", "flask", "GHSA-a", "1.0")
    world.package("PyPI", "flask", "0.6")
    assert world.finding()["fixed_version"] == "2.1"


def test_alias_records_with_different_fixes_give_the_one_that_clears_both(world):
    for alias, fixed in (("GHSA-a", "1.5"), ("PYSEC-1", "1.7")):
        world.advisory(alias, "CVE-1", "GHSA-a", "PYSEC-1")
        world.range("PyPI", "flask", alias, "0", fixed=fixed)
    world.package("PyPI", "flask", "1.0")
    world.package("PyPI", "flask", "1.6")
    assert [r["fixed_version"] for r in world.findings()] == ["1.7", "1.7"]


def test_where_one_record_knows_no_fix_the_better_record_gives_it(world):
    for alias in ("GHSA-a", "PYSEC-1", "OSV-1"):
        world.advisory(alias, "CVE-1", "GHSA-a", "PYSEC-1", "OSV-1")
    world.range("PyPI", "flask", "OSV-1", "0")
    world.range("PyPI", "flask", "PYSEC-1", "0", fixed="1.4")
    world.range("PyPI", "flask", "GHSA-a", "0", fixed="1.5")
    world.package("PyPI", "flask", "1.0")
    found = world.finding()
    assert (found["fixed_version"], found["state"]) == ("1.5", "fixed")


@pytest.mark.parametrize("namespace", ["Chainguard", "Wolfi"])
def test_a_package_is_not_fixed_as_long_as_one_of_its_components_is_not(world, namespace):
    for name, fixed, state in [("CGA-1", "3.6.2-r0", None), ("CGA-2", None, "fix_deferred")]:
        world.advisory(name, "CVE-2026-33333")
        world.range(namespace, "openssl", name, fixed=fixed, state=state)
    world.package(namespace, "libcrypto3", "3.3.2-r0", source="openssl")
    finding = world.finding()
    assert (finding["fixed_version"], finding["state"]) == (None, "fix_deferred")


def test_a_fix_below_the_installed_version_is_none(world):
    world.exact("PyPI", "flask", "PYSEC-1", "3.0", fixed="2.0")
    world.package("PyPI", "flask", "3.0")
    found = world.finding()
    assert (found["fixed_version"], found["state"]) == (None, "affected")


def test_the_fix_of_an_exact_list_counts(world):
    world.exact("PyPI", "flask", "PYSEC-1", "3.0", fixed="10.0")
    world.package("PyPI", "flask", "3.0")
    assert (world.finding()["fixed_version"], world.finding()["state"]) == ("10.0", "fixed")


def test_an_unordered_version_gets_the_highest_fix(world):
    world.exact("PyPI", "flask", "PYSEC-1", "2004d")
    world.range("PyPI", "flask", "PYSEC-1", "1.0", fixed="1.9")
    world.range("PyPI", "flask", "PYSEC-1", "1.10", fixed="1.11")
    world.package("PyPI", "flask", "2004d")
    assert world.finding()["fixed_version"] == "1.11"


def test_an_unordered_version_gets_the_fix_of_a_record_that_could_not_judge_it(world):
    for alias in ("GHSA-a", "PYSEC-1"):
        world.advisory(alias, "CVE-1", "GHSA-a", "PYSEC-1")
    world.exact("PyPI", "flask", "PYSEC-1", "2004d")
    world.range("PyPI", "flask", "GHSA-a", "1.0", fixed="1.9")
    world.package("PyPI", "flask", "2004d")
    assert world.finding()["fixed_version"] == "1.9"


def test_last_affected_names_no_fix(world):
    world.range("PyPI", "flask", "PYSEC-1", "0", last="1.0")
    world.package("PyPI", "flask", "0.5")
    found = world.finding()
    assert (found["fixed_version"], found["state"]) == (None, "affected")


@pytest.mark.parametrize(
    "state", ["affected", "will_not_fix", "fix_deferred", "under_investigation", "end_of_life", "unknown"]
)
def test_without_a_fix_the_state_is_what_the_record_says(world, state):
    world.range("Debian:12", "curl", "CVE-1", "0", source="debian", state=state)
    world.package("Debian:12", "curl", "7.88-1")
    assert world.finding()["state"] == state


def test_the_more_specific_state_wins_a_tie(world):
    for advisory, state in (("DSA-1", "affected"), ("DSA-2", "will_not_fix"), ("DSA-3", "unknown")):
        world.advisory(advisory, "CVE-1")
        world.range("Debian:12", "curl", advisory, "0", state=state)
    world.package("Debian:12", "curl", "7.88-1")
    assert world.finding()["state"] == "will_not_fix"


# --- upgrade -------------------------------------------------------------------------------------


def upgrades(world) -> list[tuple]:
    return [(r["vuln_id"], r["fixed_version"], r["upgrade_version"], r["upgrade_clears"]) for r in world.findings()]


def test_the_upgrade_is_the_smallest_version_that_clears_all_problems_of_the_package(world):
    world.range("PyPI", "flask", "CVE-1", "0", fixed="1.9")
    world.range("PyPI", "flask", "CVE-2", "0", fixed="1.10")
    world.range("PyPI", "flask", "CVE-2", "2.0", fixed="2.1")
    world.range("PyPI", "other", "CVE-3", "0", fixed="9.0")
    world.package("PyPI", "flask", "1.0")
    assert upgrades(world) == [("CVE-1", "1.9", "1.10", True), ("CVE-2", "1.10", "1.10", True)]


def test_the_upgrade_passes_over_a_fix_that_brings_another_problem(world):
    world.range("PyPI", "flask", "CVE-1", "0", fixed="2.0")
    world.range("PyPI", "flask", "CVE-2", "1.5", fixed="2.3")
    world.package("PyPI", "flask", "1.0")
    world.package("PyPI", "flask", "1.6")
    assert upgrades(world) == [
        ("CVE-1", "2.0", "2.3", True), ("CVE-1", "2.0", "2.3", True), ("CVE-2", "2.3", "2.3", True),
    ]  # fmt: skip


def test_a_problem_without_a_fix_stays_and_does_not_hinder_the_others(world):
    world.range("Debian:12", "curl", "CVE-1", "0", source="debian")
    world.range("Debian:12", "curl", "CVE-2", "0", fixed="7.88-2", source="debian")
    world.package("Debian:12", "curl", "7.88-1")
    assert upgrades(world) == [("CVE-1", None, "7.88-2", False), ("CVE-2", "7.88-2", "7.88-2", True)]


def test_there_is_no_upgrade_downwards_and_none_where_nothing_is_fixed(world):
    world.exact("PyPI", "flask", "CVE-1", "3.0", fixed="2.0")
    world.range("PyPI", "flask", "CVE-2", "0", last="9.0")
    world.package("PyPI", "flask", "3.0")
    assert upgrades(world) == [("CVE-1", None, None, None), ("CVE-2", None, None, None)]


def test_an_unordered_version_goes_up_to_the_highest_of_the_best(world):
    world.exact("PyPI", "flask", "CVE-1", "2004d")
    world.range("PyPI", "flask", "CVE-1", "1.0", fixed="1.9")
    world.range("PyPI", "flask", "CVE-1", "1.10", fixed="1.11")
    world.package("PyPI", "flask", "2004d")
    assert upgrades(world) == [("CVE-1", "1.11", "1.11", True)]


def test_an_upgrade_stays_in_its_module_stream(world):
    for stream, fixed in (("18", "1:18.2-1.module"), ("20", "1:20.1-1.module")):
        world.range("Red Hat:9", "nodejs", "CVE-1", "0", fixed=fixed, module=f"nodejs:{stream}", source="redhat")
    world.package("Red Hat:9", "nodejs", "1:18.0-1.module", modularity="nodejs:18")
    world.package("Red Hat:9", "nodejs", "1:20.0-1.module", modularity="nodejs:20")
    assert sorted(upgrades(world)) == [
        ("CVE-1", "1:18.2-1.module", "1:18.2-1.module", True), ("CVE-1", "1:20.1-1.module", "1:20.1-1.module", True),
    ]  # fmt: skip


# --- rating --------------------------------------------------------------------------------------


def test_no_rating_is_unknown(flask):
    found = flask.finding()
    assert (found["severity"], found["severity_source"], found["score"], found["vector"]) == (
        "unknown",
        None,
        None,
        None,
    )


def test_the_distributions_rating_of_the_package_goes_first_and_keeps_a_score_beside_it(curl):
    curl.tables["ranges"][0]["severity"] = "low"
    curl.rating("CVE-1", "debian", "medium")
    curl.rating("CVE-1", "nvd", "critical", 9.8, V31)
    found = curl.finding()
    assert (found["severity"], found["severity_source"]) == ("low", "debian")
    assert (found["score"], found["vector"]) == (9.8, V31)


def test_a_distributions_rating_that_came_through_osv_is_the_distributions(world):
    world.range("Ubuntu:22.04:LTS", "curl", "UBUNTU-CVE-1", "0", severity="negligible")
    world.package("Ubuntu:22.04:LTS", "curl", "7.81-1")
    assert (world.finding()["severity"], world.finding()["severity_source"]) == ("negligible", "ubuntu")


def test_then_its_rating_of_the_problem_then_nvd_then_another_distribution_then_ghsa(curl):
    order = [
        ("debian", "low"),
        ("nvd", "critical"),
        ("ubuntu", "low"),
        ("alpine", "medium"),
        ("ghsa", "high"),
        ("bit", "low"),
    ]
    for source, label in order:
        curl.rating("CVE-1", source, label)
    for source, label in order:
        assert (curl.finding()["severity_source"], curl.finding()["severity"]) == (source, label)
        curl.tables["severities"].pop(0)


def test_for_languages_ghsa_goes_before_nvd(flask):
    order = [("ghsa", "medium", 5.0), ("nvd", "critical", 9.8), ("osv", "low", 2.0)]
    for source, label, score in order:
        flask.rating("CVE-1", source, label, score, V31)
    for source, label, score in order:
        found = flask.finding()
        assert (found["severity_source"], found["severity"], found["score"]) == (source, label, score)
        flask.tables["severities"].pop(0)


def test_for_languages_who_wrote_the_advisory_goes_before_distributions(flask):
    flask.rating("CVE-1", "debian", "high")
    flask.rating("CVE-1", "aaa", "critical")
    assert flask.finding()["severity_source"] == "debian"
    flask.rating("CVE-1", "pysec", "low", advisory_id="PYSEC-1")
    assert (flask.finding()["severity_source"], flask.finding()["severity"]) == ("pysec", "low")
    flask.rating("CVE-1", "nvd", "medium")
    assert flask.finding()["severity_source"] == "nvd"


def test_bitnamis_rating_goes_first_for_its_packages(world):
    world.advisory("BIT-redis-1", "CVE-1", "BIT-redis-1")
    world.range("Bitnami", "redis", "BIT-redis-1", "0", fixed="2.0.0")
    world.package("Bitnami", "redis", "1.0.0")
    for source, label in (("ghsa", "low"), ("nvd", "medium"), ("bitnami", "critical")):
        world.rating("CVE-1", source, label)
    assert (world.finding()["severity_source"], world.finding()["severity"]) == ("bitnami", "critical")


def test_a_language_records_own_rating_is_the_last_resort(flask):
    flask.tables["ranges"][0]["severity"] = "high"
    assert (flask.finding()["severity"], flask.finding()["severity_source"]) == ("high", "osv")
    flask.rating("CVE-1", "nvd", "low", 3.0, V31)
    assert flask.finding()["severity"] == "low"


def test_of_one_source_the_newer_cvss_counts_and_then_the_higher_score(flask):
    ratings = [
        (V4, 6.9, "medium"),
        (V31, 9.8, "critical"),
        (V31, 8.0, "high"),
        (V30, 9.9, "critical"),
        (V2, 10.0, "high"),
    ]
    for vector, score, label in reversed(ratings):
        flask.rating("CVE-1", "nvd", label, score, vector)
    for vector, score, label in ratings:
        found = flask.finding()
        assert (found["vector"], found["score"], found["severity"]) == (vector, score, label)
        flask.tables["severities"].pop()


def test_what_a_source_states_goes_before_what_follows_from_its_vector(flask):
    flask.rating("CVE-1", "ghsa", "critical", 9.8, V31)
    flask.rating("CVE-1", "ghsa", "medium")
    found = flask.finding()
    assert (found["severity"], found["severity_source"]) == ("medium", "ghsa")
    assert (found["score"], found["vector"]) == (9.8, V31)


def test_of_several_labels_of_one_source_the_worst_counts(curl):
    for label in ("medium", "high", "low"):
        curl.rating("CVE-1", "debian", label, advisory_id=f"DSA-{label}")
    assert curl.finding()["severity"] == "high"


@pytest.mark.parametrize(
    ("score", "label"),
    [(0.0, "negligible"), (0.1, "low"), (3.9, "low"), (4.0, "medium"), (6.9, "medium"), (7.0, "high"), (8.9, "high"),
     (9.0, "critical"), (10.0, "critical")],
)  # fmt: skip
def test_a_score_without_a_label_is_rated_by_its_band(flask, score, label):
    flask.rating("CVE-1", "nvd", None, score, V31)
    assert flask.finding()["severity"] == label


def test_an_unknown_label_does_not_hide_a_known_one(flask):
    flask.rating("CVE-1", "ghsa", "unknown")
    flask.rating("CVE-1", "nvd", "high", 7.5, V31)
    assert (flask.finding()["severity"], flask.finding()["severity_source"]) == ("high", "nvd")


def test_a_rating_of_another_problem_does_not_count(flask):
    flask.rating("CVE-2", "ghsa", "high", 7.5, V31)
    assert flask.finding()["severity"] == "unknown"


def test_every_rating_of_every_source_is_kept_and_the_chosen_one_comes_first(curl):
    curl.tables["ranges"][0]["severity"] = "low"
    curl.rating("CVE-1", "ghsa", "high", 8.0, V31)
    curl.rating("CVE-1", "nvd", "medium", 6.8, V2)
    curl.rating("CVE-1", "nvd", "critical", 9.8, V31)
    curl.rating("CVE-1", "nvd", "critical", 9.8, V31, advisory_id="told twice")
    curl.rating("CVE-1", "debian", "unknown")
    assert [(r["source"], r["severity"], r["score"], r["vector"]) for r in curl.finding()["ratings"]] == [
        ("debian", "low", None, None),
        ("debian", "unknown", None, None),
        ("nvd", "critical", 9.8, V31),
        ("nvd", "medium", 6.8, V2),
        ("ghsa", "high", 8.0, V31),
    ]


def test_no_rating_is_an_empty_list(flask):
    assert flask.finding()["ratings"] == []


# --- risk ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("label", "scores", "epss", "kev", "risk"),
    [
        # worked out by hand from Grype's published formula
        ("critical", [9.8, 7.8], 0.5, None, 44.5),  # 0.5 × (9 + 8.8) / 20
        ("critical", [9.8], 0.5, False, 98.7),  # KEV outweighs EPSS: 1 × (9 + 9.8) / 20 × 1.05
        ("critical", [9.8], None, True, 100.0),  # 0.94 × 1.1 is cut at 1
        ("high", [], 0.1, None, 7.5),
        ("medium", [5.0], 0.02, None, 1.0),
        ("low", [], None, True, 33.0),
        ("negligible", [0.0], 1.0, None, 5.0),  # a CVSS score of 0 does not count
        (None, [], 0.2, None, 10.0),  # an unknown severity stands in the middle
        ("critical", [9.8], None, None, 0.0),
    ],
)
def test_risk(flask, label, scores, epss, kev, risk):
    for number, score in enumerate(scores):
        flask.rating("CVE-1", f"source{number}", label, score, V31)
    if label and not scores:
        flask.rating("CVE-1", "ghsa", label)
    if epss is not None:
        flask.epss("CVE-1", epss)
    if kev is not None:
        flask.kev("CVE-1", ransomware=kev)
    assert flask.finding()["risk"] == pytest.approx(risk, abs=0.005)


def test_the_days_of_epss_and_of_the_exploited_list_stand_beside_them(flask):
    found = flask.finding()
    assert [found[name] for name in ("epss", "epss_date", "kev_due_date")] == [None] * 3
    assert not found["kev_ransomware"]
    flask.tables["advisories"][0]["aliases"] = ["PYSEC-1", "CVE-2"]
    flask.epss("CVE-1", 0.1, "2026-01-02")
    flask.epss("CVE-2", 0.3, "2026-01-01")
    flask.kev("CVE-1", due="2024-03-01")
    flask.kev("CVE-2", due="2024-02-01", ransomware=True)
    found = flask.finding()
    assert (found["epss"], found["epss_date"]) == (0.3, "2026-01-01")
    assert (found["kev"], found["kev_due_date"], found["kev_ransomware"]) == (True, "2024-02-01", True)


# --- story ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("vuln_id", "aliases"), [("CVE-7", ["GHSA-a"]), ("GHSA-a", ["CVE-7"])])
def test_kev_by_any_cve_of_the_group(world, vuln_id, aliases):
    world.advisory("PYSEC-1", vuln_id, *aliases)
    world.advisory("PYSEC-2", "CVE-8")
    for advisory in ("PYSEC-1", "PYSEC-2"):
        world.range("PyPI", "flask", advisory, "0")
    world.package("PyPI", "flask", "1.0")
    world.kev("CVE-7")
    assert {r["vuln_id"]: r["kev"] for r in world.findings()} == {vuln_id: True, "CVE-8": False}


def test_title_and_url_come_from_the_best_record_that_speaks_of_the_package(world):
    for alias, title in (("PYSEC-1", "by PyPA"), ("GHSA-a", "by GitHub"), ("GHSA-0", "of another package")):
        world.advisory(alias, "CVE-1", "PYSEC-1", "GHSA-a", "GHSA-0", title=title, url=f"https://example.org/{alias}")
    for alias in ("PYSEC-1", "GHSA-a"):
        world.range("PyPI", "flask", alias, "0")
    world.package("PyPI", "flask", "1.0")
    found = world.finding()
    assert (found["title"], found["url"]) == ("by GitHub", "https://example.org/GHSA-a")


def test_a_title_from_elsewhere_in_the_group_is_better_than_none(world):
    world.advisory("CVE-1", "CVE-1", "PYSEC-1", source="alpine", title="")
    world.advisory("PYSEC-1", "CVE-1", "PYSEC-1", title="Told by PyPA", url="https://example.org/PYSEC-1")
    world.range("Alpine:v3.10", "py3-flask", "CVE-1", "0", fixed="1.1-r0", source="alpine")
    world.package("Alpine:v3.10", "py3-flask", "1.0-r0")
    found = world.finding()
    assert found["title"] == "Told by PyPA"
    assert found["url"] == "https://nvd.nist.gov/vuln/detail/CVE-1"
    assert found["aliases"] == ["PYSEC-1"]


@pytest.mark.parametrize(
    ("vuln_id", "url"),
    [
        ("CVE-2024-1", "https://nvd.nist.gov/vuln/detail/CVE-2024-1"),
        ("GHSA-x", "https://github.com/advisories/GHSA-x"),
        ("DSA-1", "https://osv.dev/vulnerability/DSA-1"),
    ],
)
def test_default_url(world, vuln_id, url):
    world.range("PyPI", "flask", vuln_id, "0")
    world.package("PyPI", "flask", "1.0")
    assert world.finding()["url"] == url


def test_dates_are_the_first_publication_and_the_last_change(world):
    world.advisory("PYSEC-1", "CVE-1", published="2020-02-01T00:00:00+00:00", modified="2021-01-01T00:00:00+00:00")
    world.advisory("GHSA-a", "CVE-1", published="2020-01-01T00:00:00+00:00", modified="2020-06-01T00:00:00+00:00")
    for alias in ("PYSEC-1", "GHSA-a"):
        world.range("PyPI", "flask", alias, "0")
    world.package("PyPI", "flask", "1.0")
    found = world.finding()
    assert found["published"].isoformat() == "2020-01-01T00:00:00+00:00"
    assert found["modified"].isoformat() == "2021-01-01T00:00:00+00:00"


def test_a_rejected_or_disputed_cve_keeps_the_publishers_finding_and_says_so(world):
    world.range("Debian:12", "curl", "CVE-1", "0", fixed="2", source="debian")
    world.range("Debian:12", "curl", "CVE-2", "0", fixed="2", source="debian")
    world.advisory("CVE-1", "CVE-1", source="debian", title="a problem", status="rejected")
    world.package("Debian:12", "curl", "1")
    first, second = world.findings()
    assert (first["vuln_id"], first["state"], first["cve_status"]) == ("CVE-1", "fixed", "rejected")
    assert (second["vuln_id"], second["cve_status"]) == ("CVE-2", None)

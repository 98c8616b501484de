"""Which packages are hit: ranges, exact lists, names, sources."""

from __future__ import annotations

from dataclasses import replace

import duckdb
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from packaging.version import Version

from grid import ecosystems, match


def test_introduced_zero_reaches_below_every_version_and_fixed_is_exclusive(world):
    world.range("PyPI", "flask", "PYSEC-1", "0", fixed="1.0")
    hit = [world.package("PyPI", "flask", v) for v in ("0", "0.dev0", "0.12", "1.0rc1")]
    for version in ("1.0", "1.0.0", "1.0.post1", "2.0"):
        world.package("PyPI", "flask", version)
    assert world.found() == {(p, "PYSEC-1") for p in hit}


def test_last_affected_is_inclusive_and_ends_there(world):
    world.range("PyPI", "flask", "PYSEC-1", "1.0", last="1.4")
    hit = [world.package("PyPI", "flask", v) for v in ("1.0", "1.3.9", "1.4", "1.4.0")]
    for version in ("1.0rc1", "0.9", "1.4.post1", "1.4.0.1", "1.5"):
        world.package("PyPI", "flask", version)
    assert world.found() == {(p, "PYSEC-1") for p in hit}


def test_a_range_without_an_end_goes_on_for_ever(world):
    world.range("Debian:12", "bash", "CVE-1", "0", source="debian")
    package = world.package("Debian:12", "bash", "99:9999-9")
    assert world.found() == {(package, "CVE-1")}


def test_several_ranges_of_one_record_leave_the_gaps_alone(world):
    for introduced, fixed in (("1.0", "1.5"), ("2.0", "2.3"), ("3.0", None)):
        world.range("npm", "lodash", "GHSA-a", introduced, fixed=fixed)
    hit = [world.package("npm", "lodash", v) for v in ("1.0.0", "1.4.9", "2.2.9", "3.0.0", "9.0.0")]
    for version in ("0.9.0", "1.5.0", "1.9.9", "2.3.0", "2.9.9", "3.0.0-beta"):
        world.package("npm", "lodash", version)
    assert world.found() == {(p, "GHSA-a") for p in hit}


def test_an_exact_list_hits_the_listed_versions_only(world):
    world.exact("PyPI", "evil", "MAL-1", "1.0", "1.2")
    hit = [world.package("PyPI", "evil", v) for v in ("1.0", "1.2")]
    world.package("PyPI", "evil", "1.1")
    assert world.found() == {(p, "MAL-1") for p in hit}


def test_range_and_exact_list_are_an_or_and_give_one_finding(world):
    world.range("PyPI", "evil", "PYSEC-1", "1.0", fixed="2.0")
    world.exact("PyPI", "evil", "PYSEC-1", "1.5", "3.0")
    both, listed = world.package("PyPI", "evil", "1.5"), world.package("PyPI", "evil", "3.0")
    world.package("PyPI", "evil", "2.0")
    assert world.found() == {(both, "PYSEC-1"), (listed, "PYSEC-1")}


def test_a_version_that_cannot_be_parsed_matches_exact_lists_only_and_is_reported(world):
    world.range("PyPI", "pytz", "PYSEC-1", "0")
    world.exact("PyPI", "pytz", "PYSEC-2", "2004d")
    package = world.package("PyPI", "pytz", "2004d")
    assert world.found() == {(package, "PYSEC-2")}
    (unparsed,) = world.hits().unparsed.to_pylist()
    assert unparsed["package_id"] == package
    assert (unparsed["ecosystem"], unparsed["name"], unparsed["version"]) == ("pypi", "pytz", "2004d")
    assert "2004d" in unparsed["message"]


def test_a_package_that_no_advisory_names_costs_no_key_and_no_note(world, monkeypatch):
    world.range("PyPI", "flask", "PYSEC-1", "0")
    world.package("PyPI", "unheard-of", "not a version")
    asked = []
    _spy(monkeypatch, asked)
    hits = world.hits()
    assert (hits.unparsed.num_rows, hits.matched.num_rows, asked) == (0, 0, [])


def test_keys_are_made_once_for_each_distinct_version(world, monkeypatch):
    world.range("PyPI", "flask", "PYSEC-1", "0")
    world.range("PyPI", "django", "PYSEC-2", "0")
    for name in ("flask", "Flask", "django") * 3:
        world.package("PyPI", name, "1.0")
    asked = []
    _spy(monkeypatch, asked)
    assert world.hits().matched.num_rows == 2  # targets, not packages
    assert asked == ["1.0"]


def _spy(monkeypatch, asked):
    pypi = ecosystems.BY_NAME["pypi"]
    spied = replace(pypi, key=lambda version: asked.append(version) or pypi.key(version))
    monkeypatch.setitem(ecosystems.BY_NAME, "pypi", spied)
    monkeypatch.setitem(ecosystems.BY_OSV, "PyPI", spied)


def test_a_package_of_another_kind_is_not_judged_by_the_distributions_advisories(world):
    """Its version would be ordered by one scheme and compared with ranges in another."""
    world.range("Alpine:v3.10", "bash", "CVE-1", "0", source="alpine")
    world.exact("Alpine:v3.10", "bash", "CVE-2", "5.0")
    world.package("Alpine:v3.10", "bash", "5.0", ecosystem="deb")
    own = world.package("Alpine:v3.10", "bash", "4.0")
    assert world.found() == {(own, "CVE-1")}


def test_debian_epochs_tildes_and_revisions_order_as_dpkg_has_them(world):
    world.range("Debian:12", "openssl", "CVE-1", "0", fixed="1:1.2-3+deb12u1", source="debian")
    hit = [world.package("Debian:12", "openssl", v) for v in ("9.9-1", "1:1.2-3", "1:1.2~rc1-9", "1:1.2-3+deb12u1~x")]
    for version in ("1:1.2-3+deb12u1", "1:1.2-10", "2:0-0"):
        world.package("Debian:12", "openssl", version)
    assert world.found() == {(p, "CVE-1") for p in hit}


def test_os_packages_match_by_source_name_and_source_version(world):
    world.range("Debian:12", "glibc", "CVE-1", "0", fixed="2.36-9", source="debian")
    world.range("Debian:12", "libc6", "CVE-2", "0", source="debian")
    old = world.package("Debian:12", "libc6", "99-1", source="glibc", source_version="2.36-8")
    binary_version = world.package("Debian:12", "libc-bin", "2.36-1", source="glibc")
    world.package("Debian:12", "libc6", "2.36-1", source="glibc", source_version="2.36-9")
    unsourced = world.package("Debian:12", "libc6", "2.36-1", source="")
    assert world.found() == {(old, "CVE-1"), (binary_version, "CVE-1"), (unsourced, "CVE-2")}


def test_a_package_whose_record_names_no_source_has_the_one_that_the_advisories_know(world):
    world.advisory("UBUNTU-CVE-1", "CVE-1")
    world.range("Ubuntu:24.04:LTS", "glibc", "UBUNTU-CVE-1", fixed="2.39-0ubuntu8.4")
    world.tables["binaries"].append({"namespace": "Ubuntu:24.04:LTS", "name": "libc6", "source": "glibc"})
    old = world.package("Ubuntu:24.04:LTS", "libc6", "2.39-0ubuntu8.3")
    world.package("Ubuntu:24.04:LTS", "libc6", "2.39-0ubuntu8.4")
    world.package("Ubuntu:24.04:LTS", "libc6", "2.39-0ubuntu8.3", source="other")
    world.package("Ubuntu:24.04:LTS", "libm6", "2.39-0ubuntu8.3")
    world.package("Ubuntu:22.04:LTS", "libc6", "2.39-0ubuntu8.3")
    assert world.found() == {(old, "CVE-1")}


def test_alpine_matches_by_origin(world):
    world.range("Alpine:v3.10", "openssl", "CVE-1", "0", fixed="1.1.1g-r0", source="alpine")
    hit = world.package("Alpine:v3.10", "libcrypto1.1", "1.1.1d-r2", source="openssl")
    world.package("Alpine:v3.10", "libssl1.1", "1.1.1g-r0", source="openssl")
    assert world.found() == {(hit, "CVE-1")}


def test_language_packages_ignore_source_fields_and_use_canonical_names(world):
    world.range("PyPI", "ruamel-yaml", "PYSEC-1", "0")
    hit = world.package("PyPI", "Ruamel.YAML", "1.0", source="something-else", source_version="x")
    world.package("npm", "ruamel-yaml", "1.0.0")
    assert world.found() == {(hit, "PYSEC-1")}


def test_only_the_advisories_of_the_own_namespace_apply(world):
    world.range("Debian:11", "bash", "CVE-1", "0", source="debian")
    world.range("Debian:12", "bash", "CVE-2", "0", source="debian")
    first = world.package("Debian:11", "bash", "5.1-1")
    world.package("Debian:12", "bash", "5.1-1", package_id=first)
    world.package(None, "bash", "5.1-1", ecosystem="deb")
    rows = world.findings()
    assert [(r["package_id"], r["namespace"], r["vuln_id"]) for r in rows] == [
        (first, "Debian:11", "CVE-1"),
        (first, "Debian:12", "CVE-2"),
    ]


def test_an_ecosystem_without_a_version_scheme_still_matches_exact_lists(world):
    world.exact("Exotic", "thing", "OSV-1", "1")
    package = world.package("Exotic", "thing", "1", ecosystem="exotic")
    assert world.found() == {(package, "OSV-1")}
    assert world.hits().unparsed["message"].to_pylist() == ["no version scheme is known for 'exotic'"]


def test_binary_packages_of_one_source_share_one_target(world):
    world.range("Debian:12", "glibc", "CVE-1", "0", source="debian")
    packages = [world.package("Debian:12", n, "2.36-8", source="glibc") for n in ("libc6", "libc-bin", "locales")]
    hits = world.hits()
    assert (hits.targets.num_rows, hits.matched.num_rows, hits.packages.num_rows) == (1, 1, 3)
    assert world.found() == {(p, "CVE-1") for p in packages}


def test_a_candidate_given_twice_is_found_once(world):
    world.range("PyPI", "flask", "PYSEC-1", "0")
    for _ in range(2):
        world.package("PyPI", "flask", "1.0", package_id=7)
    assert world.found() == {(7, "PYSEC-1")}


@pytest.mark.parametrize("with_packages", [False, True])
@pytest.mark.parametrize("with_advisories", [False, True])
def test_nothing_to_match_gives_an_empty_table_of_the_right_shape(world, with_packages, with_advisories):
    if with_packages:
        world.package("PyPI", "flask", "1.0")
    if with_advisories:
        world.range("PyPI", "django", "PYSEC-1", "0")
    assert world.findings() == []


def test_the_callers_connection_is_left_as_it_was(world):
    world.range("PyPI", "flask", "PYSEC-1", "0")
    world.package("PyPI", "flask", "1.0")
    with duckdb.connect() as con:
        con.execute("CREATE TABLE packages AS SELECT 1 AS mine; CREATE TEMP TABLE hit AS SELECT 2 AS mine")
        for _ in range(2):
            assert match.hits(con, world.database, world.candidates).matched.num_rows == 1
        assert con.sql("SELECT * FROM packages").fetchall() == [(1,)]
        assert con.sql("SELECT * FROM hit").fetchall() == [(2,)]
        assert len(con.sql("SHOW TABLES").fetchall()) == 2


def test_candidates_may_be_dictionary_encoded_and_have_more_columns(world):
    world.range("PyPI", "flask", "PYSEC-1", "0")
    world.package("PyPI", "flask", "1.0")
    table = world.candidates.append_column("more", pa.array([1]))
    index = table.schema.get_field_index("ecosystem")
    table = table.set_column(index, "ecosystem", table["ecosystem"].dictionary_encode())
    with duckdb.connect() as con:
        assert match.hits(con, world.database, table).matched.num_rows == 1


# --- sources that differ -------------------------------------------------------------------------


def test_a_row_may_speak_of_one_problem_of_its_record_only(world):
    for cve in ("CVE-1", "CVE-2"):
        world.advisory("DSA-1", cve)
    world.range("Debian:12", "curl", "DSA-1", "0", fixed="7.88-5", vuln_id="CVE-2")
    world.exact("Debian:12", "wget", "DSA-1", "7.88-4", vuln_id="CVE-1")
    curl, wget = world.package("Debian:12", "curl", "7.88-4"), world.package("Debian:12", "wget", "7.88-4")
    assert world.found() == {(curl, "CVE-2"), (wget, "CVE-1")}


def test_not_affected_in_the_own_feed_kills_the_hits_of_that_problem(world):
    world.advisory("DSA-1", "CVE-1")
    world.advisory("CVE-1", source="debian")
    world.range("Debian:12", "curl", "DSA-1", "0", fixed="9")
    world.range("Debian:12", "curl", "CVE-1", "0", source="debian", state="not_affected")
    world.range("Debian:12", "curl", "CVE-2", "0", source="debian")
    package = world.package("Debian:12", "curl", "7")
    assert world.found() == {(package, "CVE-2")}


def test_not_affected_holds_for_the_versions_it_names(world):
    world.range("Debian:12", "curl", "CVE-1", "0", source="debian")
    world.range("Debian:12", "curl", "CVE-1", "5", fixed="6", source="debian", state="not_affected")
    hit = [world.package("Debian:12", "curl", v) for v in ("4", "6")]
    world.package("Debian:12", "curl", "5.5")
    assert world.found() == {(p, "CVE-1") for p in hit}


def test_language_records_of_one_problem_are_a_union(world):
    world.advisory("GHSA-a", "CVE-1", "GHSA-a", "PYSEC-1")
    world.advisory("PYSEC-1", "CVE-1", "GHSA-a", "PYSEC-1")
    world.range("PyPI", "flask", "GHSA-a", "0", fixed="1.0")
    world.range("PyPI", "flask", "PYSEC-1", "2.0", fixed="2.1")
    hit = [world.package("PyPI", "flask", v) for v in ("0.5", "2.0")]
    world.package("PyPI", "flask", "1.5")
    assert world.found() == {(p, "CVE-1") for p in hit}


# --- an independent matcher ----------------------------------------------------------------------

_VERSIONS = [f"{a}.{b}{suffix}" for a in range(3) for b in range(3) for suffix in ("", "a1", "rc1", ".post1", ".dev1")]
_VERSIONS += ["1.0.0", "1!0.5", "2.0+local", "00.1"]
_version = st.sampled_from(_VERSIONS)
_events = st.tuples(st.none() | _version, st.sampled_from(["fixed", "last", "open"]), _version)
_record = st.fixed_dictionaries(
    {
        "name": st.sampled_from(["flask", "django"]),
        "vuln": st.sampled_from(["CVE-1", "CVE-2", "CVE-3"]),
        "ranges": st.lists(_events, max_size=3),
        "versions": st.lists(_version, max_size=2),
    }
)


def _affected(record, text):
    """Straight from the definition in OSV's schema, with packaging's order."""
    version = Version(text)
    for introduced, kind, end in record["ranges"]:
        after = introduced is None or version >= Version(introduced)
        before = kind == "open" or version < Version(end) or (kind == "last" and version == Version(end))
        if after and before:
            return True
    return text in record["versions"]


def _best_fix(records, text):
    """The smallest fix above the version in no record's range: by trying all of them."""
    fixes = {end for r in records for _, kind, end in r["ranges"] if kind == "fixed"}
    good = [Version(f) for f in fixes if Version(f) > Version(text) and not any(_affected(r, f) for r in records)]
    return min(good, default=None)


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(_record, min_size=1, max_size=6), st.lists(_version, min_size=1, max_size=12, unique=True))
def test_findings_equal_those_of_a_matcher_written_from_the_osv_schema(new_world, records, installed):
    world = new_world()
    for i, record in enumerate(records):
        record["id"] = f"PYSEC-{i}"
        world.advisory(record["id"], record["vuln"])
        for introduced, kind, end in record["ranges"]:
            world.range(
                "PyPI", record["name"], record["id"], introduced or "0", **({} if kind == "open" else {kind: end})
            )
        world.exact("PyPI", record["name"], record["id"], *record["versions"])
    packages = {world.package("PyPI", n, v): (n, v) for n in ("flask", "django") for v in installed}
    expected = {}
    for package, (name, version) in packages.items():
        for vuln in ("CVE-1", "CVE-2", "CVE-3"):
            group = [r for r in records if r["vuln"] == vuln and r["name"] == name]
            if hit := sorted({r["id"] for r in group if _affected(r, version)}):
                expected[package, vuln] = (hit, _best_fix(group, version))
    rows = {(r["package_id"], r["vuln_id"]): r for r in world.findings()}
    assert {key: row["advisories"] for key, row in rows.items()} == {key: hit for key, (hit, _) in expected.items()}
    for key, (_, fix) in expected.items():
        if fix is not None:  # else a fix that clears only its own record may be given: see test_findings
            assert Version(rows[key]["fixed_version"]) == fix
        elif rows[key]["fixed_version"] is not None:
            assert Version(rows[key]["fixed_version"]) > Version(packages[key[0]][1])


def test_an_unmanaged_program_is_matched_under_its_name_at_bitnami(world):
    world.range("Bitnami", "apache", "BIT-apache-1", "2.4.0", fixed="2.4.52")
    world.range("Bitnami", "java", "BIT-java-1", "1.9.0", fixed="8.0.401")
    httpd = world.package("Bitnami", "httpd", "2.4.51", ecosystem="generic")
    java = world.package("Bitnami", "openjdk", "8.0.352", ecosystem="generic")
    world.package("Bitnami", "httpd", "2.4.52", ecosystem="generic")
    assert world.found() == {(httpd, "BIT-apache-1"), (java, "BIT-java-1")}

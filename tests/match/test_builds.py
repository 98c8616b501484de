"""Advisories about some builds of a package only: architecture, module, flavour; and whose name is matched."""

from __future__ import annotations

import pytest

ORACLE = "Oracle Linux:8"


def test_a_row_for_an_architecture_is_about_that_architecture(world) -> None:
    world.advisory("ELSA-1", "CVE-1", source="oracle")
    world.range(ORACLE, "rsyslog", "ELSA-1", fixed="8.24.0-57.0.4", source="oracle", arches=["aarch64"])
    world.range(ORACLE, "rsyslog", "ELSA-1", fixed="8.24.0-57.0.1", source="oracle", arches=["x86_64"])
    fixed = world.package(ORACLE, "rsyslog", "8.24.0-57.0.1", arch="x86_64")
    arm = world.package(ORACLE, "rsyslog", "8.24.0-57.0.1", arch="aarch64")
    old = world.package(ORACLE, "rsyslog", "8.24.0-50", arch="x86_64")
    assert world.found() == {(arm, "CVE-1"), (old, "CVE-1")}
    fixes = {row["package_id"]: row["fixed_version"] for row in world.findings()}
    assert fixes == {arm: "8.24.0-57.0.4", old: "8.24.0-57.0.1"}, fixed


def test_a_package_for_every_architecture_meets_every_row(world) -> None:
    world.advisory("ELSA-1", "CVE-1", source="oracle")
    world.range(ORACLE, "docs", "ELSA-1", fixed="2", source="oracle", arches=["aarch64"])
    world.range(ORACLE, "tool", "ELSA-1", fixed="2", source="oracle", arches=["noarch"])
    found = {
        world.package(ORACLE, "docs", "1", arch="noarch"),
        world.package(ORACLE, "docs", "1", arch=None),
        world.package(ORACLE, "tool", "1", arch="x86_64"),
    }
    world.package(ORACLE, "docs", "1", arch="x86_64")
    assert {package for package, _ in world.found()} == found


def test_a_row_of_a_module_is_about_its_own_stream(world) -> None:
    ns = "AlmaLinux:8"
    world.advisory("ALSA-1", "CVE-1")
    world.range(ns, "nodejs", "ALSA-1", fixed="1:12.22.5-1.module_el8", module="nodejs:12")
    world.range(ns, "nodejs", "ALSA-1", fixed="1:14.17.5-1.module_el8", module="nodejs:14")
    old = world.package(ns, "nodejs", "1:12.18.0-1.module_el8", modularity="nodejs:12")
    world.package(ns, "nodejs", "1:12.22.5-1.module_el8", modularity="nodejs:12")  # fixed, in its stream
    world.package(ns, "nodejs", "1:10.0.0-1.module_el8", modularity="nodejs:10")  # no word about its stream
    world.package(ns, "nodejs", "1:10.0.0-1.el8")  # of no module
    assert world.found() == {(old, "CVE-1")}
    assert world.finding()["fixed_version"] == "1:12.22.5-1.module_el8"


def test_a_row_without_a_module_is_not_about_modules_where_modules_are_told(world) -> None:
    ns = "AlmaLinux:8"
    world.advisory("ALSA-1", "CVE-1")
    world.advisory("ALSA-2", "CVE-2")
    world.range(ns, "perl", "ALSA-1", fixed="4:5.26.3-420.el8")
    world.range(ns, "nginx", "ALSA-2", fixed="2", module="nginx:1.20")
    plain = world.package(ns, "perl", "4:5.26.3-416.el8")
    world.package(ns, "perl", "4:5.24.4-400.module_el8", modularity="perl:5.24")
    assert world.found() == {(plain, "CVE-1")}


def test_a_modules_build_in_a_row_that_names_no_module_still_counts(world) -> None:
    ns = "AlmaLinux:8"
    world.advisory("ALSA-1", "CVE-1")
    world.range(ns, "perl", "ALSA-1", fixed="4:5.30.1-452.module_el8")
    world.range(ns, "nginx", "ALSA-1", fixed="2", module="nginx:1.20")
    modular = world.package(ns, "perl", "4:5.24.4-400.module_el8", modularity="perl:5.24")
    assert (modular, "CVE-1") in world.found()


def test_where_no_row_tells_modules_they_do_not_matter(world) -> None:
    world.advisory("MGASA-1", "CVE-1")
    world.range("Mageia:9", "perl", "MGASA-1", fixed="2")
    package = world.package("Mageia:9", "perl", "1", source="perl", modularity="perl:5.24")
    assert world.found() == {(package, "CVE-1")}


@pytest.mark.parametrize("flavour", ["ksplice", "fips"])
def test_a_flavour_is_compared_with_its_like_only(world, flavour: str) -> None:
    normal, special = {
        "ksplice": ("2:2.28-164.0.3.el8", "2:2.28-164.0.3.ksplice1.el8"),
        "fips": ("10:3.6.16-4.0.1.el8", "10:3.6.16-4.0.1.el8_fips"),
    }[flavour]
    world.advisory("ELSA-1", "CVE-1", source="oracle")
    world.advisory("ELSA-2", "CVE-2", source="oracle")
    world.range(ORACLE, "lib", "ELSA-1", fixed=special + ".9", source="oracle", flavour=flavour)
    world.range(ORACLE, "lib", "ELSA-2", fixed=normal + ".9", source="oracle")
    one = world.package(ORACLE, "lib", normal)
    other = world.package(ORACLE, "lib", special)
    assert world.found() == {(one, "CVE-2"), (other, "CVE-1")}


def test_flavours_do_not_matter_where_no_row_tells_them(world) -> None:
    world.advisory("DSA-1", "CVE-1")
    world.range("Debian:12", "fips-tools", "DSA-1", fixed="2")
    package = world.package("Debian:12", "fips-tools", "1fips")
    assert world.found() == {(package, "CVE-1")}


@pytest.mark.parametrize(
    ("namespace", "name"),
    [("Amazon Linux:2023", "binary"), ("SUSE:Linux Enterprise Server 15 SP5", "binary"), ("AlmaLinux:9", "binary"),
     ("Oracle Linux:9", "binary"), ("Azure Linux:3", "source"), ("Rocky Linux:9", "source"),
     ("Photon OS:5.0", "source"), ("Debian:12", "source")],
)  # fmt: skip
def test_a_distribution_is_matched_by_the_names_that_it_lists(world, namespace: str, name: str) -> None:
    world.advisory("X-1", "CVE-binary")
    world.advisory("X-2", "CVE-source")
    world.range(namespace, "libssl3", "X-1", fixed="3.0-9")
    world.range(namespace, "openssl", "X-2", fixed="3.0-9")
    package = world.package(namespace, "libssl3", "3.0-1", source="openssl", source_version="3.0-1")
    assert world.found() == {(package, f"CVE-{name}")}


def test_epss_is_the_highest_of_a_problems_ids(world) -> None:
    world.advisory("GHSA-1", "CVE-1", "CVE-9", "GHSA-1")
    world.advisory("GHSA-2")
    world.range("PyPI", "a", "GHSA-1")
    world.range("PyPI", "b", "GHSA-2")
    world.package("PyPI", "a", "1")
    world.package("PyPI", "b", "1")
    for cve, score in (("CVE-1", 0.25), ("CVE-9", 0.5), ("CVE-8", 0.9)):
        world.tables["epss"].append({"cve_id": cve, "score": score, "percentile": 0.9, "date": "2026-01-01"})
    assert {row["vuln_id"]: row["epss"] for row in world.findings()} == {"CVE-1": 0.5, "GHSA-2": None}


def test_a_modules_build_that_does_not_say_its_stream_is_unknown(world) -> None:
    """Old rpms left the label out; so did some rebuilds."""
    ns = "AlmaLinux:8"
    world.advisory("ALSA-1", "CVE-1")
    world.range(ns, "nodejs", "ALSA-1", fixed="1:12.22.5-1.module_el8", module="nodejs:12")
    world.range(ns, "nodejs", "ALSA-1", fixed="1:14.17.5-1.module_el8", module="nodejs:14", erratum="RHSA-1:14")
    bare = world.package(ns, "nodejs", "1:12.22.5-1.module_el8")
    world.package(ns, "nodejs", "1:16.1.0-1.module_el8")
    finding = world.finding()
    assert (finding["package_id"], finding["state"], finding["fixed_version"]) == (bare, "unknown", None)
    assert finding["advisories"] == ["ALSA-1"], "nor is it known which erratum would mend it"


def test_an_epoch_counts_unless_the_distributions_advisories_have_none(world) -> None:
    for number, namespace in enumerate(("Photon OS:5.0", "Oracle Linux:9"), 1):
        world.advisory(f"A-{number}", f"CVE-{number}", source="x")
        world.range(namespace, "curl", f"A-{number}", fixed="8.1-2", source="x")
    below = world.package("Photon OS:5.0", "curl", "1:8.1-1")
    world.package("Photon OS:5.0", "curl", "1:8.1-2")
    world.package("Oracle Linux:9", "curl", "1:8.1-1")
    assert world.found() == {(below, "CVE-1")}


@pytest.mark.parametrize(
    ("namespace", "source", "headers", "image"),
    [("Debian:12", "linux", "linux-libc-dev", "linux-image-6.1.0-18-amd64"),
     ("Debian:12", "linux", "linux-headers-6.1.0-18-common", "linux-perf"),
     ("Ubuntu:22.04:LTS", "linux", "linux-headers-5.15.0-25-generic", "linux-modules-5.15.0-25-generic")],
)  # fmt: skip
def test_headers_of_the_kernel_have_none_of_its_problems_and_explain_says_why(
    world, namespace, source, headers, image
) -> None:
    world.range(namespace, source, "CVE-1", fixed="9", source="debian")
    world.package(namespace, headers, "6.1-1", source=source)
    running = world.package(namespace, image, "6.1-1", source=source)
    assert world.found() == {(running, "CVE-1")}
    reasons = {verdict.matched: verdict.reason for verdict in world.explain()}
    assert "nothing of this package runs" in reasons[False] and "nothing" not in reasons[True]


def test_kernel_headers_of_rpm_distributions_are_left_alone(world) -> None:
    names = ("kernel", "kernel-headers", "kernel-devel", "kernel-default-devel", "kernel-core")
    for name in names:
        world.range("AlmaLinux:9", name, "ALSA-1", fixed="5.14.0-500.el9")
    found = {world.package("AlmaLinux:9", name, "5.14.0-400.el9", source="kernel"): name for name in names}
    assert {found[package] for package, _ in world.found()} == {"kernel", "kernel-core"}

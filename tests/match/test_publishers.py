"""Whose package it is and which repositories it comes from: products of Red Hat's, other publishers, rebuilds."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from grid.ecosystems import BY_NAME

RHEL = "Red Hat:8"
BASE, APPS = "cpe:/o:redhat:enterprise_linux:8::baseos", "cpe:/a:redhat:enterprise_linux:8::appstream"
ANY, EUS = "cpe:/o:redhat:enterprise_linux:8", "cpe:/a:redhat:rhel_eus:8.6::appstream"
OPENSHIFT = "cpe:/a:redhat:openshift:4.12::el8"


def red_hat(world, **fixes: list[str]) -> None:
    """``CVE-name`` in ``lib``, fixed in 2, for packages of these products."""
    for number, cpes in fixes.items():
        cve = number.replace("_", "-")
        world.advisory(cve, cve, source="redhat")
        world.range(RHEL, "lib", cve, fixed="2", source="redhat", cpes=cpes)


def test_an_image_that_names_no_repository_has_the_usual_ones(world) -> None:
    red_hat(world, CVE_1=[BASE], CVE_2=[APPS], CVE_3=[ANY], CVE_4=[EUS], CVE_5=[OPENSHIFT], CVE_6=[OPENSHIFT, BASE])
    package = world.package(RHEL, "lib", "1")
    assert world.found() == {(package, f"CVE-{n}") for n in (1, 2, 3, 6)}
    assert {row["channel"] for row in world.findings()} == {None}


def test_release_7_has_its_extras(world) -> None:
    extras, others = "cpe:/a:redhat:rhel_extras_other:7", "cpe:/a:redhat:rhel_extras_other:6"
    for number, cpe in enumerate(
        [extras, others, "cpe:/o:redhat:rhel_els:7", "cpe:/o:redhat:enterprise_linux:7::server"]
    ):
        world.advisory(f"CVE-{number}", f"CVE-{number}", source="redhat")
        world.range("Red Hat:7", "docker", f"CVE-{number}", fixed="2", source="redhat", cpes=[cpe])
    package = world.package("Red Hat:7", "docker", "1", origin="CentOS")
    assert world.found() == {(package, "CVE-0"), (package, "CVE-3")}


def test_an_image_is_judged_by_the_repositories_that_it_names(world) -> None:
    red_hat(world, CVE_1=[BASE], CVE_2=[APPS], CVE_3=[ANY], CVE_4=[EUS], CVE_5=[OPENSHIFT])
    world.tables["repository_cpes"] = [
        {"repository": "rhel-8-for-x86_64-baseos-rpms", "cpe": BASE},
        {"repository": "rhel-8-for-x86_64-appstream-eus-rpms", "cpe": EUS},
        {"repository": "rhocp-4.12-for-rhel-8-x86_64-rpms", "cpe": OPENSHIFT},
    ]
    based = world.package(RHEL, "lib", "1", repositories=["rhel-8-for-x86_64-baseos-rpms"])
    extended = world.package(RHEL, "lib", "1", repositories=["rhel-8-for-x86_64-appstream-eus-rpms"])
    both = ["rhocp-4.12-for-rhel-8-x86_64-rpms", "rhel-8-for-x86_64-baseos-rpms"]
    cluster = world.package(RHEL, "lib", "1", repositories=both)
    assert world.found() == {
        (based, "CVE-1"), (based, "CVE-3"), (extended, "CVE-4"),
        (cluster, "CVE-1"), (cluster, "CVE-3"), (cluster, "CVE-5"),
    }  # fmt: skip


def test_the_same_package_in_two_kinds_of_image_has_findings_for_each(world) -> None:
    red_hat(world, CVE_1=[BASE], CVE_2=[EUS])
    world.tables["repository_cpes"] = [{"repository": "eus", "cpe": EUS}]
    world.package(RHEL, "lib", "1", package_id=7)
    world.package(RHEL, "lib", "1", package_id=7, repositories=["eus"])
    found = {(row["package_id"], row["vuln_id"], row["channel"] is None) for row in world.findings()}
    assert found == {(7, "CVE-1", True), (7, "CVE-2", False)}


def test_the_order_of_repositories_makes_no_other_channel(world) -> None:
    red_hat(world, CVE_1=[BASE])
    world.tables["repository_cpes"] = [{"repository": "base", "cpe": BASE}]
    world.package(RHEL, "lib", "1", package_id=7, repositories=["base", "x"])
    world.package(RHEL, "lib", "1", package_id=7, repositories=["x", "base", "x"])
    assert len(world.findings()) == 1


def test_repositories_that_nobody_knows_count_as_not_named(world) -> None:
    red_hat(world, CVE_1=[BASE], CVE_2=[EUS])
    package = world.package(RHEL, "lib", "1", repositories=["made-here"])
    assert world.found() == {(package, "CVE-1")}


def test_a_product_that_the_image_states_comes_on_top(world) -> None:
    red_hat(world, CVE_1=[BASE], CVE_2=["cpe:/a:redhat:openshift:4"], CVE_3=["cpe:/a:redhat:openshift:4.1"])
    package = world.package(RHEL, "lib", "1", repositories=[OPENSHIFT])
    assert world.found() == {(package, "CVE-1"), (package, "CVE-2")}  # 4 stands for 4.12, 4.1 does not


def test_of_several_fixes_in_its_repositories_the_highest_counts(world) -> None:
    world.advisory("CVE-1", "CVE-1", source="redhat")
    world.range(RHEL, "lib", "CVE-1", fixed="2", source="redhat", cpes=[EUS])
    world.range(RHEL, "lib", "CVE-1", fixed="3", source="redhat", cpes=[APPS])
    world.range(RHEL, "lib", "CVE-1", fixed="4", source="redhat", cpes=[APPS])
    world.package(RHEL, "lib", "3")
    assert world.finding()["fixed_version"] == "4"


def test_a_product_with_a_fix_has_the_say_before_one_without(world) -> None:
    world.advisory("CVE-1", "CVE-1", source="redhat")
    world.range(RHEL, "lib", "CVE-1", fixed="3", source="redhat", cpes=[BASE])
    world.range(RHEL, "lib", "CVE-1", state="will_not_fix", source="redhat", cpes=["cpe:/a:redhat:openshift:4"])
    below = world.package(RHEL, "lib", "2", repositories=[OPENSHIFT])
    world.package(RHEL, "lib", "3", repositories=[OPENSHIFT])
    assert world.found() == {(below, "CVE-1")} and world.finding()["fixed_version"] == "3"


@pytest.mark.parametrize(
    ("namespace", "origin", "version", "judged"),
    [
        (RHEL, "Red Hat, Inc.", "1", True),
        (RHEL, "CentOS", "1", True),
        (RHEL, "", "1", True),
        (RHEL, "Fedora Project", "1", False),  # EPEL
        (RHEL, "Remi's RPM repository <https://rpms.remirepo.net/>", "1", False),
        (RHEL, "", "1-1.el8.remi", False),
        (RHEL, "", "2:18.20.8-1nodesource", False),
        ("Oracle Linux:8", "Oracle America", "1", True),
        ("Oracle Linux:8", "Red Hat, Inc.", "1", False),
        ("Amazon Linux:2", "", "1", True),
        ("AlmaLinux:8", "CloudLinux", "1", True),
        ("SUSE:Linux Enterprise Server 15 SP6", "SUSE LLC <https://www.suse.com/>", "1", True),
        ("openSUSE:Leap 15.6", "obs://build.opensuse.org/home:somebody", "1", False),
        ("Debian:12", "GitHub", "1", False),
        ("Debian:12", "Docker <support@docker.com>", "1", False),
        ("Debian:12", "Docker Compose Team <team+docker-compose@tracker.debian.org>", "1", True),
        ("Debian:12", "Debian PostgreSQL Maintainers <team@x.debian.org>", "1-1.pgdg120+1", False),
        ("Debian:12", "Somebody <who@example.org>", "1", True),
        ("Debian:12", "", "1", True),
    ],
)
def test_another_publishers_package_is_not_judged_by_the_distribution(
    world, namespace, origin, version, judged
) -> None:
    world.advisory("CVE-1", "CVE-1", source="vendor")
    world.range(namespace, "lib", "CVE-1", source="vendor")
    package = world.package(namespace, "lib", version, source="lib", origin=origin)
    assert world.found() == ({(package, "CVE-1")} if judged else set())
    assert world.hits().foreign["package_id"].to_pylist() == ([] if judged else [package])


def test_the_packages_of_debian_itself_are_all_its_own() -> None:
    """The maintainers of a whole release: whoever is taken for another publisher would never be judged."""
    lists = [*Path("/var/lib/dpkg").glob("status"), *Path("/var/lib/apt/lists").glob("*_Packages")]
    text = "\n".join(
        path.read_text("utf-8", "replace") for path in lists if "debian" in path.name or path.name == "status"
    )
    maintainers = set(re.findall(r"^Maintainer: (.*)$", text, re.MULTILINE))
    if not any("debian.org" in one for one in maintainers):
        pytest.skip("this machine has no list of Debian's packages")
    taken = {one for one in maintainers if BY_NAME["deb"].foreign("Debian:12", one, "1")}
    assert not {one for one in taken if "debian.org" in one}


@pytest.mark.parametrize("namespace", ["AlmaLinux:8", "Rocky Linux:8"])
def test_what_is_not_fixed_in_red_hats_packages_is_not_in_rebuilds_of_them(world, namespace: str) -> None:
    source = {"Rocky Linux:8": "lib-src"}.get(namespace, "lib")  # by source, by binary
    for n, (fixed, state) in enumerate(
        [("1", None), (None, "will_not_fix"), (None, "affected"), (None, "not_affected")]
    ):
        world.advisory(f"CVE-{n}", f"CVE-{n}", source="redhat")
        world.range(RHEL, "lib", f"CVE-{n}", fixed=fixed, state=state, source="redhat", cpes=[BASE])
    world.advisory("ERRATUM", "CVE-2")
    world.range(namespace, source, "ERRATUM", fixed="3")
    world.advisory("CVE-9", "CVE-9", source="redhat")
    world.range(RHEL, "lib", "CVE-9", source="redhat", cpes=[EUS])  # of a product that nobody rebuilds
    old, new = (world.package(namespace, "lib", version, source="lib-src") for version in ("1", "3"))
    assert world.found() == {(old, "CVE-1"), (old, "CVE-2"), (new, "CVE-1")}
    rows = {(row["package_id"], row["vuln_id"]): row for row in world.findings()}
    assert rows[old, "CVE-1"]["state"] == "will_not_fix" and rows[old, "CVE-1"]["namespace"] == namespace
    assert rows[old, "CVE-2"]["fixed_version"] == "3"


@pytest.mark.parametrize(
    ("namespace", "name", "source", "found"),
    [("AlmaLinux:8", "glibc", "glibc", True), ("AlmaLinux:8", "glibc-common", "glibc", True),
     ("Rocky Linux:8", "glibc", "glibc", True),
     ("Rocky Linux:8", "perl-Errno", "perl", False)],  # its own version says nothing beside its source's
)  # fmt: skip
def test_a_rebuild_below_red_hats_fix_has_the_problem_where_its_own_errata_leave_the_package_out(
    world, namespace: str, name: str, source: str, found: bool
) -> None:
    world.advisory("ERRATUM", "CVE-1")
    world.advisory("CVE-1", "CVE-1", source="redhat")
    world.advisory("CVE-2", "CVE-2", source="redhat")
    world.range(namespace, f"{source}-static", "ERRATUM", fixed="2.28-164.el8_5.3")
    world.range(RHEL, name, "CVE-1", fixed="2.28-164.el8_5.3", source="redhat", cpes=[BASE])
    world.range(RHEL, name, "CVE-2", fixed="2.28-170.module+el8.6+1", source="redhat", cpes=[BASE])
    old = world.package(namespace, name, "2.28-164.el8", source=source, source_version="2.28-164.el8")
    world.package(namespace, name, "2.28-164.el8_5.3", source=source, source_version="2.28-164.el8_5.3")
    assert world.found() == ({(old, "CVE-1")} if found else set())
    if found:
        assert world.finding()["fixed_version"] == "2.28-164.el8_5.3"


def test_an_own_erratum_outdoes_red_hats_fix(world) -> None:
    world.advisory("ALSA-1", "CVE-1")
    world.advisory("CVE-1", "CVE-1", source="redhat")
    world.range("AlmaLinux:8", "grub2", "ALSA-1", fixed="2.02-99.el8.alma")
    world.range(RHEL, "grub2", "CVE-1", fixed="2.02-99.el8_5", source="redhat", cpes=[BASE])
    world.package("AlmaLinux:8", "grub2", "2.02-99.el8.alma")
    assert world.found() == set()


def test_a_package_that_only_red_hat_speaks_of_is_found_in_a_rebuild(world) -> None:
    world.advisory("CVE-1", "CVE-1", source="redhat")
    world.range("Red Hat:9", "tool", "CVE-1", state="fix_deferred", source="redhat")
    package = world.package("AlmaLinux:9", "tool", "1", source="tool")
    assert world.found() == {(package, "CVE-1")}


@pytest.mark.parametrize("namespace", ["Wolfi", "Chainguard"])
def test_what_is_said_of_a_package_or_of_its_source_counts(world, namespace: str) -> None:
    for n, (name, fixed) in enumerate(
        [("openssl", "3.3.3-r0"), ("libcrypto3", "3.6.0-r0"), ("openssl", "3.3.2-r0"), ("libcrypto3", "3.3.4-r0"),
         ("libssl3", "3.6.0-r0")]
    ):  # fmt: skip
        cve = f"CVE-{2 if n == 3 else n}"  # two records of one problem: it is fixed by the last
        world.advisory(f"CGA-{n}", cve)
        world.range(namespace, name, f"CGA-{n}", fixed=fixed)
    part = world.package(namespace, "libcrypto3", "3.3.2-r0", source="openssl")
    whole = world.package(namespace, "openssl", "3.3.2-r0", source="openssl")
    found = {(row["package_id"], row["vuln_id"]): row["fixed_version"] for row in world.findings()}
    assert found == {
        (part, "CVE-0"): "3.3.3-r0", (part, "CVE-1"): "3.6.0-r0", (part, "CVE-2"): "3.3.4-r0",
        (whole, "CVE-0"): "3.3.3-r0",
    }  # fmt: skip
    assert len(world.findings()) == len(found)


def test_a_package_of_alpine_is_judged_by_its_source_alone(world) -> None:
    world.advisory("CVE-1", "CVE-1", source="alpine")
    world.range("Alpine:v3.20", "libcrypto3", "CVE-1", fixed="3.6.0-r0", source="alpine")
    world.package("Alpine:v3.20", "libcrypto3", "3.3.2-r0", source="openssl")
    assert world.found() == set()


@pytest.mark.parametrize(
    ("wide", "narrow", "expected"),
    [
        ("cpe:/o:redhat:enterprise_linux:8", BASE, True),
        ("cpe:/a:redhat:openshift:4", "cpe:/a:redhat:openshift:4.16::el9", True),
        ("cpe:/a:redhat:openshift:4.1", "cpe:/a:redhat:openshift:4.16::el9", False),
        ("cpe:/a:redhat:openshift:4.16::el8", "cpe:/a:redhat:openshift:4.16::el9", False),
        ("cpe:/a:redhat:rhel_software_collections:3::el7", "cpe:/a:redhat:rhel_software_collections:3::el7", True),
        (BASE, "cpe:/o:redhat:enterprise_linux:8", False),
        ("cpe:/a:redhat", BASE, False),
        ("nonsense", BASE, False),
        ("", BASE, False),
    ],
)
def test_which_products_a_row_is_about(wide: str, narrow: str, expected: bool) -> None:
    assert BY_NAME["rpm"].applies(wide, RHEL, frozenset({narrow}), frozenset()) is expected

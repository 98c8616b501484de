"""Ecosystems of which so far only names, places and the order of versions are known."""

from __future__ import annotations

import pytest

from grid.detectors._records import dispatcher, union
from grid.ecosystems import ALL, BY_NAME, for_osv, nothing
from grid.model import Distro, Wants
from grid.testing import accept_ecosystem

# ecosystem: a namespace of OSV (or None), lines that hold, versions refused
EXAMS: dict[str, tuple[str | None, list[str], list[str]]] = {
    "rpm": (
        "AlmaLinux:9",
        ["1.0-1 < 1:0.9-1", "1.0~rc1-1 < 1.0-1", "1.0-1 < 1.0^git-1", "1.0-1.el9 < 1.0-1.el9_4"],
        [""],
    ),
    "alpm": (None, ["1.0rc-1 < 1.0-1", "1.0-1 < 1.0.1-1", "1.0-9 < 1.0-10", "9-1 < 1:1-1"], ["1.0-", "1."]),
    "maven": ("Maven", ["1-rc-1 < 1-SNAPSHOT", "1-SNAPSHOT < 1", "1.Final = 1.0", "1 < 1-sp", "1-1 < 1.1"], ["1 2"]),
    "gem": ("RubyGems", ["1.0.a < 1.0", "1.0 = 1", "1.0.rc1 < 1.0.rc10"], ["v1", ">=1"]),
    "golang": (
        "Go",
        [
            "v0.0.0-20230101000000-abcdefabcdef < v0.0.0-20240101000000-000000000000",
            "v2.0.0-rc.1 < v2.0.0+incompatible",
            "v2.0.0 = 2.0.0+incompatible",
            "1.21.0-rc.1 < go1.21rc2",
            "go1.21rc2 < 1.21.0",
        ],
        ["(devel)", "unknown"],
    ),
    "cargo": ("crates.io", ["1.0.0-alpha.9 < 1.0.0-alpha.10", "1.0.0+a = 1.0.0"], ["*"]),
    "nuget": ("NuGet", ["1.0.0-BETA = 1.0.0-beta", "1.0 = 1.0.0.0", "1.0.0 < 1.0.0.1"], ["1.0.0.0.1"]),
    "composer": (
        "Packagist",
        [
            "v1.0 = 1.0",
            "1.0-dev < 1.0-alpha",
            "1.0-RC1 < 1.0",
            "1.0 < 1.0-p1",
            "1.0 = 1.0.0.0",
            "1.0.0-beta1 < 1.0",
            "v4 = 4.0.0",
            "dev-main = dev-x",
            "1.0.0.0.1 > 1.0",
        ],
        ["^1.0"],
    ),
    "hex": ("Hex", ["1.0.0-rc.2 < 1.0.0-rc.10"], ["main"]),
    "pub": ("Pub", ["1.0.0 < 1.0.0+1", "1.0.0+2 < 1.0.0+10"], ["any"]),
    "swift": ("SwiftURL", ["v1.2 = 1.2.0", "1.2.0-beta < 1.2.0"], ["main"]),
    "cran": ("CRAN", ["1.0 < 1.0-0", "1.0-2 < 1.0-10", "1.0.1 = 1.0-1"], ["1.0a"]),
    "hackage": ("Hackage", ["1.0 < 1.0.0", "9.4.8 < 9.10.1"], ["1.0-1"]),
    "julia": ("Julia", ["1.2.3 < 1.2.3+0", "1.2.3+9 < 1.2.3+10"], ["stdlib"]),
    "conda": (None, ["1.0.1_ < 1.0.1a", "1.1dev1 < 1.1a1", "1.1 < 1.1post1"], ["1..2"]),
    "bitnami": ("Bitnami", ["2.3.1-4 = 2.3.1", "2.3.1-rc.1-2 < 2.3.1"], ["latest"]),
}


@pytest.mark.parametrize("name", EXAMS)
def test_it_passes_the_exam_of_ecosystems(name: str) -> None:
    namespace, orders, refused = EXAMS[name]
    distro = Distro("almalinux", "9.4")
    accept_ecosystem(BY_NAME[name], {}, orders=orders, refused=[*refused, "9" * 2000], namespaces={distro: namespace})
    if namespace is not None:
        assert for_osv(namespace) is BY_NAME[name]


@pytest.mark.parametrize(
    ("distro", "namespace"),
    [
        (Distro("almalinux", "8.10"), "AlmaLinux:8"),
        (Distro("almalinux", "10"), "AlmaLinux:10"),
        (Distro("rocky", "9.3"), "Rocky Linux:9"),
        (Distro("azurelinux", "3.0"), "Azure Linux:3"),
        (Distro("mariner", "2.0"), "Azure Linux:2"),
        (Distro("mageia", "9"), "Mageia:9"),
        (Distro("opensuse-leap", "15.6"), "openSUSE:Leap 15.6"),
        (Distro("opensuse-tumbleweed", "20240905"), "openSUSE:Tumbleweed"),
        (Distro("openEuler", "24.03", pretty_name="openEuler 24.03 (LTS)"), "openEuler:24.03-LTS"),
        (Distro("openEuler", "22.03", pretty_name="openEuler 22.03 (LTS-SP3)"), "openEuler:22.03-LTS-SP3"),
        (Distro("openEuler", "23.09", pretty_name="openEuler 23.09"), "openEuler:23.09"),
        (Distro("openEuler", "22.03", pretty_name="openEuler"), "openEuler:22.03"),
        (Distro("openEuler", "", pretty_name="openEuler 22.03 (LTS)"), None),
        (Distro("almalinux", ""), None),
        (Distro("almalinux", "9 beta"), None),
        (Distro("opensuse-leap", ""), None),
        (Distro("rhel", "9.4"), "Red Hat:9"),
        (Distro("sles", "15.5"), "SUSE:Linux Enterprise Server 15 SP5"),
        (Distro("sles", "15"), "SUSE:Linux Enterprise Server 15"),
        (Distro("sles", "16.0"), "SUSE:Linux Enterprise Server 16.0"),
        (Distro("sles", "15 beta"), None),
        (Distro("sle-micro", "5.5"), "SUSE:Linux Enterprise Micro 5.5"),
        (Distro("sle-micro-rancher", "5.4"), "SUSE:Linux Enterprise Micro 5.4"),
        (Distro("sl-micro", "6.1"), "SUSE:Linux Micro 6.1"),
        (Distro("sl-micro", "6"), None),
        (Distro("amzn", "2"), "Amazon Linux:2"),
        (Distro("amzn", "2023"), "Amazon Linux:2023"),
        (Distro("ol", "8.10"), "Oracle Linux:8"),
        (Distro("centos", "7"), "Red Hat:7"),
        (Distro("centos", "8", (), "CentOS Linux 8"), "Red Hat:8"),
        (Distro("centos", "8", (), "CentOS Stream 8"), None),
        (Distro("centos", "9"), None),
        (Distro("centos", ""), None),
        (Distro("fedora", "40"), "Fedora:40"),
        (Distro("debian", "12"), None),
    ],
)
def test_rpm_distributions_have_the_namespaces_of_osv(distro: Distro, namespace: str | None) -> None:
    assert BY_NAME["rpm"].namespace(distro) == namespace


@pytest.mark.parametrize(
    "distro", [Distro("debian", "12"), Distro("alpine", "3.20"), Distro("rocky", "9"), Distro("arch")]
)
def test_at_most_one_package_manager_speaks_for_a_distribution(distro: Distro) -> None:
    assert sum(e.namespace(distro) is not None for e in ALL if e.system) <= 1


@pytest.mark.parametrize(
    ("name", "stated", "canonical"),
    [
        ("nuget", "Newtonsoft.Json", "newtonsoft.json"),
        ("composer", "Symfony/HTTP-Kernel", "symfony/http-kernel"),
        ("swift", "https://github.com/Apple/swift-nio.git", "github.com/apple/swift-nio"),
        ("swift", "git@github.com:apple/swift-nio.git", "github.com/apple/swift-nio"),
        ("swift", "ssh://git@git.example.com:2222/team/kit", "git.example.com/team/kit"),
        ("swift", "github.com/apple/swift-nio", "github.com/apple/swift-nio"),
        ("swift", "swift-nio", "swift-nio"),
        ("maven", "org.Example:Art", "org.Example:Art"),
        ("golang", "github.com/BurntSushi/toml", "github.com/BurntSushi/toml"),
        ("gem", "RedCloth", "RedCloth"),
        ("julia", "Bzip2_jll", "Bzip2_jll"),
    ],
)
def test_names_become_those_of_the_advisories(name: str, stated: str, canonical: str) -> None:
    found = BY_NAME[name].canonical(stated)
    assert found == canonical
    assert BY_NAME[name].canonical(found) == found


def test_an_ecosystem_without_a_reader_costs_no_file() -> None:
    silent = [e for e in ALL if e.read is nothing]
    assert all(e.wants == Wants() for e in silent)
    asked = union(e.wants for e in silent)
    assert not (asked.names or asked.paths or asked.suffixes or asked.globs or asked.every or asked.executables)
    assert dispatcher([e.wants for e in silent])("usr/bin/anything", 0o755) == []


def test_arch_itself_has_its_trackers_namespace_and_its_offspring_none() -> None:
    assert BY_NAME["alpm"].namespace(Distro("arch")) == "Arch Linux"
    assert BY_NAME["alpm"].namespace(Distro("manjaro", "24", id_like=("arch",))) is None
    assert for_osv("Arch Linux") is BY_NAME["alpm"]

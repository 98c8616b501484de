"""From the release files of a view to its distribution, and on to the advisories of its rpm packages."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from grid.detectors.distros import DETECTOR
from grid.ecosystems import ALL
from grid.ecosystems.rpm import ECOSYSTEM
from grid.images.distro import DistroFact, choose_distro
from grid.model import Distro
from grid.testing import files_batch

ETC, USR = "etc/os-release", "usr/lib/os-release"
REDHAT, CPE = "etc/redhat-release", "etc/system-release-cpe"

UBI = """NAME="Red Hat Enterprise Linux"
VERSION="9.4 (Plow)"
ID="rhel"
ID_LIKE="fedora"
VERSION_ID="9.4"
PRETTY_NAME="Red Hat Enterprise Linux 9.4 (Plow)"
"""
STREAM = """NAME="CentOS Stream"
ID="centos"
ID_LIKE="rhel fedora"
VERSION_ID="10"
PRETTY_NAME="CentOS Stream 10 (Coughlan)"
"""


def distro(files: dict[str, str]) -> Distro | None:
    rows = DETECTOR.detect(files_batch((path, text.encode()) for path, text in files.items())).to_pylist()
    assert not any(row["note_code"] for row in rows)
    names = ("id", "version_id", "id_like", "pretty_name", "codename")
    return choose_distro({row["path"]: DistroFact(*(row[name] or "" for name in names)) for row in rows})


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({ETC: UBI, REDHAT: "Red Hat Enterprise Linux release 9.4 (Plow)"}, "rhel 9.4"),
        ({REDHAT: "Red Hat Enterprise Linux Server release 5.11 (Tikanga)"}, "rhel 5.11"),
        (
            {
                REDHAT: "Red Hat Enterprise Linux Server release 6.10 (Santiago)",
                CPE: "cpe:/o:redhat:enterprise_linux:6server:ga:server",
            },
            "rhel 6",
        ),
        ({REDHAT: "CentOS release 5.11 (Final)"}, "centos 5.11"),
        ({"etc/centos-release": "CentOS release 6.10 (Final)", CPE: "cpe:/o:centos:linux:6:GA"}, "centos 6"),
        ({ETC: 'ID="centos"\nVERSION_ID="7"', REDHAT: "CentOS Linux release 7.9.2009 (Core)"}, "centos 7"),
        ({USR: STREAM}, "centos 10"),
        ({USR: 'ID="rocky"\nVERSION_ID="9.3"', REDHAT: "Rocky Linux release 9.3 (Blue Onyx)"}, "rocky 9.3"),
        ({USR: 'ID="almalinux"\nVERSION_ID="8.8"', CPE: "cpe:/o:almalinux:almalinux:8::baseos"}, "almalinux 8.8"),
        ({USR: "ID=fedora\nVERSION_ID=41", CPE: "cpe:/o:fedoraproject:fedora:41"}, "fedora 41"),
        ({ETC: 'ID="ol"\nVERSION_ID="8.9"', REDHAT: "Red Hat Enterprise Linux release 8.9 (Ootpa)"}, "ol 8.9"),
        (
            {
                "etc/oracle-release": "Oracle Linux Server release 6.10",
                REDHAT: "Red Hat Enterprise Linux Server release 6.10 (Santiago)",
            },
            "ol 6.10",
        ),
        ({ETC: 'ID="amzn"\nVERSION_ID="2018.03"'}, "amzn 2018.03"),
        ({ETC: 'ID="amzn"\nVERSION_ID="2"'}, "amzn 2"),
        (
            {
                "etc/amazon-linux-release": "Amazon Linux release 2023.3.20240131 (Amazon Linux)",
                CPE: "cpe:2.3:o:amazon:amazon_linux:2023",
            },
            "amzn 2023",
        ),
        ({USR: 'ID="sles"\nVERSION_ID="15.5"\nID_LIKE="suse"'}, "sles 15.5"),
        ({"etc/SuSE-release": "SUSE Linux Enterprise Server 11\nVERSION = 11\nPATCHLEVEL = 4"}, "sles 11.4"),
        ({USR: 'ID="opensuse-leap"\nVERSION_ID="15.6"'}, "opensuse-leap 15.6"),
        ({USR: 'ID="opensuse-tumbleweed"\nVERSION_ID="20240101"'}, "opensuse-tumbleweed 20240101"),
        ({USR: "ID=photon\nVERSION_ID=5.0", "etc/photon-release": "VMware Photon OS 5.0"}, "photon 5.0"),
        ({USR: 'ID=mariner\nVERSION_ID="2.0"'}, "mariner 2.0"),
        ({"etc/azurelinux-release": "Microsoft Azure Linux 3.0.20240401"}, "azurelinux 3.0.20240401"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_family_of_rpm_is_told_by_its_own_files(files: dict[str, str], expected: str) -> None:
    found = distro(files)
    assert found is not None
    assert f"{found.id} {found.version_id}" == expected


def test_a_stream_is_told_by_its_name() -> None:
    found = distro({USR: STREAM})
    assert found is not None
    assert found.pretty_name == "CentOS Stream 10 (Coughlan)"


@pytest.mark.parametrize(
    ("files", "namespace"),
    [
        ({USR: 'ID="rocky"\nVERSION_ID="9.3"'}, "Rocky Linux:9"),
        ({"etc/almalinux-release": "AlmaLinux release 8.8 (Sapphire Caracal)"}, "AlmaLinux:8"),
        ({USR: 'ID="opensuse-leap"\nVERSION_ID="15.6"'}, "openSUSE:Leap 15.6"),
        ({"etc/photon-release": "VMware Photon Linux 3.0"}, "Photon OS:3.0"),
        ({"etc/mariner-release": "CBL-Mariner 2.0.20231004"}, "Azure Linux:2"),
        ({"etc/azurelinux-release": "Microsoft Azure Linux 3.0.20240401"}, "Azure Linux:3"),
    ],
)
def test_its_advisories_are_found_from_the_fall_backs_too(files: dict[str, str], namespace: str) -> None:
    found = distro(files)
    assert found is not None
    assert ECOSYSTEM.namespace(found) == namespace


def test_files_that_derivatives_also_ship_come_last() -> None:
    assert distro(
        {"etc/debian_version": "bookworm/sid", "etc/lsb-release": "DISTRIB_ID=Ubuntu\nDISTRIB_RELEASE=24.04"}
    ) == (Distro("ubuntu", "24.04"))
    assert distro({}) is None


@pytest.mark.parametrize(
    ("text", "namespace"),
    [
        # as their os-release files have it
        ("ID=linuxmint\nID_LIKE=ubuntu\nVERSION_ID=21.3\nVERSION_CODENAME=virginia\nUBUNTU_CODENAME=jammy",
         "Ubuntu:22.04:LTS"),
        ('ID=pop\nID_LIKE="ubuntu debian"\nVERSION_ID="22.04"\nVERSION_CODENAME=jammy', "Ubuntu:22.04:LTS"),
        ("ID=raspbian\nID_LIKE=debian\nVERSION_ID=12\nVERSION_CODENAME=bookworm", "Debian:12"),
        ('ID=raspbian\nID_LIKE=debian\nVERSION_ID="9"\nVERSION="9 (stretch)"', "Debian:9"),
        ("ID=linuxmint\nID_LIKE=debian\nVERSION_ID=6\nVERSION_CODENAME=faye\nDEBIAN_CODENAME=bookworm", "Debian:12"),
        ('ID=devuan\nID_LIKE=debian\nVERSION_ID="5"\nVERSION_CODENAME=daedalus', None),
        ("ID=kali\nID_LIKE=debian\nVERSION_ID=2024.1\nVERSION_CODENAME=kali-rolling", None),
        ("ID=ubuntu\nID_LIKE=debian\nVERSION_CODENAME=noble", "Ubuntu:24.04:LTS"),
        ('ID=scientific\nID_LIKE="rhel centos fedora"\nVERSION_ID="7.9"', "Red Hat:7"),
        ('ID="amzn"\nID_LIKE="rhel fedora"\nVERSION_ID="2018.03"', "Amazon Linux:1"),
        ("ID=postmarketos\nID_LIKE=alpine\nVERSION_ID=v25.06", None),
        ("ID=manjaro\nID_LIKE=arch", None),
        ('ID="sle_hpc"\nID_LIKE="suse"\nVERSION_ID="15.5"', "SUSE:Linux Enterprise Server 15 SP5"),
        ('ID="sled"\nID_LIKE="suse"\nVERSION_ID="15.5"', "SUSE:Linux Enterprise Server 15 SP5"),
        ("ID=anolis\nID_LIKE=\"rhel fedora centos\"\nVERSION_ID=8.8", None),
        ("ID=wolfi\nVERSION_ID=20230201", "Wolfi"),
        ("ID=chainguard\nVERSION_ID=20230214", "Chainguard"),
        ("ID=arch\nBUILD_ID=rolling", "Arch Linux"),
    ],
    ids=lambda value: value.partition("\n")[0] if value else "none",
)  # fmt: skip
def test_a_derivative_has_the_advisories_of_what_it_says_it_is_made_from(text: str, namespace: str | None) -> None:
    found = distro({USR: text})
    assert found is not None
    assert next((n for e in ALL if e.system and (n := e.namespace(found))), None) == namespace


def test_what_os_release_leaves_out_a_fall_back_of_the_same_distribution_says() -> None:
    found = distro({ETC: 'ID="centos"\nNAME="CentOS Linux"', "etc/centos-release": "CentOS Linux release 8.4.2105"})
    assert found is not None and found.version_id == "8.4.2105"
    found = distro({ETC: 'ID="ol"', REDHAT: "Red Hat Enterprise Linux release 8.9 (Ootpa)"})
    assert found is not None and (found.id, found.version_id) == ("ol", "")
    found = distro({"etc/centos-release": "CentOS Stream release 9", CPE: "cpe:/o:centos:centos:9"})
    assert found is not None and (found.version_id, found.pretty_name) == ("9", "CentOS Stream release 9")
    assert ECOSYSTEM.namespace(found) is None
    found = distro({ETC: "HOME_URL=https://example.com", "etc/alpine-release": "3.20.3"})
    assert found is not None and (found.id, found.version_id) == ("alpine", "3.20.3")


def test_a_release_file_of_a_distribution_that_is_not_known_here_still_names_it() -> None:
    found = distro({REDHAT: "Anolis OS release 8.8", CPE: "cpe:/o:anolis:anolis_os:8.8"})
    assert found is not None and (found.id, found.version_id) == ("anolis_os", "8.8")
    found = distro({"etc/system-release": "openEuler release 22.03 (LTS-SP3)"})
    assert found is not None and (found.id, found.version_id) == ("openeuler", "22.03")
    found = distro({"etc/debian_version": "kali-rolling"})
    assert found is not None and (found.id, found.version_id) == ("debian", "kali-rolling")


RELEASES = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "packages" / "packages.zip"


@pytest.mark.skipif(not RELEASES.exists(), reason="needs ../shared/data/packages")
def test_every_real_os_release_tells_its_distribution() -> None:
    """Of the test data of four scanners; each lies in a folder named after what it is."""
    silent = []
    with zipfile.ZipFile(RELEASES) as archive:
        names = [n for n in archive.namelist() if n.endswith(("etc/os-release", "usr/lib/os-release"))]
        assert len(names) >= 45
        for name in names:
            found = distro({ETC: archive.read(name).decode()})
            assert found is not None and found.id != "linux", name
            if not found.version_id and found.id != "arch":
                silent.append(name)
    assert [name.split("/")[-4] for name in silent] == ["missing-version"]

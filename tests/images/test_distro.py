"""From the release files of a view to its distribution, and on to the advisories of its rpm packages."""

from __future__ import annotations

import pytest

from grid.detectors.distros import DETECTOR
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

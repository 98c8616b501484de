"""opkg's database, as OpenWrt and Yocto leave it."""

from __future__ import annotations

from grid.ecosystems.opkg import ECOSYSTEM
from grid.model import Limits, Note, OwnedFile, Package
from grid.testing import accept_ecosystem

STATUS = b"""\
Package: libubox20230523
Version: 2023-05-23-75a3b870-1
Depends: libc
Status: install user installed
Architecture: x86_64
Installed-Time: 1697066390

Package: dnsmasq
Version: 2.90-r4
Status: install hold installed
Architecture: x86_64
Conffiles:
 /etc/config/dhcp 0123abc

Package: gone
Version: 1.0
Status: deinstall ok not-installed

Package: half
Status: install ok installed

"""
LIST = b"/usr/sbin/dnsmasq\n/usr/lib/node_modules/a/package.json\t0100644\t\n\n"
PATH = "usr/lib/opkg/status"


def read(path: str, content: bytes) -> list[Package | Note]:
    return list(ECOSYSTEM.read(path, content, Limits()))


def test_installed_packages_are_found_as_opkg_lists_them() -> None:
    expected = [
        Package(
            "libubox20230523", "2023-05-23-75a3b870-1", "x86_64",
            purl="pkg:opkg/libubox20230523@2023-05-23-75a3b870-1?arch=x86_64",
        ),
        Package("dnsmasq", "2.90-r4", "x86_64", purl="pkg:opkg/dnsmasq@2.90-r4?arch=x86_64"),
        Note("Unparsable", "stanza 4 has no usable Package and Version", PATH),
    ]  # fmt: skip
    assert read(PATH, STATUS) == expected
    assert read(PATH, STATUS.replace(b"\n", b"\r\n")) == expected
    assert read("srv/backup/usr/lib/opkg/status", STATUS) == []


def test_files_are_told_with_their_package_whatever_stands_behind_their_path() -> None:
    owned = ECOSYSTEM.owned
    assert owned is not None
    assert list(owned("usr/lib/opkg/info/dnsmasq.list", LIST, Limits())) == [
        OwnedFile("usr/sbin/dnsmasq", "dnsmasq"),
        OwnedFile("usr/lib/node_modules/a/package.json", "dnsmasq"),
    ]
    assert list(owned("opt/other/info/dnsmasq.list", LIST, Limits())) == []


def test_it_passes_the_exam_of_ecosystems() -> None:
    accept_ecosystem(
        ECOSYSTEM,
        {PATH: STATUS, "var/lib/opkg/status": STATUS},
        owned={"var/lib/opkg/info/dnsmasq.list": LIST},
        orders=["2.90-r4 < 2.90-r10", "1.0~rc1 < 1.0", "9 < 1:1"],
        refused=["", "1 2"],
    )

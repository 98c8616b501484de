"""dpkg's database."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packageurl import PackageURL

from grid.ecosystems.deb import CODENAMES, ECOSYSTEM, purl
from grid.model import Distro, Limits, Note, OwnedFile, Package
from grid.testing import accept_ecosystem

STATUS = "var/lib/dpkg/status"

SAMPLE = b"""\
Package: libc6
Status: install ok installed
Priority: optional
Maintainer: GNU Libc Maintainers <debian-glibc@lists.debian.org>
Architecture: amd64
Multi-Arch: same
Source: glibc
Version: 2.31-13+deb11u11
Description: GNU C Library: Shared libraries
 Package: not-a-field
 .
 Version: 0

Package: gone
Status: deinstall ok config-files
Architecture: amd64
Version: 1.0

Package: held
Status: hold ok installed
Architecture: all
Version: 2:1.0~rc1-1+b2
Source: src-held (2:1.0~rc1-1)

Package: half
Status: install ok half-installed
Version: 1

Package: broken name
Status: install ok installed
Version: 1

Package: noversion
Status: install ok installed

package: lower
status: install ok installed
version: 3
"""


def read(path: str, content: bytes) -> list[Package | Note]:
    return list(ECOSYSTEM.read(path, content, Limits()))


def owned(path: str, content: bytes) -> list[OwnedFile | Note]:
    assert ECOSYSTEM.owned is not None
    return list(ECOSYSTEM.owned(path, content, Limits()))


def test_installed_packages_are_read_and_bad_stanzas_become_notes() -> None:
    libc, held, bad_name, no_version, lower = read(STATUS, SAMPLE)
    assert libc == Package(
        name="libc6",
        version="2.31-13+deb11u11",
        arch="amd64",
        source_name="glibc",
        source_version="2.31-13+deb11u11",
        origin="GNU Libc Maintainers <debian-glibc@lists.debian.org>",
        purl="pkg:deb/libc6@2.31-13%2Bdeb11u11?arch=amd64",
    )
    assert isinstance(held, Package)
    assert (held.version, held.source_name, held.source_version) == ("2:1.0~rc1-1+b2", "src-held", "2:1.0~rc1-1")
    assert isinstance(bad_name, Note)
    assert isinstance(no_version, Note)
    assert (bad_name.code, no_version.path) == ("Unparsable", STATUS)
    assert isinstance(lower, Package)
    assert (lower.name, lower.source_name, lower.source_version) == ("lower", "lower", "3")


def test_windows_line_ends_and_many_blank_lines_change_nothing() -> None:
    assert read(STATUS, SAMPLE.replace(b"\n", b"\r\n")) == read(STATUS, SAMPLE)
    assert [p for p in read(STATUS, SAMPLE.replace(b"\n\n", b"\n\n\n\n")) if isinstance(p, Package)] == [
        p for p in read(STATUS, SAMPLE) if isinstance(p, Package)
    ]


def test_only_a_file_of_status_d_may_leave_status_out() -> None:
    stanza = b"Package: base-files\nVersion: 10.3\nArchitecture: amd64\n"
    assert [p.name for p in read("var/lib/dpkg/status.d/base", stanza) if isinstance(p, Package)] == ["base-files"]
    assert read(STATUS, stanza) == []
    assert read("var/lib/dpkg/status.d/base.md5sums", stanza) == []
    assert read("var/lib/dpkg/status.d/base", stanza + b"Status: deinstall ok config-files\n") == []


@pytest.mark.parametrize(
    "path", ["opt/vcpkg/installed/vcpkg/status", "status", "srv/var/lib/dpkg/status", f"{STATUS}-old"]
)
def test_a_file_merely_named_status_is_no_database(path: str) -> None:
    assert not ECOSYSTEM.wants.matcher()(path, 0o644)
    assert read(path, SAMPLE) == []


def test_a_read_only_system_keeps_its_database_below_usr() -> None:
    elsewhere = "usr/lib/dpkg/status"
    found, there = read(elsewhere, SAMPLE), read(STATUS, SAMPLE)
    assert [p for p in found if isinstance(p, Package)] == [p for p in there if isinstance(p, Package)]
    assert ECOSYSTEM.wants.matcher()(elsewhere, 0o644)
    assert [f.owner for f in owned("usr/lib/dpkg/info/six:amd64.list", b"/usr/lib/six\n")] == ["six"]


def test_who_built_a_package_is_its_maintainer_else_its_origin() -> None:
    stanza = b"Package: x\nStatus: install ok installed\nVersion: 1\nOrigin: Acme\n"
    assert [p.origin for p in read(STATUS, stanza)] == ["Acme"]
    assert [p.origin for p in read(STATUS, stanza + b"Maintainer: A <a@example.org>\n")] == ["A <a@example.org>"]


def test_lists_of_both_kinds_name_their_owner() -> None:
    listing = b"/.\n/usr\n/usr/lib/python3/dist-packages/six-1.16.0.egg-info\n/usr/share/caf\xc3\xa9\n"
    assert owned("var/lib/dpkg/info/python3-six:all.list", listing) == [
        OwnedFile("usr", "python3-six"),
        OwnedFile("usr/lib/python3/dist-packages/six-1.16.0.egg-info", "python3-six"),
        OwnedFile("usr/share/café", "python3-six"),
    ]
    sums = b"d41d8cd98f00b204e9800998ecf8427e  usr/share/doc/a b\nbad line\n"
    assert owned("var/lib/dpkg/status.d/six.md5sums", sums) == [OwnedFile("usr/share/doc/a b", "six")]
    assert owned("etc/apt/sources.list", listing) == []


def test_it_passes_the_exam_of_ecosystems() -> None:
    debian = {
        Distro("debian", "12"): "Debian:12",
        Distro("debian", "11.6"): "Debian:11",
        Distro("debian", "bookworm/sid"): "Debian:12",
        Distro("debian", "trixie"): "Debian:13",
        Distro("debian", "sid"): "Debian:14",
        Distro("debian", "testing"): "Debian:14",
        Distro("debian", ""): None,
        Distro("debian", "²"): None,
        Distro("debian", "hocus/pocus"): None,
        Distro("raspbian", "9", ("debian",)): None,
        Distro("alpine", "3.10"): None,
    }
    ubuntu = {
        Distro("ubuntu", version): name
        for version, name in {
            "22.04": "Ubuntu:22.04:LTS",
            "14.04.6": "Ubuntu:14.04:LTS",
            "24.10": "Ubuntu:24.10",
            "21.04": "Ubuntu:21.04",
            "6.06": "Ubuntu:6.06:LTS",
            "": None,
            "rolling": None,
        }.items()
    }
    accept_ecosystem(
        ECOSYSTEM,
        {STATUS: SAMPLE, "var/lib/dpkg/status.d/tzdata": b"Package: tzdata\nVersion: 2024a-0+deb12u1\n"},
        orders=["1.0~rc1-1 < 1.0-1", "1.0-1 < 1.0-1+b1", "1:0.1 > 9.9", "1.0 = 0:1.0-0", "1.2.3-1~deb7u1 < 1.2.3-1"],
        refused=["", "x:1", "1-"],
        namespaces=debian | ubuntu,
        owned={
            "var/lib/dpkg/info/six.list": b"/.\n/usr\n/usr/lib/six\n",
            "var/lib/dpkg/status.d/six.md5sums": b"00000000000000000000000000000000  usr/lib/six\n",
        },
    )


def test_every_known_release_has_a_namespace() -> None:
    for codename, major in CODENAMES.items():
        assert ECOSYSTEM.namespace(Distro("debian", codename)) == f"Debian:{major}"


@pytest.mark.skipif(shutil.which("dpkg-query") is None or not Path("/", STATUS).exists(), reason="needs a dpkg system")
def test_the_running_machine_as_dpkg_query_sees_it() -> None:
    shown = "${Package}\t${Version}\t${Architecture}\t${source:Package}\t${source:Version}\t${db:Status-Status}\n"
    out = subprocess.run(["dpkg-query", "-W", "-f", shown], capture_output=True, text=True, check=True).stdout
    expected = sorted(tuple(line.split("\t")[:5]) for line in out.splitlines() if line.endswith("\tinstalled"))
    found = read(STATUS, Path("/", STATUS).read_bytes())
    packages = [p for p in found if isinstance(p, Package)]
    assert packages == found, "the running machine's database gave notes"
    assert sorted((p.name, p.version, p.arch, p.source_name, p.source_version) for p in packages) == expected


@given(
    st.from_regex(r"[A-Za-z0-9][A-Za-z0-9+._-]*", fullmatch=True),
    st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1),
    st.sampled_from(["", "amd64", "kfreebsd-amd64", "a+b", "x/y"]),
)
def test_a_package_url_is_spelt_as_the_reference_library_spells_it(name: str, version: str, arch: str) -> None:
    library = PackageURL("deb", None, name, version, {"arch": arch} if arch else None)
    assert purl(name, version, arch) == library.to_string()

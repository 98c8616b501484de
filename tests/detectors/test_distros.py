"""os-release and its fall-backs."""

from __future__ import annotations

from unittest.mock import ANY

import pytest

from grid.detectors.distros import DETECTOR, shell_assignments
from grid.testing import accept_detector, files_batch

DEBIAN = b"""\
PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"
NAME="Debian GNU/Linux"
VERSION_ID="12"
VERSION="12 (bookworm)"
VERSION_CODENAME=bookworm
ID=debian
HOME_URL="https://www.debian.org/"
"""


def said(path: str, content: str | bytes) -> tuple[object, ...] | None:
    """(id, version_id, id_like, pretty_name, codename) of the one row; the note's code; or None."""
    rows = DETECTOR.detect(files_batch([(path, content.encode() if isinstance(content, str) else content)])).to_pylist()
    if not rows:
        return None
    (row,) = rows
    assert row["path"] == path
    if row["note_code"]:
        return (row["note_code"],)
    return tuple(row[name] for name in ("id", "version_id", "id_like", "pretty_name", "codename"))


@pytest.mark.parametrize(
    ("path", "content", "expected"),
    [
        ("etc/os-release", DEBIAN, ("debian", "12", None, "Debian GNU/Linux 12 (bookworm)", "bookworm")),
        ("usr/lib/os-release", DEBIAN, ("debian", "12", None, "Debian GNU/Linux 12 (bookworm)", "bookworm")),
        (
            "etc/os-release",
            'ID=debian\nVERSION_ID="9"\nVERSION="9 (stretch)"\n',
            ("debian", "9", None, None, "stretch"),
        ),
        (
            "etc/os-release",
            'PRETTY_NAME="Debian GNU/Linux bookworm/sid"\nID=debian\n',
            ("debian", None, None, "Debian GNU/Linux bookworm/sid", "bookworm/sid"),
        ),
        ("etc/os-release", "ID=Wolfi\nVERSION_ID=20230201\n", ("wolfi", "20230201", None, None, None)),
        (
            "etc/os-release",
            'ID="rocky"\nID_LIKE="rhel fedora"\nVERSION_ID=9',
            ("rocky", "9", "rhel fedora", None, None),
        ),
        ("etc/os-release", 'NAME="Red Hat Enterprise Linux"\nVERSION_ID=7.3\n', ("rhel", "7.3", None, None, None)),
        ("etc/os-release", "VERSION_ID=1\n", ("linux", "1", None, None, None)),
        ("etc/os-release", "no assignment\n", ("Unparsable",)),
        ("etc/os-release", b"\xff\xfe\x00\x00", ("Unparsable",)),
        ("etc/os-release", "", None),
        ("etc/alpine-release", "3.10.9\n", ("alpine", "3.10.9", None, None, None)),
        ("etc/alpine-release", "3.22.0_alpha20250108\n", ("alpine", "3.22.0_alpha20250108", None, None, None)),
        ("etc/alpine-release", "<html>\n", ("Unparsable",)),
        ("etc/debian_version", "11.6\n", ("debian", "11.6", None, None, None)),
        ("etc/debian_version", "bookworm/sid\n", ("debian", None, None, None, "bookworm/sid")),
        ("etc/debian_version", "kali rolling\n", ("Unparsable",)),
        (
            "etc/redhat-release",
            "Red Hat Enterprise Linux Server release 7.4 (Maipo)\n",
            ("rhel", "7.4", None, "Red Hat Enterprise Linux Server release 7.4 (Maipo)", "maipo"),
        ),
        (
            "etc/redhat-release",
            "AlmaLinux release 8.10 (Cerulean Leopard)",
            ("almalinux", "8.10", None, "AlmaLinux release 8.10 (Cerulean Leopard)", "cerulean leopard"),
        ),
        (
            "etc/centos-release",
            "CentOS Linux release 7.9.2009 (Core)\n",
            ("centos", "7.9.2009", None, "CentOS Linux release 7.9.2009 (Core)", "core"),
        ),
        (
            "etc/system-release",
            "Amazon Linux release 2 (Karoo)\n",
            ("amzn", "2", None, "Amazon Linux release 2 (Karoo)", "karoo"),
        ),
        ("etc/redhat-release", "CentOS release 5.11 (Final)\n", ("centos", "5.11", None, ANY, "final")),
        ("etc/centos-release", "CentOS Stream release 9\n", ("centos", "9", None, "CentOS Stream release 9", None)),
        ("etc/oracle-release", "Oracle Linux Server release 8.9\n", ("ol", "8.9", None, ANY, None)),
        ("etc/fedora-release", "Fedora release 41 (Forty One)\n", ("fedora", "41", None, ANY, "forty one")),
        ("etc/system-release", "Amazon Linux AMI release 2018.03\n", ("amzn", "2018.03", None, ANY, None)),
        (
            "etc/amazon-linux-release",
            "Amazon Linux release 2023.3.20240131 (Amazon Linux)\n",
            ("amzn", "2023.3.20240131", None, ANY, "amazon linux"),
        ),
        (
            "etc/photon-release",
            "VMware Photon OS 4.0\nPHOTON_BUILD_NUMBER=2f5aad892\n",
            ("photon", "4.0", None, "VMware Photon OS 4.0", None),
        ),
        ("etc/mariner-release", "CBL-Mariner 2.0.20231004\n", ("mariner", "2.0.20231004", None, ANY, None)),
        (
            "etc/azurelinux-release",
            "Microsoft Azure Linux 3.0.20240401\n",
            ("azurelinux", "3.0.20240401", None, ANY, None),
        ),
        (
            "etc/SuSE-release",
            "SUSE Linux Enterprise Server 11 (x86_64)\nVERSION = 11\nPATCHLEVEL = 4\n",
            ("sles", "11.4", None, "SUSE Linux Enterprise Server 11 (x86_64)", None),
        ),
        (
            "etc/SuSE-release",
            "SUSE Linux Enterprise Server 12 (x86_64)\nVERSION = 12\nPATCHLEVEL = 0\n# deprecated\n",
            ("sles", "12", None, "SUSE Linux Enterprise Server 12 (x86_64)", None),
        ),
        (
            "etc/SuSE-release",
            "openSUSE 13.2 (x86_64)\nVERSION = 13.2\nCODENAME = Harlequin\n",
            ("opensuse", "13.2", None, "openSUSE 13.2 (x86_64)", "harlequin"),
        ),
        ("etc/SuSE-release", "Slackware 15\n", ("Unparsable",)),
        ("etc/redhat-release", "an unheard-of thing 1\n", ("Unparsable",)),
        ("etc/system-release-cpe", "cpe:/o:redhat:enterprise_linux:8::baseos\n", ("rhel", "8", None, None, None)),
        (
            "etc/system-release-cpe",
            "cpe:/o:redhat:enterprise_linux:6server:ga:server\n",
            ("rhel", "6", None, None, None),
        ),
        ("etc/system-release-cpe", "cpe:2.3:o:amazon:amazon_linux:2\n", ("amzn", "2", None, None, None)),
        ("etc/system-release-cpe", "cpe:/o:fedoraproject:fedora:-\n", ("fedora", None, None, None, None)),
        (
            "etc/lsb-release",
            'DISTRIB_ID=Ubuntu\nDISTRIB_RELEASE=22.04\nDISTRIB_CODENAME=jammy\nDISTRIB_DESCRIPTION="Ubuntu 22.04 LTS"',
            ("ubuntu", "22.04", None, "Ubuntu 22.04 LTS", "jammy"),
        ),
    ],
)
def test_what_each_file_says(path: str, content: str | bytes, expected: tuple[object, ...] | None) -> None:
    assert said(path, content) == expected


MIRROR = "https://dl-cdn.alpinelinux.org/alpine"


@pytest.mark.parametrize(
    ("repositories", "edge"),
    [
        (f"{MIRROR}/edge/main\n{MIRROR}/edge/community\n", True),
        (f"{MIRROR}/v3.10/main\n{MIRROR}/edge/main/\n", True),
        (f"{MIRROR}/edge/testing\n", True),
        (f"{MIRROR}/v3.10/main\n{MIRROR}/v3.10/community\n", False),
        (f"{MIRROR}/v3.10/main\n{MIRROR}/edge/testing\n", False),
        (f"{MIRROR}/v3.10/main\n@edge {MIRROR}/edge/main\n", False),
        (f"{MIRROR}/v3.10/main\n#{MIRROR}/edge/main\n", False),
        ("", False),
        ("nonsense", False),
    ],
)
def test_an_alpine_whose_base_system_comes_from_edge_is_edge(repositories: str, edge: bool) -> None:
    assert said("etc/apk/repositories", repositories) == (("alpine", "edge", None, None, None) if edge else None)


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("A=plain", "plain"),
        ("A='single $x \\n'", "single $x \\n"),
        ('A="a \\"quoted\\" \\$1 \\`x\\` \\\\ \\n"', 'a "quoted" $1 `x` \\ \\n'),
        ("A=a\\ b", "a b"),
        ("A=a'b'\"c\"", "abc"),
        ("A=value # comment", "value"),
        ("A=", ""),
        ("A=first\nA=second", "second"),
        ('A="unfinished', ""),
    ],
)
def test_values_are_quoted_as_in_a_shell(line: str, value: str) -> None:
    assert shell_assignments(line) == {"A": value}


def test_values_are_bounded_and_have_no_control_characters() -> None:
    content = f'ID={"x" * 9999}\nVERSION_ID="1\x002"\nPRETTY_NAME="a\x1b[2J"\n'
    assert said("etc/os-release", content) == ("x" * 500, "1 2", None, "a [2J", None)


def test_a_name_of_nothing_but_control_characters_is_no_name() -> None:
    assert said("etc/os-release", "ID='\x01\x02'\n") == ("Unparsable",)


def test_other_files_are_neither_asked_for_nor_read() -> None:
    wanted = DETECTOR.wants.matcher()
    for path in ("os-release", "srv/etc/os-release", "etc/hostname"):
        assert not wanted(path, 0o644)
        assert said(path, DEBIAN) is None


def test_it_passes_the_exam_of_detectors() -> None:
    accept_detector(
        DETECTOR,
        {
            "etc/os-release": DEBIAN,
            "etc/debian_version": b"12.5\n",
            "etc/redhat-release": b"Rocky Linux release 9.3 (Blue Onyx)\n",
            "etc/system-release-cpe": b"cpe:/o:rocky:rocky:9::baseos\n",
            "etc/apk/repositories": f"{MIRROR}/edge/main\n".encode(),
        },
    )

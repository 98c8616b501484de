"""An image of every family, scanned: its distribution, its support state, its packages, and how much was judged."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pytest
import zstandard

from grid.cli import main
from grid.ecosystems import for_osv
from grid.keys import LOWEST
from grid.store import Lake
from grid.testing.layers import ImageBuilder, LayerBuilder, write_layout
from grid.testing.rpm import BDB, NDB, SQLITE, bdb, ndb, sqlite
from grid.testing.rpm import package as rpm
from grid.warehouse import connect
from vulndb.build import publish

ETC, USR = "etc/os-release", "usr/lib/os-release"
DPKG, DISTROLESS, APK = "var/lib/dpkg/status", "var/lib/dpkg/status.d/base", "lib/apk/db/installed"
CHISEL, PACMAN = "var/lib/chisel/manifest.wall", "var/lib/pacman/local/zlib-1.3-1/desc"
FUTURE, PAST = "2099-01-01", "2001-01-01"

DEB = b"Package: zlib1g\nStatus: install ok installed\nVersion: 1.2-1\nArchitecture: amd64\nSource: zlib\n"
BARE_DEB = DEB.replace(b"Status: install ok installed\n", b"")
APKS = b"P:zlib\nV:1.2-r0\nA:x86_64\no:zlib\n\n"
WALL = zstandard.ZstdCompressor().compress(
    b'{"jsonwall":"1.0","schema":"1.0","count":2}\n'
    b'{"kind":"package","name":"zlib1g","version":"1.2-1","sha256":"0","arch":"amd64"}\n'
)
DESC = b"%NAME%\nzlib\n\n%VERSION%\n1:1.3-1\n\n%BASE%\nzlib\n\n%ARCH%\nx86_64\n"


def rpms(release: str, vendor: str, **more: str) -> bytes:
    return rpm("zlib", "1.2", release, arch="x86_64", sourcerpm=f"zlib-1.2-{release}.src.rpm", vendor=vendor, **more)


def os_release(**values: str) -> str:
    return "".join(f'{name}="{value}"\n' for name, value in values.items())


@dataclass(frozen=True)
class Family:
    """An image and what a scan must say of it."""

    name: str
    files: dict[str, str | bytes]
    shown: str
    namespace: str | None
    support: str
    version: str
    ends: tuple[str, str, str | None, str | None] | None = None
    """(distro_id, version, eol, extended_eol) of the table of ends."""
    notes: tuple[str, ...] = field(default=())


def of_rpm(
    name: str, files: dict[str, str | bytes], shown: str, namespace: str | None, support: str, release: str,
    vendor: str, ends: tuple[str, str, str | None, str | None] | None, backend: str = BDB, notes: tuple[str, ...] = (),
) -> Family:  # fmt: skip
    write = {BDB: bdb, NDB: ndb, SQLITE: sqlite}[backend]
    database = write([rpms(release, vendor)])
    return Family(name, {**files, backend: database}, shown, namespace, support, f"1.2-{release}", ends, notes)


def released(file: str, distro: str, version: str, pretty: str, like: str = "", **more: str) -> dict[str, str | bytes]:
    told = {"NAME": pretty, "ID": distro, "VERSION_ID": version, "ID_LIKE": like, "PRETTY_NAME": pretty, **more}
    return {file: os_release(**{k: v for k, v in told.items() if v})}


ENDED = ("DistributionEnded",)
UNMATCHED = ("DistributionUnmatched",)
FAMILIES = [
    of_rpm("ubi9", {**released(USR, "rhel", "9.4", "Red Hat Enterprise Linux 9.4 (Plow)", "fedora"),
           "root/buildinfo/content_manifests/ubi9-9.4-1.json": '{"content_sets": ["rhel-9-for-x86_64-baseos-rpms"]}'},
           "Red Hat Enterprise Linux 9.4 (Plow)", "Red Hat:9", "supported", "40.el9", "Red Hat, Inc.",
           ("rhel", "9", FUTURE, FUTURE), SQLITE),
    of_rpm("ubi10", released(USR, "rhel", "10.0", "Red Hat Enterprise Linux 10.0 (Coughlan)", "centos fedora"),
           "Red Hat Enterprise Linux 10.0 (Coughlan)", "Red Hat:10", "supported", "5.el10", "Red Hat, Inc.",
           ("rhel", "10", FUTURE, FUTURE), "usr/share/rpm/rpmdb.sqlite"),
    of_rpm("centos5", {"etc/redhat-release": "CentOS release 5.11 (Final)\n"}, "CentOS release 5.11 (Final)",
           "Red Hat:5", "ended", "3", "CentOS", ("centos", "5", PAST, None), BDB, ENDED),
    of_rpm("centos6", {"etc/centos-release": "CentOS release 6.10 (Final)\n",
           "etc/redhat-release": "CentOS release 6.10 (Final)\n",
           "etc/system-release-cpe": "cpe:/o:centos:linux:6:GA\n"}, "CentOS release 6.10 (Final)", "Red Hat:6", "ended",
           "29.el6", "CentOS", ("centos", "6", PAST, None), BDB, ENDED),
    of_rpm("centos7", released(ETC, "centos", "7", "CentOS Linux 7 (Core)", "rhel fedora"), "CentOS Linux 7 (Core)",
           "Red Hat:7", "ended", "20.el7_9", "CentOS", ("centos", "7", PAST, None), BDB, ENDED),
    of_rpm("centos8", released(ETC, "centos", "8", "CentOS Linux 8", "rhel fedora"), "CentOS Linux 8", "Red Hat:8",
           "ended", "25.el8", "CentOS", ("centos", "8", PAST, None), BDB, ENDED),
    of_rpm("stream8", released(ETC, "centos", "8", "CentOS Stream 8", "rhel fedora"), "CentOS Stream 8", None, "ended",
           "25.el8", "CentOS", ("centos-stream", "8", PAST, None), BDB, (*ENDED, *UNMATCHED)),
    of_rpm("stream9", released(USR, "centos", "9", "CentOS Stream 9", "rhel fedora"), "CentOS Stream 9", None,
           "supported", "40.el9", "CentOS", ("centos-stream", "9", FUTURE, None), SQLITE, UNMATCHED),
    of_rpm("stream10", released(USR, "centos", "10", "CentOS Stream 10 (Coughlan)", "rhel fedora"),
           "CentOS Stream 10 (Coughlan)", None, "unknown", "5.el10", "CentOS", None, SQLITE, UNMATCHED),
    of_rpm("rocky9", released(USR, "rocky", "9.3", "Rocky Linux 9.3 (Blue Onyx)", "rhel centos fedora"),
           "Rocky Linux 9.3 (Blue Onyx)", "Rocky Linux:9", "supported", "40.el9",
           "Rocky Enterprise Software Foundation", ("rocky", "9", FUTURE, None), SQLITE),
    of_rpm("alma8", released(ETC, "almalinux", "8.8", "AlmaLinux 8.8 (Sapphire Caracal)", "rhel centos fedora"),
           "AlmaLinux 8.8 (Sapphire Caracal)", "AlmaLinux:8", "supported", "25.el8", "AlmaLinux",
           ("almalinux", "8", FUTURE, None)),
    of_rpm("fedora41", released(USR, "fedora", "41", "Fedora Linux 41 (Container Image)"),
           "Fedora Linux 41 (Container Image)", "Fedora:41", "ended", "1.fc41", "Fedora Project",
           ("fedora", "41", PAST, None), "usr/share/rpm/rpmdb.sqlite", ENDED),
    of_rpm("oracle8", {**released(ETC, "ol", "8.9", "Oracle Linux Server 8.9", "fedora"),
           "etc/redhat-release": "Red Hat Enterprise Linux release 8.9 (Ootpa)\n"}, "Oracle Linux Server 8.9",
           "Oracle Linux:8", "supported", "25.el8", "Oracle America", ("ol", "8", FUTURE, FUTURE)),
    of_rpm("amazon1", released(ETC, "amzn", "2018.03", "Amazon Linux AMI 2018.03", "rhel fedora"),
           "Amazon Linux AMI 2018.03", "Amazon Linux:1", "ended", "1.amzn1", "Amazon.com",
           ("amzn", "2018.03", PAST, None), BDB, ENDED),
    of_rpm("amazon2", released(ETC, "amzn", "2", "Amazon Linux 2", "centos rhel fedora"), "Amazon Linux 2",
           "Amazon Linux:2", "supported", "1.amzn2", "Amazon Linux", ("amzn", "2", FUTURE, None)),
    of_rpm("amazon2023", released(USR, "amzn", "2023", "Amazon Linux 2023", "fedora"), "Amazon Linux 2023",
           "Amazon Linux:2023", "supported", "1.amzn2023", "Amazon Linux", ("amzn", "2023", FUTURE, None), SQLITE),
    of_rpm("bci15", released(USR, "sles", "15.6", "SUSE Linux Enterprise Server 15 SP6", "suse"),
           "SUSE Linux Enterprise Server 15 SP6", "SUSE:Linux Enterprise Server 15 SP6", "extended", "150500.1.1",
           "SUSE LLC <https://www.suse.com/>", ("sles", "15.6", PAST, FUTURE), NDB),
    of_rpm("sles12", released(ETC, "sles", "12.5", "SUSE Linux Enterprise Server 12 SP5"),
           "SUSE Linux Enterprise Server 12 SP5", "SUSE:Linux Enterprise Server 12 SP5", "extended", "2.12.1",
           "SUSE LLC <https://www.suse.com/>", ("sles", "12.5", PAST, FUTURE)),
    of_rpm("sl-micro6", released(ETC, "sl-micro", "6.0", "SUSE Linux Micro 6.0", "suse"), "SUSE Linux Micro 6.0",
           "SUSE:Linux Micro 6.0", "unknown", "1.1", "SUSE LLC <https://www.suse.com/>", None, NDB),
    of_rpm("leap16", released(USR, "opensuse-leap", "16.0", "openSUSE Leap 16.0", "suse opensuse"),
           "openSUSE Leap 16.0", "openSUSE:Leap 16.0", "supported", "160000.1.1", "openSUSE",
           ("opensuse-leap", "16.0", FUTURE, None), SQLITE),
    of_rpm("leap", released(USR, "opensuse-leap", "15.6", "openSUSE Leap 15.6", "suse opensuse"), "openSUSE Leap 15.6",
           "openSUSE:Leap 15.6", "supported", "lp156.1.1", "openSUSE", ("opensuse-leap", "15.6", FUTURE, None), NDB),
    of_rpm("tumbleweed", released(USR, "opensuse-tumbleweed", "20260101", "openSUSE Tumbleweed", "opensuse suse"),
           "openSUSE Tumbleweed", "openSUSE:Tumbleweed", "supported", "1.1", "openSUSE", None, NDB),
    of_rpm("photon5", released(USR, "photon", "5.0", "VMware Photon OS/Linux"), "VMware Photon OS/Linux",
           "Photon OS:5.0", "supported", "1.ph5", "VMware, Inc.", ("photon", "5.0", None, None), SQLITE),
    of_rpm("mariner2", released(ETC, "mariner", "2.0", "CBL-Mariner/Linux"), "CBL-Mariner/Linux", "Azure Linux:2",
           "ended", "1.cm2", "Microsoft Corporation", ("mariner", "2.0", PAST, None), SQLITE, ENDED),
    of_rpm("azure3", released(ETC, "azurelinux", "3.0", "Microsoft Azure Linux 3.0"), "Microsoft Azure Linux 3.0",
           "Azure Linux:3", "supported", "1.azl3", "Microsoft Corporation",
           ("azurelinux", "3.0", FUTURE, None), SQLITE),
    Family("debian12", {**released(USR, "debian", "12", "Debian GNU/Linux 12 (bookworm)"), DPKG: DEB},
           "Debian GNU/Linux 12 (bookworm)", "Debian:12", "extended", "1.2-1", ("debian", "12", PAST, FUTURE)),
    Family("sid", {**released(ETC, "debian", "", "Debian GNU/Linux forky/sid"), DPKG: DEB,
           "etc/debian_version": "forky/sid\n"}, "Debian GNU/Linux forky/sid", "Debian:14", "supported", "1.2-1"),
    Family("testing", {DPKG: DEB,
           **released(ETC, "debian", "", "Debian GNU/Linux forky/sid", VERSION_CODENAME="forky")},
           "Debian GNU/Linux forky/sid", "Debian:14", "supported", "1.2-1"),
    Family("distroless", {**released(USR, "debian", "13", "Distroless", VERSION="Debian GNU/Linux 13 (trixie)"),
           DISTROLESS: BARE_DEB, "var/lib/dpkg/status.d/base.md5sums": "0  usr/lib/x\n"},
           "Distroless", "Debian:13", "supported", "1.2-1", ("debian", "13", FUTURE, None)),
    Family("ubuntu24", {**released(USR, "ubuntu", "24.04", "Ubuntu 24.04.1 LTS", "debian", UBUNTU_CODENAME="noble"),
           DPKG: DEB, "etc/debian_version": "trixie/sid\n", "var/lib/ubuntu-advantage/status.json":
           '{"services": [{"name": "esm-infra", "status": "enabled"}]}'}, "Ubuntu 24.04.1 LTS", "Ubuntu:24.04:LTS",
           "supported", "1.2-1", ("ubuntu", "24.04", FUTURE, FUTURE)),
    Family("ubuntu18", {**released(ETC, "ubuntu", "18.04", "Ubuntu 18.04.6 LTS", "debian"), DPKG: DEB},
           "Ubuntu 18.04.6 LTS", "Ubuntu:18.04:LTS", "extended", "1.2-1", ("ubuntu", "18.04", PAST, FUTURE)),
    Family("chiselled", {**released(USR, "ubuntu", "22.04", "Ubuntu 22.04.5 LTS", "debian"), CHISEL: WALL},
           "Ubuntu 22.04.5 LTS", "Ubuntu:22.04:LTS", "supported", "1.2-1", ("ubuntu", "22.04", FUTURE, FUTURE),
           ("SourceUnknown",)),
    Family("alpine", {**released(ETC, "alpine", "3.20.3", "Alpine Linux v3.20"), APK: APKS,
           "etc/alpine-release": "3.20.3\n"}, "Alpine Linux v3.20", "Alpine:v3.20", "supported", "1.2-r0",
           ("alpine", "3.20", FUTURE, None)),
    Family("edge", {**released(ETC, "alpine", "3.21.0", "Alpine Linux v3.21"), APK: APKS,
           "etc/apk/repositories": "https://dl-cdn.alpinelinux.org/alpine/edge/main\n"},
           "Alpine Linux v3.21", "Alpine:edge", "supported", "1.2-r0"),
    Family("edge-alpha", {**released(ETC, "alpine", "3.23.0_alpha20251016", "Alpine Linux edge"), APK: APKS},
           "Alpine Linux edge", "Alpine:edge", "supported", "1.2-r0"),
    Family("wolfi", {**released(ETC, "wolfi", "20230201", "Wolfi"), "usr/lib/apk/db/installed": APKS}, "Wolfi", "Wolfi",
           "supported", "1.2-r0"),
    Family("chainguard", {**released(ETC, "chainguard", "20230214", "Chainguard"), APK: APKS}, "Chainguard",
           "Chainguard", "supported", "1.2-r0"),
    Family("arch", {**released(USR, "arch", "", "Arch Linux", BUILD_ID="rolling"), PACMAN: DESC}, "Arch Linux",
           "Arch Linux", "supported", "1:1.3-1"),
    Family("mint", {DPKG: DEB,
           **released(ETC, "linuxmint", "21.3", "Linux Mint 21.3", "ubuntu debian", UBUNTU_CODENAME="jammy")},
           "Linux Mint 21.3", "Ubuntu:22.04:LTS", "unknown", "1.2-1"),
    Family("kali", {DPKG: DEB, "etc/debian_version": "kali-rolling\n",
           **released(ETC, "kali", "2024.1", "Kali GNU/Linux Rolling", "debian", VERSION_CODENAME="kali-rolling")},
           "Kali GNU/Linux Rolling", None, "supported", "1.2-1",
           notes=UNMATCHED),
    Family("unnamed", {DPKG: DEB}, "no distribution", None, "", "1.2-1", notes=("DistributionUnknown",)),
]  # fmt: skip


@pytest.fixture(scope="module")
def scanned(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What ``scan --format json`` says of each, and under ``screen`` what it prints of all."""
    folder = tmp_path_factory.mktemp("families")
    images = {}
    for family in FAMILIES:
        layer = LayerBuilder()
        for path, content in family.files.items():
            layer.file(path, content)
        images[f"{family.name}:1"] = ImageBuilder(layer)
    write_layout(folder / "images", images)
    ranges = [
        {"namespace": name, "name": "zlib", "advisory_id": "CVE-2000-1", "source": "osv", "lo": LOWEST,
         "hi": ecosystem.key("0.1"),
         "introduced": "0", "fixed": "0.1", "last_affected": None, "state": "fixed", "severity": None, "vuln_id": None,
         "arches": None, "module": None, "flavour": None}
        for name in sorted({f.namespace for f in FAMILIES if f.namespace}) if (ecosystem := for_osv(name)) is not None
    ]  # fmt: skip
    ends = [
        {"distro_id": e[0], "version": e[1], "codename": None, "eol": e[2], "extended_eol": e[3], "ended": False}
        for e in sorted({f.ends for f in FAMILIES if f.ends}, key=repr)
    ]
    publish(folder / "db", {"ranges": ranges, "eol": ends})
    out, shown = folder / "out.json", folder / "out.txt"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SCANGRID_DB", str(folder / "db"))
        common = ["scan", f"oci:{folder / 'images'}", "--lake", str(folder / "lake"), "--quiet"]
        for arguments in (["-f", "json", "-o", str(out)], ["-o", str(shown)]):
            patch.setattr("sys.argv", ["scangrid", *common, *arguments])
            try:
                main()
            except SystemExit as end:
                assert not end.code
    found = {image["repository"]: image for image in json.loads(out.read_text())["images"]}
    assert found.keys() == {family.name for family in FAMILIES}
    with connect(Lake.open(folder / "lake")) as con:
        versions = dict(con.execute("SELECT repository, version FROM sweep_image_packages").fetchall())
        chains = con.sql("SELECT * FROM chains WHERE content_sets IS NOT NULL OR pro_services IS NOT NULL")
        told = chains.to_arrow_table().to_pylist()
    return {**found, "screen": {"text": shown.read_text()}, "versions": versions, "chains": {"rows": told}}


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_every_family_shows_its_distribution_its_support_and_what_was_judged(
    scanned: dict[str, dict[str, Any]], family: Family
) -> None:
    image = scanned[family.name]
    assert image["status"] == "ok"
    told = image["distro_name"] or f"{image['distro_id']} {image['distro_version']}"
    assert told == family.shown or (image["distro_id"] is None and not family.support)
    assert image["os_namespace"] == family.namespace
    assert (image["distro_support"] or "") == family.support
    assert image["packages"] == 1 and scanned["versions"][family.name] == family.version
    assert sorted(note["code"] for note in image["notes"]) == sorted(family.notes)
    unjudged = {"DistributionUnmatched", "DistributionUnknown"} & {*family.notes}
    assert image["coverage"] == (0 if unjudged else pytest.approx(1 - len(family.notes) / 100))
    assert image["os_matched"] is (None if not family.support else family.namespace is not None)


def test_the_screen_says_so_too(scanned: dict[str, dict[str, Any]]) -> None:
    text = scanned["screen"]["text"]
    for line in (
        "Red Hat Enterprise Linux 9.4 (Plow) (supported until 2099-01-01)",
        "CentOS release 6.10 (Final) (support ended 2001-01-01)",
        "SUSE Linux Enterprise Server 15 SP6 (extended support only, since 2001-01-01)", "Arch Linux (supported)",
        "Linux Mint 21.3 (support state unknown)", "no distribution ·", "coverage 100%", "coverage 0%: see the notes",
        "the database has no advisories for CentOS Stream 9: its packages were not matched",
        "nothing names the distribution of 1 of its packages",
        "CentOS Linux 7 (Core) gets no security updates any more",
    ):  # fmt: skip
        assert line in text, line


def test_chains_tell_the_repositories_that_their_builds_recorded(scanned: dict[str, Any]) -> None:
    told = {row["distro_id"]: (row["content_sets"], row["pro_services"]) for row in scanned["chains"]["rows"]}
    assert told == {"rhel": (["rhel-9-for-x86_64-baseos-rpms"], None), "ubuntu": (None, ["esm-infra"])}

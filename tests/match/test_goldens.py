"""What other scanners publish as right, rebuilt from facts: a package, the advisories about it, what must come out.

Facts only (package lists, fixed versions, ratings), from Trivy's integration goldens and detector tests, Grype's
matcher tests, claircore's matcher tests and osv-scanner's snapshots. Everything goes through the database that
``vulndb`` builds, the join and the merge. Where we mean to differ from a golden, the case says so.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from grid import findings, match
from grid.ecosystems import for_osv
from vulndb.build import build, locked
from vulndb.feeds import osv
from vulndb.records import Advisory, Affected, Range, Rating, Record

LOW = "CVSS:3.1/AV:L/AC:L/PR:L/UI:R/S:U/C:N/I:N/A:L"
MEDIUM = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:L/I:N/A:N"  # 5.3
HIGH = "CVSS:3.1/AV:L/AC:L/PR:L/UI:N/S:U/C:H/I:H/A:H"  # 7.8
CRITICAL = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"  # 9.8


def fact(
    problem: str, namespace: str, name: str, *events: tuple[str, str] | str, ratings: tuple[Rating, ...] = (),
    source: str = "osv", aliases: tuple[str, ...] = (), upstream: tuple[str, ...] = (), **more: Any,
) -> tuple[str, bool, Record]:  # fmt: skip
    """An advisory: a fixed version, or events, or neither (no fix)."""
    told = [("fixed", e) if isinstance(e, str) else e for e in events]
    if not told or told[0][0] != "introduced":
        told.insert(0, ("introduced", "0"))
    about = Affected(namespace, name, (Range(tuple(told)),), **more)
    return source, source != "osv", Advisory(problem, (about,), aliases, upstream, ratings=ratings)


def nvd(vector: str) -> tuple[Rating, ...]:
    return (Rating("nvd", vector=vector),)


def ghsa(label: str, vector: str | None = None) -> tuple[Rating, ...]:
    return (Rating("ghsa", label), *((Rating("nvd", vector=vector),) if vector else ()))


@dataclass(frozen=True)
class Case:
    golden: str
    namespace: str
    package: str
    version: str
    wanted: set[tuple[str, str | None, str, str]]
    """(id, fixed version, severity, state)."""
    facts: tuple[tuple[str, bool, Record], ...] = ()
    source: str | None = None
    more: dict[str, Any] = field(default_factory=dict)


def only(*ids: tuple[str, str | None, str]) -> set[tuple[str, str | None, str, str]]:
    return {(name, fixed, severity, "fixed" if fixed else "affected") for name, fixed, severity in ids}


ALPINE = (
    fact("CVE-2019-1549", "Alpine:v3.9", "openssl", "1.1.1d-r0", source="alpine", ratings=nvd(MEDIUM)),
    fact("CVE-2019-1551", "Alpine:v3.9", "openssl", "1.1.1d-r2", source="alpine", ratings=nvd(MEDIUM)),
    fact("CVE-2019-14697", "Alpine:v3.9", "musl", "1.1.20-r5", source="alpine", ratings=nvd(CRITICAL)),
)
BUSTER = (
    fact("CVE-2019-18276", "Debian:10", "bash", source="debian", severity="low", ratings=nvd(HIGH)),
    fact("CVE-2019-18224", "Debian:10", "libidn2", "2.0.5-1+deb10u1", source="debian", ratings=nvd(CRITICAL)),
)
STRETCH = (
    fact("CVE-2019-18276", "Debian:9", "bash", source="debian", severity="low", state="end_of_life"),
    fact("CVE-2019-1551", "Debian:9", "openssl", source="debian", state="fix_deferred", ratings=nvd(MEDIUM)),
    fact("CVE-2019-5094", "Debian:9", "e2fsprogs", "1.43.4-2+deb9u1", source="debian"),
    fact("DSA-4535-1", "Debian:9", "e2fsprogs", "1.43.4-2+deb9u1", upstream=("CVE-2019-5094",)),
    fact("CVE-2019-1563", "Debian:9", "openssl", "1.1.0l-1~deb9u1", source="debian"),
)
BIONIC = (
    fact("UBUNTU-CVE-2016-9401", "Ubuntu:18.04:LTS", "bash", "4.4-5ubuntu1", severity="low"),
    fact("UBUNTU-CVE-2019-18276", "Ubuntu:18.04:LTS", "bash", severity="low"),
    fact("UBUNTU-CVE-2019-5094", "Ubuntu:18.04:LTS", "e2fsprogs", "1.44.1-1ubuntu1.2", severity="medium"),
)
ORACLE = (
    fact("ELSA-1", "Oracle Linux:7", "curl", "7.29.0-59.0.1.el7_9.1", source="oracle", upstream=("CVE-2020-8177",)),
    fact("ELSA-2", "Oracle Linux:7", "rsyslog", "8.24.0-57.0.1.el7_9.3", source="oracle", arches=("x86_64",),
         upstream=("CVE-2022-24903",)),
    fact("ELSA-3", "Oracle Linux:7", "rsyslog", "8.24.0-57.0.4.el7_9.3", source="oracle", arches=("aarch64",),
         upstream=("CVE-2022-24903",)),
    fact("ELSA-4", "Oracle Linux:7", "glibc", "2:2.17-157.ksplice1.el7_3.4", source="oracle", flavour="ksplice",
         upstream=("CVE-2017-1000364",)),
    fact("ELSA-5", "Oracle Linux:7", "gnutls", "10:3.6.16-4.0.1.el8_fips", source="oracle", flavour="fips",
         upstream=("CVE-2021-20232",)),
)  # fmt: skip
ALMA = (
    fact("ALSA-1", "AlmaLinux:8", "openssl-libs", "1:1.1.1g-15.el8_3", upstream=("CVE-2021-3450",)),
    fact("ALSA-2", "AlmaLinux:8", "openssl-libs", "1:1.1.1k-5.el8_5", upstream=("CVE-2021-3712",),
         ratings=(Rating("nvd", vector=HIGH),)),
    fact("ALSA-3", "AlmaLinux:8", "python3-libs", "3.6.8-37.el8.alma", upstream=("CVE-2020-26116",)),
    fact("ALSA-4", "AlmaLinux:8", "httpd", "2.4.37-47.module_el8.6.0+2872+fe0ff7aa.1.alma",
         upstream=("CVE-2020-35452",), module="httpd:2.4"),
    fact("ALSA-5", "AlmaLinux:8", "nginx", "1:1.14.1-9.module_el8.3.0+2165+af250afe.alma", upstream=("CVE-2021-23017",),
         module="nginx:1.14"),
)  # fmt: skip
RHEL = (
    fact("CVE-2018-0735", "Red Hat:8", "openssl", "1:1.1.1c-2.el8", source="redhat", severity="low"),
    fact("CVE-2018-17199", "Red Hat:8", "httpd", "0:2.4.37-47.module+el8.6.0", source="redhat", module="httpd:2.4"),
    fact("CVE-2016-10228", "Red Hat:8", "glibc", "0:2.28-151.el8", source="redhat", severity="low"),
    fact("CVE-2031-0001", "Red Hat:8", "past", "0:0.33.0-5.el8", source="redhat"),
    fact("CVE-2031-0001", "Red Hat:8", "current", "0:0.33.0-6.el8", source="redhat"),
    fact("CVE-2031-0001", "Red Hat:8", "future", "0:0.33.0-7.el8", source="redhat", severity="high"),
    fact("CVE-2031-0001", "Red Hat:8", "unfixed", source="redhat", state="will_not_fix"),
)
RPM = (
    fact("ALAS-1", "Amazon Linux:2", "curl", "7.61.1-11.amzn2.0.2", source="amazon", upstream=("CVE-2019-5436",),
         severity="low"),
    fact("ALAS-2", "Amazon Linux:2", "curl", "7.61.1-12.amzn2.0.1", source="amazon", upstream=("CVE-2019-5481",),
         severity="medium"),
    fact("ALAS-3", "Amazon Linux:2", "microcode_ctl", "2:2.1-47.amzn2.0.13", source="amazon",
         upstream=("CVE-2022-21233",), severity="medium"),
    fact("ELSA-2019-3701", "Oracle Linux:8", "curl", "7.61.1-11.el8", source="oracle", upstream=("CVE-2019-3823",),
         severity="medium"),
    fact("ELSA-2020-1792", "Oracle Linux:8", "curl", "7.61.1-12.el8", source="oracle", upstream=("CVE-2019-5436",),
         severity="low"),
    fact("RLSA-1", "Rocky Linux:8", "openssl", "1:1.1.1k-5.el8_5", upstream=("CVE-2021-3712",), severity="medium"),
    fact("openSUSE-SU-2020:0062-1", "openSUSE:Leap 15.1", "libopenssl1_1", "1.1.0i-lp151.8.6.1", source="suse",
         severity="medium"),
    fact("openSUSE-SU-2024:13065-1", "openSUSE:Tumbleweed", "libopenssl3", "3.1.5-9.1", source="suse",
         severity="medium"),
    fact("CVE-2019-18276", "Photon OS:3.0", "bash", "4.4.18-2.ph3", source="photon", severity="high"),
    fact("CVE-2019-5481", "Photon OS:3.0", "curl", "7.61.1-5.ph3", source="photon", severity="critical"),
    fact("CVE-2022-0158", "Azure Linux:1", "vim", "0:8.2.4082-1.cm1", source="azure", severity="low"),
    fact("CVE-2022-0261", "Azure Linux:1", "vim", source="azure", severity="high"),
)  # fmt: skip
APPS = (
    fact("GHSA-gq9m-qvpx-68hc", "PyPI", "Werkzeug", "0.15.3", aliases=("CVE-2019-14806",), ratings=ghsa("high", HIGH)),
    fact("GHSA-3p3h-qghp-hvh2", "PyPI", "werkzeug", "0.11.6", aliases=("CVE-2020-28724",), ratings=ghsa("medium")),
    fact("GHSA-p43x-xfjf-5jhr", "Maven", "com.fasterxml.jackson.core:jackson-databind", ("introduced", "2.0.0"),
         "2.9.10.4", aliases=("CVE-2020-9548",), ratings=ghsa("critical")),
    fact("GHSA-5949-rw7g-wx7w", "Maven", "com.fasterxml.jackson.core:jackson-databind", ("introduced", "2.9.0"),
         "2.9.10.7", aliases=("CVE-2021-20190",), ratings=nvd(CRITICAL)),
    fact("GHSA-2p68-f74v-9wc6", "RubyGems", "activesupport", ("introduced", "6.0.0"), "6.0.3.1",
         ("introduced", "5.0.0"), "5.2.4.3", aliases=("CVE-2020-8165",), ratings=ghsa("critical")),
    fact("GHSA-j96r-xvjq-r9pg", "RubyGems", "activesupport", ("introduced", "4.2.0"), "4.2.2", ("introduced", "0"),
         "4.1.11", aliases=("CVE-2015-3227",), ratings=ghsa("medium")),
    fact("GHSA-rmxg-73gg-4p98", "npm", "jquery", "3.0.0", aliases=("CVE-2015-9251",), ratings=ghsa("medium")),
    fact("GHSA-6c3j-c64m-qhgq", "npm", "jquery", "3.4.0", aliases=("CVE-2019-11358",), ratings=ghsa("medium", MEDIUM)),
    fact("GHSA-jf85-cpcp-j695", "npm", "lodash", "4.17.12", aliases=("CVE-2019-10744",),
         ratings=ghsa("critical", CRITICAL)),
    # osv-scanner's snapshots
    fact("GHSA-9f46-5r25-5wfm", "Packagist", "league/flysystem", "1.1.4", ("introduced", "2.0.0"), "2.1.1",
         aliases=("CVE-2021-32708",), ratings=ghsa("critical")),
    fact("GHSA-whgm-jr23-g3j9", "npm", "ansi-html", "0.0.8", aliases=("CVE-2021-23424",), ratings=ghsa("high")),
    fact("ALPINE-CVE-2018-25032", "Alpine:v3.14", "zlib", "1.2.12-r0", upstream=("CVE-2018-25032",), ratings=nvd(HIGH)),
    fact("ALPINE-CVE-2022-37434", "Alpine:v3.14", "zlib", "1.2.12-r2", upstream=("CVE-2022-37434",),
         ratings=nvd(CRITICAL)),
    fact("GO-2022-0969", "Go", "stdlib", "1.18.6", ("introduced", "1.19.0"), "1.19.1", aliases=("CVE-2022-27664",)),
    fact("GHSA-fake-fake-fake", "Go", "istio.io/istio", "5.0.7", aliases=("CVE-2013-0001",), ratings=ghsa("high")),
    fact("CVE-2020-0002", "Alpine:v3.12", "libvncserver", ("introduced", "0"), ("last_affected", "0.9.11"),
         source="alpine"),
    fact("CVE-2020-0003", "Alpine:v3.12", "musl", ("introduced", "0"), ("last_affected", "1.3.3-r0"), source="alpine"),
)  # fmt: skip


def ubuntu(problem: str, *entries: tuple[str, str, str | None]) -> tuple[str, bool, Record]:
    """Ubuntu's own form: (ecosystem, package, fixed version)."""
    affected = [
        {
            "package": {"ecosystem": ecosystem, "name": name},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, *([{"fixed": fixed}] if fixed else [])]}],
        }
        for ecosystem, name, fixed in entries
    ]
    record = osv.advisory({"id": f"UBUNTU-{problem}", "upstream": [problem], "affected": affected})
    assert isinstance(record, Advisory)
    return "osv", False, record


XENIAL_FIX, FOCAL_FIX, SSH_FIX = "1.12.0-1~ubuntu16.04.3+esm1", "1.18.0-1ubuntu0.1", "1:8.2p1-4ubuntu0.13+esm1"
PRO = (
    ubuntu(
        "CVE-2021-3782", ("Ubuntu:Pro:16.04:LTS", "wayland", XENIAL_FIX), ("Ubuntu:20.04:LTS", "wayland", FOCAL_FIX)
    ),
    ubuntu("CVE-2025-61985", ("Ubuntu:20.04:LTS", "openssh", None), ("Ubuntu:Pro:20.04:LTS", "openssh", SSH_FIX)),
    ubuntu("CVE-2031-0002", ("Ubuntu:20.04:LTS", "twice", "1.1"), ("Ubuntu:Pro:20.04:LTS", "twice", "1.2+esm1")),
)
ATTACHED = {"repositories": ["esm-infra"]}


def rpm(arch: str = "x86_64", **more: Any) -> dict[str, Any]:
    return {"arch": arch, **more}


CASES = [
    # Trivy, alpine-39: binaries by their origin
    *(Case("trivy alpine-39", "Alpine:v3.9", name, "1.1.1b-r1", source="openssl", facts=ALPINE, wanted=only(
        ("CVE-2019-1549", "1.1.1d-r0", "medium"), ("CVE-2019-1551", "1.1.1d-r2", "medium")))
      for name in ("libcrypto1.1", "libssl1.1")),
    *(Case("trivy alpine-39", "Alpine:v3.9", name, "1.1.20-r4", source="musl", facts=ALPINE, wanted=only(
        ("CVE-2019-14697", "1.1.20-r5", "critical"))) for name in ("musl", "musl-utils")),
    Case("trivy alpine-39", "Alpine:v3.9", "zlib", "1.2.11-r1", set(), ALPINE),
    Case("trivy alpine-310", "Alpine:v3.10", "libssl1.1", "1.1.1b-r1", set(), ALPINE, "openssl"),  # another release
    # Trivy, debian-buster and debian-stretch
    Case("trivy debian-buster", "Debian:10", "bash", "5.0-4", only(("CVE-2019-18276", None, "low")), BUSTER),
    Case("trivy debian-buster", "Debian:10", "libidn2-0", "2.0.5-1", only(
        ("CVE-2019-18224", "2.0.5-1+deb10u1", "critical")), BUSTER, "libidn2"),
    Case("trivy debian-stretch", "Debian:9", "bash", "4.4-5",
         {("CVE-2019-18276", None, "low", "end_of_life")}, STRETCH),
    *(Case("trivy debian-stretch", "Debian:9", name, "1.43.4-2", only(("CVE-2019-5094", "1.43.4-2+deb9u1", "unknown")),
           STRETCH, "e2fsprogs") for name in ("e2fslibs", "e2fsprogs", "libcomerr2", "libss2")),
    Case("trivy debian-stretch", "Debian:9", "libssl1.1", "1.1.0k-1~deb9u1", {
        ("CVE-2019-1551", None, "medium", "fix_deferred"), ("CVE-2019-1563", "1.1.0l-1~deb9u1", "unknown", "fixed")},
         STRETCH, "openssl"),
    # Trivy, ubuntu-1804
    Case("trivy ubuntu-1804", "Ubuntu:18.04:LTS", "bash", "4.4.18-2ubuntu1.2", only(("CVE-2019-18276", None, "low")),
         BIONIC),
    Case("trivy ubuntu-1804", "Ubuntu:18.04:LTS", "libss2", "1.44.1-1ubuntu1.1", only(
        ("CVE-2019-5094", "1.44.1-1ubuntu1.2", "medium")), BIONIC, "e2fsprogs"),
    # Grype's Ubuntu Pro: the base release first, then what Pro says
    Case("grype esm, attached", "Ubuntu:16.04:LTS", "wayland", "1.11.0-2", only(
        ("CVE-2021-3782", XENIAL_FIX, "unknown")), PRO, None, ATTACHED),
    Case("grype esm, by source", "Ubuntu:16.04:LTS", "libwayland-client0", "1.11.0-2", only(
        ("CVE-2021-3782", XENIAL_FIX, "unknown")), PRO, "wayland", ATTACHED),
    Case("grype esm, not attached", "Ubuntu:16.04:LTS", "wayland", "1.11.0-2", only(
        ("CVE-2021-3782", None, "unknown")), PRO),
    Case("grype esm, epoch", "Ubuntu:20.04:LTS", "openssh", "1:8.2p1-4ubuntu0.12", only(
        ("CVE-2025-61985", SSH_FIX, "unknown")), PRO, None, ATTACHED),
    Case("grype esm, open in the release", "Ubuntu:20.04:LTS", "openssh", "1:8.2p1-4ubuntu0.12", only(
        ("CVE-2025-61985", None, "unknown")), PRO),
    Case("grype esm, at Pro's fix", "Ubuntu:16.04:LTS", "wayland", XENIAL_FIX, set(), PRO, None, ATTACHED),
    Case("grype esm, at Pro's fix of what is open", "Ubuntu:20.04:LTS", "openssh", SSH_FIX, set(), PRO, None, ATTACHED),
    Case("grype esm, the release's own fix", "Ubuntu:20.04:LTS", "wayland", "1.17.0-1ubuntu1", only(
        ("CVE-2021-3782", FOCAL_FIX, "unknown")), PRO, None, ATTACHED),
    Case("grype esm, at the release's own fix", "Ubuntu:20.04:LTS", "wayland", FOCAL_FIX, set(), PRO, None, ATTACHED),
    Case("esm, the release's fix is enough", "Ubuntu:20.04:LTS", "twice", "1.1", set(), PRO, None, ATTACHED),
    Case("esm, neither fix", "Ubuntu:20.04:LTS", "twice", "1.0", only(("CVE-2031-0002", "1.2+esm1", "unknown")), PRO,
         None, ATTACHED),
    Case("esm, another service", "Ubuntu:16.04:LTS", "wayland", "1.11.0-2", only(
        ("CVE-2021-3782", None, "unknown")), PRO, None, {"repositories": ["fips"]}),
    # Trivy, the rpm distributions
    *(Case("trivy amazon-2", "Amazon Linux:2", "curl", version, wanted, RPM, "curl", rpm()) for version, wanted in (
        ("7.61.1-9.amzn2.0.1", only(("CVE-2019-5436", "7.61.1-11.amzn2.0.2", "low"),
                                    ("CVE-2019-5481", "7.61.1-12.amzn2.0.1", "medium"))),
        ("7.61.1-11.amzn2.0.2", only(("CVE-2019-5481", "7.61.1-12.amzn2.0.1", "medium"))),
        ("7.61.1-12.amzn2.0.1", set()))),
    Case("trivy amazonlinux2 vm", "Amazon Linux:2", "microcode_ctl", "2:2.1-47.amzn2.0.12", only(
        ("CVE-2022-21233", "2:2.1-47.amzn2.0.13", "medium")), RPM, "microcode_ctl", rpm()),
    Case("trivy oraclelinux-8", "Oracle Linux:8", "curl", "7.61.1-8.el8", only(
        ("CVE-2019-3823", "7.61.1-11.el8", "medium"), ("CVE-2019-5436", "7.61.1-12.el8", "low")), RPM, "curl", rpm()),
    Case("trivy rockylinux-8", "Rocky Linux:8", "openssl-libs", "1:1.1.1k-4.el8", only(
        ("CVE-2021-3712", "1:1.1.1k-5.el8_5", "medium")), RPM, "openssl", rpm()),
    Case("trivy almalinux-8", "AlmaLinux:8", "openssl-libs", "1:1.1.1k-4.el8", only(
        ("CVE-2021-3712", "1:1.1.1k-5.el8_5", "high")), ALMA, "openssl", rpm()),
    Case("trivy opensuse-leap-151", "openSUSE:Leap 15.1", "libopenssl1_1", "1.1.0i-lp151.8.3.1", only(
        ("openSUSE-SU-2020:0062-1", "1.1.0i-lp151.8.6.1", "medium")), RPM, "openssl-1_1", rpm()),
    Case("trivy opensuse-tumbleweed", "openSUSE:Tumbleweed", "libopenssl3", "3.1.4-9.1", only(
        ("openSUSE-SU-2024:13065-1", "3.1.5-9.1", "medium")), RPM, "openssl-3", rpm()),
    Case("trivy photon-30", "Photon OS:3.0", "bash", "4.4.18-1.ph3", only(("CVE-2019-18276", "4.4.18-2.ph3", "high")),
         RPM, "bash", rpm()),
    Case("trivy photon-30", "Photon OS:3.0", "curl-libs", "7.61.1-4.ph3", only(
        ("CVE-2019-5481", "7.61.1-5.ph3", "critical")), RPM, "curl", rpm()),
    Case("trivy mariner-1.0", "Azure Linux:1", "vim", "8.2.4081-1.cm1", only(
        ("CVE-2022-0158", "0:8.2.4082-1.cm1", "low"), ("CVE-2022-0261", None, "high")), RPM, "vim", rpm()),
    # Trivy, the detectors of Oracle and AlmaLinux
    Case("trivy oracle, one more release", "Oracle Linux:7", "curl", "7.29.0-59.0.1.el7", only(
        ("CVE-2020-8177", "7.29.0-59.0.1.el7_9.1", "unknown")), ORACLE, "curl", rpm()),
    Case("trivy oracle, x86_64", "Oracle Linux:7", "rsyslog", "8.24.0-57.0.0.el7", only(
        ("CVE-2022-24903", "8.24.0-57.0.1.el7_9.3", "unknown")), ORACLE, "rsyslog", rpm()),
    Case("trivy oracle, aarch64", "Oracle Linux:7", "rsyslog", "8.24.0-57.0.0.el7", only(
        ("CVE-2022-24903", "8.24.0-57.0.4.el7_9.3", "unknown")), ORACLE, "rsyslog", rpm("aarch64")),
    Case("trivy oracle, without ksplice", "Oracle Linux:7", "glibc", "2.17-317.0.1.el7", set(), ORACLE, "glibc", rpm()),
    Case("trivy oracle, ksplice2", "Oracle Linux:7", "glibc", "2:2.28-151.0.1.ksplice2.el8", set(), ORACLE, "glibc",
         rpm()),
    Case("trivy oracle, ksplice", "Oracle Linux:7", "glibc", "2:2.17-156.ksplice1.el7", only(
        ("CVE-2017-1000364", "2:2.17-157.ksplice1.el7_3.4", "unknown")), ORACLE, "glibc", rpm()),
    Case("trivy oracle, fips", "Oracle Linux:7", "gnutls", "10:3.6.15-4.0.1.el8_fips", only(
        ("CVE-2021-20232", "10:3.6.16-4.0.1.el8_fips", "unknown")), ORACLE, "gnutls", rpm()),
    Case("trivy oracle, not fips", "Oracle Linux:7", "gnutls", "3.6.15-4.0.1.el8", set(), ORACLE, "gnutls", rpm()),
    Case("trivy alma", "AlmaLinux:8", "python3-libs", "3.6.8-36.el8.alma", only(
        ("CVE-2020-26116", "3.6.8-37.el8.alma", "unknown")), ALMA, "python3", rpm()),
    Case("trivy alma, module", "AlmaLinux:8", "httpd", "2.4.37-46.module_el8.6.0+2872+fe0ff7aa.1.alma", only(
        ("CVE-2020-35452", "2.4.37-47.module_el8.6.0+2872+fe0ff7aa.1.alma", "unknown")), ALMA, "httpd",
        rpm(modularity="httpd:2.4")),
    # Trivy skips it for want of the label; we say that nobody knows.
    Case("trivy alma, module without label", "AlmaLinux:8", "nginx", "1:1.14.1-8.module_el8.3.0+2165+af250afe.alma",
         {("CVE-2021-23017", None, "unknown", "unknown")}, ALMA, "nginx", rpm()),
    # Grype's rpm matcher
    Case("grype rpm, direct", "Red Hat:8", "openssl", "1:1.1.1b-1.el8", only(
        ("CVE-2018-0735", "1:1.1.1c-2.el8", "low")), RHEL, "openssl", rpm()),
    Case("grype rpm, fixed", "Red Hat:8", "openssl", "1:1.1.1c-2.el8", set(), RHEL, "openssl", rpm()),
    Case("grype rpm, past the fix", "Red Hat:8", "openssl", "1:1.1.1d-1.el8", set(), RHEL, "openssl", rpm()),
    Case("grype rpm, same module", "Red Hat:8", "httpd", "2.4.37-30.module+el8.3.0+1.el8", only(
        ("CVE-2018-17199", "0:2.4.37-47.module+el8.6.0", "unknown")), RHEL, "httpd", rpm(modularity="httpd:2.4")),
    Case("grype rpm, other module", "Red Hat:8", "httpd", "2.4.37-30.module+el8.3.0+1.el8", set(), RHEL, "httpd",
         rpm(modularity="httpd:2.6")),
    Case("grype rpm, no epoch is 0", "Red Hat:8", "glibc", "2.28-100.el8", only(
        ("CVE-2016-10228", "0:2.28-151.el8", "low")), RHEL, "glibc", rpm()),
    # claircore's Red Hat matcher
    Case("claircore rhel, fixed before", "Red Hat:8", "past", "0.33.0-6.el8", set(), RHEL, None, rpm()),
    Case("claircore rhel, fixed now", "Red Hat:8", "current", "0.33.0-6.el8", set(), RHEL, None, rpm()),
    Case("claircore rhel, outdated", "Red Hat:8", "future", "0.33.0-6.el8", only(
        ("CVE-2031-0001", "0:0.33.0-7.el8", "high")), RHEL, None, rpm()),
    Case("claircore rhel, unfixed", "Red Hat:8", "unfixed", "0.33.0-6.el8",
         {("CVE-2031-0001", None, "high", "will_not_fix")}, RHEL, None, rpm()),
    # Grype's apk and Go matchers
    Case("grype apk, secdb", "Alpine:v3.12", "libvncserver", "0.9.9", only(("CVE-2020-0002", None, "unknown")), APPS),
    Case("grype apk, past secdb", "Alpine:v3.12", "libvncserver", "0.9.12", set(), APPS),
    Case("grype apk, origin", "Alpine:v3.12", "musl-utils", "1.3.2-r0", only(("CVE-2020-0003", None, "unknown")),
         APPS, "musl"),
    Case("grype go, pseudo-version of a dependency", "Go", "istio.io/istio", "v0.0.0-20220606222826-f59ce19ec6b6", only(
        ("CVE-2013-0001", "5.0.7", "high")), APPS),
    Case("grype go, (devel)", "Go", "istio.io/istio", "(devel)", set(), APPS),
    Case("grype go, stdlib", "Go", "stdlib", "1.18.3", only(("CVE-2022-27664", "1.18.6", "unknown")), APPS),
    Case("grype go, stdlib fixed", "Go", "stdlib", "1.18.6", set(), APPS),
    Case("grype go, stdlib of another branch", "Go", "stdlib", "1.19.0", only(("CVE-2022-27664", "1.19.1", "unknown")),
         APPS),
    # Trivy's languages
    Case("trivy pip", "PyPI", "Werkzeug", "0.11", only(
        ("CVE-2019-14806", "0.15.3", "high"), ("CVE-2020-28724", "0.11.6", "medium")), APPS),
    Case("trivy pip", "PyPI", "werkzeug", "0.14", only(("CVE-2019-14806", "0.15.3", "high")), APPS),
    Case("trivy pom", "Maven", "com.fasterxml.jackson.core:jackson-databind", "2.9.1", only(
        ("CVE-2020-9548", "2.9.10.4", "critical"), ("CVE-2021-20190", "2.9.10.7", "critical")), APPS),
    Case("trivy gemspec", "RubyGems", "activesupport", "6.0.2.1", only(("CVE-2020-8165", "6.0.3.1", "critical")), APPS),
    Case("trivy gemspec", "RubyGems", "activesupport", "4.1.10", only(("CVE-2015-3227", "4.1.11", "medium")), APPS),
    Case("trivy npm", "npm", "jquery", "3.3.9", only(("CVE-2019-11358", "3.4.0", "medium")), APPS),
    Case("trivy npm", "npm", "lodash", "4.17.4", only(("CVE-2019-10744", "4.17.12", "critical")), APPS),
    # osv-scanner
    Case("osv-scanner composer.lock", "Packagist", "league/flysystem", "1.0.8", only(
        ("CVE-2021-32708", "1.1.4", "critical")), APPS),
    Case("osv-scanner package-lock", "npm", "ansi-html", "0.0.1", only(("CVE-2021-23424", "0.0.8", "high")), APPS),
    Case("osv-scanner alpine", "Alpine:v3.14", "zlib", "1.2.10-r2", only(
        ("CVE-2018-25032", "1.2.12-r0", "high"), ("CVE-2022-37434", "1.2.12-r2", "critical")), APPS),
]  # fmt: skip


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[int, set[tuple[str, str | None, str, str]]]:
    """What we say of each case, all matched at once with a database for each group of facts."""
    groups: dict[int, list[int]] = defaultdict(list)
    for number, case in enumerate(CASES):
        groups[id(case.facts)].append(number)
    found: dict[int, set[tuple[str, str | None, str, str]]] = {n: set() for n in range(len(CASES))}
    for numbers in groups.values():
        root = tmp_path_factory.mktemp("golden")
        for row in judged(root, [(n, CASES[n]) for n in numbers]):
            found[row["package_id"]].add((row["vuln_id"], row["fixed_version"], row["severity"], row["state"]))
    return found


def judged(root: Path, cases: list[tuple[int, Case]]) -> list[dict[str, Any]]:
    with locked(root):
        database = build(root, cases[0][1].facts, states=lambda counts: ())
    rows = []
    for number, case in cases:
        ecosystem = for_osv(case.namespace)
        assert ecosystem is not None
        row: dict[str, Any] = dict.fromkeys(match.CANDIDATES.names)
        row |= {"package_id": number, "ecosystem": ecosystem.name, "name": case.package, "version": case.version,
                "source_name": case.source, "namespace": case.namespace, **case.more}  # fmt: skip
        rows.append(row)
    with duckdb.connect() as con:
        hits = match.hits(con, database, pa.Table.from_pylist(rows, schema=match.CANDIDATES))
        return findings.merge(con, database, hits).to_pylist()


@pytest.mark.parametrize("number", range(len(CASES)), ids=[f"{c.golden}: {c.package} {c.version}" for c in CASES])
def test_a_published_golden(said: dict[int, set[tuple[str, str | None, str, str]]], number: int) -> None:
    assert said[number] == CASES[number].wanted


def test_what_subscribers_have_is_told_to_others(tmp_path: Path) -> None:
    cases = [
        (1, Case("", "Ubuntu:16.04:LTS", "wayland", "1.11.0-2", set(), PRO)),
        (2, Case("", "Ubuntu:20.04:LTS", "openssh", "1:8.2p1-4ubuntu0.12", set(), PRO)),
        (3, Case("", "Ubuntu:16.04:LTS", "wayland", "1.11.0-2", set(), PRO, None, ATTACHED)),
        (4, Case("", "Ubuntu:20.04:LTS", "wayland", "1.17.0-1ubuntu1", set(), PRO)),
    ]
    told = {(row["package_id"], row["fixed_version"], row["subscriber_fix"]) for row in judged(tmp_path, cases)}
    assert told == {(1, None, XENIAL_FIX), (2, None, SSH_FIX), (3, XENIAL_FIX, None), (4, FOCAL_FIX, None)}

"""apk's database."""

from __future__ import annotations

from grid.ecosystems.apk import ECOSYSTEM
from grid.model import Distro, Limits, Note, OwnedFile, Package
from grid.testing import accept_ecosystem

INSTALLED = "lib/apk/db/installed"

SAMPLE = b"""\
C:Q1p78yvTLG094tHE1+dToJGbmYzQE=
P:libssl1.1
V:1.1.1k-r0
A:x86_64
S:218459
L:OpenSSL
T:SSL shared libraries
U:https://www.openssl.org
o:openssl
m:Timo Teras <timo.teras@iki.fi>
t:1617221532
D:so:libc.musl-x86_64.so.1
p:so:libssl.so.1.1=1.1
F:
R:.top
F:lib
R:libssl.so.1.1
a:0:0:755
Z:Q1vLJ8VhlwOTF9Q2UfsKyWMu4QJdY=
F:usr
F:usr/lib
R:libssl.so.1.1
V:9.9.9-r9

P:.build-deps
V:20190808.123456
A:noarch

P:two licences
V:1-r0

P:noversion

C:Q1
P:busybox
V:1.31.1-r20
L:GPL-2.0-only AND MIT
"""


def read(content: bytes, path: str = INSTALLED) -> list[Package | Note]:
    return list(ECOSYSTEM.read(path, content, Limits()))


def test_packages_are_read_and_bad_stanzas_become_notes() -> None:
    ssl, virtual, blank, no_version, busybox = read(SAMPLE)
    assert ssl == Package(
        name="libssl1.1",
        version="1.1.1k-r0",
        arch="x86_64",
        source_name="openssl",
        source_version="1.1.1k-r0",
        licenses=("OpenSSL",),
        origin="Timo Teras <timo.teras@iki.fi>",
        purl="pkg:apk/libssl1.1@1.1.1k-r0?arch=x86_64",
    )
    assert isinstance(virtual, Package)
    assert (virtual.name, virtual.source_name) == (".build-deps", ".build-deps")
    assert isinstance(blank, Note)
    assert isinstance(no_version, Note)
    assert isinstance(busybox, Package)
    assert busybox.licenses == ("GPL-2.0-only", "MIT")


def test_the_database_may_lie_in_usr_but_nowhere_else() -> None:
    assert len(read(SAMPLE, "usr/lib/apk/db/installed")) == len(read(SAMPLE))
    assert read(SAMPLE, "srv/lib/apk/db/installed") == []
    assert not ECOSYSTEM.wants.matcher()("srv/lib/apk/db/installed", 0o644)


def test_a_licence_choice_stays_whole() -> None:
    (package,) = read(b"P:a\nV:1\nL:MIT OR (GPL-2.0 AND BSD)\n")
    assert isinstance(package, Package)
    assert package.licenses == ("MIT OR (GPL-2.0 AND BSD)",)


def test_files_carry_their_owner_and_folder() -> None:
    assert ECOSYSTEM.owned is not None
    assert list(ECOSYSTEM.owned(INSTALLED, SAMPLE, Limits())) == [
        OwnedFile(".top", "libssl1.1"),
        OwnedFile("lib/libssl.so.1.1", "libssl1.1"),
        OwnedFile("usr/lib/libssl.so.1.1", "libssl1.1"),
    ]


def test_it_passes_the_exam_of_ecosystems() -> None:
    namespaces = {
        Distro("alpine", version): name
        for version, name in {
            "3.10.9": "Alpine:v3.10",
            "3.20": "Alpine:v3.20",
            "edge": "Alpine:edge",
            "3.22.0_alpha20250108": "Alpine:edge",
            "3.19_alpha20230901": "Alpine:edge",
            "3.21.0_rc1": "Alpine:v3.21",
            "": None,
            "three": None,
        }.items()
    }
    namespaces |= {
        Distro("wolfi", "20230201"): "Wolfi",
        Distro("chainguard", "20230214"): "Chainguard",
        Distro("minimos", "20241031"): "MinimOS",
        Distro("alpaquita", "23"): "Alpaquita:23",
        Distro("postmarketos", "v25.06", ("alpine",)): None,
        Distro("debian", "12"): None,
    }
    accept_ecosystem(
        ECOSYSTEM,
        {INSTALLED: SAMPLE},
        orders=["1.1.1k-r0 < 1.1.1k-r1", "1.0_rc1 < 1.0", "1.0 < 1.0_p1", "1.2-r01 = 1.2-r1", "2.10 > 2.9"],
        refused=["", "1.0-1", "latest"],
        namespaces=namespaces,
        owned={INSTALLED: SAMPLE},
    )

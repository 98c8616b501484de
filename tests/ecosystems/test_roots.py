"""Package databases of root filesystems that lie inside of an image."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grid.ecosystems import ALL, BY_NAME
from grid.ecosystems.roots import ECOSYSTEM
from grid.model import MIB, Limits, Note, Package
from grid.testing import accept_ecosystem
from grid.testing.rpm import package, sqlite

STATUS = b"Package: bash\nStatus: install ok installed\nVersion: 5.2-1\nArchitecture: amd64\n"
INSTALLED = b"P:musl\nV:1.2.4-r0\nA:x86_64\no:musl\n\n"
DESC = b"%NAME%\nzlib\n\n%VERSION%\n1:1.3-1\n\n%ARCH%\nx86_64\n"
RPMS = sqlite([package("tzdata", "2024a", "1.el9", arch="noarch")])
RECORDS = {
    "var/lib/dpkg/status": (STATUS, "deb", "bash", "5.2-1"),
    "lib/apk/db/installed": (INSTALLED, "apk", "musl", "1.2.4-r0"),
    "usr/lib/apk/db/installed": (INSTALLED, "apk", "musl", "1.2.4-r0"),
    "var/lib/rpm/rpmdb.sqlite": (RPMS, "rpm", "tzdata", "2024a-1.el9"),
    "usr/lib/sysimage/rpm/rpmdb.sqlite": (RPMS, "rpm", "tzdata", "2024a-1.el9"),
    "usr/share/rpm/rpmdb.sqlite": (RPMS, "rpm", "tzdata", "2024a-1.el9"),
    "var/lib/pacman/local/zlib-1:1.3-1/desc": (DESC, "alpm", "zlib", "1:1.3-1"),
    "usr/lib/opkg/status": (STATUS, "opkg", "bash", "5.2-1"),
    "var/db/pkg/app-shells/bash-5.2/CONTENTS": (b"dir /bin\n", "ebuild", "app-shells/bash", "5.2"),
}


def read(path: str, content: bytes) -> list[Package | Note]:
    return list(ECOSYSTEM.read(path, content, Limits()))


@pytest.mark.parametrize("record", RECORDS)
@pytest.mark.parametrize(
    "root", ["srv/chroot", "rootfs", "var/lib/docker/overlay2/1f/diff", "usr/share/guest", "a/lib/apk/db"]
)
def test_a_database_in_another_root_is_read_as_that_of_the_image(root: str, record: str) -> None:
    content, ecosystem, name, version = RECORDS[record]
    path = f"{root}/{record}"
    assert ECOSYSTEM.wants.matcher()(path, 0o644)
    (found,) = read(path, content)
    (at_the_root,) = BY_NAME[ecosystem].read(record, content, Limits())
    assert isinstance(found, Package) and isinstance(at_the_root, Package)
    assert (found.ecosystem, found.name, found.version, found.found_as) == (ecosystem, name, version, "sbom")
    assert found.purl == at_the_root.purl


@pytest.mark.parametrize("record", RECORDS)
def test_those_of_the_image_and_files_of_the_same_name_are_left_to_others(record: str) -> None:
    content = RECORDS[record][0]
    assert read(record, content) == read(f"srv/{record}.bak", content) == read(f"srv/{record}/x", content) == []


def test_every_record_of_the_root_that_one_file_holds_is_known_elsewhere() -> None:
    for owner in ALL:
        for path in owner.wants.paths if owner.system and owner.name != "nix" else ():
            assert ECOSYSTEM.wants.matcher()(f"srv/{path}", 0o644), path


def test_damage_is_noted_with_the_whole_path() -> None:
    found = read("srv/var/lib/dpkg/status", STATUS + b"\nPackage: broken\nStatus: install ok installed\n")
    assert [fact.path for fact in found if isinstance(fact, Note)] == ["srv/var/lib/dpkg/status"]
    (note,) = read("srv/var/lib/rpm/rpmdb.sqlite", b"no database")
    assert isinstance(note, Note) and note.path == "srv/var/lib/rpm/rpmdb.sqlite"


def test_a_record_has_the_bound_that_it_has_in_the_root() -> None:
    (note,) = read("srv/var/lib/pacman/local/zlib-1/desc", bytes(2 * MIB))
    assert isinstance(note, Note) and note.code == "FileTooLarge"


@given(st.sampled_from(sorted(RECORDS)), st.binary(max_size=200), st.integers(0, 300))
def test_no_content_raises(record: str, content: bytes, at: int) -> None:
    whole = RECORDS[record][0]
    for fact in read(f"srv/{record}", whole[:at] + content + whole[at + len(content) :]):
        assert isinstance(fact, (Package, Note))


def test_it_passes_the_exam_of_ecosystems() -> None:
    accept_ecosystem(ECOSYSTEM, {f"srv/{path}": record[0] for path, record in RECORDS.items()}, refused=["1.0"])

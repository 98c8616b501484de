"""pacman's local database."""

from __future__ import annotations

from grid.ecosystems.alpm import ECOSYSTEM
from grid.model import Limits, Note, OwnedFile, Package
from grid.testing import accept_ecosystem

GMP = "var/lib/pacman/local/gmp-6.3.0-2/desc"
DESC = """%NAME%
gmp

%VERSION%
6.3.0-2

%BASE%
gmp

%DESC%
A library for numbers of any size

%ARCH%
x86_64

%PACKAGER%
Someone <someone@archlinux.org>

%LICENSE%
LGPL-3.0-or-later
GPL-2.0-or-later

%DEPENDS%
gcc-libs

"""
FILES = b"""%FILES%
usr/
usr/lib/
usr/lib/libgmp.so
usr/lib/python3.13/site-packages/x-1.dist-info/METADATA

%BACKUP%
etc/x.conf\tabc
"""


def read(path: str, text: str | bytes) -> list[Package | Note]:
    return list(ECOSYSTEM.read(path, text.encode() if isinstance(text, str) else text, Limits()))


def test_a_package_is_what_its_desc_says() -> None:
    assert read(GMP, DESC) == [
        Package(
            name="gmp", version="6.3.0-2", arch="x86_64", source_name="gmp", source_version="6.3.0-2",
            licenses=("LGPL-3.0-or-later", "GPL-2.0-or-later"), origin="Someone <someone@archlinux.org>",
            purl="pkg:alpm/gmp@6.3.0-2?arch=x86_64",
        )
    ]  # fmt: skip


def test_a_split_package_names_its_base_and_an_epoch_stays() -> None:
    (found,) = read(
        "var/lib/pacman/local/x-2:1-1/desc", "%NAME%\nlib32-x\n\n%VERSION%\n2:1-1\n\n%BASE%\nx\n\n%ARCH%\nany\n"
    )
    assert isinstance(found, Package)
    assert (found.source_name, found.version, found.arch) == ("x", "2:1-1", "any")
    (found,) = read(GMP, "%NAME%\r\ngmp\r\n\r\n%VERSION%\r\n6-1\r\n%PACKAGER%\r\nUnknown Packager\r\n")
    assert isinstance(found, Package)
    assert (found.version, found.origin, found.source_name) == ("6-1", "", "gmp")


def test_a_damaged_desc_is_a_note_and_other_files_of_that_name_are_left_alone() -> None:
    for text in (
        "",
        "%NAME%\n\n%VERSION%\n1-1",
        "%NAME%\ngmp\n",
        "%NAME%\na b\n%VERSION%\n1",
        "%NAME%\na\n%VERSION%\n1 2",
    ):
        (note,) = read(GMP, text)
        assert isinstance(note, Note) and note.code == "Unparsable"
    assert read("srv/mirror/gmp-6.3.0-2/desc", DESC) == []
    assert read("var/lib/pacman/sync/core/gmp-6.3.0-2/desc", DESC) == []


def test_files_are_the_packages_own_but_for_folders() -> None:
    assert ECOSYSTEM.owned is not None
    path = "var/lib/pacman/local/python-x-y-1:1.0-3/files"
    found = list(ECOSYSTEM.owned(path, FILES, Limits()))
    assert found == [
        OwnedFile("usr/lib/libgmp.so", "python-x-y"),
        OwnedFile("usr/lib/python3.13/site-packages/x-1.dist-info/METADATA", "python-x-y"),
    ]


def test_it_passes_the_exam_of_ecosystems() -> None:
    accept_ecosystem(ECOSYSTEM, {GMP: DESC.encode()}, owned={"var/lib/pacman/local/gmp-6.3.0-2/files": FILES})

"""OCaml packages, as opam leaves them in a switch."""

from __future__ import annotations

from itertools import pairwise

import pytest

from grid.ecosystems import for_osv
from grid.ecosystems.opam import ECOSYSTEM
from grid.model import Limits, Note, Package
from grid.testing import accept_ecosystem

SWITCH = "home/opam/.opam/5.2/.opam-switch/packages"
CSTRUCT = b"""\
opam-version: "2.0"
maintainer: "someone@example.org"
authors: ["A. Person" "B. Person"]
license: "ISC"
homepage: "https://github.com/mirage/ocaml-cstruct"
depends: [
  "dune" {>= "2.0.0"}
  "ocaml" {>= "4.08.0"}
]
build: [
  ["dune" "subst"] {dev}
  ["dune" "build" "-p" name "-j" jobs]
]
url {
  src: "https://github.com/mirage/ocaml-cstruct/releases/download/v6.2.0/cstruct-6.2.0.tbz"
  checksum: ["sha256=00" "sha512=00"]
}
"""


def read(path: str, content: bytes) -> list[Package | Note]:
    return list(ECOSYSTEM.read(path, content, Limits()))


def test_a_package_of_a_switch_is_found_by_its_folder() -> None:
    path = f"{SWITCH}/cstruct.6.2.0/opam"
    assert ECOSYSTEM.wants.matcher()(path, 0o644)
    found = [Package("cstruct", "6.2.0", licenses=("ISC",), purl="pkg:opam/cstruct@6.2.0")]
    assert read(path, CSTRUCT) == found
    assert read(path, CSTRUCT.replace(b"\n", b"\r\n")) == found
    assert read("srv/app/_opam/.opam-switch/packages/cstruct.6.2.0/opam", CSTRUCT) == found


@pytest.mark.parametrize(
    ("folder", "name", "version"),
    [
        ("ANSITerminal.0.8.5", "ANSITerminal", "0.8.5"),
        ("ocaml-base-compiler.5.2.0~rc1", "ocaml-base-compiler", "5.2.0~rc1"),
        ("conf-g++.1.0", "conf-g++", "1.0"),
        ("base.v0.16.3", "base", "v0.16.3"),
        ("mine.dev", "mine", "dev"),
        ("camlzip.1.11+b-2", "camlzip", "1.11+b-2"),
    ],
)
def test_a_folder_is_a_name_and_after_its_first_dot_a_version(folder: str, name: str, version: str) -> None:
    (package,) = read(f"{SWITCH}/{folder}/opam", CSTRUCT)
    assert isinstance(package, Package)
    assert (package.name, package.version) == (name, version)


def test_several_licenses_are_told_one_by_one() -> None:
    several = CSTRUCT.replace(b'"ISC"', b'[\n  "MIT"\n  "LGPL-2.1-only WITH OCaml-LGPL-linking-exception" "MIT"\n]')
    (package,) = read(f"{SWITCH}/cstruct.6.2.0/opam", several)
    assert isinstance(package, Package)
    assert package.licenses == ("MIT", "LGPL-2.1-only WITH OCaml-LGPL-linking-exception")


@pytest.mark.parametrize(
    "path",
    [
        "home/opam/.opam/repo/default/packages/cstruct/cstruct.6.2.0/opam",
        "home/opam/.opam/5.2/.opam-switch/sources/cstruct.6.2.0/opam",
        "home/opam/.opam/5.2/.opam-switch/overlay/cstruct/opam",
        "home/opam/.opam/5.2/lib/cstruct/opam",
        "usr/bin/opam",
    ],
)
def test_what_a_repository_offers_or_a_build_unpacks_is_not_installed(path: str) -> None:
    assert read(path, CSTRUCT) == []


@pytest.mark.parametrize(
    ("folder", "content"),
    [("cstruct.6.2.0", b""), ("cstruct.6.2.0", b"\xff\xfe"), ("1.2", CSTRUCT), ("a b.1", CSTRUCT), ("a.1 2", CSTRUCT)],
)
def test_a_damaged_record_is_one_note(folder: str, content: bytes) -> None:
    (note,) = read(f"{SWITCH}/{folder}/opam", content)
    assert isinstance(note, Note) and note.code == "Unparsable"


def test_it_passes_the_exam_of_ecosystems() -> None:
    manual = ["~~", "~", "~beta2", "~beta10", "0.1", "1.0~beta", "1.0", "1.0-test", "1.0.1", "1.0.10", "dev", "trunk"]
    accept_ecosystem(
        ECOSYSTEM,
        {f"{SWITCH}/cstruct.6.2.0/opam": CSTRUCT},
        orders=[f"{lower} < {upper}" for lower, upper in pairwise(manual)] + ["1.0 = 1.0-0"],
        refused=["", "1 2"],
    )
    assert for_osv("opam") is ECOSYSTEM

"""Nim's packages, as nimble installs them."""

from __future__ import annotations

import pytest

from grid.ecosystems.nim import ECOSYSTEM
from grid.model import Limits, Note, Package
from grid.testing import accept_ecosystem

SUM = "2b26a9e0fc79638dbb9272fb4ab5a1d79264f938"
JESTER = b"""\
# Package

version     = "0.5.0" # of the source
author      = "A. Person"
description = "A small web framework."
license     = "MIT"

skipFiles = @["todo.markdown"]
requires "nim >= 1.0.0"
"""
OLD = b'[Package]\nname: "jester"\nversion: "0.1"\nauthor: "A. Person"\nlicense: "BSD"\n'


def read(path: str, content: bytes = JESTER) -> list[Package | Note]:
    return list(ECOSYSTEM.read(path, content, Limits()))


@pytest.mark.parametrize(
    ("path", "name", "version"),
    [
        (f"root/.nimble/pkgs2/jester-0.5.0-{SUM}/jester.nimble", "jester", "0.5.0"),
        ("root/.nimble/pkgs/jester-0.4.3/jester.nimble", "jester", "0.4.3"),
        (f"srv/app/nimbledeps/pkgs2/json_rpc-0.4.4-{SUM}/json_rpc.nimble", "json_rpc", "0.4.4"),
        ("nim/pkgs/asynctools-#head/asynctools.nimble", "asynctools", "#head"),
        ("root/.nimble/pkgs/bump-1.8.18-rc2/bump.nimble", "bump", "1.8.18-rc2"),
    ],
)
def test_a_package_is_found_by_the_folder_that_nimble_gives_it(path: str, name: str, version: str) -> None:
    assert ECOSYSTEM.wants.matcher()(path, 0o644)
    purl = f"pkg:nim/{name}@{version.replace('#', '%23')}"
    assert read(path) == [Package(name, version, licenses=("MIT",), purl=purl)]


def test_files_of_the_older_form_are_read_too() -> None:
    (package,) = read("root/.nimble/pkgs/jester-0.1/jester.nimble", OLD)
    assert isinstance(package, Package)
    assert package.licenses == ("BSD",)


@pytest.mark.parametrize(
    "path",
    [
        "srv/app/jester.nimble",
        f"root/.nimble/pkgs2/jester-0.5.0-{SUM}/tests/jester.nimble",
        f"root/.nimble/pkgs2/jester-0.5.0-{SUM}/other.nimble",
        "root/.nimble/pkgs2/jester/jester.nimble",
    ],
)
def test_a_project_and_what_a_package_has_inside_are_not_installed(path: str) -> None:
    assert read(path) == []


def test_what_no_package_can_be_called_is_noted() -> None:
    (note,) = read("root/.nimble/pkgs/jester-0 5/jester.nimble")
    assert isinstance(note, Note) and note.code == "Unparsable"


def test_it_passes_the_exam_of_ecosystems() -> None:
    accept_ecosystem(
        ECOSYSTEM,
        {f"root/.nimble/pkgs2/jester-0.5.0-{SUM}/jester.nimble": JESTER},
        orders=["0.4.3 < 0.5.0", "0.9 < 0.10", "1.2.3 < 1.2.3.4"],
        refused=["#head"],
    )

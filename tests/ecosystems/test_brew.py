"""Homebrew's kegs on Linux."""

from __future__ import annotations

import json

import pytest

from grid.ecosystems.brew import ECOSYSTEM
from grid.model import Limits, Note, Package
from grid.testing import accept_ecosystem

CELLAR = "home/linuxbrew/.linuxbrew/Cellar"
RECEIPT = {
    "homebrew_version": "4.4.1",
    "used_options": [],
    "built_as_bottle": True,
    "poured_from_bottle": True,
    "installed_as_dependency": False,
    "installed_on_request": True,
    "time": 1765466145,
    "runtime_dependencies": [{"full_name": "ca-certificates", "version": "2025-12-02", "pkg_version": "2025-12-02"}],
    "source": {"spec": "stable", "versions": {"stable": "3.6.0", "head": None}, "tap": "homebrew/core"},
    "arch": "x86_64",
    "built_on": {"os": "Linux", "glibc_version": "2.39"},
}


def receipt(**source: object) -> bytes:
    return json.dumps({**RECEIPT, "source": {**RECEIPT["source"], **source}}).encode()  # type: ignore[dict-item]


def read(path: str, content: bytes) -> list[Package | Note]:
    return list(ECOSYSTEM.read(path, content, Limits()))


@pytest.mark.parametrize(
    ("keg", "name", "version", "purl"),
    [
        ("openssl@3/3.6.0", "openssl@3", "3.6.0", "pkg:brew/openssl%403@3.6.0"),
        ("python@3.12/3.12.4_1", "python@3.12", "3.12.4_1", "pkg:brew/python%403.12@3.12.4_1"),
        ("ca-certificates/2025-12-02", "ca-certificates", "2025-12-02", "pkg:brew/ca-certificates@2025-12-02"),
        ("jq/HEAD-1a2b3c4", "jq", "HEAD-1a2b3c4", "pkg:brew/jq@HEAD-1a2b3c4"),
    ],
)
def test_a_keg_is_a_formula_and_its_version_with_revision(keg: str, name: str, version: str, purl: str) -> None:
    path = f"{CELLAR}/{keg}/INSTALL_RECEIPT.json"
    assert ECOSYSTEM.wants.matcher()(path, 0o644)
    assert read(path, receipt()) == [Package(name, version, purl=purl)]


def test_a_formula_of_another_tap_is_told_with_it() -> None:
    (package,) = read(f"{CELLAR}/app/1.2/INSTALL_RECEIPT.json", receipt(tap="some-org/some-tap"))
    assert isinstance(package, Package)
    assert package.purl == "pkg:brew/some-org/some-tap/app@1.2"
    (old,) = read(f"{CELLAR}/app/1.2/INSTALL_RECEIPT.json", b'{"source": null}')
    assert isinstance(old, Package) and old.purl == "pkg:brew/app@1.2"


def test_a_receipt_that_lies_in_no_keg_is_passed_over() -> None:
    assert read("home/linuxbrew/.linuxbrew/Caskroom/app/INSTALL_RECEIPT.json", receipt()) == []
    assert read(f"{CELLAR}/jq/1.7/share/INSTALL_RECEIPT.json", receipt()) == []


@pytest.mark.parametrize(("keg", "content"), [("jq/1.7", b""), ("jq/1.7", b"[]"), ("jq/1 7", b"{}"), ("-/1", b"{}")])
def test_a_damaged_record_is_one_note(keg: str, content: bytes) -> None:
    (note,) = read(f"{CELLAR}/{keg}/INSTALL_RECEIPT.json", content)
    assert isinstance(note, Note) and note.code == "Unparsable"


def test_it_passes_the_exam_of_ecosystems() -> None:
    accept_ecosystem(
        ECOSYSTEM,
        {f"{CELLAR}/openssl@3/3.6.0/INSTALL_RECEIPT.json": receipt()},
        orders=[
            "3.12.4 < 3.12.4_1", "3.12.4_2 < 3.12.4_10", "3.12.4_10 < 3.12.5", "2025-12-02 < 2025-12-02_1",
            "2025-02-25 < 2025-12-02", "1.0 = 1.0_0",
        ],
        refused=["", "1 2"],
    )  # fmt: skip

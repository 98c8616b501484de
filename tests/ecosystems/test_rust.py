"""Rust programs: the crates that cargo-auditable recorded in them."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grid.ecosystems.cargo import ECOSYSTEM
from grid.model import Distro, Limits, Note, Package
from grid.testing import accept_ecosystem
from grid.testing.binaries import crates, elf, go_info, macho, pe, universal

SECTION = ".dep-v0"
CRATES = crates(
    {"name": "app", "version": "0.1.0", "source": "local", "root": True, "dependencies": [1, 2]},
    {"name": "time", "version": "0.1.44", "source": "crates.io", "kind": "runtime"},
    {"name": "cc", "version": "1.0.79", "source": "crates.io", "kind": "build"},
)
EXPECTED = [("app", "0.1.0"), ("time", "0.1.44")]


def read(content: bytes) -> list[Package | Note]:
    return list(ECOSYSTEM.read("usr/bin/rg", content, Limits()))


def found(content: bytes) -> list[tuple[str, str]]:
    return [(p.name, p.version) for p in read(content) if isinstance(p, Package)]


@pytest.mark.parametrize(
    "content",
    [
        elf({".text": b"\x90", SECTION: CRATES}),
        elf({SECTION: CRATES}, bits=32, order=">"),
        pe({".text": b"\x90", SECTION: CRATES}),
        macho({"__text": b"\x90", SECTION: CRATES}),
        universal(macho({SECTION: CRATES}), macho({SECTION: CRATES})),
        elf({".go.buildinfo": go_info(), SECTION: CRATES}),
    ],
    ids=["elf", "elf32", "pe", "macho", "universal", "beside-go"],
)
def test_crates_that_are_part_of_the_program_are_found(content: bytes) -> None:
    assert found(content) == EXPECTED


def test_purl_and_name_are_those_of_the_registry() -> None:
    assert read(elf({SECTION: CRATES}))[1] == Package("time", "0.1.44", purl="pkg:cargo/time@0.1.44")


def test_programs_that_state_nothing_are_nothing() -> None:
    for content in (
        elf({".text": b"x"}),
        elf({".go.buildinfo": go_info()}),
        b"",
        b"#!/bin/sh\n",
        b"\x7fELF" + b"\xff" * 60,
    ):
        assert read(content) == []


@pytest.mark.parametrize(
    "section",
    [
        b"",
        b"x",
        CRATES[:-5],
        zlib.compress(b"{"),
        zlib.compress(b"[]"),
        zlib.compress(b'{"packages": {}}'),
        zlib.compress(b"[" * 100_000),
        zlib.compress(b" " * (9 << 20)),
    ],
    ids=["empty", "rubbish", "short", "no-json", "list", "no-list", "deep", "bomb"],
)
def test_a_damaged_list_is_noted(section: bytes) -> None:
    (note,) = read(elf({SECTION: section}))
    assert isinstance(note, Note)
    assert note.code == "Unparsable"


def test_entries_of_other_shapes_are_left_out() -> None:
    odd = crates(
        {"name": "a"}, {"name": 1, "version": "1"}, {"name": "", "version": ""}, {"name": "\x85", "version": "1"},
        {"name": "b", "version": "1.0.0"},
    )  # fmt: skip
    assert found(elf({SECTION: odd})) == [("b", "1.0.0")]


def test_a_real_executable_with_the_section_added(tmp_path: Path) -> None:
    objcopy, program = shutil.which("objcopy"), Path(sys.executable).resolve()
    if objcopy is None or program.read_bytes()[:4] != b"\x7fELF":
        pytest.skip("there is no objcopy for ELF")
    (tmp_path / "crates").write_bytes(CRATES)
    command = [objcopy, "--add-section", f"{SECTION}={tmp_path / 'crates'}", str(program), str(tmp_path / "program")]
    subprocess.run(command, check=True)
    assert found((tmp_path / "program").read_bytes()) == EXPECTED
    assert read(program.read_bytes()) == []


@settings(max_examples=100)
@given(st.data())
def test_no_content_raises(data: st.DataObject) -> None:
    content = bytearray(
        data.draw(st.sampled_from([elf({SECTION: CRATES}), pe({SECTION: CRATES}), macho({SECTION: CRATES})]))
    )
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(content)))
        content[at : at + data.draw(st.integers(0, 8))] = data.draw(st.binary(max_size=8))
    for fact in read(bytes(content)):
        assert isinstance(fact, Note) or (fact.name and fact.version)


def test_it_passes_the_exam_of_ecosystems() -> None:
    accept_ecosystem(
        ECOSYSTEM,
        {"usr/bin/rg": elf({".text": b"\x90" * 64, SECTION: CRATES}), "rg.exe": pe({SECTION: CRATES})},
        orders=["1.0.0-alpha < 1.0.0", "1.9.0 < 1.10.0"],
        refused=["x"],
        namespaces={Distro("alpine", "3.20"): "crates.io"},
    )

"""Packs of SWI-Prolog."""

from __future__ import annotations

import pytest

from grid.ecosystems.swiplpack import ECOSYSTEM
from grid.model import Limits, Note, Package
from grid.testing import accept_ecosystem

PATH = "root/.local/share/swi-prolog/pack/func/pack.pl"
FUNC = b"""\
% name(not_this). version('9.9').
/* version('8.8').
   name(nor_this). */
name(func).
version('0.4.2').
title('Function application and composition').
author('A. Person', 'a.person@example.org').
home('https://example.org/func/100%').
requires(list_util).
"""


def read(content: bytes, path: str = PATH) -> list[Package | Note]:
    return list(ECOSYSTEM.read(path, content, Limits()))


@pytest.mark.parametrize(
    ("content", "name", "version"),
    [
        (FUNC, "func", "0.4.2"),
        (FUNC.replace(b"\n", b"\r\n"), "func", "0.4.2"),
        (b"name('Real').\nversion( '2.0' ).", "Real", "2.0"),
        (b"title('x'). name(a). version(\"1.2\").", "a", "1.2"),
        (b"\nversion('3').\nname(hdt)  .\n", "hdt", "3"),
        (b"title('no % comment'). name(a). version('1').", "a", "1"),
    ],
)
def test_a_pack_says_its_name_and_version(content: bytes, name: str, version: str) -> None:
    assert ECOSYSTEM.wants.matcher()(PATH, 0o644)
    assert read(content) == [Package(name, version, purl=f"pkg:swiplpack/{name}@{version}")]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b":- module(pack, [pack/2]).\npack(name(X), version('1')) :- true.\n",
        b"name(a).\n",
        b"name(a).\nrequires(version('1.0')).\n",
        b"title('Of. name(a). version(1). Of').\nname(b).\n",
        b"surname(a). version_of('1').",
    ],
)
def test_a_program_of_that_name_is_no_pack(content: bytes) -> None:
    assert read(content) == []


def test_other_files_are_passed_over_and_what_no_pack_can_be_called_is_noted() -> None:
    assert read(FUNC, "srv/lib/prolog.pl") == []
    (note,) = read(b"name('a b').\nversion('1.0').\n")
    assert isinstance(note, Note) and note.code == "Unparsable"
    (note,) = read(b"name(a).\nversion('latest').\n")
    assert isinstance(note, Note) and note.code == "Unparsable"


def test_it_passes_the_exam_of_ecosystems() -> None:
    accept_ecosystem(ECOSYSTEM, {PATH: FUNC}, orders=["0.4.2 < 0.4.10", "1.9 < 1.10", "1.0 < 1.0.1"], refused=["a"])

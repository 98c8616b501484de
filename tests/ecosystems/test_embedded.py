"""What programs say of themselves: SBOMs of native images."""

from __future__ import annotations

import gzip
import json
import random
import struct
import time

import pytest

from grid.ecosystems.embedded import ECOSYSTEM
from grid.model import Limits, Note, Package
from grid.testing import accept_ecosystem
from grid.testing.binaries import elf, macho, native_image, pe

PATH = "app/server"
DOCUMENT = json.dumps({
    "bomFormat": "CycloneDX", "specVersion": "1.6",
    "metadata": {"component": {"type": "library", "name": "app", "purl": "pkg:maven/com.sbom/app@1.0.0"}},
    "components": [
        {"type": "library", "group": "org.json", "name": "json", "purl": "pkg:maven/org.json/json@20211205"},
        {"type": "library", "name": "Oracle GraalVM", "version": "25+12-LTS"},
    ],
}).encode()  # fmt: skip
HUGE = gzip.compress(b" " * (9 << 20))


def read(content: bytes) -> list[Package | Note]:
    return list(ECOSYSTEM.read(PATH, content, Limits()))


def told(content: bytes) -> list[tuple[str, str, str]]:
    return [(p.ecosystem, p.name, p.version) for p in read(content) if isinstance(p, Package)]


def test_the_sbom_of_a_native_image_tells_its_java_packages() -> None:
    assert ECOSYSTEM.wants.matcher()(PATH, 0o755) and not ECOSYSTEM.wants.matcher()(PATH, 0o644)
    found = read(native_image(gzip.compress(DOCUMENT)))
    assert found == [
        Package(name, version, purl=f"pkg:maven/{name.replace(':', '/')}@{version}", ecosystem="maven", found_as="sbom")
        for name, version in (("com.sbom:app", "1.0.0"), ("org.json:json", "20211205"))
    ]


def test_it_is_found_in_the_table_of_all_symbols_too() -> None:
    assert len(told(native_image(gzip.compress(DOCUMENT), table="sym"))) == 2


def test_other_programs_and_native_images_without_one_say_nothing() -> None:
    assert read(elf({".text": b"\x90"})) == read(pe({".svm_heap": b"x"})) == read(macho({"__svm_heap": b"x"})) == []
    assert read(elf({".svm_heap": b"x"})) == read(elf({".svm_heap": b"x"}, bits=32, order=">")) == []
    assert read(native_image(b"", names=("sbom_of_another", "xsbom_length"))) == []
    assert read(b"") == read(b"\x7fELF") == []


@pytest.mark.parametrize(
    "packed",
    [
        b"",
        b"no gzip at all",
        gzip.compress(DOCUMENT)[:-20],
        gzip.compress(DOCUMENT[:-9]),
        gzip.compress(b" " * (9 << 20)),
    ],
)
def test_a_damaged_or_monstrous_sbom_is_one_note(packed: bytes) -> None:
    (note,) = read(native_image(packed))
    assert isinstance(note, Note) and note.code == "Unparsable"


def test_places_outside_of_the_file_are_a_note() -> None:
    content = native_image(gzip.compress(DOCUMENT))
    size = struct.pack("<Q", len(gzip.compress(DOCUMENT)))
    assert content.count(size) == 1
    for wrong in (2**63, 10**6):
        (note,) = read(content.replace(size, struct.pack("<Q", wrong)))
        assert isinstance(note, Note)


def test_damaged_programs_never_raise_and_cost_little() -> None:
    whole, dice = native_image(gzip.compress(DOCUMENT)), random.Random(1)
    began = time.perf_counter()
    for _ in range(500):
        broken = bytearray(whole)
        for _ in range(dice.randint(1, 6)):
            broken[dice.randrange(len(broken))] = dice.randrange(256)
        assert all(isinstance(fact, (Package, Note)) for fact in read(bytes(broken)))
    assert time.perf_counter() - began < 5


def test_it_passes_the_exam_of_ecosystems() -> None:
    accept_ecosystem(ECOSYSTEM, {PATH: native_image(gzip.compress(DOCUMENT))}, refused=["1.0"])

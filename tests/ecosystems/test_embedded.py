"""What programs say of themselves: SBOMs of native images, and the packages that they are of."""

from __future__ import annotations

import gzip
import json
import random
import shutil
import struct
import subprocess
import time
from functools import partial
from pathlib import Path

import pytest

from grid.ecosystems.embedded import ECOSYSTEM
from grid.model import Limits, Note, Package
from grid.testing import accept_ecosystem
from grid.testing.binaries import BUNDLE_MARKER, bundle, elf, macho, native_image, pe

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


def note(text: bytes, order: str = "<", owner: bytes = b"FDO\0", kind: int = 0xCAFE1A7E) -> bytes:
    body = text + b"\0"
    head = struct.pack(f"{order}III", len(owner), len(body), kind)
    return head + owner.ljust(-(-len(owner) // 4) * 4, b"\0") + body.ljust(-(-len(body) // 4) * 4, b"\0")


FEDORA = json.dumps({
    "type": "rpm", "name": "coreutils", "version": "9.4-7.fc40", "architecture": "x86_64",
    "osCpe": "cpe:/o:fedoraproject:fedora:40",
}).encode()  # fmt: skip
DEBIAN = json.dumps({
    "type": "deb", "os": "Debian", "osVersion": "12", "name": "systemd", "version": "252.39-1~deb12u1",
    "architecture": "amd64", "debugInfoUrl": "https://debuginfod.debian.net",
}).encode()  # fmt: skip


@pytest.mark.parametrize(
    ("text", "kind", "purl"),
    [
        (FEDORA, "rpm", "pkg:rpm/fedora/coreutils@9.4-7.fc40?arch=x86_64&distro=fedora-40"),
        (DEBIAN, "deb", "pkg:deb/debian/systemd@252.39-1~deb12u1?arch=amd64&distro=debian-12"),
        (b'{"type":"apk","name":"a","version":"1-r0"}', "apk", "pkg:apk/a@1-r0"),
    ],
)
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("bits", [32, 64])
def test_a_program_that_was_copied_says_which_package_it_is_of(
    text: bytes, kind: str, purl: str, order: str, bits: int
) -> None:
    (package,) = read(elf({".note.package": note(text, order)}, bits=bits, order=order))
    assert isinstance(package, Package)
    assert (package.ecosystem, package.found_as, package.purl) == (kind, "sbom", purl)


@pytest.mark.parametrize("path", ["usr/lib64/gconv/UTF-7.so", "lib/systemd/systemd", "usr/share/a"])
def test_of_what_lies_where_packages_put_no_programs_the_database_tells(path: str) -> None:
    assert list(ECOSYSTEM.read(path, elf({".note.package": note(FEDORA)}), Limits())) == []


@pytest.mark.parametrize(
    "path",
    ["usr/bin/ls", "lib64/libc.so.6", "usr/local/bin/ls", "opt/app/bin/ls", "ls", "app/usr/bin/ls", "library/ls"],
)
def test_programs_may_have_been_copied_without_their_database(path: str) -> None:
    assert len(list(ECOSYSTEM.read(path, elf({".note.package": note(FEDORA)}), Limits()))) == 1


def test_notes_of_others_are_passed_over_and_what_no_distribution_packs_is_nothing() -> None:
    other = note(b"x", owner=b"GNU\0", kind=3)
    assert told(elf({".note.package": other + note(FEDORA)})) == [("rpm", "coreutils", "9.4-7.fc40")]
    assert read(elf({".note.package": note(b'{"type": "mine", "name": "a", "version": "1"}')})) == []
    assert read(elf({".note.package": note(b"{}")})) == []


@pytest.mark.parametrize(
    "content", [b"", b"\0" * 400, note(b"no json"), note(FEDORA, ">"), note(FEDORA)[:-40], note(b'{"type":"rpm"}')]
)
def test_a_damaged_package_note_is_one_note(content: bytes) -> None:
    (said,) = read(elf({".note.package": content}))
    assert isinstance(said, Note) and said.code == "Unparsable"


def test_a_linker_writes_it_as_it_is_read(tmp_path: Path) -> None:
    compiler = shutil.which("gcc")
    if compiler is None:
        pytest.skip("needs gcc")
    (tmp_path / "a.c").write_text("int main(void) { return 0; }")
    command = [compiler, "-Xlinker", f"--package-metadata={FEDORA.decode()}", "-o", "a", "a.c"]
    made = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
    if made.returncode:
        pytest.skip("the linker knows no package metadata")
    assert told((tmp_path / "a").read_bytes()) == [("rpm", "coreutils", "9.4-7.fc40")]


# --- .NET applications in a single file ---------------------------------------------------------

RECORD = json.dumps({
    "runtimeTarget": {"name": "net8"}, "targets": {"net8": {"Newtonsoft.Json/13.0.1": {"runtime": {"a.dll": {}}}}},
    "libraries": {"App/1.0.0": {"type": "project"}, "Newtonsoft.Json/13.0.1": {"type": "package"}},
}).encode()  # fmt: skip
JSON_NET = [
    Package(
        "Newtonsoft.Json", "13.0.1", purl="pkg:nuget/Newtonsoft.Json@13.0.1", ecosystem="nuget", found_as="installed"
    )
]


def sized(size: int) -> bytes:
    """A bundle whose header states another size of the record."""
    before, stated, after = bundle(RECORD).rpartition(struct.pack("<qqqQ", len(RECORD), 0, 0, 0))
    return before + struct.pack("<qqqQ", size, 0, 0, 0) + after if stated else b""


@pytest.mark.parametrize("version", [1, 2, 6])
def test_an_application_in_a_single_file_tells_its_packages(version: int) -> None:
    assert read(bundle(RECORD, version=version)) == JSON_NET
    assert read(bundle(RECORD, version=version, host=partial(elf, bits=32))) == JSON_NET


def test_it_does_on_windows_and_darwin_too() -> None:
    assert ECOSYSTEM.wants.matcher()("app/Shop.exe", 0o644)
    assert read(bundle(RECORD, host=pe)) == JSON_NET
    assert read(bundle(RECORD, host=macho, section="__data")) == JSON_NET


def test_a_host_without_a_bundle_and_programs_with_something_appended_say_nothing() -> None:
    assert read(elf({".data": bytes(8) + BUNDLE_MARKER}) + b"appended") == []
    assert read(elf({".data": struct.pack("<Q", 64) + BUNDLE_MARKER})) == []  # nothing was appended
    assert read(elf({".data": BUNDLE_MARKER}) + b"appended") == read(elf({".data": b"x"}) + b"appended") == []


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (bundle(None), "no deps.json"),
        (bundle(None, version=1), "no deps.json"),
        (bundle(RECORD, version=7), "unknown version, 7"),
        (bundle(RECORD)[:-400], "outside of the file"),
        (bundle(RECORD, version=1)[:-30], "outside of the file"),
        (sized(10**9), "lies outside"),
        (sized(-1), "lies outside"),
        (bundle(RECORD[:-9]), "not JSON"),
    ],
)
def test_a_damaged_bundle_is_one_note(content: bytes, why: str) -> None:
    (note,) = read(content)
    assert isinstance(note, Note) and note.code == "Unparsable" and why in note.message


@pytest.mark.parametrize("whole", [native_image(gzip.compress(DOCUMENT)), bundle(RECORD), bundle(RECORD, version=1)])
def test_damaged_programs_never_raise_and_cost_little(whole: bytes) -> None:
    dice, began = random.Random(1), time.process_time()
    for _ in range(500):
        broken = bytearray(whole)
        for _ in range(dice.randint(1, 6)):
            broken[dice.randrange(len(broken))] = dice.randrange(256)
        assert all(isinstance(fact, (Package, Note)) for fact in read(bytes(broken)))
    assert time.process_time() - began < 5


def test_it_passes_the_exam_of_ecosystems() -> None:
    records = {PATH: native_image(gzip.compress(DOCUMENT)), "app/ls": elf({".note.package": note(FEDORA)})}
    records["app/shop"] = bundle(RECORD)
    accept_ecosystem(ECOSYSTEM, records, refused=["1.0"])

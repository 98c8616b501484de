"""Go programs: the modules recorded in them."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grid.detectors.packages import DETECTOR
from grid.ecosystems._go import standard_library
from grid.ecosystems.golang import ECOSYSTEM
from grid.errors import VersionInvalid
from grid.model import Distro, Limits, Note, Package
from grid.testing import accept_ecosystem, files_batch
from grid.testing.binaries import (
    BASE,
    MAIN,
    elf,
    go_info,
    leb128,
    macho,
    old_go_info,
    pe,
    universal,
)

SECTION = ".go.buildinfo"
EXPECTED = [("stdlib", "1.22.3"), ("example.com/app", "v1.4.0"), ("golang.org/x/net", "v0.17.0")]


def read(content: bytes) -> list[Package | Note]:
    return list(ECOSYSTEM.read("usr/bin/app", content, Limits()))


def found(content: bytes) -> list[tuple[str, str]]:
    facts = read(content)
    assert not [fact for fact in facts if isinstance(fact, Note)]
    return [(p.name, p.version) for p in facts if isinstance(p, Package)]


def modules(text: str, version: str = "go1.22.3") -> list[tuple[str, str]]:
    return found(elf({SECTION: go_info(version, text)}))[1:]


def test_a_module_whose_name_is_blank_is_left_out() -> None:
    assert modules("path\tb\nmod\tb\tv1.0.0\t\ndep\texample.com/app/ \tv1.0.0\t\n") == [("b", "v1.0.0")]


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize("named", [True, False])
def test_programs_of_linux_tell_their_modules(bits: int, order: str, named: bool) -> None:
    content = elf({".text": b"\x90" * 100, SECTION: go_info()}, bits=bits, order=order, named=named)
    assert found(content) == EXPECTED


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("bits", [32, 64])
def test_programs_of_go_before_1_18_point_to_their_modules(bits: int, order: str) -> None:
    width = bits // 8
    empty = elf({SECTION: b""}, bits=bits, order=order)
    at = BASE + elf({SECTION: b"\xff Go"}, bits=bits, order=order).index(b"\xff Go")
    content = elf({SECTION: old_go_info(at, width=width, order=order)}, bits=bits, order=order)
    assert found(content) == [("stdlib", "1.16.5"), *EXPECTED[1:]]
    assert found(empty) == []


@pytest.mark.parametrize(
    "content",
    [
        pe({".text": b"\x90" * 600, ".data": go_info()}),
        pe({".data": b"\0" * 48 + go_info()}, wide=False),
        macho({"__go_buildinfo": go_info()}),
        macho({"__go_buildinfo": go_info()}, order=">"),
    ],
    ids=["pe64", "pe32", "macho", "macho-big-endian"],
)
def test_programs_of_windows_and_macos_tell_their_modules(content: bytes) -> None:
    assert found(content) == EXPECTED


def test_pointers_of_windows_programs_are_followed_through_their_sections() -> None:
    at = pe({".data": b"\xff Go"}).index(b"\xff Go")
    assert found(pe({".data": old_go_info(BASE + at)})) == [("stdlib", "1.16.5"), *EXPECTED[1:]]


def test_a_universal_program_tells_each_module_once() -> None:
    other = MAIN.replace("v0.17.0", "v0.18.0")
    content = universal(macho({"__go_buildinfo": go_info()}), macho({"__go_buildinfo": go_info(modules=other)}))
    assert found(content) == [*EXPECTED, ("golang.org/x/net", "v0.18.0")]


def test_what_replaced_a_module_counts() -> None:
    text = (
        "mod\texample.com/app\tv1.0.0\n"
        "dep\tgithub.com/docker/docker\tv1.0.0\n=>\tgithub.com/moby/moby\tv20.10.7+incompatible\th1:x=\n"
        "dep\tk8s.io/api\tv0.0.0\n=>\t./staging/src/k8s.io/api\t\n"
        "dep\tgolang.org/x/text\tv0.3.8\n"
    )
    assert modules(text) == [
        ("example.com/app", "v1.0.0"),
        ("github.com/moby/moby", "v20.10.7+incompatible"),
        ("k8s.io/api", "(devel)"),
        ("golang.org/x/text", "v0.3.8"),
    ]


@pytest.mark.parametrize(
    ("stated", "flags", "version"),
    [
        ("v1.2.3", "", "v1.2.3"),
        ("(devel)", "", "(devel)"),
        ("", "", "(devel)"),
        ("v0.0.0-20240102030405-0123456789ab", "", "(devel)"),
        ("v0.0.0-20240102030405-0123456789ab+dirty", "", "(devel)"),
        ("v1.2.4-0.20240102030405-0123456789ab", "", "v1.2.4-0.20240102030405-0123456789ab"),
        ("(devel)", "-s -w -X main.version=1.18.1 -X main.gitCommit=abc", "v1.18.1"),
        ("(devel)", "-X=github.com/x/trivy/pkg/version/app.ver=0.59.1", "v0.59.1"),
        ("(devel)", "-X 'k8s.io/component-base/version.gitVersion=v1.29.0' -w", "v1.29.0"),
        ("(devel)", "-X main.version=", "(devel)"),
        ("(devel)", "-X main.version=abcdef", "(devel)"),
        ("(devel)", "-X main.Minimum=1.2.3", "(devel)"),
        ("v1.2.3", "-X main.version=9.9.9", "v1.2.3"),
    ],
)
def test_the_version_of_the_main_module(stated: str, flags: str, version: str) -> None:
    text = f'path\tx.org/app\nmod\tx.org/app\t{stated}\t\nbuild\t-ldflags="{flags}"\nbuild\tvcs.revision=abc\n'
    assert modules(text) == [("x.org/app", version)]


def test_what_was_built_from_a_working_copy_has_no_place_in_the_order() -> None:
    with pytest.raises(VersionInvalid):
        ECOSYSTEM.key("(devel)")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("path\tgithub.com/restic/restic/cmd/restic\n", [("github.com/restic/restic/cmd/restic", "(devel)")]),
        ("path\tcommand-line-arguments\n", []),
        ("path\tcmd/go\n", [("toolchain", "1.22.3")]),
        ("path\tcmd/link\n", []),
    ],
)
def test_programs_built_without_modules(text: str, expected: list[tuple[str, str]]) -> None:
    assert modules(text) == expected


@pytest.mark.parametrize(
    ("toolchain", "version"),
    [
        ("go1.22.3", "1.22.3"),
        ("go1.21", "1.21"),
        ("go1.22rc1", "1.22rc1"),
        ("go1.20.5 X:boringcrypto", "1.20.5"),
        ("go1.22.3-X:nocoverageredesign", "1.22.3"),
        ("go1.22.3-fips", "1.22.3"),
        ("go1.19.9+rhel", "1.19.9"),
        ("go1.21.9 (Red Hat 1.21.9-1.el9_4)", "1.21.9"),
        ("devel go1.23-0123abc Mon Jan 1", ""),
        ("", ""),
        ("gccgo", ""),
    ],
)
def test_the_version_of_the_standard_library(toolchain: str, version: str) -> None:
    assert standard_library(toolchain) == version
    if version:
        ECOSYSTEM.key(version)
        assert found(elf({SECTION: go_info(toolchain, "")})) == [("stdlib", version)]


def test_other_executables_and_files_are_nothing() -> None:
    for content in (
        elf({".text": b"\x90" * 100, ".data": go_info()}),  # it has sections, so the text is only data
        elf({".text": b"x"}),
        b"#!/bin/sh\necho \xff Go buildinf:\n" + go_info(),
        b"\xca\xfe\xba\xbe\0\0\0\x34" + b"\0" * 1000,  # a Java class
        b"\x7fELF",
        b"MZ",
        b"",
    ):
        assert read(content) == []


def test_damaged_build_information_is_noted() -> None:
    for info in (go_info()[:20], go_info()[:40], b"\xff Go buildinf:" + bytes([8, 0]) + b"\xff" * 16):
        (note,) = read(elf({SECTION: info}))
        assert isinstance(note, Note)
        assert (note.code, note.path) == ("Unparsable", "usr/bin/app")


def test_a_packed_program_is_noted() -> None:
    (note,) = read(elf({"": b""}, named=False, front=b"UPX!" + b"\0" * 28))
    assert isinstance(note, Note)
    assert note.code == "Packed"


def test_a_version_that_only_the_linker_was_told_is_read_where_it_put_it() -> None:
    untold = MAIN.replace("v1.4.0", "(devel)")
    stamped = b"\0\0go1.22.3\0\0\0\0\0\0\0\0%s\0\0"

    def main(text: bytes) -> str:
        return dict(found(elf({SECTION: go_info(modules=untold), ".rodata": text})))["example.com/app"]

    assert main(stamped % b"v2.42.0") == "v2.42.0"
    assert main(stamped % b"2.42.0+ds\0\x002.42.0+ds-5") == "v2.42.0", "twice the same"
    assert main(stamped % b"1.6.7~rc0") == "v1.6.7-rc0"
    assert main(stamped % b"2.42.0\x001.0.0") == "(devel)", "two versions, and nobody knows whose"
    assert main(b"\0v2.42.0\0") == "(devel)", "not beside the toolchain's"
    assert main(b"xgo1.22.3\0\0v9.9.9\0" + b"\0" * 40_000 + stamped % b"v2.42.0") == "v2.42.0", "part of another text"
    assert main(b"\x84\x9ego1.22.3\0\0\x0026.1.5+dfsg1\0\0") == "v26.1.5", "no room before it"
    assert main(stamped % b"v2.42.0" + b"\0" * 40_000 + b"\0v9.9.9\0") == "v2.42.0"


def test_a_known_program_built_without_modules_is_named_by_its_module() -> None:
    path = "path\tgithub.com/caddyserver/caddy/v2/cmd/caddy\n"
    content = elf({SECTION: go_info(modules=path), ".rodata": b"\0\0go1.22.3\0\0\x002.6.2\0"})
    assert found(content)[1:] == [("github.com/caddyserver/caddy/v2", "v2.6.2")]
    assert modules("path\texample.com/caddy/cmd/caddy\n") == [("example.com/caddy/cmd/caddy", "(devel)")]


def test_the_main_module_of_a_known_program_has_its_cpe() -> None:
    text = "path\tgithub.com/prometheus/prometheus/cmd/prometheus\nmod\tgithub.com/prometheus/prometheus\tv0.42.0\t\n"
    content = elf({SECTION: go_info(modules=text + "dep\tgithub.com/grafana/grafana\tv9.0.0\th1:y=\n")})
    cpes = {fact.name: fact.cpes for fact in read(content) if isinstance(fact, Package)}
    assert cpes["github.com/prometheus/prometheus"] == ("cpe:2.3:a:prometheus:prometheus:0.42.0:*:*:*:*:*:*:*",)
    assert cpes["github.com/grafana/grafana"] == (), "a library is not the program"


def test_absurd_numbers_cost_nothing() -> None:
    good = bytearray(elf({SECTION: go_info()}))
    for place in range(16, 64, 2):
        bad = bytes(good[:place]) + b"\xff\xff" + bytes(good[place + 2 :])
        began = time.process_time()
        read(bad)
        assert time.process_time() - began < 0.5
    head = b"\xff Go buildinf:" + bytes([8, 2]) + b"\0" * 16
    assert [f.code for f in read(elf({SECTION: head + leb128(1 << 34) + b"x"})) if isinstance(f, Note)] == [
        "Unparsable"
    ]


def test_a_script_in_a_layer_of_executables_is_never_offered_to_the_readers() -> None:
    files = {"usr/bin/app": elf({SECTION: go_info()}), "usr/bin/x.sh": b"#!/bin/sh\n" * 1000, "empty": b""}
    rows = DETECTOR.detect(files_batch(files.items(), mode=0o100755)).to_pylist()
    assert [(row["source_path"], row["name"]) for row in rows] == [("usr/bin/app", name) for name, _ in EXPECTED]
    assert DETECTOR.detect(files_batch(files.items(), mode=0o100644)).num_rows == 0


def test_it_agrees_with_go_about_a_real_program() -> None:
    go = shutil.which("go")
    if go is None:
        pytest.skip("Go is not installed")
    said = subprocess.run([go, "version", str(Path(go).resolve())], capture_output=True, text=True, check=True).stdout
    version = said.rpartition(": go")[2].split()[0]
    content = Path(go).resolve().read_bytes()
    assert found(content)[:2] == [("stdlib", version), ("toolchain", version)]


@settings(max_examples=150)
@given(st.data())
def test_no_content_raises(data: st.DataObject) -> None:
    seeds = [
        elf({SECTION: go_info()}),
        elf({SECTION: old_go_info(BASE + 0x80)}),
        elf({SECTION: go_info()}, bits=32, order=">", named=False),
        pe({".data": go_info()}),
        macho({"__go_buildinfo": go_info()}),
        universal(macho({"__go_buildinfo": go_info()})),
    ]
    content = bytearray(data.draw(st.sampled_from(seeds)))
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(content)))
        content[at : at + data.draw(st.integers(0, 8))] = data.draw(st.binary(max_size=8))
    for fact in read(bytes(content)):
        assert isinstance(fact, Note) or (fact.name and fact.version)


def test_it_passes_the_exam_of_ecosystems() -> None:
    accept_ecosystem(
        ECOSYSTEM,
        {
            "usr/bin/app": elf({".text": b"\x90" * 64, SECTION: go_info()}),
            "usr/bin/old": elf({SECTION: old_go_info(BASE + 0x80)}),
            "app.exe": pe({".data": go_info()}),
            "app/mac": macho({"__go_buildinfo": go_info()}),
        },
        orders=[
            "v1.2.3 < v1.10.0",
            "v1.2.3-0.20240102030405-0123456789ab < v1.2.3",
            "1.21rc2 < 1.21.0",
            "1.22 = v1.22.0",
        ],
        refused=["(devel)", ""],
        namespaces={Distro("debian", "12"): "Go"},
    )

"""Parts of files too large to hold: what is left is where it was, for any packer's way of writing an archive."""

from __future__ import annotations

import io
import random
import time
import zipfile
from collections.abc import Callable
from dataclasses import replace

import pytest
from layer_fakes import Recorder, notes, scan

from grid.detectors.packages import Packages
from grid.ecosystems import BY_NAME
from grid.layers import parts
from grid.layers.parts import of_archive, of_program
from grid.model import Wants
from grid.testing import LayerBuilder
from grid.testing.binaries import elf, go_info

WANTED = (b"pom.properties", b".jar")
POM = b"groupId=org.example\nartifactId=lib\nversion=1.2.3\n"
PLACE = "META-INF/maven/org.example/lib/pom.properties"


class Pipe(io.BytesIO):
    """Nobody can go back in it, so that lengths stand behind what they measure, as in the jars that Java writes."""

    def seekable(self) -> bool:
        return False

    def seek(self, offset: int, whence: int = 0) -> int:
        raise OSError

    def tell(self) -> int:
        raise OSError


def packed(files: dict[str, bytes], method: int, to: Callable[[], io.BytesIO] = io.BytesIO) -> bytes:
    out = to()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


def noise(seed: int, size: int) -> bytes:
    return random.Random(seed).randbytes(size)


def thin(content: bytes) -> tuple[bytes, bool]:
    stream, full = io.BytesIO(content), []
    target = bytearray(len(content))

    def read(part: memoryview) -> None:
        assert stream.readinto(part) == len(part)

    of_archive(read, len(content), WANTED, lambda: full.append(True))(memoryview(target))
    return bytes(target), bool(full)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "TAIL", 4096)
    monkeypatch.setattr(parts, "_CHUNK", 10_007)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("to", [io.BytesIO, Pipe])
@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("inner", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("within", [io.BytesIO, Pipe])
def test_wanted_members_are_what_they_were_and_the_rest_is_left_out(
    to: Callable[[], io.BytesIO], method: int, inner: int, within: Callable[[], io.BytesIO]
) -> None:
    jar = packed({"a.class": noise(1, 30_000), PLACE: POM, "b.class": noise(2, 5)}, inner, within)
    files = {f"{n}.class": noise(n, 20_000 + n) for n in range(30)}
    files |= {
        PLACE: POM,
        "x.class": b"PK\x03\x04" + noise(3, 50_000),
        "lib/inner.jar": jar,
        "y.class": noise(4, 90_000),
    }
    content = b"#!/bin/sh\nexec java -jar $0\n" + packed(files, method, to)
    left, full = thin(content)
    assert not full
    assert all(a in (0, b) for a, b in zip(left, content, strict=True))
    assert left.count(0) > len(content) - 60_000
    with zipfile.ZipFile(io.BytesIO(left)) as archive:
        assert archive.namelist() == list(files)
        assert archive.read(PLACE) == POM
        assert archive.read("lib/inner.jar") == jar


@pytest.mark.usefixtures("small")
def test_no_more_than_the_bound_is_kept_and_that_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "ARCHIVE_BYTES", 104_096)
    content = packed({f"{n}.jar": noise(n, 9_000) for n in range(50)} | {PLACE: POM}, zipfile.ZIP_STORED)
    left, full = thin(content)
    assert full
    assert len(content) - left.count(0) <= 104_096
    with zipfile.ZipFile(io.BytesIO(left)) as archive:
        assert archive.read("3.jar") == noise(3, 9_000)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"PK\x03\x04" * 20_000, noise(1, 100_000), b"PK\x01\x02" * 9])
@pytest.mark.usefixtures("small")
def test_what_is_no_archive_does_no_harm(content: bytes) -> None:
    left, _ = thin(content)
    assert all(a in (0, b) for a, b in zip(left, content, strict=True))


@pytest.mark.parametrize("content", [b"PK\x03\x04", b"PK\x01\x02", b"PK\x03\x04" + b"\0" * 26, b"\xff a mark:"])
def test_a_file_of_nothing_but_headers_or_marks_ends_soon(content: bytes) -> None:
    content *= (100 << 20) // len(content)
    began = time.process_time()
    thin(content)
    of_program(io.BytesIO(content).readinto, len(content), 100, (b"\xff a mark:",))(memoryview(bytearray(len(content))))
    assert time.process_time() - began < 10


@pytest.mark.usefixtures("small")
def test_of_a_large_archive_those_get_their_members_that_ask_for_them() -> None:
    content = packed({"a.class": noise(1, 50_000), PLACE: POM, "b.class": noise(2, 50_000)}, zipfile.ZIP_DEFLATED)
    wants = Wants(suffixes=(".jar", ".zip"), max_bytes=1000, archives=((".jar", ("pom.properties",)),))
    built = LayerBuilder().file("a.jar", content).file("a.zip", content).file("b.jar", b"small").blob()
    recorder, every = Recorder(wants, "packages"), Recorder(Wants(every=True, max_bytes=500))
    facts = scan(built, every, recorder)
    assert recorder.files.keys() == {"a.jar", "b.jar"}
    assert len(recorder.files["a.jar"]) == len(content)
    with zipfile.ZipFile(io.BytesIO(recorder.files["a.jar"])) as archive:
        assert archive.read(PLACE) == POM
    assert notes(facts) == {("packages", "a.zip", "FileTooLarge")}


@pytest.mark.usefixtures("small")
def test_packages_of_jars_and_wheels_of_any_size_are_found() -> None:
    some = tuple(
        replace(BY_NAME[name], wants=replace(BY_NAME[name].wants, max_bytes=5_000)) for name in ("maven", "pypi")
    )
    jar = packed({"a.class": noise(1, 50_000), PLACE: POM, "b.class": noise(2, 50_000)}, zipfile.ZIP_DEFLATED)
    metadata = b"Name: Some.Thing\nVersion: 2.0\n"
    wheel = packed({"some/a.so": noise(3, 90_000), "x-2.0.dist-info/METADATA": metadata}, zipfile.ZIP_DEFLATED)
    built = LayerBuilder().file("opt/a.jar", jar).file("srv/any.whl", wheel).blob()
    facts = scan(built, Packages(some))
    rows = facts.tables["packages"].to_pylist()
    assert {(row["ecosystem"], row["name"], row["version"]) for row in rows} == {
        ("maven", "org.example:lib", "1.2.3"), ("pypi", "Some.Thing", "2.0"),
    }  # fmt: skip
    assert notes(facts) == set()


@pytest.mark.parametrize("at", [0, 90, 100, 101, 10_106, 10_107, 10_108, 20_000, 59_999, 79_990])
@pytest.mark.usefixtures("small")
def test_of_a_program_its_ends_are_kept_and_what_is_marked(at: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "_END", 1000)
    monkeypatch.setattr(parts, "_MARKED", 15_000)
    mark = b"\xff a mark:"
    content = noise(1, at) + mark + noise(2, 80_000)
    stream, target = io.BytesIO(content), bytearray(len(content))
    of_program(stream.readinto, len(content), 100, (mark,))(memoryview(target))
    kept = {*range(100), *range(at, at + 15_000), *range(len(content) - 1000, len(content))}
    assert all(target[n] == (byte if n in kept else 0) for n, byte in enumerate(content))


def test_modules_of_a_go_program_of_any_size_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "_END", 2000)
    some = tuple(
        replace(BY_NAME[name], wants=replace(BY_NAME[name].wants, max_bytes=100)) for name in ("golang", "cargo")
    )
    told = go_info("go1.22.3", "path\tx.org/a\nmod\tx.org/a\tv1.0.0\th1:x=\ndep\tx.org/b\tv1.2.3\th1:x=\n")
    program = elf({".text": bytes(10_000), ".go.buildinfo": told, ".data": bytes(5_000_000)})
    facts = scan(LayerBuilder().file("bin/a", program, mode=0o755).blob(), Packages(some))
    rows = facts.tables["packages"].to_pylist()
    assert {(row["name"], row["version"]) for row in rows} == {
        ("stdlib", "1.22.3"), ("x.org/a", "v1.0.0"), ("x.org/b", "v1.2.3"),
    }  # fmt: skip

"""Chiselled Ubuntu: the manifest that chisel leaves."""

from __future__ import annotations

import json

import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from grid.detectors.owned_files import OwnedFiles
from grid.ecosystems import _chisel
from grid.ecosystems.deb import ECOSYSTEM
from grid.model import Limits, Note, OwnedFile, Package
from grid.testing import accept_ecosystem, files_batch

MANIFEST = "var/lib/chisel/manifest.wall"
METADATA = "/usr/lib/python3/dist-packages/six-1.16.0.dist-info/METADATA"
LINES = [
    {"jsonwall": "1.0", "schema": "1.0", "count": 8},
    {"kind": "content", "slice": "libc6_libs", "path": "/usr/lib/libc.so.6"},
    {"kind": "package", "name": "libc6", "version": "2.39-0ubuntu8.9", "sha256": "0" * 64, "arch": "arm64"},
    {"kind": "package", "name": "zlib1g", "version": "1:1.3.dfsg-3.1ubuntu2.1", "sha256": "1" * 64, "arch": "arm64"},
    {"kind": "path", "path": "/usr/lib/", "mode": "0755", "slices": ["libc6_libs", "zlib1g_libs"]},
    {"kind": "path", "path": "/usr/lib/libc.so.6", "mode": "0644", "slices": ["libc6_libs"], "size": 3},
    {"kind": "path", "path": METADATA, "mode": "0644", "slices": ["python3-six_all"], "size": 3},
    {"kind": "slice", "name": "libc6_libs"},
]


def wall(*lines: object) -> bytes:
    text = b"".join(json.dumps(line, separators=(",", ":")).encode() + b"\n" for line in lines or LINES)
    return zstandard.ZstdCompressor().compress(text)


def read(content: bytes) -> list[Package | Note]:
    return list(ECOSYSTEM.read(MANIFEST, content, Limits()))


def test_the_packages_that_slices_were_cut_from_are_found() -> None:
    libc, zlib, note = read(wall())
    assert libc == Package("libc6", "2.39-0ubuntu8.9", "arm64", purl="pkg:deb/libc6@2.39-0ubuntu8.9?arch=arm64")
    assert isinstance(zlib, Package) and (zlib.name, zlib.version) == ("zlib1g", "1:1.3.dfsg-3.1ubuntu2.1")
    assert isinstance(note, Note) and note.code == "SourceUnknown" and "2 packages" in note.message


def test_files_belong_to_the_package_of_their_slice() -> None:
    assert ECOSYSTEM.owned is not None
    assert list(ECOSYSTEM.owned(MANIFEST, wall(), Limits())) == [
        OwnedFile("usr/lib/libc.so.6", "libc6"),
        OwnedFile(METADATA.lstrip("/"), "python3-six"),
    ]
    rows = OwnedFiles().detect(files_batch([(MANIFEST, wall())])).to_pylist()
    assert (METADATA.lstrip("/"), "python3-six") in [(row["path"], row["owner"]) for row in rows]


def test_what_is_damaged_is_noted_and_the_rest_is_read() -> None:
    good = {"kind": "package", "name": "x", "version": "1", "arch": "amd64"}
    text = b'{"kind":"package","name":\n' + json.dumps(good, separators=(",", ":")).encode()
    found = read(zstandard.ZstdCompressor().compress(text))
    assert [type(f).__name__ for f in found] == ["Note", "Package", "Note"]
    (bad,) = read(wall({"kind": "package", "name": 7, "version": "1"}))
    assert isinstance(bad, Note) and bad.code == "Unparsable"
    assert [f.code for f in read(b"no zstd") if isinstance(f, Note)] == ["Unparsable"]
    assert read(wall({"kind": "slice", "name": "x"})) == []


def test_a_manifest_that_inflates_without_end_is_noted() -> None:
    bomb = zstandard.ZstdCompressor().compress(bytes(_chisel.MAX_BYTES + (1 << 20)))
    assert len(bomb) < 1 << 20
    assert [f.code for f in read(bomb) if isinstance(f, Note)] == ["FileTooLarge"]


@settings(max_examples=80)
@given(st.binary(max_size=60), st.integers(0, 400), st.integers(0, 40))
def test_damage_never_breaks_the_reader(noise: bytes, at: int, cut: int) -> None:
    whole = wall()
    for found in read(whole[:at] + noise + whole[at + cut :]):
        assert isinstance(found, Note) or (found.name and found.version)


def test_it_passes_the_exam_of_ecosystems() -> None:
    accept_ecosystem(ECOSYSTEM, {MANIFEST: wall()}, owned={MANIFEST: wall()})

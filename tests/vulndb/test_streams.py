"""Files inflated, XML and JSON read piece by piece, and what is refused."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import tarfile
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from grid.errors import FeedInvalid
from vulndb import streams
from vulndb.streams import elements, inflated, items, tar_files, text_of

PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": zstandard.ZstdCompressor().compress,
}


@pytest.mark.parametrize("kind", PACKERS)
def test_a_file_is_inflated_by_its_first_bytes_and_may_be_made_of_parts(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    pack = PACKERS[kind]
    path.write_bytes(pack(b"one " * 100_000) + pack(b"two"))
    with inflated(path) as stream:
        assert stream.read() == b"one " * 100_000 + b"two"


@pytest.mark.parametrize("kind", PACKERS)
def test_a_file_that_inflates_to_more_than_allowed_is_refused(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "bomb"
    path.write_bytes(PACKERS[kind](bytes(10_000_000)))
    with pytest.raises(FeedInvalid, match="more than any real one"), inflated(path, 1_000_000) as stream:
        while stream.read(1 << 16):
            pass


@pytest.mark.parametrize("kind", sorted(set(PACKERS) - {"plain", "zstd"}))
def test_half_a_file_is_refused(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "half"
    whole = PACKERS[kind](json.dumps(list(range(100_000))).encode())
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(FeedInvalid, match="cannot be read"), inflated(path) as stream:
        stream.read()


# --- XML -----------------------------------------------------------------------------------------


def test_elements_come_whole_and_without_namespaces() -> None:
    xml = b"""<?xml version="1.0"?><r xmlns="urn:a" xmlns:b="urn:b"><skip><x/></skip>
    <b:x b:id="1">text <b:y>in<y/>ner</b:y> tail</b:x><x id="2"><x id="3"/></x></r>"""
    found = list(elements(io.BytesIO(xml), {"x"}))
    assert [e.get("id") for e in found] == [None, "1", "2"]
    assert found[1].findtext("y") == "in" and found[1].find("y")[0].tail == "ner"
    assert text_of(found[1], ".") == "text" and [e.get("id") for e in found[2]] == ["3"]


def test_entities_are_refused_wherever_they_are_declared() -> None:
    bomb = b'<!DOCTYPE r [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><r><x>&b;</x></r>'
    outside = b'<!DOCTYPE r SYSTEM "http://127.0.0.1:9/evil.dtd"><r><x/></r>'
    undeclared = b"<r><x>&nosuch;</x></r>"
    for xml in (bomb, outside, undeclared):
        with pytest.raises(FeedInvalid):
            list(elements(io.BytesIO(xml), {"x"}))


def test_deep_large_and_broken_xml_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "MAX_ELEMENT", 1_000_000)
    deep = b"<x>" * 1000 + b"</x>" * 1000
    large = b"<r><x>" + b"a" * 3_000_000 + b"</x></r>"
    for xml in (deep, large, b"<r><x></r>", b"<r><x/>", b"", b"{}"):
        with pytest.raises(FeedInvalid):
            list(elements(io.BytesIO(xml), {"x"}))


@settings(max_examples=60)
@given(st.lists(st.tuples(st.sampled_from("xyz"), st.text("ab &<é\n", max_size=5)), max_size=8), st.integers(1, 7))
def test_elements_are_those_that_a_whole_parse_finds(rows: list[tuple[str, str]], chunk: int) -> None:
    root = ElementTree.Element("r")
    for name, text in rows:
        ElementTree.SubElement(ElementTree.SubElement(root, name), "t").text = text
    xml = ElementTree.tostring(root, "utf-8")

    class Slow(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            return super().read(chunk)

    found = [ElementTree.tostring(e) for e in elements(Slow(xml), {"x", "z"})]
    assert found == [ElementTree.tostring(e) for e in ElementTree.fromstring(xml) if e.tag in "xz"]


# --- JSON ----------------------------------------------------------------------------------------


def test_items_of_a_list_within_an_object(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "_CHUNK", 7)
    document = {"total": 3, "note": 'say "rows": now', "rows": [{"a": "é" * 50}, [1, 2], "x"], "after": []}
    raw = json.dumps(document, ensure_ascii=False, indent=1).encode()
    assert list(items(io.BytesIO(raw), "rows")) == document["rows"]
    assert list(items(io.BytesIO(raw), "after")) == []


def test_json_that_ends_early_or_lacks_the_list_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "MAX_ELEMENT", 1_000_000)
    whole = b'{"rows": [{"a": 1}, {"a": 2}]}'
    large = b'{"rows": ["' + b"a" * 3_000_000 + b'"]}'
    for raw in (whole[:-6], whole[:14], b'{"other": []}', b'{"rows": {}}', b"", b'{"rows": [1 2]}', b"\xff" * 9, large):
        with pytest.raises(FeedInvalid):
            list(items(io.BytesIO(raw), "rows"))


# --- tar -----------------------------------------------------------------------------------------


def test_files_of_a_tar_with_a_limit(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, size in (("a.json", 3), ("b.txt", 3), ("c.json", 100)):
            info = tarfile.TarInfo(name)
            info.size = size
            archive.addfile(info, io.BytesIO(b"x" * size))
        link = tarfile.TarInfo("d.json")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    found = list(tar_files(io.BytesIO(buffer.getvalue()), ".json", 50))
    assert found == [("a.json", b"xxx"), ("c.json", None)]
    for raw in (b"not a tar" * 100, buffer.getvalue()[:700]):
        with pytest.raises(FeedInvalid):
            list(tar_files(io.BytesIO(raw), ".json", 50))

"""All package readers as one detector: against tools' own lists, and on its own."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grid.detectors.packages import DETECTOR, MAX_PACKAGES, Packages, package_id
from grid.ecosystems import ALL, BY_NAME
from grid.model import Limits, Note, Package, Wants
from grid.testing import accept_detector, damaged, files_batch

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"
needs_data = [pytest.mark.data, pytest.mark.skipif(not DATA.exists(), reason="needs ../shared/data")]

DPKG = b"""\
Package: libc6
Status: install ok installed
Architecture: amd64
Source: glibc
Version: 2.31-13
Maintainer: GNU Libc Maintainers

Package: libc6
Status: install ok installed
Architecture: amd64
Version: 2.31-13

Package: libc6
Status: install ok installed
Architecture: i386
Version: 2.31-13

Package: bad
Status: install ok installed
"""
SAMPLES = {
    "var/lib/dpkg/status": DPKG,
    "var/lib/dpkg/status.d/base": b"Package: base-files\nVersion: 12\n",
    "lib/apk/db/installed": b"P:musl\nV:1.1.24-r2\nA:x86_64\no:musl\nL:MIT\n\nP:broken\n",
    "usr/lib/python3/site-packages/six-1.16.0.dist-info/METADATA": b"Name: six\nVersion: 1.16.0\nLicense: MIT\n",
    "usr/lib/python3/site-packages/old.egg-info": b"Metadata-Version: 1.0\n",
    "app/node_modules/a/package.json": b'{"name": "a", "version": "1.0.0", "license": "MIT"}',
    "app/node_modules/@b/c/package.json": b'{"name": "@b/c", "version": "2.0.0"}',
    "app/node_modules/a/lib/package.json": b'{"type": "module"}',
    "app/node_modules/cut/package.json": b'{"name": ',
}


def rows_of(files: dict[str, bytes] | list[tuple[str, bytes]], detector: Packages = DETECTOR) -> list[dict[str, Any]]:
    pairs = files.items() if isinstance(files, dict) else files
    rows: list[dict[str, Any]] = detector.detect(files_batch(pairs)).to_pylist()
    return rows


def facts(rows: list[dict[str, Any]], *columns: str) -> list[tuple[Any, ...]]:
    return sorted(tuple(row[c] for c in columns) for row in rows if row["note_code"] is None)


# --- against what others say ---------------------------------------------------------------------


def blobs_of(image: Path) -> dict[str, bytes]:
    with tarfile.open(image) as archive:
        return {m.name: archive.extractfile(m).read() for m in archive if m.isfile()}  # type: ignore[union-attr]


def layer_rows(blob: bytes) -> list[dict[str, Any]]:
    wanted = DETECTOR.wants.matcher()
    with tarfile.open(fileobj=io.BytesIO(blob)) as layer:
        found = []
        for member in layer:
            path = member.name.removeprefix("./")
            if member.isfile() and wanted(path, member.mode):
                found.append((path, layer.extractfile(member).read()))  # type: ignore[union-attr]
    return rows_of(found)


@cache
def layers_of(name: str) -> dict[str, list[list[dict[str, Any]]]]:
    """Rows of each layer, per manifest digest (OCI) or first tag (docker archive)."""
    blobs = blobs_of(DATA / "images" / name)
    if "index.json" not in blobs:
        manifests = json.loads(blobs["manifest.json"])
        return {m["RepoTags"][0]: [layer_rows(blobs[layer]) for layer in m["Layers"]] for m in manifests}

    def blob(digest: str) -> bytes:
        return blobs["blobs/" + digest.replace(":", "/")]

    found = {}
    pending = [m["digest"] for m in json.loads(blobs["index.json"])["manifests"]]
    while pending:
        digest = pending.pop()
        manifest = json.loads(blob(digest))
        pending += [m["digest"] for m in manifest.get("manifests", ())]
        if "layers" in manifest:
            found[digest] = [layer_rows(blob(layer["digest"])) for layer in manifest["layers"]]
    return found


def images_with(tool: str) -> Iterator[Any]:
    golden = DATA / "images" / "expected-os-packages.json"
    for name, variants in (json.loads(golden.read_text()) if golden.exists() else {}).items():
        for variant in variants:
            if variant["by"].startswith(tool):
                yield pytest.param(name, variant, id=f"{name}-{variant['architecture']}", marks=needs_data)


def manifest_of(variant: dict[str, Any]) -> str:
    named = variant["manifest_or_tag"]
    return str(named if isinstance(named, str) else named[0])


@pytest.mark.parametrize(("name", "variant"), list(images_with("apk")))
def test_alpine_images_hold_exactly_what_their_database_lists(name: str, variant: dict[str, Any]) -> None:
    layers = layers_of(name)[manifest_of(variant)]
    rows = [row for row in layers[0] if row["ecosystem"] == "apk" or row["note_code"]]
    assert not [row for row in rows if row["note_code"]]
    assert facts(rows, "name", "version", "arch", "source_name") == sorted(map(tuple, variant["packages"]))


@pytest.mark.parametrize(("name", "variant"), list(images_with("dpkg-query")))
def test_debian_images_hold_exactly_what_dpkg_query_prints(name: str, variant: dict[str, Any]) -> None:
    (rows,) = layers_of(name)[manifest_of(variant)]
    deb = [row for row in rows if row["ecosystem"] == "deb" or row["note_code"]]
    expected = sorted(tuple(p[:5]) for p in variant["packages"] if p[5] == "installed")
    assert not [row for row in deb if row["note_code"]]
    assert facts(deb, "name", "version", "arch", "source_name", "source_version") == expected


@pytest.mark.data
@pytest.mark.skipif(not DATA.exists(), reason="needs ../shared/data")
def test_an_applications_python_and_node_packages_are_all_found_once() -> None:
    expected = json.loads((DATA / "images" / "app-alpine-3.10.expected.json").read_text())
    (layers,) = layers_of("app-alpine-3.10.oci.tar").values()
    everything = [row for layer in layers for row in layer]
    assert not [row for row in everything if row["note_code"]]
    python = {
        pair for row in facts(everything, "ecosystem", "name", "version") if (pair := row[1:]) and row[0] == "pypi"
    }
    node = {
        (row["name"], row["version"], row["source_path"].removesuffix("/package.json"))
        for row in everything
        if row["ecosystem"] == "npm"
    }
    assert python == {tuple(p) for key in ("python_final", "python_deleted_in_layer4") for p in expected[key]}
    assert node == {tuple(p) for key in ("npm_final", "npm_deleted_in_layer4") for p in expected[key]}
    for layer in layers:
        told = facts(layer, "source_path", "ecosystem", "name", "version", "arch")
        assert len(told) == len(set(told))


def other_databases() -> Iterator[Any]:
    archive = DATA / "packages" / "packages.zip"
    if archive.exists():
        with zipfile.ZipFile(archive) as files:
            for name, golden in json.loads(files.read("EXPECTED-os.json")).items():
                yield pytest.param(name, golden, id=name, marks=needs_data)


@pytest.mark.parametrize(("name", "golden"), list(other_databases()))
def test_databases_from_other_scanners_tests_give_the_list_that_goes_with_them(
    name: str, golden: dict[str, Any]
) -> None:
    with zipfile.ZipFile(DATA / "packages" / "packages.zip") as files:
        content = files.read(name)
    if golden["kind"] == "apk-installed":
        rows = rows_of({"lib/apk/db/installed": content})
        expected = [(p["name"], p["version"], p["arch"], p["origin"]) for p in golden["packages"]]
        assert facts(rows, "name", "version", "arch", "source_name") == sorted(expected)
        return
    single = "/status.d/" in name
    rows = rows_of({"var/lib/dpkg/status.d/one" if single else "var/lib/dpkg/status": content})
    installed = [p for p in golden["packages"] if p["status"].endswith(" installed") or (single and not p["status"])]
    # The stanza without Status is the one of osv-scalibr's statusfield: dpkg-query does not list it.
    deb = facts(rows, "name", "version", "arch", "source_name", "source_version")
    assert deb == sorted(
        (p["name"], p["version"], p["arch"] or None, p["source"], p["source_version"]) for p in installed
    )


# --- on its own ----------------------------------------------------------------------------------


def test_each_record_goes_to_its_reader_and_duplicates_are_told_once() -> None:
    rows = rows_of(SAMPLES)
    assert facts(rows, "ecosystem", "name", "version", "purl") == sorted(
        [
            ("deb", "libc6", "2.31-13", "pkg:deb/libc6@2.31-13?arch=amd64"),
            ("deb", "libc6", "2.31-13", "pkg:deb/libc6@2.31-13?arch=i386"),
            ("deb", "base-files", "12", "pkg:deb/base-files@12"),
            ("apk", "musl", "1.1.24-r2", "pkg:apk/musl@1.1.24-r2?arch=x86_64"),
            ("pypi", "six", "1.16.0", "pkg:pypi/six@1.16.0"),
            ("npm", "a", "1.0.0", "pkg:npm/a@1.0.0"),
            ("npm", "@b/c", "2.0.0", "pkg:npm/%40b/c@2.0.0"),
        ]
    )
    notes = {row["source_path"]: row["note_code"] for row in rows if row["note_code"]}
    assert notes == {
        "var/lib/dpkg/status": "Unparsable",
        "lib/apk/db/installed": "Unparsable",
        "usr/lib/python3/site-packages/old.egg-info": "Unparsable",
        "app/node_modules/cut/package.json": "Unparsable",
    }


def test_what_a_record_does_not_state_is_null() -> None:
    (row,) = rows_of({"app/node_modules/@b/c/package.json": SAMPLES["app/node_modules/@b/c/package.json"]})
    for column in ("arch", "source_name", "source_version", "licenses", "modularity", "origin"):
        assert row[column] is None
    (musl, _) = rows_of({"lib/apk/db/installed": SAMPLES["lib/apk/db/installed"]})
    assert musl["licenses"] == ["MIT"]


def test_the_package_id_is_signed_and_tells_every_part_apart() -> None:
    parts = ("deb", "libc6", "2.31-13", "amd64", "glibc", "2.31-13", "")
    ids = {package_id(*parts)}
    for i in range(len(parts)):
        ids.add(package_id(*[part + "x" * (i == n) for n, part in enumerate(parts)]))
    ids.add(package_id("deb", "libc62.31-13", "", "amd64", "glibc", "2.31-13", ""))
    assert len(ids) == len(parts) + 2
    assert all(-(2**63) <= i < 2**63 for i in ids)
    assert package_id(*parts) == rows_of({"var/lib/dpkg/status": DPKG})[0]["package_id"]
    assert package_id(*parts) == -4407752525658294399, "ids are stored in lakes: they must never change"


def test_a_reader_that_raises_costs_one_note_and_nothing_else() -> None:
    def read(path: str, content: bytes, limits: Limits) -> Iterator[Package | Note]:
        yield Package("before", "1", purl="pkg:x/before@1")
        raise ZeroDivisionError("secret detail")

    bad = replace(BY_NAME["npm"], name="bad", read=read)
    rows = rows_of(SAMPLES, Packages((bad, BY_NAME["pypi"])))
    failed = [row for row in rows if row["note_message"] == "the reader raised ZeroDivisionError"]
    assert len(failed) == 4
    assert all("secret" not in str(row) for row in failed)
    assert ("pypi", "six") in facts(rows, "ecosystem", "name")
    assert ("bad", "before") in facts(rows, "ecosystem", "name")


def test_records_too_large_or_too_full_are_bounded_and_noted() -> None:
    def flood(path: str, content: bytes, limits: Limits) -> Iterator[Package | Note]:
        for n in range(10**12):
            yield Package("a", str(n), purl=f"pkg:x/a@{n}")

    small = replace(BY_NAME["apk"], wants=Wants(paths=BY_NAME["apk"].wants.paths, max_bytes=10))
    (note,) = rows_of({"lib/apk/db/installed": SAMPLES["lib/apk/db/installed"]}, Packages((small,)))
    assert note["note_code"] == "FileTooLarge"
    rows = rows_of({"app/package.json": b""}, Packages((replace(BY_NAME["npm"], read=flood),)))
    assert len(rows) == MAX_PACKAGES + 1
    assert rows[-1]["note_code"] == "TooManyFacts"


@pytest.mark.parametrize("field", ["name", "version", "arch", "source_name", "source_version", "modularity"])
@pytest.mark.parametrize("value", ["a\0b", "a\x1b[2J", "a\n", "a\x7f", "a" * 1001])
def test_what_a_package_is_known_by_is_fit_for_a_table_or_a_note(field: str, value: str) -> None:
    found = replace(Package("a", "1", purl="pkg:npm/a@1"), **{field: value})
    odd = replace(
        BY_NAME["npm"], read=lambda path, content, limits: iter([found, Package("b", "1", purl="pkg:npm/b@1")])
    )
    note, fact = rows_of({"node_modules/a/package.json": b"{}"}, Packages((odd,)))
    assert note["note_code"] == "Unparsable" and note["name"] is None
    assert fact["name"] == "b"


def test_licenses_and_origin_are_cut_and_cleaned() -> None:
    found = Package("a", "1", purl="pkg:npm/a@1", licenses=("M\0T" + "x" * 2000,), origin="\x1b]0;x\x07")
    odd = replace(BY_NAME["npm"], read=lambda path, content, limits: iter([found]))
    (row,) = rows_of({"node_modules/a/package.json": b"{}"}, Packages((odd,)))
    assert row["licenses"] == ["M T" + "x" * 997] and row["origin"] == " ]0;x "


def test_half_a_surrogate_pair_from_a_reader_does_no_harm() -> None:
    def read(path: str, content: bytes, limits: Limits) -> Iterator[Package | Note]:
        yield Package("a\ud800", "1", licenses=("\udfff",), purl="pkg:x/a@1")

    (row,) = rows_of({"x/package.json": b""}, Packages((replace(BY_NAME["npm"], read=read),)))
    assert (row["name"], row["licenses"]) == ("a\\ud800", ["\\udfff"])


def test_the_version_changes_with_any_readers_version_and_with_the_list() -> None:
    versions = {DETECTOR.version, Packages(ALL[:-1]).version}
    for i, ecosystem in enumerate(ALL):
        versions.add(Packages((*ALL[:i], replace(ecosystem, version=99), *ALL[i + 1 :])).version)
    assert len(versions) == len(ALL) + 2
    assert Packages(ALL[::-1]).version == DETECTOR.version
    # The order of matching is no reading: layers are not scanned again for it.
    assert Packages((replace(ALL[0], key_version=99), *ALL[1:])).version == DETECTOR.version


def test_dispatch_equals_asking_each_reader_in_turn() -> None:
    from grid.detectors._records import dispatcher

    wants = [e.wants for e in ALL] + [
        Wants(executables=True),
        Wants(globs=("*/a*",), names=frozenset({"x"})),
        Wants(every=True),
        Wants(every=True, unless="var/|a"),
    ]
    matchers = [w.matcher() for w in wants]
    dispatch = dispatcher(wants)
    pieces = st.sampled_from(
        [
            "var/lib/dpkg/",
            "status",
            "status.d/",
            "a",
            "x",
            "/",
            ".egg-info",
            "node_modules/",
            "package.json",
            "lib/apk/db/installed",
        ]
    )

    @settings(max_examples=300)
    @given(st.lists(pieces, min_size=1, max_size=4).map("".join), st.sampled_from([0o644, 0o755]))
    def check(path: str, mode: int) -> None:
        assert dispatch(path, mode) == [i for i, wanted in enumerate(matchers) if wanted(path, mode)]

    check()


@pytest.mark.parametrize("path", SAMPLES)
def test_records_damaged_at_random_never_raise(path: str) -> None:
    content = SAMPLES[path]

    @settings(max_examples=60)
    @given(st.integers(0, len(content)), st.binary(max_size=12), st.integers(0, 12))
    def check(at: int, inserted: bytes, dropped: int) -> None:
        rows_of([(path, content[:at] + inserted + content[at + dropped :])])

    check()
    for bad in damaged(content, seed=1, count=60):
        rows_of([(path, bad)])


def test_it_passes_the_exam_of_detectors() -> None:
    accept_detector(DETECTOR, SAMPLES)

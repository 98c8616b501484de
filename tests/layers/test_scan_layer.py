import gzip
import io
import json
import pickle
import random
import tarfile
import tracemalloc
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from layer_fakes import Recorder, Teller, listing, notes, scan
from test_entries import as_tarfile_sees_it, without_root

from grid.errors import (
    DetectorFailed,
    DiffIdMismatch,
    DigestMismatch,
    GridError,
    LayerTruncated,
    NetworkConnectError,
    PathEscapesRoot,
    TarCorrupt,
)
from grid.layers.scan import scan_layer
from grid.model import MIB, Layer, Limits
from grid.paths import path_hash
from grid.schema import ENTRIES, HIDERS, NOTES, PATH_INDEX, Table
from grid.testing import BuiltLayer, LayerBuilder, built_layer
from grid.testing.layers import digest_of


def inner(table: Table) -> pa.Schema:
    return pa.schema([pa.field(c.name, c.type, nullable=c.nullable) for c in table.columns[2:]])


def sample() -> LayerBuilder:
    return (
        LayerBuilder()
        .dir("usr")
        .file("usr/b", "b")
        .symlink("lib", "usr/lib")
        .hardlink("a", "usr/b")
        .whiteout("gone")
        .opaque("var")
        .device("null")
    )


# --- tables --------------------------------------------------------------------------------------


def test_the_tables_have_the_schemas_of_the_lake_less_its_keys():
    for built in (sample().blob(), built_layer(b"")):
        facts = scan(built, Recorder())
        assert set(facts.tables) == {"entries", "hiders", "path_index", "notes", "secrets"}
        for table in (ENTRIES, HIDERS, PATH_INDEX, NOTES):
            assert facts.tables[table.name].schema == inner(table), table.name
            facts.tables[table.name].validate(full=True)
        assert len(facts.tables["path_index"]) == 1


def test_hiders_are_the_entries_that_reach_beyond_their_name():
    assert scan(sample().blob()).tables["hiders"].to_pylist() == [
        {"path": "a", "kind": "hardlink", "link_target": "usr/b"},
        {"path": "gone", "kind": "whiteout", "link_target": None},
        {"path": "lib", "kind": "symlink", "link_target": "usr/lib"},
        {"path": "var", "kind": "opaque", "link_target": None},
    ]


def index(built: BuiltLayer) -> tuple[list[int], list[int]]:
    row = scan(built).tables["path_index"].to_pylist()[0]
    return np.frombuffer(row["files"], "<u8").tolist(), np.frombuffer(row["dirs"], "<u8").tolist()


def test_the_path_index_holds_sorted_hashes():
    files, dirs = index(sample().blob())
    assert files == sorted(path_hash(p) for p in ("usr/b", "lib", "a", "null"))
    assert dirs == [path_hash("usr")]
    assert index(built_layer(b"")) == ([], [])


def test_of_two_entries_with_one_path_the_last_one_counts():
    built = LayerBuilder().symlink("x", "y").dir("x").dir("z").file("z", "").whiteout("z").blob()
    assert index(built) == ([path_hash("z")], [path_hash("x")])
    assert scan(built).tables["hiders"].to_pylist() == [{"path": "z", "kind": "whiteout", "link_target": None}]
    assert len(scan(built).tables["entries"]) == 5


def test_the_stats_are_measured():
    built = sample().blob()
    stats = scan(built).stats
    assert (stats.size_bytes, stats.entries, stats.diff_id) == (built.size, 7, built.diff_id)
    assert stats.uncompressed_bytes == len(sample().tar())
    assert stats.seconds > 0


def test_a_layer_scan_travels_and_repeats():
    facts = scan(sample().blob(), Recorder())
    assert pickle.loads(pickle.dumps(facts)).tables["entries"].equals(facts.tables["entries"])
    again = scan(sample().blob("zstd"), Recorder(), chunk=13)
    assert {name: table.to_pylist() for name, table in again.tables.items()} == {
        name: table.to_pylist() for name, table in facts.tables.items()
    }


# --- detectors -----------------------------------------------------------------------------------


def test_rows_of_a_detector_are_facts_or_notes():
    def tell(paths: list[str]) -> list[dict[str, object]]:
        return [
            {"path": "b", "id": "debian"},
            {"path": "a", "id": "alpine", "version_id": "3"},
            {"path": paths[0], "note_code": "Unparsable", "note_message": "line 3"},
        ]

    facts = scan(LayerBuilder().file("odd", "x").blob(), Teller(tell))
    assert [(r["path"], r["id"], r["version_id"]) for r in facts.tables["distros"].to_pylist()] == [
        ("a", "alpine", "3"),
        ("b", "debian", None),
    ]
    assert "note_code" not in facts.tables["distros"].schema.names
    assert facts.tables["notes"].to_pylist() == [
        {"detector": "distros", "path": "odd", "code": "Unparsable", "message": "line 3"}
    ]


def test_a_detector_that_raises_fails_the_layer_without_a_word_of_the_content():
    def tell(paths: list[str]) -> list[dict[str, object]]:
        raise ValueError("password=hunter2")

    built = LayerBuilder().file("f", "password=hunter2").blob()
    with pytest.raises(DetectorFailed) as caught:
        scan(built, Teller(tell))
    assert caught.value.message.startswith("distros raised ValueError in test_scan_layer.py:")
    assert caught.value.where == built.digest
    error: BaseException | None = caught.value
    while error is not None:
        assert "hunter2" not in f"{error} {error!r}"
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def test_a_detector_that_breaks_its_contract_fails_the_layer():
    built = LayerBuilder().file("f", "x").blob()
    with pytest.raises(DetectorFailed, match="without id"):
        scan(built, Teller(lambda paths: [{"path": "f"}]))

    class Stray(Recorder):
        def detect(self, files: pa.RecordBatch) -> pa.RecordBatch:
            return files

    with pytest.raises(DetectorFailed, match="schema"):
        scan(built, Stray())


def test_a_detector_without_files_is_not_called_and_has_an_empty_table():
    recorder = Recorder()
    assert len(scan(LayerBuilder().dir("d").blob(), recorder).tables["secrets"]) == 0
    assert recorder.batches == []


# --- errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("builder", "error"),
    [
        (LayerBuilder().file("a", "x").raw(b"damaged " * 64), TarCorrupt),
        (LayerBuilder().file("../a", "x"), PathEscapesRoot),
    ],
)
@pytest.mark.parametrize("compression", ["gzip", "none"])
def test_an_error_of_content_is_believed_only_if_the_digest_is_right(builder, error, compression):
    built = builder.file("more", random.Random(1).randbytes(600_000)).blob(compression)
    with pytest.raises(error) as caught:
        scan(built)
    assert caught.value.where == built.digest
    with pytest.raises(DigestMismatch):
        scan(replace(built, digest=digest_of(b"other")))
    with pytest.raises(LayerTruncated, match="of"):
        scan(replace(built, data=built.data[:-100]))


def test_an_error_page_in_place_of_a_blob():
    built = LayerBuilder().file("a", random.Random(2).randbytes(5000)).blob()
    with pytest.raises(LayerTruncated):
        scan(replace(built, data=b"<html>busy</html>"))
    with pytest.raises(DigestMismatch):
        scan(replace(built, data=b"<html>busy</html>".ljust(built.size)))


def test_a_wrong_diff_id_fails_the_layer():
    with pytest.raises(DiffIdMismatch):
        scan(replace(sample().blob(), diff_id=digest_of(b"")))


def test_a_broken_connection_is_not_the_layers_fault():
    built = sample().blob("none")

    def chunks() -> Iterator[bytes]:
        yield built.data[:700]
        raise NetworkConnectError("reset")

    with pytest.raises(NetworkConnectError) as caught:
        scan_layer(chunks(), built.layer, [])
    assert caught.value.retryable


# --- memory --------------------------------------------------------------------------------------


def test_memory_does_not_grow_with_the_layer():
    """300 MB of files flow through; Python and Arrow hold the batch, a piece and the listing."""
    one = LayerBuilder().file("f", random.Random(4).randbytes(MIB)).tar(end=False)
    member = gzip.compress(one, 1)

    class Silent(Recorder):
        def detect(self, files: pa.RecordBatch) -> pa.RecordBatch:
            return pa.RecordBatch.from_pylist([], schema=self.schema)

    peaks = []
    for files in (30, 300):
        data = member * files
        described, limits = Layer(digest_of(data), len(data), ""), Limits(batch_bytes=8 * MIB)
        chunks = (data[i : i + 65536] for i in range(0, len(data), 65536))
        tracemalloc.start()
        arrow = pa.total_allocated_bytes()
        facts = scan_layer(chunks, described, [Silent()], limits)
        peaks.append(tracemalloc.get_traced_memory()[1] + pa.total_allocated_bytes() - arrow)
        tracemalloc.stop()
        assert facts.stats.entries == files
    assert peaks[1] < 16 * MIB
    assert peaks[1] < peaks[0] + MIB


# --- real layers ---------------------------------------------------------------------------------


def layers_of(archive: tarfile.TarFile) -> Iterator[BuiltLayer]:
    """Every layer of every image of an OCI layout in a tar."""

    def blob(digest: str) -> bytes:
        file = archive.extractfile(
            next(n for n in archive.getnames() if n.endswith("blobs/" + digest.replace(":", "/")))
        )
        assert file is not None
        return file.read()

    index = next(name for name in archive.getnames() if name.removeprefix("./") == "index.json")
    file = archive.extractfile(index)
    assert file is not None
    pending = json.load(file)["manifests"]
    while pending:
        manifest = json.loads(blob(pending.pop()["digest"]))
        pending += manifest.get("manifests", [])
        if "layers" in manifest:
            config = json.loads(blob(manifest["config"]["digest"]))
            for descriptor, diff_id in zip(manifest["layers"], config["rootfs"]["diff_ids"], strict=True):
                data = blob(descriptor["digest"])
                yield BuiltLayer(descriptor["digest"], descriptor["size"], diff_id, descriptor["mediaType"], data)


@pytest.mark.data
@pytest.mark.parametrize(
    "image",
    [
        "alpine-3.20.3",
        "alpine-3.6.5",
        "busybox-latest-musl-amd64",
        "debian-bullseye-essential-amd64",
        "app-alpine-3.10",
    ],
)
def test_real_images_are_listed_as_tarfile_lists_them(shared_images, image):
    count = 0
    with tarfile.open(shared_images / f"{image}.oci.tar") as archive:
        for built in layers_of(archive):
            count += 1
            recorder = Recorder()
            facts = scan(built, recorder)
            data = zlib.decompress(built.data, 31) if built.data[:2] == b"\x1f\x8b" else built.data
            assert facts.tables["entries"].to_pylist() == without_root(as_tarfile_sees_it(data))
            with tarfile.open(fileobj=io.BytesIO(data)) as tar:
                for info in tar.getmembers()[::20]:
                    if info.isreg() and info.size:
                        file = tar.extractfile(info)
                        assert file is not None
                        assert recorder.files[info.name.removeprefix("./").lstrip("/")] == file.read()
    assert count


def small_fixture(folder, name: str) -> bytes:
    with zipfile.ZipFile(folder / "small-fixtures.zip") as archive:
        return archive.read(name)


SCALIBR = "osv-scalibr/artifact/image/"


@pytest.mark.data
@pytest.mark.parametrize(
    "name",
    [
        "go-containerregistry/pkg/v1/mutate/testdata/whiteout_dir.tar",
        "claircore/rhel/testdata/rhcos-layer-with-conflicting-files.tar",
        "claircore/rhel/testdata/rhcos-layer-with-embedded-cs.tar",
        SCALIBR + "unpack/testdata/symlinks.tar",
        SCALIBR + "tar/testdata/basic.tar",
    ],
)
def test_small_layers_of_other_projects(shared_images, name):
    data = small_fixture(shared_images, name)
    facts = scan(built_layer(data, "none"))
    assert facts.tables["entries"].to_pylist() == without_root(as_tarfile_sees_it(data))


@pytest.mark.data
def test_a_layer_that_escapes_by_symlinks_is_listed_as_it_is(shared_images):
    """Following symlinks is for whoever has all layers in view; nothing is followed or unpacked here."""
    data = small_fixture(shared_images, SCALIBR + "unpack/testdata/escape.tar")
    facts = scan(built_layer(data, "none"))
    assert facts.tables["entries"].to_pylist() == without_root(as_tarfile_sees_it(data))
    escape = next(row for row in facts.tables["hiders"].to_pylist() if row["path"] == "escape")
    assert escape["kind"] == "symlink"
    assert escape["link_target"].endswith("../tmp")


@pytest.mark.data
def test_tars_of_other_projects_end_well_or_with_our_error(shared_images):
    with zipfile.ZipFile(shared_images / "small-fixtures.zip") as archive:
        names = [n for n in archive.namelist() if n.endswith((".tar", ".tar.gz", ".tar.zst"))]
        assert len(names) > 15
        ended = {}
        for name in names:
            try:
                ended[name] = len(scan(built_layer(b"", data=archive.read(name)), Recorder()).tables["entries"])
            except DiffIdMismatch:  # all was read: only the made-up diff_id is wrong
                ended[name] = -1
            except GridError as error:
                ended[name] = -2
                assert error.code in ("TarCorrupt", "PathEscapesRoot", "LayerTruncated"), (name, error)
        assert sum(value == -2 for value in ended.values()) <= 2, ended


@pytest.mark.data
def test_concatenated_tars_of_claircore(shared_images):
    data = small_fixture(shared_images, "claircore/pkg/tarfs/testdata/concat.tar")
    with tarfile.open(fileobj=io.BytesIO(data), ignore_zeros=True) as archive:
        names = {n.removeprefix("./").strip("/") for n in archive.getnames()} - {".", ""}
    assert set(listing(built_layer(data, "none"))) == names
    assert notes(scan(built_layer(data, "none"))) == set()

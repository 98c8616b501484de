"""OCI layouts and docker-save archives on disk."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import json
import lzma
import os
import tarfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import zstandard

from grid.errors import (
    ArchiveInvalid,
    BlobUnknown,
    ConfigInvalid,
    DigestMismatch,
    GridError,
    ManifestUnknown,
    ReferenceInvalid,
    RepositoryUnknown,
)
from grid.model import LINUX_AMD64, Image, Layer, Platform, Reference
from grid.registries import Access, Registry, connect
from grid.testing import ImageBuilder, IndexBuilder, LayerBuilder, write_docker_archive, write_layout

BASE = LayerBuilder().file("etc/os-release", b"ID=alpine\n")
APP = LayerBuilder().file("app/main", os.urandom(3_000_000))
AMD, ARM = ImageBuilder(BASE, APP), ImageBuilder(BASE, platform="linux/arm64/v8")


def pack(folder: Path, file: Path) -> Path:
    with tarfile.open(file, "w") as archive:
        for path in sorted(folder.rglob("*")):
            archive.add(path, str(path.relative_to(folder)), recursive=False)
    return file


def read(registry: Registry, layer: Layer) -> bytes:
    with registry.open_blob("", layer) as chunks:
        return b"".join(chunks)


def names(registry: Registry) -> list[tuple[str, str]]:
    return [(repository, tag) for repository in registry.repositories() for tag in registry.tags(repository)]


def check_layers(registry: Registry, image: Image) -> None:
    assert image.layers
    for layer in image.layers:
        content = read(registry, layer)
        assert f"sha256:{hashlib.sha256(content).hexdigest()}" == layer.digest
        assert len(content) == layer.size


@pytest.fixture(params=["oci", "oci-archive"])
def layout(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[Path], Registry]:
    """Opens a layout folder, as it is and as a tar of it."""

    def open_layout(folder: Path) -> Registry:
        path = folder if request.param == "oci" else pack(folder, tmp_path / "packed.tar")
        return connect(Access(request.param, str(path)))

    return open_layout


# --- layouts -------------------------------------------------------------------------------------


def test_a_layout_names_its_images_and_gives_their_bytes(layout: Callable[[Path], Registry], tmp_path: Path) -> None:
    digests = write_layout(tmp_path / "l", {"team/app:1.0": IndexBuilder(AMD, ARM, attestations=True), "latest": AMD})
    registry = layout(tmp_path / "l")
    assert names(registry) == [("team/app", "1.0"), ("", "latest")]
    assert registry.digest("team/app", "1.0") == digests["team/app:1.0"]
    [image] = registry.resolve("team/app", "1.0", (LINUX_AMD64,))
    assert (image.ref_digest, image.digest) == (digests["team/app:1.0"], AMD.build().digest)
    check_layers(registry, image)
    assert [str(i.platform) for i in registry.resolve("team/app", "1.0", ())] == ["linux/amd64", "linux/arm64/v8"]
    assert registry.resolve("", digests["latest"], ())[0].digest == AMD.build().digest
    registry.close()


def test_a_nameless_image_has_its_digest_for_a_tag(layout: Callable[[Path], Registry], tmp_path: Path) -> None:
    digest = write_layout(tmp_path / "l", {"": AMD})[""]
    registry = layout(tmp_path / "l")
    assert names(registry) == [("", digest)]
    assert registry.digest("", "") == registry.digest("", digest) == digest


@pytest.mark.parametrize("name", ["app:1\x1b[2J", "a\nb:1", "x" * 2000])
def test_what_a_terminal_would_obey_or_no_registry_would_take_is_no_name(
    layout: Callable[[Path], Registry], tmp_path: Path, name: str
) -> None:
    write_layout(tmp_path / "l", {name: AMD})
    assert names(layout(tmp_path / "l")) == [("", AMD.build().digest)]
    write_docker_archive(tmp_path / "s.tar", {name: AMD})
    [(repository, tag)] = names(connect(Access("docker-archive", str(tmp_path / "s.tar"))))
    assert (repository, tag[:7]) == ("", "sha256:")


def test_containerd_names_stand_in(layout: Callable[[Path], Registry], tmp_path: Path) -> None:
    write_layout(tmp_path / "l", {"1.0": AMD})
    index = json.loads((tmp_path / "l" / "index.json").read_text())
    index["manifests"][0]["annotations"]["io.containerd.image.name"] = "docker.io/team/app:1.0"
    (tmp_path / "l" / "index.json").write_text(json.dumps(index))
    registry = layout(tmp_path / "l")
    assert names(registry) == [("docker.io/team/app", "1.0")]
    assert registry.digest("", "1.0") == registry.digest("docker.io/team/app", "1.0") == AMD.build().digest


def test_one_name_for_two_platforms_is_an_index(layout: Callable[[Path], Registry], tmp_path: Path) -> None:
    write_layout(tmp_path / "l", {"app:1": AMD, "app:2": ARM})
    index = json.loads((tmp_path / "l" / "index.json").read_text())
    for child in index["manifests"]:
        child["annotations"]["org.opencontainers.image.ref.name"] = "app:1"
    (tmp_path / "l" / "index.json").write_text(json.dumps(index))
    registry = layout(tmp_path / "l")
    digest = registry.digest("app", "1")
    [image] = registry.resolve("app", digest, (Platform("linux", "arm64"),))
    assert (image.digest, image.ref_digest) == (ARM.build().digest, digest)
    assert len(registry.resolve("app", "1", ())) == 2


def test_several_images_want_a_name(layout: Callable[[Path], Registry], tmp_path: Path) -> None:
    write_layout(tmp_path / "l", {"app:1": AMD, "app:2": ARM})
    registry = layout(tmp_path / "l")
    with pytest.raises(ManifestUnknown, match="name one of: app:1, app:2"):
        registry.digest("", "")
    with pytest.raises(ManifestUnknown, match="app:3"):
        registry.digest("app", "3")
    with pytest.raises(RepositoryUnknown):
        list(registry.tags("other"))


def test_a_missing_or_altered_blob_is_told(layout: Callable[[Path], Registry], tmp_path: Path) -> None:
    gone = AMD.layers[1].digest
    write_layout(tmp_path / "l", {"app:1": AMD}, without=[gone])
    registry = layout(tmp_path / "l")
    [image] = registry.resolve("app", "1", ())
    with pytest.raises(BlobUnknown, match=gone):
        read(registry, image.layers[1])
    registry.close()
    manifest = tmp_path / "l" / "blobs" / AMD.build().digest.replace(":", "/")
    manifest.write_bytes(manifest.read_bytes() + b" ")
    with pytest.raises(DigestMismatch):
        layout(tmp_path / "l").resolve("app", "1", ())


def test_a_path_in_a_digest_leads_nowhere(layout: Callable[[Path], Registry], tmp_path: Path) -> None:
    write_layout(tmp_path / "l", {"app:1": AMD})
    (tmp_path / "secret").write_text("x")
    registry = layout(tmp_path / "l")
    with pytest.raises(GridError, match="not a digest"):
        read(registry, Layer("sha256:../../../secret", 1, ""))


@pytest.mark.parametrize(
    ("content", "error"),
    [(None, ArchiveInvalid), ("{", ArchiveInvalid), ("[]", ArchiveInvalid), ('{"manifests": [3]}', ArchiveInvalid)],
)
def test_a_folder_that_is_no_layout_is_invalid(
    layout: Callable[[Path], Registry], tmp_path: Path, content: str | None, error: type[GridError]
) -> None:
    (tmp_path / "l").mkdir()
    (tmp_path / "l" / "note").write_text("x")
    if content is not None:
        (tmp_path / "l" / "index.json").write_text(content)
    with pytest.raises(error):
        list(layout(tmp_path / "l").repositories())


@pytest.mark.parametrize("kind", ["oci", "oci-archive", "docker-archive"])
def test_a_path_that_is_not_there_is_the_users_mistake(kind: str, tmp_path: Path) -> None:
    with pytest.raises(ReferenceInvalid):
        list(connect(Access(kind, str(tmp_path / "none"))).repositories())


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress, zstandard.ZstdCompressor().compress])
def test_compressed_archives_are_read_the_same(tmp_path: Path, compress: Callable[[bytes], bytes]) -> None:
    write_layout(tmp_path / "l", {"app:1": AMD})
    file = tmp_path / "packed.tar.x"
    file.write_bytes(compress(pack(tmp_path / "l", tmp_path / "packed.tar").read_bytes()))
    registry = connect(Access("oci-archive", str(file)))
    check_layers(registry, registry.resolve("app", "1", ())[0])


@pytest.mark.parametrize("cut", [100, 5000, 100_000])
def test_a_cut_archive_is_invalid(tmp_path: Path, cut: int) -> None:
    write_layout(tmp_path / "l", {"app:1": AMD})
    whole = pack(tmp_path / "l", tmp_path / "packed.tar").read_bytes()
    for name, content in (("plain", whole), ("zipped", gzip.compress(whole))):
        file = tmp_path / name
        file.write_bytes(content[:cut])
        with pytest.raises(ArchiveInvalid):
            connect(Access("oci-archive", str(file))).digest("app", "1")


def test_many_threads_read_one_archive(tmp_path: Path) -> None:
    write_layout(tmp_path / "l", {"app:1": AMD})
    registry = connect(Access("oci-archive", str(pack(tmp_path / "l", tmp_path / "packed.tar"))))
    [image] = registry.resolve("app", "1", ())
    with ThreadPoolExecutor(8) as threads:
        for _ in threads.map(lambda _: check_layers(registry, image), range(32)):
            pass


# --- docker save ---------------------------------------------------------------------------------


def test_a_docker_archive_names_images_and_gives_layers_as_stored(tmp_path: Path) -> None:
    file = tmp_path / "saved.tar"
    write_docker_archive(file, {"team/app:1.0": AMD, "": ImageBuilder(BASE)})
    registry = connect(Access("docker-archive", str(file)))
    config = f"sha256:{hashlib.sha256(AMD.config_bytes()).hexdigest()}"
    bare = f"sha256:{hashlib.sha256(ImageBuilder(BASE).config_bytes()).hexdigest()}"
    assert names(registry) == [("team/app", "1.0"), ("", bare)]
    assert registry.digest("team/app", "1.0") == registry.digest("", "team/app:1.0") == config
    [image] = registry.resolve("team/app", "1.0", (LINUX_AMD64,))
    assert (image.digest, image.config_digest) == (config, config)
    assert [layer.digest for layer in image.layers] == [layer.diff_id for layer in AMD.layers]
    check_layers(registry, image)
    other = connect(Access("docker-archive", str(file)))  # a worker that has not resolved the image
    assert read(other, image.layers[1]) == read(registry, image.layers[1])


def test_latest_may_be_left_out(tmp_path: Path) -> None:
    write_docker_archive(tmp_path / "s.tar", {"app:latest": AMD, "app:2": ARM})
    registry = connect(Access("docker-archive", str(tmp_path / "s.tar")))
    assert registry.digest("", "app") == registry.digest("app", "latest")
    with pytest.raises(ManifestUnknown, match="app:latest, app:2"):
        registry.digest("", "")


def saved(file: Path, members: dict[str, bytes | tuple[bytes, str]]) -> Registry:
    """A tar of members; a tuple is a link: (type, target)."""
    with tarfile.open(file, "w") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            if isinstance(content, tuple):
                info.type, info.linkname = content
                archive.addfile(info)
            else:
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    return connect(Access("docker-archive", str(file)))


def save_manifest(*layers: str, config: str = "c.json") -> bytes:
    return json.dumps([{"Config": config, "RepoTags": ["app:1"], "Layers": list(layers)}]).encode()


def test_linked_and_compressed_layers_are_found(tmp_path: Path) -> None:
    plain, packed = BASE.tar(), APP.blob("gzip")
    config = ImageBuilder(BASE, BASE, BASE, APP, APP).config_bytes()
    blob = f"blobs/sha256/{packed.digest[7:]}"
    registry = saved(
        tmp_path / "s.tar",
        {
            "a/layer.tar": plain,
            "b/layer.tar": (tarfile.SYMTYPE, "../a/layer.tar"),
            "c/layer.tar": (tarfile.LNKTYPE, "a/layer.tar"),
            blob: packed.data,
            "d/layer.tar": packed.data,
            "c.json": config,
            "manifest.json": save_manifest("a/layer.tar", "b/layer.tar", "c/layer.tar", blob, "d/layer.tar"),
        },
    )
    [image] = registry.resolve("app", "1", ())
    check_layers(registry, image)
    assert [layer.digest for layer in image.layers[3:]] == [packed.digest] * 2
    assert image.layers[3].media_type.endswith("tar.gzip")


def test_a_circle_of_links_and_a_missing_layer_fail_only_the_layer(tmp_path: Path) -> None:
    members: dict[str, bytes | tuple[bytes, str]] = {
        "a/layer.tar": (tarfile.SYMTYPE, "../b/layer.tar"),
        "b/layer.tar": (tarfile.SYMTYPE, "../a/layer.tar"),
        "c.json": ImageBuilder(BASE).config_bytes(),
        "manifest.json": save_manifest("a/layer.tar"),
    }
    registry = saved(tmp_path / "s.tar", members)
    [image] = registry.resolve("app", "1", ())
    with pytest.raises(BlobUnknown):
        read(registry, image.layers[0])


def test_a_missing_configuration_fails_only_its_image(tmp_path: Path) -> None:
    registry = saved(tmp_path / "s.tar", {"manifest.json": save_manifest("a/layer.tar")})
    assert names(registry) == [("app", "1")]
    with pytest.raises(BlobUnknown, match="configuration"):
        registry.resolve("app", "1", ())
    broken = saved(tmp_path / "t.tar", {"c.json": b"no", "manifest.json": save_manifest()})
    with pytest.raises(ConfigInvalid):
        broken.resolve("app", "1", ())


@pytest.mark.parametrize("manifest", [None, b"{", b"{}", b"[3]", b'[{"Config": 1, "Layers": []}]'])
def test_a_tar_that_is_no_docker_archive_is_invalid(tmp_path: Path, manifest: bytes | None) -> None:
    registry = saved(tmp_path / "s.tar", {"x": b"y"} if manifest is None else {"manifest.json": manifest})
    with pytest.raises(ArchiveInvalid):
        list(registry.repositories())


# --- real ones -----------------------------------------------------------------------------------


@pytest.mark.data
def test_real_layouts_resolve(shared_images: Path) -> None:
    registry = connect(Access("oci-archive", str(shared_images / "alpine-3.10.9.oci.tar")))
    assert names(registry) == [("alpine", "3.10.9")]
    images = registry.resolve("alpine", "3.10.9", ())
    assert [str(image.platform) for image in images] == ["linux/amd64", "linux/arm64/v8"]
    for image in images:
        check_layers(registry, image)


@pytest.mark.data
def test_real_docker_archives_resolve(shared_images: Path) -> None:
    registry = connect(Access("docker-archive", str(shared_images / "docker-archive-alpine-310.tar.gz")))
    [image] = registry.resolve("alpine", "3.10", (LINUX_AMD64,))
    assert image.digest == "sha256:af341ccd2df8b0e2d67cf8dd32e087bfda4e5756ebd1c76bbf3efa0dc246590e"
    assert [layer.size for layer in image.layers] == [5818880]
    check_layers(registry, image)
    linked = connect(Access("docker-archive", str(shared_images / "docker-archive-symbolic.tar")))
    [image] = linked.resolve("", "", (LINUX_AMD64,))
    assert len(image.layers) == 9
    check_layers(linked, image)


@pytest.mark.parametrize(
    ("text", "path", "repository", "target"),
    [
        ("oci:some/folder", "some/folder", "", ""),
        ("oci:some/folder:1.0", "some/folder", "", "1.0"),
        ("oci-archive:a.tar:team/app:1.0", "a.tar", "team/app", "1.0"),
        ("oci-archive:a.tar:localhost:5000/app", "a.tar", "", "localhost:5000/app"),
        ("docker-archive:a.tar:app:1.0", "a.tar", "app", "1.0"),
        (f"oci:l:sha256:{'a' * 64}", "l", "", f"sha256:{'a' * 64}"),
    ],
)
def test_local_references_split_as_skopeo_splits_them(text: str, path: str, repository: str, target: str) -> None:
    reference = Reference.parse(text)
    assert (reference.path, reference.repository, reference.target) == (path, repository, target)
    assert str(reference) == text

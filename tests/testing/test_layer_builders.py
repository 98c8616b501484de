import gzip
import io
import json
import shutil
import subprocess
import tarfile

import pytest

from grid.testing import ImageBuilder, IndexBuilder, LayerBuilder, RawManifest, write_docker_archive, write_layout
from grid.testing.layers import DOCKER_LIST, DOCKER_MANIFEST, digest_of


def app(**options) -> ImageBuilder:
    base = LayerBuilder().file("etc/os-release", "ID=debian\n")
    return ImageBuilder(base, LayerBuilder().file("app", "x").whiteout("etc/motd"), config={"User": "app"}, **options)


def skopeo(*arguments: object) -> dict[str, object]:
    if shutil.which("skopeo") is None:
        pytest.skip("skopeo is not installed")
    done = subprocess.run(["skopeo", *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_same_calls_give_the_same_digests():
    for compression in ("gzip", "zstd", "none"):
        one, two = app(compression=compression).build(), app(compression=compression).build()
        assert one.digest == two.digest
    assert app().build().digest != app(platform="linux/arm64").build().digest


def test_a_layer_is_a_tar_that_the_standard_library_reads():
    builder = (
        LayerBuilder("pax")
        .file("a", b"content", mode=0o600, uid=7, gid=8)
        .symlink("b", "a")
        .hardlink("c", "a")
        .opaque("d")
        .whiteout("d/e")
        .device("f", "block", 8, 1)
    )
    blob = builder.blob()
    assert blob.diff_id == digest_of(gzip.decompress(blob.data))
    assert (blob.digest, blob.size) == (digest_of(blob.data), len(blob.data))
    assert b"".join(blob.chunks(10)) == blob.data
    with tarfile.open(fileobj=io.BytesIO(builder.tar())) as archive:
        assert archive.getnames() == ["a", "b", "c", "d/.wh..wh..opq", "d/.wh.e", "f"]
        assert archive.extractfile("a").read() == b"content"
        assert (archive.getmember("a").uid, archive.getmember("f").devmajor) == (7, 8)


@pytest.mark.parametrize("compression", ["gzip", "zstd", "none"])
def test_skopeo_accepts_a_layout(tmp_path, compression):
    image = app(compression=compression)
    digests = write_layout(tmp_path, {"app:1": image})
    seen = skopeo("inspect", f"oci:{tmp_path}:app:1")
    assert seen["Digest"] == digests["app:1"] == image.build().digest
    assert seen["Layers"] == [layer.digest for layer in image.layers]
    config = skopeo("inspect", "--config", f"oci:{tmp_path}:app:1")
    assert config["config"] == {"User": "app"}
    assert config["rootfs"]["diff_ids"] == [layer.diff_id for layer in image.layers]


def test_skopeo_chooses_from_an_index(tmp_path):
    write_layout(tmp_path, {"multi": IndexBuilder(app(), app(platform="linux/arm64/v8"), attestations=True)})
    for arch in ("amd64", "arm64"):
        seen = skopeo("--override-arch", arch, "inspect", f"oci:{tmp_path}:multi")
        assert seen["Architecture"] == arch


def test_skopeo_accepts_a_docker_archive(tmp_path):
    image = app(docker=True)
    write_docker_archive(tmp_path / "saved.tar", {"app:1": image, "other:2": app(platform="linux/arm64")})
    seen = skopeo("inspect", f"docker-archive:{tmp_path / 'saved.tar'}:docker.io/library/app:1")
    assert seen["Layers"] == [layer.diff_id for layer in image.layers]


def test_docker_media_types():
    built = IndexBuilder(app(docker=True), docker=True).build()
    assert built.media_type == DOCKER_LIST
    assert built.children[0].media_type == DOCKER_MANIFEST
    assert b"vnd.oci" not in b"".join([built.manifest, built.children[0].manifest])


def test_a_layout_may_be_damaged_on_purpose(tmp_path):
    image = app()
    lost = image.layers[1].digest
    digests = write_layout(
        tmp_path,
        {"lost": image, "chart": RawManifest.artifact("application/x-chart", b"chart"), "": RawManifest(b"not json")},
        without=[lost],
    )
    blobs = {"sha256:" + file.name for file in (tmp_path / "blobs" / "sha256").iterdir()}
    assert lost not in blobs
    assert set(digests.values()) <= blobs
    names = [m.get("annotations") for m in json.loads((tmp_path / "index.json").read_text())["manifests"]]
    assert names[2] is None

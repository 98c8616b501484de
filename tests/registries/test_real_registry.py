"""The same client against Debian's docker-registry, filled with skopeo, and skopeo's word for what is right."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from grid.errors import FailedToVerifyUsernameOrPwd, NetworkConnectError, RegistryVersionError, TlsError
from grid.model import LINUX_AMD64, Layer, Platform
from grid.registries import Access, Registry, connect
from grid.registries.docker import connect as connect_docker
from grid.registries.wire import Patience
from grid.testing import ImageBuilder, LayerBuilder, RawManifest, write_layout

pytestmark = pytest.mark.registry

COPY = ("skopeo", "--insecure-policy", "copy", "--quiet", "--dest-tls-verify=false")
REAL = {
    "alpine-3.18.9.oci.tar:alpine:3.18.9": "base/alpine:3.18.9",
    "app-alpine-3.10.oci.tar:app-alpine-3.10:1": "team/app:1",
    "busybox-latest-musl-amd64.oci.tar:busybox:1.38.0-musl": "base/busybox:musl",
}


def inspect(registry: Any, name: str, *options: str) -> bytes:
    command = ["skopeo", "--insecure-policy", "inspect", "--tls-verify=false", *options]
    return subprocess.run([*command, f"docker://{registry.address}/{name}"], check=True, capture_output=True).stdout


@pytest.fixture(scope="module")
def filled(docker_registry: Any, shared_images: Path) -> Any:
    for source, name in REAL.items():
        docker_registry.push(f"oci-archive:{shared_images / source}", name)
    return docker_registry


def sha256_of(registry: Registry, repository: str, layer: Layer) -> str:
    sha256 = hashlib.sha256()
    with registry.open_blob(repository, layer) as chunks:
        for chunk in chunks:
            sha256.update(chunk)
    return f"sha256:{sha256.hexdigest()}"


@pytest.mark.data
def test_the_catalog_lists_what_was_pushed(filled: Any) -> None:
    registry = connect(filled.access())
    found = {f"{repository}:{tag}" for repository in registry.repositories() for tag in registry.tags(repository)}
    assert set(REAL.values()) <= found


@pytest.mark.data
@pytest.mark.parametrize("name", REAL.values())
def test_images_are_what_skopeo_says(filled: Any, name: str) -> None:
    repository, _, tag = name.partition(":")
    registry = connect(filled.access())
    raw = inspect(filled, name, "--raw")
    digest = f"sha256:{hashlib.sha256(raw).hexdigest()}"
    assert registry.digest(repository, tag) == digest
    [image] = registry.resolve(repository, tag, (LINUX_AMD64,))
    said = json.loads(inspect(filled, name))
    config = json.loads(inspect(filled, name, "--config"))
    assert image.ref_digest == digest
    assert [layer.digest for layer in image.layers] == said["Layers"]
    assert [layer.diff_id for layer in image.layers] == config["rootfs"]["diff_ids"]
    assert (image.platform.os, image.platform.arch) == (said["Os"], said["Architecture"])
    for layer in image.layers:
        assert sha256_of(registry, repository, layer) == layer.digest


@pytest.mark.data
def test_a_registry_and_the_archive_it_was_filled_from_agree(filled: Any, shared_images: Path) -> None:
    archive = connect(Access("oci-archive", str(shared_images / "alpine-3.18.9.oci.tar")))
    registry = connect(filled.access())
    for platforms in ((), (LINUX_AMD64,), (Platform("linux", "arm64"),)):
        pushed = registry.resolve("base/alpine", "3.18.9", platforms)
        assert pushed == archive.resolve("alpine", "3.18.9", platforms)
        assert len(pushed) == (1 if platforms else 2)


def test_docker_v2_manifests_and_artifacts(docker_registry: Any, tmp_path: Path) -> None:
    image = ImageBuilder(LayerBuilder().file("a", b"a"))
    write_layout(tmp_path / "l", {"a:1": image})
    docker_registry.push(f"oci:{tmp_path / 'l'}:a:1", "kinds/oci:1")
    done = subprocess.run(
        [*COPY, "--format", "v2s2", f"oci:{tmp_path / 'l'}:a:1", f"docker://{docker_registry.address}/kinds/docker:1"],
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr
    registry = connect(docker_registry.access())
    [oci] = registry.resolve("kinds/oci", "1", ())
    [docker] = registry.resolve("kinds/docker", "1", ())
    assert docker.media_type == "application/vnd.docker.distribution.manifest.v2+json"
    assert [layer.diff_id for layer in docker.layers] == [layer.diff_id for layer in oci.layers]
    write_layout(tmp_path / "c", {"c:1": RawManifest.artifact("application/vnd.cncf.helm.config.v1+json", b"chart")})
    docker_registry.push(f"oci:{tmp_path / 'c'}:c:1", "kinds/chart:1")
    [chart] = registry.resolve("kinds/chart", "1", (LINUX_AMD64,))
    assert (chart.status, chart.error_message) == ("unsupported", "not a container image: a Helm chart")


def test_htpasswd_is_met_by_a_named_login(
    start_docker_registry: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    private = start_docker_registry(htpasswd=("robot", "s3cret:pw"))
    write_layout(tmp_path / "l", {"a:1": ImageBuilder(LayerBuilder().file("a", b"a"))})
    private.push(f"oci:{tmp_path / 'l'}:a:1", "team/app:1")
    with pytest.raises(FailedToVerifyUsernameOrPwd):
        connect(private.access()).digest("team/app", "1")
    monkeypatch.setenv("SG_LOGIN", "robot:wrong")
    with pytest.raises(FailedToVerifyUsernameOrPwd):
        connect(private.access(credential="env:SG_LOGIN")).digest("team/app", "1")
    monkeypatch.setenv("SG_LOGIN", "robot:s3cret:pw")
    registry = connect(private.access(credential="env:SG_LOGIN"))
    assert list(registry.repositories()) == ["team/app"]
    [image] = registry.resolve("team/app", "1", (LINUX_AMD64,))
    assert sha256_of(registry, "team/app", image.layers[0]) == image.layers[0].digest
    auth = "cm9ib3Q6czNjcmV0OnB3"  # robot:s3cret:pw
    (tmp_path / "config.json").write_text(json.dumps({"auths": {private.address: {"auth": auth}}}))
    assert connect(private.access()).digest("team/app", "1") == image.digest


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that is its own CA, and its key."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl not installed")
    folder = tmp_path_factory.mktemp("tls")
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=test -addext subjectAltName=IP:127.0.0.1"
    files = ["-keyout", str(folder / "key"), "-out", str(folder / "crt")]
    subprocess.run([*command.split(), *files], check=True, capture_output=True)
    return folder / "crt", folder / "key"


def test_tls_needs_the_ca_and_gets_by_with_it(
    start_docker_registry: Callable[..., Any], certificate: tuple[Path, Path], tmp_path: Path
) -> None:
    secure = start_docker_registry(tls=certificate)
    write_layout(tmp_path / "l", {"a:1": ImageBuilder(LayerBuilder().file("a", b"a"))})
    secure.push(f"oci:{tmp_path / 'l'}:a:1", "team/app:1")
    with pytest.raises(TlsError, match="not trusted") as caught:
        connect(secure.access()).digest("team/app", "1")
    assert "ca_file" in caught.value.remedy
    registry = connect(secure.access(ca_file=str(certificate[0])))
    [image] = registry.resolve("team/app", "1", (LINUX_AMD64,))
    assert sha256_of(registry, "team/app", image.layers[0]) == image.layers[0].digest
    assert connect(secure.access(insecure_skip_verify=True)).digest("team/app", "1") == image.digest
    with pytest.raises(TlsError, match="cannot be read"):
        connect(secure.access(ca_file=str(tmp_path / "none"))).digest("team/app", "1")
    with pytest.raises(RegistryVersionError):  # http to a port that speaks TLS
        connect(secure.access(plain_http=True)).digest("team/app", "1")


def test_https_to_a_plain_port_names_the_remedy(docker_registry: Any) -> None:
    with pytest.raises(TlsError) as caught:
        connect(docker_registry.access(plain_http=False)).digest("a", "1")
    assert "plain_http" in caught.value.remedy


def test_a_registry_killed_in_the_middle_of_a_blob(start_docker_registry: Callable[..., Any], tmp_path: Path) -> None:
    mortal = start_docker_registry()
    content = os.urandom(48 << 20)  # more than any socket buffers, however it is compressed
    image = ImageBuilder(LayerBuilder().file("big", content))
    write_layout(tmp_path / "l", {"a:1": image})
    mortal.push(f"oci:{tmp_path / 'l'}:a:1", "team/app:1")
    patience = Patience(tries=4, first=0.05, longest=0.2, total=10)
    registry = connect_docker(mortal.access(timeout=2.0), patience)
    layer = registry.resolve("team/app", "1", (LINUX_AMD64,))[0].layers[0]
    with pytest.raises(NetworkConnectError), registry.open_blob("team/app", layer) as chunks:
        next(chunks)
        mortal.kill()
        start = time.monotonic()
        for _ in chunks:
            pass
    assert time.monotonic() - start < 15
    mortal.start()  # and one that comes back in time
    sha256 = hashlib.sha256()
    patient = connect_docker(mortal.access(timeout=2.0), Patience(tries=20, first=0.5, longest=1.0, total=60))
    with patient.open_blob("team/app", layer) as chunks:
        sha256.update(next(chunks))
        mortal.kill()
        reviver = threading.Timer(0.5, mortal.start)
        reviver.start()
        for chunk in chunks:
            sha256.update(chunk)
    reviver.join()
    assert f"sha256:{sha256.hexdigest()}" == layer.digest

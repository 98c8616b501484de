"""The distribution-spec client against a fake registry that behaves, or doesn't."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import logging
import os
import pickle
import stat
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from grid.errors import (
    BlobUnknown,
    ConfigInvalid,
    DigestMismatch,
    FailedToVerifyUsernameOrPwd,
    ForeignLayer,
    GridError,
    ManifestInvalid,
    ManifestUnknown,
    NetworkConnectError,
    RateLimited,
    RegistryError,
    RegistryUnavailable,
    RegistryVersionError,
    RepositoryUnknown,
    UserDoesNotHaveAdminRole,
)
from grid.model import LINUX_AMD64, Layer, Secret
from grid.registries import Access
from grid.registries.auth import Challenge, parse_challenges
from grid.registries.credentials import find_login
from grid.registries.docker import DockerRegistry, connect
from grid.registries.wire import Patience, retry_after
from grid.testing import FakeRegistry, ImageBuilder, IndexBuilder, LayerBuilder, RawManifest

BIG = LayerBuilder().file("big", os.urandom(3_000_000)).blob("gzip")
IMAGE = ImageBuilder(LayerBuilder().file("a", b"a"), BIG)
HASTE = Patience(tries=4, first=0.01, longest=0.02, total=20.0)
PASSWORD = "correct-horse-battery"


def open_registry(fake: FakeRegistry, **changes: Any) -> DockerRegistry:
    return connect(fake.access(**changes), HASTE)


@pytest.fixture(autouse=True)
def no_login_of_ours(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    monkeypatch.setenv("SG_LOGIN", f"robot:{PASSWORD}")


@pytest.fixture
def fake() -> Iterator[FakeRegistry]:
    with FakeRegistry() as registry:
        registry.add("team/app", "1.0", IMAGE)
        yield registry


def big_layer(registry: DockerRegistry) -> Layer:
    return registry.resolve("team/app", "1.0", (LINUX_AMD64,))[0].layers[1]


def read(registry: DockerRegistry, layer: Layer) -> bytes:
    with registry.open_blob("team/app", layer) as chunks:
        return b"".join(chunks)


# --- the sunny side ------------------------------------------------------------------------------


def test_a_known_image_costs_one_head_request(fake: FakeRegistry) -> None:
    registry = open_registry(fake)
    for _ in range(3):
        assert registry.digest("team/app", "1.0") == IMAGE.build().digest
    lines = [(seen.method, seen.path) for seen in fake.log]
    assert lines == [("GET", "/v2/")] + [("HEAD", "/v2/team/app/manifests/1.0")] * 3
    accept = fake.log[-1].headers["accept"]
    for kind in ("oci.image.index", "oci.image.manifest", "manifest.list.v2", "manifest.v2"):
        assert kind in accept


def test_an_image_resolves_and_streams(fake: FakeRegistry) -> None:
    registry = open_registry(fake)
    [image] = registry.resolve("team/app", "1.0", (LINUX_AMD64,))
    assert image.digest == IMAGE.build().digest
    with registry.open_blob("team/app", image.layers[1]) as chunks:
        sizes = []
        sha256 = hashlib.sha256()
        for chunk in chunks:
            sizes.append(len(chunk))
            sha256.update(chunk)
    assert f"sha256:{sha256.hexdigest()}" == BIG.digest
    assert max(sizes) <= 1 << 20
    assert len(sizes) > 3


def test_all_platforms_without_attestations(fake: FakeRegistry) -> None:
    arm = ImageBuilder(LayerBuilder().file("b", b"b"), platform="linux/arm64/v8")
    fake.add("multi", "1", IndexBuilder(IMAGE, arm, attestations=True))
    found = open_registry(fake).resolve("multi", "1", ())
    assert [str(image.platform) for image in found] == ["linux/amd64", "linux/arm64/v8"]
    assert len({image.ref_digest for image in found}) == 1


def test_a_thousand_requests_share_a_few_connections(fake: FakeRegistry) -> None:
    registry = open_registry(fake)
    with ThreadPoolExecutor(4) as threads:
        for _ in threads.map(lambda _: registry.digest("team/app", "1.0"), range(200)):
            pass
    registry.resolve("team/app", "1.0", ())
    assert fake.connections <= 4


def test_leaving_a_blob_in_the_middle_leaves_the_registry_usable(fake: FakeRegistry) -> None:
    registry = open_registry(fake)
    layer = big_layer(registry)
    for _ in range(3):
        with registry.open_blob("team/app", layer) as chunks:
            next(chunks)
    assert read(registry, layer) == BIG.data


def test_many_threads_share_one_registry(fake: FakeRegistry) -> None:
    registry = open_registry(fake)
    layer = big_layer(registry)
    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(lambda _: read(registry, layer) == BIG.data, range(24))) == {True}


@pytest.mark.parametrize("size", [0, 1, 3])
def test_lists_are_read_page_by_page(size: int) -> None:
    with FakeRegistry(page_size=size) as fake:
        for n in range(7):
            fake.add(f"team/app{n}", "1", IMAGE)
            fake.add("tagged", f"v{n}", IMAGE)
        registry = open_registry(fake)
        assert list(registry.repositories()) == sorted(["tagged", *(f"team/app{n}" for n in range(7))])
        assert list(registry.tags("tagged")) == [f"v{n}" for n in range(7)]


def test_names_that_a_terminal_would_obey_are_left_out_of_lists(fake: FakeRegistry) -> None:
    tags = list(fake.repositories["team/app"])
    fake.repositories["team/app"] |= dict.fromkeys(["2\x1b[2J", "x" * 2000], next(iter(fake.manifests)))
    fake.repositories["team/\x9bapp"] = {}
    registry = open_registry(fake)
    assert list(registry.repositories()) == ["team/app"]
    assert list(registry.tags("team/app")) == tags


@pytest.mark.parametrize("form", ["<http://{}/v2/_catalog?p=2>; rel=next", '</v2/_catalog?p=2>;rel="next"', "<?p=2>"])
def test_links_of_every_form_are_followed(fake: FakeRegistry, form: str) -> None:
    fake.fault("_catalog.n=", headers={"Link": form.format(fake.address)})
    assert list(open_registry(fake).repositories()) == ["team/app", "team/app"]


def test_links_elsewhere_and_in_circles_are_refused(fake: FakeRegistry) -> None:
    fake.fault("_catalog", headers={"Link": '<http://evil.example/v2/_catalog>; rel="next"'})
    with pytest.raises(RegistryError, match="another host"):
        list(open_registry(fake).repositories())
    fake.fault("_catalog", times=-1, headers={"Link": '</v2/_catalog?n=1000>; rel="next"'})
    with pytest.raises(RegistryError, match="circle"):
        list(open_registry(fake).repositories())


def test_docker_hub_has_its_own_addresses() -> None:
    registry = connect(Access("docker", "docker.io"))
    assert registry._base == "https://registry-1.docker.io"
    with pytest.raises(UserDoesNotHaveAdminRole, match="Docker Hub"):
        list(registry.repositories())


# --- digests -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [
        {"without": ("docker-content-digest",)},
        {"headers": {"Docker-Content-Digest": "latest"}},
        {"status": 405},
        {"status": 404},
    ],
)
def test_a_head_that_says_nothing_is_followed_by_a_get(fake: FakeRegistry, fault: dict[str, Any]) -> None:
    fake.fault("^HEAD", **fault)
    assert open_registry(fake).digest("team/app", "1.0") == IMAGE.build().digest
    assert [seen.method for seen in fake.log] == ["GET", "HEAD", "GET"]


def test_bytes_that_have_another_digest_are_refused(fake: FakeRegistry) -> None:
    fake.fault("GET .*manifests", corrupt=True)
    with pytest.raises(DigestMismatch):
        open_registry(fake).resolve("team/app", "1.0", ())
    fake.fault("GET .*blobs", corrupt=True)
    with pytest.raises(DigestMismatch, match="configuration"):
        open_registry(fake).resolve("team/app", "1.0", ())
    digest = fake.add_manifest("team/app", "2.0", b"{}")
    fake.manifests[digest] = (b'{"other": 1}', "")
    with pytest.raises(DigestMismatch):
        open_registry(fake).resolve("team/app", digest, ())


def test_a_manifest_may_not_be_endless(fake: FakeRegistry) -> None:
    fake.fault("GET .*manifests", status=200, body=b" " * (5 << 20))
    with pytest.raises(ManifestInvalid, match="4 MiB"):
        open_registry(fake).resolve("team/app", "1.0", ())


def test_a_configuration_that_is_no_json_is_invalid(fake: FakeRegistry) -> None:
    manifest = json.loads(IMAGE.build().manifest)
    config = b"<html>"
    manifest["config"] |= {"digest": f"sha256:{hashlib.sha256(config).hexdigest()}", "size": len(config)}
    fake.add("team/app", "bad", RawManifest(manifest, config))
    with pytest.raises(ConfigInvalid):
        open_registry(fake).resolve("team/app", "bad", ())


# --- refusals ------------------------------------------------------------------------------------


def oci_error(code: str) -> bytes:
    return json.dumps({"errors": [{"code": code, "message": "x"}]}).encode()


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (401, b"", FailedToVerifyUsernameOrPwd),
        (403, oci_error("DENIED"), UserDoesNotHaveAdminRole),
        (404, oci_error("NAME_UNKNOWN"), RepositoryUnknown),
        (404, oci_error("MANIFEST_UNKNOWN"), ManifestUnknown),
        (404, oci_error("NOT_FOUND"), ManifestUnknown),
        (404, b"", ManifestUnknown),
        (400, oci_error("NAME_INVALID"), RepositoryUnknown),
        (408, b"", RegistryUnavailable),
        (429, b"", RateLimited),
        (500, b"", RegistryUnavailable),
        (503, b"", RegistryUnavailable),
        (418, b"", RegistryError),
    ],
)
def test_every_refusal_has_its_code(fake: FakeRegistry, status: int, body: bytes, error: type[GridError]) -> None:
    fake.fault("manifests", times=-1, status=status, body=body)
    registry = open_registry(fake)
    for call in (lambda: registry.digest("team/app", "1.0"), lambda: registry.resolve("team/app", "1.0", ())):
        with pytest.raises(RegistryError) as caught:
            call()
        assert type(caught.value) is error
        pickle.loads(pickle.dumps(caught.value))


def test_what_is_not_there_is_named(fake: FakeRegistry) -> None:
    registry = open_registry(fake)
    with pytest.raises(RepositoryUnknown):
        registry.digest("nobody/nothing", "1")
    with pytest.raises(ManifestUnknown, match=r"9\.9"):
        registry.digest("team/app", "9.9")
    with pytest.raises(RepositoryUnknown):
        list(registry.tags("nobody/nothing"))
    with pytest.raises(RepositoryUnknown):
        registry.digest("../../etc", "1")
    with pytest.raises(BlobUnknown):
        read(registry, Layer("sha256:" + "0" * 64, 1, ""))


def test_a_foreign_layer_is_tried_and_then_named(fake: FakeRegistry) -> None:
    registry = open_registry(fake)
    kind = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
    with pytest.raises(ForeignLayer):
        read(registry, Layer("sha256:" + "0" * 64, 1, kind, urls=("https://example.org/x",)))
    assert read(registry, Layer(BIG.digest, BIG.size, kind)) == BIG.data


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 200, "headers": {"Content-Type": "text/html; charset=utf-8"}, "body": b"<html>"},
        {"status": 404, "headers": {"Content-Type": "text/html"}, "body": b"<html>"},
    ],
)
def test_a_web_site_is_not_a_registry(fake: FakeRegistry, fault: dict[str, Any]) -> None:
    fake.fault("GET /v2/$", **fault)
    with pytest.raises(RegistryVersionError):
        open_registry(fake).digest("team/app", "1.0")


def test_a_catalog_that_is_closed_asks_for_an_administrator(fake: FakeRegistry) -> None:
    for status in (403, 404, 405):
        fake.fault("_catalog", status=status)
        with pytest.raises(UserDoesNotHaveAdminRole) as caught:
            list(open_registry(fake).repositories())
        assert "list repositories instead" in caught.value.remedy
    fake.fault("_catalog", status=200, body=b"<html>")
    with pytest.raises(RegistryVersionError):
        list(open_registry(fake).repositories())


def test_nobody_at_home_is_a_network_error() -> None:
    with FakeRegistry() as gone:
        access = gone.access()
    with pytest.raises(NetworkConnectError, match="refused"):
        connect(access, HASTE).digest("a", "1")
    with pytest.raises(NetworkConnectError, match="does not resolve"):
        connect(Access("docker", "no-such-host.invalid", plain_http=True), HASTE).digest("a", "1")


# --- retries -------------------------------------------------------------------------------------


def test_what_can_pass_is_tried_again_a_few_times(fake: FakeRegistry) -> None:
    registry = open_registry(fake)
    fault = fake.fault("HEAD", times=3, status=503)
    assert registry.digest("team/app", "1.0")
    assert fault.times == 0
    fake.fault("HEAD", times=4, status=503)
    with pytest.raises(RegistryUnavailable):
        registry.digest("team/app", "1.0")
    fake.mend()
    fake.log.clear()
    fake.fault("HEAD", times=-1, status=403)
    with pytest.raises(UserDoesNotHaveAdminRole):
        registry.digest("team/app", "1.0")
    assert len(fake.log) == 1


def test_retry_after_is_honoured_and_clamped(fake: FakeRegistry) -> None:
    registry = open_registry(fake)
    fake.fault("HEAD", status=429, headers={"Retry-After": "0.00003"})
    start = time.monotonic()
    assert registry.digest("team/app", "1.0")
    assert 0.9 < time.monotonic() - start < 8
    assert retry_after("9999999") == 120.0
    assert retry_after("-5") == 1.0
    assert retry_after("Thu, 01 Jan 1970 00:00:00 GMT") == 1.0
    assert retry_after("soon") is retry_after("nan") is retry_after(None) is None


def test_a_wait_longer_than_we_have_is_not_begun(fake: FakeRegistry) -> None:
    fake.fault("HEAD", times=-1, status=429, headers={"Retry-After": "60"})
    start = time.monotonic()
    with pytest.raises(RateLimited) as caught:
        open_registry(fake).digest("team/app", "1.0")
    assert caught.value.retry_after == 60.0
    assert time.monotonic() - start < 10


def test_a_silent_registry_is_given_up(fake: FakeRegistry) -> None:
    fake.fault("HEAD", times=-1, delay=1.0)
    start = time.monotonic()
    with pytest.raises(NetworkConnectError, match=r"127\.0\.0\.1:\d+: timed out"):
        open_registry(fake, timeout=0.1).digest("team/app", "1.0")
    assert time.monotonic() - start < 10


def test_a_kept_connection_that_went_stale_is_replaced(fake: FakeRegistry) -> None:
    registry = open_registry(fake)
    registry.digest("team/app", "1.0")
    fake._server.break_connections()
    assert registry.digest("team/app", "1.0")


# --- blobs over bad links ------------------------------------------------------------------------


def test_a_broken_connection_is_continued_where_it_stopped(fake: FakeRegistry) -> None:
    registry = open_registry(fake)
    layer = big_layer(registry)
    fake.log.clear()
    fake.fault("blobs", times=3, break_after=700_000)
    assert read(registry, layer) == BIG.data
    ranges = [seen.headers.get("range") for seen in fake.log]
    assert len(ranges) == 4
    assert ranges[0] is None
    assert all(asked and asked.startswith("bytes=") for asked in ranges[1:])
    assert fake.log[1].headers["if-range"] == f'"{BIG.digest}"'


def test_a_link_that_breaks_often_but_brings_bytes_is_not_given_up(fake: FakeRegistry) -> None:
    registry = open_registry(fake)
    layer = big_layer(registry)
    fake.fault("blobs", times=15, break_after=100_000)
    assert read(registry, layer) == BIG.data


def test_a_registry_without_ranges_is_read_anew(fake: FakeRegistry) -> None:
    registry = open_registry(fake)
    layer = big_layer(registry)
    fake.fault("blobs", times=1, break_after=1_000_001)
    fake.fault("blobs", times=1, no_range=True)
    assert read(registry, layer) == BIG.data


def test_another_range_than_asked_for_is_refused(fake: FakeRegistry) -> None:
    registry = open_registry(fake)
    layer = big_layer(registry)
    fake.fault("blobs", times=1, break_after=1_000_000)
    fake.fault("blobs", times=1, headers={"Content-Range": "bytes 0-10/11"})
    with pytest.raises(RegistryError, match="another range"):
        read(registry, layer)


def test_silence_in_the_middle_is_a_broken_connection(fake: FakeRegistry) -> None:
    registry = open_registry(fake, timeout=0.3)
    layer = big_layer(registry)
    fake.fault("blobs", times=1, stall=2.0)
    assert read(registry, layer) == BIG.data


def test_an_unframed_body_that_ends_early_is_continued(fake: FakeRegistry) -> None:
    registry = open_registry(fake)
    layer = big_layer(registry)
    fake.fault("blobs", times=1, truncate=1_000_000, without=("content-length",))
    assert read(registry, layer) == BIG.data


def test_a_blob_shorter_than_its_descriptor_is_given_as_it_is(fake: FakeRegistry) -> None:
    registry = open_registry(fake)
    layer = big_layer(registry)
    fake.fault("blobs", times=1, truncate=1_000_000)
    assert read(registry, layer) == BIG.data[:1_000_000]  # the layer's reader names it: LayerTruncated


def test_a_registry_that_dies_in_the_middle_is_given_up_in_bounded_time() -> None:
    with FakeRegistry() as fake:
        fake.add("team/app", "1.0", IMAGE)
        registry = open_registry(fake, timeout=1.0)
        layer = big_layer(registry)
        start = time.monotonic()
        fake.fault("blobs", break_after=1_000_000)
        with pytest.raises(NetworkConnectError), registry.open_blob("team/app", layer) as chunks:
            next(chunks)
            fake.stop()
            for _ in chunks:
                pass
        assert time.monotonic() - start < 10


# --- redirects -----------------------------------------------------------------------------------


def test_blobs_come_from_storage_without_our_authorization() -> None:
    with FakeRegistry(bearer=True, basic=("robot", PASSWORD), redirect_blobs=True) as fake:
        fake.add("team/app", "1.0", IMAGE)
        registry = open_registry(fake, credential="env:SG_LOGIN")
        assert read(registry, big_layer(registry)) == BIG.data
        stored = fake.requests(storage=True)
        assert stored
        assert not any("authorization" in seen.headers for seen in stored)


def test_an_expired_signed_url_is_replaced_by_asking_the_registry_again() -> None:
    with FakeRegistry(redirect_blobs=True, signature_uses=1) as fake:
        fake.add("team/app", "1.0", IMAGE)
        registry = open_registry(fake)
        layer = big_layer(registry)
        fake.log.clear()
        fake.fault("GET /sha256", break_after=1_000_000)
        fake.fault("GET /sha256", status=403)
        assert read(registry, layer) == BIG.data
        urls = [seen.path for seen in fake.requests(storage=True)]
        assert len(urls) == len(set(urls)) == 3


@pytest.mark.parametrize(
    "location",
    [
        "http://169.254.169.254/latest/meta-data/",
        "http://[fe80::1]/x",
        "http://[::ffff:169.254.169.254]/x",
        "http://metadata.google.internal/",
        "http://100.100.100.200/",
        "file:///etc/passwd",
        "ftp://example.org/x",
        "http://0.0.0.0/",
    ],
)
def test_redirects_into_the_machinery_are_refused(fake: FakeRegistry, location: str) -> None:
    registry = open_registry(fake)
    layer = big_layer(registry)
    fake.fault("blobs", times=-1, status=307, headers={"Location": location})
    with pytest.raises(RegistryError, match=r"refused|not http"):
        read(registry, layer)


def test_redirects_in_circles_end(fake: FakeRegistry) -> None:
    fake.fault("blobs", times=-1, status=307, headers={"Location": "/v2/team/app/blobs/x"})
    with pytest.raises(RegistryError, match="redirects"):
        read(open_registry(fake), Layer(BIG.digest, BIG.size, ""))


# --- authorization -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["Basic realm=x"], [Challenge("basic", {"realm": "x"})]),
        (
            ['Bearer realm="https://a/t?x=1,2",service="r, s",scope="repository:a:pull,push"'],
            [Challenge("bearer", {"realm": "https://a/t?x=1,2", "service": "r, s", "scope": "repository:a:pull,push"})],
        ),
        (
            ['Negotiate, Digest realm="d", Basic Realm="a \\"b\\""'],
            [Challenge("negotiate"), Challenge("digest", {"realm": "d"}), Challenge("basic", {"realm": 'a "b"'})],
        ),
        (["NTLM TlRMTVNTUAAB=", "Basic realm=y"], [Challenge("ntlm"), Challenge("basic", {"realm": "y"})]),
        (
            ['BEARER realm = "z" , error=insufficient_scope'],
            [Challenge("bearer", {"realm": "z", "error": "insufficient_scope"})],
        ),
        (['"broken', "", ",,,", "Basic"], [Challenge("basic")]),
    ],
)
def test_challenges_of_every_form_are_read(values: list[str], expected: list[Challenge]) -> None:
    assert parse_challenges(values) == expected


def test_a_word_that_is_too_long_is_no_scheme() -> None:
    basic = Challenge("basic", {"realm": "x"})
    assert parse_challenges([f'{"a" * 65}, Basic realm="x"']) == [basic]
    assert parse_challenges([f'{"a" * 64}, Basic realm="x"']) == [Challenge("a" * 64), basic]


def test_basic_authorization_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    with FakeRegistry(basic=("robot", PASSWORD)) as fake:
        fake.add("team/app", "1.0", IMAGE)
        assert open_registry(fake, credential="env:SG_LOGIN").digest("team/app", "1.0")
        with pytest.raises(FailedToVerifyUsernameOrPwd, match="wants a user name"):
            open_registry(fake).digest("team/app", "1.0")
        monkeypatch.setenv("SG_LOGIN", "robot:wrong")
        with pytest.raises(FailedToVerifyUsernameOrPwd):
            open_registry(fake, credential="env:SG_LOGIN").digest("team/app", "1.0")


def test_one_token_serves_all_threads_and_requests() -> None:
    with FakeRegistry(bearer=True) as fake:
        fake.add("team/app", "1.0", IMAGE)
        registry = open_registry(fake)
        with ThreadPoolExecutor(8) as threads:
            assert len(set(threads.map(lambda _: registry.digest("team/app", "1.0"), range(40)))) == 1
        assert len(fake.requests("GET /token")) == 1
        assert len(fake.requests("HEAD")) == 40


def test_tokens_are_renewed_when_refused_or_old() -> None:
    with FakeRegistry(bearer=True, token_uses=2) as fake:
        fake.add("team/app", "1.0", IMAGE)
        registry = open_registry(fake)
        for _ in range(6):
            assert registry.digest("team/app", "1.0")
        assert len(fake.requests("GET /token")) == 3
    with FakeRegistry(bearer=True, token_seconds=1) as fake:
        fake.add("team/app", "1.0", IMAGE)
        registry = open_registry(fake)
        assert registry.digest("team/app", "1.0")
        time.sleep(0.9)
        assert registry.digest("team/app", "1.0")
        assert [seen.status for seen in fake.requests("HEAD")] == [200, 200]
        assert len(fake.requests("GET /token")) == 2


def test_a_403_renews_the_token_once() -> None:
    with FakeRegistry(bearer=True) as fake:
        fake.add("team/app", "1.0", IMAGE)
        registry = open_registry(fake)
        fake.fault("HEAD", status=403)
        assert registry.digest("team/app", "1.0")
        fake.fault("HEAD", times=-1, status=403)
        with pytest.raises(UserDoesNotHaveAdminRole):
            registry.digest("team/app", "1.0")
        assert len(fake.requests("GET /token")) == 3


def test_a_token_is_asked_for_the_repository_and_the_catalog() -> None:
    with FakeRegistry(bearer=True) as fake:
        fake.add("team/app", "1.0", IMAGE)
        registry = open_registry(fake)
        assert list(registry.repositories()) == ["team/app"]
        assert read(registry, big_layer(registry)) == BIG.data
        scopes = [seen.path.partition("scope=")[2] for seen in fake.requests("GET /token")]
        assert scopes == ["registry%3Acatalog%3A%2A", "repository%3Ateam%2Fapp%3Apull"]


@pytest.mark.parametrize(
    "realm",
    [
        "http://token.example/token",
        "http://169.254.169.254/token",
        "https://metadata.google.internal/token",
        "ftp://x/",
    ],
)
def test_a_login_is_not_sent_to_a_doubtful_token_server(realm: str) -> None:
    with FakeRegistry(bearer=True) as fake:
        fake.realm = realm
        with pytest.raises(RegistryError, match=r"without TLS|refused"):
            open_registry(fake, credential="env:SG_LOGIN").digest("team/app", "1.0")


def test_a_token_server_that_refuses_or_rambles_is_told() -> None:
    with FakeRegistry(bearer=True, basic=("robot", PASSWORD)) as fake:
        fake.add("team/app", "1.0", IMAGE)
        with pytest.raises(FailedToVerifyUsernameOrPwd, match="refused anonymous access"):
            open_registry(fake).digest("team/app", "1.0")
        registry = open_registry(fake, credential="env:SG_LOGIN")
        fake.fault("token", status=200, body=b"[]")
        with pytest.raises(RegistryError, match="gave no token"):
            registry.digest("team/app", "1.0")
        fake.fault("token", times=2, status=500)
        assert registry.digest("team/app", "1.0")


# --- credentials ---------------------------------------------------------------------------------


def write_config(folder: Path, **content: Any) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(content))


def encoded(login: str) -> dict[str, str]:
    return {"auth": base64.b64encode(login.encode()).decode()}


@pytest.fixture
def docker(tmp_path: Path) -> Path:
    return tmp_path / "docker"


def helper(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    program = folder / "docker-credential-fake"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)


@pytest.mark.parametrize("key", ["reg.example:5000", "https://reg.example:5000", "http://reg.example:5000/v2/"])
def test_docker_logins_are_found_by_host(docker: Path, key: str) -> None:
    write_config(docker, auths={"other": encoded("x:y"), key: encoded("robot:a:b")})
    login = find_login(Access("docker", "reg.example:5000"))
    assert login is not None
    assert login.password is not None
    assert (login.username, login.password.reveal()) == ("robot", "a:b")
    assert find_login(Access("docker", "reg.example")) is None


def test_docker_hub_has_its_old_key(docker: Path) -> None:
    write_config(docker, auths={"https://index.docker.io/v1/": encoded("me:pw")})
    login = find_login(Access("docker", "docker.io"))
    assert login is not None
    assert login.username == "me"


def test_helpers_are_asked_by_protocol(docker: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    helper(tmp_path, monkeypatch, 'read host; printf \'{"Username":"%s","Secret":"s3"}\' "$1-$host"')
    write_config(docker, credHelpers={"reg.example": "fake"}, auths={"plain.example": encoded("u:p")})
    login = find_login(Access("docker", "reg.example"))
    assert login is not None
    assert login.username == "get-reg.example"
    plain = find_login(Access("docker", "plain.example"))
    assert plain is not None
    assert plain.username == "u"
    write_config(docker, credsStore="fake")
    hub = find_login(Access("docker", "docker.io"))
    assert hub is not None
    assert hub.username == "get-https://index.docker.io/v1/"


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo 'a-secret-in-stderr' >&2; exit 3", "exit code 3"),
        ("echo not json a-secret", "helper protocol"),
        ("exec sleep 20", "did not answer within"),
    ],
)
def test_a_broken_helper_is_named_and_its_output_kept_quiet(
    docker: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, said: str
) -> None:
    monkeypatch.setattr("grid.registries.credentials.HELPER_SECONDS", 1.0)
    helper(tmp_path, monkeypatch, script)
    write_config(docker, credsStore="fake")
    with pytest.raises(FailedToVerifyUsernameOrPwd, match=said) as caught:
        find_login(Access("docker", "reg.example", credential="docker"))
    assert "a-secret" not in str(caught.value)
    assert find_login(Access("docker", "reg.example")) is None  # nobody asked for it


def test_a_helper_without_the_login_is_no_failure(
    docker: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    helper(tmp_path, monkeypatch, "echo credentials not found in native keychain; exit 1")
    write_config(docker, credsStore="fake")
    assert find_login(Access("docker", "reg.example")) is None
    with pytest.raises(FailedToVerifyUsernameOrPwd, match="no login for"):
        find_login(Access("docker", "reg.example", credential="docker"))


def test_identity_tokens_are_exchanged(docker: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with FakeRegistry(bearer=True, basic=("robot", PASSWORD)) as fake:
        fake.add("team/app", "1.0", IMAGE)
        write_config(docker, auths={fake.address: {"identitytoken": PASSWORD}})
        assert open_registry(fake).digest("team/app", "1.0")
        assert fake.requests("POST /token")
        helper(tmp_path, monkeypatch, f'echo \'{{"Username":"<token>","Secret":"{PASSWORD}"}}\'')
        write_config(docker, credHelpers={fake.address: "fake"})
        assert open_registry(fake).digest("team/app", "1.0")


def test_a_bare_token_is_sent_as_it_is(tmp_path: Path) -> None:
    with FakeRegistry(bearer=True) as fake:
        fake.add("team/app", "1.0", IMAGE)
        fake._tokens["ready-made"] = "repository:team/app:pull"
        (tmp_path / "token").write_text("ready-made\n")
        registry = open_registry(fake, credential=f"file:{tmp_path / 'token'}")
        assert registry.digest("team/app", "1.0")
        assert not fake.requests("token")
        (tmp_path / "token").write_text("stale\n")
        with pytest.raises(FailedToVerifyUsernameOrPwd):
            open_registry(fake, credential=f"file:{tmp_path / 'token'}").digest("team/app", "1.0")


@pytest.mark.parametrize("name", ["env:NOT_SET_ANYWHERE", "file:/does/not/exist", "docker", "robot:hunter2", "env:"])
def test_a_login_that_cannot_be_had_is_an_error_of_its_own(name: str) -> None:
    with pytest.raises(FailedToVerifyUsernameOrPwd) as caught:
        find_login(Access("docker", "reg.example", credential=name))
    assert "hunter2" not in str(caught.value)


def test_no_secret_reaches_log_error_or_repr(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    caplog.set_level(logging.DEBUG)
    said: list[str] = []
    with FakeRegistry(bearer=True, basic=("robot", PASSWORD), redirect_blobs=True) as fake:
        fake.add("team/app", "1.0", IMAGE)
        registry = open_registry(fake, credential="env:SG_LOGIN")
        layer = big_layer(registry)
        for what in ({"status": 404}, {"status": 403}, {"status": 500}, {"break_after": 10}, {"delay": 2.0}):
            fake.mend()
            fake.fault("GET /sha256", times=-1, **what)
            registry._wire._timeout["read"] = 0.2
            with pytest.raises(GridError) as caught:
                read(registry, layer)
            said += [str(caught.value), repr(caught.value), str(caught.value.__cause__), str(caught.value.__context__)]
        tokens = list(fake._tokens)
    said += [caplog.text, repr(vars(registry)), repr(vars(registry._auth)), repr(registry._auth._known_login())]
    hidden = [PASSWORD, base64.b64encode(f"robot:{PASSWORD}".encode()).decode(), "X-Signature", *tokens]
    for text in said:
        for secret in hidden:
            assert secret not in text
    with pytest.raises(TypeError):
        pickle.dumps(Secret("x"))


# --- proxies -------------------------------------------------------------------------------------


def test_a_proxy_of_the_environment_is_used_but_not_for_loopback(
    fake: FakeRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FakeRegistry() as proxy:
        proxy.add("team/app", "1.0", IMAGE)
        monkeypatch.setenv("http_proxy", f"http://{proxy.address}")
        assert open_registry(fake).digest("team/app", "1.0")
        assert not proxy.log
        far = Access("docker", "registry.example", plain_http=True)
        assert connect(far, HASTE).digest("team/app", "1.0") == IMAGE.build().digest
        assert proxy.log[0].path == "http://registry.example/v2/"
        proxy.log.clear()
        monkeypatch.setenv("no_proxy", "registry.example")
        with pytest.raises(NetworkConnectError):
            connect(far, HASTE).digest("team/app", "1.0")
        assert not proxy.log


def test_closing_while_reading_does_not_hang(fake: FakeRegistry) -> None:
    registry = open_registry(fake)
    layer = big_layer(registry)

    def reader() -> None:
        with contextlib.suppress(GridError, RuntimeError), registry.open_blob("team/app", layer) as chunks:
            for _ in chunks:
                pass

    thread = threading.Thread(target=reader)
    thread.start()
    registry.close()
    thread.join(20)
    assert not thread.is_alive()

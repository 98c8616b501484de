"""From documents to images, over a source held in memory."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grid.errors import (
    ConfigInvalid,
    DigestMismatch,
    GridError,
    ManifestInvalid,
    ManifestUnknown,
    PlatformUnknown,
    RateLimited,
)
from grid.model import LINUX_AMD64, Platform
from grid.registries.manifests import Descriptor, Document, digest_of, parse_config, parse_document, resolve
from grid.registries.platforms import choose
from grid.testing import ImageBuilder, IndexBuilder, LayerBuilder, RawManifest

LAYER = LayerBuilder().file("etc/hostname", b"here")
OTHER = LayerBuilder().file("etc/motd", b"hello")
INDEX = "application/vnd.oci.image.index.v1+json"


class Held:
    """A source of documents that counts what is asked of it."""

    def __init__(self, image: ImageBuilder | IndexBuilder | RawManifest) -> None:
        built = image.build()
        self.root = built.digest
        self.documents = dict(built.all_blobs())
        self.media_type = built.media_type
        self.asked: list[str] = []
        self.errors: dict[str, GridError] = {}

    def add(self, body: bytes) -> str:
        digest = digest_of(body)
        self.documents[digest] = body
        return digest

    def manifest(self, target: str) -> Document:
        self.asked.append(target)
        if target in self.errors:
            raise self.errors[target]
        digest = target if target.startswith("sha256:") else self.root
        if digest not in self.documents:
            raise ManifestUnknown(digest)
        return Document(digest, self.media_type if digest == self.root else "", self.documents[digest])

    def config(self, digest: str, size: int) -> bytes:
        return self.documents[digest]


def index_over(source: Held, children: list[dict[str, object]]) -> None:
    source.root = source.add(json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": children}).encode())


def child(builder: ImageBuilder, **changes: object) -> dict[str, object]:
    return {**builder.build().descriptor(), **changes}


def test_an_image_keeps_what_manifest_and_configuration_say() -> None:
    image = ImageBuilder(LAYER, OTHER, history=["FROM x", {"created_by": "ENV A=b", "empty_layer": True}, "RUN y"])
    source = Held(image)
    [found] = resolve(source, "1", (LINUX_AMD64,))
    assert (found.status, found.digest, found.ref_digest) == ("ok", source.root, source.root)
    assert found.platform == LINUX_AMD64
    assert found.created == "1970-01-01T00:00:00Z"
    assert [layer.created_by for layer in found.layers] == ["FROM x", "RUN y"]
    assert [(x.digest, x.size, x.diff_id) for x in found.layers] == [
        (x.digest, x.size, x.diff_id) for x in image.layers
    ]


def test_docker_media_types_are_images_too() -> None:
    [found] = resolve(Held(ImageBuilder(LAYER, docker=True)), "1", (LINUX_AMD64,))
    assert found.status == "ok"
    assert found.media_type == "application/vnd.docker.distribution.manifest.v2+json"


def test_history_that_does_not_align_attributes_nothing() -> None:
    [found] = resolve(Held(ImageBuilder(LAYER, OTHER, history=["only one"])), "1", ())
    assert [layer.created_by for layer in found.layers] == ["", ""]


def test_a_single_manifest_is_taken_whatever_its_platform() -> None:
    [found] = resolve(Held(ImageBuilder(LAYER, platform="linux/s390x")), "1", (LINUX_AMD64,))
    assert found.platform == Platform("linux", "s390x")


def test_of_an_index_only_the_platform_asked_for_is_fetched() -> None:
    amd, arm = ImageBuilder(LAYER), ImageBuilder(OTHER, platform="linux/arm64/v8")
    source = Held(IndexBuilder(amd, arm, attestations=True))
    [found] = resolve(source, "1", (LINUX_AMD64,))
    assert (found.digest, found.ref_digest) == (amd.build().digest, source.root)
    assert source.asked == ["1", amd.build().digest]


def test_no_platform_asked_for_means_all_without_attestations() -> None:
    amd, arm = ImageBuilder(LAYER), ImageBuilder(OTHER, platform="linux/arm64/v8")
    found = resolve(Held(IndexBuilder(amd, arm, attestations=True)), "1", ())
    assert [str(image.platform) for image in found] == ["linux/amd64", "linux/arm64/v8"]


def test_a_child_listed_twice_is_one_image() -> None:
    amd = ImageBuilder(LAYER)
    source = Held(IndexBuilder(amd, amd, IndexBuilder(amd)))
    assert len(resolve(source, "1", ())) == 1


def test_nested_indexes_are_opened_to_a_depth() -> None:
    amd = ImageBuilder(LAYER)
    source = Held(IndexBuilder(IndexBuilder(amd, attestations=True)))
    assert [image.digest for image in resolve(source, "1", (LINUX_AMD64,))] == [amd.build().digest]
    deep: IndexBuilder = IndexBuilder(amd)
    for _ in range(12):
        deep = IndexBuilder(deep)
    with pytest.raises(ManifestInvalid, match="nested"):
        resolve(Held(deep), "1", ())


def test_a_platform_that_is_not_there_is_unknown() -> None:
    source = Held(IndexBuilder(ImageBuilder(LAYER), ImageBuilder(OTHER, platform="linux/arm64/v8")))
    with pytest.raises(PlatformUnknown, match=r"linux/riscv64.*linux/amd64, linux/arm64/v8"):
        resolve(source, "1", (Platform("linux", "riscv64"),))


def test_children_without_a_platform_are_asked_for_theirs() -> None:
    amd, arm = ImageBuilder(LAYER), ImageBuilder(OTHER, platform="linux/arm64/v8")
    source = Held(IndexBuilder(amd, arm))
    index_over(source, [child(amd, platform=None), child(arm, platform=None)])
    assert [i.digest for i in resolve(source, "1", (Platform("linux", "arm64"),))] == [arm.build().digest]


def test_a_broken_child_fails_alone() -> None:
    amd, arm = ImageBuilder(LAYER), ImageBuilder(OTHER, platform="linux/arm64/v8")
    source = Held(IndexBuilder(amd, arm))
    del source.documents[arm.build().digest]
    good, bad = resolve(source, "1", ())
    assert good.status == "ok"
    assert (bad.status, bad.error_code, bad.platform) == ("failed", "ManifestUnknown", Platform("linux", "arm64", "v8"))


def test_what_may_pass_is_raised_not_recorded() -> None:
    amd = ImageBuilder(LAYER)
    source = Held(IndexBuilder(amd))
    source.errors[amd.build().digest] = RateLimited("later")
    with pytest.raises(RateLimited):
        resolve(source, "1", ())


@pytest.mark.parametrize(
    ("config", "layers", "message"),
    [
        (b"<html>", 1, "not JSON"),
        (b"[]", 1, "not a JSON object"),
        (b'{"os": 3}', 0, "os is not a string"),
        (b'{"rootfs": {"diff_ids": ["sha256:12"]}}', 1, "diff_ids"),
        (b'{"rootfs": {"diff_ids": []}}', 1, "0 diff_ids for 1 layers"),
    ],
)
def test_a_configuration_that_does_not_fit_is_invalid(config: bytes, layers: int, message: str) -> None:
    with pytest.raises(ConfigInvalid, match=message):
        parse_config(config, layers)


def image_manifest(config_type: str, *layer_types: str, **changes: object) -> RawManifest:
    def blob(kind: str) -> dict[str, object]:
        return {"mediaType": kind, "digest": digest_of(b"{}"), "size": 2}

    content = {
        "schemaVersion": 2,
        "config": blob(config_type),
        "layers": [blob(kind) for kind in layer_types],
        **changes,
    }
    return RawManifest(content, b"{}")


@pytest.mark.parametrize(
    ("manifest", "words"),
    [
        (
            image_manifest("application/vnd.cncf.helm.config.v1+json", "application/vnd.cncf.helm.chart.content.v1"),
            "Helm",
        ),
        (
            image_manifest(
                "application/vnd.oci.image.config.v1+json", "application/vnd.dev.cosign.simplesigning.v1+json"
            ),
            "cosign signature",
        ),
        (image_manifest("application/vnd.oci.image.config.v1+json", "application/vnd.in-toto+json"), "attestation"),
        (image_manifest("application/vnd.wasm.config.v0+json", "application/wasm"), "WebAssembly"),
        (RawManifest.artifact("application/vnd.cyclonedx+json", b"{}"), "SBOM"),
        (RawManifest.artifact("application/vnd.acme.rocket.v1", b"{}"), "application/vnd.acme.rocket.v1"),
        (image_manifest("application/vnd.acme.config.v1+json", "application/vnd.acme.layer"), "vnd.acme.config"),
        (RawManifest({"schemaVersion": 1, "fsLayers": []}), "schema 1"),
        (RawManifest({"schemaVersion": 2, "mediaType": INDEX, "manifests": []}, media_type=INDEX), "without images"),
    ],
)
def test_what_is_no_image_is_unsupported_and_named(manifest: RawManifest, words: str) -> None:
    [found] = resolve(Held(manifest), "1", (LINUX_AMD64,))
    assert (found.status, found.error_code, found.layers) == ("unsupported", "UnsupportedMediaType", ())
    assert words in found.error_message


def test_a_signature_is_known_by_its_tag_where_nothing_else_says_so() -> None:
    manifest = image_manifest("application/vnd.oci.image.config.v1+json", "application/x-anything")
    [found] = resolve(Held(manifest), f"sha256-{'0' * 64}.sig", ())
    assert "cosign signature" in found.error_message


def test_a_real_image_does_not_hide_behind_an_artifact_type() -> None:
    built = ImageBuilder(LAYER).build()
    manifest = RawManifest(
        {**json.loads(built.manifest), "artifactType": "application/vnd.acme.v1"}, *built.blobs.values()
    )
    assert [image.status for image in resolve(Held(manifest), "1", ())] == ["ok"]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"7", "not a JSON object"),
        (b'{"schemaVersion": 2}', "no config"),
        (b'{"manifests": [], "layers": []}', "at once"),
        (b'{"manifests": {}}', "not a list"),
        (b'{"manifests": [{"digest": "sha256:../../etc/passwd", "size": 1}]}', "not a sha256"),
        (b'{"manifests": [{"digest": "sha256:%s", "size": -1}]}' % (b"a" * 64), "size"),
        (b" " * (4 << 20) + b"{}", "larger than 4 MiB"),
    ],
)
def test_documents_that_are_none_are_invalid(body: bytes, message: str) -> None:
    with pytest.raises(ManifestInvalid, match=message):
        parse_document(Document("", "", body))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from([INDEX, "sha256:" + "a" * 64]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "manifests",
                    "config",
                    "layers",
                    "digest",
                    "size",
                    "mediaType",
                    "platform",
                    "os",
                    "architecture",
                    "rootfs",
                    "diff_ids",
                    "history",
                    "created_by",
                    "empty_layer",
                    "annotations",
                    "urls",
                    "schemaVersion",
                    "artifactType",
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@settings(max_examples=300)
@given(json_values)
def test_any_json_ends_as_a_document_or_as_our_error(value: object) -> None:
    body = json.dumps(value).encode()
    for parse in (lambda: parse_document(Document("", INDEX, body)), lambda: parse_config(body, 1)):
        with contextlib.suppress(ManifestInvalid, ConfigInvalid):
            parse()


@pytest.mark.parametrize("odd", ["x" * 300, "a\0b", "\x1b[2J"])
def test_a_label_that_can_be_none_is_as_if_it_were_not_there(odd: str) -> None:
    built = ImageBuilder(LAYER, overrides={"architecture": "arm64", "variant": odd, "created": odd}).build()
    manifest = json.loads(built.manifest)
    manifest["layers"][0]["mediaType"] = odd
    source = Held(ImageBuilder(LAYER))
    source.documents |= built.all_blobs()
    source.root = source.add(json.dumps(manifest).encode())
    (image,) = resolve(source, "1.0", ())
    assert (image.platform, image.created) == (Platform("linux", "arm64"), "")
    assert [layer.media_type for layer in image.layers] == [""]


def test_the_digest_of_a_document_is_checked_by_its_own_algorithm() -> None:
    from grid.registries.manifests import verify

    verify(b"x", digest_of(b"x", "sha512:"), "manifest")
    with pytest.raises(DigestMismatch):
        verify(b"y", digest_of(b"x"), "manifest")


# --- platforms -----------------------------------------------------------------------------------

OFFERED = [
    "linux/amd64",
    "linux/amd64/v3",
    "linux/arm/v5",
    "linux/arm/v6",
    "linux/arm/v7",
    "linux/arm64/v8",
    "linux/386",
    "linux/ppc64le",
    "windows/amd64",
]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("linux/amd64", "linux/amd64"),
        ("linux/amd64/v2", "linux/amd64"),
        ("linux/amd64/v4", "linux/amd64/v3"),
        ("linux/arm", "linux/arm/v7"),
        ("linux/arm/v6", "linux/arm/v6"),
        ("linux/arm64", "linux/arm64/v8"),
        ("linux/aarch64", "linux/arm64/v8"),
        ("linux/arm64/v9", "linux/arm64/v8"),
        ("linux/x86_64", "linux/amd64"),
        ("windows/amd64", "windows/amd64"),
        ("linux/riscv64", None),
        ("linux/arm/v4", None),
    ],
)
def test_the_nearest_variant_that_runs_is_chosen(wanted: str, expected: str | None) -> None:
    places = choose([(Platform.parse(text), "") for text in OFFERED], (Platform.parse(wanted),))
    assert [OFFERED[place] for place in places] == ([expected] if expected else [])


def test_arm64_without_a_variant_is_v8() -> None:
    assert choose([(Platform("linux", "arm64"), "")], (Platform("linux", "arm64", "v8"),)) == [0]


def test_of_windows_versions_the_newest_is_chosen() -> None:
    windows = Platform("windows", "amd64")
    listed = [(windows, "10.0.17763.999"), (windows, "10.0.20348.12"), (windows, "10.0.9999.1")]
    assert choose(listed, (windows,)) == [1]


def test_each_wanted_platform_gets_its_own_and_none_twice() -> None:
    listed = [(Platform.parse(text), "") for text in OFFERED]
    wanted = tuple(map(Platform.parse, ("linux/arm64", "linux/amd64", "linux/amd64/v1", "linux/s390x")))
    assert choose(listed, wanted) == [0, 5]
    assert choose(listed, ()) == list(range(len(OFFERED)))


def test_attestations_are_told_by_annotation_or_platform() -> None:
    plain = Descriptor("sha256:" + "a" * 64, 1, "")
    assert not plain.is_attestation
    assert Descriptor(plain.digest, 1, "", platform=Platform("unknown", "unknown")).is_attestation
    marked = (("vnd.docker.reference.type", "attestation-manifest"),)
    assert Descriptor(plain.digest, 1, "", annotations=marked).is_attestation

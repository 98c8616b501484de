"""What else registries hold: telling images from charts, signatures, models …, and naming them."""

from __future__ import annotations

import re

IMAGE_CONFIGS = (
    "application/vnd.oci.image.config.v1+json",
    "application/vnd.docker.container.image.v1+json",
)
SCHEMA_1 = (
    "application/vnd.docker.distribution.manifest.v1+prettyjws",
    "application/vnd.docker.distribution.manifest.v1+json",
)
_OLD_CONFIGS = ("application/octet-stream", "")  # Docker 1.10 and hand-made images
_LAYER = re.compile(
    r"application/vnd\.(oci\.image\.layer\.(nondistributable\.)?v1\.tar|docker\.image\.rootfs\.(foreign\.)?diff\.tar)"
    r"([.+](gzip|zstd))?(\+encrypted)?"
)
_TAG = re.compile(r"sha(?:256-[0-9a-f]{64}|512-[0-9a-f]{128})\.(sig|att|sbom)")
_TAG_NAMES = {"sig": "a cosign signature", "att": "a cosign attestation", "sbom": "a cosign SBOM"}

# First match wins; searched in artifactType, then in the layers' types, then in the configuration's.
_NAMES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), name)
    for pattern, name in (
        (r"cncf\.helm", "a Helm chart"),
        (r"scangrid\.db", "a vulnerability database of scangrid's"),
        (r"cosign\.(simplesigning|artifact\.sig|signature)|simplesigning", "a cosign signature"),
        (r"cosign\.artifact\.sbom|cyclonedx|spdx|syft", "an SBOM"),
        (r"sigstore\.bundle", "a Sigstore bundle"),
        (r"in-toto|dsse\.envelope|attestation", "an attestation"),
        (r"notary\.signature", "a Notation signature"),
        (r"wasm", "a WebAssembly module"),
        (r"docker\.plugin", "a Docker plugin"),
        (r"buildkit\.cacheconfig", "a BuildKit cache"),
        (r"sylabs\.sif", "a Singularity image"),
        (r"devcontainers", "a development container feature"),
        (r"openpolicyagent|opa\.", "a policy bundle"),
        (r"cncf\.flux|fluxcd", "a Flux artifact"),
        (r"ollama|docker\.ai|cncf\.model|gguf|safetensors|kitops", "a machine learning model"),
        (r"homebrew", "a Homebrew bottle"),
        (r"docker\.compose", "a Compose file"),
        (r"vnd\.oci\.artifact\.manifest", "an OCI artifact"),
        (r"vnd\.unknown\.config", "an ORAS artifact"),
        (r"vnd\.oci\.empty", "an OCI artifact"),
    )
)


def name_artifact(artifact_type: str, config_type: str, layer_types: tuple[str, ...], tag: str) -> str:
    """What the manifest is if it is no container image, in words; "" for an image.

    An image has an image's configuration and layers that may be tars. ``artifactType`` alone does not
    make it something else: engines run such an image all the same, so it is scanned.
    """
    is_config = config_type in IMAGE_CONFIGS or config_type in _OLD_CONFIGS
    tars = sum(_LAYER.fullmatch(kind) is not None for kind in layer_types)
    if is_config and (tars or (not layer_types and not artifact_type)):
        return ""
    for text in (artifact_type, *layer_types, config_type):
        for pattern, name in _NAMES:
            if text and pattern.search(text):
                return f"{name} of type {artifact_type[:100]}" if name == "an OCI artifact" and artifact_type else name
    if suffix := _TAG.fullmatch(tag):
        return _TAG_NAMES[suffix[1]]
    if artifact_type:
        return f"an artifact of type {artifact_type[:100]}"
    if not is_config:
        return f"an artifact with a configuration of type {config_type[:100]}"
    return ""  # layers of unknown types under an image's configuration: the layer reader looks at their magic

"""From the bytes of manifests and configurations to ``Image``: what every kind of registry shares. No I/O of its own.

Formats: OCI image-spec v1.1 (image-index.md, manifest.md, config.md, descriptor.md) and Docker's
"Image Manifest Version 2, Schema 2".
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Protocol

import orjson

from grid.errors import (
    ConfigInvalid,
    DigestMismatch,
    FailedToVerifyUsernameOrPwd,
    GridError,
    ManifestInvalid,
    PlatformUnknown,
    UserDoesNotHaveAdminRole,
)
from grid.model import MIB, NO_BASE, Base, Image, Layer, Platform, is_digest
from grid.registries.artifacts import IMAGE_CONFIGS, SCHEMA_1, name_artifact
from grid.registries.lineage import base_of
from grid.registries.platforms import choose

MANIFEST_BYTES = 4 * MIB
CONFIG_BYTES = 16 * MIB
DEPTH = 8
CHILDREN = 1000
LABEL_CHARACTERS = 255
"""Of a media type, an architecture, a time …; media types may have 127 on each side of the slash (RFC 6838)."""
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
ACCEPT = ", ".join((OCI_INDEX, OCI_MANIFEST, DOCKER_LIST, DOCKER_MANIFEST, *SCHEMA_1))
_INDEXES = (OCI_INDEX, DOCKER_LIST)


@dataclass(frozen=True, slots=True)
class Document:
    """A manifest or index as it was served."""

    digest: str
    """The digest of ``body``, verified."""
    media_type: str
    """As the transport says; "" where it does not. What the body says goes first."""
    body: bytes


class Source(Protocol):
    """Where documents come from: one repository of a registry, or an archive."""

    def manifest(self, target: str) -> Document:
        """By tag or digest; at most ``MANIFEST_BYTES``. Raises RegistryError, DigestMismatch."""
        ...

    def config(self, digest: str, size: int) -> bytes:
        """A configuration, verified; at most ``CONFIG_BYTES``. Raises RegistryError, DigestMismatch."""
        ...


@dataclass(frozen=True, slots=True)
class Descriptor:
    """A pointer to content, with what it says of it."""

    digest: str
    size: int
    media_type: str
    platform: Platform | None = None
    os_version: str = ""
    annotations: tuple[tuple[str, str], ...] = ()
    artifact_type: str = ""
    urls: tuple[str, ...] = ()

    @property
    def is_attestation(self) -> bool:
        """BuildKit's provenance and SBOM manifests, which stand in an index beside the images."""
        return dict(self.annotations).get("vnd.docker.reference.type") == "attestation-manifest" or (
            self.platform is not None and (self.platform.os, self.platform.arch) == ("unknown", "unknown")
        )


def digest_of(body: bytes, like: str = "sha256:") -> str:
    """The digest of a body, in the algorithm of the digest ``like``."""
    algorithm = like.partition(":")[0]
    return f"{algorithm}:{hashlib.new(algorithm, body).hexdigest()}"


def verify(body: bytes, digest: str, what: str) -> None:
    """Raise DigestMismatch unless the body has this digest."""
    if digest_of(body, digest) != digest:
        raise DigestMismatch(f"the {what} served as {digest} has another digest")


# --- resolve -------------------------------------------------------------------------------------


def resolve(source: Source, target: str, platforms: tuple[Platform, ...]) -> list[Image]:
    """What ``Registry.resolve`` promises, over any source of documents.

    - A manifest that is not an index is taken as it is, whatever its platform: there is nothing to choose from.
    - Of an index, the best child for each platform asked for (``platforms.choose``); all for an empty tuple.
    - A child whose platform the index does not state is looked up in its configuration.
    """
    root = source.manifest(target)
    parsed = parse_document(root)
    if not isinstance(parsed, _Index):
        return [_image(source, root, parsed, root.digest, target)]
    if parsed.artifact_type:
        what = name_artifact(parsed.artifact_type, "", (), target)
        return [_unsupported(root, root.digest, what or f"an index of {parsed.artifact_type[:100]}")]
    leaves = list(_leaves(source, parsed, {root.digest}, DEPTH))
    found: list[tuple[Descriptor, Image | None]] = []
    artifacts: list[Image] = []
    stated = any(leaf.platform is not None and not leaf.is_attestation for leaf in leaves)
    for leaf in leaves:
        if leaf.is_attestation or (leaf.artifact_type and stated and platforms):
            continue  # registries meter requests: what cannot be the answer is not fetched
        if leaf.platform is not None:
            found.append((leaf, None))
            continue
        image = _child(source, leaf, root.digest)
        if image.status == "unsupported":
            artifacts.append(image)
        else:
            found.append((replace(leaf, platform=image.platform), image))
    if not found:
        if artifacts and not platforms:
            return artifacts
        what = "an index without images" if not leaves else "an index of attestations, signatures or other artifacts"
        return [_unsupported(root, root.digest, what)]
    listed = [(leaf.platform or Platform("", ""), leaf.os_version) for leaf, _ in found]
    chosen = choose(listed, platforms)
    if not chosen:
        wanted = ", ".join(map(str, platforms))
        there = ", ".join(dict.fromkeys(str(platform) or "unknown" for platform, _ in listed))
        raise PlatformUnknown(f"the image has no variant for {wanted}; it has {there[:300]}")
    images = []
    for place in chosen:
        leaf, known = found[place]
        images.append(known or _child(source, leaf, root.digest))
    return images + (artifacts if not platforms else [])


def _leaves(source: Source, index: _Index, seen: set[str], depth: int) -> Iterator[Descriptor]:
    for child in index.children:
        if child.digest in seen:
            continue
        seen.add(child.digest)
        if len(seen) > CHILDREN:
            raise ManifestInvalid(f"the index lists more than {CHILDREN} manifests")
        if child.media_type not in _INDEXES:
            yield child
            continue
        if depth <= 1:
            raise ManifestInvalid(f"indexes are nested more than {DEPTH} deep")
        inner = parse_document(source.manifest(child.digest))
        if isinstance(inner, _Index):
            yield from _leaves(source, inner, seen, depth - 1)
        else:
            yield replace(child, media_type=inner.media_type)


def _child(source: Source, leaf: Descriptor, ref_digest: str) -> Image:
    """One child of an index; what is wrong with it alone becomes its status."""
    try:
        document = source.manifest(leaf.digest)
        parsed = parse_document(document)
        if isinstance(parsed, _Index):
            raise ManifestInvalid(f"{leaf.digest} is an index where the index that lists it says manifest")
        return _image(source, document, parsed, ref_digest, "", leaf.platform)
    except (FailedToVerifyUsernameOrPwd, UserDoesNotHaveAdminRole):
        raise
    except GridError as error:
        if error.retryable:
            raise
        return Image(
            ref_digest=ref_digest,
            digest=leaf.digest,
            platform=leaf.platform or Platform("", ""),
            media_type=leaf.media_type,
            status="failed",
            error_code=error.code,
            error_message=error.message,
        )


def _unsupported(document: Document, ref_digest: str, what: str, media_type: str = "") -> Image:
    return Image(
        ref_digest=ref_digest,
        digest=document.digest,
        platform=Platform("", ""),
        media_type=media_type or document.media_type,
        status="unsupported",
        error_code="UnsupportedMediaType",
        error_message=f"not a container image: {what}",
    )


def _image(
    source: Source,
    document: Document,
    manifest: _Manifest,
    ref_digest: str,
    target: str,
    platform: Platform | None = None,
) -> Image:
    if manifest.media_type in SCHEMA_1:
        image = _unsupported(document, ref_digest, "", manifest.media_type)
        return replace(image, error_message="a manifest of Docker schema 1, which is too old to read: push it again")
    config = manifest.config
    what = name_artifact(
        manifest.artifact_type,
        config.media_type if config is not None else "",
        tuple(layer.media_type for layer in manifest.layers),
        target,
    )
    if what or config is None:
        return _unsupported(document, ref_digest, what or "a manifest without a configuration", manifest.media_type)
    if config.size > CONFIG_BYTES:
        raise ConfigInvalid(f"the configuration is larger than {CONFIG_BYTES // MIB} MiB")
    parsed = parse_config(source.config(config.digest, config.size), len(manifest.layers))
    stated = platform or Platform("", "")
    layers = tuple(
        Layer(layer.digest, layer.size, layer.media_type, diff_id, created_by, layer.urls)
        for layer, diff_id, created_by in zip(manifest.layers, parsed.diff_ids, parsed.created_by, strict=True)
    )
    own = parsed.platform
    return Image(
        ref_digest=ref_digest,
        digest=document.digest,
        platform=Platform(own.os or stated.os, own.arch or stated.arch, own.variant or stated.variant),
        layers=layers,
        media_type=manifest.media_type,
        config_digest=config.digest,
        created=parsed.created,
        base=parsed.base,
    )


# --- documents -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Index:
    children: tuple[Descriptor, ...]
    artifact_type: str


@dataclass(frozen=True, slots=True)
class _Manifest:
    media_type: str
    config: Descriptor | None
    layers: tuple[Descriptor, ...]
    artifact_type: str


def parse_document(document: Document) -> _Index | _Manifest:
    """Read a manifest or index; raises ManifestInvalid."""
    if len(document.body) > MANIFEST_BYTES:
        raise ManifestInvalid(f"the manifest is larger than {MANIFEST_BYTES // MIB} MiB")
    try:
        content = orjson.loads(document.body)
    except orjson.JSONDecodeError:
        raise ManifestInvalid("the manifest is not JSON") from None
    if not isinstance(content, dict):
        raise ManifestInvalid("the manifest is not a JSON object")
    if content.get("schemaVersion") == 1 or "fsLayers" in content or "signatures" in content:
        return _Manifest(SCHEMA_1[0] if "signatures" in content else SCHEMA_1[1], None, (), "")
    if "manifests" in content and ("layers" in content or "config" in content):
        raise ManifestInvalid("the document is a manifest and an index at once")  # CVE-2021-41190
    stated = content.get("mediaType") or document.media_type.partition(";")[0].strip()
    if not isinstance(stated, str):
        raise ManifestInvalid("mediaType is not a string")
    artifact_type = _label(content, "artifactType")
    if "manifests" in content or stated in _INDEXES:
        return _Index(tuple(_descriptor(d) for d in _list(content, "manifests")), artifact_type)
    known = stated if stated in (OCI_MANIFEST, DOCKER_MANIFEST) else ""
    if "blobs" in content and "layers" not in content:  # the short-lived OCI artifact manifest
        return _Manifest(stated, None, (), artifact_type or "application/vnd.oci.artifact.manifest.v1+json")
    if not isinstance(content.get("config"), dict):
        raise ManifestInvalid("the manifest has no config and no manifests")
    config = _descriptor(content["config"])
    layers = tuple(_descriptor(d) for d in _list(content, "layers"))
    return _Manifest(known or _guess(config), config, layers, artifact_type)


def _guess(config: Descriptor) -> str:
    return DOCKER_MANIFEST if config.media_type == IMAGE_CONFIGS[1] else OCI_MANIFEST


def _list(content: dict[str, Any], key: str) -> list[Any]:
    value = content.get(key)
    if value is None:
        return []
    if not isinstance(value, list):
        raise ManifestInvalid(f"{key} is not a list")
    return value


def _text(content: dict[str, Any], key: str) -> str:
    value = content.get(key)
    return value if isinstance(value, str) else ""


def _label(content: dict[str, Any], key: str) -> str:
    """A media type, platform or time; "" for a text that can be none, for these go into tables as they are."""
    value = _text(content, key)
    return value if len(value) <= LABEL_CHARACTERS and value.isprintable() else ""


def parse_descriptor(content: object) -> Descriptor:
    """Read a descriptor; raises ManifestInvalid."""
    return _descriptor(content)


def _descriptor(content: object) -> Descriptor:
    if not isinstance(content, dict):
        raise ManifestInvalid("a descriptor is not a JSON object")
    digest, size = content.get("digest"), content.get("size")
    if not isinstance(digest, str) or not is_digest(digest):
        raise ManifestInvalid("a descriptor's digest is not a sha256 or sha512 digest")
    if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size < 1 << 62:
        raise ManifestInvalid(f"the descriptor of {digest} has no valid size")
    platform, os_version = None, ""
    if isinstance(stated := content.get("platform"), dict):
        platform = Platform(_label(stated, "os"), _label(stated, "architecture"), _label(stated, "variant"))
        os_version = _label(stated, "os.version")
        if not platform.os and not platform.arch:
            platform = None
    annotations = content.get("annotations")
    urls = content.get("urls")
    return Descriptor(
        digest=digest,
        size=size,
        media_type=_label(content, "mediaType"),
        platform=platform,
        os_version=os_version,
        annotations=tuple((str(k), v) for k, v in annotations.items() if isinstance(v, str))
        if isinstance(annotations, dict)
        else (),
        artifact_type=_label(content, "artifactType"),
        urls=tuple(u for u in urls if isinstance(u, str)) if isinstance(urls, list) else (),
    )


# --- configurations ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Config:
    """What scangrid keeps of an image configuration; environment, commands and all but two labels stay behind."""

    platform: Platform
    created: str
    diff_ids: tuple[str, ...]
    created_by: tuple[str, ...]
    """As many as layers, raw; all "" where the history is missing or does not align."""
    base: Base = NO_BASE


def parse_config(body: bytes, layers: int) -> Config:
    """Read a configuration that must describe so many layers; raises ConfigInvalid."""
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise ConfigInvalid("the configuration is not JSON") from None
    if not isinstance(content, dict):
        raise ConfigInvalid("the configuration is not a JSON object")
    for key in ("os", "architecture", "variant", "created"):
        if not isinstance(content.get(key), str | None):
            raise ConfigInvalid(f"the configuration's {key} is not a string")
    rootfs = content.get("rootfs")
    diff_ids = rootfs.get("diff_ids") if isinstance(rootfs, dict) else None
    if not isinstance(diff_ids, list | None) or not all(isinstance(d, str) and is_digest(d) for d in diff_ids or ()):
        raise ConfigInvalid("the configuration's rootfs.diff_ids is not a list of digests")
    diff_ids = diff_ids or []
    if len(diff_ids) != layers:
        raise ConfigInvalid(f"the configuration has {len(diff_ids)} diff_ids for {layers} layers")
    return Config(
        platform=Platform(_label(content, "os"), _label(content, "architecture"), _label(content, "variant")),
        created=_label(content, "created"),
        diff_ids=tuple(diff_ids),
        created_by=_created_by(content.get("history"), layers),
        base=base_of(content.get("history"), _labels(content), layers),
    )


def _labels(content: dict[str, Any]) -> object:
    config = content.get("config")
    return config.get("Labels") if isinstance(config, dict) else None


def _created_by(history: object, layers: int) -> tuple[str, ...]:
    steps = history if isinstance(history, list) else []
    made = [step for step in steps if isinstance(step, dict) and step.get("empty_layer") is not True]
    if len(made) != layers:
        return ("",) * layers
    return tuple(_text(step, "created_by") for step in made)

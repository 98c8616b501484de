"""Layers and images made of Python values, for tests, the demo and whoever writes a plug-in.

    layer = LayerBuilder().file("etc/os-release", "ID=debian\\n").whiteout("etc/motd")
    blob = layer.blob("zstd")                      # BuiltLayer: digest, size, diff_id, media_type, data
    image = ImageBuilder(layer, config={"User": "app"}, platform="linux/arm64")
    write_layout(tmp_path, {"app:1": image, "multi": IndexBuilder(image, other)})

Everything is deterministic: the same calls give the same digests. Times are 0.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import zstandard

from grid.model import Layer, Platform

Compression = Literal["gzip", "zstd", "none"]

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar"
REF_NAME = "org.opencontainers.image.ref.name"

_FORMATS: dict[str, Literal[0, 1, 2]] = {
    "gnu": tarfile.GNU_FORMAT,
    "pax": tarfile.PAX_FORMAT,
    "ustar": tarfile.USTAR_FORMAT,
}
_SUFFIX = {
    (False, "gzip"): "+gzip",
    (False, "zstd"): "+zstd",
    (False, "none"): "",
    (True, "gzip"): ".gzip",
    (True, "zstd"): ".zstd",
    (True, "none"): "",
}


def digest_of(data: bytes) -> str:
    """``sha256:<hex>`` of some bytes."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


@dataclass(frozen=True, slots=True)
class BuiltLayer:
    """A layer as it lies in a registry. To make one that lies, ``dataclasses.replace`` a field."""

    digest: str
    size: int
    diff_id: str
    media_type: str
    data: bytes = field(repr=False)

    @property
    def layer(self) -> Layer:
        """Its description, as ``Registry.resolve`` would give it."""
        return Layer(self.digest, self.size, self.media_type, self.diff_id)

    def chunks(self, size: int = 1 << 18) -> Iterator[bytes]:
        """The blob in pieces, as ``Registry.open_blob`` serves it."""
        for start in range(0, len(self.data), size):
            yield self.data[start : start + size]


def built_layer(
    tar: bytes, compression: Compression = "gzip", *, docker: bool = False, data: bytes | None = None
) -> BuiltLayer:
    """A blob of any uncompressed bytes, or of ``data`` if the compressed form is given too."""
    if data is None:
        if compression == "gzip":
            data = gzip.compress(tar, 6, mtime=0)
        elif compression == "zstd":
            data = zstandard.ZstdCompressor(level=3).compress(tar)
        else:
            data = tar
    kind = DOCKER_LAYER if docker else OCI_LAYER
    return BuiltLayer(digest_of(data), len(data), digest_of(tar), kind + _SUFFIX[docker, compression], data)


class LayerBuilder:
    """A tar, entry by entry, in the order of the calls; each call returns the builder.

    A path is written as it is given, so that ``./x``, ``/x`` and ``../x`` can be made; bytes stand for names
    that are not UTF-8. ``format`` is that of long names: ``gnu``, ``pax`` or ``ustar``.
    """

    def __init__(self, format: Literal["gnu", "pax", "ustar"] = "gnu") -> None:
        self._format = _FORMATS[format]
        self._parts: list[bytes] = []

    def _add(
        self, path: str | bytes, kind: bytes, mode: int, uid: int, gid: int, content: bytes = b"", **more: Any
    ) -> LayerBuilder:
        info = tarfile.TarInfo(os.fsdecode(path))
        info.type, info.mode, info.uid, info.gid, info.size = kind, mode, uid, gid, len(content)
        for name, value in more.items():
            setattr(info, name, value)
        self._parts.append(info.tobuf(self._format, "utf-8", "surrogateescape"))
        if content:
            self._parts.append(content + bytes(-len(content) % 512))
        return self

    def file(
        self, path: str | bytes, content: bytes | str = b"", mode: int = 0o644, uid: int = 0, gid: int = 0
    ) -> LayerBuilder:
        data = content.encode() if isinstance(content, str) else content
        return self._add(path, tarfile.REGTYPE, mode, uid, gid, data)

    def dir(self, path: str | bytes, mode: int = 0o755, uid: int = 0, gid: int = 0) -> LayerBuilder:
        return self._add(path, tarfile.DIRTYPE, mode, uid, gid)

    def symlink(self, path: str | bytes, target: str | bytes) -> LayerBuilder:
        return self._add(path, tarfile.SYMTYPE, 0o777, 0, 0, linkname=os.fsdecode(target))

    def hardlink(self, path: str | bytes, target: str | bytes) -> LayerBuilder:
        return self._add(path, tarfile.LNKTYPE, 0o644, 0, 0, linkname=os.fsdecode(target))

    def whiteout(self, path: str) -> LayerBuilder:
        """Hide ``path`` of the layers below."""
        head, _, name = path.rstrip("/").rpartition("/")
        return self.file(f"{head}/.wh.{name}" if head else f".wh.{name}", mode=0)

    def opaque(self, path: str) -> LayerBuilder:
        """Hide everything below the directory ``path`` ("" for the root) of the layers below."""
        return self.file(f"{path.rstrip('/')}/.wh..wh..opq" if path else ".wh..wh..opq", mode=0)

    def device(
        self, path: str, kind: Literal["char", "block"] = "char", major: int = 1, minor: int = 3
    ) -> LayerBuilder:
        type_ = tarfile.CHRTYPE if kind == "char" else tarfile.BLKTYPE
        return self._add(path, type_, 0o666, 0, 0, devmajor=major, devminor=minor)

    def fifo(self, path: str) -> LayerBuilder:
        return self._add(path, tarfile.FIFOTYPE, 0o644, 0, 0)

    def raw(self, data: bytes) -> LayerBuilder:
        """Any bytes at this place of the tar: damaged headers, another tar, padding."""
        self._parts.append(data)
        return self

    def tar(self, end: bool = True) -> bytes:
        """The uncompressed layer; without its two closing zero blocks if not ``end``."""
        return b"".join(self._parts) + (bytes(1024) if end else b"")

    def blob(self, compression: Compression = "gzip", *, docker: bool = False) -> BuiltLayer:
        return built_layer(self.tar(), compression, docker=docker)


@dataclass(frozen=True, slots=True)
class Built:
    """What a manifest is and needs, as a registry holds it: put ``blobs``, then ``children``, then ``manifest``."""

    manifest: bytes
    media_type: str
    blobs: dict[str, bytes] = field(repr=False)
    """By digest: configuration and layers (a lying layer lies here too)."""
    children: tuple[Built, ...] = ()
    platform: Platform | None = None
    annotations: dict[str, str] = field(default_factory=dict)
    """Of its descriptor in an index."""

    @property
    def digest(self) -> str:
        return digest_of(self.manifest)

    def descriptor(self) -> dict[str, Any]:
        out: dict[str, Any] = {"mediaType": self.media_type, "digest": self.digest, "size": len(self.manifest)}
        if self.platform:
            out["platform"] = {"architecture": self.platform.arch, "os": self.platform.os}
            if self.platform.variant:
                out["platform"]["variant"] = self.platform.variant
        if self.annotations:
            out["annotations"] = dict(self.annotations)
        return out

    def all_blobs(self) -> dict[str, bytes]:
        """Every blob and manifest below and including this one, by digest."""
        out = dict(self.blobs)
        for child in self.children:
            out.update(child.all_blobs())
        out[self.digest] = self.manifest
        return out


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


class ImageBuilder:
    """An image of layers, base first.

    ``config`` is the inner object that ``docker inspect`` calls Config (``User``, ``Env``, ``Cmd`` …);
    ``overrides`` replaces top-level keys of the configuration (``created``, ``rootfs`` …; None removes one).
    ``history`` is a list of build steps, one string a layer, or whole history objects; left out, each
    layer gets ``layer N``; an empty list leaves history out. ``docker`` chooses Docker v2 media types.
    """

    def __init__(
        self,
        *layers: LayerBuilder | BuiltLayer,
        config: Mapping[str, Any] | None = None,
        overrides: Mapping[str, Any] | None = None,
        history: Sequence[str | Mapping[str, Any]] | None = None,
        platform: str = "linux/amd64",
        compression: Compression = "gzip",
        docker: bool = False,
        annotations: Mapping[str, str] | None = None,
    ) -> None:
        self.layers = tuple(
            item if isinstance(item, BuiltLayer) else item.blob(compression, docker=docker) for item in layers
        )
        self.config = dict(config or {})
        self.overrides = dict(overrides or {})
        self.history = [f"layer {n}" for n in range(len(layers))] if history is None else list(history)
        self.platform = Platform.parse(platform)
        self.docker = docker
        self.annotations = dict(annotations or {})

    def config_bytes(self) -> bytes:
        """The image configuration."""
        value: dict[str, Any] = {"architecture": self.platform.arch, "os": self.platform.os}
        if self.platform.variant:
            value["variant"] = self.platform.variant
        value["created"] = "1970-01-01T00:00:00Z"
        value["config"] = self.config
        value["rootfs"] = {"type": "layers", "diff_ids": [layer.diff_id for layer in self.layers]}
        if self.history:
            value["history"] = [{"created_by": h} if isinstance(h, str) else dict(h) for h in self.history]
        value.update(self.overrides)
        return _json({k: v for k, v in value.items() if v is not None})

    def build(self) -> Built:
        """The manifest with its blobs."""
        config = self.config_bytes()
        media_type = DOCKER_MANIFEST if self.docker else OCI_MANIFEST
        manifest: dict[str, Any] = {
            "schemaVersion": 2,
            "mediaType": media_type,
            "config": {
                "mediaType": DOCKER_CONFIG if self.docker else OCI_CONFIG,
                "digest": digest_of(config),
                "size": len(config),
            },
            "layers": [{"mediaType": x.media_type, "digest": x.digest, "size": x.size} for x in self.layers],
        }
        if self.annotations:
            manifest["annotations"] = self.annotations
        blobs = {digest_of(config): config} | {layer.digest: layer.data for layer in self.layers}
        return Built(_json(manifest), media_type, blobs, platform=self.platform)


class RawManifest:
    """A manifest of any content: an artifact that is no image, or something broken.

    ``manifest`` is an object (made JSON) or bytes as they are; ``blobs`` are put beside it. ``platform`` and
    ``annotations`` go into its descriptor when it stands in an index.
    """

    def __init__(
        self,
        manifest: Mapping[str, Any] | bytes,
        *blobs: bytes,
        media_type: str = OCI_MANIFEST,
        platform: str = "",
        annotations: Mapping[str, str] | None = None,
    ) -> None:
        self._built = Built(
            manifest if isinstance(manifest, bytes) else _json(manifest),
            media_type,
            {digest_of(b): b for b in blobs},
            platform=Platform.parse(platform) if platform else None,
            annotations=dict(annotations or {}),
        )

    @classmethod
    def artifact(cls, artifact_type: str, payload: bytes, layer_type: str = "application/octet-stream") -> RawManifest:
        """An OCI 1.1 artifact (chart, signature, wasm …) of one blob."""
        empty = b"{}"
        config = {"mediaType": "application/vnd.oci.empty.v1+json", "digest": digest_of(empty), "size": len(empty)}
        layer = {"mediaType": layer_type, "digest": digest_of(payload), "size": len(payload)}
        value = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "artifactType": artifact_type,
            "config": config,
            "layers": [layer],
        }
        return cls(value, empty, payload)

    def build(self) -> Built:
        return self._built


class IndexBuilder:
    """An index (or Docker manifest list) of several images, artifacts or indexes.

    ``attestations`` adds to each image the manifest that BuildKit would: platform unknown/unknown, in-toto layer.
    """

    def __init__(
        self,
        *children: ImageBuilder | RawManifest | IndexBuilder,
        docker: bool = False,
        attestations: bool = False,
    ) -> None:
        self.children = children
        self.docker = docker
        self.attestations = attestations

    def build(self) -> Built:
        """The index with everything it names."""
        children = [child.build() for child in self.children]
        if self.attestations:
            children += [_attestation(c.digest) for c in children if c.platform]
        media_type = DOCKER_LIST if self.docker else OCI_INDEX
        value = {"schemaVersion": 2, "mediaType": media_type, "manifests": [c.descriptor() for c in children]}
        return Built(_json(value), media_type, {}, tuple(children))


def _attestation(digest: str) -> Built:
    statement = _json({"_type": "https://in-toto.io/Statement/v0.1", "subject": [{"name": digest}]})
    config = _json({"architecture": "unknown", "os": "unknown", "rootfs": {"type": "layers", "diff_ids": []}})
    layer = {"mediaType": "application/vnd.in-toto+json", "digest": digest_of(statement), "size": len(statement)}
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": {"mediaType": OCI_CONFIG, "digest": digest_of(config), "size": len(config)},
        "layers": [layer],
    }
    notes = {"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": digest}
    blobs = {digest_of(b): b for b in (statement, config)}
    return Built(_json(manifest), OCI_MANIFEST, blobs, platform=Platform("unknown", "unknown"), annotations=notes)


def write_layout(
    folder: Path,
    images: Mapping[str, ImageBuilder | IndexBuilder | RawManifest],
    *,
    without: Sequence[str] = (),
) -> dict[str, str]:
    """Write an OCI image layout and return the digest of each reference.

    The keys of ``images`` become ``org.opencontainers.image.ref.name`` ("" writes no name). ``without`` lists
    digests whose blobs are left out, to make a damaged layout.
    """
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True, exist_ok=True)
    (folder / "oci-layout").write_bytes(_json({"imageLayoutVersion": "1.0.0"}))
    descriptors, digests = [], {}
    for name, image in images.items():
        built = image.build()
        for digest, data in built.all_blobs().items():
            if digest not in without:
                (blobs / digest.partition(":")[2]).write_bytes(data)
        if name:
            built = replace(built, annotations={**built.annotations, REF_NAME: name})
        descriptors.append(built.descriptor())
        digests[name] = built.digest
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": descriptors}
    (folder / "index.json").write_bytes(_json(index))
    return digests


def write_docker_archive(file: Path, images: Mapping[str, ImageBuilder]) -> None:
    """Write what ``docker save`` writes: ``{"repo:tag": image}`` ("" for one without a tag), layers uncompressed."""
    members: dict[str, bytes] = {}
    manifest = []
    for ref, image in images.items():
        config = image.config_bytes()
        names = []
        for layer in image.layers:
            name = f"{layer.diff_id.partition(':')[2]}/layer.tar"
            members[name] = _uncompressed(layer)
            names.append(name)
        config_name = f"{digest_of(config).partition(':')[2]}.json"
        members[config_name] = config
        manifest.append({"Config": config_name, "RepoTags": [ref] if ref else None, "Layers": names})
    members["manifest.json"] = _json(manifest)
    with tarfile.open(file, "w", format=tarfile.GNU_FORMAT) as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))


def _uncompressed(layer: BuiltLayer) -> bytes:
    if layer.data[:2] == b"\x1f\x8b":
        return gzip.decompress(layer.data)
    if layer.data[:4] == b"\x28\xb5\x2f\xfd":
        return zstandard.ZstdDecompressor().decompressobj().decompress(layer.data)
    return layer.data

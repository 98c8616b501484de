"""``docker save`` archives, plain or compressed: ``manifest.json`` beside layers and configurations.

Written by Docker since 1.10, also in its newer form that is an OCI layout at once, and by skopeo and podman. An archive
has no manifests, hence no digest that a registry would know: an image's digest is that of its configuration (what
``docker images`` shows as image ID), and a layer's is that of its stored bytes, which for an uncompressed ``layer.tar``
is its diff_id.
"""

from __future__ import annotations

import hashlib
import posixpath
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import orjson

from grid.errors import ArchiveInvalid, BlobUnknown, ConfigInvalid, ManifestUnknown, RepositoryUnknown
from grid.model import MIB, Image, Layer, Platform, is_digest, is_name
from grid.registries import Access
from grid.registries.archive import Tar
from grid.registries.layout import split_name
from grid.registries.manifests import CONFIG_BYTES, digest_of, parse_config

MANIFEST_BYTES = 16 * MIB
TAR = "application/vnd.docker.image.rootfs.diff.tar"


def connect(access: Access) -> DockerArchive:
    """Nothing is read yet."""
    return DockerArchive(access)


@dataclass(frozen=True, slots=True)
class _Saved:
    names: tuple[tuple[str, str], ...]
    """(repository, tag)."""
    config: bytes | None
    """None if the archive does not hold it."""
    digest: str
    layers: tuple[str, ...]
    """Member names."""


class DockerArchive:
    """A ``Registry`` over an archive."""

    def __init__(self, access: Access) -> None:
        self._tar = Tar(Path(access.address))
        self._label = access.label
        self._lock = threading.Lock()
        self._saved: list[_Saved] | None = None
        self._blobs: dict[str, str] = {}

    def repositories(self) -> Iterator[str]:
        yield from dict.fromkeys(repository for saved in self._images() for repository, _ in saved.names)

    def tags(self, repository: str) -> Iterator[str]:
        tags = [tag for saved in self._images() for name, tag in saved.names if name == repository]
        if not tags and repository:
            raise RepositoryUnknown(f"{self._label} has no image named {repository}")
        yield from dict.fromkeys(tags)

    def digest(self, repository: str, target: str) -> str:
        return self._find(repository, target).digest

    def resolve(self, repository: str, target: str, platforms: tuple[Platform, ...]) -> list[Image]:
        saved = self._find(repository, target)
        if saved.config is None:
            raise BlobUnknown(f"{self._label} does not hold the configuration {saved.digest}")
        config = parse_config(saved.config, len(saved.layers))
        layers = []
        for member, diff_id, created_by in zip(saved.layers, config.diff_ids, config.created_by, strict=True):
            digest, media_type = self._identify(member, diff_id)
            layers.append(Layer(digest, self._size(member), media_type, diff_id, created_by))
        image = Image(
            ref_digest=saved.digest,
            digest=saved.digest,
            platform=config.platform,
            layers=tuple(layers),
            media_type="application/vnd.docker.distribution.manifest.v2+json",
            config_digest=saved.digest,
            created=config.created,
            base=config.base,
        )
        return [image]  # one platform is all an archive holds of an image: nothing to choose

    @contextmanager
    def open_blob(self, repository: str, layer: Layer) -> Iterator[Iterator[bytes]]:
        yield self._tar.chunks(self._blobs.get(layer.digest) or self._locate(layer.digest))

    def close(self) -> None:
        self._tar.close()

    def _locate(self, digest: str) -> str:
        """The member of a layer when another process resolved the image."""
        for saved in self._images():
            try:
                config = parse_config(saved.config or b"", len(saved.layers))
            except ConfigInvalid:
                continue
            for member, diff_id in zip(saved.layers, config.diff_ids, strict=True):
                self._identify(member, diff_id)
        if digest not in self._blobs:
            raise BlobUnknown(f"{self._label} does not hold the layer {digest}")
        return self._blobs[digest]

    def _identify(self, member: str, diff_id: str) -> tuple[str, str]:
        """Digest and media type of a stored layer."""
        if not self._tar.exists(member):
            # The image still has to be listed, and only this layer to fail: its name is all there is.
            return diff_id, TAR
        magic = self._tar.head(member, 4)
        suffix = ".gzip" if magic.startswith(b"\x1f\x8b") else ".zstd" if magic == b"\x28\xb5\x2f\xfd" else ""
        digest = diff_id
        if suffix:
            folder, _, name = member.rpartition("/")
            digest = f"{posixpath.basename(folder)}:{name}"
            if not folder.startswith("blobs/") or not is_digest(digest):
                sha256 = hashlib.sha256()
                for chunk in self._tar.chunks(member):
                    sha256.update(chunk)
                digest = f"sha256:{sha256.hexdigest()}"
        with self._lock:
            self._blobs[digest] = member
        return digest, TAR + suffix

    def _size(self, member: str) -> int:
        try:
            return self._tar.size(member)
        except KeyError:
            return -1

    def _find(self, repository: str, target: str) -> _Saved:
        images = self._images()
        if not repository and not target:
            if len(images) == 1:
                return images[0]
            names = ", ".join(":".join(filter(None, name)) for saved in images for name in saved.names[:1])
            raise ManifestUnknown(f"{self._label} holds {len(images)} images; name one of: {names[:300]}")
        wanted = (repository, target) if repository else split_name(target)
        for saved in images:
            if saved.digest == target or wanted in saved.names:
                return saved
        if not repository and not is_digest(target):  # docker-archive:FILE:alpine means alpine:latest
            for saved in images:
                if (target, "latest") in saved.names:
                    return saved
        raise ManifestUnknown(f"{self._label} has no image named {':'.join(filter(None, (repository, target)))}")

    def _images(self) -> list[_Saved]:
        with self._lock:
            if self._saved is None:
                self._saved = list(self._load())
            return self._saved

    def _load(self) -> Iterator[_Saved]:
        try:
            content = orjson.loads(self._tar.read("manifest.json", MANIFEST_BYTES))
        except KeyError:
            raise ArchiveInvalid(f"{self._label} has no manifest.json: no docker save since Docker 1.10") from None
        except orjson.JSONDecodeError:
            raise ArchiveInvalid(f"{self._label}: manifest.json is not JSON") from None
        if not isinstance(content, list):
            raise ArchiveInvalid(f"{self._label}: manifest.json is not a list")
        for entry in content:
            config = entry.get("Config") if isinstance(entry, dict) else None
            layers = (entry.get("Layers") or []) if isinstance(entry, dict) else None
            if not isinstance(config, str) or not isinstance(layers, list):
                raise ArchiveInvalid(f"{self._label}: manifest.json names no Config or no Layers")
            body = self._tar.read(config, CONFIG_BYTES) if self._tar.exists(config) else None
            digest = digest_of(body if body is not None else config.encode())
            tags = entry.get("RepoTags")
            told = tags if isinstance(tags, list) else []
            names = [split_name(tag) for tag in told if isinstance(tag, str) and is_name(tag)]
            yield _Saved(tuple(names) or (("", digest),), body, digest, tuple(str(layer) for layer in layers))

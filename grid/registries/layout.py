"""OCI image layouts: a folder (``oci``) or a tar of one (``oci-archive``, plain or compressed).

Format: OCI image-spec v1.1, image-layout.md. Names come from ``org.opencontainers.image.ref.name`` ("repo:tag", or a
bare "tag") or, where that is missing or bare, from ``io.containerd.image.name``; a nameless image has its digest
for a tag.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from grid.errors import (
    ArchiveInvalid,
    BlobUnknown,
    ManifestInvalid,
    ManifestUnknown,
    ReferenceInvalid,
    RepositoryUnknown,
)
from grid.model import Image, Layer, Platform, is_digest, is_name
from grid.registries import Access
from grid.registries.archive import Files, Folder, Tar
from grid.registries.manifests import (
    CONFIG_BYTES,
    MANIFEST_BYTES,
    OCI_INDEX,
    Descriptor,
    Document,
    digest_of,
    parse_descriptor,
    resolve,
    verify,
)

REF_NAME = "org.opencontainers.image.ref.name"
CONTAINERD_NAME = "io.containerd.image.name"


def connect(access: Access) -> Layout:
    """Nothing is read yet."""
    return Layout(access)


def split_name(name: str) -> tuple[str, str]:
    """``repo:tag`` → (repository, tag); a bare name is a tag."""
    head, colon, tag = name.rpartition(":")
    return (head, tag) if colon and head and "/" not in tag else ("", name)


@dataclass(frozen=True, slots=True)
class _Named:
    repository: str
    tag: str
    names: frozenset[str]
    """Everything a user may call it."""
    digest: str
    media_type: str


class Layout:
    """A ``Registry`` over a layout."""

    def __init__(self, access: Access) -> None:
        self._path = Path(access.address)
        self._label = access.label
        self._files: Files = Tar(self._path) if access.kind == "oci-archive" else Folder(self._path)
        self._lock = threading.Lock()
        self._images: list[_Named] | None = None
        self._made: dict[str, bytes] = {}

    def repositories(self) -> Iterator[str]:
        yield from dict.fromkeys(image.repository for image in self._index())

    def tags(self, repository: str) -> Iterator[str]:
        tags = list(dict.fromkeys(image.tag for image in self._index() if image.repository == repository))
        if not tags and repository:
            raise RepositoryUnknown(f"{self._label} has no image named {repository}")
        yield from tags

    def digest(self, repository: str, target: str) -> str:
        return self._find(repository, target)[0]

    def resolve(self, repository: str, target: str, platforms: tuple[Platform, ...]) -> list[Image]:
        digest, media_type = self._find(repository, target)
        return resolve(_Documents(self, {digest: media_type}), digest, platforms)

    @contextmanager
    def open_blob(self, repository: str, layer: Layer) -> Iterator[Iterator[bytes]]:
        try:
            chunks = self._files.chunks(blob_path(layer.digest))
        except KeyError:
            raise BlobUnknown(f"{self._label} does not hold the blob {layer.digest}") from None
        with closing(chunks):
            yield chunks

    def close(self) -> None:
        self._files.close()

    def read_document(self, digest: str, limit: int, what: str) -> bytes:
        """A small blob, verified."""
        made = self._made.get(digest)
        if made is not None:
            return made
        try:
            body = self._files.read(blob_path(digest), limit)
        except KeyError:
            kind = ManifestUnknown if what == "manifest" else BlobUnknown
            raise kind(f"{self._label} does not hold the {what} {digest}") from None
        verify(body, digest, what)
        return body

    def _find(self, repository: str, target: str) -> tuple[str, str]:
        """Digest and media type of what a name, a digest or "" (the only image) stands for."""
        images = self._index()
        if is_digest(target):
            if target in self._made:
                return target, OCI_INDEX
            return target, next((image.media_type for image in images if image.digest == target), "")
        if not target and not repository:
            if len(images) == 1:
                return images[0].digest, images[0].media_type
            names = ", ".join(":".join(filter(None, (image.repository, image.tag))) for image in images[:8])
            raise ManifestUnknown(f"{self._label} holds {len(images)} images; name one of: {names}")
        whole = f"{repository}:{target}" if repository and target else repository or target
        for image in images:
            if (image.repository, image.tag) == (repository, target) or whole in image.names:
                return image.digest, image.media_type
        raise ManifestUnknown(f"{self._label} has no image named {whole}")

    def _index(self) -> list[_Named]:
        with self._lock:
            if self._images is None:
                self._images = self._load()
            return self._images

    def _load(self) -> list[_Named]:
        if isinstance(self._files, Folder) and not self._path.is_dir():
            raise ReferenceInvalid(f"{self._path} is not a folder")
        try:
            content = orjson.loads(self._files.read("index.json", MANIFEST_BYTES))
        except KeyError:
            raise ArchiveInvalid(f"{self._label} has no index.json: it is not an OCI layout") from None
        except orjson.JSONDecodeError:
            raise ArchiveInvalid(f"{self._label}: index.json is not JSON") from None
        children = content.get("manifests") if isinstance(content, dict) else None
        if not isinstance(children, list):
            raise ArchiveInvalid(f"{self._label}: index.json lists no manifests")
        try:
            parsed = [(parse_descriptor(child), child) for child in children]
        except ManifestInvalid as error:
            raise ArchiveInvalid(f"{self._label}: index.json: {error.message}") from None
        groups: dict[tuple[str, str], list[tuple[Descriptor, dict[str, Any]]]] = {}
        for descriptor, child in parsed:
            groups.setdefault(_name(descriptor), []).append((descriptor, child))
        return [self._named(*name, group) for name, group in groups.items()]

    def _named(self, repository: str, tag: str, group: list[tuple[Descriptor, dict[str, Any]]]) -> _Named:
        names = {
            value for d, _ in group for key, value in d.annotations
            if key in (REF_NAME, CONTAINERD_NAME) and is_name(value)
        }  # fmt: skip
        digests = {descriptor.digest for descriptor, _ in group}
        first = group[0][0]
        if len(digests) == 1:
            return _Named(repository, tag, frozenset(names), first.digest, first.media_type)
        # One name for several manifests (one a platform, as some builders write it): an index that was not written.
        index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [child for _, child in group]}
        body = orjson.dumps(index, option=orjson.OPT_SORT_KEYS)
        digest = digest_of(body)
        self._made[digest] = body
        return _Named(repository, tag, frozenset(names), digest, OCI_INDEX)


class _Documents:
    """The layout as a source of documents for ``manifests.resolve``."""

    def __init__(self, layout: Layout, media_types: dict[str, str]) -> None:
        self._layout = layout
        self._media_types = media_types

    def manifest(self, target: str) -> Document:
        body = self._layout.read_document(target, MANIFEST_BYTES, "manifest")
        return Document(target, self._media_types.get(target, ""), body)

    def config(self, digest: str, size: int) -> bytes:
        return self._layout.read_document(digest, CONFIG_BYTES, "configuration")


def blob_path(digest: str) -> str:
    """``blobs/sha256/…``; a digest is hexadecimal, so no path can leave the layout."""
    if not is_digest(digest):
        raise ManifestInvalid(f"{digest!r} is not a digest")
    return "blobs/" + digest.replace(":", "/")


def _name(descriptor: Descriptor) -> tuple[str, str]:
    annotations = dict(descriptor.annotations)
    plain, whole = (name if is_name(name := annotations.get(key, "")) else "" for key in (REF_NAME, CONTAINERD_NAME))
    repository, tag = split_name(plain)
    if whole and not repository:
        repository, tag = split_name(whole)
    return repository, tag or descriptor.digest

"""Artifacts in registries: any set of files, pushed under one manifest and pulled again, verified by digest.

The forms are those of https://github.com/opencontainers/image-spec/blob/v1.1.0/manifest.md (an artifact is an image
manifest with an ``artifactType`` and the empty configuration) and of the "Push" part of the distribution-spec, so
``oras``, ``skopeo`` and ``cosign`` can handle what is pushed here.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit, urlunsplit

import orjson

from grid.errors import DigestMismatch, ManifestInvalid, RegistryError, SizeMismatch, UnsupportedMediaType
from grid.model import Layer, is_digest
from grid.registries import Access
from grid.registries.docker import DockerRegistry, quoted
from grid.registries.manifests import OCI_MANIFEST, Document, digest_of, parse_document
from grid.registries.wire import Patience, Reply, same_origin

EMPTY = "application/vnd.oci.empty.v1+json"
EMPTY_BODY = b"{}"
TITLE = "org.opencontainers.image.title"
"""The annotation that names a layer's file, for us as for ``oras pull``."""
_CHUNK = 1 << 20

Progress = Callable[[str, int, int], None]
"""Told the name of a file, how many of its bytes are over, and how many it has."""


@dataclass(frozen=True, slots=True)
class Item:
    """One file of an artifact."""

    name: str
    media_type: str
    digest: str
    size: int
    path: Path | None = None
    """Where it is, for a push."""


@dataclass(frozen=True, slots=True)
class Artifact:
    """What a manifest lists."""

    digest: str
    items: tuple[Item, ...]
    annotations: Mapping[str, str]


def item(name: str, media_type: str, path: Path) -> Item:
    """A file to push; it is read once for its digest."""
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return Item(name, media_type, f"sha256:{digest}", path.stat().st_size, path)


class ArtifactRegistry(DockerRegistry):
    """A registry as a place for artifacts. Methods raise ``RegistryError``."""

    def push(
        self,
        repository: str,
        tag: str,
        artifact_type: str,
        items: Sequence[Item],
        annotations: Mapping[str, str],
        progress: Progress = lambda name, done, total: None,
    ) -> str:
        """Push files and the manifest that lists them; its digest. What the registry has already is not sent again."""
        config = Item("", EMPTY, digest_of(EMPTY_BODY), len(EMPTY_BODY))
        self._put_blob(repository, config, lambda: iter((EMPTY_BODY,)))
        for one in items:
            self._put_blob(repository, one, partial(_content, one, progress))
        manifest = orjson.dumps(
            {
                "schemaVersion": 2,
                "mediaType": OCI_MANIFEST,
                "artifactType": artifact_type,
                "config": {"mediaType": EMPTY, "digest": config.digest, "size": config.size},
                "layers": [
                    {"mediaType": one.media_type, "digest": one.digest, "size": one.size,
                     "annotations": {TITLE: one.name}}
                    for one in items
                ],
                "annotations": dict(annotations),
            }
        )  # fmt: skip
        self.patiently(partial(self._put_manifest, repository, tag, manifest))
        return digest_of(manifest)

    def find(self, repository: str, target: str, artifact_type: str) -> Artifact:
        """What a tag or digest names; raises UnsupportedMediaType if it is anything but such an artifact."""
        document: Document = self.patiently(partial(self.read_manifest, repository, target))
        manifest = parse_document(document)
        layers = getattr(manifest, "layers", None)
        config = getattr(manifest, "config", None)
        if layers is None or artifact_type not in (manifest.artifact_type, config.media_type if config else ""):
            raise UnsupportedMediaType(f"{repository}:{target} is not a {artifact_type}")
        items = [
            Item(dict(layer.annotations).get(TITLE, ""), layer.media_type, layer.digest, layer.size) for layer in layers
        ]
        annotations = orjson.loads(document.body).get("annotations")
        told = (
            {str(k): v for k, v in annotations.items() if isinstance(v, str)} if isinstance(annotations, dict) else {}
        )
        return Artifact(document.digest, tuple(items), told)

    def fetch(
        self, repository: str, item: Item, target: Path, progress: Progress = lambda name, done, total: None
    ) -> None:
        """Bring one file, resumed if the connection breaks; on disk, and its digest verified, when this returns."""
        algorithm, _, wanted = item.digest.partition(":")
        digest = hashlib.new(algorithm)
        done = 0
        with (
            self.open_blob(repository, Layer(item.digest, item.size, item.media_type)) as chunks,
            target.open("xb") as out,
        ):
            for chunk in chunks:
                done += len(chunk)
                if done > item.size:
                    raise SizeMismatch(f"{item.name} is longer than its descriptor says")
                digest.update(chunk)
                out.write(chunk)
                progress(item.name, done, item.size)
            out.flush()
            os.fsync(out.fileno())
        if done != item.size or digest.hexdigest() != wanted:
            raise DigestMismatch(f"the bytes served for {item.name} do not have the digest {item.digest}")

    # --- pushing ---

    def _put_blob(self, repository: str, item: Item, content: Callable[[], Iterator[bytes]]) -> None:
        if not self.patiently(partial(self._has_blob, repository, item.digest)):
            self.patiently(partial(self._upload, repository, item, content))

    def _has_blob(self, repository: str, digest: str) -> bool:
        with self._ask("HEAD", f"/v2/{quoted(repository)}/blobs/{digest}", _push(repository)) as reply:
            if reply.status in (200, 404):
                return reply.status == 200
            raise self._refusal(reply, "blob", digest)

    def _upload(self, repository: str, item: Item, content: Callable[[], Iterator[bytes]]) -> None:
        scope = _push(repository)
        nothing = [("Content-Length", "0")]
        with self._ask("POST", f"/v2/{quoted(repository)}/blobs/uploads/", scope, headers=nothing) as reply:
            place = reply.headers.get("location", "")
            if reply.status != 202 or not place:
                raise self._refusal(reply, "upload", repository)
            reply.drop()
        parts = urlsplit(urljoin(self._base, place))
        query = urlencode([*parse_qsl(parts.query, keep_blank_values=True), ("digest", item.digest)])
        url = urlunsplit((parts.scheme, parts.netloc, parts.path, query, ""))
        if parts.hostname == urlsplit(self._base).hostname:  # behind a proxy many name themselves with another scheme
            url = f"{self._base}{parts.path}?{query}"
        headers = [("Content-Type", "application/octet-stream"), ("Content-Length", str(item.size))]
        with self._send_to(url, scope, headers, content) as reply:
            if reply.status != 201:
                raise self._refusal(reply, "upload", item.name)

    def _send_to(
        self, url: str, scope: str, headers: list[tuple[str, str]], content: Callable[[], Iterator[bytes]]
    ) -> Reply:
        if same_origin(url, self._base):
            return self._ask("PUT", url, scope, headers=headers, content=content)
        self._wire.vet(url)
        return self._wire.open("PUT", url, headers, content=content)  # signed, most likely; our login is not for it

    def _put_manifest(self, repository: str, tag: str, body: bytes) -> None:
        headers = [("Content-Type", OCI_MANIFEST), ("Content-Length", str(len(body)))]
        path = f"/v2/{quoted(repository)}/manifests/{tag}"
        with self._ask("PUT", path, _push(repository), headers=headers, content=lambda: iter((body,))) as reply:
            if reply.status != 201:
                raise self._refusal(reply, "manifest", tag)
            stated = reply.headers.get("docker-content-digest", "")
        if is_digest(stated) and stated != digest_of(body, stated):
            raise ManifestInvalid("the registry stored another manifest than the one sent")


def open_artifacts(access: Access, patience: Patience = Patience()) -> ArtifactRegistry:  # noqa: B008  (immutable)
    """Nothing is asked yet."""
    if access.kind != "docker":
        raise RegistryError(f"{access.label} is no registry", remedy="name it docker://host/repository:tag")
    return ArtifactRegistry(access, patience)


def _push(repository: str) -> str:
    return f"repository:{repository}:pull,push"


def _content(item: Item, progress: Progress) -> Iterator[bytes]:
    assert item.path is not None
    done = 0
    with item.path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            done += len(chunk)
            yield chunk
            progress(item.name, done, item.size)

"""Registries: where images come from.

A new kind of registry is one file in this folder, with a ``connect(access) -> Registry`` function, and one
line in ``KINDS``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib import import_module
from typing import Protocol

from grid.errors import ReferenceInvalid
from grid.model import Image, Layer, Platform


@dataclass(frozen=True, slots=True)
class Access:
    """How to reach a registry: everything that may travel to a worker, so never a secret.

    ``credential`` is a *name*, resolved where the connection is made: ``env:NAME`` (the variable holds
    ``user:password``, or a bare token), ``file:PATH`` (the same, in a file), ``docker`` (the docker configuration
    and its credential helpers) or "" for ``docker`` if it knows the host, else anonymous.
    """

    kind: str
    """A key of ``KINDS``."""
    address: str
    """``host[:port]``, or the path of a local source."""
    name: str = ""
    """The ``registry`` column; the address (or ``kind:path``) if empty."""
    credential: str = ""
    plain_http: bool = False
    ca_file: str = ""
    insecure_skip_verify: bool = False
    timeout: float = 30.0
    """Seconds of silence after which a connection counts as broken."""

    @property
    def label(self) -> str:
        return self.name or (self.address if self.kind == "docker" else f"{self.kind}:{self.address}")


class Registry(Protocol):
    """One registry or image archive. Methods raise ``RegistryError`` and may be called from many threads."""

    def repositories(self) -> Iterator[str]:
        """All repositories, streamed as pages arrive. A local source without names yields ""."""
        ...

    def tags(self, repository: str) -> Iterator[str]: ...

    def digest(self, repository: str, target: str) -> str:
        """What a tag points at, by one HEAD request (local sources: a look at the index)."""
        ...

    def resolve(self, repository: str, target: str, platforms: tuple[Platform, ...]) -> list[Image]:
        """Manifest → platform → config → ordered layers. An empty ``platforms`` means all.

        One ``Image`` for each platform that matches; an artifact that is no image is one ``Image`` with
        status ``unsupported``. What breaks one child of an index is that child's ``failed`` status; what
        breaks the whole is raised.
        """
        ...

    def open_blob(self, repository: str, layer: Layer) -> AbstractContextManager[Iterator[bytes]]:
        """The blob's bytes as stored, in chunks; resumed after a broken connection. Not verified: the reader does."""
        ...

    def close(self) -> None: ...


KINDS: dict[str, str] = {
    "docker": "grid.registries.docker",
    "oci": "grid.registries.layout",
    "oci-archive": "grid.registries.layout",
    "docker-archive": "grid.registries.docker_archive",
}


def connect(access: Access) -> Registry:
    """Open a registry; nothing is asked of it yet."""
    module = KINDS.get(access.kind)
    if module is None:
        raise ReferenceInvalid(f"no registry kind {access.kind!r}", remedy=f"one of {', '.join(sorted(KINDS))}")
    registry: Registry = import_module(module).connect(access)
    return registry

"""Registries that speak the distribution API (``docker://``).

The protocol: https://github.com/opencontainers/distribution-spec/blob/v1.1.0/spec.md
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

import orjson

from grid.errors import (
    BlobUnknown,
    ConfigInvalid,
    FailedToVerifyUsernameOrPwd,
    ForeignLayer,
    GridError,
    ManifestInvalid,
    ManifestUnknown,
    RateLimited,
    RegistryError,
    RegistryUnavailable,
    RegistryVersionError,
    RepositoryUnknown,
    UserDoesNotHaveAdminRole,
)
from grid.model import MIB, Image, Layer, Platform, is_digest, is_name
from grid.registries import Access
from grid.registries.auth import Authenticator
from grid.registries.blobs import BlobReader
from grid.registries.credentials import find_login, is_docker_hub
from grid.registries.manifests import ACCEPT, CONFIG_BYTES, MANIFEST_BYTES, Document, digest_of, resolve, verify
from grid.registries.wire import Content, Patience, Reply, Wire, retry_after, same_origin

HUB_HOST = "registry-1.docker.io"
PAGE = 1000
PAGES = 100_000
PAGE_BYTES = 64 * MIB
_ERROR_BYTES = 64 * 1024
_CATALOG = "registry:catalog:*"
_LISTS = "application/json"
_FOREIGN = re.compile(r"nondistributable|\.foreign\.")

# --- what a refusal is called --------------------------------------------------------------------

_BY_STATUS: dict[int, type[RegistryError]] = {
    401: FailedToVerifyUsernameOrPwd,
    403: UserDoesNotHaveAdminRole,
    408: RegistryUnavailable,
    429: RateLimited,
}
_BY_CODE: dict[str, type[RegistryError]] = {  # distribution-spec, "Error Codes"; read for 400, 404 and 405 only
    "NAME_UNKNOWN": RepositoryUnknown,
    "NAME_INVALID": RepositoryUnknown,
    "MANIFEST_UNKNOWN": ManifestUnknown,
    "MANIFEST_INVALID": ManifestInvalid,
    "TAG_INVALID": ManifestUnknown,
    "BLOB_UNKNOWN": BlobUnknown,
    "DIGEST_INVALID": BlobUnknown,
    "TOOMANYREQUESTS": RateLimited,
    "UNAUTHORIZED": FailedToVerifyUsernameOrPwd,
    "DENIED": UserDoesNotHaveAdminRole,
}
_MISSING: dict[str, type[RegistryError]] = {
    "manifest": ManifestUnknown,
    "configuration": BlobUnknown,
    "blob": BlobUnknown,
    "tag list": RepositoryUnknown,
    "catalog": UserDoesNotHaveAdminRole,
}


def connect(access: Access, patience: Patience = Patience()) -> DockerRegistry:  # noqa: B008  (immutable)
    """Nothing is asked yet."""
    return DockerRegistry(access, patience)


class DockerRegistry:
    """A ``Registry`` over the distribution API."""

    def __init__(self, access: Access, patience: Patience) -> None:
        host = HUB_HOST if is_docker_hub(access.address) else access.address
        self._base = f"{'http' if access.plain_http else 'https'}://{host}"
        self._access = access
        self._label = access.label
        self._patience = patience
        self._wire = Wire(access, self._base)
        self._auth = Authenticator(self._wire, self._base, partial(find_login, access))
        self._greeted = False
        self._lock = threading.Lock()

    # --- the protocol ---

    def repositories(self) -> Iterator[str]:
        if is_docker_hub(self._access.address):
            raise UserDoesNotHaveAdminRole("Docker Hub does not list its repositories")
        yield from self._pages("/v2/_catalog", _CATALOG, "repositories", "catalog")

    def tags(self, repository: str) -> Iterator[str]:
        path = f"/v2/{quoted(repository)}/tags/list"
        yield from self._pages(path, _pull(repository), "tags", "tag list")

    def digest(self, repository: str, target: str) -> str:
        return self._patience.run(partial(self._digest, repository, target))

    def resolve(self, repository: str, target: str, platforms: tuple[Platform, ...]) -> list[Image]:
        return resolve(_Documents(self, repository), target, platforms)

    @contextmanager
    def open_blob(self, repository: str, layer: Layer) -> Iterator[Iterator[bytes]]:
        reader = BlobReader(partial(self._ask_blob, repository, layer), layer.size, self._patience)
        try:
            yield iter(reader)
        finally:
            reader.close()

    def close(self) -> None:
        self._wire.close()

    # --- documents ---

    def _digest(self, repository: str, target: str) -> str:
        path = f"/v2/{quoted(repository)}/manifests/{target}"
        with self._ask("HEAD", path, _pull(repository), ACCEPT) as reply:
            stated: str = reply.headers.get("docker-content-digest", "")
            if reply.status == 200 and is_digest(stated):
                return stated
            if reply.status not in (200, 400, 404, 405, 501):  # a HEAD has no body to say more
                raise self._refusal(reply, "manifest", target)
        return self.read_manifest(repository, target).digest

    def read_manifest(self, repository: str, target: str) -> Document:
        """One GET, verified by digest where the target or the registry states one."""
        path = f"/v2/{quoted(repository)}/manifests/{target}"
        with self._ask("GET", path, _pull(repository), ACCEPT) as reply:
            if reply.status != 200:
                raise self._refusal(reply, "manifest", target)
            body = reply.body(MANIFEST_BYTES)
            media_type: str = reply.headers.get("content-type", "")
            stated: str = reply.headers.get("docker-content-digest", "")
        if body is None:
            raise ManifestInvalid(f"the manifest {target} is larger than {MANIFEST_BYTES // MIB} MiB")
        if media_type.startswith("text/html"):
            raise RegistryVersionError(f"{self._label} answers with a web page instead of a manifest")
        if is_digest(stated) and b'"signatures"' in body:
            return Document(stated, media_type, body)  # schema 1 is named by its payload alone, and not read anyway
        if is_digest(target):
            verify(body, target, "manifest")
            return Document(target, media_type, body)
        if is_digest(stated):
            verify(body, stated, "manifest")
            return Document(stated, media_type, body)
        return Document(digest_of(body), media_type, body)

    def read_config(self, repository: str, digest: str) -> bytes:
        """One GET, verified."""
        path = f"/v2/{quoted(repository)}/blobs/{digest}"
        with self._ask("GET", path, _pull(repository)) as reply:
            if reply.status != 200:
                raise self._refusal(reply, "configuration", digest)
            body = reply.body(CONFIG_BYTES)
        if body is None:
            raise ConfigInvalid(f"the configuration is larger than {CONFIG_BYTES // MIB} MiB")
        verify(body, digest, "configuration")
        return body

    def patiently(self, call: Callable[[], Any]) -> Any:
        """The call, repeated while its error may pass."""
        return self._patience.run(call)

    def _ask_blob(self, repository: str, layer: Layer, headers: list[tuple[str, str]]) -> Reply:
        path = f"/v2/{quoted(repository)}/blobs/{layer.digest}"
        reply = self._ask("GET", path, _pull(repository), headers=headers)
        if reply.status in (200, 206, 416):
            return reply
        with reply:
            error = self._refusal(reply, "blob", layer.digest)
        if isinstance(error, BlobUnknown) and (layer.urls or _FOREIGN.search(layer.media_type)):
            error = ForeignLayer(f"the layer {layer.digest} is not distributable and {self._label} does not hold it")
        raise error

    # --- lists ---

    def _pages(self, path: str, scope: str, key: str, what: str) -> Iterator[str]:
        url: str | None = f"{self._base}{path}?n={PAGE}"
        seen: set[str] = set()
        while url is not None and len(seen) < PAGES:
            seen.add(url)
            names, url = self._patience.run(partial(self._page, url, scope, key, what))
            yield from names
            if url in seen:
                raise RegistryError(f"{self._label} lists pages of its {what} in a circle")

    def _page(self, url: str, scope: str, key: str, what: str) -> tuple[list[str], str | None]:
        with self._ask("GET", url, scope, _LISTS) as reply:
            if reply.status != 200:
                raise self._refusal(reply, what, "")
            body = reply.body(PAGE_BYTES)
            following = _next_link(reply.headers.get_list("link"))
        try:
            names = orjson.loads(body or b"").get(key)
        except (orjson.JSONDecodeError, AttributeError):
            raise RegistryVersionError(f"{self._label} did not answer with a {what}") from None
        if not isinstance(names, list | None):
            raise RegistryVersionError(f"{self._label} did not answer with a {what}")
        named = [name for name in names or () if isinstance(name, str) and is_name(name)]
        return named, self._same_place(url, following)

    def _same_place(self, url: str, link: str | None) -> str | None:
        """The next page, on our own origin: behind a proxy many registries name themselves with another scheme."""
        if not link:
            return None
        target = urljoin(url, link)
        parts = urlsplit(target)
        if not same_origin(target, self._base) and parts.hostname != urlsplit(self._base).hostname:
            raise RegistryError(f"{self._label} continues its list on another host: refused")
        return f"{self._base}{parts.path}" + (f"?{parts.query}" if parts.query else "")

    # --- requests ---

    def _ask(
        self,
        method: str,
        path: str,
        scope: str,
        accept: str = "",
        headers: list[tuple[str, str]] | None = None,
        content: Content | None = None,
    ) -> Reply:
        """One request with whatever authorization it takes. The reply is open; 408, 429 and 5xx are raised."""
        if not self._greeted:
            self._greet()
        url = path if path.startswith("http") else self._base + path
        sent = [*(headers or ()), ("Accept", accept)] if accept else headers or []
        authorization = self._auth.authorization(scope)
        reply = self._wire.open(method, url, sent, authorization, content)
        if reply.status in (401, 403) and not reply.elsewhere:
            try:
                renewed = self._auth.renew(scope, reply, authorization)
            except BaseException:
                reply.close()
                raise
            if renewed:
                reply.drop()
                reply = self._wire.open(method, url, sent, self._auth.authorization(scope), content)
        if reply.status >= 500 or reply.status in (408, 429):
            with reply:
                raise self._refusal(reply, "", "")
        return reply

    def _greet(self) -> None:
        """Ask ``/v2/`` once: is this a registry, and how does one log in?"""
        with self._lock:
            if self._greeted:
                return
            with self._wire.open("GET", f"{self._base}/v2/") as reply:
                html = reply.headers.get("content-type", "").startswith("text/html")
                if reply.status == 401:
                    self._auth.learn(reply.headers.get_list("www-authenticate"))
                elif reply.status >= 500 or reply.status in (408, 429):
                    raise self._refusal(reply, "", "")
                elif html or reply.status in (400, 404):
                    raise RegistryVersionError(f"{self._label} does not speak the distribution API")
                reply.drop()
            self._greeted = True

    def _refusal(self, reply: Reply, what: str, name: str) -> GridError:
        """The error for a refusal. The registry's own words stay out of it: they may hold anything."""
        status = reply.status
        who = self._label
        if reply.elsewhere:
            who = f"{reply.host}, where {self._label} keeps its blobs,"
            if status in (401, 403):  # a signed URL that expired: asking again gives a new one
                return RegistryUnavailable(f"{who} answered {status}")
        code = _error_code(reply) if status in (400, 403, 404, 405, 429) else ""
        kind = _BY_STATUS.get(status)
        if status == 401 and "insufficient_scope" in reply.headers.get("www-authenticate", "") and self._auth.has_login:
            kind = UserDoesNotHaveAdminRole  # the token was good, and its owner may not do this
        if kind is None and status >= 500:
            kind = RegistryUnavailable
        if kind is None:
            kind = _BY_CODE.get(code)
        if kind is None and status in (404, 405):
            kind = _MISSING.get(what)
        if kind is BlobUnknown and what == "manifest":
            kind = ManifestUnknown
        kind = kind or RegistryError
        text = f"{who} answered {status}" + (f" {code}" if code else "")
        if what:
            text += f" to a request for the {what}" + (f" {name}" if name else "")
        return kind(text, retry_after=retry_after(reply.headers.get("retry-after")))


class _Documents:
    """One repository as a source of documents for ``manifests.resolve``."""

    def __init__(self, registry: DockerRegistry, repository: str) -> None:
        self._registry = registry
        self._repository = repository

    def manifest(self, target: str) -> Document:
        read = partial(self._registry.read_manifest, self._repository, target)
        document: Document = self._registry.patiently(read)
        return document

    def config(self, digest: str, size: int) -> bytes:
        read = partial(self._registry.read_config, self._repository, digest)
        body: bytes = self._registry.patiently(read)
        return body


def quoted(repository: str) -> str:
    """A repository's name as it stands in a URL; raises RepositoryUnknown for what is none."""
    if not repository or any(part in ("", ".", "..") for part in repository.split("/")):
        raise RepositoryUnknown(f"{repository!r} is not a repository name")
    return quote(repository)


def _pull(repository: str) -> str:
    return f"repository:{repository}:pull"


def _next_link(values: list[str]) -> str | None:
    """The target of ``Link: <…>; rel="next"`` (RFC 8288)."""
    for value in values:
        for part in value.split("<")[1:]:
            target, _, params = part.partition(">")
            rel = params.replace('"', "").replace(" ", "").lower()
            if "rel=next" in rel or not rel.strip(",;"):
                return target.strip()
    return None


def _error_code(reply: Reply) -> str:
    """The first OCI error code of the body; "" if it has none."""
    try:
        body = reply.body(_ERROR_BYTES)
        code = orjson.loads(body or b"")["errors"][0]["code"]
    except (GridError, orjson.JSONDecodeError, KeyError, IndexError, TypeError):
        return ""
    return code if isinstance(code, str) and code.replace("_", "").isalnum() and len(code) < 40 else ""

"""A registry to test against: a threaded loopback server of the distribution API, with faults on order.

It is quick enough (thousands of HEAD requests a second from its own process: ``python -m grid.testing DIR``)
that a sweep in which nothing changed can be measured against it.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import secrets
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from grid.registries import Access
from grid.testing.layers import ImageBuilder, IndexBuilder, RawManifest
from grid.testing.server import Answer, Fault, HttpServer, Seen

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_NAMED = re.compile(r"/v2/(.+)/(manifests|blobs)/([^/]+)|/v2/(.+)/tags/list")


class FakeRegistry:
    """Serve images from memory. Use it as a context manager.

    ``basic=("user", "password")`` wants Basic authorization, ``bearer=True`` tokens of its own token server (whose
    login ``basic`` is, if given), good for ``token_uses`` requests each (0: for ever). ``redirect_blobs`` sends blob
    requests on to signed URLs of a storage server at another port, which refuses an Authorization header as S3 does and
    accepts each URL ``signature_uses`` times (0: always).
    """

    def __init__(
        self,
        *,
        basic: tuple[str, str] | None = None,
        bearer: bool = False,
        token_uses: int = 0,
        token_seconds: int = 300,
        page_size: int = 0,
        redirect_blobs: bool = False,
        signature_uses: int = 0,
        port: int = 0,
    ) -> None:
        self.basic = basic
        self.bearer = bearer
        self.token_uses = token_uses
        self.token_seconds = token_seconds
        self.page_size = page_size
        self.redirect_blobs = redirect_blobs
        self.signature_uses = signature_uses
        self.realm = ""
        """The token server's URL; empty for ``/token`` of this server."""
        self.repositories: dict[str, dict[str, str]] = {}
        """repository → tag → digest."""
        self.manifests: dict[str, tuple[bytes, str]] = {}
        """digest → (body, media type); any repository serves any of them."""
        self.blobs: dict[str, bytes | Path] = {}
        self.log: list[Seen] = []
        self.keep_log = True
        self._faults: list[Fault] = []
        self._uses: Counter[str] = Counter()
        self._tokens: dict[str, str] = {}
        self._lock = threading.Lock()
        self._server = HttpServer(self, storage=False, port=port)
        self._storage = HttpServer(self, storage=True, port=0)

    # --- life ---

    def __enter__(self) -> FakeRegistry:
        for server in (self._server, self._storage):
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop listening and break every connection, as a registry that dies does."""
        for server in (self._server, self._storage):
            server.shutdown()
            server.server_close()
            server.break_connections()

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def storage_address(self) -> str:
        return f"127.0.0.1:{self._storage.server_address[1]}"

    @property
    def connections(self) -> int:
        """How many were opened to the registry (not to its storage) so far."""
        return self._server.accepted

    def access(self, **changes: Any) -> Access:
        """How scangrid reaches it; keyword arguments are fields of ``Access``."""
        return Access(**{"kind": "docker", "address": self.address, "plain_http": True, "timeout": 10.0, **changes})

    # --- content ---

    @classmethod
    def from_layout(cls, *folders: Path, **options: Any) -> FakeRegistry:
        """A registry that serves the images of OCI layout folders."""
        registry = cls(**options)
        for folder in folders:
            registry.add_layout(folder)
        return registry

    def add_layout(self, folder: Path, repository: str = "") -> None:
        """Serve a layout; images keep their names ("repo:tag", or "tag" below ``repository`` or the folder's name)."""
        for path in sorted(folder.glob("blobs/*/*")):
            self.blobs[f"{path.parent.name}:{path.name}"] = path
        index = json.loads((folder / "index.json").read_bytes())
        for child in index["manifests"]:
            name = (child.get("annotations") or {}).get("org.opencontainers.image.ref.name", "")
            head, _, tag = name.rpartition(":")
            self._add_tree(child)
            tags = self.repositories.setdefault(repository or head or folder.name.lower(), {})
            if tag:
                tags[tag] = child["digest"]

    def _add_tree(self, descriptor: dict[str, Any]) -> None:
        source = self.blobs.get(descriptor["digest"])
        if source is None:
            return
        body = source.read_bytes() if isinstance(source, Path) else source
        self.manifests[descriptor["digest"]] = (body, descriptor.get("mediaType") or OCI_MANIFEST)
        try:
            children = json.loads(body).get("manifests", [])
        except (ValueError, AttributeError):
            return
        for child in children:
            self._add_tree(child)

    def add_blob(self, content: bytes) -> str:
        """Hold a blob; its digest."""
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        self.blobs[digest] = content
        return digest

    def add_manifest(self, repository: str, tag: str, content: bytes | dict[str, Any], media_type: str = "") -> str:
        """Hold a manifest or index, under a tag unless it is empty; its digest."""
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
        stated = content.get("mediaType") if isinstance(content, dict) else None
        self.manifests[digest] = (body, media_type or stated or OCI_MANIFEST)
        tags = self.repositories.setdefault(repository, {})
        if tag:
            tags[tag] = digest
        return digest

    def add(self, repository: str, tag: str, image: ImageBuilder | IndexBuilder | RawManifest) -> str:
        """Hold what a builder makes, with all it names; the digest of its manifest or index."""
        built = image.build()
        for digest, data in built.all_blobs().items():
            self.blobs[digest] = data
        self._add_tree(built.descriptor())
        self.repositories.setdefault(repository, {})
        if tag:
            self.repositories[repository][tag] = built.digest
        return built.digest

    # --- faults and the log ---

    def fault(self, match: str, **what: Any) -> Fault:
        """Order a fault; see ``Fault``."""
        fault = Fault(match, **what)
        with self._lock:
            self._faults.append(fault)
        return fault

    def mend(self) -> None:
        """No more faults."""
        with self._lock:
            self._faults.clear()

    def requests(self, match: str = "", storage: bool | None = None) -> list[Seen]:
        """The requests so far whose ``METHOD path`` the pattern matches."""
        pattern = re.compile(match)
        return [
            seen
            for seen in list(self.log)
            if pattern.search(f"{seen.method} {seen.path}") and storage in (None, seen.storage)
        ]

    def take_fault(self, line: str) -> Fault | None:
        """For the server: the fault this request meets."""
        if not self._faults:
            return None
        with self._lock:
            for fault in self._faults:
                if fault.times != 0 and re.search(fault.match, line):
                    if fault.after > 0:
                        fault.after -= 1
                        continue
                    fault.times -= 1
                    return fault
        return None

    # --- answers ---

    def answer(self, method: str, path: str, headers: dict[str, str], body: bytes, storage: bool) -> Answer:
        """For the server: what a sound registry says."""
        if storage:
            return self._stored(path, headers)
        parts = urlsplit(path)
        if parts.path == "/token":
            return self._token(method, parts.query, headers, body)
        scope = self._scope(parts.path)
        if (refused := self._unauthorized(headers, scope)) is not None:
            return refused
        if parts.path in ("/v2/", "/v2"):
            return _json({})
        if parts.path == "/v2/_catalog":
            return self._page("repositories", sorted(self.repositories), parts.path, parts.query)
        found = _NAMED.fullmatch(parts.path)
        repository = unquote(found[1] or found[4]) if found else ""
        if found is None or repository not in self.repositories:
            return _error(404, "NAME_UNKNOWN")
        if found[4]:
            return self._page("tags", sorted(self.repositories[repository]), parts.path, parts.query)
        if found[2] == "manifests":
            digest = found[3] if ":" in found[3] else self.repositories[repository].get(found[3], "")
            manifest = self.manifests.get(digest)
            if manifest is None:
                return _error(404, "MANIFEST_UNKNOWN")
            return Answer(200, {"Content-Type": manifest[1], "Docker-Content-Digest": digest}, manifest[0])
        if found[3] not in self.blobs:
            return _error(404, "BLOB_UNKNOWN")
        if self.redirect_blobs:
            signature = secrets.token_hex(8)
            location = f"http://{self.storage_address}/{found[3]}?X-Signature={signature}"
            return Answer(307, {"Location": location})
        return self._blob(found[3], headers)

    def _blob(self, digest: str, headers: dict[str, str]) -> Answer:
        held = self.blobs[digest]
        content = held.read_bytes() if isinstance(held, Path) else held
        about = {"Content-Type": "application/octet-stream", "ETag": f'"{digest}"', "Docker-Content-Digest": digest}
        asked = re.fullmatch(r"bytes=(\d+)-", headers.get("range", ""))
        if asked is None:
            return Answer(200, about, content)
        start = int(asked[1])
        if start >= len(content):
            return Answer(416, {"Content-Range": f"bytes */{len(content)}"})
        about["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        return Answer(206, about, content[start:])

    def _stored(self, path: str, headers: dict[str, str]) -> Answer:
        parts = urlsplit(path)
        digest = parts.path[1:]
        with self._lock:
            self._uses[parts.query] += 1
            expired = 0 < self.signature_uses < self._uses[parts.query]
        if "authorization" in headers:
            return Answer(400, {}, b"<Error><Code>InvalidArgument</Code></Error>")
        if expired:
            return Answer(403, {}, b"<Error><Code>AccessDenied</Code></Error>")
        return self._blob(digest, headers) if digest in self.blobs else Answer(404, {})

    def _page(self, key: str, names: list[str], path: str, query: str) -> Answer:
        asked = parse_qs(query)
        size = int(asked.get("n", ["0"])[0]) or len(names)
        size = min(size, self.page_size) if self.page_size else size
        last = asked.get("last", [""])[0]
        rest = [name for name in names if name > last]
        answer = _json({"name": path, key: rest[:size]})
        if len(rest) > size:
            answer.headers["Link"] = f'<{path}?last={rest[size - 1]}&n={size}>; rel="next"'
        return answer

    # --- authorization ---

    def _scope(self, path: str) -> str:
        found = _NAMED.fullmatch(path)
        if found is not None:
            return f"repository:{unquote(found[1] or found[4])}:pull"
        return "registry:catalog:*" if path == "/v2/_catalog" else ""

    def _unauthorized(self, headers: dict[str, str], scope: str) -> Answer | None:
        sent = headers.get("authorization", "")
        if self.bearer:
            token = sent.removeprefix("Bearer ")
            with self._lock:
                granted = self._tokens.get(token)
                if granted is not None and scope in ("", granted):
                    self._uses[token] += 1
                    if not 0 < self.token_uses < self._uses[token]:
                        return None
            realm = self.realm or f"http://{self.address}/token"
            challenge = f'Bearer realm="{realm}",service="fake, \\"registry\\""'
            challenge += f',scope="{scope}"' if scope else ""
        elif self.basic is not None:
            if sent == _basic(self.basic):
                return None
            challenge = 'Basic realm="fake registry", charset="UTF-8"'
        else:
            return None
        answer = _error(401, "UNAUTHORIZED")
        answer.headers["WWW-Authenticate"] = challenge
        return answer

    def _token(self, method: str, query: str, headers: dict[str, str], body: bytes) -> Answer:
        asked = parse_qs(query if method == "GET" else body.decode())
        if self.basic is not None:
            refresh = asked.get("refresh_token", [""])[0]
            if headers.get("authorization") != _basic(self.basic) and refresh != self.basic[1]:
                return _error(401, "UNAUTHORIZED")
        token = secrets.token_hex(16)
        with self._lock:
            self._tokens[token] = asked.get("scope", [""])[0]
        return _json({"access_token" if method == "POST" else "token": token, "expires_in": self.token_seconds})


def _basic(login: tuple[str, str]) -> str:
    return "Basic " + base64.b64encode(":".join(login).encode()).decode()


def _json(content: object) -> Answer:
    return Answer(200, {"Content-Type": "application/json"}, json.dumps(content).encode())


def _error(status: int, code: str) -> Answer:
    answer = _json({"errors": [{"code": code, "message": "as ordered"}]})
    answer.status = status
    return answer


def main() -> None:
    """``python -m grid.testing DIR… [--port N]``: serve layouts until the input ends; prints its address."""
    arguments = sys.argv[1:]
    port = 0
    if "--port" in arguments:
        at = arguments.index("--port")
        port = int(arguments[at + 1])
        del arguments[at : at + 2]
    registry = FakeRegistry.from_layout(*map(Path, arguments), port=port)
    registry.keep_log = False
    with registry:
        print(registry.address, flush=True)
        sys.stdin.read()

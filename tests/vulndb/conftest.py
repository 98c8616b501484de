"""A small feed server on loopback, with ETag, If-None-Match, Range and scripted faults."""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

Fault = Callable[["Handler", bytes], bool]
"""Called before an answer; True if it answered itself."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FeedServer

    def do_GET(self) -> None:
        server, name = self.server, self.path.lstrip("/")
        server.requests.append((name, {k.lower(): v for k, v in self.headers.items()}))
        faults = server.faults.get(name, [])
        content = server.content(name)
        if faults and faults.pop(0)(self, content or b""):
            return
        if content is None:
            self.answer(404, b"")
            return
        etag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
        if self.headers.get("If-None-Match") == etag:
            self.answer(304, b"", ETag=etag)
            return
        wanted = self.headers.get("Range", "")
        if wanted.startswith("bytes=") and self.headers.get("If-Range", etag) == etag:
            start = int(wanted[6:].rstrip("-"))
            if start >= len(content):
                self.answer(416, b"")
                return
            self.answer(206, content[start:], ETag=etag,
                        Content_Range=f"bytes {start}-{len(content) - 1}/{len(content)}")  # fmt: skip
            return
        self.answer(200, content, ETag=etag)

    def answer(self, status: int, body: bytes, cut: int | None = None, **headers: str) -> None:
        """Send an answer; with ``cut``, only so many bytes of the body, then close."""
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[:cut])
        if cut is not None:
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        pass


class FeedServer(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.faults: dict[str, list[Fault]] = {}
        self.folder: Path | None = None
        self.files: dict[str, bytes] = {}

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is part of the tests."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def content(self, name: str) -> bytes | None:
        if name in self.files:
            return self.files[name]
        if self.folder is not None and (self.folder / name).is_file():
            return (self.folder / name).read_bytes()
        return None

    def counted(self) -> Counter[str]:
        """Requests by file since the last call."""
        counts = Counter(name for name, _ in self.requests)
        self.requests.clear()
        return counts


@pytest.fixture
def feed_server() -> Iterator[FeedServer]:
    server = FeedServer()
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join(5)


@pytest.fixture(scope="session")
def mirror() -> Path:
    """The shared feeds, laid out as a mirror; tests that need it are skipped where it is absent."""
    folder = Path(__file__).resolve().parents[3] / "shared" / "data" / "feeds" / "mirror"
    if not folder.is_dir():
        pytest.skip("the shared test data (../shared/data/feeds/mirror) is absent")
    return folder

"""A small quick HTTP/1.1 server with faults on order: what ``FakeRegistry`` and other fake services listen with."""

from __future__ import annotations

import socket
import socketserver
import sys
import time
from dataclasses import dataclass, field
from typing import Any, Protocol

_REASONS = {200: "OK", 206: "Partial Content", 307: "Temporary Redirect", 401: "Unauthorized", 404: "Not Found"}


@dataclass(frozen=True, slots=True)
class Seen:
    """One request as it arrived."""

    method: str
    path: str
    """With its query."""
    headers: dict[str, str]
    """Names in lower case."""
    status: int
    storage: bool
    """Whether it came to the blob storage beside the registry."""


@dataclass(slots=True)
class Fault:
    """What goes wrong with requests whose ``METHOD path`` matches, ``times`` times (-1: always).

    A fault with ``status`` answers instead of the registry. The others damage the registry's own answer.
    """

    match: str
    """A regular expression, searched in ``METHOD path``."""
    times: int = 1
    after: int = 0
    """Matching requests to let pass first."""
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    break_after: int = -1
    """Body bytes after which the connection is reset."""
    truncate: int = -1
    """Body bytes to serve as if they were all."""
    corrupt: bool = False
    """Flip the last byte of the body."""
    without: tuple[str, ...] = ()
    """Response headers to leave out, in lower case."""
    no_range: bool = False
    """Answer 200 and all of it, whatever the Range header says."""
    delay: float = 0.0
    """Seconds before the answer."""
    stall: float = 0.0
    """Seconds of silence half way through the body."""


@dataclass(slots=True)
class Answer:
    """What to say."""

    status: int
    headers: dict[str, str]
    body: bytes = b""


class Site(Protocol):
    """What is served."""

    keep_log: bool
    log: list[Seen]

    def take_fault(self, line: str) -> Fault | None:
        """The fault ordered for this ``METHOD path``, used up once."""
        ...

    def answer(self, method: str, path: str, headers: dict[str, str], body: bytes, storage: bool) -> Answer:
        """The answer when nothing is wrong."""
        ...


class HttpServer(socketserver.ThreadingTCPServer):
    """A thread a connection, on a loopback port."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 256
    block_on_close = False

    def __init__(self, site: Site, storage: bool, port: int) -> None:
        self.site = site
        self.storage = storage
        self._open: set[socket.socket] = set()
        self.accepted = 0
        super().__init__(("127.0.0.1", port), _Handler)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        self.accepted += 1
        self._open.add(request)
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._open.discard(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        kind = sys.exc_info()[0]
        if kind is None or not issubclass(kind, OSError):  # a client that hangs up is no news
            super().handle_error(request, client_address)

    def break_connections(self) -> None:
        """Reset whatever is open."""
        for connection in list(self._open):
            _reset(connection)


def _reset(connection: socket.socket) -> None:
    try:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass


class _Handler(socketserver.StreamRequestHandler):
    server: HttpServer
    disable_nagle_algorithm = True
    wbufsize = 0

    def handle(self) -> None:
        while self._one():
            pass

    def _one(self) -> bool:
        """Serve one request; False when the connection is over. http.server takes ten times as long."""
        line = self.rfile.readline(65537).decode("latin-1").split()
        if len(line) != 3:
            return False
        method, path = line[0], line[1]
        headers: dict[str, str] = {}
        while (header := self.rfile.readline(65537)) not in (b"\r\n", b"\n", b""):
            name, _, value = header.decode("latin-1").partition(":")
            headers[name.lower()] = value.strip()
        body = self.rfile.read(int(headers.get("content-length", "0")))
        site = self.server.site
        fault = site.take_fault(f"{method} {path}") or _NONE
        time.sleep(fault.delay) if fault.delay else None
        if fault.no_range:
            headers.pop("range", None)
        if fault.status:
            answer = Answer(fault.status, dict(fault.headers), fault.body)
        else:
            answer = site.answer(method, path, headers, body, self.server.storage)
            answer.headers.update(fault.headers)
        if site.keep_log:
            site.log.append(Seen(method, path, headers, answer.status, self.server.storage))
        return self._send(answer, fault, method == "HEAD")

    def _send(self, answer: Answer, fault: Fault, head: bool) -> bool:
        body = answer.body
        if fault.corrupt and body:
            body = body[:-1] + bytes([body[-1] ^ 1])
        if fault.truncate >= 0:
            body = body[: fault.truncate]
        fields = {**answer.headers, "Content-Length": str(len(body))}
        lines = "".join(f"{k}: {v}\r\n" for k, v in fields.items() if k.lower() not in fault.without)
        start = f"HTTP/1.1 {answer.status} {_REASONS.get(answer.status, 'Answer')}\r\n{lines}\r\n".encode("latin-1")
        if head or not body:
            self.connection.sendall(start)
            return True
        if fault.break_after >= 0:
            self.connection.sendall(start + body[: fault.break_after])
            _reset(self.connection)
            return False
        if fault.stall:
            half = len(body) // 2
            self.connection.sendall(start + body[:half])
            time.sleep(fault.stall)
            self.connection.sendall(body[half:])
            return True
        if len(body) < 65536:
            self.connection.sendall(start + body)
        else:
            self.connection.sendall(start)
            self.connection.sendall(body)
        return "content-length" not in fault.without


_NONE = Fault("")

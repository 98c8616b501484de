"""Streaming one blob over connections that break: continue where it stopped, and never hold more than a chunk."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from grid.errors import GridError, NetworkConnectError, RegistryError
from grid.registries.wire import Patience, Reply

CHUNK = 512 * 1024
_LEGS = 32
_BYTES_PER_LEG = 16 << 20
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")

Ask = Callable[[list[tuple[str, str]]], Reply]


class BlobReader:
    """The bytes of a blob as an iterator of chunks of about ``CHUNK`` bytes.

    ``ask(headers)`` sends the request anew, from the registry on, so that a signed URL that has expired is replaced. It
    raises what cannot be helped. Each chunk has the whole patience for itself: a link that breaks once a
    minute still delivers a 10 GB blob; one that brings nothing is given up after a bounded time.
    """

    def __init__(self, ask: Ask, size: int, patience: Patience) -> None:
        self._ask = ask
        self._size = size
        """As the descriptor says; -1 if it does not."""
        self._patience = patience
        self._position = 0
        self._reply: Reply | None = None
        self._pieces: Iterator[bytes] = iter(())
        self._framed = False
        """Whether the reply says how long it is, so that its end is no accident."""
        self._validator = ""
        self._legs_left = _LEGS + max(size, 0) // _BYTES_PER_LEG
        self._ended = False

    def __iter__(self) -> Iterator[bytes]:
        while chunk := self._patience.run(self._next):
            yield chunk

    def close(self) -> None:
        reply, self._reply = self._reply, None
        if reply is not None:
            reply.close()

    def _next(self) -> bytes:
        """The next chunk, b"" at the end. What came before a break is delivered; the break shows at the next call."""
        if self._ended or (self._reply is None and not self._connect()):
            return b""
        parts: list[bytes] = []
        length = 0
        try:
            for piece in self._pieces:
                parts.append(piece)
                length += len(piece)
                if length >= CHUNK:
                    break
            else:
                self._finish(self._position + length)
        except GridError:
            self.close()
            if not parts:
                raise
        self._position += length
        return b"".join(parts) if len(parts) != 1 else parts[0]

    def _finish(self, reached: int) -> None:
        self.close()
        if not self._framed and reached < self._size:
            raise NetworkConnectError("the connection ended before the blob did")
        self._ended = True

    def _connect(self) -> bool:
        """Ask for what is missing; False if nothing is."""
        if self._legs_left <= 0:
            raise RegistryError(f"the connection broke {_LEGS} times while one blob was read")
        self._legs_left -= 1
        headers: list[tuple[str, str]] = []
        if self._position:
            headers.append(("Range", f"bytes={self._position}-"))
            if self._validator:
                headers.append(("If-Range", self._validator))
        reply = self._ask(headers)
        skip = self._position
        if reply.status == 416:  # nothing lies behind what we have; the digest will judge
            reply.close()
            self._ended = True
            return False
        if reply.status == 206:
            start = _CONTENT_RANGE.fullmatch(reply.headers.get("content-range", "").strip())
            if start is None or int(start[1]) != self._position:
                reply.close()
                raise RegistryError(f"{reply.host} answered a Range request with another range")
            skip = 0
        etag = reply.headers.get("etag", "")
        self._validator = etag if etag.startswith('"') else ""  # weak ones do not vouch for bytes
        self._framed = "content-length" in reply.headers or "transfer-encoding" in reply.headers
        self._reply = reply
        self._pieces = reply.pieces() if not skip else _after(reply.pieces(), skip)
        return True


def _after(pieces: Iterator[bytes], skip: int) -> Iterator[bytes]:
    """All but the first ``skip`` bytes: the server did not take the Range header and began anew."""
    for piece in pieces:
        if skip >= len(piece):
            skip -= len(piece)
        elif skip:
            yield piece[skip:]
            skip = 0
        else:
            yield piece

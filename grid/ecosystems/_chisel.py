"""What chisel cut into an image: ``var/lib/chisel/manifest.wall``, the only package record of a chiselled Ubuntu.

Format: zstd around jsonwall 1.0, https://github.com/canonical/jsonwall: a JSON object a line, of which those with
``"kind":"package"`` have ``name``, ``version`` and ``arch``, and those with ``"kind":"path"`` the ``slices``
(``PACKAGE_SLICE``) that brought a file.
"""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO

import orjson
import zstandard

from grid.model import Note

MANIFEST = "var/lib/chisel/manifest.wall"
MAX_BYTES = 16 << 20
"""Inflated; real ones have some hundred kB."""
_WINDOW = 32 << 20


def objects(path: str, content: bytes, kind: str) -> Iterator[dict[str, object] | Note]:
    """The objects of one kind; a Note where the rest cannot be read."""
    mark = f'"kind":"{kind}"'.encode()
    inflated = 0
    try:
        with zstandard.ZstdDecompressor(max_window_size=_WINDOW).stream_reader(BytesIO(content)) as stream:
            pending = b""
            while block := stream.read(1 << 20):
                inflated += len(block)
                if inflated > MAX_BYTES:
                    yield Note("FileTooLarge", f"it inflates to more than {MAX_BYTES} bytes", path)
                    return
                *lines, pending = (pending + block).split(b"\n")
                yield from _parsed(path, lines, kind, mark)
            yield from _parsed(path, [pending], kind, mark)
    except zstandard.ZstdError:
        yield Note("Unparsable", "the manifest of chisel is not whole", path)


def _parsed(path: str, lines: list[bytes], kind: str, mark: bytes) -> Iterator[dict[str, object] | Note]:
    for line in lines:
        if mark not in line:
            continue
        try:
            found = orjson.loads(line)
        except orjson.JSONDecodeError:
            yield Note("Unparsable", f"a {kind} in the manifest of chisel is no JSON", path)
            continue
        if isinstance(found, dict) and found.get("kind") == kind:
            yield found

"""Peak memory of a layer task, in fresh processes: a small layer and a large one, made while they are read."""

from __future__ import annotations

import hashlib
import io
import random
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from typing import Any

from bench.models import Outcome, Work, in_child, peak_memory
from grid.detectors import detectors
from grid.driver import versions
from grid.layers.scan import scan_layer
from grid.model import Layer
from grid.store import Lake

MB = 1_000_000
BLOCK = 10 * MB  # the secrets detector reads files of up to 10 MiB
SMALL_FILES = 24


def measure(work: Work) -> Outcome:
    """Peak resident bytes for both layers."""
    told = {}
    for name in ("small", "large"):
        megabytes = work[f"{name}_mb"]
        blocks = max(1, round(megabytes * MB / BLOCK))
        told[name] = in_child("bench.models.memory:task", {"blocks": blocks})
    small, large = told["small"], told["large"]
    blocks = max(1, round(work["large_mb"] * MB / BLOCK))
    return Outcome(
        counts={"entries": large["entries"], "packages": large["packages"], "layer_mb": large["bytes"] // MB},
        wanted={"entries": blocks * (SMALL_FILES + 1), "packages": blocks, "layer_mb": layer_bytes(blocks) // MB},
        figures={
            "peak": large["peak"] / MB,
            "small_peak": small["peak"] / MB,
            "growth": (large["peak"] - small["peak"]) / MB,
            "gb": large["bytes"] / 1e9,
            "small_mb": small["bytes"] / MB,
            "entries": large["entries"],
        },
    )


def task(blocks: int) -> dict[str, Any]:
    """Scan a generated layer and commit its facts, in this process."""
    digest, size = hashlib.sha256(), 0
    for chunk in stream(blocks):
        digest.update(chunk)
        size += len(chunk)
    layer = Layer(f"sha256:{digest.hexdigest()}", size, "application/vnd.oci.image.layer.v1.tar+gzip")
    chosen = detectors()
    facts = scan_layer(stream(blocks), layer, chosen)
    with tempfile.TemporaryDirectory() as folder:
        Lake.open(folder, create=True).commit("bench", [facts], versions(d.name for d in chosen))
    stats = facts.stats
    return {
        "peak": peak_memory(),
        "bytes": stats.uncompressed_bytes,
        "entries": stats.entries,
        "packages": facts.tables["packages"].num_rows,
    }


def stream(blocks: int) -> Iterator[bytes]:
    """A gzip layer of many members: headers anew for each block, contents compressed once and repeated."""
    dice = random.Random(7)  # noqa: S311 - the same in every run
    words = [bytes(dice.choices(b"abcdefghijklmnopqrstuvwxyz_", k=dice.randrange(3, 12))) for _ in range(4000)]
    text = b" ".join(dice.choices(words, k=BLOCK // 9))
    big = text[: BLOCK // 2] + dice.randbytes(BLOCK - BLOCK // 2)
    small = text[:20_000]
    packed_big, packed_small = _member(_padded(big)), _member(_padded(small))
    for number in range(blocks):
        yield _member(_header(f"data/{number}/big.bin", len(big)), 0)
        yield from (packed_big[at : at + (1 << 20)] for at in range(0, len(packed_big), 1 << 20))
        for file in range(SMALL_FILES - 1):
            yield _member(_header(f"data/{number}/{file}.txt", len(small)), 0) + packed_small
        record = b'{"name": "m%d", "version": "1.0.%d"}' % (number, number)
        yield _member(_header(f"app/node_modules/m{number}/package.json", len(record)) + _padded(record), 0)
    yield _member(bytes(1024))


def layer_bytes(blocks: int) -> int:
    """Uncompressed bytes of ``stream(blocks)``."""
    small = 512 + len(_padded(bytes(20_000)))
    return blocks * (512 + len(_padded(bytes(BLOCK))) + (SMALL_FILES - 1) * small + 1024) + 1024


def _header(path: str, size: int) -> bytes:
    info = tarfile.TarInfo(path)
    info.size = size
    return info.tobuf(tarfile.GNU_FORMAT)


def _padded(content: bytes) -> bytes:
    return content + bytes(-len(content) % 512)


def _member(content: bytes, level: int = 1) -> bytes:
    packer = zlib.compressobj(level, zlib.DEFLATED, 31)
    out = io.BytesIO()
    out.write(packer.compress(content))
    out.write(packer.flush())
    return out.getvalue()

"""Rust programs built with ``cargo auditable``: the crates recorded in them.

Source: https://github.com/rust-secure-code/cargo-auditable (PARSING.md): a ``.dep-v0`` section, JSON deflated by zlib.
Distributions (Alpine, Wolfi …) build that way; other programs state nothing.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator

import orjson
from packageurl import PackageURL

from grid.ecosystems import _binary
from grid.model import Limits, Note, Package

SECTION = ".dep-v0"

_NAMES = frozenset({SECTION})
_MAX_JSON = 4 << 20
"""A program of a thousand crates has 100 KiB."""


def read(path: str, content: bytes | memoryview, limits: Limits) -> Iterator[Package | Note]:
    """The crates that are part of the program: those that only built it are left out."""
    data = memoryview(content)
    seen: set[tuple[str, str]] = set()
    for program in _binary.programs(data, _NAMES):
        section = program.section(SECTION)
        if section is None:
            continue
        crates = _crates(section)
        if crates is None:
            yield Note("Unparsable", "the list of crates is damaged", path)
            continue
        for crate in crates:
            if not isinstance(crate, dict) or crate.get("kind", "runtime") == "build":
                continue
            name, version = crate.get("name"), crate.get("version")
            if not isinstance(name, str) or not isinstance(version, str) or not name.strip() or not version:
                continue
            if (name, version) not in seen:
                seen.add((name, version))
                yield Package(name, version, purl=PackageURL("cargo", None, name, version).to_string())


def _crates(section: memoryview) -> list[object] | None:
    inflate = zlib.decompressobj()
    try:
        text = inflate.decompress(section, _MAX_JSON)
        record = orjson.loads(text) if inflate.eof else None
    except (zlib.error, orjson.JSONDecodeError):
        return None
    crates = record.get("packages") if isinstance(record, dict) else None
    return crates if isinstance(crates, list) else None

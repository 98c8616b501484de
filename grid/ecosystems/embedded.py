"""What programs say of themselves: the SBOM that GraalVM puts into a native image.

Source: GraalVM's manual on SBOMs (https://www.graalvm.org/latest/security-guide/native-image/sbom/): CycloneDX as gzip
where the symbol ``sbom`` points to; ``sbom_length`` points to its size. Each package belongs to the ecosystem that its
URL names, so that this one has no versions and no advisories of its own.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from struct import Struct

from grid.ecosystems import Ecosystem, _binary, _sbom, language
from grid.ecosystems.sbom import key
from grid.model import Limits, Note, Package, Wants

_HEAP = ".svm_heap"
"""The section in which every native image keeps its objects: nearly no other program is looked at further."""
_TABLES = ((".dynsym", ".dynstr"), (".symtab", ".strtab"))
_NAMES = {b"sbom": "sbom", b"sbom_length": "length"}
_LONGEST = 16
_SYMBOL = Struct("<IBBHQQ")
_MAX_SYMBOLS = 500_000
_LITTLE_64 = b"\x7fELF\2\1"
"""GraalVM makes programs for nothing else on Linux."""


def read(path: str, content: bytes | memoryview, limits: Limits) -> Iterator[Package | Note]:
    """The packages of the SBOM in a native image; nothing for other programs, and for those without one."""
    data = memoryview(content)
    for program in _binary.programs(data, frozenset({_HEAP})):
        if program.section(_HEAP) is not None and bytes(data[:6]) == _LITTLE_64:
            yield from _native_image(path, data)


def _native_image(path: str, data: memoryview) -> Iterator[Package | Note]:
    for program in _binary.programs(data, frozenset(name for table in _TABLES for name in table)):
        places = _places(program)
        if places.keys() != {"sbom", "length"}:
            return
        length = program.at(places["length"], 8)
        size = int.from_bytes(length, "little") if length is not None else -1
        packed = program.at(places["sbom"], size) if 0 <= size <= len(data) else None
        document = _inflated(packed) if packed is not None else None
        if document is None:
            yield Note("Unparsable", "the SBOM of the native image is damaged, or too large", path)
        else:
            yield from _sbom.told(path, document)


def _places(program: _binary.Binary) -> dict[str, int]:
    """Addresses of the symbols, from the first table that has them: a program may be stripped of the second."""
    found: dict[str, int] = {}
    for table, strings in _TABLES:
        symbols, names = program.section(table), program.section(strings)
        if symbols is None or names is None:
            continue
        whole = len(symbols) - len(symbols) % _SYMBOL.size
        for at, _, _, where, address, _ in _SYMBOL.iter_unpack(symbols[: min(whole, _MAX_SYMBOLS * _SYMBOL.size)]):
            known = _NAMES.get(bytes(names[at : at + _LONGEST]).partition(b"\0")[0]) if where else None
            if known:  # and it is this program's
                found.setdefault(known, address)
        if len(found) == len(_NAMES):
            break
    return found


def _inflated(packed: memoryview) -> bytes | None:
    inflate = zlib.decompressobj(31)
    try:
        document = inflate.decompress(packed, _sbom.MAX_BYTES)
    except zlib.error:
        return None
    return document if inflate.eof else None


ECOSYSTEM = Ecosystem(
    name="embedded",
    version=1,
    key=key,
    namespace=language(None),
    osv=(),
    wants=Wants(executables=True, max_bytes=_binary.MAX_BYTES),
    read=read,
    views=True,
)

"""What programs say of themselves: the SBOM that GraalVM puts into a native image, the record of a .NET application in
a single file, and the package that they are of.

Sources: GraalVM's manual on SBOMs (https://www.graalvm.org/latest/security-guide/native-image/sbom/): CycloneDX as gzip
where the symbol ``sbom`` points to; ``sbom_length`` points to its size. And systemd's "Package Metadata for ELF Files"
(https://systemd.io/ELF_PACKAGE_METADATA): a note of the owner ``FDO`` that names the source package in JSON.

Each package belongs to the ecosystem that its URL or note names, so that this one has no versions and no advisories of
its own. What is found counts as an SBOM's word: packages of a distribution are listed and not matched.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from dataclasses import replace
from struct import Struct

import orjson
from packageurl import PackageURL

from grid.ecosystems import Ecosystem, _binary, _dotnet, _sbom, language
from grid.ecosystems._dotnet_bundle import BundleInvalid, deps_json
from grid.ecosystems.sbom import key
from grid.model import SBOM, Limits, Note, Package, Wants

_HEAP = ".svm_heap"
"""The section in which every native image keeps its objects: nearly no other program is looked at further."""
_NOTE = ".note.package"
_DATA = ".data"
_TYPES = {"deb": "deb", "rpm": "rpm", "apk": "apk", "alpm": "alpm", "pacman": "alpm"}
_FDO = 0xCAFE1A7E
_MAX_NOTES = 16
_MANAGED = re.compile(r"(?:usr/(?:s?bin|games|lib(?:exec|x?32|64)?|share)|s?bin|lib(?:x?32|64)?)/")
"""Where distributions put what is theirs. There only those programs are asked whose owner would be known
(``_binary.PROGRAMS``): of a program that was copied without the database nothing else tells."""
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9+._~:^-]{0,199}")
_OS_OF_CPE = re.compile(r"cpe:(?:/|2\.3:)o:[^:]*:([a-z0-9._-]+):([a-z0-9._-]*)")
_SECTIONS = frozenset({_HEAP, _NOTE})
_WITH_DATA = _SECTIONS | {_DATA}
_TABLES = ((".dynsym", ".dynstr"), (".symtab", ".strtab"))
_NAMES = {b"sbom": "sbom", b"sbom_length": "length"}
_LONGEST = 16
_SYMBOL = Struct("<IBBHQQ")
_MAX_SYMBOLS = 500_000
_LITTLE_64 = b"\x7fELF\2\1"
"""GraalVM makes programs for nothing else on Linux."""


def read(path: str, content: bytes | memoryview, limits: Limits) -> Iterator[Package | Note]:
    """The packages of the SBOM in a native image or of a .NET application, and the one of which a program is that lies
    where none belongs."""
    data = memoryview(content)
    # Every program has data. A search of those of ELF files that end where linkers end them would double the cost.
    plain = bytes(data[:4]) == _LITTLE_64[:4] and not _binary.has_more(data)
    for program in _binary.programs(data, _SECTIONS if plain else _WITH_DATA):
        if program.section(_HEAP) is not None and bytes(data[:6]) == _LITTLE_64:
            yield from _native_image(path, data)
        if (marked := program.section(_DATA)) is not None:
            yield from _application(path, program.data, marked)
        note = program.section(_NOTE)
        if note is not None and bytes(data[:4]) == _LITTLE_64[:4] and _is_asked(path):
            yield from _package(path, note, "<" if data[5] == 1 else ">")


def _is_asked(path: str) -> bool:
    return _MANAGED.match(path) is None or _binary.PROGRAMS.search(path) is not None


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


def _application(path: str, program: memoryview, marked: memoryview) -> Iterator[Package | Note]:
    try:
        record = deps_json(program, marked)
    except BundleInvalid as invalid:
        yield Note("Unparsable", str(invalid), path)
        return
    for found in _dotnet.told(path, bytes(record)) if record is not None else ():
        yield replace(found, ecosystem="nuget") if isinstance(found, Package) else found


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


def _package(path: str, notes: memoryview, order: str) -> Iterator[Package | Note]:
    """The source package that a note names; a note of ours where it cannot be read."""
    stated = _stated(notes, order)
    if stated is None:
        yield Note("Unparsable", "the package note of the program cannot be read", path)
        return
    kind = _TYPES.get(stated.get("type", ""))
    if kind is None:
        return
    name, version, arch = (stated.get(key, "") for key in ("name", "version", "architecture"))
    if not _WORD.fullmatch(name) or not _WORD.fullmatch(version):
        yield Note("Unparsable", "the package note of the program has no usable name and version", path)
        return
    known = _OS_OF_CPE.match(stated.get("osCpe", ""))
    os, release = (stated.get(key, "") or (known[n] if known else "") for n, key in ((1, "os"), (2, "osVersion")))
    os = os.lower()
    told = {"arch": arch, "distro": f"{os}-{release}" if os and release else ""}
    told = {key: value for key, value in told.items() if _WORD.fullmatch(value)}
    purl = PackageURL(kind, os if _WORD.fullmatch(os) else None, name, version, told or None)
    yield Package(name, version, told.get("arch", ""), purl=purl.to_string(), ecosystem=kind, found_as=SBOM)


def _stated(notes: memoryview, order: str) -> dict[str, str] | None:
    """The texts of the first note of this kind."""
    at, head = 0, Struct(f"{order}III")
    for _ in range(_MAX_NOTES):
        if at + head.size > len(notes):
            return None
        owner, size, kind = head.unpack_from(notes, at)
        start = at + head.size + (owner + 3 & ~3)
        if kind == _FDO and bytes(notes[at + head.size : at + head.size + owner]) == b"FDO\0":
            try:
                record = orjson.loads(bytes(notes[start : start + size]).rstrip(b"\0"))
            except orjson.JSONDecodeError:
                return None
            texts = record.items() if isinstance(record, dict) else ()
            return {key: value for key, value in texts if isinstance(value, str)}
        at = start + (size + 3 & ~3)
    return None


ECOSYSTEM = Ecosystem(
    name="embedded",
    version=2,
    key=key,
    namespace=language(None),
    osv=(),
    wants=Wants(suffixes=(".exe", ".EXE"), executables=True, max_bytes=_binary.MAX_BYTES),
    read=read,
    views=True,
)

"""The version resource of Windows executables and libraries, of which .NET assemblies are some.

Sources: Microsoft's "PE Format" (``.rsrc`` section, optional header data directories) and "VS_VERSIONINFO structure".
Nothing is believed: offsets that lead out of the file, and tables larger than any compiler makes, are as if they were
not there.
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct

_COFF = Struct("<4sHHIIIHH")
_SECTION = Struct("<8sIIIIIIHHI")
_DIRECTORY = Struct("<12xHH")
_ENTRY = Struct("<II")
_LEAF = Struct("<III")
_NODE = Struct("<HHH")
_RESOURCES, _CLR = 2, 14
_VERSION_TYPE = 16
_MAX_SECTIONS = 96
_MAX_ENTRIES = 256
_MAX_RESOURCE = 64 << 10
_MAX_STRINGS = 64
_BELOW = 0x80000000


@dataclass(frozen=True, slots=True)
class VersionInfo:
    """What a PE file says of itself."""

    managed: bool
    """It holds a .NET assembly."""
    strings: dict[str, str]
    """``ProductVersion``, ``FileVersion``, ``OriginalFilename`` … as written; empty without a resource."""


def version_info(data: memoryview) -> VersionInfo | None:
    """The version resource of a PE file, or None for any other file."""
    if len(data) < 64 or bytes(data[:2]) != b"MZ":
        return None
    at = int.from_bytes(data[60:64], "little")
    if at + _COFF.size + 2 > len(data):
        return None
    magic, _, count, _, _, _, optional, _ = _COFF.unpack_from(data, at)
    at += _COFF.size
    kind = bytes(data[at : at + 2])
    if magic != b"PE\0\0" or kind not in (b"\x0b\x01", b"\x0b\x02"):
        return None
    directories = at + (112 if kind == b"\x0b\x02" else 96)
    sections = []
    for i in range(min(count, _MAX_SECTIONS)):
        place = at + optional + i * _SECTION.size
        if place + _SECTION.size > len(data):
            break
        _, virtual, address, size, offset, *_ = _SECTION.unpack_from(data, place)
        sections.append((address, max(virtual, size), offset, size))

    def located(number: int) -> int:
        """Where in the file a data directory lies; 0 if nowhere."""
        place = directories + number * 8
        if place + 8 > min(at + optional, len(data)):
            return 0
        address = int.from_bytes(data[place : place + 4], "little")
        return _offset(sections, address) if address else 0

    start = located(_RESOURCES)
    resource = _version_resource(data, start, sections) if start else None
    strings = _strings(resource) if resource is not None else {}
    return VersionInfo(bool(located(_CLR)), strings)


def _offset(sections: list[tuple[int, int, int, int]], address: int) -> int:
    for begin, length, offset, size in sections:
        if begin <= address < begin + length and address - begin < size:
            return offset + address - begin
    return 0


def _version_resource(data: memoryview, start: int, sections: list[tuple[int, int, int, int]]) -> memoryview | None:
    """The first resource of the version type: three directories deep (type, name, language)."""
    at = start
    for level in range(3):
        if at + 16 > len(data):
            return None
        named, numbered = _DIRECTORY.unpack_from(data, at)
        for i in range(min(named + numbered, _MAX_ENTRIES)):
            place = at + 16 + i * 8
            if place + 8 > len(data):
                return None
            name, target = _ENTRY.unpack_from(data, place)
            if level or name == _VERSION_TYPE:
                break
        else:
            return None
        at = start + (target & ~_BELOW)
        if bool(target & _BELOW) != (level < 2):
            return None
    if at + 12 > len(data):
        return None
    address, size, _ = _LEAF.unpack_from(data, at)
    offset = _offset(sections, address)
    return data[offset : offset + min(size, _MAX_RESOURCE)] if offset else None


def _strings(resource: memoryview) -> dict[str, str]:
    """The strings of the first language: nodes in nodes, each a length, a key (UTF-16) and a value, padded."""
    found: dict[str, str] = {}
    for key, start, end in _nodes(resource, *_inner(resource, 0, len(resource))):
        if key == "StringFileInfo":
            for _, inner, stop in _nodes(resource, start, end):
                for name, value, last in _nodes(resource, inner, stop):
                    text = bytes(resource[value:last]).decode("utf-16-le", "replace").partition("\0")[0].strip()
                    if text and len(found) < _MAX_STRINGS:
                        found.setdefault(name, text)
                return found
    return found


def _inner(resource: memoryview, at: int, end: int) -> tuple[int, int]:
    """Where the children of the node at ``at`` lie, after its key and value."""
    if at + 6 > end:
        return end, end
    length, value, _ = _NODE.unpack_from(resource, at)
    start = _after_key(resource, at + 6, end)
    return (start + value + 3) & ~3, min(at + length, end)


def _after_key(resource: memoryview, at: int, end: int) -> int:
    while at + 2 <= end and bytes(resource[at : at + 2]) != b"\0\0":
        at += 2
    return (at + 2 + 3) & ~3


def _nodes(resource: memoryview, at: int, end: int) -> list[tuple[str, int, int]]:
    """(key, start, end) of the nodes one after the other: of what follows their keys."""
    found: list[tuple[str, int, int]] = []
    while at + 6 <= end and len(found) < _MAX_STRINGS:
        length, _, _ = _NODE.unpack_from(resource, at)
        if length < 6:
            break
        stop = min(at + length, end)
        start = _after_key(resource, at + 6, stop)
        key = bytes(resource[at + 6 : start]).decode("utf-16-le", "replace").partition("\0")[0]
        found.append((key, start, stop))
        at = (at + length + 3) & ~3
    return found

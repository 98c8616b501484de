"""A PE file as small as one with a version resource can be."""

from __future__ import annotations

import struct

RVA, RAW = 0x2000, 0x400


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 4)


def _node(key: str, value: bytes = b"", children: bytes = b"", *, text: bool = True) -> bytes:
    head = _padded(b"\0" * 6 + (key + "\0").encode("utf-16-le"))
    body = head + _padded(value) + children if children else head + value
    length = len(value) // 2 if text else len(value)
    return struct.pack("<HHH", len(body), length, text) + body[6:]


def version_resource(strings: dict[str, str]) -> bytes:
    """VS_VERSIONINFO with a table of strings."""
    entries = b"".join(_padded(_node(k, (v + "\0").encode("utf-16-le"))) for k, v in strings.items())
    table = _node("040904b0", children=entries)
    return _node(
        "VS_VERSION_INFO", b"\xbd\x04\xef\xfe" + b"\0" * 48, _node("StringFileInfo", children=table), text=False
    )


def assembly(strings: dict[str, str], *, managed: bool = True, wide: bool = False, kind: int = 16) -> bytes:
    """A library that says these strings of itself; ``managed``: a .NET assembly."""
    resource = version_resource(strings)
    levels = b""
    for level, name in enumerate((kind, 1, 0)):
        target = 24 * (level + 1) | (0x80000000 if level < 2 else 0)
        levels += struct.pack("<12xHHII", 0, 1, name, target)
    section = levels + struct.pack("<IIII", RVA + 72 + 16, len(resource), 0, 0) + resource
    optional = bytearray(240 if wide else 224)
    optional[:2] = b"\x0b\x02" if wide else b"\x0b\x01"
    first = 112 if wide else 96
    struct.pack_into("<II", optional, first + 2 * 8, RVA, len(section))
    if managed:
        struct.pack_into("<II", optional, first + 14 * 8, RVA, 72)
    head = b"MZ" + b"\0" * 58 + struct.pack("<I", 64)
    coff = struct.pack("<4sHHIIIHH", b"PE\0\0", 0x14C, 1, 0, 0, 0, len(optional), 0x2000)
    table = struct.pack("<8sIIIIIIHHI", b".rsrc", len(section), RVA, len(section), RAW, 0, 0, 0, 0, 0x40000040)
    return (head + coff + bytes(optional) + table).ljust(RAW, b"\0") + section

"""The smallest executables that hold what readers look for: ELF, PE and Mach-O, and Go's build information."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Callable

MAIN = "path\texample.com/app/cmd/app\nmod\texample.com/app\tv1.4.0\th1:x=\ndep\tgolang.org/x/net\tv0.17.0\th1:y=\n"
BASE = 0x400000


def go_info(version: str = "go1.22.3", modules: str = MAIN) -> bytes:
    """The ``.go.buildinfo`` section since Go 1.18: both strings after a header."""
    marked = b"0" * 16 + modules.encode() + b"1" * 16 if modules else b""
    head = b"\xff Go buildinf:" + bytes([8, 2]) + b"\0" * 16
    return head + leb128(len(version)) + version.encode() + leb128(len(marked)) + marked


def leb128(number: int) -> bytes:
    """A number as Go writes lengths: seven bits a byte, the lowest first."""
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def old_go_info(
    address: int, version: str = "go1.16.5", modules: str = MAIN, *, width: int = 8, order: str = "<"
) -> bytes:
    """The section up to Go 1.17, loaded at ``address``: pointers to two string headers, here right behind it."""
    marked = b"0" * 16 + modules.encode() + b"1" * 16
    word = "Q" if width == 8 else "I"
    texts = address + 32 + 4 * width
    head = b"\xff Go buildinf:" + bytes([width, 1 if order == ">" else 0])
    head += struct.pack(f"{order}2{word}", address + 32, address + 32 + 2 * width)
    headers = struct.pack(f"{order}4{word}", texts, len(version), texts + len(version), len(marked))
    return head.ljust(32, b"\0") + headers + version.encode() + marked


def elf(
    sections: dict[str, bytes], *, bits: int = 64, order: str = "<", named: bool = True, front: bytes = b""
) -> bytes:
    """An ELF file whose content is one writable segment at ``BASE``; without ``named`` its sections are stripped."""
    wide = bits == 64
    head, segment = (64, 56) if wide else (52, 32)
    body = front.ljust(-(-(head + segment + len(front)) // 16) * 16 - head - segment, b"\0")
    places = {}
    for name, content in sections.items():
        body += b"\0" * (-(head + segment + len(body)) % 16)
        places[name] = head + segment + len(body)
        body += content
    names = b"\0" + b"".join(n.encode() + b"\0" for n in sections) + b".shstrtab\0"
    strings_at = head + segment + len(body)
    table_at = strings_at + len(names)
    row = f"{order}IIQQQQIIQQ" if wide else f"{order}IIIIIIIIII"
    rows = [struct.pack(row, *[0] * 10)]
    for name, content in sections.items():
        index, at = names.index(name.encode() + b"\0"), places[name]
        rows.append(struct.pack(row, index, 1, 3, BASE + at, at, len(content), 0, 0, 16, 0))
    rows.append(struct.pack(row, names.index(b".shstrtab"), 3, 0, 0, strings_at, len(names), 0, 0, 1, 0))
    total = table_at + sum(map(len, rows)) if named else strings_at
    ident = b"\x7fELF" + bytes([2 if wide else 1, 1 if order == "<" else 2, 1]) + b"\0" * 9
    ends = (table_at, len(rows), len(rows) - 1) if named else (0, 0, 0)
    rest = (0, head, segment, 1, len(rows[0]), ends[1], ends[2])
    if wide:
        header = struct.pack(f"{order}HHIQQQIHHHHHH", 2, 62, 1, BASE, head, ends[0], *rest)
        load = struct.pack(f"{order}IIQQQQQQ", 1, 6, 0, BASE, BASE, total, total, 4096)
    else:
        header = struct.pack(f"{order}HHIIIIIHHHHHH", 2, 3, 1, BASE, head, ends[0], *rest)
        load = struct.pack(f"{order}IIIIIIII", 1, 0, BASE, BASE, total, total, 6, 4096)
    return ident + header + load + body + (names + b"".join(rows) if named else b"")


def pe(sections: dict[str, bytes], *, wide: bool = True) -> bytes:
    """A Windows program; sections are writable and loaded at BASE + their place in the file."""
    optional = (b"\x0b\x02" + b"\0" * 22 + struct.pack("<Q", BASE)) if wide else b"\x0b\x01" + b"\0" * 26
    optional = (optional if wide else optional + struct.pack("<I", BASE)).ljust(240, b"\0")
    head = b"MZ".ljust(60, b"\0") + struct.pack("<I", 64)
    head += struct.pack("<4sHHIIIHH", b"PE\0\0", 0x8664, len(sections), 0, 0, 0, len(optional), 0) + optional
    at = -(-(len(head) + 40 * len(sections)) // 512) * 512
    rows, body = b"", b""
    for name, content in sections.items():
        start = at + len(body)
        rows += struct.pack(
            "<8sIIIIIIHHI", name.encode(), len(content), start, len(content), start, 0, 0, 0, 0, 0xC0000040
        )
        body += content + b"\0" * (-len(content) % 512)
    return (head + rows).ljust(at, b"\0") + body


def macho(sections: dict[str, bytes], *, order: str = "<") -> bytes:
    """A 64-bit program of macOS with one segment ``__DATA``, loaded at BASE."""
    size = 72 + 80 * len(sections)
    at = -(-(32 + size) // 16) * 16
    rows, body = b"", b""
    for name, content in sections.items():
        start = at + len(body)
        rows += struct.pack(f"{order}16s16sQQI28x", name.encode(), b"__DATA", BASE + start, len(content), start)
        body += content + b"\0" * (-len(content) % 16)
    total = at + len(body)
    segment = struct.pack(f"{order}II16sQQQQIIII", 0x19, size, b"__DATA", BASE, total, 0, total, 3, 3, len(sections), 0)
    header = struct.pack(f"{order}IIIIIIII", 0xFEEDFACF, 0x01000007, 3, 2, 1, size, 0, 0)
    return (header + segment + rows).ljust(at, b"\0") + body


def universal(*programs: bytes) -> bytes:
    """A Mach-O file for several machines."""
    at = -(-(8 + 20 * len(programs)) // 16) * 16
    rows, body = b"", b""
    for program in programs:
        rows += struct.pack(">IIIII", 0x01000007, 3, at + len(body), len(program), 4)
        body += program
    return (b"\xca\xfe\xba\xbe" + struct.pack(">I", len(programs)) + rows).ljust(at, b"\0") + body


def crates(*packages: dict[str, object]) -> bytes:
    """The ``.dep-v0`` section of ``cargo auditable``."""
    return zlib.compress(json.dumps({"packages": packages}).encode())


def native_image(packed: bytes, *, table: str = "dyn", names: tuple[str, str] = ("sbom", "sbom_length")) -> bytes:
    """A program as GraalVM makes them, with these bytes as its SBOM. ``table`` of symbols: ``dyn`` or ``sym``."""
    strings = b"\0" + b"".join(name.encode() + b"\0" for name in ("malloc", *names))
    tables = {"dyn": (".dynsym", ".dynstr"), "sym": (".symtab", ".strtab")}[table]

    def sections(data: int) -> dict[str, bytes]:
        places = ((0, 0, 0), (1, 0, 0), (8, 2, data + 8), (9 + len(names[0]), 2, data))
        symbols = b"".join(struct.pack("<IBBHQQ", name, 0x11, 0, part, place, 8) for name, part, place in places)
        return {
            ".svm_heap": b"heap", ".data": struct.pack("<Q", len(packed)) + packed,
            tables[0]: symbols, tables[1]: strings,
        }  # fmt: skip

    plain = elf(sections(0))
    return elf(sections(BASE + plain.index(struct.pack("<Q", len(packed)) + packed)))


BUNDLE_MARKER = bytes.fromhex("8b1202b96a612038727b930214d7a03213f5b9e6efae3318ee3b2dce24b36aae")


def bundle(
    record: bytes | None, *, version: int = 6, host: Callable[[dict[str, bytes]], bytes] = elf, section: str = ".data"
) -> bytes:
    """A .NET application in a single file: a host, an assembly, its ``deps.json`` if any, and the header that lists
    them."""

    def hosted(header: int) -> bytes:
        return host({section: b"data" * 9 + struct.pack("<Q", header) + BUNDLE_MARKER + b"more"})

    def text(name: str) -> bytes:
        return bytes([len(name)] if len(name) < 128 else [len(name) & 0x7F | 0x80, len(name) >> 7]) + name.encode()

    start = len(hosted(0))
    files = [(1, "App.dll", b"MZ" * 50)] + ([(3, "App.deps.json", record)] if record is not None else [])
    listed, at = b"", start
    for kind, name, content in files:
        packed = struct.pack("<q", 0) if version >= 6 else b""
        listed += struct.pack("<qq", at, len(content)) + packed + bytes([kind if version > 1 else 0]) + text(name)
        at += len(content)
    places = struct.pack("<qqqqQ", *((at - len(record), len(record)) if record is not None else (0, 0)), 0, 0, 0)
    header = struct.pack("<IIi", version, 0, len(files)) + text("x" * 200) + (places if version > 1 else b"")
    return hosted(at) + b"".join(content for _, _, content in files) + header + listed

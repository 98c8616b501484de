"""Executables as package readers need them: one section by name, and bytes by address.

ELF, PE and Mach-O (thin and universal). Nothing is believed: what lies outside of the file is not there, and
tables are read up to a bound. A file without the section asked for costs a few microseconds.

Sources: elf(5); Microsoft's "PE Format"; ``mach-o/loader.h`` and ``mach-o/fat.h`` of Apple's Darwin.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from struct import Struct

MAX_BYTES = 176 << 20
"""Read where they lie, uncopied: with this a layer task stays below its 300 MB."""

PROGRAMS = re.compile(r"(?:bin|libexec|cli-plugins|/cni|pkg/tool)/|(?:^|/)lib(?:64)?/[^/]+\.so(?:$|\.)")
"""Where OS packages put programs, and their shared libraries, which may be Rust's: who owns such a file is known."""

_ELF, _PE = b"\x7fELF", b"MZ"
_MACHO = {b"\xfe\xed\xfa\xce", b"\xfe\xed\xfa\xcf", b"\xce\xfa\xed\xfe", b"\xcf\xfa\xed\xfe"}
_FAT = {b"\xca\xfe\xba\xbe": False, b"\xca\xfe\xba\xbf": True}
_MAX_SECTIONS = 4096
_MAX_SEGMENTS = 512
_MAX_NAMES = 1 << 20
_MAX_SLICES = 16


def is_executable(head: bytes) -> bool:
    """Whether a file that begins with these (at least 4) bytes is for this module; Java classes share a magic."""
    return head == _ELF or head[:2] == _PE or head in _MACHO or head in _FAT


@dataclass(frozen=True, slots=True)
class Span:
    """A part of the file and the address where it is loaded."""

    name: str
    address: int
    offset: int
    size: int
    writable: bool = False


@dataclass(frozen=True, slots=True)
class Binary:
    """One program: what is asked for in it is found by ``section`` and ``at``."""

    data: memoryview
    sections: tuple[Span, ...]
    """Only those asked for."""
    segments: tuple[Span, ...]
    """Address ranges, in file order."""
    named: bool
    """Whether it has a table of sections at all; it may be stripped of it."""

    def section(self, name: str) -> memoryview | None:
        for span in self.sections:
            if span.name == name:
                return self.data[span.offset : span.offset + span.size]
        return None

    def at(self, address: int, size: int) -> memoryview | None:
        """The bytes loaded at an address, or None where the file does not hold them all."""
        for span in self.segments:
            start = address - span.address
            if start >= 0 and start + size <= span.size:
                found = self.data[span.offset + start : span.offset + start + size]
                return found if len(found) == size else None
        return None


def programs(data: memoryview, names: frozenset[str]) -> Iterator[Binary]:
    """The programs of a file with the sections of these names: none if it is no executable, several if universal.

    Names are as ELF and PE have them; in Mach-O ``.go.buildinfo`` is ``__go_buildinfo``.
    """
    head = bytes(data[:4])
    parse: Callable[[memoryview, frozenset[str]], Binary | None]
    if head == _ELF:
        parse = _elf
    elif head in _MACHO:
        parse = _macho
    elif head[:2] == _PE:
        parse = _pe
    elif head in _FAT:
        for part in _slices(data, wide=_FAT[head]):
            if bytes(part[:4]) in _MACHO:
                yield from programs(part, names)
        return
    else:
        return
    found = parse(data, names)
    if found is not None:
        yield found


def _text(raw: bytes) -> str:
    return raw.partition(b"\0")[0].decode("latin-1")


# --- ELF -----------------------------------------------------------------------------------------

_ELF_HEADERS = {o + b: Struct(o + f) for o in "<>" for b, f in (("4", "16xHHIIIIIHHHHHH"), ("8", "16xHHIQQQIHHHHHH"))}
_ELF_SEGMENT = {o + b: Struct(o + f) for o in "<>" for b, f in (("4", "IIIIIIII"), ("8", "IIQQQQQQ"))}
_ELF_SECTION = {o + b: Struct(o + f) for o in "<>" for b, f in (("4", "IIIIIIIIII"), ("8", "IIQQQQIIQQ"))}
_LOAD, _WRITE, _NO_BITS, _BIG_INDEX = 1, 2, 8, 0xFFFF


def has_more(data: memoryview) -> bool:
    """Whether an ELF file goes on after its table of sections, which linkers write last: something was appended."""
    if len(data) < 64 or data[4] not in (1, 2) or data[5] not in (1, 2):
        return False
    header = _ELF_HEADERS[("<" if data[5] == 1 else ">") + ("4" if data[4] == 1 else "8")].unpack_from(data)
    start, size, count = header[5], header[10], header[11]
    return bool(start + size * count < len(data))


def _elf(data: memoryview, names: frozenset[str]) -> Binary | None:
    if len(data) < 64 or data[4] not in (1, 2) or data[5] not in (1, 2):
        return None
    kind = ("<" if data[5] == 1 else ">") + ("4" if data[4] == 1 else "8")
    _, _, _, _, segments, sections, _, _, segment_size, count, section_size, total, strings = _ELF_HEADERS[
        kind
    ].unpack_from(data)
    section, segment = _ELF_SECTION[kind], _ELF_SEGMENT[kind]
    found: list[Span] = []
    named = False
    if sections and section_size == section.size:
        if sections + section.size <= len(data):
            first = section.unpack_from(data, sections)
            total = total or first[5]  # too many for the header
            strings = first[6] if strings == _BIG_INDEX else strings
        total = min(total, _MAX_SECTIONS, max(len(data) - sections, 0) // section.size)
        if strings < total:
            _, _, _, _, at, size, *_ = section.unpack_from(data, sections + strings * section.size)
            table = bytes(data[at : at + min(size, _MAX_NAMES)])
            named = bool(table)
            for name in names:
                place = table.find(b"\0" + name.encode() + b"\0") + 1
                if place:
                    found += _elf_sections(data, section, sections, total, name, place)
    if named and not found:
        return Binary(data, (), (), True)
    spans = []
    if segment_size == segment.size:
        for i in range(min(count, _MAX_SEGMENTS)):
            at = segments + i * segment.size
            if at + segment.size > len(data):
                break
            if kind[1] == "8":
                what, flags, offset, address, _, size, _, _ = segment.unpack_from(data, at)
            else:
                what, offset, address, _, size, _, flags, _ = segment.unpack_from(data, at)
            if what == _LOAD:
                spans.append(Span("", address, offset, size, bool(flags & _WRITE)))
    return Binary(data, tuple(found), tuple(spans), named)


def _elf_sections(data: memoryview, section: Struct, start: int, total: int, name: str, place: int) -> Iterator[Span]:
    for i in range(total):
        index, what, _, address, offset, size, *_ = section.unpack_from(data, start + i * section.size)
        if index == place and what != _NO_BITS:
            yield Span(name, address, offset, size)
            return


# --- PE ------------------------------------------------------------------------------------------

_PE_HEADER = Struct("<4sHHIIIHH")
_PE_SECTION = Struct("<8sIIIIIIHHI")
_PE_WRITE = 0x80000000


def _pe(data: memoryview, names: frozenset[str]) -> Binary | None:
    if len(data) < 64:
        return None
    at = int.from_bytes(data[60:64], "little")
    if at + _PE_HEADER.size + 64 > len(data):
        return None
    magic, _, count, _, _, _, optional, _ = _PE_HEADER.unpack_from(data, at)
    if magic != b"PE\0\0":
        return None
    at += _PE_HEADER.size
    wide = bytes(data[at : at + 2]) == b"\x0b\x02"
    base = int.from_bytes(data[at + 24 : at + 32] if wide else data[at + 28 : at + 32], "little")
    at += optional
    found, spans = [], []
    for i in range(min(count, _MAX_SEGMENTS)):
        if at + (i + 1) * _PE_SECTION.size > len(data):
            break
        raw, virtual, address, size, offset, _, _, _, _, flags = _PE_SECTION.unpack_from(
            data, at + i * _PE_SECTION.size
        )
        name = _text(raw)
        span = Span(name, base + address, offset, min(size, virtual) if virtual else size, bool(flags & _PE_WRITE))
        spans.append(span)
        if name in names:
            found.append(span)
    return Binary(data, tuple(found), tuple(spans), named=False)  # Go has no section of its own there


# --- Mach-O --------------------------------------------------------------------------------------

_COMMAND = {o: Struct(o + "II") for o in "<>"}
_MACH_SEGMENT = {o + b: Struct(o + f) for o in "<>" for b, f in (("4", "8x16sIIIIIIII"), ("8", "8x16sQQQQIIII"))}
_MACH_SECTION = {o + b: Struct(o + f) for o in "<>" for b, f in (("4", "16s16sII I28x"), ("8", "16s16sQQ I28x"))}
_SEGMENT_COMMANDS = {1: "4", 0x19: "8"}


def _macho(data: memoryview, names: frozenset[str]) -> Binary | None:
    order = "<" if data[0] in (0xCE, 0xCF) else ">"
    wide = data[0] == 0xCF or data[3] == 0xCF
    if len(data) < 32:
        return None
    count = int.from_bytes(data[16:20], "little" if order == "<" else "big")
    at = 32 if wide else 28
    wanted = {"__" + name.removeprefix(".").replace(".", "_"): name for name in names}
    wanted.update((name, name) for name in names)
    found: list[Span] = []
    spans: list[Span] = []
    sections = 0
    for _ in range(min(count, _MAX_SEGMENTS)):
        if at + 8 > len(data):
            break
        command, size = _COMMAND[order].unpack_from(data, at)
        bits = _SEGMENT_COMMANDS.get(command)
        if bits is not None:
            segment, section = _MACH_SEGMENT[order + bits], _MACH_SECTION[order + bits]
            if at + segment.size > len(data):
                break
            name, address, _, offset, length, _, protection, inside, _ = segment.unpack_from(data, at)
            spans.append(Span(_text(name), address, offset, length, bool(protection & 2)))
            for i in range(min(inside, _MAX_SECTIONS - sections)):
                place = at + segment.size + i * section.size
                if place + section.size > len(data):
                    break
                sections += 1
                name, _, address, length, offset = section.unpack_from(data, place)
                known = wanted.get(_text(name))
                if known is not None:
                    found.append(Span(known, address, offset, length))
        if size < 8:
            break
        at += size
    return Binary(data, tuple(found), tuple(spans), named=bool(sections))


def _slices(data: memoryview, *, wide: bool) -> Iterator[memoryview]:
    count = int.from_bytes(data[4:8], "big")
    if count > _MAX_SLICES:
        return  # a Java class: its version stands there
    entry = Struct(">IIQQII" if wide else ">IIIII")
    for i in range(count):
        at = 8 + i * entry.size
        if at + entry.size > len(data):
            return
        _, _, offset, size, *_ = entry.unpack_from(data, at)
        yield data[offset : offset + size]

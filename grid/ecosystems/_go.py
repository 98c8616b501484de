"""Go programs: the modules that the linker recorded in them.

Sources: the package documentation of ``debug/buildinfo`` and ``runtime/debug`` (BuildInfo), and for the two
layouts the linker's ``.go.buildinfo`` section: pointers to two strings up to Go 1.17, the strings themselves since.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from packageurl import PackageURL

from grid.ecosystems import _binary
from grid.ecosystems._programs import go_cpes, go_module
from grid.model import Limits, Note, Package

SECTION = ".go.buildinfo"
DEVEL = "(devel)"
"""The version of a module that was built from a working copy: no advisory speaks of it."""

MARK = b"\xff Go buildinf:"
"""What build information begins with."""
_HEADER = 32
_INLINE, _BIG_ENDIAN = 2, 1
_MAX_TEXT = 1 << 20
_MAX_VERSION = 1 << 10
_SEARCH = 4 << 20
"""How far into writable data the header is looked for where no table of sections tells."""
_NAMES = frozenset({SECTION})

_TOOLCHAIN = re.compile(r"go([0-9]+\.[0-9]+(?:\.[0-9]+)?(?:(?:rc|beta)[0-9]+)?)")
# Without a tag the version says only when it was built, and orders below everything.
_UNTAGGED = re.compile(r"v0\.0\.0-(?:0\.)?[0-9]{14}-[0-9a-f]{12}(?:\+.*)?")
_STAMPED = re.compile(
    r"""-X[= ]['"]?[^\s='"]*\.(?:[vV]ersion|VERSION|[a-z]*Version|ver|tag|gitTag|GitTag|buildTag)=v?"""
    r"""([0-9]+\.[0-9]+\.[0-9]+(?:[-+][0-9A-Za-z.+-]+)?)(?=['"\s]|$)"""
)
_STAMP = re.compile(
    rb"\0v?([0-9]{1,4}\.[0-9]{1,4}\.[0-9]{1,4}(?:[-~](?:alpha|beta|rc)[.0-9]{0,5})?)(?:[+~-][^\0]{1,40})?(?=\0)"
)
_STAMPS = 16 << 10
"""Bytes before and after the toolchain's version in which those of the program stand."""
_PATH = re.compile(r"[A-Za-z0-9_.~!-]+(?:/[A-Za-z0-9_.~!+ -]+)*")
_VERSION = re.compile(r"[!-~]{1,256}")


def is_program(data: memoryview) -> bool:
    """Whether a file has build information, so that ``read`` tells what it is."""
    return any(_build_info(program) is not None for program in _binary.programs(data, _NAMES))


def read(path: str, content: bytes | memoryview, limits: Limits) -> Iterator[Package | Note]:
    """The standard library, the main module and all modules of a Go program; nothing for other files."""
    data = memoryview(content)
    head = bytes(data[:4])
    if not _binary.is_executable(head):
        return
    seen: set[tuple[str, str]] = set()
    recorded = False
    for program in _binary.programs(data, _NAMES):
        info = _build_info(program)
        if info is None:
            continue
        recorded = True
        toolchain, modules = info
        if not toolchain and not modules:
            yield Note("Unparsable", "the Go build information is damaged", path)
        for name, version, main in _packages(toolchain, modules):
            if main and version == DEVEL:
                version = _stamped_in(program.data, toolchain)
            if (name, version) not in seen and name.rpartition("/")[2].strip():  # a URL needs more than blanks
                seen.add((name, version))
                yield _package(name, version, go_cpes(name, version) if main and version != DEVEL else ())
    if not recorded and head == b"\x7fELF" and b"UPX!" in bytes(data[:512]):
        yield Note("Packed", "the program is packed with UPX: what it was built of cannot be read", path)


def _package(name: str, version: str, cpes: tuple[str, ...]) -> Package:
    namespace, _, base = name.rpartition("/")
    purl = PackageURL("golang", namespace or None, base, version).to_string()
    return Package(name, version, purl=purl, cpes=cpes)


def _stamped_in(data: memoryview, toolchain: str) -> str:
    """The version that ``-X main.version=v1.2.3`` left in a program whose build information does not tell the flags.

    With ``-trimpath`` it does not. The linker ends such texts with a NUL, unlike Go's own, and puts them beside the
    version of the toolchain, which it sets in the same way. Where two versions stand there, none is taken.
    """
    told = toolchain.partition(" ")[0].encode()
    # Beginning with the NUL before it, of which a program is full, the search would take three times as long. Where
    # nothing had to be filled up, that NUL is missing: then the first one counts.
    start = end = 0
    for mark in re.finditer(re.escape(told) + b"\0", data) if told else ():
        apart = mark.start() > 0 and data[mark.start() - 1] == 0
        if apart or not end:
            start, end = mark.span()
        if apart:
            break
    if not end:
        return DEVEL
    near = bytes(data[max(start - 1 - _STAMPS, 0) : end + _STAMPS])
    found = {match[1] for match in _STAMP.finditer(near)}
    return "v" + found.pop().decode().replace("~", "-") if len(found) == 1 else DEVEL


# --- finding it ----------------------------------------------------------------------------------


def _build_info(program: _binary.Binary) -> tuple[str, str] | None:
    """(toolchain version, module text), both "" where they cannot be read; None if this is no Go program."""
    blob = program.section(SECTION)
    if blob is not None and bytes(blob[: len(MARK)]) == MARK:
        return _contents(program, blob)
    if program.named:
        return None
    left = _SEARCH
    for span in program.segments:
        if span.writable and left > 0:
            raw = bytes(program.data[span.offset : span.offset + min(span.size, left)])
            left -= len(raw)
            at = raw.find(MARK)
            while at >= 0 and (span.address + at) % 16:  # the linker aligns it
                at = raw.find(MARK, at + 1)
            if at >= 0:
                return _contents(program, program.data[span.offset + at : span.offset + span.size])
    return None


def _contents(program: _binary.Binary, blob: memoryview) -> tuple[str, str]:
    if len(blob) < _HEADER:
        return "", ""
    width, flags = blob[14], blob[15]
    if flags & _INLINE:
        version, rest = _counted(blob[_HEADER:], _MAX_VERSION)
        modules, _ = _counted(rest, _MAX_TEXT)
    elif width in (4, 8):
        order: str = "big" if flags & _BIG_ENDIAN else "little"
        version = _pointed(program, blob[16 : 16 + width], order, _MAX_VERSION)
        modules = _pointed(program, blob[16 + width : 16 + 2 * width], order, _MAX_TEXT)
    else:
        return "", ""
    # The text stands between two markers of 16 bytes each, by which debuggers find it in memory.
    modules = modules[16:-16] if len(modules) >= 33 and modules[-17:-16] == b"\n" else b""
    return version.decode("utf-8", "replace"), modules.decode("utf-8", "replace")


def _counted(data: memoryview, at_most: int) -> tuple[bytes, memoryview]:
    """A string after its length (an unsigned LEB128 number), and what follows it."""
    length = shift = 0
    for i in range(min(len(data), 5)):
        length |= (data[i] & 0x7F) << shift
        if data[i] < 0x80:
            stop = i + 1 + length
            if length > at_most or stop > len(data):
                break
            return bytes(data[i + 1 : stop]), data[stop:]
        shift += 7
    return b"", data[:0]


def _pointed(program: _binary.Binary, pointer: memoryview, order: str, at_most: int) -> bytes:
    """The string whose header (address, length) stands where a pointer points."""
    width = len(pointer)
    big = order == "big"
    header = program.at(int.from_bytes(pointer, "big" if big else "little"), 2 * width)
    if header is None:
        return b""
    address = int.from_bytes(header[:width], "big" if big else "little")
    length = int.from_bytes(header[width:], "big" if big else "little")
    found = program.at(address, length) if length <= at_most else None
    return bytes(found) if found is not None else b""


# --- reading it ----------------------------------------------------------------------------------


def _packages(toolchain: str, modules: str) -> Iterator[tuple[str, str, bool]]:
    """(name, version, whether it is the main module) of each; a replaced one is named after what replaced it."""
    library = standard_library(toolchain)
    if library:
        yield "stdlib", library, False
    main: list[str] = []
    found: list[list[str]] = []
    program = stamped = ""
    for line in modules.split("\n"):
        word, *fields = line.split("\t")
        if word == "path" and fields:
            program = fields[0]
        elif word == "mod":
            main = main or fields
        elif word == "dep":
            found.append(fields)
        elif word == "=>":
            target = found[-1] if found else main
            if len(target) > 1 and len(fields) > 1:
                if fields[1]:
                    target[:2] = fields[:2]
                else:  # by a folder: what is there has no version
                    target[1] = DEVEL
        elif word == "build" and fields and fields[0].startswith("-ldflags="):
            flags = fields[0]
            stamp = _STAMPED.search(flags[: 64 << 10])
            stamped = f"v{stamp[1]}" if stamp else ""
    if program == "cmd/go" and library:
        yield "toolchain", library, False
    if not main and "." in program.partition("/")[0]:
        main = [go_module(program)]  # built without modules, as distributions do: only its package has a name
    if main:
        version = main[1] if len(main) > 1 else ""
        if version in ("", DEVEL) or _UNTAGGED.fullmatch(version):
            main = [main[0], stamped or DEVEL]
        found.insert(0, main)
    for name, version, *_ in (f for f in found if len(f) > 1):
        if len(name) <= 500 and _PATH.fullmatch(name) and _VERSION.fullmatch(version):
            yield name, version, name == main[0] if main else False


def standard_library(toolchain: str) -> str:
    """``1.22.3`` of ``go1.22.3 X:boringcrypto``, ``go1.22.3-fips``, ``go1.22.3+rhel`` …; "" for a development tree."""
    match = _TOOLCHAIN.match(toolchain)
    return match[1] if match else ""

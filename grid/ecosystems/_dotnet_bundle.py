"""The ``deps.json`` in a .NET application that was published as a single file.

Such a program is a host with the application's files appended. A marker among the host's data follows the offset of the
bundle's header, which is 0 in a host without one. Source: the "Single-file Publish" design of .NET
(https://github.com/dotnet/designs/blob/main/accepted/2020/single-file/design.md) and its host's ``bundle/header.h``
(https://github.com/dotnet/runtime/tree/main/src/native/corehost/bundle): header versions 1 (.NET Core 3), 2 (.NET 5)
and 6 (since .NET 6). A ``deps.json`` is never compressed.
"""

from __future__ import annotations

from struct import Struct
from typing import Any

_MARKER = bytes.fromhex("8b1202b96a612038727b930214d7a03213f5b9e6efae3318ee3b2dce24b36aae")
_MAX_DATA = 16 << 20
"""Bytes of a data section that are searched; a host has 100 KB."""
_HEADER = Struct("<IIi")
_PLACE = Struct("<qq")
_FILE = Struct("<qqB")
"""Version 1 does not say in its header where the record is: it lists the files, and calls all of them of one kind."""
_WITH_LIST, _WITH_PLACE = 1, (2, 6)
_NAME = b".deps.json"
_MAX_FILES = 10_000


class BundleInvalid(ValueError):
    """The program has a bundle that cannot be read; the text says why."""


def deps_json(program: memoryview, data: memoryview) -> memoryview | None:
    """The record in a program, of which ``data`` is the section; None if it is no bundle. Raises BundleInvalid."""
    marked = bytes(data[:_MAX_DATA])
    at = marked.find(_MARKER) - 8
    start = int.from_bytes(marked[at : at + 8], "little") if at >= 0 else 0
    if start == 0:
        return None
    (major, _, count), at = _numbers(_HEADER, program, start)
    at = _after_text(program, at)
    if major == _WITH_LIST:
        offset, size = _listed(program, at, count)
    elif major in _WITH_PLACE:
        (offset, size), _ = _numbers(_PLACE, program, at)
    else:
        raise BundleInvalid(f"the bundle is of an unknown version, {major}")
    if offset == 0:
        raise BundleInvalid("the bundle has no deps.json, which would tell its packages")
    if offset < 0 or size < 0 or offset + size > len(program):
        raise BundleInvalid("the bundle's deps.json lies outside of the file")
    return program[offset : offset + size]


def _listed(program: memoryview, at: int, count: int) -> tuple[int, int]:
    for _ in range(min(count, _MAX_FILES)):
        (offset, size, _), at = _numbers(_FILE, program, at)
        at = _after_text(program, at)
        if program[max(at - len(_NAME), 0) : at] == _NAME:
            return offset, size
    return 0, 0


def _numbers(layout: Struct, program: memoryview, at: int) -> tuple[tuple[Any, ...], int]:
    """What stands there, and where it ends."""
    if at + layout.size > len(program):
        raise BundleInvalid("the bundle's header lies outside of the file")
    return layout.unpack_from(program, at), at + layout.size


def _after_text(program: memoryview, at: int) -> int:
    """Where a text ends; its length stands before it in one byte, or in two with seven bits each."""
    (length,), at = _numbers(_BYTE, program, at)
    if length & 0x80:
        (more,), at = _numbers(_BYTE, program, at)
        length = (length & 0x7F) | more << 7
    return at + int(length)


_BYTE = Struct("<B")

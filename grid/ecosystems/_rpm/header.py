"""The header of an installed package, as all backends store it: an index of tags, then their data, big-endian.

Source: https://rpm-software-management.github.io/rpm/manual/format_header.html. In a database the eight bytes of
magic and reserve are left out. The index begins with a region entry, whose signature does not matter here; what stands
after the region (install time …) replaces what stands in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from struct import Struct, unpack_from

from packageurl import PackageURL

from grid.ecosystems._blobs import Damaged
from grid.ecosystems.apk import licenses
from grid.model import OwnedFile, Package

NAME, VERSION, RELEASE, EPOCH = 1000, 1001, 1002, 1003
VENDOR, LICENSE, ARCH, SOURCERPM, MODULARITYLABEL = 1011, 1014, 1022, 1044, 5096
OLDFILENAMES, DIRINDEXES, BASENAMES, DIRNAMES = 1027, 1116, 1117, 1118

_PACKAGE = frozenset({NAME, VERSION, RELEASE, EPOCH, VENDOR, LICENSE, ARCH, SOURCERPM, MODULARITYLABEL})
_FILES = frozenset({NAME, OLDFILENAMES, DIRINDEXES, BASENAMES, DIRNAMES})

_INT32, _STRING, _STRING_ARRAY, _I18NSTRING = 4, 6, 8, 9
_ENTRY = Struct(">4I")
_MAX_ENTRIES = 0xFFFF  # rpm's own bound; headers have about a hundred
_MAX_COUNT = 1 << 18  # values of a tag that are unpacked: files of a package
_MAX_PATH = 4096

_WORD = re.compile(r"[!-~]+")
_NAME = re.compile(r"[!-.0-~]+")  # a name is part of a file's name
_SOURCE = re.compile(r"(.+)-([^-]+-[^-]+)\.(?:no)?src\.rpm", re.DOTALL)

PUBLIC_KEY = "gpg-pubkey"
"""What rpm records an imported key as: no package."""


@dataclass(frozen=True, slots=True)
class Header:
    """The tags asked for, where the index has them."""

    blob: bytes
    start: int
    end: int
    tags: dict[int, tuple[int, int, int]]
    """Tag to type, offset and count."""

    def _find(self, tag: int, *kinds: int) -> tuple[int, int] | None:
        found = self.tags.get(tag)
        if found is None:
            return None
        kind, offset, count = found
        at = self.start + offset
        if kind not in kinds or not 0 < count <= _MAX_COUNT or at >= self.end:
            raise Damaged(f"tag {tag} has type {kind}, offset {offset} and count {count}")
        return at, count

    def text(self, tag: int) -> str:
        """A string (the first, of those with translations); "" if it is not there."""
        found = self._find(tag, _STRING, _I18NSTRING)
        if found is None:
            return ""
        end = self.blob.find(b"\0", found[0], self.end)
        if end < 0:
            raise Damaged(f"tag {tag} has no end")
        return self.blob[found[0] : end].decode("utf-8", "replace")

    def texts(self, tag: int) -> list[bytes]:
        """An array of strings; empty if it is not there."""
        found = self._find(tag, _STRING_ARRAY)
        if found is None:
            return []
        at, count = found
        texts = self.blob[at : self.end].split(b"\0", count)
        if len(texts) <= count:
            raise Damaged(f"tag {tag} has fewer strings than it counts")
        del texts[count]
        return texts

    def numbers(self, tag: int) -> tuple[int, ...]:
        """An array of 32-bit numbers; empty if it is not there."""
        found = self._find(tag, _INT32)
        if found is None:
            return ()
        at, count = found
        if at + 4 * count > self.end:
            raise Damaged(f"tag {tag} has fewer numbers than it counts")
        return unpack_from(f">{count}I", self.blob, at)


def _header(blob: bytes, wanted: frozenset[int]) -> Header:
    if len(blob) < 8:
        raise Damaged("a header has no index")
    entries, size = unpack_from(">2I", blob)
    start = 8 + _ENTRY.size * entries
    if not 0 < entries <= _MAX_ENTRIES or start + size > len(blob):
        raise Damaged(f"a header of {len(blob)} bytes states {entries} entries and {size} bytes of data")
    index = _ENTRY.iter_unpack(memoryview(blob)[8:start])
    return Header(blob, start, start + size, {tag: (kind, at, n) for tag, kind, at, n in index if tag in wanted})


def package(blob: bytes) -> Package | None:
    """The package of a header, None for an imported key; raises Damaged."""
    header = _header(blob, _PACKAGE)
    name = header.text(NAME)
    if name == PUBLIC_KEY:
        return None
    version, release, epoch = header.text(VERSION), header.text(RELEASE), header.numbers(EPOCH)
    if not version or not release:
        raise Damaged("a header has no version and release")
    return describe(
        name,
        f"{version}-{release}",
        str(epoch[0]) if epoch else "",
        header.text(ARCH),
        header.text(SOURCERPM),
        header.text(VENDOR),
        header.text(LICENSE),
        header.text(MODULARITYLABEL),
    )


def describe(
    name: str, version: str, epoch: str, arch: str, source: str, vendor: str, licence: str = "", module: str = ""
) -> Package:
    """The package of which rpm prints these, "" for none; raises Damaged. ``version`` is version-release.

    A source package is recorded by its file's name, which has no epoch. It is taken to be the binary package's, as
    the two differ in hardly any package, and versions of unequal epoch say nothing about each other.
    """
    if not _NAME.fullmatch(name) or not _WORD.fullmatch(version) or (arch and not _NAME.fullmatch(arch)):
        raise Damaged("a package has no usable name, version and architecture")
    found = _SOURCE.fullmatch(source)
    before = f"{epoch}:" if epoch else ""
    qualifiers = {"arch": arch, "epoch": epoch}
    return Package(
        name=name,
        version=before + version,
        arch=arch,
        source_name=found[1] if found else "",
        source_version=before + found[2] if found else "",
        licenses=licenses(licence) if licence else (),
        modularity=":".join(module.split(":", 2)[:2]),
        origin=vendor,
        purl=PackageURL("rpm", None, name, version, {k: v for k, v in qualifiers.items() if v}).to_string(),
    )


def files(blob: bytes) -> Iterator[OwnedFile]:
    """The files of a header's package, ghosts too; raises Damaged, maybe after some."""
    header = _header(blob, _FILES)
    owner = header.text(NAME)
    names = header.texts(BASENAMES)
    if names:
        folders = header.texts(DIRNAMES)
        places = header.numbers(DIRINDEXES)
        if len(places) != len(names) or max(places) >= len(folders):
            raise Damaged("the files of a package do not fit its folders")
        for name, place in zip(names, places, strict=True):
            folder = folders[place]
            # A folder's name may be a megabyte, and a hundred thousand files may be in it.
            if len(folder) + len(name) <= _MAX_PATH and (path := _path(folder + name)):
                yield OwnedFile(path, owner)
    for name in header.texts(OLDFILENAMES):  # before rpm 4
        if len(name) <= _MAX_PATH and (path := _path(name)):
            yield OwnedFile(path, owner)


def _path(text: bytes) -> str:
    return text.decode("utf-8", "backslashreplace").lstrip("/")

"""The databases of rpm: headers from whichever backend wrote them, and packages and files from headers.

Private to ``grid/ecosystems/rpm.py``. ``grid/ecosystems/_blobs.py`` says what a backend is.
"""

from __future__ import annotations

from collections.abc import Iterator

from grid.ecosystems._blobs import Content, Damaged
from grid.ecosystems._rpm import bdb, header, ndb, sqlite
from grid.ecosystems._sqlite import JOURNAL_HEADER
from grid.model import MIB, Limits, Note, OwnedFile, Package, Wants

FOLDERS = ("var/lib/rpm", "usr/lib/sysimage/rpm", "usr/share/rpm")
"""Where the database lies: the old place, the new one (SUSE, Fedora, RHEL 10), and that of ostree systems."""

JOURNALS = frozenset(f"{folder}/rpmdb.sqlite-wal" for folder in FOLDERS)
MANIFEST = "var/lib/rpmmanifest/container-manifest-2"
"""The list that distroless images of Azure Linux and Mariner have in place of a database: ``rpm --query --all`` with
the columns name, version-release, installed, built, vendor, epoch, size, arch, epoch or 0, source rpm."""

DATABASES = frozenset(f"{folder}/{name}" for folder in FOLDERS for name in ("Packages", "Packages.db", "rpmdb.sqlite"))

MAX_BYTES = 160 * MIB
"""The largest database that is read: it lies in memory once, and the task of a layer may hold 300 MB in all. Real ones
have 30 to 130 KB a package, so 1,300 packages fit at least; those of whole workstations may not."""

WANTS = Wants(paths=DATABASES | JOURNALS | {MANIFEST}, max_bytes=MAX_BYTES)
OWNS = Wants(paths=DATABASES, max_bytes=MAX_BYTES)

_MAX_HEADERS = 100_000
_MAX_BAD = 1000  # by then the rest is no better, or meant to keep us busy


def read(path: str, content: Content, limits: Limits) -> Iterator[Package | Note]:
    """The installed packages of a database of any backend (told by its magic), or of a manifest.

    What cannot be read is one note in the end, that says how much of it there is.
    """
    if path in JOURNALS:
        if len(content) > JOURNAL_HEADER:
            yield Note("JournalNotRead", "changes that lie in the journal only are not seen", path)
        return
    bad = _Bad(path)
    if path == MANIFEST:
        yield from _manifest(content, bad)
    elif path in DATABASES:
        seen = set()
        for blob in _blobs(content, bad):
            try:
                package = header.package(blob)
            except Damaged as damage:
                bad.count(damage)
                continue
            if package is not None and package not in seen:
                seen.add(package)
                yield package
    yield from bad.note()


def owned(path: str, content: Content, limits: Limits) -> Iterator[OwnedFile | Note]:
    """The files of each package in a database; a note as ``read`` gives."""
    if path not in DATABASES:
        return
    bad = _Bad(path)
    for blob in _blobs(content, bad):
        try:
            yield from header.files(blob)
        except Damaged as damage:
            bad.count(damage)
    yield from bad.note()


class _Bad:
    """Counts what cannot be read: a million notes on one file would help nobody."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._count = 0
        self._first = ""

    def count(self, damage: Damaged) -> None:
        self._count += 1
        self._first = self._first or str(damage)

    @property
    def many(self) -> bool:
        return self._count >= _MAX_BAD

    def note(self) -> Iterator[Note]:
        if self._count > 1:
            yield Note("Unparsable", f"{self._count} records cannot be read, the first: {self._first}", self._path)
        elif self._count:
            yield Note("Unparsable", self._first, self._path)


def _blobs(content: Content, bad: _Bad) -> Iterator[bytes]:
    if not content:  # what SQLite makes of a file that was only looked for
        return
    magic = bytes(content[:16])
    try:
        if magic == sqlite.MAGIC:
            found = sqlite.blobs(content)
        elif magic.startswith(ndb.MAGIC):
            found = ndb.blobs(content)
        elif bdb.is_hash(content):
            found = bdb.blobs(content)
        else:
            raise Damaged("a database of a kind that is not known")
        for number, blob in enumerate(found):
            if bad.many or number >= _MAX_HEADERS:
                raise Damaged(f"what follows after {number} records is not read")
            if isinstance(blob, Damaged):
                bad.count(blob)
            else:
                yield blob
    except Damaged as damage:
        bad.count(damage)


def _manifest(content: Content, bad: _Bad) -> Iterator[Package]:
    seen = set()
    for line in bytes(content).decode("utf-8", "replace").splitlines():
        if not line.strip():
            continue
        fields = [field if field != "(none)" else "" for field in line.split("\t")]
        try:
            if len(fields) != 10 or (fields[5] and not fields[5].isdecimal()):
                raise Damaged("a line does not have the ten fields of a manifest")
            name, version, _, _, vendor, epoch, _, arch, _, source = fields
            package = header.describe(name, version, epoch, arch, source, vendor)
        except Damaged as damage:
            bad.count(damage)
            continue
        if name != header.PUBLIC_KEY and package not in seen:
            seen.add(package)
            yield package

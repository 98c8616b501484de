"""Python packages as installers leave them: ``*.dist-info/METADATA`` and the older egg forms; and wheels lying about.

Sources: the "core metadata" and "recording installed projects" specifications of packaging.python.org.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from packageurl import PackageURL

from grid.ecosystems import Ecosystem, _zip, language
from grid.ecosystems._locks import python
from grid.keys.pep440 import key
from grid.model import MIB, Limits, Note, Package, Wants

_SUFFIXES = ("dist-info/METADATA", "egg-info/PKG-INFO", "EGG-INFO/PKG-INFO", ".egg-info", ".egg", ".whl")
_ARCHIVES = {".egg": re.compile(r"EGG-INFO/PKG-INFO"), ".whl": re.compile(r"[^/]+\.dist-info/METADATA")}
_MEMBERS = (".dist-info/METADATA", "EGG-INFO/PKG-INFO")
_WHEEL = re.compile(r"([A-Za-z0-9][A-Za-z0-9._]*)-([0-9][A-Za-z0-9._!+]*)(?:-[0-9][^-]*)?-[^-]+-[^-]+-[^-]+\.whl")
_HEADER_BYTES = 1 << 20
_MAX_BYTES = 64 * MIB
_METADATA_BYTES = 16 << 20
"""Of the metadata in an archive, with the description of the project."""
_MAX_MEMBERS = 400_000
_SEPARATORS = re.compile(r"[-_.]+")
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_BAD_VERSION = re.compile(r"[\s\x00-\x1f]")
# Field, value, and the lines that go on with it: what follows the first empty line is the description.
_FIELD = re.compile(
    r"^(name|version|license|license-expression|classifier):[ \t]*([^\n]*)", re.IGNORECASE | re.MULTILINE
)
_EMPTY_LINE = re.compile(rb"\n\r?\n")
_CLASSIFIER = "License :: "


def canonical(name: str) -> str:
    """PEP 503: case and runs of ``-``, ``_`` and ``.`` do not matter."""
    return _SEPARATORS.sub("-", name).lower()


def read(path: str, content: bytes | memoryview, limits: Limits) -> Iterator[Package | Note]:
    """The package that a metadata file describes: its header, whatever the encoding of the rest."""
    if not path.endswith(_SUFFIXES):
        return
    member = _ARCHIVES.get(path[-4:])
    if member is not None:
        try:
            content = _metadata_within(memoryview(content), member)
        except _zip.ZipInvalid:
            content = _named(path) if path.endswith(".whl") and bytes(content[:2]) == b"PK" else b""
            if not content:
                yield Note("Unparsable", f"the {path[-3:]} cannot be opened", path)
                return
    header = _header(bytes(content[:_HEADER_BYTES]))
    name = version = ""
    stated: list[str] = []
    expression = ""
    classifiers: list[str] = []
    for field, value in _FIELD.findall(header):
        value = value.strip()
        match field.lower():
            case "name":
                name = name or value
            case "version":
                version = version or value
            case "license-expression":
                expression = expression or value
            case "license":
                stated.append(value)
            case _:
                if value.startswith(_CLASSIFIER):
                    classifiers.append(value.rpartition(" :: ")[2])
    if not name and not version and not header.strip():
        return  # distributions put empty markers there
    if not _NAME.fullmatch(name) or not version or _BAD_VERSION.search(version):
        yield Note("Unparsable", "the metadata has no usable Name and Version", path)
        return
    if expression:
        licenses = [expression]
    else:
        # Some projects put the whole text into License; the first line of that says nothing.
        short = [s for s in stated if s and s.upper() not in ("UNKNOWN", "NONE") and len(s) <= 100]
        licenses = short or [c for c in classifiers if c != "OSI Approved"]
    yield Package(
        name=name,
        version=version,
        licenses=tuple(dict.fromkeys(licenses)),
        purl=PackageURL("pypi", None, canonical(name), version).to_string(),
    )


def _metadata_within(archive: memoryview, wanted: re.Pattern[str]) -> bytes:
    """The metadata inside an egg that was installed zipped, or a wheel; empty if there is none. Raises ZipInvalid."""
    if bytes(archive[:2]) != b"PK":
        return b""
    members, _, _ = _zip.members(archive, tuple(name.encode() for name in _MEMBERS), _MAX_MEMBERS)
    found = next((member for member in members if wanted.fullmatch(member.name)), None)
    return bytes(_zip.content(archive, found, _METADATA_BYTES)) if found else b""


def _named(path: str) -> bytes:
    """What the file name of a wheel says (PEP 427), as metadata."""
    match = _WHEEL.fullmatch(path.rpartition("/")[2])
    return f"Name: {match[1]}\nVersion: {match[2]}\n".encode() if match else b""


def _header(content: bytes) -> str:
    """What stands before the first empty line, as text."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        text = content.decode("utf-16", "replace").lstrip("\ufeff\r\n")
    else:
        head = content.removeprefix(b"\xef\xbb\xbf").lstrip(b"\r\n")
        head = _EMPTY_LINE.split(head, maxsplit=1)[0]
        try:
            text = head.decode("utf-8")
        except UnicodeDecodeError:
            text = head.decode("latin-1")
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text.partition("\n\n")[0]


ECOSYSTEM = Ecosystem(
    name="pypi",
    version=4,
    key=key,
    namespace=language("PyPI"),
    osv=("PyPI",),
    wants=Wants(suffixes=_SUFFIXES, max_bytes=_MAX_BYTES, archives=tuple((suffix, _MEMBERS) for suffix in _ARCHIVES)),
    read=read,
    views=True,
    canonical=canonical,
    declares=python.WANTS,
    declared=python.read,
    declared_version=2,
    upgrade=(("", "pip install", "'{name}=={version}'"),),
)

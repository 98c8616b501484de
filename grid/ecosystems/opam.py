"""OCaml packages in opam's switches: ``.opam-switch/packages/NAME.VERSION/opam``, there while a package is installed.

Sources: https://opam.ocaml.org/doc/Manual.html (structure of switches, package files, version ordering) and
https://github.com/package-url/purl-spec (``opam``). Versions are compared as Debian's, without epochs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from packageurl import PackageURL

from grid.ecosystems import Ecosystem, language
from grid.keys.dpkg import key
from grid.model import Limits, Note, Package, Wants

_PLACE = re.compile(r"(?:.*/)?\.opam-switch/packages/([^/.]+)\.([^/]+)/opam")
_FORMAT = re.compile(rb"^opam-version\s*:", re.MULTILINE)
_LICENSE = re.compile(rb'^license\s*:\s*("[^"\n]{1,200}"|\[[^\]]{1,2000}\])', re.MULTILINE)
_TEXT = re.compile(rb'"([^"\n]{1,200})"')
_NAME = re.compile(r"[A-Za-z0-9_+-]*[A-Za-z][A-Za-z0-9_+-]*")
_VERSION = re.compile(r"[A-Za-z0-9_+.~-]+")
_HEAD = 1 << 20
"""The field stands before the long ones."""


def read(path: str, content: bytes, limits: Limits) -> Iterator[Package | Note]:
    """The package whose folder this is: its file need not repeat name and version."""
    place = _PLACE.fullmatch(path) if len(path) <= 1000 else None
    if place is None:
        return
    head = content[:_HEAD].replace(b"\r\n", b"\n")
    name, version = place.groups()
    if not _FORMAT.search(head) or not _NAME.fullmatch(name) or not _VERSION.fullmatch(version):
        yield Note("Unparsable", "the file of opam has no usable package and version", path)
        return
    stated = _LICENSE.search(head)
    licenses = tuple(dict.fromkeys(_TEXT.findall(stated[1]))) if stated else ()
    yield Package(
        name,
        version,
        licenses=tuple(text.decode("utf-8", "replace") for text in licenses),
        purl=PackageURL("opam", None, name, version).to_string(),
    )


ECOSYSTEM = Ecosystem(
    name="opam",
    version=1,
    key=key,
    namespace=language("opam"),
    osv=("opam",),
    wants=Wants(names=frozenset({"opam"})),
    read=read,
    upgrade=(("", "opam install", "{name}.{version}"),),
)

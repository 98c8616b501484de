"""SWI-Prolog's packs: the terms ``name`` and ``version`` of ``pack.pl``. No advisories speak of them.

Source: the manual of SWI-Prolog, sections "Structure of a pack" and "Pack meta data"
(https://www.swi-prolog.org/pldoc/man?section=packs). The URL type is the one that the field uses; the package URL
specification has none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from packageurl import PackageURL

from grid.ecosystems import Ecosystem, language
from grid.keys.numbers import hackage as key
from grid.model import Limits, Note, Package, Wants

_NOT_TERMS = re.compile(
    r"/\*.*?(?:\*/|\Z)|%[^\n]*"
    r"|('(?:[^'\\\n]|\\.|'')*(?:'|(?=\n)|\\?\Z)|\"(?:[^\"\\\n]|\\.)*(?:\"|(?=\n)|\\?\Z))",
    re.DOTALL,
)
_TERM = re.compile(
    r"(?:^|\.\s)\s*(name|version)\s*\(\s*(?:'([^'\n]*)'|\"([^\"\n]*)\"|([a-z][A-Za-z0-9_]*))\s*\)\s*(?=\.)"
)
_WORD = re.compile(r"['\"][A-Za-z0-9_.]*['\"]")
_NAME = re.compile(r"[A-Za-z0-9_]+")
_VERSION = re.compile(r"[0-9]+(?:\.[0-9]+)*")


def read(path: str, content: bytes, limits: Limits) -> Iterator[Package | Note]:
    """The pack that a ``pack.pl`` describes; nothing for a program of that name, which states neither term."""
    if path.rpartition("/")[2] != "pack.pl":
        return
    terms = _NOT_TERMS.sub(_plain, content.decode("utf-8", "replace"))
    stated: dict[str, str] = {}
    for term, *values in _TERM.findall(terms):
        stated.setdefault(term, "".join(values))
    if stated.keys() != {"name", "version"}:
        return
    name, version = stated["name"], stated["version"]
    if not _NAME.fullmatch(name) or not _VERSION.fullmatch(version):
        yield Note("Unparsable", "the pack has no usable name and version", path)
        return
    yield Package(name, version, purl=PackageURL("swiplpack", None, name, version).to_string())


def _plain(found: re.Match[str]) -> str:
    """Comments are blanks; of texts only those that names and versions may be are kept: others may hold terms."""
    text = found[1]
    if text is None:
        return " "
    return text if _WORD.fullmatch(text) else "''"


ECOSYSTEM = Ecosystem(
    name="swiplpack",
    version=1,
    key=key,
    namespace=language(None),
    osv=(),
    wants=Wants(names=frozenset({"pack.pl"}), max_bytes=1 << 20),
    read=read,
    upgrade=(("", "swipl pack install", "{name}@{version}"),),
)

"""Ruby gems as RubyGems installs them: ``specifications/NAME-VERSION[-PLATFORM].gemspec``, also below ``default/``.

Source: https://guides.rubygems.org/specification-reference and ``Gem::Specification#to_ruby``, which writes these
files: a comment ``# stub: NAME VERSION PLATFORM PATHS``, then one assignment a line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from packageurl import PackageURL

from grid.model import Limits, Note, Package

MAX_BYTES = 1 << 20

_PLACE = re.compile(r"(?:.*/)?specifications/(?:default/)?([^/]+)\.gemspec")
_STUB = re.compile(rb"^# stub: (\S+) (\S+) (\S+) ", re.MULTILINE)
_TEXT = r"""(?:"([^"\\\n]*)"|'([^'\\\n]*)'|%q<([^>\n]*)>)"""
_NAME = re.compile(rf"^[ \t]*\w+\.name\s*=\s*{_TEXT}", re.MULTILINE)
_VERSION = re.compile(rf"^[ \t]*\w+\.version\s*=\s*(?:Gem::Version\.new\s*\(?\s*)?{_TEXT}", re.MULTILINE)
_LICENSES = re.compile(r"^[ \t]*\w+\.licenses?\s*=\s*([^\n]*)", re.MULTILINE)
_QUOTED = re.compile(_TEXT)
_GOOD_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
_GOOD_VERSION = re.compile(r"[0-9][0-9A-Za-z.-]*")
_FILE_NAME = re.compile(r"(.+?)-([0-9]+(?:\.[0-9A-Za-z]+)*)(?:-.+)?")


def read(path: str, content: bytes, limits: Limits) -> Iterator[Package | Note]:
    """The gem of an installed specification, as its assignments say, which Ruby obeys. What they compute is told by the
    stub, else by the file's own name."""
    place = _PLACE.fullmatch(path)
    if place is None:
        return
    text = content.decode("utf-8", "replace")
    if not text.strip():
        return
    name, version = _stated(_NAME, _GOOD_NAME, text), _stated(_VERSION, _GOOD_VERSION, text)
    stub = _STUB.search(content[:4096])
    if stub is not None:
        name, version = name or stub[1].decode("utf-8", "replace"), version or stub[2].decode("utf-8", "replace")
    elif (named := _FILE_NAME.fullmatch(place[1]) if len(place[1]) <= 300 else None) is not None:
        name, version = name or named[1], version or named[2]
    if not _GOOD_NAME.fullmatch(name) or not _GOOD_VERSION.fullmatch(version):
        yield Note("Unparsable", "the specification has no usable name and version", path)
        return
    licenses = _LICENSES.search(text)
    found = ["".join(groups) for groups in _QUOTED.findall(licenses[1][:2000])] if licenses else []
    yield Package(
        name,
        version,
        licenses=tuple(dict.fromkeys(filter(None, found))),
        purl=PackageURL("gem", None, name, version).to_string(),
    )


def _stated(pattern: re.Pattern[str], good: re.Pattern[str], text: str) -> str:
    match = pattern.search(text)
    value = "".join(filter(None, match.groups())) if match else ""
    return value if good.fullmatch(value) else ""  # "1.#{minor}" is computed

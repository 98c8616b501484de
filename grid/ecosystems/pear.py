"""PHP packages and extensions that ``pear`` and ``pecl`` installed: ``*.reg`` of the registry. No advisories of OSV.

A record is what PHP's ``serialize`` makes of the package's description; only its outermost names are looked at.
Source: https://pear.php.net/manual (PEAR_Registry) and the PHP manual on ``serialize``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from packageurl import PackageURL

from grid.ecosystems import Ecosystem, language
from grid.keys.packagist import key
from grid.model import Limits, Note, Package, Wants

_PLACE = re.compile(r"(?:.*/)?\.registry/(?:\.channel\.[a-z0-9._-]+/)?[^/]+\.reg")
_SCALAR = re.compile(rb"(?:[ibd]:[^;]{1,40}|N);")
_TEXT = re.compile(rb's:([0-9]{1,8}):"')
_ARRAY = re.compile(rb"a:[0-9]{1,8}:\{")
_MAX_VALUES = 200_000
_VALID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+~-]{0,127}")
_NAMES = {("name",): "name", ("channel",): "channel", ("version", "release"): "version", ("version",): "version"}


class _Invalid(Exception):
    """Not what ``serialize`` makes."""


def read(path: str, content: bytes, limits: Limits) -> Iterator[Package | Note]:
    """The package of one record."""
    if not _PLACE.fullmatch(path):
        return
    try:
        stated = _stated(content)
    except _Invalid as error:
        yield Note("Unparsable", str(error), path)
        return
    name, version = stated.get("name", ""), stated.get("version", "")
    if not _VALID.fullmatch(name) or not _VALID.fullmatch(version):
        yield Note("Unparsable", "the record has no usable name and version", path)
        return
    channel = stated.get("channel", "pear.php.net")
    yield Package(name, version, purl=PackageURL("pear", channel, name, version).to_string())


def _stated(content: bytes) -> dict[str, str]:
    """Name, channel and version: texts of the outermost array, or one below. Raises _Invalid."""
    at, values = 0, 0
    found: dict[str, str] = {}
    open_: list[list[str | None]] = []
    """Of each array around: the key that waits for its value, and whether there is one."""
    while at < len(content):
        values += 1
        if values > _MAX_VALUES:
            raise _Invalid("the record has too many values")
        value: str | None = None
        if content[at : at + 1] == b"}":
            if not open_:
                raise _Invalid("a brace closes nothing")
            open_.pop()
            at += 1
        elif array := _ARRAY.match(content, at):
            open_.append([None])
            at = array.end()
            continue
        elif text := _TEXT.match(content, at):
            end = text.end() + int(text[1])
            if content[end : end + 2] != b'";':
                raise _Invalid("a text is not as long as it says")
            value = content[text.end() : end].decode("utf-8", "replace")
            at = end + 2
        elif scalar := _SCALAR.match(content, at):
            value = content[at : scalar.end() - 1].decode("ascii", "replace")
            at = scalar.end()
        else:
            raise _Invalid("it is not a serialized record")
        if not open_:
            return found
        if open_[-1][0] is None and value is not None:
            open_[-1][0] = value
            continue
        if len(open_) <= 2 and value is not None:
            place = tuple(str(level[0]) for level in open_)
            if place in _NAMES:
                found.setdefault(_NAMES[place], value)
        open_[-1][0] = None
    raise _Invalid("the record ends early")


ECOSYSTEM = Ecosystem(
    name="pear",
    version=1,
    key=key,
    namespace=language(None),
    osv=(),
    wants=Wants(suffixes=(".reg",), max_bytes=8 << 20),
    read=read,
    canonical=str.lower,
    upgrade=(("", "pear install", "{name}-{version}"),),
)

"""Maven versions, in the order of ``ComparableVersion`` as https://maven.apache.org/pom.html ("version order
specification") describes it.

Tokens are cut at dots, hyphens and between digits and other characters, which counts as a hyphen. Numbers of 0 and
qualifiers that mean a release are dropped where a version, or a part of it before a hyphen or a qualifier, ends in
them. As in Maven 3.8.7 ``.qualifier`` equals ``-qualifier``, but one between two separators (``1.x.2``) is of less
weight. What older versions did is no order: ``1-x < 1.0.rc < 1 < 1-x``; nor is what all do where a qualifier
between separators meets a pre-release: ``1.x.2 < 1-rc < 1 < 1.x.2``. Here a pre-release comes before both.
"""

from __future__ import annotations

import re

from grid.keys import number, printable, tag, text

_TOKEN = re.compile(r"([.-]?)([0-9]+|[^0-9.-]+|(?=[.-]|$))")
_RELEASE = frozenset({"", "final", "ga", "release"})
_ONE_LETTER = {"a": "alpha", "b": "beta", "m": "milestone"}
_BEFORE = {"alpha": tag(0), "beta": tag(1), "milestone": tag(2), "rc": tag(3), "cr": tag(3), "snapshot": tag(4)}

# What may come next at any place, lowest first. A release qualifier counts only where a number follows.
_INLINE_PRE = tag(1)
_PRE = tag(2)
_END = tag(3)
_RELEASE_QUALIFIER = tag(4)
_INLINE = tag(5)
_QUALIFIER = tag(6)
_HYPHEN_NUMBER = tag(7)
_DOT_NUMBER = tag(8)

_SERVICE_PACK, _WORD = tag(0), tag(1)
_ZERO = _DOT_NUMBER + number(0)
_NULL = frozenset({_ZERO, _HYPHEN_NUMBER + number(0), _RELEASE_QUALIFIER})


def _tokens(version: str) -> list[bytes]:
    out: list[bytes] = []
    at = 0
    while at < len(version):
        match = _TOKEN.match(version, at)
        assert match is not None  # any character is a separator or begins a token
        separator, word = match.groups()
        after = match.end()
        if not word or word.isdigit():
            # Between letters and digits there is a hyphen, before the first token a dot; an empty one is a 0.
            dotted = separator == "." or not (separator or at)
            out.append((_DOT_NUMBER if dotted else _HYPHEN_NUMBER) + number(int(word or "0")))
        else:
            if len(word) == 1 and version[after : after + 1].isdigit():
                word = _ONE_LETTER.get(word, word)
            out.append(_qualifier(word, inline=separator == "." and version[after : after + 1] in (".", "-")))
        if not at and separator:  # nothing before the first separator
            out.insert(0, _ZERO)
        at = after
    return out


def _qualifier(word: str, *, inline: bool) -> bytes:
    if word in _RELEASE:
        return _RELEASE_QUALIFIER
    if word in _BEFORE:
        return (_INLINE_PRE if inline else _PRE) + _BEFORE[word]
    return (_INLINE if inline else _QUALIFIER) + (_SERVICE_PACK if word == "sp" else _WORD + text(word))


def key(version: str) -> bytes:
    """The byte key of a Maven version; raises VersionInvalid."""
    kept: list[bytes] = []
    for one in _tokens(printable(version).lower()):
        if not one.startswith(_DOT_NUMBER):
            _drop_nulls(kept)
        kept.append(one)
    _drop_nulls(kept)
    return b"".join(kept) + _END


def _drop_nulls(tokens: list[bytes]) -> None:
    while tokens and tokens[-1] in _NULL:
        tokens.pop()

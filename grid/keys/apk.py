"""Alpine versions, in the order of ``apk version --test`` of apk-tools 3.

Grammar: ``digit{.digit}[letter]{_suffix[digit]}[~hash][-r digit]``, and digits after a letter, which
apk-tools 2 accepted and old packages have (``6.0.3p1-r0``); they are ordered as it ordered them. Anything
else that ``apk version --check`` refuses raises ``VersionInvalid``, although apk would order some of it by the
part that it understands: a typing error in an advisory (``10.2.24.r0``) must not become a wrong answer.
"""

from __future__ import annotations

import re

from grid.errors import VersionInvalid
from grid.keys import checked, number, tag, text

_VERSION = re.compile(
    r"(?P<first>[0-9]+)(?P<others>(?:\.[0-9]+|[a-z][0-9]+)*)(?P<letter>[a-z]?)"
    r"(?P<suffixes>(?:_(?:alpha|beta|pre|rc|cvs|svn|git|hg|p)[0-9]*)*)"
    r"(?:~(?P<hash>[0-9a-fA-F]+))?(?:-r(?P<revision>[0-9]+))?",
)
_OTHER = re.compile(r"([.a-z])([0-9]+)")
_SUFFIX = re.compile(r"_([a-z]+)([0-9]*)")

# What may come next at any place, lowest first: a pre-release suffix, nothing at all, then these.
_PRE = {"alpha": tag(1), "beta": tag(2), "pre": tag(3), "rc": tag(4)}
_END = tag(8)
_REVISION = tag(9)
_HASH = tag(10)
_SUFFIX_NUMBER = tag(11)
_POST = {"cvs": tag(12), "svn": tag(13), "git": tag(14), "hg": tag(15), "p": tag(16)}
_LETTER = tag(20)
# A component after the first that starts with a zero compares as text, and so comes before all others.
_PADDED = tag(21)
_DIGITS = tag(22)

_SUFFIXES = _PRE | _POST


def key(version: str) -> bytes:
    """The byte key of an Alpine version; raises VersionInvalid."""
    version = checked(version)
    match = _VERSION.fullmatch(version)
    if match is None:
        raise VersionInvalid(f"{version!r} is not an apk version")
    out = [number(int(match["first"]))]
    for mark, digits in _OTHER.findall(match["others"]):
        if mark != ".":
            out += (_LETTER, mark.encode(), _DIGITS, number(int(digits)))
        elif digits[0] == "0":
            out += (_PADDED, text(digits))
        else:
            out += (_DIGITS, number(int(digits)))
    if match["letter"]:
        out += (_LETTER, match["letter"].encode())
    for name, digits in _SUFFIX.findall(match["suffixes"]):
        out.append(_SUFFIXES[name])
        if digits:
            out += (_SUFFIX_NUMBER, number(int(digits)))
    if match["hash"]:
        out += (_HASH, text(match["hash"]))
    if match["revision"]:
        out += (_REVISION, number(int(match["revision"])))
    out.append(_END)
    return b"".join(out)

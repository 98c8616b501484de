"""Conda versions, ``[epoch!]version[+local]``, in the order of conda's ``VersionOrder``.

Source: https://docs.conda.io/projects/conda-build/en/stable/resources/package-spec.html. Components between dots
(and underscores) are cut into numbers and words; words come before numbers, ``dev`` before all words and ``post``
after all numbers; what is missing counts as 0.
"""

from __future__ import annotations

import re

from grid.errors import VersionInvalid
from grid.keys import checked, number, padded, tag, text

_VERSION = re.compile(r"(?:(?P<epoch>[0-9]+)!)?(?P<version>[.0-9_a-z*]+)(?:\+(?P<local>[.0-9_a-z*]+))?")
_TOKEN = re.compile(r"[0-9]+|[*]+|[^0-9*]+")
_NUMBER, _POST = tag(0), tag(1)


def _token(word: str) -> tuple[int, bytes]:
    if word.isdigit():
        value = int(word)
        return (1, _NUMBER + number(value)) if value else (0, b"")
    if word == "post":
        return 1, _POST
    return -1, text("DEV" if word == "dev" else word)  # capitals come before small letters


def _component(component: str) -> tuple[int, bytes]:
    tokens = [_token(t) for t in _TOKEN.findall(component)]
    if not component[0].isdigit():
        tokens.insert(0, (0, b""))  # a component starts with a number
    return next((sign for sign, _ in tokens if sign), 0), padded(tokens)


def _list(dotted: str) -> bytes:
    return padded(map(_component, dotted.split(".")))


def key(version: str) -> bytes:
    """The byte key of a conda version; raises VersionInvalid."""
    plain = checked(version).lower()
    if "_" not in plain:
        plain = plain.replace("-", "_")
    match = _VERSION.fullmatch(plain)
    if match is None:
        raise VersionInvalid(f"{version[:80]!r} is not a conda version")
    release = match["version"]
    # An underscore at the very end is part of the last component: openssl's 1.0.1_ comes before 1.0.1a.
    trailing = "_" if len(release) > 1 and release.endswith("_") else ""
    release = release.removesuffix(trailing).replace("_", ".") + trailing
    local = (match["local"] or "").replace("_", ".")
    if not all(release.split(".")) or (local and not all(local.split("."))):
        raise VersionInvalid(f"{version[:80]!r} has an empty component")
    return number(int(match["epoch"] or "0")) + _list(release) + (_list(local) if local else padded(()))

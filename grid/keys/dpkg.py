"""Debian versions, ``[epoch:]upstream[-revision]``, in the order of ``dpkg --compare-versions``.

Source: deb-version(7). Text that dpkg only warns about (it starts with a letter, or has a character that
policy forbids) is ordered as dpkg orders it; what dpkg refuses raises ``VersionInvalid``.
"""

from __future__ import annotations

import re

from grid.errors import VersionInvalid
from grid.keys import checked, number

_MAX_EPOCH = 2**31 - 1
_PARTS = re.compile(r"([^0-9]*)([0-9]*)")
_PLAIN = re.compile(r"[!-~]+")

# The weight of a character outside digits: tilde, the end of the part, letters, then everything else.
_END = b"\2"
_WEIGHTS = {ord("~"): 1} | {
    c: c if chr(c).isalpha() else c + 128 for c in range(0x21, 0x7F) if not chr(c).isdigit() and chr(c) != "~"
}


def _part(value: str) -> bytes:
    """Upstream version or revision: text and numbers by turns; a missing number is 0 and a missing part is ``0``."""
    # The end of the whole weighs what the end of one more, empty, stretch of text would weigh.
    out = []
    for letters, digits in _PARTS.findall(value)[:-1] or [("", "")]:
        out.append(letters.translate(_WEIGHTS).encode("latin-1"))
        out.append(_END)
        out.append(number(int(digits or "0")))
    out.append(_END)
    return b"".join(out)


def key(version: str) -> bytes:
    """The byte key of a Debian version; raises VersionInvalid."""
    version = checked(version)
    if not _PLAIN.fullmatch(version):
        raise VersionInvalid(f"{version!r} has a blank or a character outside ASCII")
    epoch, colon, rest = version.partition(":")
    if not colon:
        epoch, rest = "0", version
    if not epoch.isdigit() or int(epoch) > _MAX_EPOCH:
        raise VersionInvalid(f"{version!r} has no number before its first colon, or too large a one")
    upstream, hyphen, revision = rest.rpartition("-")
    if not hyphen:
        upstream, revision = rest, ""
    if not upstream or (hyphen and not revision):
        raise VersionInvalid(f"{version!r} has an empty part")
    return number(int(epoch)) + _part(upstream) + _part(revision)

"""Python versions, in the order of PEP 440 as ``packaging`` implements it.

Legacy versions that PEP 440 does not parse (``2004d``, ``0.1-bulbasaur``) raise ``VersionInvalid``.
"""

from __future__ import annotations

from packaging.version import InvalidVersion, Version

from grid.errors import VersionInvalid
from grid.keys import checked, number, sequence, tag, text, without_trailing_zeros

_PRE = {"a": tag(1), "b": tag(2), "rc": tag(3)}
_DEV_OF_FINAL = tag(0)
_NO_PRE = tag(4)
_NO_POST, _POST = tag(0), tag(1)
_DEV, _NO_DEV = tag(0), tag(1)
_WORD, _NUMBER = tag(0), tag(1)


def _local(version: Version) -> bytes:
    """Words before numbers; no local label is an empty list, so before any."""
    parts = version.local.split(".") if version.local else ()
    return sequence(_NUMBER + number(int(part)) if part.isdigit() else _WORD + text(part) for part in parts)


def key(version: str) -> bytes:
    """The byte key of a Python version; raises VersionInvalid."""
    try:
        parsed = Version(checked(version))
    except (InvalidVersion, ValueError) as error:
        raise VersionInvalid(f"{version[:80]!r} is not a PEP 440 version") from error
    if parsed.pre:
        pre = _PRE[parsed.pre[0]] + number(parsed.pre[1])
    elif parsed.dev is not None and parsed.post is None:
        pre = _DEV_OF_FINAL  # 1.0.dev1 comes before 1.0a1
    else:
        pre = _NO_PRE
    return b"".join(
        (
            number(parsed.epoch),
            sequence(number(n) for n in without_trailing_zeros(list(parsed.release))),
            pre,
            _NO_POST if parsed.post is None else _POST + number(parsed.post),
            _NO_DEV if parsed.dev is None else _DEV + number(parsed.dev),
            _local(parsed),
        )
    )

"""Judging and hiding one value: entropy, the named checks of rules, redaction."""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections import Counter
from collections.abc import Callable

_BASE64 = re.compile(rb"[A-Za-z0-9+/]+")
_ARMOUR = re.compile(rb"-----(?:BEGIN|END)[^-\n]{0,60}-----")
_HEADER = re.compile(rb"(?m)^[A-Z][A-Za-z-]{2,24}:[^\n]{0,200}$")
_MIN_BODY = 56
"""Base64 characters in the shortest real key: an Ed25519 seed in PKCS #8 needs 64, in raw form 60."""


def entropy(value: bytes) -> float:
    """Shannon entropy in bits per byte."""
    size = len(value)
    return -sum(n / size * math.log2(n / size) for n in Counter(value).values()) if size else 0.0


def _pem(value: bytes) -> bool:
    """A block between BEGIN and END that really holds base64, in lines, escaped or not."""
    body = _ARMOUR.sub(b"", value.replace(b"\\r", b"").replace(b"\\n", b"\n").replace(b"\r", b""))
    body = _HEADER.sub(b"", body)
    runs = [run for run in _BASE64.findall(body) if len(run) >= 8]
    size = sum(map(len, runs))
    return size >= _MIN_BODY and entropy(b"".join(runs)[:4096]) >= 4.0


def _jwt(value: bytes) -> bool:
    """The first part decodes to something that starts a JSON object and says ``alg``, or nearly so."""
    head = value.partition(b".")[0]
    try:
        text = base64.urlsafe_b64decode(head + b"=" * (-len(head) % 4))
    except (binascii.Error, ValueError):
        return False
    return text.lstrip().startswith(b"{") and b'"' in text


def _classes(value: bytes) -> int:
    text = value.decode("latin-1")
    return (
        any(c.islower() for c in text)
        + any(c.isupper() for c in text)
        + any(c.isdigit() for c in text)
        + any(not c.isalnum() for c in text)
    )


def _mixed(value: bytes) -> bool:
    """Letters and digits, the digits not merely a number at the end (``token_v2``): no identifier looks so."""
    text = value.decode("latin-1")
    digits = sum(c.isdigit() for c in text)
    letters = sum(c.isalpha() for c in text)
    return letters >= 3 and digits >= 2 and bool(re.search(r"\d.*[A-Za-z]", text))


_WORDY = re.compile(rb"[A-Za-z]+(?:[ ._:/@-]+[A-Za-z]*)*[0-9]{0,1}")


def _password(value: bytes) -> bool:
    """Looks chosen or generated to be a password: three kinds of characters, or a longer mix of letters and digits."""
    digits = sum(48 <= c <= 57 for c in value)
    letters = sum(chr(c).isalpha() for c in value)
    varied = _classes(value) >= 3 or (len(value) >= 10 and digits >= 2 and letters >= 4)
    return varied and _WORDY.fullmatch(value) is None


def _url_password(value: bytes) -> bool:
    """The password of a URL: anything but a plain lower-case word or a marker."""
    return (_classes(value) >= 2 or len(value) >= 12) and _WORDY.fullmatch(value) is None


def _basic(value: bytes) -> bool:
    """Base64 of ``user:password``, printable, with both parts."""
    try:
        text = base64.b64decode(value + b"=" * (-len(value) % 4), validate=True)
    except (binascii.Error, ValueError):
        return False
    user, colon, password = text.partition(b":")
    return bool(user and colon and len(password) >= 3) and all(31 < c < 127 for c in text)


CHECKS: dict[str, Callable[[bytes], bool]] = {
    "": lambda value: True,
    "pem": _pem,
    "jwt": _jwt,
    "password": _password,
    "mixed": _mixed,
    "basic": _basic,
    "url-password": _url_password,
}
"""What a rule may name in ``check``: the last word on a value that its regex let pass."""


def redact(value: bytes, kind: str) -> str:
    """A hint by which its owner knows a secret and nobody else learns it: a few characters, then the length.

    Four characters of a provider's token are its public prefix. Of other values at most one in eight
    is shown, and nothing of those shorter than 12.
    """
    size = len(value)
    shown = 0 if size < 12 else 4 if kind == "provider" else min(4, size // 8)
    head = "".join(chr(c) if 32 < c < 127 else "?" for c in value[:shown])
    return f"{head}… ({size})"

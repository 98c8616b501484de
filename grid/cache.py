"""What is costly to make and the same for every run, kept in the user's cache folder: whole, or not at all.

A file here may be removed at any time, and a folder that cannot be written is no error: it is made again.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from platformdirs import user_cache_path

_MAGIC = b"scangrid cache 1\n"
_HEAD = len(_MAGIC) + hashlib.sha256().digest_size
STALE_SECONDS = 30 * 24 * 3600.0


def folder() -> Path:
    """Where files are kept; it need not exist."""
    return user_cache_path("scangrid")


def load(file: Path) -> bytes | None:
    """What was stored there; None if nothing was, or not all of it is there any more."""
    try:
        content = file.read_bytes()
    except OSError:
        return None
    payload = content[_HEAD:]
    if content[:_HEAD] != _MAGIC + hashlib.sha256(payload).digest():
        return None
    with suppress(OSError):
        os.utime(file)  # it is in use
    return payload


def store(file: Path, payload: bytes) -> None:
    """Keep it for the next process, and drop files of the same kind that nobody has loaded for long.

    The name tells the kind before its first ``-``. Two processes may store the same file at once.
    """
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
        try:
            with os.fdopen(handle, "wb") as out:
                out.write(_MAGIC + hashlib.sha256(payload).digest() + payload)
            Path(name).replace(file)
        except OSError:
            Path(name).unlink(missing_ok=True)
            raise
        for other in file.parent.glob(f"{file.name.partition('-')[0]}-*{file.suffix}"):
            if other != file and other.stat().st_mtime < time.time() - STALE_SECONDS:
                other.unlink(missing_ok=True)

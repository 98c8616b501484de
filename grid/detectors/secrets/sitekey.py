"""The keyed hash by which one secret is recognised in many places.

The key stays on the site: in SCANGRID_FINGERPRINT_KEY, or in a file of the user's configuration folder
that is made at first use. It is never written to a lake, and never part of anything that is pickled. On a
cluster, give every worker the same SCANGRID_FINGERPRINT_KEY, or fingerprints differ from node to node.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import tempfile
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from platformdirs import user_config_path

from grid.errors import UsageError

VARIABLE = "SCANGRID_FINGERPRINT_KEY"
_FILE = "fingerprint.key"


def fingerprint(value: bytes) -> str:
    """HMAC-SHA256 of the value under the site's key, in hex."""
    return hmac.new(_site_key(os.environ.get(VARIABLE, "")), value, hashlib.sha256).hexdigest()


@lru_cache(maxsize=1)
def _site_key(given: str) -> bytes:
    return given.encode() if given else _key_file(user_config_path("scangrid") / _FILE)


def _key_file(path: Path) -> bytes:
    """Read the key, or make it: written whole beside its place and linked there, so that of two processes one wins."""
    key = _read(path)
    if key is not None:
        return key
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, name = tempfile.mkstemp(prefix=f".{_FILE}.", dir=path.parent)  # mode 0600
        try:
            with os.fdopen(handle, "w") as file:
                file.write(secrets.token_hex(32) + "\n")
                file.flush()
                os.fsync(file.fileno())
            with suppress(FileExistsError):
                os.link(name, path)
        finally:
            Path(name).unlink()
    except OSError as error:
        raise UsageError(
            f"cannot keep the fingerprint key at {path}: {error.strerror}",
            remedy=f"set {VARIABLE} to a long random text",
        ) from error
    key = _read(path)
    if key is None:
        raise UsageError(f"the fingerprint key at {path} is empty", remedy=f"remove the file, or set {VARIABLE}")
    return key


def _read(path: Path) -> bytes | None:
    try:
        return path.read_text().strip().encode() or None
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read the fingerprint key at {path}", remedy=f"set {VARIABLE}") from error

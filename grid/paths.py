"""Paths inside a layer: one normal form, and its 64-bit hash."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b

import numpy as np
import numpy.typing as npt

from grid.errors import PathEscapesRoot


def normalise(name: str) -> str:
    """A tar entry's name as a path from the root: no leading ``/`` or ``./``, no ``//``, no trailing ``/``.

    "" is the root itself.

    Raises PathEscapesRoot if any component is ``..``: container tools never write one.
    """
    if name.startswith("./"):
        name = name[2:]
    if name.endswith("/"):
        name = name[:-1]
    if "//" not in name and "./" not in name and name[:1] != "/" and name[-1:] not in ("/", "."):
        return name  # nearly all
    parts = [part for part in name.split("/") if part and part != "."]
    if ".." in parts:
        raise PathEscapesRoot(f"entry name {name[:200]!r} climbs out of the root")
    return "/".join(parts)


def path_hash(path: str) -> int:
    """Unsigned 64-bit blake2b of the path's UTF-8, little endian: what ``path_index`` holds."""
    return int.from_bytes(blake2b(path.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


def path_hashes(paths: Iterable[str]) -> npt.NDArray[np.uint64]:
    """``path_hash`` of many paths, in their order."""
    joined = b"".join([blake2b(p.encode("utf-8", "surrogatepass"), digest_size=8).digest() for p in paths])
    return np.frombuffer(joined, dtype="<u8")

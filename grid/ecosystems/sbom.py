"""SBOM documents in an image (``_sbom.py``): each of their packages belongs to the ecosystem that its URL names.

So this one has no versions and no advisories of its own.
"""

from __future__ import annotations

from grid.ecosystems import Ecosystem, language
from grid.ecosystems._sbom import MAX_BYTES, SUFFIXES, read
from grid.errors import VersionInvalid
from grid.model import Wants


def key(version: str) -> bytes:
    """Raises VersionInvalid, whatever the version."""
    raise VersionInvalid("a version without an ecosystem has no order")


ECOSYSTEM = Ecosystem(
    name="sbom",
    version=2,
    key=key,
    namespace=language(None),
    osv=(),
    wants=Wants(suffixes=SUFFIXES, max_bytes=MAX_BYTES),
    read=read,
)

"""Package databases that lie elsewhere than in the image's root: of a root filesystem inside of the image (a chroot, a
template of virtual machines, an image that was unpacked into an image).

They are read as those of the root are. What is in them counts as an SBOM's word, for the image's distribution is not
theirs: the packages are listed and not matched, which an image's notes say.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from grid.ecosystems import Ecosystem, alpm, apk, deb, language, opkg, portage, rpm
from grid.ecosystems.sbom import key
from grid.model import SBOM, Limits, Note, Package, Wants

_OWNERS = [module.ECOSYSTEM for module in (alpm, apk, deb, opkg, portage, rpm)]
_RECORDS = {path: owner for owner in _OWNERS for path in owner.wants.paths}
_IN_FOLDERS = {"desc": (r"var/lib/pacman/local/[^/]+/desc", alpm.ECOSYSTEM),
               "CONTENTS": (r"var/db/pkg/[^/]+/[^/]+/CONTENTS", portage.ECOSYSTEM)}  # fmt: skip
_RECORD = "|".join([*map(re.escape, sorted(_RECORDS)), *(pattern for pattern, _ in _IN_FOLDERS.values())])
_OF_THE_IMAGE = re.compile(_RECORD)
_ELSEWHERE = re.compile(f"(?s:.+?)/({_RECORD})")
"""The outermost root counts: what lies deeper is a path in it."""


def read(path: str, content: bytes, limits: Limits) -> Iterator[Package | Note]:
    """The packages of a database in another root."""
    record = None if _OF_THE_IMAGE.fullmatch(path) else _ELSEWHERE.fullmatch(path)
    if record is None:
        return
    owner = _RECORDS.get(record[1]) or _IN_FOLDERS[path.rpartition("/")[2]][1]
    if len(content) > owner.wants.max_bytes:
        yield Note("FileTooLarge", f"{len(content)} bytes, at most {owner.wants.max_bytes} are read", path)
        return
    for found in owner.read(record[1], content if owner.views else bytes(content), limits):
        if isinstance(found, Note):
            yield replace(found, path=path)
        else:
            yield replace(found, ecosystem=owner.name, found_as=SBOM)


ECOSYSTEM = Ecosystem(
    name="roots",
    version=1,
    key=key,
    namespace=language(None),
    osv=(),
    wants=Wants(
        names=frozenset(_IN_FOLDERS),
        suffixes=tuple(f"/{path}" for path in sorted(_RECORDS)),
        max_bytes=max(owner.wants.max_bytes for owner in _OWNERS),
    ),
    read=read,
    views=True,
)

"""Programs that were built from source or copied in, told by what stands in them (``programs/*.toml``).

Matched with the advisories of Bitnami, which list such programs by upstream's versions. A program that an OS package
owns is that package: it is left out of the views.
"""

from __future__ import annotations

from collections.abc import Iterator

from grid.ecosystems import Ecosystem, _binary, _go, language
from grid.ecosystems._programs import MAX_TEXT, canonical, fingerprint, found, names, programs
from grid.keys.bitnami import key
from grid.model import Limits, Note, Package, Wants


def read(path: str, content: bytes | memoryview, limits: Limits) -> Iterator[Package | Note]:
    """The programs that a file is; nothing for files whose name no rule knows."""
    rules = programs()
    name = path[path.rfind("/") + 1 :]
    places = rules.of_name(name)
    if not places:
        return
    data = memoryview(content)
    executable = _binary.is_executable(bytes(data[:4]))
    if not executable and len(data) > MAX_TEXT:
        return
    places = [place for place in places if rules.programs[place].text != executable]
    if any(rules.programs[place].go for place in places) and _go.is_program(data):
        places = [place for place in places if not rules.programs[place].go]
    if places:
        yield from found(name, data, places)


_KERNELS = ("boot/vmlinuz-*",)
"""No execute bit, and a version in the name: what a rule's pattern of names alone would not be read for."""

ECOSYSTEM = Ecosystem(
    name="generic",
    version=fingerprint(),
    key=key,
    namespace=language("Bitnami"),
    osv=(),
    wants=Wants(executables=True, names=names(), globs=_KERNELS, max_bytes=_binary.MAX_BYTES, head=True),
    read=read,
    canonical=canonical,
    views=True,
    unmanaged=True,
)

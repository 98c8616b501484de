"""Go modules, whose paths count with their case, and the standard library (``stdlib``, ``toolchain``)."""

from __future__ import annotations

from grid.ecosystems import Ecosystem, language
from grid.ecosystems._binary import MAX_BYTES
from grid.ecosystems._go import MARK, read
from grid.ecosystems._locks import others
from grid.keys.golang import key
from grid.model import Wants

ECOSYSTEM = Ecosystem(
    name="golang",
    version=6,
    key=key,
    namespace=language("Go"),
    osv=("Go",),
    wants=Wants(executables=True, suffixes=(".exe",), max_bytes=MAX_BYTES, head=True, marks=(MARK,)),
    read=read,
    views=True,
    declares=others.GO_WANTS,
    declared=others.golang,
    upgrade=(("", "go get", "{name}@v{version}"),),
)

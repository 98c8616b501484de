"""Suppression: what suppliers (VEX) and the site itself (waivers, ignore files) say against findings.

``statements`` reads everything an estate names; ``decide`` says which statements speak of which finding. A finding
is never dropped: the lake keeps it with the numbers of its statements, and the views say which one decides.
A new form of document is one file here with ``recognises`` and ``read``, and one line in ``DOCUMENTS``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import orjson

from grid.errors import SuppressionInvalid
from grid.estate import Estate
from grid.suppression.apply import Decided, decide
from grid.suppression.statement import Statement

__all__ = ["DEFAULT_IGNOREFILES", "Decided", "Statement", "decide", "read_document", "statements"]


class Kind(Protocol):
    """A kind of VEX documents: a module of this folder."""

    def recognises(self, document: dict[str, Any]) -> bool:
        """Whether a JSON object is one."""

    def read(self, document: dict[str, Any], name: str) -> list[Statement]:
        """Its statements; raises SuppressionInvalid."""


DOCUMENTS = ("openvex", "csaf")
"""The kinds of VEX documents, modules of this folder; the first that recognises a document reads it."""

DEFAULT_IGNOREFILES = (".trivyignore", ".trivyignore.yaml")
"""Read by ``scangrid scan`` if they lie in the current folder."""

MAX_BYTES = 64 << 20
"""Of one VEX document: Red Hat's largest have 30 MB. OpenVEX costs 0.2 s of CPU per MB, CSAF a third of that."""

_OLDEST = datetime.min.replace(tzinfo=UTC)


def statements(estate: Estate) -> list[Statement]:
    """All statements of an estate in the order in which they decide.

    VEX documents first, of these the newest statement; then waivers, then ignore files, as they are written.
    Raises SuppressionInvalid naming the file that cannot be read.
    """
    vex = [s for path in estate.vex for s in _files(Path(path))]
    newest_first = sorted(enumerate(vex), key=lambda pair: (pair[1].issued_at or _OLDEST, pair[0]), reverse=True)
    ignored = [s for path in estate.ignorefiles for s in _ignored(path)]
    return [*(s for _, s in newest_first), *_waivers(estate), *ignored]


def _ignored(path: str) -> list[Statement]:
    from grid.suppression import ignorefile

    return ignorefile.read(_content(Path(path), ignorefile.max_bytes(path), ignorefile.TOO_LARGE), path)


def read_document(content: bytes, name: str) -> list[Statement]:
    """The statements of one VEX document, in its own order; raises SuppressionInvalid."""
    try:
        document = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise SuppressionInvalid(f"{name}: not JSON: {error}") from None
    if isinstance(document, dict):
        for name_of_kind in DOCUMENTS:  # imported with the first document: most sites have none
            kind: Kind = import_module(f"grid.suppression.{name_of_kind}")
            if kind.recognises(document):
                return kind.read(document, name)
    raise SuppressionInvalid(f"{name}: neither OpenVEX nor CSAF")


def _files(path: Path) -> Iterable[Statement]:
    """A document, or all of a folder."""
    files: Sequence[Path] = sorted(p for p in path.rglob("*.json") if p.is_file()) if path.is_dir() else [path]
    for file in files:
        yield from read_document(_content(file), str(file))


def _content(
    path: Path, limit: int = MAX_BYTES, remedy: str = "divide it; a folder of documents can be named"
) -> bytes:
    try:
        if path.stat().st_size > limit:
            raise SuppressionInvalid(f"{path}: larger than {limit >> 20} MiB", remedy=remedy)
        return path.read_bytes()
    except OSError as error:
        raise SuppressionInvalid(f"{path}: {error.strerror}") from None


def _waivers(estate: Estate) -> Iterable[Statement]:
    for waiver in estate.waivers:
        yield Statement(
            kind="waiver",
            origin=waiver.origin or "estate",
            status="accepted",
            ids=waiver.id,
            secrets=waiver.secret,
            repositories=waiver.repository,
            tags=waiver.tag,
            paths=waiver.path,
            reason=waiver.reason,
            expires=waiver.expires,
            packages=(waiver.purl,) if waiver.purl else (),
        )

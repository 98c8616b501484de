"""Ignore files as Trivy has them: ``.trivyignore`` with an id a line, and its YAML form.

    # a comment
    CVE-2022-40897
    CVE-2018-14618 exp:2027-01-31

    vulnerabilities:
      - {id: CVE-2022-40897, paths: ["usr/**"], purls: ["pkg:deb/debian/curl"], expired_at: 2027-01-31, statement: why}

    secrets:
      - {id: generic-api-key, paths: ["usr/share/doc/**"]}

A line may also be the rule of a secret, or its fingerprint. Ids of other findings (configuration) meet nothing, and the
other parts of the YAML form are not read. At most 16 MiB are read of the plain form and 4 MiB of YAML. Source: https://trivy.dev/latest/docs/configuration/filtering/.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from io import StringIO
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.events import (
    AliasEvent,
    CollectionStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from grid.errors import SuppressionInvalid
from grid.suppression._products import parse
from grid.suppression.statement import Statement

MAX_PLAIN, MAX_YAML = 16 << 20, 4 << 20
"""Bytes of a file: some million lines (4 s of CPU), or some 36,000 entries of YAML with every field (1 s)."""
MAX_TEXTS = 100_000
"""``paths`` and ``purls`` of a file; a YAML alias counts each time, for it is a line that may stand for all of them."""

_MAX_DEPTH = 50
_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_DAY = re.compile(r"([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})(?:[Tt ].*)?")
"""A date of YAML 1.1's ``timestamp``, whatever time of the day follows."""
_EXPIRY = re.compile(r"exp:(\S*)")


TOO_LARGE = "list ids in a plain .trivyignore, of which 16 MiB are read; estate.yaml can name several files"


def max_bytes(name: str) -> int:
    """How large a file of this name may be; who opens it sees to that."""
    return MAX_YAML if _is_yaml(name) else MAX_PLAIN


def _is_yaml(name: str) -> bool:
    return name.endswith((".yaml", ".yml"))


def read(content: bytes, name: str) -> list[Statement]:
    """The statements of an ignore file, of either form by its name; raises SuppressionInvalid naming the line."""
    text = content.decode("utf-8", "replace")
    return list(_yaml(text, name) if _is_yaml(name) else _plain(text, name))


def _plain(text: str, name: str) -> Iterator[Statement]:
    comment = ""
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if stripped.startswith("#") or not stripped:
            comment = stripped.lstrip("# ") if stripped else ""
            continue
        words = stripped.partition("#")[0].split()
        expires = None
        for word in words[1:]:
            if found := _EXPIRY.fullmatch(word):
                expires = _day(found[1], f"{name}:{number}")
        yield Statement(
            "ignore",
            f"{name}:{number}",
            "accepted",
            ids=(words[0],),
            secrets=(words[0],),
            expires=expires,
            reason=comment[:500],
        )


def _yaml(text: str, name: str) -> Iterator[Statement]:
    data = _tree(text, name)
    if data is None:
        return
    texts = 0
    for secret, part in enumerate(("vulnerabilities", "secrets")):
        entries = data.get(part) if isinstance(data, dict) else data
        if not isinstance(data, dict) or not isinstance(entries, _Sequence | None):
            raise SuppressionInvalid(
                f"{name}:1: an ignore file is a mapping with lists of vulnerabilities and of secrets"
            )
        for line, entry in zip(entries.lines, entries, strict=True) if entries else ():
            place = f"{name}:{line}"
            if isinstance(entry, dict):
                lists = (entry.get("paths"), entry.get("purls"))
                texts += sum(len(value) for value in lists if isinstance(value, list))
            if texts > MAX_TEXTS:
                raise SuppressionInvalid(f"{place}: more than {MAX_TEXTS:,} paths and purls")
            yield _entry(entry, place, secret=bool(secret))


class _Sequence(list[Any]):
    """A YAML sequence, and the line of each of its items."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[int] = []


def _tree(text: str, name: str) -> Any:
    """The document as mappings, sequences and texts; None for null.

    From the parser's events: libyaml's own tree is built by recursion, which deep nesting would end with the process,
    and ruamel's takes twenty times as long.
    """
    top = _Sequence()
    open_ones: list[tuple[Any, list[str]]] = [(top, [])]
    anchors: dict[str, Any] = {}
    try:
        for event in YAML(typ="safe").parse(StringIO(text)):
            line = event.start_mark.line + 1
            if isinstance(event, (SequenceEndEvent, MappingEndEvent)):
                open_ones.pop()
                continue
            if isinstance(event, AliasEvent):
                if event.anchor not in anchors:
                    raise SuppressionInvalid(f"{name}:{line}: nothing is called {event.anchor}")
                value = anchors[event.anchor]
            elif isinstance(event, ScalarEvent):
                value = None if event.implicit[0] and event.value in _NULL else event.value
            elif isinstance(event, (SequenceStartEvent, MappingStartEvent)):
                value = _Sequence() if isinstance(event, SequenceStartEvent) else {}
            else:
                continue  # where the stream and documents begin and end
            if isinstance(event, NodeEvent) and event.anchor and not isinstance(event, AliasEvent):
                anchors[event.anchor] = value
            around, keys = open_ones[-1]
            if isinstance(around, _Sequence):
                around.append(value)
                around.lines.append(line)
            elif keys:
                around[keys.pop()] = value
            elif not isinstance(value, str) or value in around:
                raise SuppressionInvalid(f"{name}:{line}: a mapping's keys are texts, each another")
            else:
                keys.append(value)
            if isinstance(event, CollectionStartEvent):
                open_ones.append((value, []))
                if len(open_ones) > _MAX_DEPTH:
                    raise SuppressionInvalid(f"{name}:{line}: more than {_MAX_DEPTH} collections in each other")
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise SuppressionInvalid(f"{name}:{line}: {error.problem or 'not YAML'}") from None
    except SuppressionInvalid:
        raise
    except Exception as error:  # ruamel raises more than it documents on hostile input
        raise SuppressionInvalid(f"{name}: not YAML ({type(error).__name__})") from None
    if len(top) > 1:
        raise SuppressionInvalid(f"{name}:{top.lines[1]}: an ignore file is one document")
    return top[0] if top else None


def _entry(entry: Any, place: str, *, secret: bool) -> Statement:
    id = entry.get("id") if isinstance(entry, dict) else None
    if not isinstance(id, str) or not id:
        raise SuppressionInvalid(f"{place}: an entry needs an id")
    purls, paths = _texts(entry.get("purls"), place), _texts(entry.get("paths"), place)
    for purl in purls:
        if parse(purl) is None:
            raise SuppressionInvalid(f"{place}: {purl!r} is not a package URL")
    expires = entry.get("expired_at")
    ids, secrets = ((), (id,)) if secret else ((id,), ())
    return Statement(
        "ignore", place, "accepted", ids=ids, secrets=secrets, packages=purls, paths=paths,
        expires=_day(expires, place) if expires is not None else None, reason=str(entry.get("statement") or "")[:500],
    )  # fmt: skip


def _texts(value: object, place: str) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
        raise SuppressionInvalid(f"{place}: purls and paths are lists of texts")
    return tuple(str(v) for v in value)


def _day(value: object, place: str) -> date:
    try:
        return date(*map(int, _DAY.fullmatch(str(value)).groups()))  # type: ignore[union-attr]
    except (ValueError, AttributeError):
        raise SuppressionInvalid(f"{place}: {str(value)[:40]!r} is not a date as in 2027-01-31") from None

"""Whether what a reader gives is fit for a table."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, is_dataclass

MAX_TEXT = 4096
"""Characters of any text in a row: a path has as many."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_PLACES = frozenset({"path", "source_path", "owner", "note_message", "created_by", "error_message", "message"})
"""Columns that quote what stands in an image as it is, names of files for one."""
_NAMED = ("name", "version", "id", "purl", "rule_id")


def fault(fact: object) -> str | None:
    """What is wrong with a fact or row, in some words; None if nothing is."""
    row = asdict(fact) if is_dataclass(fact) and not isinstance(fact, type) else fact
    if not isinstance(row, Mapping):
        return f"a {type(fact).__name__} is no row"
    if row.get("note_code") is not None:
        return None if row["note_message"] else "a note that says nothing"
    empty = [name for name in _NAMED if row.get(name, "-") == "" and not row.get("sha1")]
    if empty:
        return f"no {empty[0]}"
    if row.get("path") == "":
        return "no path"
    texts = "".join(value for value in row.values() if isinstance(value, str))
    if len(texts) <= MAX_TEXT and texts.isascii() and texts.isprintable():  # nearly always
        row = {name: value for name, value in row.items() if isinstance(value, list | tuple | dict) and value}
    return next((told for name, value in row.items() if (told := _unfit(name, value)) is not None), None)


def _unfit(name: str, value: object) -> str | None:
    if isinstance(value, str):
        if not value.isprintable() and name not in _PLACES and _CONTROL.search(value):
            return f"control characters in {name}"
        if len(value) > MAX_TEXT and name != "created_by":
            return f"more than {MAX_TEXT} characters in {name}"
        try:
            value.encode()
        except UnicodeEncodeError:
            return f"half a character in {name}"
        return None
    inner: Iterable[tuple[str, object]] = ()
    if isinstance(value, Mapping):
        inner = ((str(key), part) for key, part in value.items())
    elif isinstance(value, list | tuple | set | frozenset):
        inner = ((name, part) for part in value)
    return next((told for key, part in inner if (told := _unfit(key, part)) is not None), None)

"""The reference in ``grid/README.md``, generated: tables, views and error codes.

python -m grid.reference --check     # exit code 1 if the page is stale
python -m grid.reference --write
"""

from __future__ import annotations

import argparse
import inspect
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from grid.errors import all_errors
from grid.schema import DATABASE_TABLES, LAKE_TABLES, Table
from grid.store import TABLES
from grid.warehouse import View, views

PAGE = Path(__file__).with_name("README.md")
_PART = re.compile(r"(?P<begin><!-- generated: (?P<name>\w+) -->\n).*?(?P<end><!-- end -->)", re.DOTALL)


def column_docs(view: View) -> dict[str, str]:
    """Column → sentence: the view's own, and those of the tables it says its columns are like."""
    docs: dict[str, str] = {}
    for name in reversed(view.like):
        docs |= {c.name: c.doc for c in TABLES[name].columns} if name in TABLES else column_docs(views()[name])
    return docs | view.columns


def render(page: str) -> str:
    """The page with what stands between its markers made anew."""
    parts = {
        "views": _views(),
        "tables": _tables(LAKE_TABLES),
        "database": _tables(DATABASE_TABLES),
        "errors": _errors(),
    }

    def fill(match: re.Match[str]) -> str:
        return match["begin"] + "\n".join(parts[match["name"]]).strip() + "\n" + match["end"]

    return _PART.sub(fill, page)


def _rows(head: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    names = list(head)
    yield f"| {' | '.join(names)} |"
    yield f"|{' --- |' * len(names)}"
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |"


def _views() -> Iterator[str]:
    for view in sorted(views().values(), key=lambda view: view.name):
        if view.name.startswith("_"):
            continue
        also = f" Also `sweep_{view.name}`, with `sweep_id`." if view.per_sweep else ""
        yield from (f"### `{view.name}`", "", view.doc + also, "")
        if view.like:
            yield from (f"Columns as in {', '.join(f'`{name}`' for name in view.like)}; its own:", "")
        yield from _rows(("column", "meaning"), ((f"`{name}`", doc) for name, doc in view.columns.items()))
        yield ""


def _tables(tables: Iterable[Table]) -> Iterator[str]:
    for table in tables:
        yield from (f"### `{table.name}`", "", table.doc, "")
        rows = ((f"`{c.name}`", f"{c.type}{'?' if c.nullable else ''}", c.doc) for c in table.columns)
        yield from _rows(("column", "type (`?` may be null)", "meaning"), rows)
        yield ""


def _errors() -> Iterator[str]:
    rows = (
        (
            f"`{kind.__name__}`",
            " ".join(inspect.cleandoc(kind.__doc__ or "").split()),
            ", ".join(word for word, said in (("retried", kind.retryable), ("final", kind.final)) if said),
            kind.remedy,
        )
        for kind in all_errors()
    )
    yield from _rows(("code", "meaning", "", "remedy"), rows)


def main() -> int:
    """Command line; see the module's docstring."""
    parser = argparse.ArgumentParser(description="make the reference in grid/README.md")
    choice = parser.add_mutually_exclusive_group(required=True)
    choice.add_argument("--check", action="store_true", help="exit code 1 if the page is stale")
    choice.add_argument("--write", action="store_true", help="make it anew")
    page = PAGE.read_text(encoding="utf-8")
    fresh = render(page)
    if parser.parse_args().write:
        PAGE.write_text(fresh, encoding="utf-8")
        return 0
    return int(fresh != page)


if __name__ == "__main__":
    sys.exit(main())

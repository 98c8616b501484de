from __future__ import annotations

from grid.errors import all_errors
from grid.reference import PAGE, render
from grid.schema import LAKE_TABLES
from grid.warehouse import views


def test_the_reference_is_not_stale() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert render(page) == page, "run: python -m grid.reference --write"


def test_the_reference_leaves_nothing_out() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for name in [*(t.name for t in LAKE_TABLES), *(v for v in views() if not v.startswith("_"))]:
        assert f"### `{name}`" in page
    for kind in all_errors():
        assert f"| `{kind.__name__}` |" in page


def test_an_old_page_is_made_anew_and_the_rest_of_it_is_kept() -> None:
    assert render("by hand\n<!-- generated: errors -->\nold\n<!-- end -->\nalso by hand\n").startswith(
        "by hand\n<!-- generated: errors -->\n| code |"
    )

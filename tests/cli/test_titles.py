"""What the tables of a scan are called."""

from __future__ import annotations

import pytest

from grid.reports.terminal import titled


@pytest.mark.parametrize(
    ("ecosystem", "title"),
    [("npm", "Node packages"), ("golang", "Go packages"), ("generic", "Programs without a package"),
     ("conda", "conda packages"), ("of-a-plug-in", "of-a-plug-in packages")],
)  # fmt: skip
def test_packages_go_by_where_they_come_from(ecosystem: str, title: str) -> None:
    assert titled(ecosystem) == title

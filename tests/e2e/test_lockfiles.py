"""Lock files are read when asked for, and what they declare is never taken for installed."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any

from rich.console import Console

from grid.database import Database
from grid.driver import LocalExecutor
from grid.estate import Estate
from grid.reports import results, terminal
from grid.snapshot import snapshot
from grid.store import Lake
from grid.sweep import rematch, sweep
from grid.testing.layers import ImageBuilder, LayerBuilder, write_layout
from grid.warehouse import connect

PACKAGE = json.dumps({"name": "lodash", "version": "4.17.15"})
LOCK = json.dumps({
    "packages": {"node_modules/lodash": {"version": "4.17.15"}, "node_modules/minimist": {"version": "0.0.8"}}
})  # fmt: skip


def ask(lake: Lake, query: str) -> list[tuple[Any, ...]]:
    with connect(lake) as con:
        return con.execute(query).fetchall()


def test_what_lock_files_declare_is_told_apart_and_only_shown_when_asked_for(
    tmp_path: Path, database: Database
) -> None:
    base = LayerBuilder().file("app/node_modules/lodash/package.json", PACKAGE)
    app = LayerBuilder().file("app/package-lock.json", LOCK).file("old/package-lock.json", LOCK)
    image = ImageBuilder(base, app, LayerBuilder().whiteout("old/package-lock.json"))
    write_layout(tmp_path / "images", {"app:1": image})
    lake = Lake.open(tmp_path / "lake", create=True)
    plain = Estate(images=(f"oci:{tmp_path / 'images'}:app:1",))
    wider = plain.model_copy(update={"lockfiles": True})
    packages = "SELECT name, found_as, source_path FROM image_packages ORDER BY ALL"
    installed = [("lodash", "installed", "app/node_modules/lodash/package.json")]
    summary = "SELECT packages, declared FROM image_summary"

    first = sweep(plain, lake, LocalExecutor(), database=database)
    assert ask(lake, packages) == installed
    before = ask(lake, "SELECT vuln_id, found_as FROM vulnerabilities ORDER BY ALL")
    assert before and {row[1] for row in before} == {"installed"}
    assert ask(lake, summary) == [(1, None)]
    problems = "SELECT vulnerabilities, findings, vulnerabilities_declared FROM image_summary"
    assert ask(lake, problems) == [(len(before), len(before), None)]

    second = sweep(wider, lake, LocalExecutor(), database=database)
    assert second.layers_scanned == first.layers_scanned == 3
    scans = f"read_parquet('{lake.location}/layer_scans/*.parquet')"
    again = f"SELECT detector, count(*) FROM {scans} GROUP BY ALL HAVING count(*) > 3"
    assert ask(lake, again) == [], "a detector that knows the layer does not run again"
    lock = "app/package-lock.json"
    assert ask(lake, packages) == [("lodash", "declared", lock), *installed, ("minimist", "declared", lock)]
    told = f"SELECT * FROM sweep_vulnerabilities WHERE sweep_id = '{second.sweep_id}'"
    with snapshot(lake, second.sweep_id, ["sweep_vulnerabilities"]) as taken:
        rows = taken.execute(told).fetchall()
    assert sorted(map(repr, rows)) == sorted(map(repr, ask(lake, told)))
    assert any("'declared'" in repr(row) for row in rows)
    assert ask(lake, summary) == [(1, 2)]
    declared = "SELECT count(DISTINCT vuln_id) FROM vulnerabilities WHERE package = 'minimist'"
    assert ask(lake, problems) == [(len(before), len(before), *ask(lake, declared)[0])]
    found = "SELECT package, found_as, count(*) > 0 FROM vulnerabilities GROUP BY ALL ORDER BY ALL"
    assert ask(lake, found) == [
        ("lodash", "declared", True), ("lodash", "installed", True), ("minimist", "declared", True)
    ]  # fmt: skip
    with connect(lake) as con:
        (image,) = results.images(con, second.sweep_id, results.Selection())
    screen = Console(file=StringIO(), width=200)
    terminal.show_images(screen, [image], second, matched=True)
    shown = screen.file.getvalue()  # type: ignore[attr-defined]
    assert f"{ask(lake, declared)[0][0]} more in what lock files declare" in shown
    assert "1 package and 2 declared" in shown and "minimist (declared)" in shown and "lodash (declared)" not in shown
    rematch(lake, database)
    assert len(ask(lake, found)) == 3

    third = sweep(plain, lake, LocalExecutor(), database=database)
    assert third.layers_scanned == 0
    assert ask(lake, packages) == installed
    assert ask(lake, "SELECT vuln_id, found_as FROM vulnerabilities ORDER BY ALL") == before
    assert ask(lake, summary) == [(1, None)]
    of_second = f"SELECT count(*) FROM sweep_image_packages WHERE sweep_id = '{second.sweep_id}'"
    assert ask(lake, of_second) == [(3,)], "an older sweep goes on showing what it asked for"

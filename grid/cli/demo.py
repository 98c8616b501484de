"""``scangrid demo``: the newcomer's first command."""

from __future__ import annotations

import shutil
import sys
import time
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated

import typer

from grid.cli.options import open_lake, screen
from grid.cli.watch import watching
from grid.errors import DatabaseMissing, UsageError

QUESTIONS = (
    (
        "Which images are worst, and what would help?",
        "select repository || ':' || tag as image, critical, high, medium, fixable, secrets, status\n"
        "from image_summary order by critical desc, high desc, image limit 8",
    ),
    (
        "Which upgrades clear the most serious findings across the estate?",
        "select ecosystem, package, version, arg_max(fixed_version, score) as worst_fixed_in,\n"
        "       count(distinct vuln_id) as problems, count(distinct digest) as images\n"
        "from vulnerabilities\n"
        "where fixed_version is not null and severity in ('critical', 'high')\n"
        "group by all order by problems * images desc, package limit 6",
    ),
    (
        "Which secrets leak, even though a later layer deleted the file?",
        "select repository as image, title, path, redacted, visible\nfrom image_secrets order by visible, image",
    ),
)


def add(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(demo)


def demo(
    folder: Annotated[Path, typer.Option("--dir", help="Where the demo lives; made anew each time.")] = Path(
        "scangrid-demo"
    ),
    cpus: Annotated[int, typer.Option(min=1, help="Cores for Ray.")] = 2,
) -> None:
    """Make a small estate of real OCI images, sweep it on local Ray and show the result.

    No network, no registry, no database download. Example: `scangrid demo`
    """
    from rich.syntax import Syntax

    from grid.database import open_database
    from grid.demo import build_estate
    from grid.driver import RayExecutor
    from grid.estate import load_estate
    from grid.reports import tables, terminal
    from grid.sweep import sweep
    from grid.warehouse import connect, publish, query

    started = time.monotonic()
    console = screen()
    if folder.exists():
        if not (folder / "estate.yaml").is_file():
            raise UsageError(f"{folder} is there and is no demo of ours", remedy="name another folder with --dir")
        shutil.rmtree(folder)
    estate_file = build_estate(folder)
    console.print(f"[bold]1.[/] A small estate of OCI images, written to [cyan]{folder / 'images'}[/]")
    sample = next(iter(entry_points(group="scangrid.database", name="sample")), None)
    if sample is None:
        raise DatabaseMissing("the package that builds the sample database is not installed")
    sample.load()(folder / "db")
    database = open_database(folder / "db")
    advisories = database.rows("advisories")
    console.print(f"[bold]2.[/] A sample vulnerability database of {advisories} well-known advisories")
    console.print("[bold]3.[/] A sweep on a Ray cluster of this machine")
    lake = open_lake(str(folder / "lake"), create=True)
    with watching() as emit:
        executor = RayExecutor(num_cpus=cpus)
        try:
            done = sweep(load_estate(estate_file), lake, executor, database=database, emit=emit)
        finally:
            executor.close()
    publish(lake)
    with connect(lake) as con:
        terminal.show_sweep(console, con, done, matched=True)
        console.print("[bold]4.[/] Three questions, in SQL")
        for question, statement in QUESTIONS:
            console.print(f"\n[bold]{question}[/]")
            console.print(
                Syntax(statement, "sql", theme="ansi_light", background_color="default", padding=(0, 2), word_wrap=True)
            )
            tables.show(console, query(con, statement))
    console.print(f"\nThe demo took {time.monotonic() - started:.0f} s. [bold]Try next:[/]")
    home, layout = folder / "lake", folder / "images"
    here = Path(sys.argv[0])  # a newcomer's virtual environment is not on the PATH
    me = "scangrid" if shutil.which("scangrid") or here.name != "scangrid" else str(here)
    for line in (
        f'{me} sql --lake {home} "select * from vulnerabilities where kev"',
        f"SCANGRID_DB={folder / 'db'} {me} explain --lake {home} shop/edge:3.1 busybox",
        f"SCANGRID_DB={folder / 'db'} {me} scan --lake {home} oci:{layout}:shop/web:2.1",
    ):
        console.print(f"  [cyan]{line}[/]", soft_wrap=True)

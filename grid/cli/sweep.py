"""``scangrid sweep``: the main job."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from grid.cli import EXIT_INCOMPLETE
from grid.cli.options import LakeOption, LockfilesOption, VexOption, find_database, open_lake, screen
from grid.cli.watch import watching


def add(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(sweep)


def sweep(
    config: Annotated[Path, typer.Option("--config", "-c", help="The estate.")] = Path("estate.yaml"),
    lake: LakeOption = None,
    address: Annotated[
        str | None, typer.Option(envvar="RAY_ADDRESS", help="A Ray cluster. [default: one of its own on this machine]")
    ] = None,
    cpus: Annotated[int | None, typer.Option(min=1, help="Cores for the local cluster. [default: all]")] = None,
    lockfiles: LockfilesOption = False,
    plan: Annotated[bool, typer.Option("--plan", help="Print the work and its bytes, and stop.")] = False,
    vex: VexOption = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
) -> None:
    """Scan the whole estate on Ray, each distinct layer once, and match it with the vulnerability database.

    Run it again after any kind of death: it goes on where it was. Exit code 3 if some images failed.

    Example: `scangrid sweep -c estate.yaml --lake /srv/lake`
    """
    from grid.driver import RayExecutor
    from grid.estate import load_estate
    from grid.reports import terminal
    from grid.sweep import sweep as run
    from grid.warehouse import connect, publish

    estate = load_estate(config)
    if lockfiles:
        estate = estate.model_copy(update={"lockfiles": True})
    estate = estate.model_copy(update={"vex": (*estate.vex, *(vex or ()))})
    store = open_lake(lake, create=True, fallback=estate.lake)
    database = find_database(estate.database)
    with watching(quiet) as emit:
        executor = RayExecutor(address, num_cpus=cpus)
        try:
            done = run(estate, store, executor, database=database, emit=emit, plan_only=plan)
        finally:
            executor.close()
    console = screen()
    if plan:
        terminal.show_plan(console, done)
        return
    publish(store)
    with connect(store) as con:
        terminal.show_sweep(console, con, done, matched=database is not None)
    if done.images.get("failed") or done.images.get("incomplete"):
        raise typer.Exit(EXIT_INCOMPLETE)

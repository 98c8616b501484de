"""``scangrid explain IMAGE PATH_OR_PACKAGE``: why the tables say what they say."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from grid.cli.options import LakeOption, find_database, open_lake
from grid.errors import UsageError


def add(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(explain)


def explain(
    image: Annotated[str, typer.Argument(metavar="IMAGE", help="As in the tables: repository:tag, or a digest.")],
    what: Annotated[str, typer.Argument(metavar="PATH_OR_PACKAGE", help="A path in the image, or a package's name.")],
    lake: LakeOption = None,
) -> None:
    """Say which layer brought a path or package, what hid it, and which advisory ranges match it, and why.

    Example: `scangrid explain shop/web:2.1 urllib3`
    """
    from rich.console import Console

    from grid.reports import why
    from grid.snapshot import snapshot
    from grid.warehouse import connect

    store = open_lake(lake, create=False)
    console = Console(highlight=False, soft_wrap=True)
    with connect(store) as con:
        found = find_image(con, image)
    with snapshot(store, found["sweep_id"], why.READS, found) as con:
        layers = why.layers_of(con, found["digest"])
        packages = why.packages_of(con, layers, what)
        path = what.strip("/")
        steps = why.history_of(con, layers, path)
        if not packages and not steps:
            raise UsageError(
                f"{why.name_of(found)} has neither a package nor a path called {what!r}",
                remedy='packages go by their name, paths as in: scangrid sql "select path from entries"',
            )
        why.show_image(console, found)
        if steps:
            why.show_history(console, path, steps, layers)
        if packages:
            why.show_packages(console, con, found, layers, packages, find_database())


def find_image(con: Any, image: str) -> dict[str, Any]:
    """The newest row of ``images`` that the user can mean."""
    from grid.model import Reference

    wanted = {image}
    try:
        reference = Reference.parse(image)
        wanted |= {str(reference), reference.digest, f"{reference.registry}/{reference.repository}:{reference.tag}"}
    except UsageError:
        pass
    rows = con.sql(_NAMED, params=[sorted(filter(None, wanted))]).to_arrow_table().to_pylist()
    if rows:
        return dict(rows[0])
    known = con.sql(_KNOWN).fetchall()
    hint = f"for example {', '.join(name for (name,) in known)}" if known else "scan it first"
    raise UsageError(f"the lake has no image {image!r}", remedy=hint)


_NAMED = """
    SELECT * FROM images
    WHERE digest IS NOT NULL AND list_has_any($1, [
      repository || ':' || tag, registry || '/' || repository || ':' || tag,
      registry || ':' || concat_ws(':', nullif(repository, ''), tag), digest, ref_digest, registry])
    ORDER BY scanned_at DESC LIMIT 1"""
"""The newest image of one of these names: short, long, of a file or folder, or a digest."""

_KNOWN = """
    SELECT DISTINCT trim(repository || ':' || tag, ':') AS name FROM images
    WHERE digest IS NOT NULL ORDER BY name LIMIT 3"""

"""Options that several commands share, and what they open."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from grid.errors import DatabaseMissing, UsageError

if TYPE_CHECKING:  # a command imports what it needs once it runs: its help should not cost that
    from rich.console import Console

    from grid.database import Database
    from grid.store import Lake

DEFAULT_LAKE = "./scangrid-lake"

LakeOption = Annotated[
    str | None,
    typer.Option(
        "--lake",
        envvar="SCANGRID_LAKE",
        metavar="DIR",
        help=f"The lake: a folder or s3:// URI. [default: {DEFAULT_LAKE}]",
    ),
]
PlatformOption = Annotated[
    str, typer.Option("--platform", metavar="OS/ARCH", help="Which platform of a multi-platform image, or `all`.")
]

LockfilesOption = Annotated[
    bool,
    typer.Option("--lockfiles", help="Also list what lock files declare, marked so: it may not be installed."),
]

VexOption = Annotated[
    list[str] | None,
    typer.Option("--vex", metavar="FILE", help="An OpenVEX or CSAF document, or a folder of them. Repeatable."),
]


def open_lake(named: str | None, *, create: bool, fallback: str = "") -> Lake:
    """The lake that the option, the environment, the estate or the default names, in this order."""
    from grid.store import Lake

    return Lake.open(named or fallback or DEFAULT_LAKE, create=create)


def find_database(named: str = "") -> Database | None:
    """The vulnerability database, or None if there is none yet: scanning works without, matching does not.

    That it is old, or old in part, is said on standard error: results must not look fresher than they are.
    """
    from grid.database import default_root, open_database

    try:
        database = open_database(Path(named).expanduser() if named else default_root())
    except DatabaseMissing:
        return None
    if concerns := database.concerns():
        from rich.console import Console
        from rich.markup import escape

        console = Console(stderr=True, highlight=False, soft_wrap=True)
        for concern in concerns:
            console.print(f"[yellow]warning: {escape(concern)}[/]")
    return database


def platforms(text: str) -> tuple[str, ...]:
    """``all`` is an empty tuple, as in an estate."""
    from grid.model import Platform

    return () if text == "all" else tuple(str(Platform.parse(part)) for part in text.split(","))


SCANNERS = {"vuln": "packages", "secret": "secrets"}


def scanners(text: str) -> tuple[str, ...]:
    """``--scanners vuln,secret`` as detectors of an estate."""
    chosen = [part.strip() for part in text.split(",") if part.strip()]
    unknown = [part for part in chosen if part not in SCANNERS]
    if unknown or not chosen:
        raise UsageError(f"no scanner {', '.join(unknown) or text!r}", remedy=f"choose from {', '.join(SCANNERS)}")
    return tuple(SCANNERS[part] for part in chosen)


def screen() -> Console:
    """Standard output; wide where it is a file or a pipe and nobody has said how wide."""
    from rich.console import Console

    wide = None if sys.stdout.isatty() or "COLUMNS" in os.environ else 160
    return Console(highlight=False, width=wide)


def interactive() -> bool:
    """Whether a person watches: progress is for them, and not for logs."""
    return os.isatty(2) and os.environ.get("TERM") != "dumb" and "CI" not in os.environ

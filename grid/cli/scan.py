"""``scangrid scan REF…``: one or a few images, in this process, printed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from grid.cli import EXIT_FINDINGS, EXIT_INCOMPLETE, importing
from grid.cli.options import (
    LakeOption,
    LockfilesOption,
    PlatformOption,
    VexOption,
    find_database,
    open_lake,
    platforms,
    scanners,
    screen,
)
from grid.cli.watch import watching
from grid.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from grid.survey import Target

FORMATS = ("table", "json")
SEVERITIES = ("critical", "high", "medium", "low", "negligible", "unknown")


def add(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(scan)


def scan(
    references: Annotated[list[str], typer.Argument(metavar="REF…", help="Images, as told above.")],
    lake: LakeOption = None,
    format: Annotated[str, typer.Option("--format", "-f", help="table or json.")] = "table",
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write there instead of the screen.")] = None,
    severity: Annotated[str, typer.Option(help="Show only these, for example critical,high.")] = "",
    ignore_unfixed: Annotated[bool, typer.Option("--ignore-unfixed", help="Show only what has a fix.")] = False,
    scanners_: Annotated[str, typer.Option("--scanners", help="What to look for: vuln, secret.")] = "vuln,secret",
    lockfiles: LockfilesOption = False,
    platform: PlatformOption = "linux/amd64",
    exit_code: Annotated[
        bool,
        typer.Option("--exit-code", help="Exit with 1 if anything was found that is neither filtered nor suppressed."),
    ] = False,
    plain_http: Annotated[bool, typer.Option("--plain-http", help="The registry speaks http, not https.")] = False,
    ca_file: Annotated[str, typer.Option("--ca-file", help="CA bundle (PEM) that signed the registry.")] = "",
    credential: Annotated[
        str, typer.Option(help="env:NAME or file:PATH that holds user:password. [default: the docker configuration]")
    ] = "",
    vex: VexOption = None,
    ignorefile: Annotated[
        str | None,
        typer.Option(
            "--ignorefile", help="Ids to ignore; YAML up to 4 MiB. [default: .trivyignore, .trivyignore.yaml if there]"
        ),
    ] = None,
    show_suppressed: Annotated[
        bool, typer.Option("--show-suppressed", help="Show what VEX and ignore files suppress, and why.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
) -> None:
    """Scan images and print what was found.

    Uses and fills the lake: a layer that it knows is not read again.

    Transports: `oci:DIR[:TAG]`, `oci-archive:FILE`, `docker-archive:FILE[:REF]`,
    `docker://host/repo[:tag|@digest]` (`docker://` may be left out).

    Example: `scangrid scan oci:./layout:1.0 registry.example.com/shop/web:2.1 --severity critical,high`
    """
    with importing():
        from grid.driver import LocalExecutor
        from grid.estate import Estate
        from grid.reports import results
        from grid.snapshot import snapshot
        from grid.suppression import DEFAULT_IGNOREFILES
        from grid.sweep import sweep
        from grid.warehouse import publish

    if format not in FORMATS:
        raise UsageError(f"no format {format!r}", remedy=f"choose from {', '.join(FORMATS)}")
    chosen = tuple(part.strip().lower() for part in severity.split(",") if part.strip())
    for name in chosen:
        if name not in SEVERITIES:
            raise UsageError(f"no severity {name!r}", remedy=f"choose from {', '.join(SEVERITIES)}")
    wanted = results.Selection(severities=chosen, fixed_only=ignore_unfixed)
    targets = [t for text in references for t in _targets(text, plain_http, ca_file, credential)]
    if not targets:
        raise UsageError(f"no image in {', '.join(references)}")
    ignorefiles = (
        tuple(name for name in DEFAULT_IGNOREFILES if Path(name).is_file()) if ignorefile is None else (ignorefile,)
    )
    estate = Estate.model_construct(  # of checked parts: to build what checks estates takes as long as a small layer
        platforms=platforms(platform),
        detectors=scanners(scanners_),
        lockfiles=lockfiles,
        vex=tuple(vex or ()),
        ignorefiles=tuple(filter(None, ignorefiles)),
    )
    store = open_lake(lake, create=True)
    publish(store)  # first, for matching and the result ask the views, too
    database = find_database() if "packages" in estate.detectors else None
    with watching(quiet) as emit:
        done = sweep(estate, store, LocalExecutor(), database=database, emit=emit, kind="scan", targets=targets)
    publish(store)
    unmatched = "packages" in estate.detectors and database is None
    with snapshot(store, done.sweep_id, results.READS) as con:
        images = results.images(con, done.sweep_id, wanted)
    if format == "json":
        text = results.to_json(images, done, matched=not unmatched)
        if output is None:
            typer.echo(text)
        else:
            output.write_text(text + "\n", encoding="utf-8")
    else:
        from grid.reports.terminal import show_images

        with nullcontext(screen()) if output is None else _page(output) as console:
            show_images(console, images, done, matched=not unmatched, suppressed=show_suppressed)
    if done.images.get("failed") or done.images.get("incomplete"):
        raise typer.Exit(EXIT_INCOMPLETE)
    if exit_code and any(image.vulnerabilities or image.secrets for image in images):
        raise typer.Exit(EXIT_FINDINGS)


@contextmanager
def _page(output: Path) -> Iterator[Console]:
    """A file as a screen."""
    from rich.console import Console

    with output.open("w", encoding="utf-8") as file:
        yield Console(file=file, highlight=False, width=120)


def _targets(text: str, plain_http: bool, ca_file: str, credential: str) -> list[Target]:
    from grid.model import Reference
    from grid.registries import Access
    from grid.survey import targets_of

    reference = Reference.parse(text)
    if reference.transport != "docker":
        return targets_of(reference)
    access = Access(
        "docker", reference.registry, plain_http=plain_http, ca_file=ca_file, credential=credential
    )  # fmt: skip
    return targets_of(reference, access)

"""``scangrid db status``, ``list`` and ``search``."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from grid.database import Database, current_version, kept_versions, open_database
from grid.ecosystems import BY_NAME, BY_OSV
from vulndb import health
from vulndb.build import key_versions
from vulndb.commands.shared import EXIT_INCOMPLETE, Format, Root, checked, place, screen
from vulndb.search import search as find
from vulndb.words import ago

_COLOURS = {"critical": "bold red", "high": "red", "medium": "yellow", "low": "green", "negligible": "dim"}


def add(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(epilog="Example: scangrid db status --format json")(status)
    app.command("list", epilog="Example: scangrid db list")(list_command)
    app.command(epilog="Example: scangrid db search CVE-2022-37434 --ecosystem Debian")(search)


def status(
    format: Format = "table",
    check: Annotated[
        bool, typer.Option("--check", help="Exit with 3 if there is anything to warn of: for monitoring.")
    ] = False,
    root: Root = None,
) -> None:
    """Show how old the database is, what it was made of, how each feed is doing, and what should be done about it."""
    folder = place(root)
    database = open_database(folder)
    manifest = database.manifest
    warnings = health.warnings(folder, database, key_versions())
    feeds = health.feeds(folder, database)
    if checked(format) == "json":
        document: dict[str, object] = json.loads(manifest.to_json())
        document["path"] = str(database.path)
        document["age_seconds"] = int(database.age().total_seconds())
        document["checked_at"] = database.checked_at.isoformat() if database.checked_at else None
        document["health"] = [dataclasses.asdict(feed) for feed in feeds]
        document["kept"] = [_version(kept, database.version) for kept in kept_versions(folder)]
        document["warnings"] = warnings
        typer.echo(json.dumps(document))
    else:
        _print_status(folder, database, feeds, warnings)
    if check and warnings:
        raise typer.Exit(EXIT_INCOMPLETE)


def _print_status(folder: Path, database: Database, feeds: list[health.FeedHealth], warnings: list[str]) -> None:
    console, manifest = screen(), database.manifest
    console.print(f"[bold]{escape(manifest.version)}[/]  {escape(str(database.path))}")
    found = f", found up to date {ago(database.checked_at)} ago" if database.checked_at else ""
    console.print(f"built {manifest.built_at:%Y-%m-%d %H:%M} UTC, {ago(manifest.built_at)} ago{found}")
    table = Table(box=None, pad_edge=False)
    for name in ("feed", "state", "advisories", "ranges", "checked", "published", ""):
        right = name in ("advisories", "ranges")
        table.add_column(name, justify="right" if right else "left", overflow="fold")
    for feed in feeds:
        colour = {"ok": "green", "stale": "yellow"}.get(feed.status, "dim")
        absent = feed.status == "absent"
        message = feed.message or (f"not asked for: scangrid db update --only {feed.name}" if absent else "")
        table.add_row(
            feed.name, f"[{colour}]{feed.status}[/]", "" if absent else f"{feed.advisories:,}",
            "" if absent else f"{feed.ranges:,}", f"{ago(feed.checked_at)} ago" if feed.checked_at else "",
            feed.source_date[:10], escape(message),
        )  # fmt: skip
    console.print(table)
    console.print("  ".join(f"{name} {file.rows:,}" for name, file in manifest.tables.items()))
    kept = len(kept_versions(folder))
    console.print(f"{kept} version{'s' if kept != 1 else ''} kept: scangrid db list")
    for note in manifest.notes:
        console.print(f"[dim]note: {escape(note)}[/]")
    for warning in warnings:
        console.print(f"[yellow]warning: {escape(warning)}[/]")
    if not warnings:
        missing = sum(feed.status == "absent" for feed in feeds)
        there = f"; {missing} of {len(feeds)} feeds are absent" if missing else ""
        console.print(f"[green]in good health[/]{there}")


def list_command(format: Format = "table", root: Root = None) -> None:
    """Show the versions that are kept, newest first."""
    folder = place(root)
    current = current_version(folder)
    versions = kept_versions(folder)
    if checked(format) == "json":
        typer.echo(json.dumps([_version(database, current) for database in versions]))
        return
    if not versions:
        open_database(folder)  # says that there is none, or what is wrong with it
    console = screen()
    table = Table(box=None, pad_edge=False)
    for name in ("version", "built", "advisories", "ranges", "size", ""):
        table.add_column(name, justify="right" if name in ("advisories", "ranges", "size") else "left", overflow="fold")
    for database in versions:
        table.add_row(
            escape(database.version), f"{database.manifest.built_at:%Y-%m-%d %H:%M} UTC",
            f"{database.rows('advisories'):,}", f"{database.rows('ranges') + database.rows('exact'):,}",
            f"{sum(file.bytes for file in database.manifest.tables.values()) / 1e6:.1f} MB",
            "in use" if database.version == current else "",
        )  # fmt: skip
    console.print(table)


def _version(database: Database, current: str | None) -> dict[str, object]:
    manifest = database.manifest
    return {
        "version": manifest.version,
        "built_at": manifest.built_at.isoformat(),
        "current": manifest.version == current,
        "rows": {name: file.rows for name, file in manifest.tables.items()},
        "bytes": sum(file.bytes for file in manifest.tables.values()),
        "path": str(database.path),
    }


def search(
    id_or_package: Annotated[
        str, typer.Argument(metavar="ID_OR_PACKAGE", help="CVE, GHSA, DSA … or a package's name.")
    ],
    ecosystem: Annotated[
        str | None, typer.Option(metavar="NAME", help="deb, Debian or Debian:12; any if not given.")
    ] = None,
    format: Format = "table",
    root: Root = None,
) -> None:
    """Look up an advisory by any of its ids, or all that is known of a package."""
    hits = find(open_database(place(root)), id_or_package, ecosystem)
    if checked(format) == "json":
        typer.echo(json.dumps([dataclasses.asdict(hit) for hit in hits]))
        return
    console = screen()
    if not hits:
        known = "" if ecosystem is None else f" in {ecosystem}"
        console.print(f"nothing is known of {escape(id_or_package)}{escape(known)}")
        if (
            ecosystem is not None
            and ecosystem.lower() not in {n.lower() for n in (*BY_OSV, *BY_NAME)}
            and ":" not in ecosystem
        ):
            console.print(f"[dim]ecosystems: {', '.join(sorted(BY_OSV))}[/]")
        return
    table = Table(box=None, pad_edge=False)
    for name in ("problem", "severity", "package", "namespace", "affected", "fixed", "said by"):
        table.add_column(name, overflow="fold", no_wrap=name in ("problem", "severity", "namespace", "said by"))
    titles: dict[str, str] = {}
    for hit in hits:
        if hit.title:
            titles.setdefault(hit.vuln_id, hit.title)
        fixed = hit.fixed or f"[dim]{hit.state.replace('_', ' ')}[/]"
        table.add_row(
            hit.vuln_id, f"[{_COLOURS.get(hit.severity, 'dim')}]{hit.severity or 'unknown'}[/]", escape(hit.name),
            escape(hit.namespace), escape(hit.affected), fixed if hit.fixed == "" else escape(hit.fixed),
            escape(hit.advisory_id),
        )  # fmt: skip
    console.print(table)
    if len(titles) == 1:
        console.print(f"[dim]{escape(next(iter(titles.values())))}[/]")

"""``scangrid registry``: the estate's registries without editing YAML, and whether they answer."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from grid.cli import EXIT_INCOMPLETE
from grid.cli.options import screen
from grid.errors import GridError

if TYPE_CHECKING:
    from grid.estate import RegistryRules

registries = typer.Typer(no_args_is_help=True, help="The registries of estate.yaml.")
ConfigOption = Annotated[Path, typer.Option("--config", "-c", help="The estate.")]
ESTATE = Path("estate.yaml")


def add(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(registries, name="registry")


@registries.command("add")
def add_(
    url: Annotated[str, typer.Argument(help="host[:port], or the path of a local source.")],
    name: Annotated[str, typer.Option(help="The `registry` column of the tables. [default: the address]")] = "",
    kind: Annotated[str, typer.Option(help="docker, oci, oci-archive or docker-archive.")] = "docker",
    credential: Annotated[
        str, typer.Option(help="A name: env:VARIABLE, file:PATH or docker. Never the password.")
    ] = "",
    repository: Annotated[list[str] | None, typer.Option(help="Only these, for example 'shop/*'. Repeatable.")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="Only these tags, for example '!*-dev'. Repeatable.")] = None,
    images_per_hour: Annotated[str, typer.Option(help="A number, or unlimited.")] = "unlimited",
    plain_http: Annotated[bool, typer.Option("--plain-http", help="It speaks http, not https.")] = False,
    ca_file: Annotated[str, typer.Option(help="CA bundle (PEM) that signed it.")] = "",
    config: ConfigOption = ESTATE,
) -> None:
    """Add a registry; estate.yaml is made if there is none.

    Example: `scangrid registry add registry.example.com --name prod --credential env:PROD --images-per-hour 500`
    """
    from grid.estate import add_registry

    entry: dict[str, object] = {"name": name, "kind": kind if kind != "docker" else "", "url": url}
    entry |= {"credential": credential, "plain_http": plain_http, "ca_file": ca_file}
    entry |= {"images_per_hour": int(images_per_hour) if images_per_hour.isdigit() else images_per_hour}
    entry |= {"repositories": repository or "", "tags": ["*", *tag] if tag and tag[0].startswith("!") else tag or ""}
    if images_per_hour == "unlimited":
        del entry["images_per_hour"]
    estate = add_registry(config, {key: value for key, value in entry.items() if value not in ("", False)})
    typer.echo(f"{config}: {len(estate.registries)} registries. Try: scangrid registry check")


@registries.command("remove")
def remove(name: Annotated[str, typer.Argument(help="Its name or address.")], config: ConfigOption = ESTATE) -> None:
    """Take a registry out of the estate; what the lake knows of it stays.

    Example: `scangrid registry remove prod`
    """
    from grid.estate import remove_registry

    remove_registry(config, name)
    typer.echo(f"{config}: {name} is gone")


@registries.command("list")
def list_(config: ConfigOption = ESTATE) -> None:
    """Show the estate's registries and rules.

    Example: `scangrid registry list -c estate.yaml`
    """
    from rich import box
    from rich.table import Table

    from grid.estate import load_estate

    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False)
    for column in ("name", "kind", "url", "credential", "images/hour", "repositories", "tags"):
        table.add_column(column, overflow="fold")
    for rules in load_estate(config).registries:
        rate = "unlimited" if rules.images_per_hour is None else str(rules.images_per_hour)
        table.add_row(
            rules.name, rules.kind, rules.url, rules.credential, rate,
            " ".join(rules.repositories), " ".join(rules.tags),
        )  # fmt: skip
    screen().print(table)


@registries.command("check")
def check(
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME…]", help="[default: all]")] = None,
    config: ConfigOption = ESTATE,
) -> None:
    """Ask each registry for its first repositories and tags: does it answer, does it know us, may we list?

    Example: `scangrid registry check prod`
    """
    from rich.text import Text

    from grid.estate import load_estate

    console = screen()
    failed = False
    for rules in load_estate(config).registries:
        label = rules.name or rules.address
        if names and label not in names:
            continue
        try:
            console.print(Text.assemble((" ✓ ", "green"), (label, "bold"), f"  {_answer(rules)}"))
        except GridError as error:
            failed = True
            line = Text.assemble((" ✗ ", "red"), (label, "bold"), f"  {error.code}: {error.message}")
            console.print(line.append(f"  → {error.remedy}" if error.remedy else "", style="dim"), soft_wrap=True)
    if failed:
        raise typer.Exit(EXIT_INCOMPLETE)


def _answer(rules: RegistryRules) -> str:
    from grid.registries import connect
    from grid.survey import access_of

    registry = connect(access_of(rules))
    try:
        if rules.kind == "docker" and not rules.lists:
            names = [p for p in rules.repositories if not p.startswith("!")]
        else:
            names = list(islice((r for r in registry.repositories() if rules.wants_repository(r)), 100))
        more = "at least " if len(names) == 100 else ""
        if not names:
            return "answers, and has no repository that the rules choose"
        tags = sum(1 for tag in islice(registry.tags(names[0]), 1000) if rules.wants_tag(tag))
        first = names[0] or "the layout"
        return f"answers: {more}{len(names)} repositories; {first} has {tags} tags that the rules choose"
    finally:
        registry.close()

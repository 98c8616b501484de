"""``scangrid db export`` and ``import``: a database as one file, or as an artifact in a registry."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from grid.database import open_database
from grid.model import Reference
from grid.registries import Access
from vulndb.bundle import export, import_bundle
from vulndb.commands.shared import Root, place, screen, watched
from vulndb.oci import pull, push
from vulndb.signing import fingerprint, trusted
from vulndb.words import span

_REGISTRY = "docker://"

PlainHttp = Annotated[bool, typer.Option("--plain-http", help="The registry speaks http, not https.")]
CaFile = Annotated[str, typer.Option("--ca-file", metavar="FILE", help="CA bundle (PEM) that signed the registry.")]
Credential = Annotated[
    str,
    typer.Option(metavar="NAME", help="env:NAME or file:PATH that holds user:password.  [default: docker's]"),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")]


def add(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("export", epilog="Example: scangrid db export scangrid-db.tar.zst --sign key.pem")(export_command)
    app.command("import", epilog="Example: scangrid db import scangrid-db.tar.zst --verify-key key.pub")(import_command)


def export_command(
    target: Annotated[
        str, typer.Argument(metavar="FILE_OR_REF", help="A file (checksummed tar.zst) or docker://host/repo:tag.")
    ],
    sign: Annotated[
        Path | None, typer.Option(metavar="KEY", help="Sign with this private key: PEM, Ed25519 or ECDSA P-256.")
    ] = None,
    version: Annotated[
        str | None, typer.Option(metavar="ID", help="A kept version.  [default: the one in use]")
    ] = None,
    plain_http: PlainHttp = False,
    ca_file: CaFile = "",
    credential: Credential = "",
    quiet: Quiet = False,
    root: Root = None,
) -> None:
    """Write the database as one file, or push it to a registry as an artifact."""
    database = open_database(place(root), version=version)
    console = screen()
    if target.startswith(_REGISTRY):
        access, reference = _access(target, plain_http, ca_file, credential)
        with watched(console, quiet) as emit:
            digest = push(database, access, reference.repository, reference.tag or "latest", sign, emit.moved("push"))
        console.print(f"pushed {escape(target)}@{digest}: {escape(database.version)}")
        return
    size = export(database, Path(target), sign)
    console.print(f"wrote {escape(target)}: {escape(database.version)}, {size / 1e6:.1f} MB")


def import_command(
    source: Annotated[
        str, typer.Argument(metavar="FILE_OR_REF", help="What `scangrid db export` wrote: a file or docker://….")
    ],
    verify_key: Annotated[
        Path | None,
        typer.Option(
            metavar="KEY",
            help="Refuse what the owner of this public key (PEM) has not signed.  [default: SCANGRID_DB_TRUST]",
        ),
    ] = None,
    plain_http: PlainHttp = False,
    ca_file: CaFile = "",
    credential: Credential = "",
    quiet: Quiet = False,
    root: Root = None,
) -> None:
    """Use the database in a bundle or registry, once its checksums, signature and schema are found right."""
    key = trusted(verify_key)
    signed = f", signed by {fingerprint(key)}" if key is not None else ""
    console = screen()
    if source.startswith(_REGISTRY):
        access, reference = _access(source, plain_http, ca_file, credential)
        target = reference.digest or reference.tag or "latest"
        with watched(console, quiet) as emit:
            database = pull(place(root), access, reference.repository, target, key, emit.moved("pull"))
    else:
        database = import_bundle(place(root), Path(source), key)
    console.print(
        f"imported {escape(database.version)}: {database.rows('advisories'):,} advisories, "
        f"built {span(database.age())} ago{escape(signed)}"
    )


def _access(text: str, plain_http: bool, ca_file: str, credential: str) -> tuple[Access, Reference]:
    reference = Reference.parse(text)
    access = Access("docker", reference.registry, credential=credential, plain_http=plain_http, ca_file=ca_file)
    return access, reference

"""Why the tables say what they say: the story of a path, of a package and of its advisories."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from rich.console import Console
from rich.text import Text

from grid.database import Database
from grid.ecosystems import BY_NAME
from grid.images import Step, history
from grid.match import CANDIDATES, REPOSITORIES, explain
from grid.model import SBOM, Distro
from grid.reports.results import image_name

Row = Mapping[str, Any]
READS = (
    *("image_layers", "packages", "entries", "hidden", "chains"),
    *("sweep_image_packages", "sweep_vulnerabilities", "sweep_advice"),
)
"""What is asked here."""


def name_of(image: Row) -> str:
    """The image as people call it."""
    return image_name(image)


def layers_of(con: Any, digest: str) -> list[Row]:
    """The image's layers, base first."""
    return _rows(con, "SELECT * FROM image_layers WHERE digest = ? ORDER BY ordinal", digest)


def packages_of(con: Any, layers: Sequence[Row], name: str) -> list[Row]:
    """Every record of a package of that name (or source name, or purl) in any layer, visible or not."""
    return _rows(
        con,
        """
        SELECT p.* FROM packages p
        WHERE list_contains(?, p.layer_digest)
            AND (lower(p.name) = lower(?) OR lower(p.source_name) = lower(?) OR p.purl = ?)
        ORDER BY p.ecosystem, p.name, p.source_path
        """,
        [layer["layer_digest"] for layer in layers], name, name, name,
    )  # fmt: skip


def history_of(con: Any, layers: Sequence[Row], path: str) -> list[Step]:
    """What each layer did to a path; empty if no layer has an entry of that name."""
    digests = [layer["layer_digest"] for layer in layers]
    table = con.sql(
        "SELECT layer_digest, path, kind, link_target FROM entries WHERE list_contains(?, layer_digest)",
        params=[digests],
    ).to_arrow_table()
    if not path or not _rows(
        con,
        "SELECT 1 FROM entries WHERE list_contains(?, layer_digest) AND ends_with(path, ?) LIMIT 1",
        digests, path.rpartition("/")[2],
    ):  # fmt: skip
        return []
    parts = [table.filter(pc.equal(table["layer_digest"], digest)) for digest in digests]
    return history(path, parts)


def show_image(console: Console, image: Row) -> None:
    """Which image is meant: the newest of that name."""
    console.print(Text.assemble((name_of(image), "bold"), (f"  {image['digest']}", "dim")))


def show_history(console: Console, path: str, steps: Sequence[Step], layers: Sequence[Row]) -> None:
    """One line a layer that touched the path."""
    console.print(Text.assemble("\npath ", (path, "bold")))
    styles = {"hidden": "red", "added": "green", "rewritten": "yellow", "merged": "dim"}
    for step in steps:
        console.print(
            Text.assemble(
                f"  layer {step.ordinal}  ", (f"{step.event:<10}", styles[step.event]), f" by {step.by}",
                (f"  at {step.path}" if step.path != path else ""), (_step(layers[step.ordinal]), "dim"),
            )
        )  # fmt: skip
    last = steps[-1]
    console.print(
        Text("  → not in the finished image", style="red")
        if last.event == "hidden"
        else Text("  → in the finished image", style="green")
    )


def show_packages(
    console: Console, con: Any, image: Row, layers: Sequence[Row], packages: Sequence[Row], database: Database | None
) -> None:
    """Each record of the package: which layer, what hid it, and every advisory that names it, matched or not."""
    chains = [layer["chain_id"] for layer in layers]
    hidden = {
        (row["layer_digest"], row["path"], row["reason"]): row
        for row in _rows(con, "SELECT * FROM hidden WHERE list_contains(?, chain_id)", chains)
    }
    shown = _rows(
        con,
        "SELECT DISTINCT package_id, namespace, layer_digest, source_path, introduced_layer, from_base "
        "FROM sweep_image_packages WHERE sweep_id = ? AND digest = ?",
        image["sweep_id"], image["digest"],
    )  # fmt: skip
    namespaces = {row["package_id"]: row["namespace"] for row in shown}
    origins = {(row["package_id"], row["layer_digest"], row["source_path"]): row for row in shown}
    ordinals = {layer["layer_digest"]: layer for layer in layers}
    (judged,) = _rows(con, f"SELECT any_value({REPOSITORIES}) AS it FROM chains WHERE chain_id = ?", chains[-1])
    for package in packages:
        layer = ordinals[package["layer_digest"]]
        console.print(
            Text.assemble(
                f"\n{package['ecosystem']} package ", (f"{package['name']} {package['version']}", "bold"),
                (f"  source {package['source_name']}" if package["source_name"] else ""),
            )
        )  # fmt: skip
        console.print(Text.assemble(f"  layer {layer['ordinal']}  {package['source_path']}", (_step(layer), "dim")))
        place = (package["layer_digest"], package["source_path"])
        if gone := hidden.get((*place, "hidden")):
            number = chains.index(gone["chain_id"])
            console.print(
                Text.assemble(
                    "  → ", ("hidden", "red"), f" by {gone['by']} of layer {number}", (_step(layers[number]), "dim")
                )
            )
            continue
        if owner := hidden.get((*place, "owned")):
            console.print(
                Text(f"  → in the image; not matched, for it belongs to the OS package {owner['by']}", style="yellow")
            )
            continue
        console.print(Text("  → in the image", style="green"))
        if origin := origins.get((package["package_id"], *place)):
            _show_origin(console, origin, ordinals[origin["introduced_layer"]])
        place_of_origin = {
            "namespace": _namespace(package["ecosystem"], namespaces.get(package["package_id"])),
            "repositories": judged["it"],
        }
        _show_advisories(console, con, {**package, **place_of_origin}, database, _findings(con, image, package))
        _show_advice(console, con, image, package)


def _namespace(ecosystem: str, of_image: str | None) -> str | None:
    """Whose advisories a package is judged by: its distribution's, or those of its language."""
    known = BY_NAME.get(ecosystem)
    return of_image if known is None or known.system else known.namespace(Distro(""))


def _show_origin(console: Console, origin: Row, layer: Row) -> None:
    """The layer to blame, and whose it is."""
    share = {True: "the base image's", False: "the application's", None: "base image unknown"}[origin["from_base"]]
    console.print(
        Text.assemble(f"  introduced by layer {layer['ordinal']}, {share}", (_step(layer), "dim"))
    )  # fmt: skip


_OF_IMAGE = "sweep_id = ? AND registry = ? AND repository = ? AND tag = ? AND digest = ?"


def _of_image(image: Row) -> list[object]:
    return [image[name] for name in ("sweep_id", "registry", "repository", "tag", "digest")]


def _findings(con: Any, image: Row, package: Row) -> dict[str, Row]:
    """Problem → its finding in this package of this image."""
    query = f"SELECT * FROM sweep_vulnerabilities WHERE {_OF_IMAGE} AND package_id = ? AND source_path = ?"
    rows = _rows(con, query, *_of_image(image), package["package_id"], package["source_path"])
    return {row["vuln_id"]: row for row in rows}


def _show_advice(console: Console, con: Any, image: Row, package: Row) -> None:
    query = (
        f"SELECT * FROM sweep_advice WHERE {_OF_IMAGE} AND ecosystem = ? AND version = ? AND list_contains(packages, ?)"
    )
    for row in _rows(con, query, *_of_image(image), package["ecosystem"], package["version"], package["name"]):
        to = f" {row['upgrade_version']}" if row["upgrade_version"] else ""
        console.print(
            Text.assemble(
                "  ", ("upgrade to" if to else "no upgrade", "bold"), (to, "bold green"), f"  {row['impact']}",
                (f"  {row['not_fixable']}." if to and row["not_fixable"] else "", "yellow"),
            )
        )  # fmt: skip
        if row["command"]:
            console.print(Text.assemble("    ", (str(row["command"]), "cyan")))


def _told(finding: Row | None) -> str:
    """What the lake says of a hit beside the range: its weight, and whether it counts."""
    if finding is None:
        return ""
    parts = [str(finding["severity"])]
    if finding["risk"]:
        parts.append(f"risk {finding['risk']:g}")
    if finding["suppressed_by"]:
        reason = f": {finding['suppressed_reason']}" if finding["suppressed_reason"] else ""
        parts.append(f"suppressed as {finding['suppressed_status']} by {finding['suppressed_by']}{reason}")
    return f"  [{', '.join(parts)}]"


def _show_advisories(
    console: Console, con: Any, package: Row, database: Database | None, findings: Mapping[str, Row]
) -> None:
    namespace = package["namespace"]
    if database is None:
        console.print(Text("  not matched: there is no vulnerability database (scangrid db update)", style="yellow"))
        return
    if package["found_as"] == SBOM and BY_NAME[package["ecosystem"]].system:
        who = "an SBOM, a program or the database of another root tells it"
        console.print(Text(f"  not matched: {who}, which may be another distribution's", style="yellow"))
        return
    if namespace is None:
        which = "distribution" if BY_NAME[package["ecosystem"]].system else "kind of package"
        console.print(Text(f"  not matched: no advisories are known for this {which}", style="yellow"))
        return
    if BY_NAME[package["ecosystem"]].foreign(namespace, package["origin"] or "", package["version"]):
        whose = f"another publisher's package ({package['origin'] or 'as its version says'})"
        console.print(Text(f"  not matched: {whose}; advisories of {namespace} are not about it", style="yellow"))
        return
    row = {name: package[name] for name in CANDIDATES.names}
    verdicts = explain(con, database, pa.Table.from_pylist([row], schema=CANDIDATES))
    hits = sum(v.matched for v in verdicts)
    console.print(f"  {len(verdicts)} advisory ranges of {namespace} name it, {hits} match:")
    for verdict in verdicts:
        sign = ("✓ ", "bold red") if verdict.matched else ("· ", "dim")
        console.print(
            Text.assemble(
                "    ", sign, (f"{verdict.vuln_id:<18}", "bold" if verdict.matched else "dim"),
                (f"{verdict.advisory_id} ({verdict.source})  " if verdict.advisory_id != verdict.vuln_id
                 else f"({verdict.source})  ", "dim"),
                (verdict.reason, "" if verdict.matched else "dim"),
                (_told(findings.get(verdict.vuln_id)) if verdict.matched else "", "yellow"),
            )
        )  # fmt: skip


def _step(layer: Row) -> str:
    step = layer["created_by"]
    if not step:
        return ""
    text = " ".join(str(step).split())
    return f"   ({text[:70]}{'…' if len(text) > 70 else ''})"


def _rows(con: Any, query: str, *parameters: object) -> list[Row]:
    rows: list[Row] = con.sql(query, params=list(parameters)).to_arrow_table().to_pylist()
    return rows

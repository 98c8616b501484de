"""Squash over the lake: the chains of a sweep's images whose facts are new, layer on layer.

Reads facts of layers, never layers, and writes what is visible: ``hidden``, ``origins`` and ``chains``.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from grid import ecosystems
from grid.images import SQUASH_VERSION, LayerColumns, Origins, squash
from grid.model import SBOM, Distro
from grid.schema import CHAINS
from grid.store import Lake
from grid.warehouse import memory

_SYSTEMS = [e for e in ecosystems.ALL if e.system]


def os_namespace(distro: Distro) -> str | None:
    """The OSV ecosystem of a distribution's packages, or None if no advisories are known for it."""
    return next((name for e in _SYSTEMS if (name := e.namespace(distro)) is not None), None)


def squash_new(lake: Lake, stack: pa.Table, detectors: Mapping[str, str]) -> int:
    """Squash the chains of these images that are new, or made of newer facts; returns how many.

    ``stack``: rows of ``image_layers``. ``detectors``: the versions whose facts are current.
    """
    chains = _chains(stack)
    if not chains.num_rows:
        return 0
    read = _scanned_layers(lake, detectors)
    version = f"{SQUASH_VERSION}-{hashlib.sha256(repr(sorted(detectors.items())).encode()).hexdigest()[:12]}"
    versions = _versions(chains, read, version)
    known = lake.read("chains", columns=["chain_id", "version", "image"])
    have = dict(zip(known["chain_id"].to_pylist(), known["version"].to_pylist(), strict=True))
    bases = _bases(lake, stack, chains, known)
    for chain, base in bases.items():  # another base is another answer: such a chain is squashed again
        versions[chain] += f"-{base['base_layers'] or 0}{base['base_evidence'] or ''}"
    ids = chains["chain_id"].to_pylist()
    wanted = [have.get(chain) != versions[chain] for chain in ids]
    if not any(wanted):
        return 0
    chains = _with_ancestors(chains.append_column("wanted", pa.array(wanted)))
    squash_id = f"{datetime.now(UTC):%Y%m%dT%H%M%S.%f}Z-{secrets.token_hex(4)}"
    facts = _columns(lake, pc.unique(chains["layer_digest"]))
    older = chains.filter(pc.invert(chains["wanted"]))["chain_id"]
    names = ["chain_id", "layer_digest", "path", "reason", "by"]
    origins = Origins(chains, facts.packages, lake.read("hidden", columns=names, filter={"chain_id": older}))
    made = dict(zip(stack["chain_id"].to_pylist(), stack["created_by"].to_pylist(), strict=True))

    def listed(layers: list[str]) -> pa.Table:
        columns = ["layer_digest", "source_path", "package_id"]
        return lake.read("packages", columns=columns, filter={"layer_digest": layers})

    done = 0
    for number, batch in enumerate(squash(chains, facts, os_namespace, squash_id)):
        rows = batch.chains
        of_rows = rows["chain_id"].to_pylist()
        told = {"version": [versions[chain] for chain in of_rows], "created_by": [made.get(chain) for chain in of_rows]}
        told |= {name: [bases.get(chain, _NO_BASE)[name] for chain in of_rows] for name in _NO_BASE}
        for name, values in told.items():
            column = CHAINS.arrow.field(name)
            rows = rows.set_column(rows.schema.get_field_index(name), column, pa.array(values, column.type))
        lake.write("origins", f"{squash_id}-{number}", origins.rows(batch.hidden, listed, memory))
        lake.write("hidden", f"{squash_id}-{number}", batch.hidden)
        lake.write("chains", f"{squash_id}-{number}", rows)  # last: it commits the other two
        done += rows.num_rows
    return done


def _chains(stack: pa.Table) -> pa.Table:
    """Distinct chains with their parents, from the ordered layers of images."""
    stack = stack.sort_by([("digest", "ascending"), ("ordinal", "ascending")]).combine_chunks()
    if not stack.num_rows:
        schema = pa.schema([CHAINS.arrow.field(n) for n in ("chain_id", "parent_id", "layer_digest", "depth")])
        return schema.empty_table()
    ids = stack["chain_id"].combine_chunks()
    before = pa.concat_arrays([pa.nulls(1, ids.type), ids.slice(0, len(ids) - 1)])
    parent = pc.if_else(pc.equal(stack["ordinal"], 0), pa.scalar(None, ids.type), before)
    table = pa.table({
        "chain_id": ids,
        "parent_id": parent,
        "layer_digest": stack["layer_digest"],
        "depth": pc.add(stack["ordinal"], 1).cast(pa.int32()),
    })  # fmt: skip
    return table.group_by(table.column_names).aggregate([])


def _with_ancestors(chains: pa.Table) -> pa.Table:
    """Only the chains wanted and those they stand on."""
    parents = dict(zip(chains["chain_id"].to_pylist(), chains["parent_id"].to_pylist(), strict=True))
    needed: set[str] = set()
    for chain in chains.filter(chains["wanted"])["chain_id"].to_pylist():
        at: str | None = chain
        while at is not None and at not in needed:
            needed.add(at)
            at = parents[at]
    return chains.filter(pc.is_in(chains["chain_id"], value_set=pa.array(sorted(needed))))


def _scanned_layers(lake: Lake, detectors: Mapping[str, str]) -> set[str]:
    """Layers whose facts are complete and current."""
    count: dict[str, int] = {}
    for (digest, name, version), known in lake.scanned().items():
        if known.ok and detectors.get(name) == version:
            count[digest] = count.get(digest, 0) + 1
    return {digest for digest, n in count.items() if n == len(detectors)}


def _versions(chains: pa.Table, read: set[str], version: str) -> dict[str, str]:
    """A chain with a layer that could not be read is squashed as far as it goes, and again once it can be."""
    versions: dict[str, str] = {}
    ordered = chains.sort_by("depth")
    for chain, parent, layer in zip(
        *(ordered[name].to_pylist() for name in ("chain_id", "parent_id", "layer_digest")), strict=True
    ):
        below = versions[parent] if parent is not None else version
        missing = "" if layer in read else f"-{layer[7:15]}"
        versions[chain] = below + missing
    return versions


_NO_BASE: dict[str, Any] = {"image": None, "base_layers": None, "base_evidence": None, "base_digest": None}


def _bases(lake: Lake, stack: pa.Table, chains: pa.Table, known: pa.Table) -> dict[str, dict[str, Any]]:
    """Whole chain of an image → ``_NO_BASE``'s columns: how many of its layers are its base's, and what shows it.

    The largest of what the histories of its images say, and of the chains below it that are an image's whole chain.
    """
    columns = (chains[name].to_pylist() for name in ("chain_id", "parent_id", "depth"))
    parents = {chain: (parent, depth) for chain, parent, depth in zip(*columns, strict=True)}
    ordered = stack.select(["digest", "ordinal", "chain_id"]).sort_by(
        [("digest", "ascending"), ("ordinal", "ascending")]
    )
    after = pa.chunked_array([ordered["digest"].slice(1).combine_chunks(), pa.nulls(1, pa.string())])
    last = ordered.filter(pc.fill_null(pc.not_equal(ordered["digest"], after.combine_chunks()), True))
    tops = dict(zip(last["digest"].to_pylist(), last["chain_id"].to_pylist(), strict=True))
    images = {  # seen earlier: those that are no image's whole chain tonight stay what they were
        image: chain
        for chain, image in zip(known["chain_id"].to_pylist(), known["image"].to_pylist(), strict=True)
        if image and chain in parents
    }
    tops = images | tops
    whole: dict[str, str] = {}
    for image, chain in tops.items():
        whole.setdefault(chain, image)
    told: dict[str, tuple[int, str]] = {}
    where = {"digest": pa.array(tops)}
    history = lake.read("manifests", columns=["digest", "base_layers", "base_evidence"], filter=where)
    for row in history.filter(pc.is_valid(history["base_layers"])).to_pylist():
        chain = tops[row["digest"]]
        told[chain] = max(told.get(chain, (0, "")), (row["base_layers"], row["base_evidence"] or ""))
    bases = {}
    for chain, image in whole.items():
        layers, evidence = told.get(chain, (0, ""))
        base = _NO_BASE | {"image": image}
        if layers:
            base |= {"base_layers": layers, "base_evidence": evidence}
        above = parents[chain][0]
        while above is not None:
            if (found := whole.get(above)) is not None:
                depth = parents[above][1]
                if depth >= layers:
                    base |= {"base_layers": depth, "base_evidence": "image", "base_digest": found}
                break
            above = parents[above][0]
        bases[chain] = base
    return bases


def _kinds(packages: pa.Table) -> pa.Table:
    """An SBOM and what a program says own no file, whatever they name: an OS package may own them."""
    said = pc.fill_null(pc.equal(packages["found_as"], SBOM), False)
    kinds = pc.if_else(said, SBOM, packages["ecosystem"])
    return packages.select(["layer_digest", "source_path"]).append_column("ecosystem", kinds)


def _columns(lake: Lake, layers: pa.Array) -> LayerColumns:
    where, record = {"layer_digest": layers}, ("source_path", "ecosystem", "found_as")
    marks = lake.marks()

    def read(table: str, *names: str) -> pa.Table:
        return lake.read(table, ["layer_digest", *names], where, marks)

    return LayerColumns(
        packages=pa.concat_tables([_kinds(read(table, *record)) for table in ("packages", "lockfiles")]),
        distros=read("distros", "path", "id", "version_id", "id_like", "pretty_name", "codename"),
        content_sets=read("content_sets", "kind", "value"),
        secrets=read("secrets", "path"),
        malware=read("malware", "path"),
        owned_files=read("owned_files", "source_path", "path", "owner"),
        hiders=read("hiders", "path", "kind", "link_target"),
        path_index=read("path_index", "files", "dirs"),
    )

"""Layers for tests of squash, written as entry lists, and the columns a scan would make of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from grid.images import LayerColumns, Squashed, squash
from grid.images.chains import chain_table
from grid.model import Distro
from grid.paths import path_hashes


@dataclass(frozen=True)
class Entry:
    path: str
    kind: str
    target: str | None = None
    holds: tuple[object, ...] = ()


@dataclass(frozen=True)
class Os:
    """A fact of ``distros``."""

    id: str
    version_id: str | None = None
    codename: str | None = None
    id_like: str | None = None


@dataclass(frozen=True)
class Owns:
    """The file is an OS package record that lists this path."""

    path: str
    owner: str


def file(path: str, *holds: object) -> Entry:
    """``holds``: ``secret``, ``malware``, an ecosystem's name, Os or Owns; "" or nothing for a file without facts."""
    return Entry(path, "file", None, holds)


def directory(path: str) -> Entry:
    return Entry(path, "dir")


def symlink(path: str, target: str) -> Entry:
    return Entry(path, "symlink", target)


def hardlink(path: str, target: str) -> Entry:
    return Entry(path, "hardlink", target)


def whiteout(path: str) -> Entry:
    return Entry(path, "whiteout")


def opaque(path: str) -> Entry:
    return Entry(path, "opaque")


def with_parents(entries: Iterable[Entry]) -> list[Entry]:
    """As builders write layers: every directory has an entry of its own, before what lies in it."""
    entries = list(entries)
    named = {e.path for e in entries if e.kind not in ("whiteout", "opaque")}
    parents = {p for e in entries for p in parents_of(e)} - named
    return sorted([*entries, *map(directory, parents)], key=tree_order)


def parents_of(entry: Entry) -> list[str]:
    parts = entry.path.split("/") if entry.path else []
    if entry.kind == "opaque":
        parts.append("")
    return ["/".join(parts[:n]) for n in range(1, len(parts))]


def tree_order(entry: Entry) -> list[str]:
    return entry.path.split("/")


def listing(entries: Iterable[Entry]) -> pa.Table:
    rows = list(entries)
    return pa.table({
        "path": pa.array([e.path for e in rows], pa.string()),
        "kind": pa.array([e.kind for e in rows], pa.string()),
        "link_target": pa.array([e.target for e in rows], pa.string()),
    })  # fmt: skip


def packed(paths: Iterable[str]) -> bytes:
    return np.sort(path_hashes(set(paths))).tobytes()


def columns(layers: Mapping[str, Sequence[Entry]]) -> LayerColumns:
    """What scans of these layers would put into the lake."""
    packages, distros, secrets, malware, owned, hiders, index = ([] for _ in range(7))
    for digest, entries in layers.items():
        named = {e.path for e in entries if e.kind == "dir"}
        for e in entries:
            for held in e.holds:
                if held == "secret":
                    secrets.append((digest, e.path))
                elif held == "malware":
                    malware.append((digest, e.path))
                elif isinstance(held, Os):
                    distros.append((digest, e.path, held.id, held.version_id, held.id_like, None, held.codename))
                elif isinstance(held, Owns):
                    owned.append((digest, e.path, held.path, held.owner))
                elif held:
                    packages.append((digest, e.path, held))
            if e.kind in ("whiteout", "opaque", "symlink", "hardlink"):
                hiders.append((digest, e.path, e.kind, e.target))
        implied = {p for e in entries if e.kind not in ("whiteout", "opaque") for p in parents_of(e)} - named
        hiders.extend((digest, path, "implied", None) for path in implied)
        files = [e.path for e in entries if e.kind not in ("dir", "whiteout", "opaque")]
        index.append((digest, packed(files), packed(named)))
    return LayerColumns(
        packages=table(packages, "source_path", "ecosystem"),
        distros=table(distros, "path", "id", "version_id", "id_like", "pretty_name", "codename"),
        secrets=table(secrets, "path"),
        malware=table(malware, "path"),
        owned_files=table(owned, "source_path", "path", "owner"),
        hiders=table(hiders, "path", "kind", "link_target"),
        path_index=pa.table({
            "layer_digest": pa.array([r[0] for r in index], pa.string()),
            "files": pa.array([r[1] for r in index], pa.binary()),
            "dirs": pa.array([r[2] for r in index], pa.binary()),
        }),
    )  # fmt: skip


def table(rows: Sequence[tuple[object, ...]], *names: str) -> pa.Table:
    every = ("layer_digest", *names)
    return pa.table({name: pa.array([row[n] for row in rows], pa.string()) for n, name in enumerate(every)})


def osv_namespace(distro: Distro) -> str | None:
    return f"{distro.id.title()}:{distro.version_id}" if distro.version_id else None


def run(chains: pa.Table, facts: LayerColumns, **more: object) -> Squashed:
    """All batches as one."""
    batches = list(squash(chains, facts, osv_namespace, "run", systems=("deb", "apk"), **more))  # type: ignore[arg-type]
    return Squashed(pa.concat_tables([b.chains for b in batches]), pa.concat_tables([b.hidden for b in batches]))


def exceptions(*layers: Sequence[Entry]) -> list[tuple[int, int, str, str, str]]:
    """Squash one image, layer 0 its base: sorted (chain's top layer, fact's layer, path, reason, by)."""
    names = [f"layer{n}" for n in range(len(layers))]
    found = run(chain_table([names]), columns(dict(zip(names, layers, strict=True))))
    depth = dict(zip(*(found.chains[c].to_pylist() for c in ("chain_id", "depth")), strict=True))
    return sorted(
        (depth[row["chain_id"]] - 1, int(row["layer_digest"][5:]), row["path"], row["reason"], row["by"])
        for row in found.hidden.to_pylist()
    )


def hidden(*layers: Sequence[Entry]) -> set[tuple[int, str]]:
    """(layer, path) of the facts that the whole image hides."""
    return {(layer, path) for _, layer, path, reason, _ in exceptions(*layers) if reason == "hidden"}


def distro(*layers: Sequence[Entry]) -> tuple[str | None, str | None, str | None]:
    """Id, version and namespace of the whole image."""
    names = [f"layer{n}" for n in range(len(layers))]
    found = run(chain_table([names]), columns(dict(zip(names, layers, strict=True))))
    row = max(found.chains.to_pylist(), key=lambda row: row["depth"])
    return row["distro_id"], row["distro_version"], row["os_namespace"]

"""A lake whose facts are made up, match run by match run: what ``remember`` and the views of history read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from grid.layers.scan import LayerFacts
from grid.life import remember
from grid.model import Layer, LayerStats
from grid.schema import FINDINGS
from grid.store import TABLES, Lake

START = datetime(2026, 1, 1, tzinfo=UTC)
Chain = tuple[str, ...]
"""Names of layers, base first."""


def table(name: str, rows: Iterable[Mapping[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist([dict(row) for row in rows], schema=TABLES[name].arrow)


def at(run: int) -> datetime:
    return START + timedelta(hours=run)


def digest(chain: Chain) -> str:
    return "sha256:" + "+".join(chain)


class History:
    """Packages are npm's, ``name-version``; each is a package row of its own path."""

    def __init__(self, lake: Lake, layers: Mapping[str, Sequence[str]], chains: Iterable[Chain]) -> None:
        self.lake = lake
        self.ids = {p: n for n, p in enumerate(sorted({p for held in layers.values() for p in held}), 1)}
        self.layers = layers
        self.runs = 0
        self.sweep_of: list[str] = []
        schema = pa.schema(list(TABLES["packages"].arrow)[2:])
        lake.commit("task", [
            LayerFacts(
                Layer(f"sha256:{name}", 1, "m"), LayerStats(1, 1, 1, 0.1, "d"),
                {"packages": pa.Table.from_pylist([self._package(p) for p in held], schema=schema)},
            )
            for name, held in layers.items()
        ], {"packages": "1"}, START)  # fmt: skip
        prefixes = {chain[: n + 1] for chain in chains for n in range(len(chain))}
        lake.write("image_layers", "l", table("image_layers", (
            {"digest": digest(chain), "ordinal": n, "layer_digest": f"sha256:{layer}", "size_bytes": 1,
             "chain_id": digest(chain[: n + 1])}
            for chain in prefixes for n, layer in enumerate(chain)
        )))  # fmt: skip
        lake.write("chains", "c", table("chains", (
            {"chain_id": digest(chain), "parent_id": digest(chain[:-1]) if chain[:-1] else None, "depth": len(chain),
             "layer_digest": f"sha256:{chain[-1]}", "version": "1", "squash_id": "q", "squashed_at": START}
            for chain in prefixes
        )))  # fmt: skip

    def _package(self, package: str) -> dict[str, Any]:
        name, _, version = package.partition("-")
        return {
            "source_path": f"{package}/package.json", "package_id": self.ids[package], "ecosystem": "npm", "name": name,
            "version": version, "purl": f"pkg:npm/{name}@{version}",
        }  # fmt: skip

    def packages(self, chain: Chain) -> set[str]:
        return {p for layer in chain for p in self.layers[layer]}

    def run(
        self,
        images: Mapping[str, Chain | None],
        database: Mapping[str, Iterable[str]],
        *,
        kind: str = "sweep",
        again: bool = False,
        aliases: Mapping[str, Sequence[str]] | None = None,
    ) -> str:
        """A sweep of these images (tag → layers, None: it could not be read), or a re-match of the last one.

        ``database``: package → ids. Returns the sweep's id.
        """
        number, when = self.runs, at(self.runs)
        self.runs += 1
        sweep, match = self.sweep_of[-1] if again else f"s{number:03}", f"m{number:03}"
        self.sweep_of.append(sweep)
        if not again:
            counts = [c.name for c in TABLES["sweeps"].columns if c.name.startswith(("images_", "layers_", "bytes_"))]
            self.lake.write("sweeps", sweep, table("sweeps", [{
                "sweep_id": sweep, "kind": kind, "estate": "e", "started_at": when, "finished_at": when,
                "written_at": when, "status": "complete", **dict.fromkeys(counts, 0),
            }]))  # fmt: skip
            self.lake.write("images", sweep, table("images", (
                {"sweep_id": sweep, "registry": "r", "repository": "app", "tag": tag, "os": "linux", "arch": "amd64",
                 "digest": chain and digest(chain), "ref_digest": chain and digest(chain), "scanned_at": when,
                 "status": "ok" if chain else "failed"}
                for tag, chain in images.items()
            )))  # fmt: skip
        packages = sorted({p for chain in images.values() if chain for p in self.packages(chain)})
        found = [
            {"match_id": match, "package_id": self.ids[p], "namespace": "npm", "vuln_id": vuln,
             "aliases": list((aliases or {}).get(vuln, ())), "advisories": [vuln], "state": "affected",
             "severity": "high", "kev": False}
            for p in packages for vuln in sorted(database.get(p, ()))
        ]  # fmt: skip
        findings = table("findings", found)
        self.lake.write("findings", match, findings)
        self.lake.write("matches", match, table("matches", [{
            "match_id": match, "sweep_id": sweep, "db_version": "1", "packages": len(packages), "findings": len(found),
            "matched_at": when, "current": True,
        }]))  # fmt: skip
        evaluated = pa.table({
            "package_id": pa.array([self.ids[p] for p in packages], pa.int64()),
            "namespace": pa.array(["npm"] * len(packages), pa.string()),
        })  # fmt: skip
        columns = ["package_id", "namespace", "vuln_id", "aliases"]
        remember(self.lake, match, evaluated, findings.select(columns).cast(FINDINGS.only(*columns)))
        return sweep

"""A lake of any size without a registry: for questions about SQL at a million images.

    python -m bench.synthetic LAKE --images 1000000 --layers 20000

Layers form a forest, as builds do: a hundredth are bases with a dpkg database, a third of the next level rewrites
that database (and so hides the base's), the rest carry language packages, some hidden or owned. Images pick a path
through it; ``--chains`` says how many distinct paths there are (fewer than images: the same layers under another
configuration). Everything is drawn from ``--seed``, and written through ``grid.store``.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from grid.store import Lake

DEPTH = 8
CHUNK = 100_000
NOW = datetime(2026, 1, 1, tzinfo=UTC)
SWEEP, MATCH = "20260101-000000", "20260101-010000"
SEVERITIES = ("critical", "high", "medium", "low", "negligible", "unknown")

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Size:
    """What to make."""

    images: int = 100_000
    layers: int = 20_000
    chains: int = 0
    """Distinct chains of layers that images have; 0 for one in five images."""
    packages: int = 30
    """Packages of a language layer, on average."""
    findings: float = 0.25
    """Findings of a distinct package, on average."""
    seed: int = 1


def build(lake: Lake, size: Size) -> dict[str, int]:
    """Write the lake's tables; returns rows per table."""
    rng = np.random.default_rng(size.seed)
    rows: dict[str, int] = {}

    def write(table: str, name: str, data: pa.Table) -> None:
        rows[table] = rows.get(table, 0) + lake.write(table, name, data)

    levels = _levels(size.layers)
    paths = _paths(rng, levels, size.chains or max(1, size.images // 5))
    con = duckdb.connect()
    con.execute("SET enable_progress_bar = false")
    packages = _packages(rng, levels, size)
    con.register("drawn", packages)
    write("packages", "synthetic", con.sql(_PACKAGES).to_arrow_table())
    con.execute(
        f"CREATE TABLE layers AS SELECT 'sha256:' || sha256('layer' || n) AS digest FROM range({size.layers}) t(n)"
    )
    for detector in ("entries", "packages", "owned_files", "distros", "secrets"):
        write("layer_scans", f"synthetic-{detector}", con.sql(_SCANS.format(detector=detector)).to_arrow_table())
    write("secrets", "synthetic", con.sql(_SECRETS).to_arrow_table())
    con.register("prefixes", _prefixes(paths))
    con.execute("CREATE TABLE chained AS " + _CHAINED)
    write("chains", "synthetic", con.sql(_CHAINS).to_arrow_table())
    write("hidden", "synthetic", con.sql(_HIDDEN).to_arrow_table())
    write("findings", MATCH, con.sql(_FINDINGS.format(density=size.findings, match=MATCH)).to_arrow_table())
    write("matches", MATCH, pa.table({
        "match_id": [MATCH], "sweep_id": [SWEEP], "db_version": ["synthetic"], "packages": [1],
        "findings": [rows["findings"]], "matched_at": [NOW],
    }))  # fmt: skip
    write("sweeps", SWEEP, _sweep(size))
    steps = pa.FixedSizeListArray.from_arrays(pa.array(paths.reshape(-1)), DEPTH)
    con.register("paths", pa.table({"path": np.arange(len(paths)), "steps": steps}))
    con.execute("CREATE TABLE tops AS " + _TOPS)
    for start in range(0, size.images, CHUNK):
        stop = min(start + CHUNK, size.images)
        con.register("chosen", pa.table({"n": np.arange(start, stop), "path": _popular(rng, len(paths), stop - start)}))
        write("images", f"synthetic-{start:08}", con.sql(_IMAGES.format(sweep=SWEEP, depth=DEPTH)).to_arrow_table())
        write("image_layers", f"synthetic-{start:08}", con.sql(_IMAGE_LAYERS).to_arrow_table())
        con.unregister("chosen")
    return rows


def _levels(layers: int) -> list[tuple[int, int]]:
    """The layer numbers of each level, as half-open ranges: few bases, many tops."""
    shares = np.array([0.01, 0.04, 0.10, 0.15, 0.15, 0.15, 0.20, 0.20])
    ends = np.maximum((np.cumsum(shares) * layers).astype(int), np.arange(1, DEPTH + 1))
    return list(zip([0, *ends[:-1]], ends, strict=True))


def _popular(rng: np.random.Generator, choices: int, count: int) -> Integers:
    """Some are chosen far more often than others."""
    return np.asarray((rng.random(count) ** 2 * choices).astype(np.int64))


def _paths(rng: np.random.Generator, levels: list[tuple[int, int]], count: int) -> Integers:
    """Distinct paths through the levels, a row each. While there are enough layers, a layer has one parent."""
    top_start, top_stop = levels[-1]
    paths = np.zeros((count, DEPTH), dtype=np.int64)
    paths[:, -1] = top_start + np.arange(count) % (top_stop - top_start)
    for level in range(DEPTH - 2, -1, -1):
        start, stop = levels[level]
        above = paths[:, level + 1]
        parent = start + (above * 2654435761 % 4294967296) % (stop - start)
        spare = np.arange(count) >= (top_stop - top_start)  # more paths than tops: later ones take any parent
        paths[:, level] = np.where(spare, start + _popular(rng, stop - start, count), parent)
    return np.unique(paths, axis=0)


def _prefixes(paths: Integers) -> pa.Table:
    """Every distinct prefix of every path: its name, its parent's name, its layer and depth."""
    columns: dict[str, list[Integers]] = {"key": [], "parent": [], "layer": [], "depth": []}
    keys = np.zeros(len(paths), dtype=np.int64)
    for level in range(DEPTH):
        # a path prefix is numbered by its rank among distinct (parent prefix, layer) pairs of the level
        pairs = np.stack([keys, paths[:, level]], axis=1)
        distinct, inverse = np.unique(pairs, axis=0, return_inverse=True)
        inverse = inverse.reshape(-1)
        numbers = np.arange(len(distinct)) + (level + 1) * 1_000_000_000
        columns["key"].append(numbers)
        columns["parent"].append(distinct[:, 0])
        columns["layer"].append(distinct[:, 1])
        columns["depth"].append(np.full(len(distinct), level + 1))
        keys = numbers[inverse]
    return pa.table({name: np.concatenate(parts) for name, parts in columns.items()})


def _packages(rng: np.random.Generator, levels: list[tuple[int, int]], size: Size) -> pa.Table:
    """(layer, ordinal, package number, system): which package records each layer holds."""
    counts = np.where(rng.random(size.layers) < 0.5, rng.exponential(size.packages, size.layers), 0).astype(np.int64)
    system = np.zeros(size.layers, dtype=bool)
    system[slice(*levels[0])] = True
    second = np.arange(*levels[1])
    system[second[second % 3 == 0]] = True
    counts[system] = rng.integers(80, 160, int(system.sum()))
    layer = np.repeat(np.arange(size.layers), counts)
    ordinal = np.arange(len(layer)) - np.repeat(np.cumsum(counts) - counts, counts)
    number = _popular(rng, max(1000, size.layers * 5), len(layer))
    return pa.table({"layer": layer, "ordinal": ordinal, "number": number, "system": np.repeat(system, counts)})


def _sweep(size: Size) -> pa.Table:
    zeros = {n: [0] for n in ("images_failed", "images_deferred", "layers_reused", "bytes_pulled", "bytes_scanned")}
    return pa.table({
        "sweep_id": [SWEEP], "kind": ["sweep"], "estate": ["synthetic"], "started_at": [NOW], "finished_at": [NOW],
        "status": ["complete"], "images_total": [size.images], "images_ok": [size.images],
        "layers_total": [size.layers], "layers_scanned": [size.layers], "written_at": [NOW], **zeros,
    })  # fmt: skip


_LAYER = "'sha256:' || sha256('layer' || {})"
_PATH = "CASE WHEN system THEN 'var/lib/dpkg/status' ELSE 'app/node_modules/p' || number || '/package.json' END"

_PACKAGES = f"""
SELECT {_LAYER.format("layer")} AS layer_digest, 'synthetic-packages' AS task_id, {_PATH} AS source_path,
       number * 2 + system::INT AS package_id, CASE WHEN system THEN 'deb' ELSE 'npm' END AS ecosystem,
       'p' || number AS name, '1.' || number % 97 || '.0' AS version, CASE WHEN system THEN 'amd64' END AS arch,
       'pkg:' || CASE WHEN system THEN 'deb' ELSE 'npm' END || '/p' || number || '@1.' || number % 97 || '.0' AS purl
FROM (SELECT DISTINCT layer, number, system FROM drawn)"""

_SCANS = """
SELECT digest AS layer_digest, '{detector}' AS detector, '1' AS detector_version, 'synthetic-{detector}' AS task_id,
       1000000 AS size_bytes, 3000000 AS uncompressed_bytes, 1000 AS entries, 0.1 AS scan_seconds, 'ok' AS status,
       false AS final, TIMESTAMPTZ '2026-01-01' AS scanned_at
FROM layers"""

_SECRETS = """
SELECT digest AS layer_digest, 'synthetic-secrets' AS task_id, 'app/.env' AS path, 1 AS line, 1 AS end_line,
       'generic' AS rule_id, 'A key' AS title, 'high' AS severity, 'abcd… (40)' AS redacted,
       sha256(digest) AS fingerprint
FROM layers WHERE hash(digest) % 10 = 0"""

_CHAINED = f"""
SELECT key, parent, layer, depth, 'sha256:' || sha256('chain' || key) AS chain_id,
       {_LAYER.format("layer")} AS layer_digest
FROM prefixes"""

_CHAINS = """
SELECT chain_id, CASE WHEN depth > 1 THEN 'sha256:' || sha256('chain' || parent) END AS parent_id, layer_digest, depth,
       '1' AS version, 'synthetic' AS squash_id, 'debian' AS distro_id, '12' AS distro_version,
       'Debian 12' AS distro_name, 'Debian:12' AS os_namespace, TIMESTAMPTZ '2026-01-01' AS squashed_at
FROM chained"""

# A layer that rewrites the package database hides its parent's; one language package in a hundred of a parent is
# hidden by its child, another one owned.
_HIDDEN = f"""
WITH system AS (SELECT DISTINCT layer FROM drawn WHERE system)
SELECT c.chain_id, 'synthetic' AS squash_id, p.layer_digest, 'var/lib/dpkg/status' AS path, 'hidden' AS reason,
       'var/lib/dpkg/status' AS by
FROM chained c JOIN chained p ON p.key = c.parent
WHERE c.layer IN (FROM system) AND p.layer IN (FROM system)
UNION ALL
SELECT DISTINCT c.chain_id, 'synthetic', p.layer_digest, {_PATH},
       CASE number % 2 WHEN 0 THEN 'hidden' ELSE 'owned' END, 'x'
FROM chained c JOIN chained p ON p.key = c.parent JOIN drawn d ON d.layer = p.layer AND NOT d.system
WHERE hash(c.key, number) % 50 = 0"""

_FINDINGS = """
WITH ids AS (SELECT DISTINCT number * 2 + system::INT AS package_id, system FROM drawn),
     drawn_ids AS (
       SELECT *, unnest(range((hash(package_id) % (1 + 4 * {density}::DOUBLE)::BIGINT)::BIGINT)) AS k FROM ids)
SELECT '{match}' AS match_id, package_id, CASE WHEN system THEN 'Debian:12' ELSE 'npm' END AS namespace,
       'CVE-2025-' || (hash(package_id, k) % 40000) AS vuln_id, []::VARCHAR[] AS aliases,
       ['CVE-2025-' || (hash(package_id, k) % 40000)] AS advisories, 'fixed' AS state,
       CASE WHEN k % 2 = 0 THEN '9.9.9' END AS fixed_version,
       ['critical', 'high', 'medium', 'low', 'negligible', 'unknown'][(hash(package_id, k) % 6)::INT + 1] AS severity,
       hash(package_id, k) % 100 = 0 AS kev
FROM (SELECT DISTINCT * FROM drawn_ids)"""

_TOPS = """
WITH RECURSIVE walk AS (
  SELECT path, 1 AS depth, key, steps FROM paths JOIN chained ON depth = 1 AND layer = steps[1]
  UNION ALL
  SELECT path, w.depth + 1, c.key, steps FROM walk w
  JOIN chained c ON c.parent = w.key AND c.layer = steps[w.depth + 1] AND c.depth = w.depth + 1)
SELECT path, walk.depth, chain_id, layer_digest FROM walk JOIN chained USING (key)"""

_IMAGES = """
SELECT '{sweep}' AS sweep_id, 'registry.example' AS registry, 'team' || n % 1000 || '/app' || n // 10 AS repository,
       'v' || n % 10 AS tag, 'sha256:' || sha256('image' || n) AS digest,
       'sha256:' || sha256('image' || n) AS ref_digest,
       'linux' AS os, 'amd64' AS arch, TIMESTAMPTZ '2025-12-01' AS created, 8000000 AS size_bytes,
       {depth}::INTEGER AS layer_count, 'ok' AS status, 1.0 AS coverage, TIMESTAMPTZ '2026-01-01' AS scanned_at
FROM chosen"""

_IMAGE_LAYERS = """
SELECT 'sha256:' || sha256('image' || n) AS digest, (depth - 1)::INTEGER AS ordinal, layer_digest, chain_id,
       1000000 AS size_bytes
FROM chosen JOIN tops USING (path)"""


def _tables(counts: dict[str, int]) -> Iterator[str]:
    for name, count in counts.items():
        yield f"{name:>14} {count:>12,}"


def main() -> None:
    """Command line; see the module's docstring."""
    parser = argparse.ArgumentParser(description="write a synthetic lake")
    parser.add_argument("lake")
    for name, kind in Size.__annotations__.items():
        parser.add_argument(f"--{name}", type=float if kind == "float" else int, default=getattr(Size(), name))
    arguments = vars(parser.parse_args())
    started = time.monotonic()
    counts = build(Lake.open(arguments.pop("lake"), create=True), Size(**arguments))
    print("\n".join(_tables(counts)), f"\n{time.monotonic() - started:.1f} s")


if __name__ == "__main__":
    main()

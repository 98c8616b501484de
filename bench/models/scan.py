"""A layer scan of every layer of an image, beside the floor: what inflating and hashing the same blobs costs.

Both run in turns in one process on one core; each figure is the median of its turns.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path

from isal import isal_zlib

from bench.images import JARS, PLANTED, Made, blob_paths, make
from bench.models import Outcome, Work, clock, median, one_core
from grid.detectors import detectors
from grid.estate import Estate
from grid.layers.scan import scan_layer
from grid.model import LINUX_AMD64, SBOM
from grid.registries import Access, Registry, connect

CHUNK = 1 << 18
GB = 1e9


def measure(work: Work) -> Outcome:
    """CPU per uncompressed GB of the scan and of both floors; what the scan found."""
    made = make(work.size, work.folder, java=work.parameters.get("java", False))
    one_core()
    registry = connect(Access("oci", made.layout))
    (repository,) = registry.repositories()
    (tag,) = registry.tags(repository) or ("",)
    (image,) = registry.resolve(repository, tag, (LINUX_AMD64,))
    paths = blob_paths(made.layout, [layer.digest for layer in image.layers])
    chosen = detectors(Estate().detector_names)
    found = _scan(registry, repository, image.layers, chosen)  # once before the clock runs: rules are compiled here
    floors: dict[bool, list[float]] = {False: [], True: []}
    scans: list[float] = []
    walls: list[float] = []
    for _ in range(work["turns"]):
        for verified, told in floors.items():
            with clock() as floor:
                inflated = sum(_floor(path, verified) for path in paths)
            told.append(floor.cpu)
        with clock() as scan:
            again = _scan(registry, repository, image.layers, chosen)
        scans.append(scan.cpu)
        walls.append(scan.wall)
        if again != found:
            raise RuntimeError("two scans of one image differ")
    return _outcome(made, found, inflated, scans, walls, floors)


def _outcome(
    made: Made,
    found: Counter[str],
    inflated: int,
    scans: list[float],
    walls: list[float],
    floors: dict[bool, list[float]],
) -> Outcome:
    scan, bare, verified = median(scans), median(floors[False]), median(floors[True])
    size = inflated / GB
    return Outcome(
        counts={**{name: found[name] for name in made.wanted}, "bytes": inflated},
        wanted={**made.wanted, "bytes": found["bytes"]},
        figures={
            "cpu_per_gb": scan / size,
            "ratio": scan / verified,
            "ratio_bare": scan / bare,
            "floor_per_gb": verified / size,
            "bare_per_gb": bare / size,
            "wall_per_gb": median(walls) / size,
            "gb": size,
            "text": made.text * 100,
            "layers": found["layers"],
            "entries": found["entries"],
            "secrets": found["secrets"],
        },
        notes=[*made.notes, f"{found['entries']:,} entries, {found['secrets']:,} secrets"],
    )


def _scan(registry: Registry, repository: str, layers: tuple, chosen: tuple) -> Counter[str]:  # type: ignore[type-arg]
    counts: Counter[str] = Counter()
    files: set[str] = set()
    for layer in layers:
        with registry.open_blob(repository, layer) as chunks:
            facts = scan_layer(chunks, layer, chosen)
        packages = facts.tables["packages"].select(["ecosystem", "found_as", "source_path"]).to_pylist()
        counts["jars"] += sum(row["ecosystem"] == "maven" and row["source_path"].startswith(JARS) for row in packages)
        counts.update(row["ecosystem"] for row in packages if row["found_as"] != SBOM)  # named by another's record
        secrets = facts.tables["secrets"]["path"].to_pylist()
        files.update(path for path in secrets if path.startswith(PLANTED + "/"))
        counts["secrets"] += len(secrets)
        counts["entries"] += facts.stats.entries
        counts["bytes"] += facts.stats.uncompressed_bytes
        counts["layers"] += 1
    counts["planted"] = len(files)
    return counts


def _floor(path: Path, verified: bool) -> int:
    """What a tool cannot do without: the blob's hash and its inflation, and the hash of that if it verifies both."""
    stored, whole = hashlib.sha256(), hashlib.sha256()
    machine = isal_zlib.decompressobj(31)
    size = 0
    with path.open("rb") as stream:
        while piece := stream.read(CHUNK):
            stored.update(piece)
            out = machine.decompress(piece)
            size += len(out)
            if verified:
                whole.update(out)
    return size

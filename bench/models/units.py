"""Small things that run often: the hash of what was inflated, version keys, secrets in text, programs by content."""

from __future__ import annotations

import hashlib
import random

from isal import isal_zlib

from bench.images import planted
from bench.models import Outcome, Work, clock, median, one_core
from grid.detectors import detectors
from grid.detectors.packages import Packages
from grid.ecosystems import ALL, Ecosystem
from grid.ecosystems._programs import programs
from grid.errors import VersionInvalid
from grid.layers.blob import PIECE, hash_into
from grid.testing import files_batch

MB = 1_000_000


def measure(work: Work) -> Outcome:
    """``what``: ``hash``, ``keys``, ``secrets`` or ``programs``."""
    one_core()
    return {"hash": _hash, "keys": _keys, "secrets": _secrets, "programs": _programs}[work["what"]](work)


def _hash(work: Work) -> Outcome:
    data = random.Random(4).randbytes(PIECE)  # noqa: S311 - the same in every run
    packed = isal_zlib.compress(data[:4096] * 16)
    states = {"plain": hashlib.sha256(), "ours": hashlib.sha256()}
    times: dict[str, list[float]] = {"plain": [], "ours": []}
    for _ in range(work["turns"]):
        for name, state in states.items():
            taken = 0.0
            for _ in range(work["pieces"]):
                isal_zlib.decompress(packed)
                with clock() as told:
                    if name == "plain":
                        state.update(data)
                    else:
                        hash_into(state, data)
                taken += told.cpu
            times[name].append(taken)
    rates = {name: work["pieces"] * PIECE / MB / median(taken) for name, taken in times.items()}
    return Outcome(
        counts={"equal": int(states["plain"].digest() == states["ours"].digest())},
        wanted={"equal": 1},
        figures={"gain": rates["ours"] / rates["plain"], **rates},
    )


def _keys(work: Work) -> Outcome:
    versions = work["versions"]
    rng = random.Random(1)  # noqa: S311 - the same in every run
    figures, ordered = {}, 0
    ordered_ones = [ecosystem for ecosystem in ALL if _orders(ecosystem)]
    for ecosystem in ordered_ones:
        made = [f"{rng.randrange(30)}.{rng.randrange(100)}.{rng.randrange(100)}" for _ in range(versions)]
        with clock() as told:
            keys = [ecosystem.key(version) for version in made]
        figures[ecosystem.name] = versions / told.cpu
        by_key = [version for _, version in sorted(zip(keys, made, strict=True))]
        ordered += by_key == sorted(made, key=lambda v: ([int(part) for part in v.split(".")], v))
    slowest = min(figures, key=lambda name: figures[name])
    return Outcome(
        counts={"ecosystems": len(figures), "in_order": ordered},
        wanted={"ecosystems": len(ordered_ones), "in_order": len(ordered_ones)},
        figures={"slowest": figures[slowest]},
        notes=["version keys a second: " + ", ".join(f"{name} {rate:,.0f}" for name, rate in figures.items())],
    )


def _orders(ecosystem: Ecosystem) -> bool:
    """Whether it has an order of versions at all: what an SBOM names without saying its kind has none."""
    try:
        return bool(ecosystem.key("1.0.0"))
    except VersionInvalid:
        return False


def _secrets(work: Work) -> Outcome:
    (detector,) = detectors(["secrets"])
    dice = random.Random(2)  # noqa: S311 - the same in every run
    words = ["".join(dice.choices("abcdefghijklmnopqrstuvwxyz_.", k=dice.randrange(2, 12))) for _ in range(5000)]
    rows = [(f"f{n}.txt", (" ".join(dice.choices(words, k=4000))).encode()) for n in range(work["files"])]
    size = sum(len(content) for _, content in rows)
    batch = files_batch([*rows, *((path, text.encode()) for path, text in planted().items())])
    detector.detect(files_batch([("warm", b"nothing")]))
    times, found = [], set()
    for _ in range(work["turns"]):
        with clock() as told:
            facts = detector.detect(batch)
        times.append(told.cpu)
        found = set(facts.column("path").to_pylist())
    return Outcome(
        counts={"files_with_secrets": len(found)},
        wanted={"files_with_secrets": len(planted())},
        figures={"rate": size / MB / median(times), "mb": size / MB},
    )


def _programs(work: Work) -> Outcome:
    dice = random.Random(3)  # noqa: S311 - the same in every run
    rows = []
    for program in programs().programs:
        content, version = program.samples()[0]
        noise = b"" if program.text else dice.randbytes(work["bytes"])
        rows.append((f"opt/{program.id}/{program.file_name(version)}", content + noise))
    size = sum(len(content) for _, content in rows)
    batch = files_batch(rows, mode=0o100755)
    managed = Packages(ecosystems=tuple(e for e in ALL if not e.unmanaged))
    times: dict[str, list[float]] = {"with": [], "without": []}
    found = Packages().detect(batch)
    for _ in range(work["turns"]):
        for name, detector in (("without", managed), ("with", Packages())):
            with clock() as told:
                facts = detector.detect(batch)
            times[name].append(told.cpu)
            found = facts if name == "with" else found
    gigabytes = size / MB / 1000
    both = {name: median(taken) / gigabytes for name, taken in times.items()}
    generic = {row["source_path"] for row in found.to_pylist() if row["ecosystem"] == "generic"}
    return Outcome(
        counts={"programs": len(generic)},
        wanted={"programs": len(rows)},
        figures={"extra": both["with"] - both["without"], "without": both["without"], "mb": size / MB},
    )

"""A sweep of an estate in which nothing changed, against a registry in a process of its own that counts requests."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import Any

from bench.models import Outcome, Work, clock, environment
from grid.database import open_database
from grid.driver import LocalExecutor
from grid.estate import parse_estate
from grid.store import Lake
from grid.sweep import sweep
from grid.testing import FakeRegistry, ImageBuilder, LayerBuilder, write_layout
from vulndb.build import build_sample

LAYERS = 40
TAGS = 20


def measure(work: Work) -> Outcome:
    """Images per second of the second sweep, and what the registry was asked."""
    images: int = work["images"]
    layout, lake_folder, database = (work.folder / f"nightly-{part}" for part in ("layout", "lake", "db"))
    for old in (lake_folder, database):
        shutil.rmtree(old, ignore_errors=True)
    _write(layout, images)
    database_ = open_database(build_sample(database))
    lake = Lake.open(lake_folder, create=True)
    arguments = work.folder / "nightly-serve.json"
    arguments.write_text(json.dumps({"layout": str(layout)}))
    command = [sys.executable, "-m", "bench", "call", "bench.models.nightly:serve", str(arguments)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment()
    ) as registry:
        try:
            address = _told(registry)["address"]
            estate = parse_estate(f"registries:\n  - name: bench\n    url: http://{address}\n")
            with clock() as first_clock:
                first = sweep(estate, lake, LocalExecutor(), database=database_)
            asked_first = _told(registry)
            with clock() as clocked:
                done = sweep(estate, lake, LocalExecutor(), database=database_)
            asked = _told(registry)
        finally:
            registry.stdin.close()  # type: ignore[union-attr]
    return Outcome(
        counts={
            "images": done.images.get("ok", 0),
            "images_first": first.images.get("ok", 0),
            "heads": asked.get("HEAD manifests", 0),
            "manifests": asked.get("GET manifests", 0),
            "blobs": asked.get("GET blobs", 0),
            "layers_scanned": done.layers_scanned,
        },
        wanted={"images": images, "images_first": images, "heads": images, "manifests": 0, "blobs": 0,
                "layers_scanned": 0},
        figures={
            "rate": images / clocked.wall,
            "first_rate": images / first_clock.wall,
            "seconds": clocked.wall,
            "cpu": clocked.cpu,
            "images": images,
            "listing": sum(n for what, n in asked.items() if what.endswith("listing")),
            "first_requests": sum(asked_first.values()),
        },
    )  # fmt: skip


def _write(layout: Path, images: int) -> None:
    """Images of three layers each out of a few, told apart by their configurations; in repositories of 20 tags."""
    if (layout / f"made-{images}").exists():
        return
    layers = [LayerBuilder().file("var/lib/dpkg/status", _stanza(n)).blob() for n in range(LAYERS)]
    write_layout(layout, {
        f"team{n // TAGS % 9}/app{n // TAGS}:v{n % TAGS}": ImageBuilder(
            *(layers[(n + step) % LAYERS] for step in range(3)), config={"Labels": {"n": str(n)}}
        )
        for n in range(images)
    })  # fmt: skip
    (layout / f"made-{images}").touch()


def _stanza(number: int) -> str:
    return f"Package: lib{number}\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1.{number}\n"


def _told(registry: subprocess.Popen[str]) -> dict[str, Any]:
    assert registry.stdin is not None and registry.stdout is not None
    registry.stdin.write("\n")
    registry.stdin.flush()
    told: dict[str, Any] = json.loads(registry.stdout.readline())
    return told


def serve(layout: str) -> dict[str, Any]:
    """The registry's process: for each line on its input, a line of what was asked since the last; ends with it.

    The first answer is its address.
    """
    registry = FakeRegistry.from_layout(Path(layout))
    lock = threading.Lock()
    with registry:
        for number, _ in enumerate(sys.stdin):
            with lock:
                seen, registry.log = registry.log, []
            asked = Counter(f"{one.method} {_kind(one.path)}" for one in seen)
            print(json.dumps(asked if number else {"address": registry.address}), flush=True)
    return {}


def _kind(path: str) -> str:
    for kind in ("manifests", "blobs"):
        if f"/{kind}/" in path:
            return kind
    return "listing"

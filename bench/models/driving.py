"""Ray: what a layer task costs the driver, and what a second worker gives."""

from __future__ import annotations

import multiprocessing
import os
import random
import shutil
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from isal import isal_zlib

from bench.models import Absent, Outcome, Work, clock, in_child
from grid.driver import RayExecutor, run_task, versions
from grid.layers.scan import ENTRIES_VERSION
from grid.model import Layer, Limits
from grid.plan import LayerTask, Source, plan
from grid.registries import Access
from grid.store import Lake
from grid.testing import BuiltLayer, ImageBuilder, LayerBuilder, built_layer, write_layout

MB = 1_000_000


def measure(work: Work) -> Outcome:
    """``what``: ``cost`` (many tasks of one tiny layer each) or ``speed_up`` (few large layers, 1 and 2 workers)."""
    if work["what"] == "cost":
        return _cost(work)
    return _speed_up(work)


# --- cost ----------------------------------------------------------------------------------------


def _cost(work: Work) -> Outcome:
    tasks: int = work["tasks"]
    layout = _layout(work.folder / f"tiny-{tasks}", [_tiny(n) for n in range(tasks)])
    told = in_child("bench.models.driving:cost", {**layout, "lake": _fresh(work.folder / "driver-lake")})
    return Outcome(
        counts={"tasks": told["tasks"], "outcomes": told["outcomes"], "errors": told["errors"], "rows": told["rows"]},
        wanted={"tasks": tasks, "outcomes": tasks, "errors": 0, "rows": tasks},
        figures={
            "cost": told["cpu"] / tasks * 1e3,
            "wall": told["wall"] / tasks * 1e3,
            "tasks": tasks,
            "workers": told["workers"],
        },
        notes=[f"{told['cpu_alone'] / told['alone'] * 1e3:.2f} ms for a task that travels alone"],
    )


def cost(layout: str, layers: list[list[Any]], lake: str) -> dict[str, Any]:
    """Run a task a layer on two workers and add up this process's CPU: the driver's; also if each is a call of Ray."""
    Lake.open(lake, create=True)
    tasks = [one for task in _tasks(layout, layers, lake, {"entries": ENTRIES_VERSION}, 2) for one in task.split()]
    executor = RayExecutor(num_cpus=2)
    try:
        list(executor.run(_again(tasks[:64], "warm")))
        with clock() as told:
            outcomes = list(executor.run(tasks))
        with clock() as single:
            alone = list(RayExecutor(hand_layers=1).run(_again(tasks[: max(1, len(tasks) // 5)], "alone")))
    finally:
        executor.close()
    marks = Lake.open(lake).scanned()
    errors = sum(bool(o.error_code) for o in [*outcomes, *alone])
    return {"tasks": len(tasks), "outcomes": len(outcomes), "errors": errors, "rows": len(marks),
            "cpu": told.cpu, "wall": told.wall, "workers": executor.workers,
            "alone": len(alone), "cpu_alone": single.cpu}  # fmt: skip


def _tiny(number: int) -> BuiltLayer:
    return LayerBuilder().file(f"f{number}", str(number)).blob()


# --- speed-up ------------------------------------------------------------------------------------


def _speed_up(work: Work) -> Outcome:
    if work.size == "full" and _cores() < 2:
        raise Absent("this machine has one core")
    layout = _layout(work.folder / f"big-{work['layers']}", _big(work["layers"], work["layer_mb"]))
    told: dict[int, dict[str, Any]] = {}
    plain: dict[int, dict[str, Any]] = {}
    for workers in (1, 2):
        for function, results in (("ray_with", told), ("pool_with", plain)):
            if function == "pool_with" and not work["plain"]:
                continue
            arguments = {**layout, "lake": _fresh(work.folder / "driver-lake"), "workers": workers}
            results[workers] = in_child(f"bench.models.driving:{function}", {**arguments, "repeats": work["repeats"]})
    return Outcome(
        counts={f"{name}_{n}": told[n][name] for n in told for name in ("outcomes", "errors", "bytes")},
        wanted={f"{name}_{n}": value for n in told for name, value in
                (("outcomes", work["layers"] * work["repeats"]), ("errors", 0), ("bytes", told[1]["bytes"]))},
        figures={
            "speed_up": told[1]["wall"] / told[2]["wall"],
            "machine": plain[1]["wall"] / plain[2]["wall"] if plain else 0.0,
            "one": told[1]["wall"],
            "two": told[2]["wall"],
            "gb": told[1]["bytes"] / 1e9,
            "rate": told[2]["bytes"] / MB / told[2]["wall"],
        },
    )  # fmt: skip


def ray_with(layout: str, layers: list[list[Any]], lake: str, workers: int, repeats: int) -> dict[str, Any]:
    """All layers, some times over, on so many workers, which have run all of them before the clock runs."""
    Lake.open(lake, create=True)
    tasks = _tasks(layout, layers, lake, versions(DETECTORS), 2)
    executor = RayExecutor(num_cpus=workers)
    try:
        list(executor.run(_again(tasks, "warm")))
        with clock() as told:
            outcomes = list(executor.run(_repeated(tasks, repeats)))
    finally:
        executor.close()
    return _summed(outcomes, told.wall)


def pool_with(layout: str, layers: list[list[Any]], lake: str, workers: int, repeats: int) -> dict[str, Any]:
    """The same in plain processes, which know nothing of Ray: what the machine's cores give."""
    Lake.open(lake, create=True)
    tasks = _tasks(layout, layers, lake, versions(DETECTORS), 2)
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        list(pool.map(run_task, _again(tasks, "warm")))
        with clock() as told:
            outcomes = [outcome for done in pool.map(run_task, _repeated(tasks, repeats)) for outcome in done]
    return _summed(outcomes, told.wall)


def _again(tasks: list[LayerTask], name: str) -> list[LayerTask]:
    """The same work under other names."""
    return [replace(task, task_id=f"{name}-{number}") for number, task in enumerate(tasks)]


def _repeated(tasks: list[LayerTask], repeats: int) -> list[LayerTask]:
    return [task for turn in range(repeats) for task in _again(tasks, f"turn-{turn}")]


DETECTORS = ("packages", "owned_files", "distros", "secrets")


def _summed(outcomes: list[Any], wall: float) -> dict[str, Any]:
    return {"outcomes": len(outcomes), "errors": sum(bool(o.error_code) for o in outcomes), "wall": wall,
            "bytes": sum(o.uncompressed_bytes for o in outcomes)}  # fmt: skip


def _big(count: int, megabytes: int) -> list[BuiltLayer]:
    """Layers of text and noise in files of several sizes, all of one size in sum."""
    dice = random.Random(3)  # noqa: S311 - the same in every run
    text = " ".join(dice.choices(["value", "return", "import", "path", "=", "0", "none", "\n"], k=200_000)).encode()
    layers = []
    for number in range(count):
        layer = LayerBuilder()
        for file in range(megabytes):
            start = dice.randrange(len(text) - 600_000)
            layer.file(f"d{number}/f{file}.txt", text[start : start + 600_000])
            layer.file(f"d{number}/f{file}.bin", dice.randbytes(MB - 600_000))
        tar = layer.tar()
        layers.append(built_layer(tar, data=isal_zlib.compress(tar, 1, 31)))
    return layers


# --- both ----------------------------------------------------------------------------------------


def _layout(folder: Path, layers: list[BuiltLayer]) -> dict[str, Any]:
    write_layout(folder, {"": ImageBuilder(*layers)})
    return {"layout": str(folder), "layers": [[x.digest, x.size, x.media_type, x.diff_id] for x in layers]}


def _tasks(layout: str, layers: list[list[Any]], lake: str, detectors: dict[str, str], workers: int) -> list[LayerTask]:
    source = Source(Access("oci", layout), "")
    wanted = [(Layer(*layer), source) for layer in layers]
    return list(plan(wanted, {}, detectors, lake, Limits(), workers=workers).tasks)


def _fresh(folder: Path) -> str:
    shutil.rmtree(folder, ignore_errors=True)
    return str(folder)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

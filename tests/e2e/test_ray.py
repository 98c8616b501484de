"""The cluster that a sweep starts: whom it listens to, and what the death of a worker costs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
import pytest

from grid.driver import HAND_LAYERS, Outcome, RayExecutor, run_task, versions
from grid.errors import LakeError
from grid.model import Layer, Limits
from grid.plan import Item, LayerTask, Source, plan
from grid.registries import Access
from grid.store import Lake
from grid.testing import ImageBuilder, LayerBuilder, write_layout

pytestmark = pytest.mark.ray

DETECTORS = ("packages", "owned_files", "distros", "secrets")


def cluster() -> list[psutil.Process]:
    """The processes of the cluster that this process has started."""
    return [p for p in psutil.Process().children(recursive=True) if p.status() != psutil.STATUS_ZOMBIE]


def test_the_cluster_listens_on_loopback_only(ray_executor: RayExecutor) -> None:
    listening = {
        connection.laddr.ip.removeprefix("::ffff:")
        for process in [psutil.Process(), *cluster()]
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }
    assert listening and listening <= {"127.0.0.1", "::1"}


def test_the_cluster_has_no_dashboard(ray_executor: RayExecutor) -> None:
    commands = [" ".join(process.cmdline()) for process in cluster()]
    assert any("gcs_server" in command for command in commands)
    assert not any("dashboard.py" in c and "--minimal" not in c for c in commands)


def test_who_has_no_token_is_turned_away(ray_executor: RayExecutor) -> None:
    import ray

    servers = [p for p in cluster() if "gcs_server" in p.name()]
    assert [p.environ().get("RAY_AUTH_MODE") for p in servers] == ["token"]
    address = ray.get_runtime_context().gcs_address
    environment = {k: v for k, v in os.environ.items() if not k.startswith("RAY_")}
    ask = [
        sys.executable,
        "-c",
        f"import ray._raylet as r; print(r.GcsClient(address={address!r}).get_all_node_info())",
    ]
    without = subprocess.run(ask, env=environment | {"RAY_AUTH_MODE": "disabled"}, capture_output=True, timeout=60)
    assert without.returncode != 0 and b"nauth" in without.stderr
    with_token = subprocess.run(ask, env=environment | {"RAY_AUTH_MODE": "token"}, capture_output=True, timeout=60)
    assert with_token.returncode == 0, with_token.stderr


# --- workers that die ----------------------------------------------------------------------------


def make_tasks(folder: Path, count: int) -> tuple[Lake, tuple[LayerTask, ...], list[Layer]]:
    """One task with all layers."""
    lake = Lake.open(folder / "lake", create=True)
    layers = [LayerBuilder().file(f"srv/{n}", b"content").blob() for n in range(count)]
    write_layout(folder / "images", {"app:1": ImageBuilder(*layers)})
    source = Source(Access("oci", str(folder / "images")), "app")
    wanted = [(layer.layer, source) for layer in layers]
    work = plan(wanted, {}, versions(DETECTORS), lake.uri, Limits())
    merged = LayerTask(
        tuple(item for task in work.tasks for item in task.items), DETECTORS, lake.uri, Limits(), "all-in-one"
    )
    return lake, (merged,), [layer for layer, _ in wanted]


def test_a_layer_that_kills_its_worker_fails_alone(ray_executor: RayExecutor, tmp_path: Path) -> None:
    lake, tasks, layers = make_tasks(tmp_path, 5)
    deadly = layers[2].digest

    def work(task: LayerTask) -> list[Outcome]:
        if any(item.layer.digest == deadly for item in task.items):
            os.kill(os.getpid(), signal.SIGKILL)
        return run_task(task)

    outcomes = {o.digest: o.error_code for o in RayExecutor(work=work).run(tasks)}
    assert outcomes == {layer.digest: "WorkerLost" if layer.digest == deadly else "" for layer in layers}
    marks = lake.read("layer_scans", ["layer_digest", "detector", "status", "error_code"]).to_pylist()
    assert {m["layer_digest"]: (m["status"], m["error_code"]) for m in marks} == {
        layer.digest: ("failed", "WorkerLost") if layer.digest == deadly else ("ok", None) for layer in layers
    }
    assert (deadly, "entries", versions(())["entries"]) not in lake.scanned()  # tried again by the next sweep


def test_a_worker_that_dies_once_costs_nothing(ray_executor: RayExecutor, tmp_path: Path) -> None:
    _, tasks, layers = make_tasks(tmp_path, 3)
    died = str(tmp_path / "died")

    def work(task: LayerTask) -> list[Outcome]:
        if not os.path.exists(died):
            open(died, "w").close()
            os._exit(1)
        return run_task(task)

    outcomes = list(RayExecutor(work=work).run(tasks))
    assert sorted(o.digest for o in outcomes) == sorted(layer.digest for layer in layers)
    assert not any(o.error_code for o in outcomes)


def test_a_fault_of_the_lake_ends_the_sweep_and_is_said_aloud(ray_executor: RayExecutor, tmp_path: Path) -> None:
    _, tasks, _ = make_tasks(tmp_path, 1)

    def work(task: LayerTask) -> list[Outcome]:
        raise LakeError("the disk is full")

    with pytest.raises(LakeError, match="the disk is full"):
        list(RayExecutor(work=work).run(tasks))


def test_a_layer_that_kills_its_worker_fails_alone_among_short_tasks(ray_executor: RayExecutor, tmp_path: Path) -> None:
    _, (task,), layers = make_tasks(tmp_path, 24)
    deadly = layers[20].digest

    def work(task: LayerTask) -> list[Outcome]:
        if task.items[0].layer.digest == deadly:
            os.kill(os.getpid(), signal.SIGKILL)
        return [Outcome(task.items[0].layer.digest, 1, 1, 0.0)]

    # no length: so many at once that one of several ends at the deadly one
    outcomes = list(RayExecutor(work=work).run(iter(task.split())))
    assert sorted(o.digest for o in outcomes) == sorted(layer.digest for layer in layers)
    assert {o.digest: o.error_code for o in outcomes if o.error_code} == {deadly: "WorkerLost"}


# --- what is under way ---------------------------------------------------------------------------


def most_under_way(executor: RayExecutor, tasks: Sequence[LayerTask], *, told: bool) -> int:
    """Run the tasks, and the most of them that were under way at once; ``told``: the executor knows how many come."""
    handed_out = most = 0

    class Counted(Sequence[LayerTask]):
        def __len__(self) -> int:
            return len(tasks)

        def __getitem__(self, place: Any) -> Any:
            return tasks[place]

        def __iter__(self) -> Iterator[LayerTask]:
            nonlocal handed_out
            for task in tasks:
                handed_out += 1
                yield task

    done = 0
    for done, _ in enumerate(executor.run(Counted() if told else iter(Counted())), 1):
        most = max(most, handed_out - done)
    assert handed_out == done == len(tasks)
    return most


def lasting(seconds: float = 0.0) -> Callable[[LayerTask], list[Outcome]]:
    def work(task: LayerTask) -> list[Outcome]:
        time.sleep(seconds)
        return [Outcome(task.items[0].layer.digest, 1, 1, 0.0)]

    return work


def test_no_more_tasks_are_under_way_than_bounded(ray_executor: RayExecutor, tmp_path: Path) -> None:
    _, (task,), _ = make_tasks(tmp_path, 1)
    executor = RayExecutor(work=lasting())
    assert most_under_way(executor, [task] * 400, told=False) <= executor.workers * 2 * HAND_LAYERS
    singly = RayExecutor(work=lasting(), hand_layers=1)
    assert most_under_way(singly, [task] * 50, told=False) <= executor.workers * 2


def test_short_tasks_travel_together(ray_executor: RayExecutor, tmp_path: Path) -> None:
    _, (task,), _ = make_tasks(tmp_path, 1)
    executor = RayExecutor(work=lasting())
    assert most_under_way(executor, [task] * 200, told=True) > executor.workers * 4


def test_long_tasks_and_tasks_of_many_layers_travel_singly(ray_executor: RayExecutor, tmp_path: Path) -> None:
    _, (many,), _ = make_tasks(tmp_path, HAND_LAYERS)
    executor = RayExecutor(work=lasting())
    assert most_under_way(executor, [many] * 50, told=False) <= executor.workers * 2
    assert most_under_way(RayExecutor(work=lasting(0.3)), many.split()[:10], told=False) <= executor.workers * 2


def test_the_last_tasks_are_shared_out_evenly(ray_executor: RayExecutor, tmp_path: Path) -> None:
    _, (task,), _ = make_tasks(tmp_path, 1)
    executor = RayExecutor(work=lasting())
    assert most_under_way(executor, [task] * executor.workers * 4, told=True) <= executor.workers * 2


def test_a_task_reaches_its_worker_as_it_was_sent(ray_executor: RayExecutor, tmp_path: Path) -> None:
    _, (task,), _ = make_tasks(tmp_path, 3)
    item = task.items[0]
    layer = replace(item.layer, size=-1, created_by="RUN ü", urls=("https://example.org/",))
    source = Source(Access("docker", "r.example", "r", "env:R", True, "ca", True, 1.5), "a/b")
    sent = replace(
        task,
        items=(*task.items, Item(layer, (source, *item.sources))),
        limits=Limits(max_ratio=7),
        detectors=("secrets",),
        listing=False,
    )

    def work(task: LayerTask) -> list[Outcome]:
        return [Outcome("", 1, 2, 0.25, "code", repr(task))]

    assert list(RayExecutor(work=work).run([sent])) == [Outcome("", 1, 2, 0.25, "code", repr(sent))]


def test_a_sweep_that_is_given_up_leaves_no_task_behind(ray_executor: RayExecutor, tmp_path: Path) -> None:
    _, (task,), _ = make_tasks(tmp_path, 1)
    done, sleeping = tmp_path / "done", tmp_path / "sleeping"
    sleeping.mkdir()

    def work(task: LayerTask) -> list[Outcome]:
        if done.exists():
            (sleeping / str(os.getpid())).touch()
            time.sleep(600)
        done.touch()
        return [Outcome("", 0, 0, 0.0)]

    outcomes = RayExecutor(work=work).run([task] * 8)
    next(outcomes)
    while len(list(sleeping.iterdir())) < 2:
        time.sleep(0.05)
    outcomes.close()  # type: ignore[attr-defined]
    busy = [psutil.Process(int(path.name)) for path in sleeping.iterdir() if psutil.pid_exists(int(path.name))]
    _, alive = psutil.wait_procs(busy, timeout=20)
    assert not [process for process in alive if process.status() != psutil.STATUS_ZOMBIE]

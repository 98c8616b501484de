"""A sweep that is killed at any moment goes on when it is run again, and ends as if nothing had happened."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest

from grid.database import Database, open_database
from grid.demo import build_estate
from grid.driver import LocalExecutor
from grid.estate import load_estate
from grid.store import Lake
from grid.sweep import sweep
from grid.testing import FakeRegistry, ImageBuilder, LayerBuilder
from tests.e2e.cli import scangrid, start
from tests.e2e.lakes import content

IMAGES, LAYERS = 40, 60
SLOW = 0.06
"""Seconds before each blob: the sweep must last long enough to be killed in."""


@dataclass(frozen=True)
class Site:
    """A registry full of images, and the tables of a sweep that nobody disturbed."""

    registry: FakeRegistry
    folder: Path
    tables: dict[str, list[tuple[object, ...]]]
    mourners: list[psutil.Process]

    def estate(self) -> Path:
        path = self.folder / "estate.yaml"
        path.write_text(
            f"registries:\n  - name: site\n    url: http://{self.registry.address}\n    timeout: 5\n"
            f"database: {self.folder / 'db'}\n"
        )
        return path

    def arguments(self, lake: Path) -> list[str | Path]:
        return ["sweep", "-c", self.estate(), "--lake", lake, "--cpus", "2", "--quiet"]


def fill(registry: FakeRegistry) -> None:
    """Images of three to five of the layers each; texts that a compressor cannot shrink much, secrets and packages."""
    rng = random.Random(7)
    layers = []
    for n in range(LAYERS):
        layer = LayerBuilder().file(f"srv/{n}/noise.txt", rng.randbytes(rng.randrange(100_000, 400_000)).hex())
        layer.file(f"srv/{n}/.env", "GITHUB_TOKEN=gh" + "p_" + rng.randbytes(18).hex() + "\n")
        names = "\n".join(f"P:pkg{n}-{k}\nV:1.{k}-r0\nA:x86_64\no:pkg{n}\n" for k in range(5))
        names += f"\nP:busybox\nV:1.31.1-r{n}\nA:x86_64\no:busybox\n"
        layer.file("lib/apk/db/installed", names).file("etc/os-release", "ID=alpine\nVERSION_ID=3.12.0\n")
        if n % 3 == 0:
            layer.whiteout(f"srv/{(n * 7) % LAYERS}/.env")
        layers.append(layer.blob())
    for n in range(IMAGES):
        chosen = [layers[k] for k in {(n * 3 + k) % LAYERS for k in range(rng.randrange(3, 6))}]
        registry.add(f"shop/app{n % 8}", f"1.{n}", ImageBuilder(*chosen))


def copy_of(registry: FakeRegistry, port: int = 0) -> FakeRegistry:
    """Another registry with the same images."""
    copy = FakeRegistry(port=port)
    copy.repositories, copy.manifests, copy.blobs = registry.repositories, registry.manifests, registry.blobs
    return copy


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, database: Database) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    (folder / "db").symlink_to(database.path.parent.parent)
    registry = FakeRegistry()
    fill(registry)
    with registry:
        registry.fault("/blobs/", times=-1, delay=SLOW)
        site = Site(registry, folder, {}, [])
        estate = load_estate(site.estate())
        lake = Lake.open(folder / "undisturbed", create=True)
        done = sweep(estate, lake, LocalExecutor(), database=open_database(folder / "db"))
        assert done.green and done.layers_total == LAYERS and sum(done.images.values()) == IMAGES
        site.tables.update(content(lake))
        assert site.tables["vulnerabilities"] and site.tables["image_secrets"]
        yield site
    _, alive = psutil.wait_procs(site.mourners, timeout=75)
    assert not alive


def commits(lake: Path) -> dict[str, tuple[int, int]]:
    """The commit marks of the lake: file → (inode, time of its last change)."""
    found = {}
    for path in (lake / "layer_scans").glob("[!~.]*.parquet"):
        stat = path.stat()
        found[path.name] = (stat.st_ino, stat.st_mtime_ns)
    return found


def committed(lake: Path, least: int) -> bool:
    return len(commits(lake)) >= least


def wait_for(what: Callable[[], object], process: subprocess.Popen[bytes], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert process.poll() is None, f"the sweep ended too early: {process.returncode}"
        assert time.monotonic() < deadline
        time.sleep(0.005)


def kill_and_wait_for_its_cluster(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """SIGKILL; Ray's processes must end by themselves. Its two agents mourn for a minute: they are returned."""
    family: list[psutil.Process] = psutil.Process(process.pid).children(recursive=True)
    alive: list[psutil.Process]
    process.kill()
    process.wait()
    deadline = time.monotonic() + 20
    while True:
        _, alive = psutil.wait_procs(family, timeout=0.2)
        busy = [p for p in alive if not p.name().startswith(("ray::Dashboard", "ray::RuntimeEnv"))]
        if not busy:
            return alive
        assert time.monotonic() < deadline, busy


def check_whole(site: Site, lake: Path) -> None:
    opened = Lake.open(lake)
    assert content(opened) == site.tables
    assert [row["status"] for row in opened.read("sweeps").to_pylist()] == ["complete"]


@pytest.mark.ray
def test_a_driver_killed_again_and_again_goes_on_and_reads_no_committed_layer_again(site: Site, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    before: dict[str, tuple[int, int]] = {}
    for more in (0, 1, 3):
        process = start(*site.arguments(lake))
        if more == 0:
            wait_for(lambda: any((lake / "sweeps").glob("[!~.]*.parquet")), process)
        else:
            wait_for(partial(committed, lake, len(before) + more), process)
        site.mourners.extend(kill_and_wait_for_its_cluster(process))
        after = commits(lake)
        assert before.items() <= after.items()
        before = after
    assert before
    read = Lake.open(lake).read("layer_scans", ["layer_digest"]).to_pydict()["layer_digest"]
    asked = len(site.registry.requests("GET .*/blobs/"))
    assert scangrid(*site.arguments(lake)).returncode == 0
    left = LAYERS - len(set(read))
    assert 0 < left < LAYERS
    blobs = {seen.path.rpartition("/")[2] for seen in site.registry.requests("GET .*/blobs/")[asked:]}
    assert len(blobs) == left and not blobs & set(read)
    assert before.items() <= commits(lake).items()
    check_whole(site, lake)


@pytest.mark.ray
def test_a_killed_worker_costs_a_retry_and_nothing_else(site: Site, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    process = start(*site.arguments(lake))
    driver = psutil.Process(process.pid)

    def workers() -> list[psutil.Process]:
        found = []
        for child in driver.children(recursive=True):
            try:
                if "ray::run_task" in "".join(child.cmdline()):
                    found.append(child)
            except psutil.Error:
                continue
        return found

    for least in (1, 3):
        wait_for(partial(committed, lake, least), process)
        wait_for(workers, process)
        for worker in workers()[:1]:
            worker.kill()
    assert process.wait(60) == 0
    check_whole(site, lake)


@pytest.mark.ray
def test_a_registry_that_dies_fails_images_and_the_next_sweep_completes_them(site: Site, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    dying = copy_of(site.registry)
    dying.fault("/blobs/", times=-1, delay=SLOW)
    dead_site = Site(dying, tmp_path, site.tables, site.mourners)
    (tmp_path / "db").symlink_to(site.folder / "db")
    with dying:
        port = dying.port
        process = start(*dead_site.arguments(lake))
        wait_for(partial(committed, lake, 5), process)
        dying.stop()
        assert process.wait(120) == 3
    before = commits(lake)
    codes = Lake.open(lake).read("images", ["status", "error_code"]).to_pylist()
    assert len(codes) == IMAGES
    assert {(c["status"], c["error_code"]) for c in codes} <= {
        ("ok", None), ("failed", "NetworkConnectError"), ("incomplete", "NetworkConnectError"),
    }  # fmt: skip
    with copy_of(site.registry, port):
        assert scangrid(*dead_site.arguments(lake)).returncode == 0
    assert before.items() <= commits(lake).items()
    opened = Lake.open(lake)
    tables = content(opened)
    assert {k: v for k, v in tables.items() if k != "layer_scans"} == {
        k: v for k, v in site.tables.items() if k != "layer_scans"
    }
    assert [row["status"] for row in opened.read("sweeps").to_pylist()].count("complete") == 1


# --- every place where a crash can fall ----------------------------------------------------------


def sweep_and_die(estate: Path, lake: str, root: str, puts: int, torn: bool) -> None:
    """Sweep in this process and kill it at the ``puts``-th file, before it is published or just after."""
    publish = Path.replace
    left = puts

    def replace(self: Path, target: Path) -> Path:
        nonlocal left
        left -= 1
        if left == 0 and torn:
            os.kill(os.getpid(), signal.SIGKILL)
        result = publish(self, target)
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    Path.replace = replace  # type: ignore[method-assign, assignment]
    sweep(load_estate(estate), Lake.open(lake, create=True), LocalExecutor(), database=open_database(Path(root)))
    os._exit(0)


def test_a_crash_between_any_two_files_of_the_lake_is_mended_by_the_next_sweep(
    tmp_path: Path, database: Database
) -> None:
    estate = build_estate(tmp_path / "demo")
    whole = Lake.open(tmp_path / "whole", create=True)
    sweep(load_estate(estate), whole, LocalExecutor(), database=database)
    expected = content(whole)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.e2e.test_kill"])
    root = str(database.path.parent.parent)
    died, puts, torn = 0, 1, True
    while True:
        lake = tmp_path / f"lake{puts}"
        child = context.Process(target=sweep_and_die, args=(estate, str(lake), root, puts, torn))
        child.start()
        child.join(60)
        if child.exitcode == 0:
            break
        assert child.exitcode == -signal.SIGKILL
        died += 1
        done = sweep(load_estate(estate), Lake.open(lake, create=True), LocalExecutor(), database=database)
        assert dict(done.images) == {"ok": 10, "incomplete": 1, "unsupported": 1}, f"killed at file {puts}"
        assert content(Lake.open(lake)) == expected, f"killed at file {puts}"
        assert Lake.open(lake).read("sweeps").num_rows == 1
        puts, torn = puts + 9, not torn
    assert died > 4

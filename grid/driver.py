"""Running layer tasks: in this process or on Ray, behind one protocol.

The only module, beside the limiter and the jobs, that knows Ray. Workers write facts to the lake
themselves; what comes back is a few numbers a layer, so layer bytes never enter the object store.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from typing import Any, Protocol

from grid.detectors import Detector, detectors
from grid.errors import (
    BlobUnknown,
    DigestMismatch,
    GridError,
    LayerError,
    LayerTruncated,
    NetworkConnectError,
    WorkerLost,
)
from grid.layers.scan import ENTRIES_VERSION, LayerFacts, scan_layer
from grid.limiter import Limiter, LocalLimiter, RayLimiter
from grid.plan import Item, LayerTask, Source, under_limits
from grid.registries import Access, Registry, connect
from grid.store import Lake, LayerFailure

TRIES = 3
"""Times a layer is read when the fault is one that can pass. Broken connections are resumed below this."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one layer ended."""

    digest: str
    size_bytes: int
    uncompressed_bytes: int
    seconds: float
    error_code: str = ""
    error_message: str = ""


class Executor(Protocol):
    """Runs tasks; outcomes come in the order in which layers end."""

    workers: int

    def run(self, tasks: Iterable[LayerTask]) -> Iterator[Outcome]: ...

    def limiter(self, per_hour: Mapping[str, int | None]) -> Limiter: ...

    def close(self) -> None: ...


def versions(names: Iterable[str]) -> dict[str, str]:
    """Detector versions by name, with the listing itself as ``entries``: what the plan compares."""
    return {"entries": ENTRIES_VERSION} | {d.name: d.version for d in _detectors(tuple(names))}


@lru_cache(maxsize=8)
def _detectors(names: tuple[str, ...]) -> tuple[Detector, ...]:
    return detectors(names)


@lru_cache(maxsize=64)
def _registry(access: Access) -> Registry:
    return connect(access)  # one connection pool a process and registry


@lru_cache(maxsize=4)
def _lake(uri: str) -> Lake:
    return Lake.open(uri)


_silent: Counter[Access] = Counter()
"""How many layers in a row a registry did not answer for, as this worker has seen it."""

Work = Callable[[LayerTask], list[Outcome]]


def run_task(task: LayerTask) -> list[Outcome]:
    """Scan the layers of a task and commit their facts: what a worker does. Never raises on a bad layer."""
    lake = _lake(task.lake)
    for access in _silent:
        _silent[access] = 1
    results: list[LayerFacts | LayerFailure] = []
    outcomes: list[Outcome] = []
    for item in task.items:
        started = time.monotonic()
        try:
            facts = _scan(item, task)
            results.append(facts)
            stats = facts.stats
            outcomes.append(Outcome(item.layer.digest, stats.size_bytes, stats.uncompressed_bytes, stats.seconds))
        except GridError as error:
            results.append(LayerFailure(item.layer, error))
            seconds = time.monotonic() - started
            outcomes.append(Outcome(item.layer.digest, 0, 0, seconds, error.code, error.message))
    refused = [r for r in results if isinstance(r, LayerFailure) and r.error.of_limit]
    lake.commit(task.task_id, [r for r in results if r not in refused], _recorded(task))
    if refused:
        lake.commit(task.task_id, refused, under_limits(versions(task.detectors), task.limits))
    return outcomes


def _recorded(task: LayerTask) -> Mapping[str, str]:
    """What the facts of a task are recorded under."""
    ran = versions(task.detectors)
    return ran if task.listing else {name: version for name, version in ran.items() if name != "entries"}


def _scan(item: Item, task: LayerTask) -> LayerFacts:
    """Try the sources in turn; what can pass is tried again, what another source may have right goes there.

    A registry that has gone silent gets all tries for one layer, one for the next, and then one a task: otherwise
    a sweep would wait out its patience for every layer that the registry holds.
    """
    last: GridError | None = None
    for attempt in range(TRIES):
        retry = False
        for source in item.sources:
            access = source.access
            if _silent[access] > 1:
                last = last or NetworkConnectError("the registry does not answer", where=_place(source))
                continue
            try:
                with _registry(access).open_blob(source.repository, item.layer) as chunks:
                    facts = scan_layer(chunks, item.layer, _detectors(task.detectors), task.limits)
                _silent.pop(access, None)
                return facts
            except GridError as error:
                last = error.at(_place(source))
                if error.final:
                    raise
                if isinstance(error, NetworkConnectError):
                    final_try = _silent[access] or attempt + 1 == TRIES
                    _silent[access] += bool(final_try)
                    retry = retry or not final_try
                    continue
                _silent.pop(access, None)
                retry = retry or error.retryable
                if not (error.retryable or isinstance(error, BlobUnknown | DigestMismatch | LayerTruncated)):
                    raise
            except MemoryError:
                last = LayerError("the worker ran out of memory on this layer")
        if not retry:
            break
        if attempt + 1 < TRIES:
            time.sleep(min(5.0, last.retry_after if last and last.retry_after else 0.5 * 2**attempt))
    if last is None:
        raise BlobUnknown("no source holds the layer")
    raise last


def _place(source: Source) -> str:
    return f"{source.access.label}/{source.repository}".rstrip("/")


class LocalExecutor:
    """In this process, one layer after the other: what ``scan`` uses, and what developers debug with."""

    workers = 1

    def run(self, tasks: Iterable[LayerTask]) -> Iterator[Outcome]:
        for task in tasks:
            yield from run_task(task)

    def limiter(self, per_hour: Mapping[str, int | None]) -> Limiter:
        return LocalLimiter(per_hour)

    def close(self) -> None:
        return None


class RayExecutor:
    """On Ray: a cluster of its own on this machine, or the one at ``address``.

    A cluster that we start listens on loopback only, with token authentication on and no dashboard.
    ``work`` is what a worker does with a task; it must be picklable.
    """

    def __init__(
        self, address: str | None = None, *, num_cpus: int | None = None, ahead: int = 2, work: Work = run_task
    ) -> None:
        self._ray, self._started = join_ray(address, num_cpus=num_cpus)
        self._ahead = ahead
        self.workers = max(1, int(self._ray.cluster_resources().get("CPU", 1)))
        # Ray itself retries a task whose worker dies; the second loss is judged here
        self._task: Any = self._ray.remote(work).options(num_cpus=1, max_retries=1)

    def run(self, tasks: Iterable[LayerTask]) -> Iterator[Outcome]:
        """Keeps ``workers x ahead`` tasks under way and no more, however many there are."""
        ray = self._ray
        queue = iter(tasks)
        extra: list[LayerTask] = []
        running: dict[Any, LayerTask] = {}
        try:
            while True:
                while len(running) < self.workers * self._ahead:
                    task = extra.pop() if extra else next(queue, None)
                    if task is None:
                        break
                    running[self._task.remote(task)] = task
                if not running:
                    return
                done, _ = ray.wait(list(running), num_returns=1)
                for ref in done:
                    task = running.pop(ref)
                    try:
                        yield from ray.get(ref)
                    except ray.exceptions.RayTaskError as error:
                        # a bug or a lake that cannot be written: not the layers' fault, so say it aloud
                        cause = error.cause if isinstance(error.cause, GridError) else None
                        raise cause or LayerError(f"a layer task failed: {type(error.cause).__name__}") from None
                    except (ray.exceptions.RayError, OSError):
                        if len(task.items) > 1:
                            extra.extend(task.split())
                        else:
                            yield self._lost(task)
        finally:
            for ref in running:
                with suppress(Exception):
                    ray.cancel(ref, force=True)

    @staticmethod
    def _lost(task: LayerTask) -> Outcome:
        layer = task.items[0].layer
        error = WorkerLost("the worker that read this layer died more than once")
        Lake.open(task.lake).commit(task.task_id, [LayerFailure(layer, error)], _recorded(task))
        return Outcome(layer.digest, 0, 0, 0.0, error.code, error.message)

    def limiter(self, per_hour: Mapping[str, int | None]) -> Limiter:
        return RayLimiter(per_hour)

    def close(self) -> None:
        if self._started:
            self._ray.shutdown()


def join_ray(address: str | None = None, *, num_cpus: int | None = None) -> tuple[Any, bool]:
    """The module ``ray``, connected as ``RayExecutor`` says, and whether it was us who connected it."""
    # read by Ray when it is imported or started; a site's own setting wins
    os.environ.setdefault("RAY_AUTH_MODE", "token")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    if address is None:
        # without it Ray swaps 127.0.0.1 for the machine's public address and listens on all of them
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    import ray

    _see_environment()
    if ray.is_initialized():
        return ray, False
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "error"}
    if address is None:
        ray.init(
            address="local",
            num_cpus=num_cpus,
            include_dashboard=False,
            object_store_memory=100 * 1024 * 1024,
            _node_ip_address="127.0.0.1",
            **quiet,
        )
    else:
        ray.init(address=address, **quiet)
    return ray, True


def _see_environment() -> None:
    """Ray reads these settings once, when it is first imported: somebody may have done so before us."""
    with suppress(ImportError, AttributeError):
        from ray._private import ray_constants

        if os.environ.get("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER") == "0":
            ray_constants.ENABLE_RAY_CLUSTER = False
        import_module("ray._raylet").Config.initialize("")

"""Running layer tasks: in this process or on Ray, behind one protocol.

The only module, beside the limiter and the jobs, that knows Ray. Workers write facts to the lake
themselves; what comes back is a few numbers a layer, so layer bytes never enter the object store.
"""

from __future__ import annotations

import io
import os
import pickle
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sized
from contextlib import suppress
from dataclasses import dataclass, fields
from functools import lru_cache
from importlib import import_module
from operator import attrgetter
from typing import Any, Protocol

from grid.commits import LayerFailure
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
from grid.model import Layer, Limits
from grid.plan import Item, LayerTask, Source, under_limits
from grid.registries import Access, Registry, connect
from grid.store import Lake

TRIES = 3
"""Times a layer is read when the fault is one that can pass. Broken connections are resumed below this."""
HAND_LAYERS = 16
"""Short tasks go to a worker several at once, until they have so many layers: a call of Ray costs a millisecond."""
HAND_SECONDS = 0.5
"""And no more than take so long: the work that the death of a worker repeats, and the age of what a watcher sees."""


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
    ``work`` is what a worker does with a task; it must be picklable. ``hand_layers``: see ``HAND_LAYERS``.
    """

    def __init__(
        self,
        address: str | None = None,
        *,
        num_cpus: int | None = None,
        ahead: int = 2,
        hand_layers: int = HAND_LAYERS,
        work: Work = run_task,
    ) -> None:
        self._ray, self._started = join_ray(address, num_cpus=num_cpus)
        self._ahead = ahead
        self._hand_layers = hand_layers
        self.workers = max(1, int(self._ray.cluster_resources().get("CPU", 1)))
        # Ray itself retries a hand whose worker dies; the second loss is judged here
        self._work: Any = self._ray.remote(_on_worker(work)).options(num_cpus=1, max_retries=1)

    def run(self, tasks: Iterable[LayerTask]) -> Iterator[Outcome]:
        """Keeps ``workers x ahead`` hands of tasks under way and no more, however many there are."""
        ray = self._ray
        hands = _Hands(tasks, self.workers, self._hand_layers)
        running: dict[Any, tuple[LayerTask, ...]] = {}
        try:
            while True:
                while len(running) < self.workers * self._ahead and (hand := hands.deal()):
                    running[self._work.remote(_packed(hand))] = hand
                if not running:
                    return
                # asking costs by the number under way: in a large cluster some are taken at once, but none waits long
                done, _ = ray.wait(list(running), num_returns=1 + len(running) // 16, timeout=0.1)
                for ref in done:
                    hand = running.pop(ref)
                    try:
                        seconds, outcomes = pickle.loads(ray.get(ref))  # noqa: S301 - from our own workers
                    except ray.exceptions.RayTaskError as error:
                        # a bug or a lake that cannot be written: not the layers' fault, so say it aloud
                        cause = error.cause if isinstance(error.cause, GridError) else None
                        raise cause or LayerError(f"a layer task failed: {type(error.cause).__name__}") from None
                    except (ray.exceptions.RayError, OSError):
                        if not hands.again(hand):
                            yield self._lost(hand[0])
                    else:
                        hands.took(seconds / len(hand))
                        yield from outcomes
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


class _Hands:
    """Deals tasks in their order, several at once while they are short; near the end ever fewer, so that none waits."""

    def __init__(self, tasks: Iterable[LayerTask], workers: int, most_layers: int) -> None:
        self._queue = iter(tasks)
        self._left = len(tasks) if isinstance(tasks, Sized) else None
        self._workers = workers
        self._most_layers = most_layers
        self._alone: list[LayerTask] = []
        self._pace = HAND_SECONDS  # seconds a task; until one has ended they go singly

    def deal(self) -> tuple[LayerTask, ...]:
        """The next tasks for one worker; empty when there are none."""
        if self._alone:
            return (self._alone.pop(),)
        most = HAND_SECONDS / max(self._pace, 1e-6)
        if self._left is not None:
            most = min(most, self._left / (2 * self._workers))
        hand: list[LayerTask] = []
        layers = 0
        while not hand or (len(hand) + 1 <= most and layers < self._most_layers):
            task = next(self._queue, None)
            if task is None:
                break
            hand.append(task)
            layers += len(task.items)
        if self._left is not None:
            self._left -= len(hand)
        return tuple(hand)

    def took(self, seconds: float) -> None:
        """A task took so long. A slow one counts at once, a fast one by half: it may have been lucky."""
        self._pace = max(seconds, (self._pace + seconds) / 2)

    def again(self, hand: tuple[LayerTask, ...]) -> bool:
        """Try a hand again whose worker has died, in its parts; false if it has none."""
        parts = hand if len(hand) > 1 else hand[0].split()
        if len(parts) > 1:
            self._alone.extend(reversed(parts))
        return len(parts) > 1


def _on_worker(work: Work) -> Callable[[bytes], bytes]:
    def run_tasks(hand: bytes) -> bytes:
        started = time.monotonic()
        outcomes = [outcome for task in pickle.loads(hand) for outcome in work(task)]  # noqa: S301
        return _packed((time.monotonic() - started, outcomes))

    return run_tasks


def _packed(what: object) -> bytes:
    """Pickled here, for Ray's pickler and that of dataclasses run Python for each layer; bytes go as they are."""
    buffer = io.BytesIO()
    pickler = pickle.Pickler(buffer, pickle.HIGHEST_PROTOCOL)
    pickler.dispatch_table = _REDUCERS
    pickler.dump(what)
    return buffer.getvalue()


def _reducer(kind: type) -> Callable[[Any], tuple[type, tuple[Any, ...]]]:
    values = attrgetter(*(field.name for field in fields(kind)))
    return lambda one: (kind, values(one))


_REDUCERS: dict[type, Callable[[Any], Any]] = {
    kind: _reducer(kind) for kind in (LayerTask, Item, Layer, Source, Access, Limits, Outcome)
}


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

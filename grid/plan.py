"""What must be read, decided before anything is: pure functions from facts already known to layer tasks."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from grid.model import MIB, Layer, Limits
from grid.registries import Access
from grid.store import Known

TASK_BYTES = 64 * MIB
"""Small layers are packed up to this many compressed bytes, so that a task outweighs its overhead."""
TASK_LAYERS = 64
MAX_SOURCES = 3


@dataclass(frozen=True, slots=True)
class Source:
    """A place that holds a layer."""

    access: Access
    repository: str


@dataclass(frozen=True, slots=True)
class Item:
    """One layer of a task and where to read it, best place first."""

    layer: Layer
    sources: tuple[Source, ...]


@dataclass(frozen=True, slots=True)
class LayerTask:
    """The unit that an executor runs. It travels and is logged, so it names credentials and holds none."""

    items: tuple[Item, ...]
    detectors: tuple[str, ...]
    lake: str
    limits: Limits
    task_id: str
    listing: bool = True
    """Whether the layers' listings are to be kept: not where only a detector is missing."""

    @property
    def bytes(self) -> int:
        return sum(max(item.layer.size, 0) for item in self.items)

    def split(self) -> tuple[LayerTask, ...]:
        """One task a layer: when a task's worker dies, the layer that kills it must not fail the others."""
        return tuple(
            replace(self, items=(item,), task_id=_task_id([item.layer.digest], self.task_id)) for item in self.items
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """Tasks, largest first, and what they will cost."""

    tasks: tuple[LayerTask, ...]
    layers_total: int
    layers_reused: int
    known_failures: Mapping[str, Known]
    """Layers whose content is known to be bad: they are not read again."""

    @property
    def layers(self) -> int:
        return sum(len(task.items) for task in self.tasks)

    @property
    def bytes(self) -> int:
        return sum(task.bytes for task in self.tasks)


def plan(
    wanted: Iterable[tuple[Layer, Source]],
    known: Mapping[tuple[str, str, str], Known],
    versions: Mapping[str, str],
    lake: str,
    limits: Limits,
    *,
    workers: int = 1,
) -> Plan:
    """The layer tasks that are missing from the lake.

    ``wanted``: every layer of every image with a place that holds it, repeats allowed. ``known``: what the lake
    says of (layer digest, detector, detector version). ``versions``: the detectors to run, with ``entries``.
    """
    layers: dict[str, tuple[Layer, list[Source]]] = {}
    for layer, source in wanted:
        _, sources = layers.setdefault(layer.digest, (layer, []))
        if len(sources) < MAX_SOURCES and source not in sources:
            sources.append(source)

    limited = under_limits(versions, limits)["entries"]
    todo: dict[frozenset[str], list[Item]] = {}
    failures: dict[str, Known] = {}
    reused = 0
    for digest, (layer, sources) in layers.items():
        verdicts = {name: known.get((digest, name, version)) for name, version in versions.items()}
        refused = known.get((digest, "entries", limited))
        bad = next((v for v in (refused, *verdicts.values()) if v is not None and not v.ok), None)
        missing = frozenset(name for name, verdict in verdicts.items() if verdict is None)
        if bad is not None:
            failures[digest] = bad
            reused += 1
        elif not missing:
            reused += 1
        else:
            todo.setdefault(missing, []).append(Item(layer, tuple(sources)))

    tasks = [
        task for missing, items in todo.items() for task in _tasks(missing, items, versions, lake, limits, workers)
    ]
    tasks.sort(key=lambda task: -task.items[0].layer.size)
    return Plan(tuple(tasks), len(layers), reused, failures)


def _tasks(
    missing: frozenset[str],
    items: list[Item],
    versions: Mapping[str, str],
    lake: str,
    limits: Limits,
    workers: int,
) -> Iterable[LayerTask]:
    """The tasks of layers that lack the same detectors: only those run, a layer's other facts stand."""
    items.sort(key=lambda item: (-item.layer.size, item.layer.digest))
    detectors = tuple(name for name in versions if name in missing and name != "entries")
    salt = repr(sorted((name, version) for name, version in versions.items() if name in missing))
    for pack in _pack(items, workers):
        task_id = _task_id([item.layer.digest for item in pack], salt)
        yield LayerTask(pack, detectors, lake, limits, task_id, "entries" in missing)


def under_limits(versions: Mapping[str, str], limits: Limits) -> dict[str, str]:
    """The version under which a layer is recorded that only a limit refused: other limits know nothing of it."""
    return {"entries": f"{versions['entries']}+{limits.key}"}


def _pack(items: list[Item], workers: int) -> Iterable[tuple[Item, ...]]:
    """Largest first; a pack never grows so big that the last worker is left alone with it."""
    total = sum(max(item.layer.size, 0) for item in items)
    target = max(1, min(TASK_BYTES, total // (4 * workers)))
    pack: list[Item] = []
    size = 0
    for item in items:
        weight = max(item.layer.size, 0)
        if pack and (size + weight > target or len(pack) >= TASK_LAYERS):
            yield tuple(pack)
            pack, size = [], 0
        pack.append(item)
        size += weight
    if pack:
        yield tuple(pack)


def _task_id(digests: list[str], salt: str) -> str:
    """Named by content: the same work has the same id, so its files overwrite themselves."""
    return hashlib.sha256("\n".join([salt, *digests]).encode()).hexdigest()[:32]

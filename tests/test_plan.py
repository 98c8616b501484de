"""The plan: what must be read, largest first, packed, and nothing twice."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from grid.model import Layer, Limits
from grid.plan import MAX_SOURCES, TASK_BYTES, TASK_LAYERS, Plan, Source, plan, under_limits
from grid.registries import Access
from grid.store import Known

VERSIONS = {"entries": "1", "packages": "2"}


def layer(n: int, size: int = 1000) -> Layer:
    return Layer(f"sha256:{n:064x}", size, "application/vnd.oci.image.layer.v1.tar+gzip")


def source(repository: str = "app", host: str = "r.example") -> Source:
    return Source(Access("docker", host), repository)


def make(wanted: list[tuple[Layer, Source]], known: dict[tuple[str, str, str], Known] | None = None) -> Plan:
    return plan(wanted, known or {}, VERSIONS, "lake", Limits(), workers=2)


def test_a_layer_of_many_images_is_read_once_from_a_few_places() -> None:
    result = make([(layer(1), source(f"app{n}")) for n in range(10)])
    (task,) = result.tasks
    (item,) = task.items
    assert [s.repository for s in item.sources] == [f"app{n}" for n in range(MAX_SOURCES)]


def test_what_is_known_under_every_detector_version_is_not_read() -> None:
    ok = Known(True, "", "")
    known = {(layer(1).digest, name, version): ok for name, version in VERSIONS.items()}
    known |= {(layer(2).digest, "entries", "1"): ok, (layer(2).digest, "packages", "1"): ok}
    result = make([(layer(1), source()), (layer(2), source())], known)
    assert [i.layer for t in result.tasks for i in t.items] == [layer(2)]
    assert (result.layers_total, result.layers_reused) == (2, 1)


def test_only_the_detectors_that_a_layer_lacks_run() -> None:
    ok = Known(True, "", "")
    known = {(layer(n).digest, "packages", "2"): ok for n in (1, 2)} | {
        (layer(n).digest, "entries", "1"): ok for n in (1, 3)
    }
    versions = VERSIONS | {"lockfiles": "1"}
    wanted = [(layer(n), source()) for n in (1, 2, 3)]
    result = plan(wanted, known, versions, "lake", Limits())
    told = {t.items[0].layer: (set(t.detectors), t.listing) for t in result.tasks}
    assert told == {
        layer(1): ({"lockfiles"}, False),
        layer(2): ({"lockfiles"}, True),
        layer(3): ({"packages", "lockfiles"}, False),
    }


def test_a_layer_whose_content_is_bad_is_not_read_again() -> None:
    bad = Known(False, "TarCorrupt", "no")
    result = make([(layer(1), source())], {(layer(1).digest, "packages", "2"): bad})
    assert not result.tasks and result.known_failures == {layer(1).digest: bad}


def test_a_layer_that_a_limit_refused_is_tried_again_under_another_limit() -> None:
    refused = Known(False, "TooManyEntries", "too many")
    limits = Limits(dense_entries=10)
    known = {(layer(1).digest, "entries", under_limits(VERSIONS, limits)["entries"]): refused}
    wanted = [(layer(1), source())]
    assert not plan(wanted, known, VERSIONS, "lake", limits).tasks
    assert plan(wanted, known, VERSIONS, "lake", Limits(dense_entries=20)).tasks


def test_the_same_work_has_the_same_name_whatever_the_order_it_was_listed_in() -> None:
    wanted = [(layer(n, n), source()) for n in range(1, 50)]
    names = {t.task_id for t in make(wanted).tasks}
    assert names == {t.task_id for t in make(list(reversed(wanted))).tasks}
    other = plan(wanted, {}, VERSIONS | {"packages": "3"}, "lake", Limits(), workers=2)
    assert not names & {t.task_id for t in other.tasks}


def test_a_split_task_has_one_layer_each_and_new_names() -> None:
    task = make([(layer(n), source()) for n in range(5)]).tasks[0]
    parts = task.split()
    assert len(parts) == len(task.items)
    assert len({task.task_id, *(p.task_id for p in parts)}) == len(parts) + 1


@given(st.lists(st.integers(-1, 3 * TASK_BYTES), max_size=200), st.integers(1, 16))
def test_tasks_are_bounded_largest_first_and_complete(sizes: list[int], workers: int) -> None:
    layers = [replace(layer(n), size=size) for n, size in enumerate(sizes)]
    result = plan([(item, source()) for item in layers], {}, VERSIONS, "lake", Limits(), workers=workers)
    planned = [i.layer for t in result.tasks for i in t.items]
    assert sorted(planned, key=lambda x: x.digest) == sorted(layers, key=lambda x: x.digest)
    assert [x.size for x in planned] == sorted((x.size for x in planned), reverse=True)
    for task in result.tasks:
        assert len(task.items) <= TASK_LAYERS
        assert len(task.items) == 1 or task.bytes <= TASK_BYTES

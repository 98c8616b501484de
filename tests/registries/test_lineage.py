"""What an image's history and labels tell of its base: the forms that builders write, and forms that nobody should."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grid.model import Base
from grid.registries.lineage import DIGEST_LABEL, NAME_LABEL, base_of

DAY0, DAY9, DAY20 = "2026-01-01T00:00:00Z", "2026-01-10T00:00:00.123456789Z", "2026-01-21T00:00:00Z"


def layer(created_by: str, created: str = DAY0, comment: str = "") -> dict[str, Any]:
    return {"created_by": created_by, "created": created, "comment": comment}


def empty(created_by: str, created: str = DAY0) -> dict[str, Any]:
    return {"created_by": created_by, "created": created, "empty_layer": True}


ROOT = layer("/bin/sh -c #(nop) ADD file:1 in / ")


def test_a_base_ends_with_the_cmd_that_a_layer_follows() -> None:
    history = [ROOT, empty('/bin/sh -c #(nop)  CMD ["bash"]'), layer("RUN apt"), empty('CMD ["python3"]'),
               layer("COPY . /app"), empty("USER app"), empty('CMD ["/app/run"]')]  # fmt: skip
    assert base_of(history, None, 3) == Base(2, "cmd")
    assert base_of(history[:4], None, 2) == Base(1, "cmd")
    assert base_of([ROOT, layer("COPY commands /"), empty("CMD x")], None, 2) == Base()


def test_buildah_says_from_what() -> None:
    named = layer("/bin/sh -c dnf install", comment="FROM registry.access.redhat.com/ubi9/ubi:9.4")
    history = [layer("", comment="FROM scratch.example/x"), ROOT, named, layer("COPY", comment="FROM 4f1b0a9c2d3e")]
    assert base_of(history, None, 4) == Base(2, "from", "registry.access.redhat.com/ubi9/ubi:9.4")
    assert base_of(history, {NAME_LABEL: "ubi"}, 4) == Base(2, "from", "ubi")


def test_one_gap_of_days_is_between_two_builds_and_several_may_be_a_build_cache() -> None:
    assert base_of([ROOT, layer("RUN a", DAY9), layer("RUN b", DAY9)], {}, 3) == Base(1, "time")
    assert base_of([ROOT, layer("RUN a", DAY9), layer("RUN b", DAY20)], {}, 3) == Base()
    assert base_of([layer("x", DAY9), layer("jib", "1970-01-01T00:00:00Z")], {}, 2) == Base(1, "time")
    assert base_of([ROOT, layer("RUN a", "yesterday"), layer("RUN b", DAY9)], {}, 3) == Base()


def test_a_history_that_does_not_align_tells_nothing_but_labels_do() -> None:
    digest = "sha256:" + "a" * 64
    labels = {NAME_LABEL: "docker.io/library/debian:12", DIGEST_LABEL: digest}
    history = [ROOT, empty("CMD x"), layer("RUN a")]
    assert base_of(history, labels, 3) == Base(0, "", "docker.io/library/debian:12", digest)
    assert base_of(None, {DIGEST_LABEL: "latest", NAME_LABEL: 5}, 0) == Base()


@pytest.mark.parametrize("history", [5, "x", {}, [1], [None], [{}], [{"created_by": 5, "empty_layer": "no"}]])
def test_what_is_no_history_is_no_error(history: object) -> None:
    assert base_of(history, [], 1).layers == 0


simple = st.none() | st.booleans() | st.text() | st.integers()
anything = st.recursive(simple, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=5)
texts = st.sampled_from(["CMD", "RUN", "FROM a", DAY0, DAY9, "", "0001-01-01T00:00:00Z"]) | anything
steps = st.dictionaries(st.sampled_from(["created_by", "created", "comment", "empty_layer"]), texts)


@given(anything | st.lists(steps), anything, st.integers(0, 5))
def test_whatever_the_configuration_holds(history: object, labels: object, layers: int) -> None:
    found = base_of(history, labels, layers)
    assert found.layers == 0 or 0 < found.layers < layers

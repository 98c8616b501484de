"""Events to half-open ranges, against OSV's own evaluation rule."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grid.errors import VersionInvalid
from grid.keys import number
from vulndb.ranges import Span, spans, union


def key(version: str) -> bytes:
    if not version.isdigit():
        raise VersionInvalid(version)
    return number(int(version))


def affected(version: int, events: list[tuple[str, str]]) -> bool:
    """The evaluation algorithm of the OSV specification, word by word, on integers."""
    limits = [v for kind, v in events if kind == "limit"]
    if limits and "*" not in limits and not any(version < int(limit) for limit in limits):
        return False
    vulnerable = False
    for kind, v in sorted((e for e in events if e[0] != "limit"), key=lambda e: int(e[1])):
        if kind == "introduced" and (v == "0" or version >= int(v)):
            vulnerable = True
        elif (kind == "fixed" and version >= int(v)) or (kind == "last_affected" and version > int(v)):
            vulnerable = False
    return vulnerable


def holds(found: list[Span], version: int) -> bool:
    return any(span.holds(number(version)) for span in found)


KINDS = st.sampled_from(["introduced", "introduced", "fixed", "last_affected"])
EVENTS = st.lists(st.tuples(KINDS, st.integers(1, 300)), max_size=8, unique_by=lambda e: e[1])
LIMITS = st.lists(st.one_of(st.integers(1, 300).map(str), st.just("*")), max_size=2)


@settings(max_examples=400)
@given(EVENTS, LIMITS, st.booleans(), st.randoms(use_true_random=False))
def test_ranges_say_what_the_specification_says(events, limits, from_zero, random) -> None:  # type: ignore[no-untyped-def]
    listed = [(kind, str(v)) for kind, v in events] + [("limit", v) for v in limits]
    listed += [("introduced", "0")] if from_zero else []
    random.shuffle(listed)
    found = spans(listed, key)
    for version in range(302):
        assert holds(found, version) == affected(version, listed), (version, listed)
    edges = [edge for span in found for edge in (span.lo, span.hi)]
    assert None not in edges[:-1] and edges[:-1] == sorted(edges[:-1])
    assert all(span.hi is None or span.lo < span.hi for span in found)


def test_introduced_zero_is_below_every_version() -> None:
    assert spans([("introduced", "0"), ("fixed", "3")], key) == [Span(b"", number(3), "0", "3", None)]


def test_several_pairs_in_one_range_stay_apart() -> None:
    found = spans([("introduced", "1"), ("fixed", "2"), ("introduced", "5"), ("last_affected", "7")], key)
    assert [(s.introduced, s.fixed, s.last_affected) for s in found] == [("1", "2", None), ("5", None, "7")]
    assert [v for v in range(10) if holds(found, v)] == [1, 5, 6, 7]


def test_at_one_version_the_written_order_decides() -> None:
    assert spans([("introduced", "2"), ("fixed", "2")], key) == []
    assert [v for v in range(5) if holds(spans([("introduced", "1"), ("fixed", "2"), ("introduced", "2"),
                                                ("fixed", "3")], key), v)] == [1, 2]  # fmt: skip


def test_a_limit_ends_a_range_without_being_a_fix() -> None:
    assert spans([("introduced", "1"), ("fixed", "9"), ("limit", "5")], key) == [
        Span(number(1), number(5), "1", None, None)
    ]


def test_one_unordered_version_makes_the_whole_range_unordered() -> None:
    with pytest.raises(VersionInvalid):
        spans([("introduced", "0"), ("fixed", "next")], key)


@settings(max_examples=200)
@given(st.lists(st.tuples(st.integers(0, 40), st.one_of(st.none(), st.integers(0, 40))), max_size=8))
def test_a_union_holds_what_any_of_its_spans_holds(pairs: list[tuple[int, int | None]]) -> None:
    found = [Span(number(lo), None if hi is None else number(hi), None, None, None) for lo, hi in pairs]
    held = union(found)
    assert [held(number(v)) for v in range(42)] == [holds(found, v) for v in range(42)]

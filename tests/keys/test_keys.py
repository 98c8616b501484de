"""The parts that keys are made of."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grid.errors import VersionInvalid
from grid.keys import inverted, number, padded, printable, sequence, successor, tag, text, without_trailing_zeros

naturals = st.integers(0, 300) | st.integers(0, 2**70) | st.integers(0, 2**2100)


@settings(max_examples=300)
@given(naturals, naturals)
def test_numbers_of_any_size_order_as_bytes_and_end_themselves(a: int, b: int) -> None:
    assert (number(a) < number(b)) == (a < b)
    assert (number(a) == number(b)) == (a == b)
    assert a == b or not number(b).startswith(number(a))


def test_a_number_longer_than_its_length_byte_can_say_still_orders() -> None:
    edge = 1 << (8 * 0xFE)
    assert number(edge - 1) < number(edge) < number(edge + 1) < number(edge << 80)


@settings(max_examples=300)
@given(
    st.text(st.characters(exclude_characters="\0"), max_size=4),
    st.text(st.characters(exclude_characters="\0"), max_size=4),
)
def test_text_orders_by_code_point_and_ends_itself(a: str, b: str) -> None:
    assert (text(a) < text(b)) == (a < b)
    assert a == b or not text(b).startswith(text(a))


def test_text_with_a_nul_is_refused() -> None:
    with pytest.raises(VersionInvalid):
        text("a\0b")


lists = st.lists(st.integers(0, 400), max_size=4)


@settings(max_examples=300)
@given(lists, lists)
def test_sequences_order_as_lists_do(a: list[int], b: list[int]) -> None:
    assert (sequence(map(number, a)) < sequence(map(number, b))) == (a < b)


@given(lists)
def test_trailing_zeros_are_dropped_and_nothing_else(numbers: list[int]) -> None:
    kept = without_trailing_zeros(numbers)
    assert not kept or kept[-1]
    assert numbers[: len(kept)] == kept
    assert not any(numbers[len(kept) :])


def test_the_successor_is_the_very_next_byte_string() -> None:
    key = tag(3) + number(7)
    assert key < successor(key) == key + b"\0"


items = st.lists(st.integers(-2, 2), max_size=6)


def padded_with_zeros(values: list[int]) -> bytes:
    return padded(((value > 0) - (value < 0), tag(value + 2)) for value in values)


@settings(max_examples=500)
@given(items, items)
def test_padded_lists_order_as_lists_that_go_on_with_zeros(a: list[int], b: list[int]) -> None:
    size = max(len(a), len(b))
    x, y = ([*values, *[0] * (size - len(values))] for values in (a, b))
    assert (padded_with_zeros(a) < padded_with_zeros(b)) == (x < y)
    assert (padded_with_zeros(a) == padded_with_zeros(b)) == (x == y)
    assert x == y or not padded_with_zeros(b).startswith(padded_with_zeros(a))


def test_a_long_run_of_pads_counts_as_what_it_is() -> None:
    below, none, above = ([0] * 300 + [last] for last in (-1, 0, 1))
    shorter = ([0] * 299 + [last] for last in (-1, 1))
    keys = [padded_with_zeros(v) for v in (next(shorter), below, none, above, next(shorter))]
    assert keys == sorted(set(keys))


@given(naturals, naturals)
def test_inverted_numbers_order_the_other_way_round(a: int, b: int) -> None:
    assert (inverted(number(a)) > inverted(number(b))) == (a < b)
    assert a == b or not inverted(number(b)).startswith(inverted(number(a)))


@pytest.mark.parametrize("version", ["", " ", "1 2", "1é", "1\n2", "1\x7f", "1" * 1025])
def test_printable_refuses_blanks_and_what_is_not_ascii(version: str) -> None:
    with pytest.raises(VersionInvalid):
        printable(version)
    assert printable(" 1.0 ") == "1.0"

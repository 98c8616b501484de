"""What holds for the keys of every scheme, whatever its versions look like."""

from __future__ import annotations

from collections.abc import Callable
from functools import cmp_to_key
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from grid.keys import LOWEST, successor
from tests.keys.comparators import Compare, sign

Key = Callable[[str], bytes]
Scheme = tuple[Key, Compare, st.SearchStrategy[str]]
"""Its keys, a comparator that does without them, and versions near each other, so that every rule gets to decide."""


def ordered_as_compared(scheme: Scheme, examples: int) -> None:
    """Keys say of two versions what the comparator says."""
    key, compare, versions = scheme

    @settings(max_examples=examples)
    @given(versions, versions)
    def check(a: str, b: str) -> None:
        assert sign(key(a), key(b)) == compare(a, b)

    check()


def fit_for_ranges(scheme: Scheme, examples: int) -> None:
    """Sorting by key is sorting by version, and the successor of a key excludes exactly that one."""
    key, compare, versions = scheme

    @settings(max_examples=examples)
    @given(st.lists(versions, min_size=2, max_size=12))
    def check(many: list[str]) -> None:
        assert [key(v) for v in sorted(many, key=key)] == [key(v) for v in sorted(many, key=cmp_to_key(compare))]
        for lower, upper in pairwise(sorted({key(v) for v in many})):
            assert LOWEST < lower < successor(lower) < upper
            assert not upper.startswith(lower)

    check()

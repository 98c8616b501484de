"""Which files are asked for."""

from __future__ import annotations

from fnmatch import fnmatchcase

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from grid.model import Wants

GLOBS = ("a/b/*", "*/b/*.c", "b?", "*", "[ab]/c", "a[!b]", "*.[c]", "*/a/*", "c")


@pytest.mark.parametrize("globs", [(g,) for g in GLOBS] + [GLOBS[:3], GLOBS[1:4], GLOBS[4:7], (*GLOBS[:2], GLOBS[8])])
def test_globs_mean_what_fnmatch_says(globs: tuple[str, ...]) -> None:
    wanted = Wants(globs=globs).matcher()

    @given(st.text("abc/.]", max_size=8))
    @example("a/b/c")
    @example("x/b/x.c")
    @example("b]")
    def check(path: str) -> None:
        assert wanted(path, 0o644) == any(fnmatchcase(path, glob) for glob in globs)

    check()


WANTS = st.builds(
    Wants,
    names=st.frozensets(st.sampled_from(["a", "b"])),
    every=st.booleans(),
    unless=st.sampled_from(["", "x/", "^x/y|a"]),
)


@given(WANTS, WANTS, st.sampled_from(["a", "b", "c", "x/a", "x/c", "x/y/c"]))
def test_a_union_wants_what_one_of_the_two_wants(one: Wants, other: Wants, path: str) -> None:
    assert (one | other).matcher()(path, 0o644) == any(w.matcher()(path, 0o644) for w in (one, other))

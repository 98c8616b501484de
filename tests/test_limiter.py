"""Token buckets: as many new images an hour as the site allows, and no more."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from grid.limiter import HOUR, LocalLimiter, TokenBucket


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def test_a_full_bucket_grants_an_hours_worth_and_then_refills_evenly() -> None:
    clock = Clock()
    limiter = LocalLimiter({"r": 60}, clock)
    assert limiter.take("r", 100) == 60
    assert limiter.take("r", 1) == 0
    clock.now += 60
    assert limiter.take("r", 5) == 1


def test_unlimited_and_unknown_registries_are_never_limited() -> None:
    limiter = LocalLimiter({"r": None}, Clock())
    assert limiter.take("r", 10**9) == 10**9
    assert limiter.take("other", 5) == 5


def test_zero_an_hour_grants_nothing() -> None:
    clock = Clock()
    limiter = LocalLimiter({"r": 0}, clock)
    clock.now += 10 * HOUR
    assert limiter.take("r", 1) == 0


def test_one_registry_does_not_use_up_anothers() -> None:
    limiter = LocalLimiter({"a": 2, "b": 2}, Clock())
    assert limiter.take("a", 5) == 2
    assert limiter.take("b", 5) == 2


def test_a_paused_registry_grants_nothing_until_then() -> None:
    clock = Clock()
    limiter = LocalLimiter({"r": 10}, clock)
    limiter.pause("r", 30)
    limiter.pause("unlisted", 30)
    assert limiter.take("r", 1) == 0 and limiter.take("unlisted", 1) == 0
    clock.now += 31
    assert limiter.take("r", 1) == 1 and limiter.take("unlisted", 1) == 1


def test_a_snapshot_goes_on_where_it_was_with_todays_rate() -> None:
    clock = Clock()
    limiter = LocalLimiter({"r": 100}, clock)
    limiter.take("r", 95)
    other = LocalLimiter({"r": 3}, clock)
    other.restore(limiter.snapshot())
    assert other.take("r", 10) == 3


@given(
    rate=st.integers(0, 1000),
    steps=st.lists(st.tuples(st.floats(-100, 4000), st.integers(0, 500)), max_size=40),
)
def test_never_more_than_the_burst_and_the_rate_together_even_if_the_clock_jumps(
    rate: int, steps: list[tuple[float, int]]
) -> None:
    now = start = latest = 1e9
    bucket = TokenBucket.full(rate, now)
    granted = 0
    forward = 0.0
    for delta, wanted in steps:
        now += delta
        forward += max(0.0, delta)
        got = bucket.take(wanted, now)
        assert 0 <= got <= wanted
        granted += got
        latest = max(latest, now)
    assert granted <= rate + rate * forward / HOUR + 1e-6
    assert latest >= start

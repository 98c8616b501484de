"""How many new images per hour a registry may be asked for: token buckets, held by one Ray actor.

Counted before the first manifest GET of an image whose digest is new; a known digest costs nothing. What a
bucket does not grant is deferred to the next sweep, never failed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

HOUR = 3600.0


@dataclass(slots=True)
class TokenBucket:
    """At most ``per_hour`` tokens at once, refilled evenly over the hour; None is no limit at all."""

    per_hour: int | None
    tokens: float
    updated: float
    """Seconds on the clock that ``take`` is called with."""
    paused_until: float = 0.0

    @classmethod
    def full(cls, per_hour: int | None, now: float) -> TokenBucket:
        return cls(per_hour, float(per_hour or 0), now)

    def take(self, wanted: int, now: float) -> int:
        """Take up to ``wanted`` tokens and say how many were granted."""
        if now < self.paused_until:
            return 0
        if self.per_hour is None:
            return wanted
        if now > self.updated:  # a clock that jumps back gives nothing and takes nothing
            self.tokens = min(float(self.per_hour), self.tokens + (now - self.updated) * self.per_hour / HOUR)
        self.updated = now
        granted = min(wanted, int(self.tokens + 1e-9))
        self.tokens -= granted
        return granted

    def pause(self, seconds: float, now: float) -> None:
        """The registry said 429: nobody gets a token until then, so that no worker waits holding one."""
        self.paused_until = max(self.paused_until, now + seconds)


class Limiter(Protocol):
    """All registries' buckets behind one door."""

    def take(self, registry: str, wanted: int) -> int: ...

    def pause(self, registry: str, seconds: float) -> None: ...


class LocalLimiter:
    """The buckets in this process."""

    def __init__(self, per_hour: Mapping[str, int | None], clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._buckets = {name: TokenBucket.full(rate, clock()) for name, rate in per_hour.items()}

    def take(self, registry: str, wanted: int) -> int:
        """How many of ``wanted`` new images may be asked for now; a registry without a bucket has no limit."""
        bucket = self._buckets.get(registry)
        return wanted if bucket is None else bucket.take(wanted, self._clock())

    def pause(self, registry: str, seconds: float) -> None:
        now = self._clock()
        self._buckets.setdefault(registry, TokenBucket.full(None, now)).pause(seconds, now)

    def snapshot(self) -> dict[str, TokenBucket]:
        """The state, for whoever keeps it over a restart."""
        return dict(self._buckets)

    def restore(self, state: Mapping[str, TokenBucket]) -> None:
        """Go on from a snapshot; rates come from the estate of today, not from the snapshot."""
        for name, saved in state.items():
            bucket = self._buckets.get(name)
            if bucket is not None and bucket.per_hour is not None:
                bucket.tokens = min(float(bucket.per_hour), saved.tokens)
                bucket.updated, bucket.paused_until = saved.updated, saved.paused_until


class RayLimiter:
    """The same, as one actor of a running Ray cluster, for all its drivers and workers."""

    def __init__(self, per_hour: Mapping[str, int | None], name: str = "scangrid-limiter") -> None:
        import ray

        actor = ray.remote(LocalLimiter)
        # a sweep that was killed leaves no actor behind: it is not detached, so it dies with its driver
        self._actor: Any = actor.options(name=f"{name}-{time.time_ns()}", num_cpus=0, max_restarts=2).remote(
            dict(per_hour)
        )
        self._get = ray.get

    def take(self, registry: str, wanted: int) -> int:
        granted: int = self._get(self._actor.take.remote(registry, wanted))
        return granted

    def pause(self, registry: str, seconds: float) -> None:
        self._get(self._actor.pause.remote(registry, seconds))

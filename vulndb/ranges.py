"""From events to half-open ranges of byte keys.

The rule is OSV's: sort the events by version; ``introduced`` opens, ``fixed`` closes before itself,
``last_affected`` closes after itself, and nothing at or above every ``limit`` is affected. Events at one
version keep the order they were written in, so ``fixed 2, introduced 2`` goes on and ``introduced 2,
fixed 2`` is empty.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from grid.keys import LOWEST, successor


@dataclass(frozen=True, slots=True)
class Span:
    """Affected if ``lo <= key`` and (``hi`` is None or ``key < hi``); the rest is as the advisory writes it."""

    lo: bytes
    hi: bytes | None
    introduced: str | None
    fixed: str | None
    last_affected: str | None

    def holds(self, key: bytes) -> bool:
        return self.lo <= key and (self.hi is None or key < self.hi)


def spans(events: Iterable[tuple[str, str]], key: Callable[[str], bytes]) -> list[Span]:
    """The affected intervals of one range, in order, none empty.

    ``events`` are (kind, version) pairs; unknown kinds are ignored. Raises what ``key`` raises
    (VersionInvalid) if any version cannot be ordered: half a range would be a guess.
    """
    edges: list[tuple[bytes, str, str]] = []
    limits: list[bytes] = []
    unlimited = False
    for kind, version in events:
        if kind == "introduced":
            edges.append((LOWEST if version == "0" else key(version), kind, version))
        elif kind == "fixed":
            edges.append((key(version), kind, version))
        elif kind == "last_affected":
            edges.append((successor(key(version)), kind, version))
        elif kind == "limit":
            if version == "*":
                unlimited = True
            else:
                limits.append(key(version))
    edges.sort(key=lambda edge: edge[0])  # stable: see above
    end = None if unlimited or not limits else max(limits)
    found: list[Span] = []
    opened: tuple[bytes, str] | None = None
    for at, kind, version in edges:
        if kind == "introduced":
            opened = opened or (at, version)
        elif opened is not None:
            found.append(
                Span(
                    opened[0],
                    at,
                    opened[1],
                    version if kind == "fixed" else None,
                    version if kind == "last_affected" else None,
                )
            )
            opened = None
    if opened is not None:
        found.append(Span(opened[0], None, opened[1], None, None))
    return [limited for span in found if (limited := _below(span, end)) is not None]


def union(intervals: Sequence[Span]) -> Callable[[bytes], bool]:
    """Whether any of them holds a key, in logarithmic time: records may list 100,000 versions and as many ranges."""
    if not intervals:
        return lambda key: False
    ordered = sorted(intervals, key=lambda span: span.lo)
    starts = [span.lo for span in ordered]
    ends: list[bytes | None] = []  # the furthest end of all up to here
    for span in ordered:
        before = ends[-1] if ends else b""
        ends.append(None if before is None or span.hi is None else max(before, span.hi))

    def holds(key: bytes) -> bool:
        at = bisect_right(starts, key) - 1
        if at < 0:
            return False
        end = ends[at]
        return end is None or key < end

    return holds


def _below(span: Span, end: bytes | None) -> Span | None:
    if end is not None and (span.hi is None or span.hi > end):
        span = Span(span.lo, end, span.introduced, None, None)
    return span if span.hi is None or span.lo < span.hi else None

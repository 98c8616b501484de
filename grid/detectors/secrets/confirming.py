"""From nominations to findings, one file at a time."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice

import numpy as np
from numpy.typing import NDArray

from grid.detectors.secrets.rules import KINDS, Rule, RuleSet
from grid.detectors.secrets.values import entropy

_SNIFFED = 8192
_MAX_TRIES = 10_000
"""Nominations and candidates of one rule in one file that are judged; a file with more is noted."""
_MAX_NAMED = 1 << 20
"""Bytes at the start of a file that a rule which goes by path searches: such files are small."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A confirmed secret: its rule and where its value lies in the file, in bytes. The value stays out of repr."""

    rule: Rule
    start: int
    end: int
    value: bytes = field(repr=False)


def is_text(content: memoryview) -> bool:
    """No NUL in the first 8 KiB."""
    return b"\0" not in bytes(content[:_SNIFFED])


def confirm(
    rules: RuleSet,
    path: str,
    content: memoryview,
    text: bool,
    which: NDArray[np.int64],
    ends: NDArray[np.int64],
) -> tuple[list[Finding], list[str]]:
    """Findings of one file in order, of overlapping ones the most certain, and sentences about what was cut short.

    ``which`` and ``ends`` are the nominations: indices into ``rules.rules`` and ends within ``content``.
    """
    if rules.files is not None and rules.files.search(path):
        return [], []
    kinds = _kinds(rules, path)
    found: list[Finding] = []
    notes: list[str] = []
    for index in (*np.unique(which), *range(rules.nominated, len(rules.rules))):
        rule = rules.rules[index]
        if not _looks(rule, path, text, kinds):
            continue
        if rule.spec.by_path:
            windows, cut = [(0, min(len(content), _MAX_NAMED))], False
        else:
            near = ends[which == index]
            windows, cut = _windows(near[:_MAX_TRIES], rule, len(content)), len(near) > _MAX_TRIES
        judged = list(islice(chain.from_iterable(_matches(rule, content, *window) for window in windows), _MAX_TRIES))
        found += (finding for finding in judged if finding is not None)
        if cut or len(judged) == _MAX_TRIES:
            notes.append(f"rule {rule.id}: only the first {_MAX_TRIES} candidates were judged")
    return _distinct(found), notes


def _kinds(rules: RuleSet, path: str) -> Collection[str]:
    """Of which kinds the rules are that look into a file."""
    if rules.packaged is not None and rules.packaged.search(path):
        return ("provider",)
    return ("provider", "shape") if rules.mixed is not None and rules.mixed.search(path) else KINDS


def _looks(rule: Rule, path: str, text: bool, kinds: Collection[str]) -> bool:
    return (
        (text or rule.spec.binary)
        and rule.spec.kind in kinds
        and (rule.paths is None or rule.paths.search(path) is not None)
        and (rule.not_paths is None or rule.not_paths.search(path) is None)
    )


def _windows(ends: NDArray[np.int64], rule: Rule, size: int) -> list[tuple[int, int]]:
    """Around each end as much as the rule may need, windows that touch made one."""
    before, after = rule.spec.before, rule.spec.after
    cuts = np.flatnonzero(np.diff(ends) > before + after) + 1
    firsts, lasts = np.append(0, cuts), np.append(cuts, len(ends)) - 1
    return [
        (max(0, int(ends[first]) - before), min(size, int(ends[last]) + after))
        for first, last in zip(firsts, lasts, strict=True)
    ]


def _matches(rule: Rule, content: memoryview, low: int, high: int) -> Iterator[Finding | None]:
    """Every candidate in the window: a finding, or None for one that was judged no secret."""
    spec = rule.spec
    at = low
    while (match := rule.confirm.search(content, at, high)) is not None:
        start, end = match.span("secret")
        value = match.group("secret")
        if entropy(value) >= spec.entropy and not any(stop.search(value) for stop in rule.stop) and rule.check(value):
            at = max(end, at + 1)
            yield Finding(rule, start, end, value)
        else:
            at = match.start() + 1  # the refused match may have swallowed the start of a good one
            yield None


def _distinct(found: list[Finding]) -> list[Finding]:
    """Of findings that overlap, the most certain, then the most severe, then the longest."""
    taken: list[tuple[int, int]] = []
    ranked = sorted(found, key=lambda f: (-f.rule.rank[0], -f.rule.rank[1], f.start - f.end, f.start, f.rule.id))
    kept = [finding for finding in ranked if not _overlaps(taken, finding.start, finding.end)]
    return sorted(kept, key=lambda f: f.start)


def _overlaps(taken: list[tuple[int, int]], start: int, end: int) -> bool:
    """Whether the span touches one of the disjoint, sorted spans; if not, it is entered among them."""
    place = bisect_left(taken, (start, end))
    if place < len(taken) and taken[place][0] < end:
        return True
    if place and taken[place - 1][1] > start:
        return True
    insort(taken, (start, end))
    return False


def lines(content: memoryview, found: Sequence[Finding]) -> list[tuple[int, int]]:
    """(first line, last line) of each finding, from 1."""
    breaks = np.flatnonzero(np.frombuffer(content, dtype=np.uint8) == 0x0A)
    first = np.searchsorted(breaks, [f.start for f in found], side="left") + 1
    last = np.searchsorted(breaks, [max(f.start, f.end - 1) for f in found], side="left") + 1
    return [(int(a), int(b)) for a, b in zip(first, last, strict=True)]

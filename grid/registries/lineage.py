"""What an image's configuration tells of the image it was built on. No I/O.

Sources: OCI image-spec v1.1, config.md (``history``) and annotations.md (``org.opencontainers.image.base.*``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from grid.model import Base, is_digest

NAME_LABEL = "org.opencontainers.image.base.name"
DIGEST_LABEL = "org.opencontainers.image.base.digest"
GAP = timedelta(days=1)
"""Between two steps of one build there is less, as a rule."""

_LONGEST = 500
_FROM = re.compile(r"FROM ([a-z0-9][\w.:/@-]*)", re.ASCII)
_IMAGE_ID = re.compile(r"(sha256:)?[0-9a-f]{12,64}")
_CMD = re.compile(r"(/bin/sh -c #\(nop\) +)?CMD\b")


def base_of(history: object, labels: object, layers: int) -> Base:
    """What is told of the base of an image with so many layers; never raises, whatever it is given.

    The history is heard only if it aligns with the layers. Three things in it tell where a base ends, the first
    that is there counts:

    * ``from``: buildah's comment ``FROM name`` on the first step upon the base (an image id instead of a name is a
      step of the same build);
    * ``cmd``: the last CMD that a step with a layer follows. A base ends with its CMD, and the image's own comes last;
    * ``time``: the only gap of more than a day between two steps. Of several, some may be from a build cache.
    """
    known = labels if isinstance(labels, Mapping) else {}
    name, digest = (str(v)[:_LONGEST] if isinstance(v := known.get(k), str) else "" for k in (NAME_LABEL, DIGEST_LABEL))
    steps = [step for step in history if isinstance(step, Mapping)] if isinstance(history, list) else []
    below, count = [], 0  # layers below each step
    for step in steps:
        below.append(count)
        count += step.get("empty_layer") is not True
    digest = digest if is_digest(digest) else ""
    if count != layers or not isinstance(history, list) or len(steps) != len(history):
        return Base(name=name, digest=digest)
    marked, marker = _from(steps, below)
    for evidence, found in (("from", marked), ("cmd", _cmd(steps, below)), ("time", _time(steps, below))):
        if 0 < found < layers:
            return Base(found, evidence, name or marker, digest)
    return Base(name=name or marker, digest=digest)


def _from(steps: Sequence[Mapping[str, Any]], below: Sequence[int]) -> tuple[int, str]:
    for step, layers in zip(reversed(steps), reversed(below), strict=True):
        found = _FROM.match(_text(step, "comment"))
        if found and not _IMAGE_ID.fullmatch(found[1]):
            return layers, found[1][:_LONGEST]
    return 0, ""


def _cmd(steps: Sequence[Mapping[str, Any]], below: Sequence[int]) -> int:
    built = False
    for step, layers in zip(reversed(steps), reversed(below), strict=True):
        if step.get("empty_layer") is not True:
            built = True
        elif built and _CMD.match(_text(step, "created_by")):
            return layers
    return 0


def _time(steps: Sequence[Mapping[str, Any]], below: Sequence[int]) -> int:
    gaps, last = [], None
    for step, layers in zip(steps, below, strict=True):
        try:
            at = datetime.fromisoformat(_text(step, "created"))
            at = at if at.tzinfo else at.replace(tzinfo=UTC)
            if last is not None and abs(at - last) > GAP:
                gaps.append(layers)
        except (ValueError, OverflowError):
            return 0
        last = at
    return gaps[0] if len(gaps) == 1 else 0


def _text(step: Mapping[str, Any], key: str) -> str:
    value = step.get(key)
    return value if isinstance(value, str) else ""

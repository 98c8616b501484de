"""Which children of an index answer a platform that was asked for."""

from __future__ import annotations

import re
from collections.abc import Sequence

from grid.model import Platform

_ARCHITECTURES = {
    "x86_64": ("amd64", ""),
    "x86-64": ("amd64", ""),
    "aarch64": ("arm64", ""),
    "armhf": ("arm", "v7"),
    "armel": ("arm", "v6"),
    "i386": ("386", ""),
    "x86": ("386", ""),
}
_DEFAULT_VARIANT = {"arm64": 8, "arm": 7, "amd64": 1}
"""What an empty variant means, as in containerd and the Docker engine."""


def choose(listed: Sequence[tuple[Platform, str]], wanted: tuple[Platform, ...]) -> list[int]:
    """The places, in the order listed, of the best child for each wanted platform; all places if none is wanted.

    ``listed`` holds (platform, os.version). The system and the architecture must be the same (``aarch64`` is
    ``arm64``). Of the variants, the asked one is best, then the highest below it, which runs there as well; if no
    variant was asked for, the usual one (arm64 v8, arm v7, amd64 v1), then those below, then those above. Of
    equals the highest os.version (Windows), then the first. A child that states no platform is the last resort.
    """
    if not wanted:
        return list(range(len(listed)))
    chosen: set[int] = set()
    for platform in wanted:
        ranked = [
            (rank, [-n for n in _numbers(os_version)], place)
            for place, (offered, os_version) in enumerate(listed)
            if (rank := _rank(offered, platform)) is not None
        ]
        if ranked:
            chosen.add(min(ranked)[2])
    return sorted(chosen)


def _rank(offered: Platform, wanted: Platform) -> tuple[int, int] | None:
    """Lower is better; None does not fit."""
    if not offered.os and not offered.arch:
        return (3, 0)
    arch, default = _normal(offered)
    wanted_arch, wanted_variant = _normal(wanted)
    if (offered.os.lower(), arch) != (wanted.os.lower(), wanted_arch):
        return None
    if default == wanted_variant:
        return (0, 0)
    if default is None or wanted_variant is None:
        return (2, 0) if not wanted.variant else None
    if default < wanted_variant:
        return (1, wanted_variant - default)
    return (2, default - wanted_variant) if not wanted.variant else None


def _normal(platform: Platform) -> tuple[str, int | None]:
    """Architecture and variant number; 0 for an architecture without variants, None for one we do not know."""
    arch, implied = _ARCHITECTURES.get(platform.arch.lower(), (platform.arch.lower(), ""))
    variant = (platform.variant or implied).lower().removeprefix("v")
    if not variant:
        return arch, _DEFAULT_VARIANT.get(arch, 0)
    return arch, int(variant.partition(".")[0]) if re.fullmatch(r"\d{1,4}(\.\d{1,4})?", variant) else None


def _numbers(version: str) -> list[int]:
    return [int(n) for n in re.findall(r"\d{1,9}", version)]

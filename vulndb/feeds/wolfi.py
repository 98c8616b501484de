"""Wolfi's secdb: one JSON file, as Alpine's (see ``alpine``) but for the release, which Wolfi does not have."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import orjson

from grid.errors import FeedInvalid
from vulndb.feed import MIB, Source
from vulndb.feeds import alpine
from vulndb.plain import FileFeed
from vulndb.records import Record
from vulndb.streams import inflated

MAX_INFLATED = 512 * MIB


def secdb(name: str, namespace: str, url: str) -> FileFeed:
    """The feed of a distribution that has a secdb without releases."""
    return FileFeed(name, [Source(url, 256 * MIB)], partial(read, namespace))


def read(namespace: str, address: str, path: Path) -> Iterator[Record]:
    """The advisories of one file, compressed or not; raises FeedInvalid if it is none."""
    with inflated(path, MAX_INFLATED) as stream:
        content = stream.read()
    try:
        document = orjson.loads(content)
    except ValueError as error:
        raise FeedInvalid(f"{path.name} is not JSON: {error}") from error
    packages = document.get("packages") if isinstance(document, dict) else None
    if not isinstance(packages, list):
        raise FeedInvalid(f"{path.name} is no secdb file: it lacks 'packages'")
    yield from alpine.fixed_in(namespace, packages)


FEED = secdb("wolfi", "Wolfi", "https://packages.wolfi.dev/os/security.json")

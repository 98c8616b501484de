"""Conda packages: one ``conda-meta/NAME-VERSION-BUILD.json`` each in the prefix of an environment.

Source: https://docs.conda.io/projects/conda-build/en/stable/resources/package-spec.html and conda's ``PrefixRecord``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import orjson
from packageurl import PackageURL

from grid.model import Limits, Note, Package

_PLACE = re.compile(r"(?:.*/)?conda-meta/[^/]+\.json")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_VERSION = re.compile(r"[!-~]+")


def read(path: str, content: bytes, limits: Limits) -> Iterator[Package | Note]:
    """The package of one record."""
    if not _PLACE.fullmatch(path):
        return
    try:
        record = orjson.loads(content)
    except orjson.JSONDecodeError:
        yield Note("Unparsable", "the record is not JSON", path)
        return
    if not isinstance(record, dict):
        return
    stated = {k: v for k in ("name", "version", "build", "subdir", "license") if isinstance(v := record.get(k), str)}
    name, version = stated.get("name", ""), stated.get("version", "")
    if not name and not version:
        return  # conda-meta holds other records, too
    if not _NAME.fullmatch(name) or not _VERSION.fullmatch(version):
        yield Note("Unparsable", "the record has no usable name and version", path)
        return
    told = {key: stated[key] for key in ("build", "subdir") if stated.get(key)}
    yield Package(
        name,
        version,
        arch=stated.get("subdir", ""),
        licenses=(stated["license"],) if stated.get("license") else (),
        purl=PackageURL("conda", None, name, version, told or None).to_string(),
    )

"""PHP packages that Composer installed: ``vendor/composer/installed.json`` (a list; below ``packages`` since 2.0).

Source: https://getcomposer.org/doc/04-schema.md and https://getcomposer.org/doc/articles/versions.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import orjson
from packageurl import PackageURL

from grid.model import Limits, Note, Package

FILE = "composer/installed.json"

_NAME = re.compile(r"[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+")
_VERSION = re.compile(r"[!-~]+")


def read(path: str, content: bytes, limits: Limits) -> Iterator[Package | Note]:
    """The packages of the record; the leading ``v`` of a tag is no part of its version."""
    if path != FILE and not path.endswith(f"/{FILE}"):
        return
    try:
        record = orjson.loads(content.removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError:
        yield Note("Unparsable", "installed.json is not JSON", path)
        return
    packages = record.get("packages") if isinstance(record, dict) else record
    if not isinstance(packages, list):
        yield Note("Unparsable", "installed.json has no list of packages", path)
        return
    seen: set[tuple[str, str]] = set()
    bad = 0
    for package in packages:
        name, version = (package.get("name"), package.get("version")) if isinstance(package, dict) else (None, None)
        if not isinstance(name, str) or not isinstance(version, str) or not _NAME.fullmatch(name):
            bad += 1
            continue
        version = version[1:] if re.match("[vV][0-9]", version) else version
        if not _VERSION.fullmatch(version):
            bad += 1
        elif (name, version) not in seen:
            seen.add((name, version))
            vendor, _, base = name.partition("/")
            licenses = package.get("license")
            stated = licenses if isinstance(licenses, list) else [licenses]
            yield Package(
                name,
                version,
                licenses=tuple(dict.fromkeys(s for s in stated if isinstance(s, str) and s)),
                purl=PackageURL("composer", vendor, base, version).to_string(),
            )
    if bad:
        yield Note("Unparsable", f"{bad} of {len(packages)} packages have no usable name and version", path)

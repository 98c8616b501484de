""".NET packages of a published application: ``NAME.deps.json``.

Source: https://github.com/dotnet/sdk/blob/main/documentation/specs/runtime-configuration-file.md (the ``libraries`` and
``targets`` of ``.deps.json``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import orjson
from packageurl import PackageURL

from grid.model import Limits, Note, Package

SUFFIX = ".deps.json"

_RUNTIME_PACK = "runtimepack."
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_VERSION = re.compile(r"[0-9][0-9A-Za-z.+-]*")
_DEPLOYED = ("runtime", "runtimeTargets", "native", "resources")


def read(path: str, content: bytes, limits: Limits) -> Iterator[Package | Note]:
    """The packages whose files the application was deployed with: those that it only compiled against, or that hold
    nothing but dependencies, are left out. Projects of the solution are not packages."""
    if not path.endswith(SUFFIX):
        return
    try:
        record = orjson.loads(content.removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError:
        yield Note("Unparsable", "deps.json is not JSON", path)
        return
    libraries = record.get("libraries") if isinstance(record, dict) else None
    if not isinstance(libraries, dict):
        return  # another file of that name, or an application without any library
    target = _target(record)
    for identity, library in libraries.items():
        kind = library.get("type") if isinstance(library, dict) else None
        if kind not in ("package", "runtimepack"):
            continue
        name, _, version = identity.partition("/")
        name = name.removeprefix(_RUNTIME_PACK)
        if not _NAME.fullmatch(name) or not _VERSION.fullmatch(version):
            yield Note("Unparsable", "a library has no usable name and version", path)
            return
        files = target.get(identity) if target is not None else None
        if isinstance(files, dict) and kind == "package" and not any(_real(files.get(key)) for key in _DEPLOYED):
            continue
        yield Package(name, version, purl=PackageURL("nuget", None, name, version).to_string())


def _target(record: dict[str, object]) -> dict[str, object] | None:
    """What the application runs on, as ``runtimeTarget`` names it, or the only target there is."""
    targets, stated = record.get("targets"), record.get("runtimeTarget")
    if not isinstance(targets, dict):
        return None
    name = stated.get("name") if isinstance(stated, dict) else stated
    found = targets.get(name) if isinstance(name, str) else None
    if found is None and len(targets) == 1:
        found = next(iter(targets.values()))
    return found if isinstance(found, dict) else None


def _real(files: object) -> bool:
    """Whether files are listed: ``_._`` is NuGet's mark of an empty folder."""
    return isinstance(files, dict) and any(not name.endswith("_._") for name in files)

""".NET's: packages.lock.json, packages.config, Directory.Packages.props, and the references of project files.

Sources: https://learn.microsoft.com/en-us/nuget/consume-packages/package-references-in-project-files,
https://learn.microsoft.com/en-us/nuget/reference/packages-config.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from grid.ecosystems import _locks
from grid.model import Limits, Note, Package, Wants

_PROJECTS = (".csproj", ".fsproj", ".vbproj")
_VERSION = re.compile(r"\[?\s*([0-9][0-9A-Za-z.+-]*)\s*\]?")
"""A version, or a range of one. NuGet takes the lowest version that a reference allows."""


def read(path: str, content: bytes, limits: Limits) -> Iterator[Package | Note]:
    """The packages that a project asks for. Versions made of properties are passed over."""
    name = path.rpartition("/")[2]
    if name == "packages.lock.json":
        yield from _locks.declared(path, "nuget", _lock(content))
    elif name == "packages.config":
        yield from _locks.declared(path, "nuget", _config(content))
    elif name == "Directory.Packages.props" or name.endswith(_PROJECTS):
        yield from _locks.declared(path, "nuget", _references(content))


def _lock(content: bytes) -> Iterator[tuple[object, object]]:
    for packages in _locks.entries(_locks.json_object(content).get("dependencies")).values():
        for name, value in _locks.entries(packages).items():
            entry = _locks.entries(value)
            if entry.get("type") != "Project":
                yield name, entry.get("resolved")


def _config(content: bytes) -> Iterator[tuple[object, object]]:
    for path, attributes, _ in _locks.xml_elements(content):
        if path == ("packages", "package") and attributes.get("developmentDependency", "").lower() != "true":
            yield attributes.get("id"), attributes.get("version")


def _references(content: bytes) -> Iterator[tuple[object, object]]:
    inner: dict[str, str] = {}
    for path, attributes, text in _locks.xml_elements(content):
        if path[-1] in ("Version", "PrivateAssets"):
            inner[path[-1]] = text
        elif path[-1] in ("PackageReference", "PackageVersion"):
            stated = attributes.get("Version") or attributes.get("VersionOverride") or inner.get("Version", "")
            private = attributes.get("PrivateAssets") or inner.get("PrivateAssets", "")
            inner = {}
            version = _VERSION.fullmatch(stated.strip())
            name = attributes.get("Include", "").strip()
            if name and private.lower() != "all":
                yield name, version[1] if version else ""


WANTS = Wants(
    names=frozenset({"packages.lock.json", "packages.config", "Directory.Packages.props"}),
    suffixes=_PROJECTS,
    max_bytes=_locks.MAX_BYTES,
)

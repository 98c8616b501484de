"""Java's: pom.xml (the dependencies that it itself gives a version), gradle.lockfile, build.sbt.lock.

Sources: https://maven.apache.org/pom.html, https://docs.gradle.org/current/userguide/dependency_locking.html,
https://github.com/stringbean/sbt-dependency-lock. Parents and BOMs of a pom lie elsewhere, often in a repository: a
dependency whose version they give is passed over.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from grid.ecosystems import _locks
from grid.model import Limits, Note, Package, Wants

_PROPERTY = re.compile(r"\$\{([^${}]+)\}")
_MAX_PROPERTIES = 8
"""In one value: more would only serve to make text grow."""
_DEPENDENCIES = ("project", "dependencies", "dependency")
_MANAGED = ("project", "dependencyManagement", "dependencies", "dependency")
_GRADLE = re.compile(r"([^:\s=]+:[^:\s=]+):([^:\s=]+)(?:=(\S*))?")
_VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z._+-]*")


def read(path: str, content: bytes, limits: Limits) -> Iterator[Package | Note]:
    """The packages that a project asks for, but for those that only its tests need."""
    name = path.rpartition("/")[2]
    if name == "pom.xml" and "META-INF/maven/" not in path:  # there it describes a jar, which is read itself
        yield from _locks.declared(path, "maven", _pom(content))
    elif name == "gradle.lockfile" or "/dependency-locks/" in path:
        yield from _locks.declared(path, "maven", _gradle(content))
    elif name == "build.sbt.lock":
        yield from _locks.declared(path, "maven", _sbt(content))


def _pom(content: bytes) -> Iterator[tuple[object, object]]:
    properties: dict[str, str] = {}
    dependencies: list[dict[str, str]] = []
    managed: list[dict[str, str]] = []
    at: dict[str, str] = {}
    root = ""
    for path, _, text in _locks.xml_elements(content):
        root = path[0]
        parent, name = path[:-1], path[-1]
        if parent == ("project", "properties"):
            properties[name] = text[:300]
        elif parent == ("project",) and name in ("groupId", "artifactId", "version"):
            properties[f"project.{name}"] = properties[f"pom.{name}"] = text
        elif parent == ("project", "parent") and name in ("groupId", "version"):
            properties[f"project.parent.{name}"] = text
            properties.setdefault(f"project.{name}", text)
        elif path == _MANAGED:
            managed.append(at)
            at = {}
        elif path == _DEPENDENCIES:
            dependencies.append(at)
            at = {}
        elif parent in (_MANAGED, _DEPENDENCIES):
            at[name] = text
    if root != "project":
        raise _locks.Unreadable("it describes no Maven project")

    def value(text: str) -> str:
        for _ in range(5):  # properties of properties; one may name itself
            if "${" not in text or text.count("${") > _MAX_PROPERTIES:
                break
            text = _PROPERTY.sub(lambda m: properties.get(m[1].strip(), ""), text)
        return text.strip()

    versions = {(value(d.get("groupId", "")), value(d.get("artifactId", ""))): d for d in managed}
    for dependency in dependencies:
        key = (value(dependency.get("groupId", "")), value(dependency.get("artifactId", "")))
        scope = value(dependency.get("scope", "") or versions.get(key, {}).get("scope", ""))
        version = value(dependency.get("version", "") or versions.get(key, {}).get("version", "")).strip("[]")
        if scope != "test" and all(key):
            yield ":".join(key), version if _VERSION.fullmatch(version) else ""


def _gradle(content: bytes) -> Iterator[tuple[object, object]]:
    for line in _locks.text(content).split("\n"):
        line = line.strip()
        if not line or line.startswith(("#", "empty=")):
            continue
        match = _GRADLE.fullmatch(line)
        if match is None:
            yield None, None
        elif match[3] is None or any(not c.lower().startswith("test") for c in match[3].split(",") if c):
            yield match[1], match[2]


def _sbt(content: bytes) -> Iterator[tuple[object, object]]:
    for entry in _locks.objects(_locks.json_object(content).get("dependencies")):
        group, name, uses = entry.get("org"), entry.get("name"), entry.get("configurations")
        if uses != ["test"]:
            yield f"{group}:{name}" if isinstance(group, str) and isinstance(name, str) else None, entry.get("version")


WANTS = Wants(
    names=frozenset({"pom.xml", "gradle.lockfile", "build.sbt.lock"}),
    globs=("*/dependency-locks/*.lockfile",),
    max_bytes=_locks.MAX_BYTES,
)

"""Where a layer says that its packages come from: Red Hat's build records, and the services of Ubuntu Pro.

Formats: the image content manifest of Red Hat's build systems (``metadata``, ``content_sets``), the Dockerfile and
the ``labels.json`` that they leave beside it, and the status cache of ubuntu-pro-client (``services``, each with
``name`` and ``status``).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pyarrow as pa

from grid.detectors import output_schema
from grid.detectors._records import CONTROL, batch
from grid.model import Wants
from grid.schema import CONTENT_SETS

VERSION = 2

BUILDINFO = ("root/buildinfo/", "usr/share/buildinfo/")
UBUNTU_PRO = "var/lib/ubuntu-advantage/status.json"
MAX_VALUES = 2000
"""Values that one file may give; real ones have some dozen."""
MAX_TEXT = 500

Told = tuple[str, str]
"""(kind, value)."""

_COMPONENT = "com.redhat.component"
_CONTINUED = re.compile(r"\\[ \t]*\r?\n")
_PAIR = re.compile(
    r"(?:\"(?P<quoted>[^\"]{1,200})\"|(?<![\w.-])(?P<bare>[\w.-]{1,200}))=(?:\"(?P<value>[^\"]*)\"|(?P<word>[^\s\"]*))"
)
_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")


def _labels(labels: dict[str, str]) -> Iterator[Told]:
    if labels.get("cpe"):
        yield "cpe", labels["cpe"]
    build = [labels.get(name, "") for name in (_COMPONENT, "version", "release")]
    if all(build):
        yield "build", "-".join(build)
    if labels.get("name"):
        yield "name", labels["name"]


def _labels_json(text: str) -> Iterator[Told]:
    document = json.loads(text)
    if not isinstance(document, dict):
        raise ValueError("no object")
    return _labels({str(k): v for k, v in document.items() if isinstance(v, str)})


def _content_manifest(text: str) -> Iterator[Told]:
    document = json.loads(text)
    names = document.get("content_sets") if isinstance(document, dict) else None
    if names is None and isinstance(document, dict):
        return iter(())  # a bill of materials without repositories, as images built from scratch have
    if not isinstance(names, list):
        raise ValueError("no list of content sets")
    return (("content_set", name) for name in names if isinstance(name, str))


def _dockerfile(text: str, name: str) -> Iterator[Told]:
    """Labels of a Dockerfile; ``Dockerfile-NAME-VERSION-RELEASE`` says what the labels leave to the build."""
    variables: dict[str, str] = {}
    labels: dict[str, str] = {}

    def value(found: re.Match[str]) -> str:
        told = found["value"] if found["value"] is not None else found["word"]
        return _VARIABLE.sub(lambda v: variables.get(v[1] or v[2], ""), told)

    for line in _CONTINUED.sub(" ", text).splitlines():
        word, _, rest = line.strip().partition(" ")
        if word.upper() in ("ENV", "ARG"):
            variables |= {m["quoted"] or m["bare"]: value(m) for m in _PAIR.finditer(rest)}
        elif word.upper() == "LABEL":
            labels |= {m["quoted"] or m["bare"]: value(m) for m in _PAIR.finditer(rest)}
    parts = name.removeprefix("Dockerfile-").rsplit("-", 2)
    if len(parts) == 3:
        labels["version"], labels["release"] = parts[1], parts[2]
    return _labels(labels)


def _ubuntu_pro(text: str) -> Iterator[Told]:
    document = json.loads(text)
    services = document.get("services") if isinstance(document, dict) else None
    for service in services if isinstance(services, list) else ():
        if isinstance(service, dict) and service.get("status") == "enabled" and isinstance(service.get("name"), str):
            yield "pro", service["name"]


def _reader(path: str) -> Callable[[str], Iterator[Told]] | None:
    if path == UBUNTU_PRO:
        return _ubuntu_pro
    folder = next((f for f in BUILDINFO if path.startswith(f)), None)
    if folder is None:
        return None
    rest = path[len(folder) :]
    if rest == "labels.json":
        return _labels_json
    if rest.endswith(".json") and (rest.startswith("content_manifests/") or rest == "content-sets.json"):
        return _content_manifest
    name = rest.rpartition("/")[2]
    return (lambda text: _dockerfile(text, name)) if rest.startswith("Dockerfile-") else None


@dataclass(frozen=True)
class ContentSets:
    """Reads what a build or a subscription left in a layer about the repositories in use."""

    name: str = "content_sets"
    version: str = str(VERSION)

    @property
    def wants(self) -> Wants:
        return Wants(paths=frozenset({UBUNTU_PRO}), globs=tuple(f"{f}*" for f in BUILDINFO), max_bytes=8 << 20)

    @property
    def schema(self) -> pa.Schema:
        return output_schema(CONTENT_SETS)

    def detect(self, files: pa.RecordBatch) -> pa.RecordBatch:
        """A row per distinct value of each file, in the order of the files; a note row for one that is not readable."""
        rows: list[tuple[object, ...]] = []
        for path, content in zip(*(files.column(c) for c in ("path", "content")), strict=True):
            where = path.as_py()
            reader = _reader(where)
            if reader is None:
                continue
            told: dict[Told, None] = {}
            try:
                for kind, value in reader(content.as_py().decode("utf-8", "replace")):
                    if value and len(value) <= MAX_TEXT and not CONTROL.search(value):
                        told[kind, value] = None
                    if len(told) > MAX_VALUES:
                        rows.append((where, None, None, "TooManyFacts", f"only the first {MAX_VALUES} are kept"))
                        break
            except (ValueError, RecursionError):
                rows.append((where, None, None, "Unparsable", "it does not have the form of a build record"))
            rows += [(where, *pair, None, None) for pair in list(told)[:MAX_VALUES]]
        return batch(rows, self.schema)


DETECTOR = ContentSets()

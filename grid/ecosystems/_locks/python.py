"""Python's: requirements files (pinned lines), Pipfile.lock, poetry.lock, uv.lock, pdm.lock, pylock.toml.

Sources: https://pip.pypa.io/en/stable/reference/requirements-file-format, https://peps.python.org/pep-0751, and the
formats of locks that Pipenv, Poetry, uv and PDM write.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from grid.ecosystems import _locks
from grid.model import Limits, Note, Package, Wants

WANTS = Wants(
    names=frozenset({"Pipfile.lock", "poetry.lock", "uv.lock", "pdm.lock", "pylock.toml"}),
    globs=("*requirement*.txt", "*/pylock.*.toml"),
    max_bytes=_locks.MAX_BYTES,
)

_REQUIREMENTS = re.compile(r"(?:.*/)?([^/]*requirements?[^/]*\.txt|requirements/[^/]+\.txt)", re.IGNORECASE)
_FOR_DEVELOPERS = re.compile(r"(?:^|[^a-z])(?:dev|devel|develop|test|tests|testing|docs?|lint|typing|ci)(?:[^a-z]|$)")
_PYLOCK = re.compile(r"pylock(?:\.[^.]+)?\.toml")
_PINNED = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[[^\]]*\])?\s*\(?={2,3}\s*([A-Za-z0-9][A-Za-z0-9.!+_-]*)\)?")
_OPTION = re.compile(r"\s--?[a-z]")


def read(path: str, content: bytes, limits: Limits) -> Iterator[Package | Note]:
    """The packages of a lock file, and the pinned lines of a requirements file."""
    name = path.rpartition("/")[2]
    if name.endswith(".txt"):
        place = _REQUIREMENTS.fullmatch(path)
        if place and not _FOR_DEVELOPERS.search(place[1].lower()):
            yield from _locks.declared(path, "pypi", _requirements(content))
    elif name == "Pipfile.lock":
        yield from _locks.declared(path, "pypi", _pipfile(content))
    elif name in ("poetry.lock", "uv.lock", "pdm.lock"):
        yield from _locks.declared(path, "pypi", _tables(content, "package"))
    elif _PYLOCK.fullmatch(name):
        yield from _locks.declared(path, "pypi", _tables(content, "packages"))


def pinned(line: str) -> tuple[str, str] | None:
    """The package and version that a requirement pins, or None for any other line."""
    bare = _OPTION.split(line.partition(" #")[0].partition(";")[0], maxsplit=1)[0].strip()
    match = _PINNED.fullmatch(bare) if len(bare) < 500 else None
    return (match[1], match[2]) if match else None


def _requirements(content: bytes) -> Iterator[tuple[str, str]]:
    for line in _locks.text(content).replace("\\\n", " ").split("\n"):
        if not line.lstrip().startswith(("#", "-")) and (found := pinned(line)):
            yield found


def _pipfile(content: bytes) -> Iterator[tuple[object, object]]:
    for name, entry in _locks.entries(_locks.json_object(content).get("default")).items():
        version = _locks.entries(entry).get("version", "")
        yield name, version.lstrip("= ") if isinstance(version, str) else version


def _tables(content: bytes, kind: str) -> Iterator[tuple[object, object]]:
    waiting: tuple[str, str] | None = None
    for header, values in _locks.toml_tables(content):
        if header == f"{kind}.source" and values.get("type") in ("directory", "file"):
            waiting = None  # Poetry: a folder beside the project
            continue
        if header != kind:
            continue
        if waiting is not None:
            yield waiting
        waiting = (
            None if _own(values) or _for_developers(values) else (values.get("name", ""), values.get("version", ""))
        )
    if waiting is not None:
        yield waiting


def _own(values: dict[str, str]) -> bool:
    """Whether it is a part of the project: uv says so in ``source``, PDM has ``path``, PEP 751 ``directory``."""
    source = values.get("source", "")
    return any(f"{word} =" in source for word in ("editable", "virtual", "directory")) or bool(
        {"path", "directory"} & values.keys()
    )


def _for_developers(values: dict[str, str]) -> bool:
    groups = re.findall(r'"([^"]+)"', values.get("groups", ""))
    return values.get("category") == "dev" or (bool(groups) and all(map(_FOR_DEVELOPERS.search, groups)))

""".NET packages of a published application: ``NAME.deps.json``, and assemblies that none of these names.

Source: https://github.com/dotnet/sdk/blob/main/documentation/specs/runtime-configuration-file.md (the ``libraries`` and
``targets`` of ``.deps.json``).

An assembly states its name and version in its version resource (``_pe.py``). That these are the package's is a habit
of those who build packages, so they count only where nothing better is there: ``owned`` lists the files of a
``deps.json``, and the views leave those out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import orjson
from packageurl import PackageURL

from grid.ecosystems._pe import version_info
from grid.model import BINARY, Limits, Note, OwnedFile, Package

SUFFIX = ".deps.json"
ASSEMBLIES = (".dll", ".exe", ".DLL", ".EXE")
MAX_BYTES = 32 << 20
"""Of an assembly; hardly any has more than 10 MiB."""
MAX_RECORD = 4 << 20

_RUNTIME_PACK = "runtimepack."
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_VERSION = re.compile(r"[0-9][0-9A-Za-z.+-]*")
_MONO = ("mono common language infrastructure", "mono cli")
"""Products whose assemblies are parts of Mono, not the packages of NuGet that have their names:
``System.Data.SqlClient`` 4.0.0 would meet advisories. The program itself is told by ``programs/``."""
_DEPLOYED = ("runtime", "runtimeTargets", "native", "resources")


def read(path: str, content: bytes, limits: Limits) -> Iterator[Package | Note]:
    """The packages whose files the application was deployed with: those that it only compiled against, or that hold
    nothing but dependencies, are left out. Projects of the solution are not packages."""
    if path.endswith(ASSEMBLIES):
        yield from _assembly(path, content)
        return
    if not path.endswith(SUFFIX):
        return
    yield from told(path, content)


def told(path: str, content: bytes) -> Iterator[Package | Note]:
    """What the record of an application says. ``path`` names it in notes."""
    if len(content) > MAX_RECORD:
        yield Note("FileTooLarge", f"deps.json has {len(content)} bytes", path)
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


# --- assemblies ----------------------------------------------------------------------------------

_ASSEMBLY_VERSION = re.compile(r"([0-9]+\.[0-9]+(?:\.[0-9]+){0,2})(-[0-9A-Za-z][0-9A-Za-z.-]*)?(?:\+.*)?", re.DOTALL)
_COMMIT = re.compile(r"-[0-9a-f]{40}$")
"""What some write after a hyphen, as if it were a pre-release."""
_BUILD_NUMBER = 1000
"""From here on, and 0, the fourth number of a version counts builds: packages are not called after it."""


def owned(path: str, content: bytes, limits: Limits) -> Iterator[OwnedFile | Note]:
    """The files that the libraries of a ``deps.json`` were deployed with: beside it, or where a platform's lie."""
    try:
        record = orjson.loads(content.removeprefix(b"\xef\xbb\xbf")) if len(content) <= MAX_RECORD else None
    except orjson.JSONDecodeError:
        return  # the reader of packages notes it
    target = _target(record) if isinstance(record, dict) else None
    folder = path.rpartition("/")[0]
    seen: set[str] = set()
    for library, files in (target or {}).items():
        for kind in _DEPLOYED:
            listed = files.get(kind) if isinstance(files, dict) else None
            for name, told in listed.items() if isinstance(listed, dict) else ():
                base = name.rpartition("/")[2]
                locale = told.get("locale") if isinstance(told, dict) else None
                for place in (name, base, f"{locale}/{base}" if isinstance(locale, str) else base):
                    whole = f"{folder}/{place}" if folder else place
                    if whole not in seen and whole.endswith(ASSEMBLIES) and len(whole) <= _MAX_PATH:
                        seen.add(whole)
                        yield OwnedFile(whole, library[:200])


_MAX_PATH = 1000


def _assembly(path: str, content: bytes) -> Iterator[Package | Note]:
    info = version_info(memoryview(content))
    if info is None or not info.managed or path.endswith(".resources.dll"):
        return  # a satellite, as compilers write its name: Some.Resources.dll is an assembly of its own
    stated = info.strings
    if stated.get("ProductName", "").lower() in _MONO:
        return
    file = path.rpartition("/")[2]
    named = stated.get("InternalName") or stated.get("OriginalFilename") or file
    name = next((n for n in map(_stem, (named, file)) if _NAME.fullmatch(n)), "")
    version = _assembly_version(stated.get("ProductVersion", "")) or _assembly_version(stated.get("FileVersion", ""))
    if name and version:
        yield Package(name, version, purl=PackageURL("nuget", None, name, version).to_string(), found_as=BINARY)


def _stem(name: str) -> str:
    return name[:-4] if name.lower().endswith((".dll", ".exe")) else name


def _assembly_version(stated: str) -> str:
    """``6.0.8`` of ``6.0.8.18111``, ``3.1.23`` of ``3.1.23+641ee87``; "" for none, and for the default of compilers."""
    match = _ASSEMBLY_VERSION.fullmatch(_COMMIT.sub("", stated[:200]))
    if match is None:
        return ""
    numbers = match[1].split(".")
    if len(numbers) == 4 and (int(numbers[3]) >= _BUILD_NUMBER or int(numbers[3]) == 0):
        numbers.pop()
    return ".".join(numbers) + (match[2] or "") if any(int(n) for n in numbers) else ""

"""Lock files of languages that have one or two each.

Sources: the formats of locks that Bundler, Composer, Go, Cargo, Mix, Rebar3, Dart's pub, Swift's package manager,
CocoaPods, Stack, Cabal, renv, Julia's Pkg, Conan and conda-lock write.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from packageurl import PackageURL

from grid.ecosystems import _locks
from grid.ecosystems._locks.python import pinned
from grid.model import Limits, Note, Package, Wants

Pairs = Iterator[tuple[object, object]]
Reader = Callable[[str, bytes, Limits], Iterator[Package | Note]]


def _named(kind: str, readers: dict[str, Callable[[bytes], Pairs]]) -> tuple[Wants, Reader]:
    """Wants and reader of lock files that are told by their names alone."""
    return Wants(names=frozenset(readers), max_bytes=_locks.MAX_BYTES), _ByName(kind, readers)


class _ByName:  # a closure would not pickle
    def __init__(self, kind: str, readers: dict[str, Callable[[bytes], Pairs]]) -> None:
        self._kind, self._readers = kind, readers

    def __call__(self, path: str, content: bytes, limits: Limits) -> Iterator[Package | Note]:
        """The packages of the lock file."""
        reader = self._readers.get(path.rpartition("/")[2])
        return _locks.declared(path, self._kind, reader(content)) if reader else iter(())


# --- Ruby, PHP, Rust -----------------------------------------------------------------------------

_GEM = re.compile(r" {4}(\S+) \(([0-9][0-9A-Za-z.]*)(?:-[^)]*)?\)")


def _gemfile(content: bytes) -> Pairs:
    section = ""
    text = _locks.text(content)
    for line in text.split("\n"):
        if line and line[0] != " ":
            section = line.strip()
        elif section in ("GEM", "GIT") and (gem := _GEM.fullmatch(line.rstrip().removesuffix("!"))):
            yield gem[1], gem[2]
    if text.strip() and not re.search(r"^(?:GEM|GIT|PATH|DEPENDENCIES|PLATFORMS|PLUGIN SOURCE)$", text, re.MULTILINE):
        raise _locks.Unreadable("it is no lock file of Bundler")


def _composer(content: bytes) -> Pairs:
    for package in _locks.objects(_locks.json_object(content).get("packages")):
        version = package.get("version")
        yield package.get("name"), re.sub("^[vV](?=[0-9])", "", version) if isinstance(version, str) else version


def _cargo(content: bytes) -> Pairs:
    for header, values in _locks.toml_tables(content):
        if header in ("package", "root"):
            yield values.get("name"), values.get("version")


GEM_WANTS, gem = _named("gem", {"Gemfile.lock": _gemfile, "gems.locked": _gemfile})
COMPOSER_WANTS, composer = _named("composer", {"composer.lock": _composer})
CARGO_WANTS, cargo = _named("cargo", {"Cargo.lock": _cargo})


# --- Go ------------------------------------------------------------------------------------------

GO_WANTS = Wants(
    names=frozenset({"go.mod"}), suffixes=("/vendor/modules.txt",), paths=frozenset({"vendor/modules.txt"}),
    max_bytes=_locks.MAX_BYTES,
)  # fmt: skip
_GO_REPLACE = re.compile(r"(\S+)(?:\s+(v\S+))?\s+=>\s+(\S+)(?:\s+(v\S+))?")
_GO_MODULE = re.compile(r'"?([^\s"]+)"?\s+(v[0-9]\S*)')
_GO_LINE = 2000
_GO_VENDORED = re.compile(r"# (\S+)(?: (v[0-9]\S*))?(?: => (\S+)(?: (v[0-9]\S*))?)?")


def golang(path: str, content: bytes, limits: Limits) -> Iterator[Package | Note]:
    """The modules that go.mod requires, or that were vendored, after replacements; a module replaced by a folder has no
    version. ``go.sum`` is not read: it lists every version that was ever considered."""
    vendored = path.endswith("vendor/modules.txt")
    if vendored or path.rpartition("/")[2] == "go.mod":
        yield from _locks.declared(path, "golang", _vendored(content) if vendored else _go_mod(content))


def _vendored(content: bytes) -> Pairs:
    for line in _locks.text(content).split("\n"):
        match = _GO_VENDORED.fullmatch(line.rstrip())
        if match and match[3]:
            yield match[3], match[4] or ""
        elif match and match[2]:
            yield match[1], match[2]


def _go_mod(content: bytes) -> Pairs:
    block, known = "", False
    required: dict[str, str] = {}
    replaced: dict[tuple[str, str], tuple[str, str]] = {}
    for line in _locks.text(content).split("\n"):
        line = line.partition("//")[0].strip()
        if not line or len(line) > _GO_LINE:
            continue
        if line == ")":
            block = ""
            continue
        word, _, rest = line.partition(" ")
        if not block and rest.strip() == "(":
            block, known = word, True
            continue
        kind, statement = (block, line) if block else (word, rest.strip())
        known = known or word in ("module", "go", "require", "replace", "exclude", "toolchain", "retract")
        if kind == "require" and (match := _GO_MODULE.fullmatch(statement)):
            required[match[1]] = match[2]
        elif kind == "replace" and (match := _GO_REPLACE.fullmatch(statement)):
            replaced[match[1], match[2] or ""] = (match[3], match[4] or "")
    if not known and content.strip():
        raise _locks.Unreadable("it is no go.mod")
    for name, version in required.items():
        yield replaced.get((name, version)) or replaced.get((name, "")) or (name, version)


# --- Erlang and Elixir, Dart, Swift, CocoaPods ---------------------------------------------------

_MIX = re.compile(r'^[ \t]*"[^"\n]+":[ \t]*\{:hex,[ \t]*:"?([A-Za-z0-9_]+)"?,[ \t]*"([^"\n]+)"', re.MULTILINE)
_REBAR = re.compile(r'\{<<"[^"\n]+">>,\s*\{pkg,\s*<<"([^"\n]+)">>,\s*<<"([^"\n]+)">>')


def _mix(content: bytes) -> Pairs:
    yield from _MIX.findall(_locks.text(content))


def _rebar(content: bytes) -> Pairs:
    yield from _REBAR.findall(_locks.text(content))


def _pubspec(content: bytes) -> Pairs:
    section = name = version = ""
    wanted = True
    for indent, _, key, value in (*_locks.yaml_lines(content), (0, False, "end", "")):
        if indent <= 2 and name:
            yield name, version if wanted else ""
            name = version = ""
        if indent == 0:
            section = key
        elif section == "packages" and indent == 2:
            name, wanted = key, True
        elif indent == 4 and key == "version":
            version = value
        elif indent == 4 and ((key == "source" and value in ("sdk", "path")) or value == "direct dev"):
            wanted = False


def _swift(content: bytes) -> Pairs:
    record = _locks.json_object(content)
    for pin in _locks.objects(record.get("pins") or _locks.entries(record.get("object")).get("pins")):
        place = pin.get("location") or pin.get("repositoryURL")
        version = _locks.entries(pin.get("state")).get("version") or ""  # of a branch there is none
        name = (
            re.sub(r"^(?:[a-z+]+://(?:[^/@]*@)?|git@)", "", place).removesuffix(".git")
            if isinstance(place, str)
            else place
        )
        yield name.replace(":", "/", 1) if isinstance(name, str) else name, version


_POD = re.compile(r"([A-Za-z0-9_+.-]+)(?:/\S+)? \(([^()\s]+)\)")


def _podfile(content: bytes) -> Pairs:
    section = ""
    for line in _locks.text(content).split("\n"):
        if line and line[0] not in " -":
            section = line.partition(":")[0]
        elif section == "PODS" and line.startswith("  - "):
            match = _POD.fullmatch(line[4:].strip().rstrip(":").strip('"'))
            yield (match[1], match[2]) if match else (None, None)


HEX_WANTS, hexpm = _named("hex", {"mix.lock": _mix, "rebar.lock": _rebar})
PUB_WANTS, pub = _named("pub", {"pubspec.lock": _pubspec})
SWIFT_WANTS, swift = _named("swift", {"Package.resolved": _swift})
COCOAPODS_WANTS, cocoapods = _named("cocoapods", {"Podfile.lock": _podfile})


# --- Haskell, R, Julia ---------------------------------------------------------------------------

_STACK = re.compile(r"hackage: ([A-Za-z0-9-]+?)-([0-9][0-9.]*)(?:@|$|,)")
_CABAL = re.compile(r"(?:^|[\s,])(?:any\.)?([A-Za-z0-9-]+) ==\s*([0-9][0-9.]*)(?=[,\s]|$)")


def _stack(content: bytes) -> Pairs:
    for line in _locks.text(content).split("\n"):
        if match := _STACK.search(line[:1000]):
            yield match[1], match[2]


def _cabal(content: bytes) -> Pairs:
    for line in _locks.text(content).split("\n"):
        yield from _CABAL.findall(line.partition("--")[0])


def _renv(content: bytes) -> Pairs:
    for value in _locks.entries(_locks.json_object(content).get("Packages")).values():
        package = _locks.entries(value)
        yield package.get("Package"), package.get("Version")


HACKAGE_WANTS, hackage = _named("hackage", {"stack.yaml.lock": _stack, "cabal.project.freeze": _cabal})
CRAN_WANTS, cran = _named("cran", {"renv.lock": _renv})

JULIA_WANTS = Wants(names=frozenset({"Manifest.toml", "JuliaManifest.toml"}), max_bytes=_locks.MAX_BYTES)
_JULIA_NAME = re.compile(r"(?:deps\.)?([A-Za-z_][A-Za-z0-9_]*)")


def julia(path: str, content: bytes, limits: Limits) -> Iterator[Package | Note]:
    """The packages of a manifest; Julia's own libraries have no version there. Its UUID is part of a package's URL."""
    if path.rpartition("/")[2] not in JULIA_WANTS.names:
        return
    seen: set[Package] = set()
    try:
        for header, values in _locks.toml_tables(content):
            name, version = _JULIA_NAME.fullmatch(header), values.get("version", "")
            if name is None or not version[:1].isdigit() or "uuid" not in values:
                continue
            url = PackageURL("julia", None, name[1], version, {"uuid": values["uuid"]}).to_string()
            found = Package(name[1], version, purl=url)
            if found not in seen:
                seen.add(found)
                yield found
    except _locks.Unreadable as error:
        yield Note("Unparsable", str(error), path)


# --- C and C++ (Conan), conda --------------------------------------------------------------------

_CONAN = re.compile(r"([a-z0-9_][a-z0-9_+.-]*)/([A-Za-z0-9_][A-Za-z0-9_+.-]*)(?:[@#%].*)?")


def _conan(content: bytes) -> Pairs:
    record = _locks.json_object(content)
    nodes = _locks.entries(_locks.entries(record.get("graph_lock")).get("nodes"))
    stated = [_locks.entries(node).get("ref") for node in nodes.values()]
    requires = record.get("requires")
    for reference in [*stated, *(requires if isinstance(requires, list) else [])]:
        if reference and (match := _CONAN.fullmatch(str(reference))):
            yield match[1], match[2]


CONAN_WANTS, conan = _named("conan", {"conan.lock": _conan})

_ENVIRONMENTS = frozenset({"environment.yml", "environment.yaml"})
_LOCKED = re.compile(r"(?:.*[.-])?conda-lock\.ya?ml")
CONDA_WANTS = Wants(names=_ENVIRONMENTS, suffixes=("conda-lock.yml", "conda-lock.yaml"), max_bytes=_locks.MAX_BYTES)
_CONDA_PINNED = re.compile(
    r"(?:[^\s:]+::)?([A-Za-z0-9_][A-Za-z0-9_.-]*)\s*(?:==\s*([^\s=<>,|*]+)|=([^\s=<>,|*]+)=[^\s=]+)"
)


def conda(path: str, content: bytes, limits: Limits) -> Iterator[Package | Note]:
    """The packages of conda-lock, or those that an environment pins; those that pip installs are Python's."""
    name = path.rpartition("/")[2]
    if name not in _ENVIRONMENTS and not _LOCKED.fullmatch(name):
        return
    try:
        found = list((_environment if name in _ENVIRONMENTS else _conda_lock)(content))
    except _locks.Unreadable as error:
        yield Note("Unparsable", str(error), path)
        return
    yield from _locks.declared(path, "conda", ((n, v) for kind, n, v in found if kind == "conda"))
    yield from _locks.declared(path, "pypi", ((n, v) for kind, n, v in found if kind == "pip"), "pypi")


def _conda_lock(content: bytes) -> Iterator[tuple[str, str, str]]:
    at: dict[str, str] = {}
    section = ""
    for indent, item, key, value in (*_locks.yaml_lines(content), (0, False, "end", "")):
        if (item and indent == 2) or (indent == 0 and not item):
            if at.get("name") and at.get("category", "main") == "main":
                yield at.get("manager", "conda"), at["name"], at.get("version", "")
            at = {}
        if indent == 0:
            section = key
        elif section == "package" and indent == 2:
            at.setdefault(key, value)


def _environment(content: bytes) -> Iterator[tuple[str, str, str]]:
    section, inner = "", 0
    for indent, item, key, value in _locks.yaml_lines(content):
        if not item and indent == 0:
            section, inner = key, 0
        elif section == "dependencies" and item and key == "pip":
            inner = indent
        elif section == "dependencies" and item and not key:
            if inner and indent > inner:
                if found := pinned(value):
                    yield "pip", *found
            elif match := _CONDA_PINNED.fullmatch(value):
                inner = 0
                yield "conda", match[1], match[2] or match[3]

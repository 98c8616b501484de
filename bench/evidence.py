"""What is in a file, read once more and simply: the evidence for the rules of ``reasons.py``.

Nothing here is shared with the readers in ``grid``, so that a miss of theirs is not explained by itself.
"""

from __future__ import annotations

import io
import json
import re
import struct
import zipfile
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any
from xml.etree import ElementTree

from bench.answers import Found

_ARCHIVES = (".jar", ".war", ".ear", ".par", ".hpi", ".jpi", ".whl", ".egg", ".zip")
_RECORDS = ("pom.properties", "MANIFEST.MF", "METADATA", "PKG-INFO", "/package.json")
_DEEPEST = 110


# --- does the file say so? -----------------------------------------------------------------------


def stated(content: bytes, found: Found) -> bool:
    """Whether the file, or its path, holds the name and the version of a package, of an archive also what is in it."""
    plain, squeezed = _plain(found.path, content)
    versions = {found.version.lower(), found.version.lower().removeprefix("v"), found.version.partition("+")[0].lower()}
    if found.ecosystem == "generic":  # Java's own way of writing, up to 8
        versions.add(re.sub(r"^8\.0\.([0-9]+)$", r"1.8.0_\1", found.version))
    if derby := re.fullmatch(r".*:derby[a-z]*;([0-9]+\.[0-9]+)\.([0-9]+)\.([0-9]+)", f"{found.name};{found.version}"):
        versions.add(f"{derby[1]}.{int(derby[2]) * 1_000_000 + int(derby[3])}")  # as its bundles write it
    if found.ecosystem == "rpm":
        versions.add(found.version.partition(":")[2] or found.version)
        versions |= {re.sub(r"-[^-]*$", "", version) for version in versions}  # the release may stand apart
    name = _squeezed(re.split(r"[/:]", found.name)[-1])
    named = found.ecosystem == "generic" or name in squeezed  # programs are called by their product's name
    return named and any(version in plain for version in versions)


@lru_cache(8)
def _plain(path: str, content: bytes) -> tuple[str, str]:
    told = b"\n".join((path.encode(), *_texts(path, content)))
    plain = told.replace(b"\0", b"").decode("latin-1").lower()  # UTF-16 is Latin with NULs
    return plain, _squeezed(plain)


def _squeezed(text: str) -> str:
    return re.sub(r"[-_.]", "", text.lower())


def _texts(path: str, content: bytes, depth: int = 0) -> Iterator[bytes]:
    if not path.lower().endswith(_ARCHIVES):
        yield content
        return
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            for name in packed.namelist():
                if name.endswith((*_RECORDS, *_ARCHIVES)):
                    yield name.encode()
                    if name.endswith(_RECORDS):
                        yield packed.read(name)
                    elif depth < _DEEPEST:
                        yield from _texts(name, packed.read(name), depth + 1)
    except (zipfile.BadZipFile, OSError, RuntimeError, NotImplementedError):
        return


def itself(content: bytes, found: Found) -> bool:
    """Whether a name is that of the archive, of its bundle, main class or vendor, rather than of something in it."""
    stem = found.path.rpartition("/")[2].rpartition(".")[0]
    group, _, artifact = found.name.partition(";")[0].rpartition(":")
    if stem in (artifact, f"{artifact}-{found.version}"):
        return True
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            manifest = (
                packed.read("META-INF/MANIFEST.MF").replace(b"\r", b"").replace(b"\n ", b"").decode("utf-8", "replace")
            )
    except (zipfile.BadZipFile, KeyError):
        return False
    headers = dict(
        re.findall(r"^(Bundle-SymbolicName|Main-Class|Implementation-Vendor-Id): *([^;\n]*)", manifest, re.MULTILINE)
    )
    named = group in headers.values() and (artifact in stem or group.endswith(f".{artifact}"))
    return named or headers.get("Bundle-SymbolicName", "").endswith(f".{artifact}")


def levels(path: str, content: bytes) -> int:
    """How many archives lie in each other, the file itself among them."""
    inner = 0
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            for name in packed.namelist():
                if name.endswith(_ARCHIVES):
                    inner = max(inner, levels(name, packed.read(name)))
    except (zipfile.BadZipFile, RecursionError):
        return inner
    return inner + 1


# --- what is no package --------------------------------------------------------------------------


def unpublished(content: bytes) -> bool:
    """Whether a ``package.json`` is private or names nothing that published ones name."""
    record = _json(content)
    published = any(record.get(one) for one in ("repository", "homepage", "_id"))
    return bool(record) and (record.get("private") is True or not published)


def unnamed(content: bytes) -> bool:
    """Whether the name in a ``package.json`` is none that a package of npm can have: it has two slashes, or one and no
    scope. A part of a package is named so, by its folder."""
    name = str(_json(content).get("name", ""))
    return name.count("/") > (1 if name.startswith("@") else 0)


def listed(content: bytes) -> bool:
    """Whether a JSON document is a list."""
    try:
        return isinstance(json.loads(content), list)
    except ValueError:
        return False


def unversioned(content: bytes, found: Found) -> bool:
    """Whether a record states no version: of a ``package.json``; of others what the peer calls unknown is taken so."""
    if found.path.endswith("package.json"):
        record = _json(content)
        return bool(record) and not record.get("version")
    return found.version == "UNKNOWN"


def source_of_r(content: bytes) -> bool:
    """Whether a ``DESCRIPTION`` has no ``Built``, which installing adds."""
    return bool(content) and not re.search(rb"^Built:", content, re.MULTILINE)


def native(content: bytes) -> bool:
    """Whether a PE file has no CLR header (the fifteenth of its directories), so that it is no assembly."""
    if content[:2] != b"MZ" or len(content) < 64:
        return False
    (at,) = struct.unpack_from("<I", content, 60)
    if content[at : at + 4] != b"PE\0\0":
        return False
    (magic,) = struct.unpack_from("<H", content, at + 24)
    directories = at + 24 + (112 if magic == 0x20B else 96)
    return struct.unpack_from("<II", content.ljust(directories + 128, b"\0"), directories + 14 * 8) == (0, 0)


_MONO = re.compile(
    "ProductName".encode("utf-16-le")
    + rb"(?:\0\0){1,2}(?:"
    + b"|".join(one.encode("utf-16-le") for one in ("Mono Common Language Infrastructure", "MONO CLI"))
    + rb")\0\0"
)


def of_mono(content: bytes) -> bool:
    """Whether an assembly names Mono itself as its product."""
    return _MONO.search(content) is not None


def undeployed(content: bytes, found: Found) -> bool:
    """Whether a ``deps.json`` calls something a project, or lists no file of it."""
    record = _json(content)
    kinds = {
        one.get("type", "") for label, one in record.get("libraries", {}).items()
        if label.lower() == f"{found.name}/{found.version}".lower()
    }  # fmt: skip
    files = [
        one.get(part)
        for target in record.get("targets", {}).values()
        for label, one in target.items()
        if label.lower() == f"{found.name}/{found.version}".lower()
        for part in ("runtime", "native", "resources", "runtimeTargets")
    ]
    return bool(kinds) and (kinds != {"package"} or not any(files))


def deployed_with(content: bytes, assembly: str) -> bool:
    """Whether a ``deps.json`` lists an assembly as a file."""
    wanted = assembly.rpartition("/")[2].lower()
    return any(
        file.rpartition("/")[2].lower() == wanted
        for target in _json(content).get("targets", {}).values()
        for one in target.values()
        for part in ("runtime", "native", "resources", "runtimeTargets")
        for file in one.get(part) or ()
    )


def excluded(documents: list[bytes], found: Found) -> bool:
    """Whether CycloneDX documents list a package, each time with a scope that excludes it from what runs."""
    scopes = [
        one.get("scope")
        for document in documents
        for one in _json(document).get("components", ())
        if (one.get("name"), one.get("version")) == (found.name, found.version)
    ]
    return set(scopes) == {"excluded"}


def main_of_go(content: bytes, name: str) -> bool:
    """Whether the build information of a Go program names its main module or package so, the module of that package,
    or a module without a version."""
    told = re.escape(name.encode())
    return bool(re.search(rb"path\t" + told + rb"[\n/]|mod\t" + told + rb"\t|dep\t" + told + rb"\t\(devel\)", content))


# --- lock files ----------------------------------------------------------------------------------


def left_out(content: bytes, found: Found) -> bool:
    """Whether a lock file shows that a package is the project itself, for development only, or asked for without a
    version."""
    base = found.path.rpartition("/")[2]
    return any(re.fullmatch(pattern, base) and shows(content, found) for pattern, shows in _LEFT_OUT)


def _requirement(content: bytes, found: Found) -> bool:
    if re.search(
        r"(?:^|[^a-z])(?:dev|devel|develop|tests?|testing|docs?|lint|typing|ci)(?:[^a-z]|$)",
        found.path.rpartition("/")[2],
    ):
        return True
    text = content.decode("utf-8", "replace").replace("\\\n", " ")
    for line in text.splitlines():
        bare = re.split(r"(?:^|\s)#|;|\s--", line)[0].strip()
        name, sign, version = re.sub(r"\[.*?\]", "", bare).partition("==")
        if _squeezed(name.strip()) == _squeezed(found.name) and sign and version.strip("= ") == found.version:
            return False
    return True


def _package_lock(content: bytes, found: Found) -> bool:
    record = _json(content)
    packages: dict[str, Any] = record.get("packages", {})
    own = [record, packages.get("", {})]
    if any((str(one.get("name")).lower(), one.get("version")) == (found.name.lower(), found.version) for one in own):
        return True  # a package URL is written small
    told = [
        (path, one) for path, one in packages.items()
        if path and (one.get("name") or path.rpartition("node_modules/")[2]) == found.name
        and one.get("version") == found.version
    ]  # fmt: skip
    return bool(told) and all(one.get("dev") or one.get("link") or "node_modules/" not in path for path, one in told)


def _yarn(content: bytes, found: Found) -> bool:
    """Of a workspace; or of an alias, whose name is not the package's."""
    text = content.decode("utf-8", "replace")
    name = re.escape(found.name)
    alias = re.search(rf'(?:^|[" ,]){name}@npm:(?:@[^@/]+/)?[^@^~0-9"*][^@"]*@', text, re.MULTILINE)
    listed = re.search(rf'(?:^|[" ,]){name}@', text, re.MULTILINE)
    return found.version.endswith("-use.local") or alias is not None or listed is None


def _pnpm(content: bytes, found: Found) -> bool:
    """For development; or without an entry of its own, which a whole file has."""
    text = content.decode("utf-8", "replace")
    entry = re.search(
        rf"^  ['\"]?/?{re.escape(found.name)}[@/]{re.escape(found.version)}\b.*\n((?:    .*\n)*)", text, re.MULTILINE
    )
    return entry is None or "dev: true" in entry[1]


def _pom(content: bytes, found: Found) -> bool:
    """Of a jar; the project; for tests; of a range of versions; or of a version that another file gives."""
    if "META-INF/maven/" in found.path or found.version.startswith(("[", "(")):
        return True
    artifact = found.name.rpartition(":")[2]
    try:
        root = ElementTree.fromstring(re.sub(rb'\sxmlns="[^"]*"', b"", content, count=1))  # noqa: S314 — files of the bench
    except ElementTree.ParseError:
        return False
    if root.findtext("artifactId", "").strip() == artifact:
        return True
    properties = {f"${{{one.tag}}}": (one.text or "").strip() for one in root.iterfind("properties/*")}
    own = root.findtext("version", "").strip()
    properties |= {"${project.version}": own} if own else {}
    asked = [
        one for one in root.iterfind("dependencies/dependency") if one.findtext("artifactId", "").strip() == artifact
    ]
    for one in asked:
        version = one.findtext("version", "").strip()
        if one.findtext("scope", "").strip() != "test" and properties.get(version, version) == found.version:
            return False
    return True


def _gradle(content: bytes, found: Found) -> bool:
    (line,) = re.findall(rf"^{re.escape(f'{found.name}:{found.version}')}=(.*)$", content.decode(), re.MULTILINE) or [
        ""
    ]
    return bool(line) and all("test" in one.lower() for one in line.split(","))


def _go_mod(content: bytes, found: Found) -> bool:
    """Only put in the place of a module, or of a version of it, that is not asked for."""
    lines = [line.partition("//")[0].split() for line in content.decode("utf-8", "replace").splitlines()]
    asked = [line[-2:] for line in lines if "=>" not in line]
    put = [line[:-3] for line in lines if line[-3:] == ["=>", found.name, found.version]]
    replaced = [before[1:] if before[0] == "replace" else before for before in put]
    return bool(put) and not any(one[: len(before)] == before for before in replaced for one in asked)


def _gemfile(content: bytes, found: Found) -> bool:
    """A folder beside the file."""
    paths = re.findall(r"^PATH\n(?:  .*\n)+", content.decode("utf-8", "replace"), re.MULTILINE)
    return any(f"\n    {found.name} ({found.version})" in one for one in paths)


def _cargo(content: bytes, found: Found) -> bool:
    """Without a source: a folder of the workspace."""
    for table in content.decode("utf-8", "replace").split("[[package]]"):
        if f'name = "{found.name}"\n' in table and f'version = "{found.version}"\n' in table:
            return "source = " not in table
    return False


def _composer(content: bytes, found: Found) -> bool:
    listed = [one.get("name") for one in _json(content).get("packages-dev", ())]
    return found.name in listed


def _pipfile(content: bytes, found: Found) -> bool:
    return found.name in map(str.lower, _json(content).get("develop", {}))


_DEVELOPMENT = re.compile(
    r'^category = "dev"|^groups = \["(?:dev|test|docs?|lint)"\]|^source = \{ ?(?:editable|virtual|directory)',
    re.MULTILINE,
)


def _toml_lock(content: bytes, found: Found) -> bool:
    """In groups for development only, or a folder."""
    for table in content.decode("utf-8", "replace").split("[[package]]"):
        if re.search(rf'^version = "{re.escape(found.version)}"', table, re.MULTILINE) and (
            name := re.search(r'^name = "([^"]+)"', table, re.MULTILINE)
        ) and _squeezed(name[1]) == _squeezed(found.name):  # fmt: skip
            return _DEVELOPMENT.search(table) is not None
    return False


def _pubspec(content: bytes, found: Found) -> bool:
    """For development; or of the SDK."""
    told = re.search(
        rf"^  {re.escape(found.name)}:\n((?:    .*\n?)*)", content.decode("utf-8", "replace"), re.MULTILINE
    )
    return told is not None and bool(re.search(r'dependency: "?direct dev|source: sdk', told[1]))


def _always(content: bytes, found: Found) -> bool:
    return True


_LEFT_OUT: list[tuple[str, Callable[[bytes, Found], bool]]] = [
    (r".*require.*\.txt", _requirement),
    (r".*package.*lock.*\.json|npm-shrinkwrap\.json", _package_lock),
    (r".*yarn.*\.lock", _yarn),
    (r"pnpm-lock\.ya?ml", _pnpm),
    (r".*pom\.xml", _pom),
    (r"gradle\.lockfile", _gradle),
    (r"Gemfile.*\.lock|gems\.locked", _gemfile),
    (r"[Cc]argo.*\.lock", _cargo),
    (r"composer.*\.lock", _composer),
    (r"Pipfile\.lock", _pipfile),
    (r".*poetry.*\.lock|uv\.lock|pdm\.lock", _toml_lock),
    (r"pubspec\.lock", _pubspec),
    (r"go\.mod", _go_mod),
    (r"go\.sum|setup\.py|conanfile\.txt", _always),  # these pin nothing
]


def _json(content: bytes) -> dict[str, Any]:
    try:
        record = json.loads(content)
    except ValueError:
        return {}
    return record if isinstance(record, dict) else {}

"""Java archives: what is in a jar, and in the jars within it, without unpacking anything to disk.

Each archive has an identity of its own and holds those of others that were copied ("shaded") into it. In this order
they tell: ``META-INF/maven/GROUP/ARTIFACT/pom.properties``, its place in a local repository, the main section of
``META-INF/MANIFEST.MF`` together with the file's name. An archive without properties of its own also gets its SHA-1, by
which an index may know better. Of an archive that was unpacked (a web application, a layered Spring Boot one) the
properties lie in the image itself.

Sources: the JAR file specification of the JDK, https://maven.apache.org/shared/maven-archiver, the OSGi core
specification (Bundle headers), https://www.jenkins.io/doc/developer/plugin-development (plugin manifests),
https://maven.apache.org/repositories/layout.html.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from packageurl import PackageURL

from grid.ecosystems import _zip
from grid.ecosystems._java_groups import group_of
from grid.errors import VersionInvalid
from grid.keys.maven import key
from grid.model import ARCHIVE_BYTES, MIB, Limits, Note, Package

SUFFIXES = (".jar", ".war", ".ear", ".par", ".sar", ".nar", ".jpi", ".hpi", ".kar", ".lpkg")
UNPACKED = "/pom.properties"
MAX_BYTES = 176 * MIB
"""Of a larger archive, which is not held, only what is read of it is there."""

_MAX_DEPTH = 16
"""Archives in archives: an EAR of WARs of jars with jars in them has 4."""
_MAX_ENTRIES = 400_000
"""Of one file and all archives in it. The largest jars of Maven Central have about 150,000."""
_MAX_ARCHIVES = 5_000
_MEMORY = 192 * MIB
"""The file itself and twice what is inflated of it at a time."""
_MAX_INFLATED = 256 * MIB
"""Of all nested archives of a file together: this bounds the time."""
_MAX_PROPERTIES = 16 << 10
_MAX_MANIFEST = 1 << 20
_MAX_HEADERS = 2_000
_MAX_TEXT = 32 * MIB
"""Of all properties and manifests of a file together."""
_MAX_NOTES = 20

MEMBERS = (*SUFFIXES, "pom.properties", "META-INF/MANIFEST.MF")
_WANTED = tuple(member.encode() for member in MEMBERS)
_POM = re.compile(r"(?:.*/)?META-INF/maven/([^/]+)/([^/]+)/pom\.properties|(?:.*/)?pom\.properties")
"""Elsewhere, where packers other than Maven put it, it counts if it states all three."""
_PROPERTY = re.compile(r"^[ \t]*(groupId|artifactId|version)[ \t]*[=:]([^\r\n]*)", re.MULTILINE)
_MANIFESTS = ("META-INF/MANIFEST.MF", "meta-inf/manifest.mf")

_COORDINATE = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.+-]*[A-Za-z0-9_])?")
_VERSION = re.compile(r"(?=[^0-9]*[0-9])[A-Za-z0-9][A-Za-z0-9._+~-]{0,127}")
# What may follow the first number of a version after a hyphen; anything else is a classifier or part of the name.
_QUALIFIER = re.compile(
    r"(?:snapshot|release|final|ga|alpha|beta|rc|cr|sp|pre|preview|ea|dev|jre|jdk|java|android|incubating|redhat|jenkins|"
    r"atlassian|build|patch|hotfix|fuse|cdh|hadoop|brew|public|stable|m|b|v|r|p)[0-9]*(?:[._][0-9a-z]+)*|[0-9][0-9a-z._+~]*",
    re.IGNORECASE,
)
_CLASSIFIER = re.compile(
    r"sources|javadoc|tests?|all|shaded|shadow|uber|fat|standalone|embed|bundle|jakarta|javax|nodep|jar|with|dependencies|"
    r"exec|boot|runner|noarch|dist|core|(?:linux|osx|windows|macos|win)[a-z0-9_]*|x86(?:_64|_32)?|aarch(?:_64|64)|amd64|arm64",
    re.IGNORECASE,
)
_JOINED = re.compile(r"([A-Za-z][A-Za-z0-9]*[A-Za-z])([0-9]+(?:\.[0-9]+){2,})")
"""Without a hyphen, as in ``py4j0.10.9.9.jar``; three numbers, for names end in one or two (``struts2``)."""
_BUNDLE = re.compile(r"([A-Za-z0-9]+(?:[.-][A-Za-z0-9]+)*)_([0-9]+\.[0-9]+\.[0-9]+[A-Za-z0-9._-]*)")
"""How Eclipse names its bundles."""
_ANY = re.compile(r"\.x(?![A-Za-z0-9])")
"""``3.x``: any version, as Debian's repository of jars has it beside the true one."""
_DERBY = re.compile(r"([0-9]+\.[0-9]+)\.([0-9]{1,3})([0-9]{6})(?:\.[0-9?]+)?")
"""Derby's bundles: 10.14.2.1 is 10.14.2000001, and a build number or question marks."""
_TOKEN = re.compile(r"[A-Za-z0-9]+(?:[._-][A-Za-z0-9]+)*")


@dataclass(slots=True)
class _State:
    """What one file may still cost, and what was found in it."""

    path: str
    room: int
    """Bytes that nested archives may have inflated at one time."""
    entries: int = _MAX_ENTRIES
    archives: int = _MAX_ARCHIVES
    inflated: int = _MAX_INFLATED
    text: int = _MAX_TEXT
    notes: int = _MAX_NOTES
    seen: set[tuple[str, bytes | str]] = field(default_factory=set)

    def read(self, data: memoryview, member: _zip.Member, at_most: int) -> bytes:
        """A small member's content. Raises ZipInvalid."""
        room = min(at_most, self.text)
        if room <= 0:
            raise _zip.ZipInvalid(f"properties and manifests have more than {_MAX_TEXT} bytes together")
        try:
            content = bytes(_zip.content(data, member, room))
        except _zip.ZipInvalid:
            self.text -= room
            raise
        self.text -= len(content) + 1024  # for the work that the smallest one makes
        return content

    def note(self, code: str, inside: str, message: str) -> Iterator[Note]:
        if self.notes > 0:
            self.notes -= 1
            where = f"in {inside[-200:]}: " if inside else ""
            yield Note(code, f"{where}{message}", self.path)


@dataclass(frozen=True, slots=True)
class _Identity:
    group: str
    artifact: str
    version: str

    @property
    def valid(self) -> bool:
        return bool(
            _COORDINATE.fullmatch(self.artifact)
            and _VERSION.fullmatch(self.version)
            and (not self.group or _COORDINATE.fullmatch(self.group))
        )


def read(path: str, content: bytes | memoryview, limits: Limits) -> Iterator[Package | Note]:
    """The packages of an archive and of all archives in it, each once: 2.17 and 2.17.0 of one artifact are the same."""
    if path.endswith(UNPACKED):
        yield from _unpacked(path, bytes(content))
        return
    if not path.endswith(SUFFIXES) or not len(content):
        return
    data = memoryview(content)
    state = _State(path, (_MEMORY - (len(data) if len(data) <= MAX_BYTES else ARCHIVE_BYTES)) // 2)
    if bytes(data[:2]) != b"PK" and not (path.endswith((".jar", ".war", ".ear")) or _zip_behind_a_script(data)):
        return  # other things have these suffixes, too
    yield from _archive(path.rpartition("/")[2], data, "", 0, state)


def _zip_behind_a_script(data: memoryview) -> bool:
    try:
        _zip.directory(data)
    except _zip.ZipInvalid:
        return False
    return True


def _archive(name: str, data: memoryview, inside: str, depth: int, state: _State) -> Iterator[Package | Note]:
    """``name`` is the archive's own file name, ``inside`` the way to it through the archives around it."""
    try:
        found, seen, stopped = _zip.members(data, _WANTED, state.entries)
    except _zip.ZipInvalid as error:
        yield from state.note("Unparsable", inside, f"the archive cannot be read: {error}")
        return
    state.entries -= seen
    if stopped:
        yield from state.note("Unparsable", inside, f"the archive was not read to its end: {stopped}")
    poms: list[_Identity] = []
    manifest: _zip.Member | None = None
    nested: list[_zip.Member] = []
    for member in found:
        if member.name.endswith("pom.properties"):
            try:
                pom = _pom_properties(data, member, state)
            except _zip.ZipInvalid as error:
                yield from state.note("Unparsable", inside, f"pom.properties cannot be read: {error}")
                continue
            if pom is not None:
                poms.append(pom)
        elif member.name in _MANIFESTS:
            manifest = member
        elif member.name.endswith(SUFFIXES):
            nested.append(member)
    stem = name.rpartition(".")[0]
    own = _own(poms, stem)
    if own is None or not stem.startswith(own.artifact):
        headers: dict[str, str] = {}
        if manifest is not None:
            try:
                headers = _headers(state.read(data, manifest, _MAX_MANIFEST))
            except _zip.ZipInvalid as error:
                yield from state.note("Unparsable", inside, f"the manifest cannot be read: {error}")
        identity = (_placed(state.path) if depth == 0 else None) or _from_manifest(headers, stem)
        known = identity is not None and any(_same_thing(identity, pom) for pom in poms)
        if not known and (own is None or _another(identity, own, stem)):
            whole = (depth > 0 or len(data) <= MAX_BYTES) and not _certain(identity, headers)
            sha1 = hashlib.sha1(data, usedforsecurity=False).hexdigest() if whole else ""
            if identity is not None:
                yield from _package(identity, state, sha1)
            elif sha1 and _COORDINATE.fullmatch(stem) and (stem, sha1) not in state.seen:
                state.seen.add((stem, sha1))
                yield Package(stem, "", purl=PackageURL("maven", None, stem).to_string(), sha1=sha1)
    for pom in poms:
        yield from _package(pom, state)
    for member in nested:
        yield from _nested(member, data, inside, depth, state)


def _nested(member: _zip.Member, data: memoryview, inside: str, depth: int, state: _State) -> Iterator[Package | Note]:
    inside = f"{inside}!/{member.name}" if inside else member.name
    if not member.size:
        return
    if depth >= _MAX_DEPTH:
        yield from state.note("NestedTooDeep", inside, f"more than {_MAX_DEPTH} archives in each other")
        return
    if state.archives <= 0:
        yield from state.note("FileTooLarge", inside, f"more than {_MAX_ARCHIVES} archives in one file")
        return
    state.archives -= 1
    if member.encrypted:
        yield from state.note("Encrypted", inside, "the nested archive is encrypted")
        return
    room = min(state.room, state.inflated)
    try:
        content = _zip.content(data, member, room if member.method else len(data))
    except _zip.ZipInvalid as error:
        code = "FileTooLarge" if member.size > room else "Unparsable"
        if member.method:  # it may have inflated that much before it failed
            state.inflated -= min(room, max(member.size, member.packed))
        yield from state.note(code, inside, f"the nested archive cannot be read: {error}")
        return
    took = len(content) if member.method else 0
    state.inflated -= took
    state.room -= took
    yield from _archive(member.name.rpartition("/")[2], content, inside, depth + 1, state)
    state.room += took


def _package(identity: _Identity, state: _State, sha1: str = "") -> Iterator[Package]:
    group, artifact, version = identity.group, identity.artifact, identity.version
    name = f"{group}:{artifact}" if group else artifact
    version_key: bytes | str
    try:
        version_key = key(version)
    except VersionInvalid:
        version_key = version
    if (name, version_key) not in state.seen:
        state.seen.add((name, version_key))
        url = PackageURL("maven", group or None, artifact, version).to_string()
        yield Package(name, version, purl=url, sha1=sha1)


# --- pom.properties ------------------------------------------------------------------------------


def _pom_properties(data: memoryview, member: _zip.Member, state: _State) -> _Identity | None:
    place = _POM.fullmatch(member.name)
    if place is None or member.encrypted:
        return None
    return _stated(place, state.read(data, member, _MAX_PROPERTIES))


def _unpacked(path: str, content: bytes) -> Iterator[Package | Note]:
    """The package of properties that lie where unpacking an archive puts them; a build's ``maven-archiver`` is none."""
    place = _POM.fullmatch(path)
    if place is None or not place[1]:
        return
    if len(content) > _MAX_PROPERTIES:
        yield Note("FileTooLarge", f"pom.properties has more than {_MAX_PROPERTIES} bytes", path)
    elif (identity := _stated(place, content)) is not None:
        yield from _package(identity, _State(path, 0))


def _stated(place: re.Match[str], content: bytes) -> _Identity | None:
    stated: dict[str, str] = {}
    for name, value in _PROPERTY.findall(content.decode("latin-1")):
        stated.setdefault(name, value.strip())
    group, artifact = stated.get("groupId", place[1]), stated.get("artifactId", place[2])
    if not group or not artifact:
        return None
    identity = _Identity(group, artifact, stated.get("version", ""))
    return identity if identity.valid else None


def _own(poms: list[_Identity], stem: str) -> _Identity | None:
    """The archive's own among the properties in it, or None: all are of things copied into it."""
    for pom in poms:
        if stem == pom.artifact or stem.startswith(f"{pom.artifact}-{pom.version}"):
            return pom
    parsed = name_and_version(stem)
    for pom in poms:
        if parsed is None:
            if stem.startswith(f"{pom.artifact}-"):
                return pom
        elif pom.version == parsed[1] or pom.artifact == parsed[0]:
            return pom  # renamed, or of another build number
    return poms[0] if len(poms) == 1 and parsed is None else None  # app.jar


def _another(identity: _Identity | None, pom: _Identity, stem: str) -> bool:
    """Whether an archive that is not named for the only properties in it says that it is something else: they are of
    what was copied into it."""
    if identity is None or not identity.group or identity.artifact != stem:
        return False
    return not (_begin_alike(identity.group, pom.group) or _begin_alike(identity.version, pom.version))


def _begin_alike(a: str, b: str) -> bool:
    return a.startswith(b) or b.startswith(a)


def _certain(identity: _Identity | None, headers: dict[str, str]) -> bool:
    """Whether an archive is a well-known one and its manifest states the version that its name does: no index could
    tell more, and the SHA-1 of all archives is a fortieth of the scan of the bench's mixed image."""
    if identity is None or not identity.group or group_of(identity.artifact) != identity.group:
        return False
    return identity.version in [headers.get(name) for name in _VERSIONS]


def _same_thing(identity: _Identity, pom: _Identity) -> bool:
    return identity.artifact == pom.artifact and identity.group in ("", pom.group)


# --- manifest and file name ----------------------------------------------------------------------


def main_section(manifest: bytes) -> dict[str, str]:
    """The headers before the first empty line, by lower-case name. Lines are cut at 72 bytes and go on after a blank;
    they end in CR, LF or both."""
    lines = manifest.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    head = lines.lstrip(b"\n").partition(b"\n\n")[0].replace(b"\n ", b"")
    headers: dict[str, str] = {}
    for line in head.split(b"\n", _MAX_HEADERS)[:_MAX_HEADERS]:
        name, colon, value = line.partition(b":")
        if colon and len(value) <= 1000:
            headers.setdefault(name.decode("latin-1").strip().lower(), value.decode("utf-8", "replace").strip())
    return headers


_VERSIONS = ("implementation-version", "bundle-version")
_IMPLEMENTATION = b"\nImplementation-Version:"


def _headers(manifest: bytes) -> dict[str, str]:
    """Those of the main section. Where it has no version, the one counts that all sections of packages of classes agree
    on: Ant's jars and those of the runtime have it there."""
    headers = main_section(manifest)
    if not any(headers.get(name) for name in _VERSIONS):
        lines = manifest.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n ", b"")
        sections = lines.split(b"\n\n", _MAX_HEADERS)[1:]
        about = [one for one in sections if one.lstrip(b"\n").partition(b"\n")[0].endswith(b"/")]
        stated = {
            one.partition(_IMPLEMENTATION)[2].partition(b"\n")[0].strip() for one in about if _IMPLEMENTATION in one
        }
        if len(stated) == 1:
            headers["implementation-version"] = stated.pop().decode("utf-8", "replace")
    return headers


def name_and_version(stem: str) -> tuple[str, str] | None:
    """``log4j-1.2-api-2.17.1`` → (``log4j-1.2-api``, ``2.17.1``); None for a file name that is not of that form."""
    if len(stem) > 300:
        return None
    parts = stem.split("-")
    while len(parts) > 2 and _CLASSIFIER.fullmatch(parts[-1]):
        parts.pop()
    start = len(parts)
    while start > 1 and _QUALIFIER.fullmatch(parts[start - 1]):
        start -= 1
    while start < len(parts) and not parts[start][:1].isdigit():
        start += 1  # a qualifier qualifies a number
    if start < len(parts):
        name = "-".join(parts[:start])
        return (name, "-".join(parts[start:])) if _COORDINATE.fullmatch(name) else None
    other = _BUNDLE.fullmatch(stem) or _JOINED.fullmatch(stem)
    return (other[1], other[2]) if other else None


def _from_manifest(headers: dict[str, str], stem: str) -> _Identity | None:
    """What an archive without properties of its own is, or None if neither manifest nor name give a version."""
    named = name_and_version(stem)
    symbolic = headers.get("bundle-symbolicname", "").partition(";")[0].strip()
    artifact = version = ""
    group = headers.get("group-id", "")  # Jenkins
    if headers.get("plugin-version") and headers.get("short-name"):
        artifact, version = headers["short-name"], headers["plugin-version"].partition(" ")[0]
    elif named is not None and not _ANY.search(named[1]):
        artifact, version = named
    else:
        for header in ("implementation-version", "bundle-version", "specification-version"):
            version = headers.get(header, "")
            if header == "bundle-version" and (derby := _DERBY.fullmatch(version)) and stem.startswith("derby"):
                version = f"{derby[1]}.{derby[2]}.{derby[3].lstrip('0') or '0'}"
            if _VERSION.fullmatch(version) and (header != "specification-version" or "bundle-name" in headers):
                break
            version = ""
        title = headers.get("implementation-title", "")
        artifact = title if stem.lower() in _PLACEHOLDERS and _TOKEN.fullmatch(title) else named[0] if named else stem
        if version and f"-{version}-" in artifact:
            artifact = artifact.partition(f"-{version}-")[0]  # a classifier that we do not know
    if not group:
        group = _group(headers, symbolic, artifact)
    if not group and symbolic != artifact and artifact.count(".") >= 2 and artifact.startswith(_DOMAINS):
        group, _, artifact = artifact.rpartition(".")
    elif not group and symbolic == artifact and artifact.count(".") >= 2:
        group = artifact.rpartition(".")[0]  # org.apache.felix:org.apache.felix.framework
    identity = _Identity(group, artifact, version)
    return identity if identity.valid else None


_DOMAINS = ("com.", "org.", "io.", "net.", "de.", "edu.")
"""Of file names that begin with a group: ``com.example.thing-1.0.jar``."""
_PLACEHOLDERS = frozenset({"app", "application", "root", "main", "server", "service", "boot", "run", "runner"})
"""File names that say nothing: the manifest's title is asked instead."""


def _placed(path: str) -> _Identity | None:
    """What the place of an archive in a local repository of Maven's layout or in Gradle's cache says that it is."""
    *above, file = path.split("/")
    if len(above) > 5 and above[-5] == "files-2.1":
        group, artifact, version = above[-4:-1]
    else:
        roots = [
            n + 1
            for n, folder in enumerate(above)
            if folder == "maven2" or above[n - 1 : n + 1] == [".m2", "repository"]
        ]
        if not roots or len(above) - roots[-1] < 3:
            return None
        *groups, artifact, version = above[roots[-1] :]
        group = ".".join(groups)
    identity = _Identity(group, artifact, version)
    return (
        identity if identity.valid and file.startswith((f"{artifact}-{version}.", f"{artifact}-{version}-")) else None
    )


def _group(headers: dict[str, str], symbolic: str, artifact: str) -> str:
    """The group: well-known, or what the manifest states in the form of one; "" if neither."""
    known = group_of(artifact)
    if known:
        return known
    above = symbolic.removesuffix(f".{artifact}")
    if above != symbolic and "." in above:
        return above
    vendor = headers.get("implementation-vendor-id", "")
    if "." in vendor and _COORDINATE.fullmatch(vendor):
        return vendor
    # org.apache.logging.log4j.core is log4j-core of org.apache.logging.log4j
    tail = "." + artifact.replace("-", ".")
    if symbolic.endswith(tail) and "." in symbolic.removesuffix(tail):
        return symbolic.rpartition(".")[0]
    return ""

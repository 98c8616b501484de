"""The readers under test, each with seeds of its own: all that reads bytes which others wrote.

A reader is asked through the interface that scans use. Seeds are the small records of ``seeds.toml``, programs and
archives made here, and, if folders of them are given, real files.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import tempfile
import tomllib
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from struct import Struct
from typing import Any

import zstandard

from grid.detectors import Detector, detectors, output_schema
from grid.detectors._package_rows import package_rows
from grid.detectors.distros import DETECTOR as DISTROS
from grid.detectors.owned_files import fits
from grid.ecosystems import ALL, BY_NAME, Ecosystem
from grid.ecosystems._programs import programs
from grid.errors import GridError, VersionInvalid
from grid.layers.scan import scan_layer
from grid.model import LINUX_AMD64, Layer, Limits, Note, Wants
from grid.registries import Access, connect
from grid.registries.auth import parse_challenges
from grid.registries.manifests import Document, digest_of, resolve
from grid.schema import PACKAGES
from grid.suppression import ignorefile, read_document
from grid.testing import (
    ImageBuilder,
    IndexBuilder,
    LayerBuilder,
    RawManifest,
    assemblies,
    binaries,
    files_batch,
    rpm,
    write_docker_archive,
)

SEEDS = Path(__file__).with_name("seeds.toml")
LIMITS = Limits()
_LARGEST_SEED, _SEEDS_OF_A_NAME = 2 << 10, 8


def as_it_is(content: bytes) -> bytes:
    """The packing of a seed that is the whole file."""
    return content


@dataclass(frozen=True, slots=True)
class Seed:
    """A file, or what stands in one: ``pack`` makes the file of it, whole and valid but for the changes inside."""

    path: str
    content: bytes
    pack: Callable[[bytes], bytes] = as_it_is


@dataclass(frozen=True, slots=True)
class Reader:
    """One reader: ``read(path, content)`` gives facts and notes."""

    name: str
    read: Callable[[str, bytes], Iterable[object]]
    seeds: tuple[Seed, ...]
    errors: tuple[type[Exception], ...] = ()
    """What it says that it raises. Readers of records say nothing of the kind: what they cannot read is a note."""


@dataclass(slots=True)
class _Role:
    """What an ecosystem reads in one of its ways."""

    title: str
    ecosystem: Ecosystem
    wants: Wants
    read: Callable[[str, bytes, Limits], Iterator[Any]]
    seeds: list[Seed] = field(default_factory=list)

    def __call__(self, path: str, content: bytes) -> Iterator[object]:
        found = self.read(path, content, LIMITS)
        if self.files:
            return (fact for fact in found if isinstance(fact, Note) or fits(fact))
        return _rows(self.ecosystem.name, path, found)

    @property
    def files(self) -> bool:
        """It reads lists of files."""
        return self.title.endswith(" files")


def _rows(ecosystem: str, path: str, found: Iterator[Any]) -> Iterator[object]:
    for number, values in enumerate(package_rows(ecosystem, path, found, set())):
        row = dict(zip(_COLUMNS, values, strict=True))
        if number < _MATCHED and isinstance(row["version"], str):
            _match(row)
        yield row


def _match(row: dict[str, Any]) -> None:
    """What matching does with a package: its name and version are compared with those of advisories."""
    known = BY_NAME.get(row["ecosystem"])
    if known is not None:
        known.canonical(row["name"])
        with suppress(VersionInvalid):
            known.key(row["version"])


_MATCHED = 3
"""Packages of an input that are matched, to save time."""
_COLUMNS = output_schema(PACKAGES).names


@cache
def readers(folders: tuple[Path, ...] = ()) -> dict[str, Reader]:
    """All of them, by name. ``folders``: ZIP archives of real records (``packages.zip`` of the shared test data)."""
    written: dict[str, dict[str, str]] = tomllib.loads(SEEDS.read_text("utf-8"))
    found: dict[str, Reader] = {}
    real = [pair for archive in folders for pair in _files(archive)]
    for role in _roles():
        seeds = [Seed(path, text.encode()) for path, text in written.get(role.title, {}).items()]
        seeds += _made().get(role.title, ())
        seeds += _fitting(role, real)
        for title, some in _split(role.title, seeds).items():
            found[title] = Reader(title, role, tuple(some))
    for reader in (*_detectors(written, real), *_images(), *_suppressions(written)):
        found[reader.name] = reader
    empty = [name for name, reader in found.items() if not reader.seeds]
    assert not empty, f"no record of {', '.join(empty)} in {SEEDS.name}"
    return found


def _roles() -> Iterator[_Role]:
    for e in ALL:
        if e.wants != Wants():
            yield _Role(e.name, e, e.wants, e.read)
        if e.owned is not None:
            yield _Role(f"{e.name} files", e, e.owns, e.owned)
        if e.declares != Wants():
            yield _Role(f"{e.name} locks", e, e.declares, e.declared)


def _split(title: str, seeds: list[Seed]) -> dict[str, list[Seed]]:
    """Formats that have nothing in common are readers of their own."""
    parts: dict[str, list[Seed]] = {}
    for seed in seeds:
        parts.setdefault(title + _format(title.partition(" ")[0], seed.path), []).append(seed)
    return parts or {title: []}


def _format(ecosystem: str, path: str) -> str:
    return next((told for end, told in _FORMATS.get(ecosystem, ()) if path.endswith(end)), "")


_FORMATS = {
    "rpm": (("Packages", " (bdb)"), (".db", " (ndb)"), (".sqlite", " (sqlite)"), ("", " (manifest)")),
    "deb": (("manifest.wall", " (chisel)"),),
    "nuget": ((".dll", " (assemblies)"),),
    "pypi": ((".whl", " (wheels)"), (".egg", " (wheels)")),
    "sbom": (("json", " (json)"), ("xml", " (xml)")),
    "conan": ((".sqlite3", " (sqlite)"),),
}


# --- real files ----------------------------------------------------------------------------------


def _files(archive: Path) -> Iterator[tuple[str, bytes]]:
    with zipfile.ZipFile(archive) as opened:
        for info in sorted(opened.infolist(), key=lambda i: (i.file_size, i.filename)):
            if 0 < info.file_size <= _LARGEST_SEED:
                yield info.filename, opened.read(info)


_PLACES = {
    "status": "var/lib/dpkg/status", "statusfield": "var/lib/dpkg/status", "installed": "lib/apk/db/installed",
    "desc": "var/lib/pacman/local/x-1-1/desc", "files": "var/lib/pacman/local/x-1-1/files",
    "package.json": "app/node_modules/x/package.json", "METADATA": "site-packages/x-1.dist-info/METADATA",
    "PKG-INFO": "site-packages/x-1.egg-info/PKG-INFO", "installed.json": "vendor/composer/installed.json",
    "modules.txt": "app/vendor/modules.txt", "os-release": "etc/os-release", "MANIFEST.MF": "",
}  # fmt: skip
"""Where a reader looks for files of these names, which fixtures keep elsewhere."""


def _fitting(role: _Role, real: list[tuple[str, bytes]]) -> Iterator[Seed]:
    """The smallest real files of each name that a reader asks for."""
    wanted = role.wants.matcher()
    taken: dict[str, int] = {}
    for name, content in real:
        base = name.rpartition("/")[2]
        end = base.rpartition(".")[2]
        path = _PLACES.get(base) or (f"usr/specifications/{base}" if end == "gemspec" else f"app/{base}")
        kind = end if end in ("jar", "gemspec", "json", "dll", "exe", "whl") else base
        if path and wanted(path, 0o644) and taken.setdefault(kind, 0) < _SEEDS_OF_A_NAME:
            taken[kind] += 1
            yield Seed(path, content)


# --- records that are no text --------------------------------------------------------------------


def _zipped(name: str, *, inside: str = "", stored: bool = False) -> Callable[[bytes], bytes]:
    return partial(_archive, name, inside, stored)


_MEMBER = Struct("<HHHIIIIHH")


def _archive(name: str, inside: str, stored: bool, content: bytes) -> bytes:
    """A ZIP archive with one member; ``inside``: and that in another one, under this name."""
    # Written by hand: zipfile takes longer than any reader.
    method, packed = (0, content) if stored else (8, zlib.compress(content, 1)[2:-4])
    label = name.encode()
    rest = _MEMBER.pack(20, 0, method, 0, zlib.crc32(content), len(packed), len(content), len(label), 0)
    local = b"PK\3\4" + rest + label + packed
    listing = b"PK\1\2" + (20).to_bytes(2, "little") + rest + bytes(14) + label
    end = b"PK\5\6" + bytes(4) + b"\1\0\1\0" + len(listing).to_bytes(4, "little") + len(local).to_bytes(4, "little")
    whole = local + listing + end + bytes(2)
    return _archive(inside, "", True, whole) if inside else whole


def _go(modules: bytes) -> bytes:
    info = b"\xff Go buildinf:" + bytes([8, 2]) + b"\0" * 16
    marked = b"0" * 16 + modules + b"1" * 16
    return binaries.elf({".go.buildinfo": info + b"\x08go1.22.3" + binaries.leb128(len(marked)) + marked})


def _audited(document: bytes) -> bytes:
    return binaries.elf({".dep-v0": zlib.compress(document, 1)})


def _native(document: bytes) -> bytes:
    return binaries.native_image(zlib.compress(document, 1, 31))


def _noted(text: bytes) -> bytes:
    head = Struct("<III").pack(4, len(text), 0xCAFE1A7E)
    return binaries.elf({".note.package": head + b"FDO\0" + text + bytes(-len(text) % 4)})


def _ndb(header: bytes) -> bytes:
    return rpm.ndb([header], 1)


def _bdb(header: bytes) -> bytes:
    return rpm.bdb([header], size=1024)


def _sqlite(header: bytes) -> bytes:
    return rpm.sqlite([header], 512)


def _database(created: str, filled: str, content: bytes) -> bytes:
    """A file of SQLite with one table, in which each line of the content is a row."""
    con = sqlite3.connect(":memory:")
    con.execute("PRAGMA page_size = 512")
    con.execute(created)
    con.executemany(filled, [(line.decode("latin-1"),) for line in content.splitlines()])
    con.commit()
    whole = con.serialize()
    con.close()
    return whole


_CONAN = partial(
    _database, "CREATE TABLE packages (reference text NOT NULL, path text)", "INSERT INTO packages VALUES (?, 'p')"
)
_NIX = partial(
    _database, "CREATE TABLE ValidPaths (id integer primary key, path text)", "INSERT INTO ValidPaths (path) VALUES (?)"
)


def _zstd(content: bytes) -> bytes:
    return zstandard.ZstdCompressor(1).compress(content)


_POM = b"#Created by Apache Maven\nversion=2.14.1\ngroupId=org.apache.logging.log4j\nartifactId=log4j-core\n"
_MANIFEST = (
    b"Manifest-Version: 1.0\r\nBundle-SymbolicName: com.acme.thing;singleton:=true\r\nBundle-Version: 1.2.3.v2020\r\n"
    b"Implementation-Title: Thing\r\n of two lines\r\nImplementation-Version: 1.2.3\r\n\r\nName: x/\r\nA: b\r\n\r\n"
)
_METADATA = b"Metadata-Version: 2.1\nName: six\nVersion: 1.16.0\nLicense: MIT\n\ntext\n"
_CRATES = json.dumps({"packages": [
    {"name": "serde", "version": "1.0.190", "source": "crates.io", "kind": "runtime"},
    {"name": "cc", "version": "1.0.0", "source": "crates.io", "kind": "build"},
    {"name": "app", "version": "0.1.0", "source": "local", "dependencies": [0, 1], "root": True},
]}).encode()  # fmt: skip
_BOM = json.dumps({"bomFormat": "CycloneDX", "components": [
    {"type": "library", "group": "org.json", "name": "json", "purl": "pkg:maven/org.json/json@20211205"},
]}).encode()  # fmt: skip
_DEPS = json.dumps({
    "runtimeTarget": {"name": "net8"}, "targets": {"net8": {"A.B/1.0.1": {"runtime": {"a.dll": {}}}}},
    "libraries": {"A.B/1.0.1": {"type": "package"}},
}).encode()  # fmt: skip
_OF_PACKAGE = json.dumps({
    "type": "rpm", "name": "coreutils", "version": "9.4-7.fc40", "architecture": "x86_64",
    "osCpe": "cpe:/o:fedoraproject:fedora:40",
}).encode()  # fmt: skip
_WALL = b"".join(json.dumps(line, separators=(",", ":")).encode() + b"\n" for line in (
    {"jsonwall": "1.0", "schema": "1.0", "count": 3},
    {"kind": "package", "name": "libc6", "version": "2.39-0ubuntu8.9", "sha256": "00", "arch": "arm64"},
    {"kind": "path", "path": "/usr/lib/python3/six-1.dist-info/METADATA", "mode": "0644", "slices": ["libc6_libs"]},
))  # fmt: skip


@cache
def _made() -> dict[str, list[Seed]]:
    """Seeds of formats that are no text, by the title of the role that reads them."""
    header = rpm.package(
        epoch=1, arch="x86_64", sourcerpm="bash-5.1-2.el9.src.rpm", vendor="AlmaLinux", license="GPLv3+",
        modularitylabel="bash:1:2:3", basenames=["bash", "sh"], dirnames=["/usr/bin/", "/bin/"], dirindexes=[0, 1],
    )  # fmt: skip
    plain = rpm.package("tzdata", "2024a", "1.el9", arch="noarch")
    bdb, ndb, sqlite = "var/lib/rpm/Packages", "usr/lib/sysimage/rpm/Packages.db", "var/lib/rpm/rpmdb.sqlite"
    databases = [
        Seed(bdb, header, _bdb), Seed(bdb, _bdb(header)), Seed(bdb, rpm.bdb([header, plain], ">", 512)),
        Seed(ndb, header, _ndb), Seed(ndb, rpm.ndb([header, plain], 1)),
        Seed(sqlite, header, _sqlite), Seed(sqlite, _sqlite(header)), Seed(sqlite, rpm.sqlite([header, plain], 1024)),
    ]  # fmt: skip
    chisel = [Seed("var/lib/chisel/manifest.wall", _WALL, _zstd), Seed("var/lib/chisel/manifest.wall", _zstd(_WALL))]
    pom = "META-INF/maven/org.apache.logging.log4j/log4j-core/pom.properties"
    log4j = _archive(pom, "", False, _POM)
    manifest = "META-INF/MANIFEST.MF"
    jars = [
        Seed("opt/log4j-core-2.14.1.jar", log4j), Seed("opt/app.war", log4j, _zipped("lib/log4j.jar", stored=True)),
        Seed("opt/log4j-core.jar", _POM, _zipped(pom)), Seed("opt/thing-1.2.3.jar", _MANIFEST, _zipped(manifest)),
        Seed("opt/app.ear", _MANIFEST, _zipped(manifest, inside="lib/thing-1.2.3.jar")),
        Seed("opt/start.jar", b"#!/bin/sh\nexec java -jar $0\n" + log4j), Seed(f"opt/app/{pom}", _POM),
    ]  # fmt: skip
    wheel = "six-1.16.0.dist-info/METADATA"
    wheels = [
        Seed("opt/six-1.16.0-py3-none-any.whl", _METADATA, _zipped(wheel)),
        Seed("opt/six-1.16.0-py3-none-any.whl", _archive(wheel, "", False, _METADATA)),
        Seed("lib/six-1.16.0-py3.11.egg", _METADATA, _zipped("EGG-INFO/PKG-INFO")),
    ]
    modules = binaries.MAIN + '=>\texample.com/fork\tv0.1.0\th1:z=\nbuild\t-ldflags="-X main.version=1.2.3"\n'
    info, old = binaries.go_info(modules=modules), binaries.old_go_info(binaries.BASE + 128)
    go = [
        Seed("usr/bin/app", modules.encode(), _go), Seed("usr/bin/app", binaries.elf({".go.buildinfo": info})),
        Seed("usr/bin/old", binaries.elf({".go.buildinfo": old})), Seed("app.exe", binaries.pe({".data": info})),
        Seed("usr/bin/stripped", binaries.elf({".data": info}, named=False)),
        Seed("usr/bin/small", binaries.elf({".go.buildinfo": info}, bits=32, order=">")),
        Seed("usr/bin/mac", binaries.macho({"__go_buildinfo": info})),
        Seed("usr/bin/both", binaries.universal(binaries.macho({"__go_buildinfo": info}), binaries.macho({"x": info}))),
    ]  # fmt: skip
    crates = zlib.compress(_CRATES)
    rust = [
        Seed("usr/bin/rg", _CRATES, _audited), Seed("usr/bin/rg", binaries.elf({".dep-v0": crates})),
        Seed("rg.exe", binaries.pe({".dep-v0": crates})), Seed("usr/bin/mac", binaries.macho({"__dep-v0": crates})),
    ]  # fmt: skip
    said = {"InternalName": "Newtonsoft.Json.dll", "ProductVersion": "13.0.3+0a2e291c", "FileVersion": "13.0.3.27908",
            "OriginalFilename": "Newtonsoft.Json.dll", "ProductName": "Json.NET"}  # fmt: skip
    dlls = [Seed("app/Newtonsoft.Json.dll", assemblies.assembly(said, wide=wide)) for wide in (False, True)]
    known = [
        Seed(f"usr/local/bin/{name}", content if program.text else binaries.elf({".rodata": content}))
        for program in programs().programs
        for name in sorted(program.names)[:1]
        for content, _ in program.samples()[:1]
    ]
    cached, stored = (
        b"zlib/1.3.1\nmine/0.1@me/testing\n",
        b"".join(
            b"/nix/store/1ddf3x30m0z6kknmrmapsc7liz8npi1w-%s\n" % name
            for name in (b"openssl-3.0.13-dev", b"source", b"a-1")
        ),
    )
    cache, store = "root/.conan2/p/cache.sqlite3", "nix/var/nix/db/db.sqlite"
    native = [
        Seed("app/server", _BOM, _native), Seed("app/server", _native(_BOM)), Seed("app/ls", _OF_PACKAGE, _noted),
        Seed("app/ls", _noted(_OF_PACKAGE)), Seed("app/shop", binaries.bundle(_DEPS)),
        Seed("app/shop", binaries.bundle(_DEPS, version=1)),
    ]  # fmt: skip
    return {
        "embedded": native,
        "conan": [Seed(cache, cached, _CONAN), Seed(cache, _CONAN(cached))],
        "nix": [Seed(store, stored, _NIX), Seed(store, _NIX(stored))],
        "rpm": databases, "rpm files": databases, "deb": chisel, "deb files": chisel, "maven": jars, "pypi": wheels,
        "golang": go, "cargo": rust, "nuget": dlls, "generic": known,
    }  # fmt: skip


# --- detectors, layers, images -------------------------------------------------------------------


def _detectors(written: dict[str, dict[str, str]], real: list[tuple[str, bytes]]) -> Iterator[Reader]:
    releases = _Role("distros", BY_NAME["deb"], DISTROS.wants, BY_NAME["deb"].read)
    for name in ("distros", "content_sets", "secrets"):
        seeds = [Seed(path, text.encode()) for path, text in written.get(name, {}).items()]
        if name == "distros":
            seeds += _fitting(releases, real)
        (detector,) = detectors([name])
        yield Reader(name, partial(_detected, detector), tuple(seeds))


def _detected(detector: Detector, path: str, content: bytes) -> Iterable[object]:
    rows: list[dict[str, object]] = detector.detect(files_batch([(path, content)])).to_pylist()
    return rows


def _images() -> Iterator[Reader]:
    text = b"ID=alpine\nVERSION_ID=3.20.0\n"
    layer = LayerBuilder("pax").dir("etc").file("etc/os-release", text).symlink("etc/x", "../usr/x").whiteout("opt/y")
    layer.hardlink("etc/z", "etc/os-release").file("long/" + "n" * 120 + "/f", b"x" * 700).opaque("srv").fifo("run/f")
    tar = layer.tar()
    gnu = LayerBuilder("gnu").file("a/" + "m" * 130, b"y").device("dev/null").file("etc/os-release", text).tar()
    gzip, zstd = layer.blob("gzip").data, layer.blob("zstd").data
    yield Reader("layer (tar)", _layer, (Seed("", tar), Seed("", gnu)), (GridError,))
    yield Reader("layer (gzip)", _layer, (Seed("", gzip), Seed("", tar, _gzip), Seed("", gzip + gzip)), (GridError,))
    yield Reader("layer (zstd)", _layer, (Seed("", zstd), Seed("", tar, _zstd)), (GridError,))
    image = ImageBuilder(LayerBuilder().file("etc/os-release", text), LayerBuilder().file("x", b"y")).build()
    index = IndexBuilder(ImageBuilder(layer), ImageBuilder(LayerBuilder().file("x", b"y"))).build()
    artifact = RawManifest.artifact("application/vnd.example", b"{}").build()
    blobs = {**image.all_blobs(), **index.all_blobs()}
    configuration = next(body for body in image.all_blobs().values() if b"rootfs" in body)
    old = b'{"schemaVersion":1,"name":"x","fsLayers":[],"history":[]}'
    documents = tuple(Seed("manifest", body) for body in (image.manifest, index.manifest, artifact.manifest, old))
    yield Reader("manifests", partial(_manifest, blobs), documents, (GridError,))
    asked = partial(_configuration, blobs, image.manifest)
    yield Reader("configurations", asked, (Seed("config", configuration),), (GridError,))
    with tempfile.TemporaryDirectory() as folder:
        write_docker_archive(Path(folder) / "a.tar", {"a:1": ImageBuilder(LayerBuilder().file("x", b"y"))})
        saved = (Path(folder) / "a.tar").read_bytes()
    yield Reader("docker archives", _saved, (Seed("", saved),), (GridError,))
    names = {"org.opencontainers.image.ref.name": "1.0", "io.containerd.image.name": "docker.io/library/a:1.0"}
    top = json.dumps({"schemaVersion": 2, "manifests": [image.descriptor() | {"annotations": names}]}).encode()
    yield Reader("oci layouts", partial(_layout, image.all_blobs()), (Seed("", top),), (GridError,))
    asks = (b'Bearer realm="https://example.com/t?x=1",service="a",scope="repository:a:pull", Basic realm="x"',
            b"Basic", b"Negotiate abc==, Bearer a=b")  # fmt: skip
    yield Reader("challenges", _challenges, tuple(Seed("", ask) for ask in asks))


def _gzip(content: bytes) -> bytes:
    return zlib.compress(content, 1, 31)


def _layer(path: str, content: bytes) -> Iterable[object]:
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    facts = scan_layer([content], Layer(digest, len(content), ""), [DISTROS], LIMITS)
    return [row for name in ("distros", "entries", "notes") for row in facts.tables[name].to_pylist()]


@dataclass(slots=True)
class _Served:
    """A registry that has one document changed."""

    blobs: dict[str, bytes]
    body: bytes
    configuration: bytes | None = None

    def manifest(self, target: str) -> Document:
        body = self.blobs.get(target, self.body)
        return Document(digest_of(body), "", body)

    def config(self, digest: str, size: int) -> bytes:
        return self.configuration if self.configuration is not None else self.blobs.get(digest, b"{}")


def _manifest(blobs: dict[str, bytes], path: str, content: bytes) -> Iterable[object]:
    return resolve(_Served(blobs, content), "1.0", (LINUX_AMD64,))


def _configuration(blobs: dict[str, bytes], manifest: bytes, path: str, content: bytes) -> Iterable[object]:
    return resolve(_Served(blobs, manifest, content), "1.0", ())


def _saved(path: str, content: bytes) -> Iterable[object]:
    with tempfile.NamedTemporaryFile(suffix=".tar") as file:
        file.write(content)
        file.flush()
        return _all_of(Access("docker-archive", file.name))


def _layout(blobs: dict[str, bytes], path: str, content: bytes) -> Iterable[object]:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "blobs/sha256").mkdir(parents=True)
        for digest, body in blobs.items():
            (Path(folder) / "blobs" / digest.replace(":", "/")).write_bytes(body)
        (Path(folder) / "index.json").write_bytes(content)
        return _all_of(Access("oci", folder))


def _all_of(access: Access) -> list[object]:
    """Every name, image and byte of a local source."""
    found: list[object] = []
    registry = connect(access)
    try:
        for name in registry.repositories():
            for tag in registry.tags(name):
                found.append({"repository": name, "tag": tag})
                for image in registry.resolve(name, tag, ()):
                    found.append(image)
                    for layer in image.layers:
                        with registry.open_blob(name, layer) as chunks:
                            sum(map(len, chunks))
    finally:
        registry.close()
    return found


def _challenges(path: str, content: bytes) -> Iterable[object]:
    return [{"scheme": c.scheme} for c in parse_challenges([content.decode("latin-1")])]


def _suppressions(written: dict[str, dict[str, str]]) -> Iterator[Reader]:
    for name, read in (
        ("vex documents", read_document), ("ignore files", ignorefile.read), ("ignore files (yaml)", ignorefile.read)
    ):  # fmt: skip
        seeds = tuple(Seed(path, text.encode()) for path, text in written[name].items())
        yield Reader(name, partial(_stated, read), seeds, (GridError,))


def _stated(read: Callable[[bytes, str], Iterable[object]], path: str, content: bytes) -> Iterable[object]:
    """What a user says of findings: texts as they please."""
    return [{} for _ in read(content, path)]

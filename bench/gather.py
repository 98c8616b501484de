"""Images of what registries hold: Debian packages, wheels and npm packages, fetched by their own clients and laid out
as an installation leaves them. And images in archives, and records in zips, that are on this machine.

Debian packages are unpacked without dpkg's database, so that what is in them counts as a user's own; ``database``
makes the image of that database alone.
"""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import subprocess
import tarfile
import zipfile
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from email.parser import HeaderParser
from pathlib import Path
from typing import Any

from bench import inventory
from bench.models import Absent, environment, last_line
from grid.testing import ImageBuilder, LayerBuilder, built_layer, write_layout

DEBIAN = inventory.release("Debian:12")
_LARGEST = 1 << 30


def layout(
    folder: Path,
    entries: Iterable[tuple[str, bytes, int]],
    links: Iterable[tuple[str, str]] = (),
    release: Mapping[str, bytes] = DEBIAN,
) -> Path:
    """An OCI layout of one layer: (path, content, mode) and symbolic links (path, target). Kept if it is there."""
    if not (folder / "index.json").exists():
        layer = LayerBuilder()
        for path, content in release.items():
            layer.file(path, content)
        for path, content, mode in entries:
            layer.file(path, content, mode)
        for path, target in links:
            layer.symlink(path, target)
        write_layout(folder, {"": ImageBuilder(built_layer(layer.tar(), "none"))})
    return folder


def fetched(command: Sequence[str], folder: Path, pattern: str) -> list[Path]:
    """The files that a client puts into ``folder``, which is kept. Raises Absent if the client is not here or fails."""
    if not (done := folder / ".done").exists():
        folder.mkdir(parents=True, exist_ok=True)
        if shutil.which(command[0]) is None:
            raise Absent(f"{command[0]} is not on PATH")
        told = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=1500, env=environment())
        if told.returncode:
            raise Absent(f"{command[0]} could not fetch: {last_line(told.stderr)}")
        done.touch()
    return sorted(folder.glob(pattern))


# --- Debian --------------------------------------------------------------------------------------


def debs(folder: Path, names: Sequence[str]) -> list[Path]:
    """Packages of this machine's Debian, without what they depend on."""
    return fetched(["apt-get", "download", "-q", *names], folder, "*.deb")


def unpacked(folder: Path, packages: Iterable[Path]) -> Path:
    """An image with the files of Debian packages, but documentation, and no package database."""
    files: list[tuple[str, bytes, int]] = []
    links: list[tuple[str, str]] = []
    if not (folder / "index.json").exists():
        for package in packages:
            for path, content, mode, target in members(package):
                if target is None:
                    files.append((path, content, mode))
                else:
                    links.append((path, target))
    return layout(folder, files, links)


def database(folder: Path, packages: Iterable[Path]) -> Path:
    """An image with dpkg's records of packages as if they were installed."""
    stanzas = []
    for package in packages:
        control = subprocess.run(["dpkg-deb", "-f", str(package)], check=True, capture_output=True, text=True).stdout
        stanzas.append(control.replace("\n", "\nStatus: install ok installed\n", 1).strip())
    return layout(folder, [("var/lib/dpkg/status", ("\n\n".join(stanzas) + "\n").encode(), 0o644)])


def members(package: Path) -> Iterator[tuple[str, bytes, int, str | None]]:
    """(path, content, mode, None) of the files of a Debian package, (path, nothing, mode, target) of its links."""
    unpacker = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(package)], stdout=subprocess.PIPE)
    assert unpacker.stdout is not None
    with tarfile.open(fileobj=unpacker.stdout, mode="r|") as archive:
        for member in archive:
            path = member.name.removeprefix("./")
            if member.issym():
                yield path, b"", 0o777, member.linkname
            elif member.isfile() and not path.startswith("usr/share/doc/") and member.size < _LARGEST:
                content = archive.extractfile(member)
                yield path, content.read() if content else b"", member.mode, None
    if unpacker.wait():
        raise RuntimeError(f"dpkg-deb cannot unpack {package.name}")


# --- PyPI and npm --------------------------------------------------------------------------------


def wheels(folder: Path, names: Sequence[str]) -> Path:
    """The folder into which pip has installed packages and what they depend on."""
    fetched(["pip", "install", "--quiet", "--only-binary", ":all:", "--target", "site", *names], folder, "*")
    return folder / "site"


def modules(folder: Path, names: Sequence[str]) -> Path:
    """The folder in which npm has installed packages and what they depend on; no script of theirs runs."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "package.json").write_text(json.dumps({"name": "shop", "version": "1.0.0", "private": True}))
    options = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    fetched(["npm", "install", *options, *names], folder, "*")
    return folder


def tree(folder: Path, root: Path, place: str) -> Path:
    """An image with the files below ``root``, at ``place``; bytecode is left out."""
    files: list[tuple[str, bytes, int]] = []
    links: list[tuple[str, str]] = []
    if not (folder / "index.json").exists():
        for path in sorted(root.rglob("*")):
            name = f"{place}/{path.relative_to(root)}"
            if path.is_symlink():
                links.append((name, str(path.readlink())))
            elif path.is_file() and path.suffix != ".pyc" and path.name != ".done":
                files.append((name, path.read_bytes(), path.stat().st_mode & 0o777))
    return layout(folder, files, links)


# --- on this machine -----------------------------------------------------------------------------


def archive(folder: Path, file: Path) -> Path:
    """The layout in an ``.oci.tar``, unpacked, with the first of its images only: Syft takes no layout of several."""
    if not (folder / "index.json").exists():
        with tarfile.open(file) as packed:
            packed.extractall(folder, filter="data")
        index = json.loads((folder / "index.json").read_text())
        while "manifests" in (inner := _blob(folder, index["manifests"][0]["digest"])):
            index["manifests"] = inner["manifests"]
        index["manifests"] = index["manifests"][:1]
        (folder / "index.json").write_text(json.dumps(index))
    return folder


def _blob(folder: Path, digest: str) -> dict[str, Any]:
    described: dict[str, Any] = json.loads((folder / "blobs" / Path(*digest.split(":"))).read_bytes())
    return described


def states(folder: Path) -> dict[str, str]:
    """``Status`` of each package of an image's ``var/lib/dpkg/status``, read as mail headers are; "" for none."""
    (manifest,) = json.loads((folder / "index.json").read_text())["manifests"]
    told: dict[str, str] = {}
    for layer in _blob(folder, manifest["digest"])["layers"]:
        with tarfile.open(folder / "blobs" / Path(*layer["digest"].split(":"))) as packed:
            for member in packed:
                content = packed.extractfile(member) if member.name.endswith("var/lib/dpkg/status") else None
                for stanza in (content.read().decode("utf-8", "replace") if content else "").split("\n\n"):
                    head = HeaderParser().parsestr(stanza.lstrip("\n"))
                    if head["Package"]:
                        told[str(head["Package"]).strip()] = str(head["Status"] or "").strip()
    return told


def contents(folder: Path, paths: Collection[str]) -> dict[str, bytes]:
    """What an image has at these paths and in every ``deps.json``, as the last layer that has the path. Links within
    a layer are followed."""
    (manifest,) = json.loads((folder / "index.json").read_text())["manifests"]
    told: dict[str, bytes] = {}
    for layer in _blob(folder, manifest["digest"])["layers"]:
        with tarfile.open(folder / "blobs" / Path(*layer["digest"].split(":"))) as packed:
            for member in packed.getmembers():
                path = member.name.removeprefix("./")
                if path not in paths and not path.endswith(".deps.json"):
                    continue
                with contextlib.suppress(KeyError):  # a link into another layer
                    if (stream := packed.extractfile(member)) is not None:
                        told[path] = stream.read()
    return told


def inert(folder: Path, paths: Collection[str]) -> frozenset[str]:
    """Which of these files of an image have no execute bit."""
    (manifest,) = json.loads((folder / "index.json").read_text())["manifests"]
    modes: dict[str, int] = {}
    for layer in _blob(folder, manifest["digest"])["layers"]:
        with tarfile.open(folder / "blobs" / Path(*layer["digest"].split(":"))) as packed:
            modes |= {one.name.removeprefix("./"): one.mode for one in packed if one.isfile()}
    return frozenset(path for path in paths if path in modes and not modes[path] & 0o111)


def records(folder: Path, file: Path, chosen: Iterable[tuple[str, str]], release: Mapping[str, bytes] = DEBIAN) -> Path:
    """An image of members of a zip: (member, path in the image)."""
    files = []
    if not (folder / "index.json").exists():
        with zipfile.ZipFile(io.BytesIO(file.read_bytes())) as packed:
            files = [(path, packed.read(member), 0o644) for member, path in chosen]
    return layout(folder, files, release=release)

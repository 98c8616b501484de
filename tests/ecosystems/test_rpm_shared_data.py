"""Real databases of every backend, against what rpm itself lists of them."""

from __future__ import annotations

import csv
import io
import json
import shutil
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest

from grid.detectors import detectors
from grid.ecosystems.rpm import ECOSYSTEM
from grid.layers.scan import scan_layer
from grid.model import Layer, Limits, Package
from grid.testing.rpm import BDB, NDB, SQLITE

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data"
ZIP = SHARED / "rpmdb" / "rpmdb.zip"
IMAGES = SHARED / "images"
PATHS = {"Packages": BDB, "Packages.db": NDB, "rpmdb.sqlite": SQLITE}

FIELDS = ("name", "epoch", "version", "release", "arch", "sourcerpm", "modularitylabel", "license", "vendor")


def expectations() -> list[str]:
    if not ZIP.exists():
        return []
    with zipfile.ZipFile(ZIP) as archive:
        return sorted(name for name in archive.namelist() if name.endswith(".csv"))


def fields(package: Package) -> tuple[str, ...]:
    epoch, _, rest = package.version.rpartition(":")
    version, _, release = rest.rpartition("-")
    source = f"{package.source_name}-{package.source_version.rpartition(':')[2]}.src.rpm" if package.source_name else ""
    licence = " and ".join(package.licenses).replace(" AND ", " and ")
    return (
        package.name, epoch, version, release, package.arch, source, package.modularity, licence, package.origin,
    )  # fmt: skip


@pytest.mark.skipif(not ZIP.exists(), reason="needs ../shared/data/rpmdb")
@pytest.mark.parametrize("expected", expectations())
def test_every_database_gives_what_rpm_lists(expected: str) -> None:
    folder = expected.partition("/")[0]
    with zipfile.ZipFile(ZIP) as archive:
        (database,) = (n for n in archive.namelist() if n.startswith(f"{folder}/") and n.rpartition("/")[2] in PATHS)
        content = archive.read(database)
        rows = list(csv.DictReader(io.StringIO(archive.read(expected).decode())))
    for row in rows:
        row["modularitylabel"] = ":".join(row["modularitylabel"].split(":")[:2])
        row["license"] = row["license"].replace(" AND ", " and ")
    found = list(ECOSYSTEM.read(PATHS[database.rpartition("/")[2]], content, Limits()))
    packages = [fact for fact in found if isinstance(fact, Package)]
    assert len(packages) == len(found), "there are notes"
    assert sorted(map(fields, packages)) == sorted(
        tuple(row[f] for f in FIELDS) for row in rows if row["name"] != "gpg-pubkey"
    )


@pytest.mark.skipif(not ZIP.exists() or shutil.which("rpm") is None, reason="needs ../shared/data/rpmdb and rpm")
@pytest.mark.parametrize("expected", [e for e in expectations() if ".ndb/" not in e])  # Debian's rpm has no NDB
def test_rpm_itself_lists_the_same(expected: str, tmp_path: Path) -> None:
    folder = expected.partition("/")[0]
    with zipfile.ZipFile(ZIP) as archive:
        (database,) = (n for n in archive.namelist() if n.startswith(f"{folder}/") and n.rpartition("/")[2] in PATHS)
        content = archive.read(database)
    name = database.rpartition("/")[2]
    (tmp_path / name).write_bytes(content)
    columns = r"%{NAME}\t%|EPOCH?{%{EPOCH}}|\t%{VERSION}\t%{RELEASE}\t%{ARCH}\t%{SOURCERPM}\t"
    columns += r"%|MODULARITYLABEL?{%{MODULARITYLABEL}}|\n"
    listed = subprocess.run(
        ["rpm", "--dbpath", str(tmp_path), "--query", "--all", "--queryformat", columns],
        capture_output=True, text=True, check=True, timeout=60,
    ).stdout  # fmt: skip
    rows = [line.split("\t") for line in listed.splitlines()]
    told = [(*row[:6], ":".join(row[6].split(":")[:2])) for row in rows if row[0] != "gpg-pubkey"]
    found = [fields(p)[:7] for p in ECOSYSTEM.read(PATHS[name], content, Limits()) if isinstance(p, Package)]
    assert sorted(found) == sorted(told)


@pytest.mark.skipif(not IMAGES.exists(), reason="needs ../shared/data/images")
@pytest.mark.parametrize("name", ["almalinux-micro-al8-20230523-s390x", "almalinux-micro-al9-20221001-aarch64"])
def test_an_image_gives_the_packages_that_rpm_lists_in_it(name: str) -> None:
    (told,) = json.loads((IMAGES / "expected-os-packages.json").read_text())[f"{name}.oci.tar"]
    with tarfile.open(IMAGES / f"{name}.oci.tar") as archive:

        def blob(digest: str) -> bytes:
            member = archive.extractfile(f"blobs/{digest.replace(':', '/')}")
            assert member is not None
            return member.read()

        index = archive.extractfile("index.json")
        assert index is not None
        manifest = json.loads(blob(json.load(index)["manifests"][0]["digest"]))
        (layer,) = manifest["layers"]
        facts = scan_layer(
            [blob(layer["digest"])],
            Layer(layer["digest"], layer["size"], layer["mediaType"]),
            detectors(["packages", "owned_files", "distros"]),
        )
    assert facts.tables["notes"].num_rows == 0
    rows = [row for row in facts.tables["packages"].to_pylist() if row["ecosystem"] == "rpm"]
    assert sorted((row["name"], row["version"], row["arch"]) for row in rows) == sorted(
        (package, f"{epoch}:{version}-{release}" if epoch else f"{version}-{release}", arch)
        for package, epoch, version, release, arch, _ in told["packages"]
        if package != "gpg-pubkey"
    )
    assert {row["id"] for row in facts.tables["distros"].to_pylist()} == {"almalinux"}

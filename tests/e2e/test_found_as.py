"""One package, told by several: the better record counts, and nothing is listed twice."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb

from grid.database import Database
from grid.driver import LocalExecutor
from grid.estate import Estate
from grid.store import Lake
from grid.sweep import sweep
from grid.testing.assemblies import assembly
from grid.testing.binaries import elf
from grid.testing.layers import ImageBuilder, LayerBuilder, write_layout
from grid.warehouse import connect

SITE = "usr/lib/python3/site-packages"


def packages(lake: Lake) -> list[tuple[Any, ...]]:
    with connect(lake) as con:
        return con.execute("SELECT purl, found_as, source_path FROM image_packages ORDER BY ALL").fetchall()


def swept(tmp_path: Path, image: ImageBuilder, database: Database | None = None) -> Lake:
    write_layout(tmp_path / "images", {"app:1": image})
    lake = Lake.open(tmp_path / "lake", create=True)
    sweep(Estate(images=(f"oci:{tmp_path / 'images'}:app:1",)), lake, LocalExecutor(), database=database)
    return lake


def ask(lake: Lake, query: str) -> list[tuple[Any, ...]]:
    with connect(lake) as con:
        return con.execute(query).fetchall()


def spdx(*urls: str) -> str:
    refs = [{"externalRefs": [{"referenceType": "purl", "referenceLocator": url}]} for url in urls]
    return json.dumps({"spdxVersion": "SPDX-2.3", "packages": refs})


def test_a_record_wins_over_an_sbom_at_the_same_purl(
    tmp_path: Path, database: Database, same_counts: Callable[[duckdb.DuckDBPyConnection], int]
) -> None:
    document = spdx(
        "pkg:npm/lodash@4.17.15", "pkg:npm/minimist@0.0.8", "pkg:pypi/zope-interface@5.4.0",
        "pkg:apk/alpine/musl@1.1.20-r4?arch=x86_64", "pkg:apk/alpine/gone@1-r0?arch=x86_64", "pkg:npm/deleted@1.0.0",
    )  # fmt: skip
    base = LayerBuilder().file("etc/os-release", "ID=alpine\nVERSION_ID=3.10.0\n")
    base.file("lib/apk/db/installed", "P:musl\nV:1.1.20-r4\nA:x86_64\no:musl\n\n")
    base.file("opt/bitnami/x/.spdx-x.spdx", document).file("opt/old.spdx", document)
    base.file("app/node_modules/deleted/package.json", '{"name": "deleted", "version": "1.0.0"}')
    app = LayerBuilder().file("app/node_modules/lodash/package.json", '{"name": "lodash", "version": "4.17.15"}')
    app.file(f"{SITE}/zope.interface-5.4.0.dist-info/METADATA", "Name: zope.interface\nVersion: 5.4.0\n")
    app.whiteout("opt/old.spdx").whiteout("app/node_modules/deleted")
    lake = swept(tmp_path, ImageBuilder(base, app), database)
    sbom = "opt/bitnami/x/.spdx-x.spdx"
    assert packages(lake) == [
        ("pkg:apk/alpine/gone@1-r0?arch=x86_64", "sbom", sbom),
        ("pkg:apk/alpine/musl@1.1.20-r4?arch=x86_64&distro=alpine-3.10.0", "installed", "lib/apk/db/installed"),
        ("pkg:npm/deleted@1.0.0", "sbom", sbom),
        ("pkg:npm/lodash@4.17.15", "installed", "app/node_modules/lodash/package.json"),
        ("pkg:npm/minimist@0.0.8", "sbom", sbom),
        ("pkg:pypi/zope-interface@5.4.0", "installed", f"{SITE}/zope.interface-5.4.0.dist-info/METADATA"),
    ]
    assert ask(lake, "SELECT packages FROM image_summary") == [(6,)]
    found = ask(lake, "SELECT DISTINCT package, found_as FROM vulnerabilities ORDER BY ALL")
    assert ("lodash", "installed") in found and ("minimist", "sbom") in found and ("lodash", "sbom") not in found
    with connect(lake) as con:
        assert same_counts(con) == 1


def of_package(name: str, version: str) -> bytes:
    """A program that says so of itself."""
    text = json.dumps({"type": "apk", "os": "alpine", "name": name, "version": version}).encode() + b"\0"
    return elf({".note.package": struct.pack("<III", 4, len(text), 0xCAFE1A7E) + b"FDO\0" + text})


def test_a_copied_program_counts_where_no_database_knows_its_source_package(
    tmp_path: Path, database: Database, same_counts: Callable[[duckdb.DuckDBPyConnection], int]
) -> None:
    base = LayerBuilder().file("etc/os-release", "ID=alpine\nVERSION_ID=3.10.0\n")
    base.file("lib/apk/db/installed", "P:libcrypto1.1\nV:1.1.1-r0\nA:x86_64\no:openssl\n\n")
    app = LayerBuilder()
    for path, version in (("app/openssl", "1.1.1-r0"), ("opt/old/openssl", "1.0.2-r0"), ("usr/bin/c", "1.0.1-r0")):
        app.file(path, of_package("openssl", version), 0o755)
    lake = swept(tmp_path, ImageBuilder(base, app), database)
    assert packages(lake) == [
        ("pkg:apk/alpine/libcrypto1.1@1.1.1-r0?arch=x86_64&distro=alpine-3.10.0", "installed", "lib/apk/db/installed"),
        ("pkg:apk/alpine/openssl@1.0.1-r0", "sbom", "usr/bin/c"),
        ("pkg:apk/alpine/openssl@1.0.2-r0", "sbom", "opt/old/openssl"),
    ]
    assert ask(lake, "SELECT packages FROM image_summary") == [(3,)]
    assert ask(lake, "SELECT count(*) FROM vulnerabilities WHERE found_as = 'sbom'") == [(0,)]
    with connect(lake) as con:
        assert same_counts(con) == 1


def test_an_assembly_counts_where_no_deps_json_names_it(tmp_path: Path) -> None:
    library = assembly({"InternalName": "A.B.dll", "ProductVersion": "1.2.3"})
    target = {"net8.0": {"A.B/1.2.3": {"runtime": {"lib/net8.0/A.B.dll": {}}}}}
    record = json.dumps({"targets": target, "libraries": {"A.B/1.2.3": {"type": "package"}}})
    first = LayerBuilder().file("app/App.deps.json", record).file("app/A.B.dll", library)
    first.file("tools/A.B.dll", library).file("late/A.B.dll", library)
    lake = swept(tmp_path, ImageBuilder(first, LayerBuilder().file("late/Late.deps.json", record)))
    assert packages(lake) == [
        ("pkg:nuget/A.B@1.2.3", "binary", "tools/A.B.dll"),
        ("pkg:nuget/A.B@1.2.3", "installed", "app/App.deps.json"),
        ("pkg:nuget/A.B@1.2.3", "installed", "late/Late.deps.json"),
    ]
    assert ask(lake, "SELECT packages FROM image_summary") == [(3,)]


def test_no_purl_is_listed_twice_at_one_path(tmp_path: Path) -> None:
    """A file that several layers hold, that a tar holds twice, and a layer that an image has twice."""
    one = LayerBuilder().file("app/node_modules/a/package.json", '{"name": "a", "version": "1.0.0"}')
    two = LayerBuilder().file("app/node_modules/a/package.json", '{"name": "a", "version": "1.0.0"}').file("x", "y")
    twice = (
        LayerBuilder()
        .file(f"{SITE}/b-1.egg-info", "Name: b\nVersion: 1\n")
        .file(f"{SITE}/b-1.egg-info", "Name: b\nVersion: 1\n")
    )
    twice.file(f"{SITE}/b-1.dist-info/METADATA", "Name: B\nVersion: 1\n")
    doubled = spdx("pkg:npm/c@1", "pkg:npm/c@1", "pkg:npm/c@1")
    lake = swept(tmp_path, ImageBuilder(one, two, twice, LayerBuilder().file("c.spdx.json", doubled), one))
    rows = packages(lake)
    assert len({(purl, path) for purl, _, path in rows}) == len(rows)
    assert [purl for purl, _, _ in rows] == ["pkg:npm/a@1.0.0", "pkg:npm/c@1", "pkg:pypi/b@1", "pkg:pypi/b@1"]
    assert ask(lake, "SELECT packages FROM image_summary") == [(4,)]

"""What an image's coverage says of kinds of packages that the database has no advisories for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from grid.database import open_database
from grid.driver import LocalExecutor
from grid.ecosystems import for_osv
from grid.estate import parse_estate
from grid.keys import LOWEST
from grid.store import Lake
from grid.sweep import rematch, sweep
from grid.testing import ImageBuilder, LayerBuilder, write_layout
from grid.testing.binaries import elf, go_info
from grid.warehouse import connect
from tests.e2e.cli import scangrid
from vulndb.build import publish

ELF = b"\x7fELF\x02\x01\x01" + b"\0" * 57
BUSYBOX = ELF + b"\0BusyBox v1.36.1 (2024-01-01 00:00:00 UTC)\0"
REDIS = ELF + b"\0Redis version 7.2.4\0"
STATUS = "Package: bash\nStatus: install ok installed\nVersion: 5.2-1\nArchitecture: amd64\n"
DOCKER = """
Package: docker-ce
Status: install ok installed
Maintainer: Docker <support@docker.com>
Version: 5:26.1.0-1~debian.12~bookworm
Architecture: amd64
"""
CONDA = '{"name": "zlib", "version": "1.2.13", "build": "h1", "channel": "conda-forge", "license": "Zlib"}'
MUSL = "P:musl\nV:1-r0\nA:x86_64\no:musl\n"
LISTED = {"Debian:12": "curl", "Alpine:v3.20": "curl", "PyPI": "django", "Go": "stdlib", "Bitnami": "redis"}


def build(root: Path, *namespaces: str) -> Path:
    """A database with one old advisory in each namespace, which no package here suffers from."""
    rows = [
        {
            "namespace": name, "name": LISTED[name], "advisory_id": f"A-{name}", "source": "osv", "lo": LOWEST,
            "hi": for_osv(name).key("0.0.1"), "introduced": "0", "fixed": "0.0.1", "state": "fixed",
        }
        for name in namespaces
    ]  # fmt: skip
    advisories = [
        {"advisory_id": row["advisory_id"], "source": "osv", "vuln_id": row["advisory_id"], "aliases": []}
        for row in rows
    ]
    publish(root, {"advisories": advisories, "ranges": rows})
    return root


def debian() -> LayerBuilder:
    return LayerBuilder().file("etc/os-release", "ID=debian\nVERSION_ID=12\n").file("var/lib/dpkg/status", STATUS)


def spdx(*urls: str) -> str:
    """A document of packages."""
    refs = [[{"referenceType": "purl", "referenceLocator": url}] for url in urls]
    packages = [{"name": "x", "SPDXID": f"SPDXRef-{n}", "externalRefs": ref} for n, ref in enumerate(refs)]
    return json.dumps({"spdxVersion": "SPDX-2.3", "packages": packages})


def wheel(layer: LayerBuilder) -> LayerBuilder:
    return layer.file("usr/lib/python3/x-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: x\nVersion: 1\n")


def images() -> dict[str, ImageBuilder]:
    alpine = LayerBuilder().file("etc/os-release", "ID=alpine\nVERSION_ID=3.20.0\n")
    alpine.file("lib/apk/db/installed", f"{MUSL}\n")
    inside = debian().file("srv/guest/lib/apk/db/installed", f"{MUSL}\n").file("srv/guest/var/lib/dpkg/status", STATUS)
    documents = LayerBuilder().file("etc/os-release", "ID=alpine\nVERSION_ID=3.20.0\n")
    documents.file("lib/apk/db/installed", f"{MUSL}F:var/lib/db/sbom\nR:musl.spdx.json\n\n")
    documents.file("var/lib/db/sbom/musl.spdx.json", spdx("pkg:apk/alpine/musl@1-r0", "pkg:apk/alpine/parts@2-r0"))
    documents.file("opt/app.spdx.json", spdx("pkg:apk/alpine/musl@1-r0", "pkg:apk/alpine/curl@8-r0"))
    program = elf({".go.buildinfo": go_info()})
    return {
        "busybox:1": ImageBuilder(LayerBuilder().file("bin/busybox", BUSYBOX, mode=0o755)),
        "go:1": ImageBuilder(LayerBuilder().file("app", program, mode=0o755)),
        "pip:1": ImageBuilder(wheel(debian())),
        "alpine:1": ImageBuilder(alpine),
        "docker:1": ImageBuilder(debian(), debian().file("var/lib/dpkg/status", STATUS + DOCKER)),
        "redis:1": ImageBuilder(wheel(debian()), LayerBuilder().file("usr/local/bin/redis-server", REDIS, mode=0o755)),
        "inside:1": ImageBuilder(inside),
        "documents:1": ImageBuilder(documents),
        "mixed:1": ImageBuilder(
            wheel(debian()),
            LayerBuilder()
            .file("usr/local/bin/busybox", BUSYBOX, mode=0o755)
            .file("opt/conda/conda-meta/zlib-1.2.13-h1.json", CONDA),
        ),
    }


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("coverage")
    write_layout(root / "images", images())
    build(root / "whole", *LISTED)
    build(root / "systems", "Debian:12", "Alpine:v3.20")
    return root


@pytest.fixture(scope="module")
def lake(site: Path) -> Lake:
    lake = Lake.open(site / "lake", create=True)
    estate = parse_estate(f"registries:\n  - name: here\n    kind: oci\n    url: {site / 'images'}\n")
    sweep(estate, lake, LocalExecutor(), database=open_database(site / "whole"))
    return lake


def ask(lake: Lake, query: str) -> list[tuple[Any, ...]]:
    with connect(lake) as con:
        return con.execute(query).fetchall()


def test_what_no_advisory_can_speak_of_lowers_the_coverage(lake: Lake) -> None:
    found = dict(ask(lake, "SELECT repository, coverage FROM image_summary"))
    assert found == {
        "alpine": 1.0, "go": 1.0, "pip": 1.0, "redis": 1.0, "busybox": 0.0,
        "docker": pytest.approx(0.99 / 2), "inside": pytest.approx(0.99 / 2), "documents": pytest.approx(0.99 * 2 / 3),
        "mixed": pytest.approx(0.99 * 2 / 4),
    }  # fmt: skip


ELSEWHERE = (
    "1 of its packages is known from an SBOM, a program or the database of another root only, which may be another "
    "distribution's: it was not matched"
)


def test_a_note_names_what_was_not_matched(lake: Lake) -> None:
    assert ask(lake, "SELECT repository, detector, code, message FROM image_notes ORDER BY ALL") == [
        ("busybox", "match", "PackagesUnmatched",
         "the database has no advisories for 1 of its packages (busybox): they were not matched"),
        ("docker", "match", "PackagesForeign",
         "1 of its packages is another publisher's (docker-ce): advisories of the distribution are not about them, and "
         "others are not known"),
        ("documents", "match", "PackagesElsewhere", ELSEWHERE),
        ("inside", "match", "PackagesElsewhere", ELSEWHERE),
        ("mixed", "match", "PackagesUnmatched",
         "the database has no advisories for 2 of its packages (busybox, conda): they were not matched"),
    ]  # fmt: skip


def test_a_new_match_changes_the_coverage_without_a_scan(site: Path, lake: Lake) -> None:
    rematch(lake, open_database(site / "systems"))
    try:
        found = dict(ask(lake, "SELECT repository, coverage FROM image_summary"))
        assert found == {
            "inside": pytest.approx(0.99 / 2), "documents": pytest.approx(0.99 * 2 / 3),
            "alpine": 1.0, "go": 0.0, "busybox": 0.0, "pip": pytest.approx(0.99 / 2), "docker": pytest.approx(0.99 / 2),
            "redis": pytest.approx(0.99 / 3), "mixed": pytest.approx(0.99 / 4),
        }  # fmt: skip
    finally:
        rematch(lake, open_database(site / "whole"))


@pytest.mark.parametrize(
    ("name", "says", "coverage"),
    [
        ("busybox", "the database has no advisories for any of its packages: nothing was matched", "coverage 0%"),
        ("go", "no known vulnerability", "coverage 100%"),
        ("pip", "no known vulnerability", "coverage 100%"),
        ("alpine", "no known vulnerability", "coverage 100%"),
        ("mixed", "no known vulnerability", "coverage 50%: see the notes below"),
    ],
)
def test_a_scan_says_so(site: Path, tmp_path: Path, name: str, says: str, coverage: str) -> None:
    ended = scangrid(
        "scan", f"oci:{site / 'images'}:{name}:1", "--lake", tmp_path / "lake", "-q",
        COLUMNS="160", SCANGRID_DB=site / "whole",
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert says in ended.stdout and coverage in ended.stdout, ended.stdout
    assert ("no known vulnerability" in ended.stdout) is (says == "no known vulnerability")


@pytest.mark.parametrize("database", ["whole", "none"])
def test_what_only_another_root_tells_is_noted_and_explained_with_a_database_or_without(
    site: Path, tmp_path: Path, database: str
) -> None:
    image, places = f"oci:{site / 'images'}:inside:1", {"COLUMNS": "240", "SCANGRID_DB": site / database}
    ended = scangrid("scan", image, "--lake", tmp_path / "lake", "-q", **places)
    assert "coverage 50%: see the notes below" in ended.stdout and ELSEWHERE in ended.stdout, ended.stdout
    told = scangrid("explain", image, "musl", "--lake", tmp_path / "lake", **places).stdout
    why = {"whole": "the database of another root tells it", "none": "there is no vulnerability database"}[database]
    assert f"not matched: {why}" in told.replace("an SBOM, a program or ", ""), told


def test_a_program_that_an_os_package_owns_is_that_package(tmp_path: Path, site: Path) -> None:
    layer = wheel(debian()).file("var/lib/dpkg/info/bash.list", "/.\n/bin/busybox\n")
    write_layout(tmp_path / "images", {"owned:1": ImageBuilder(layer.file("bin/busybox", BUSYBOX, mode=0o755))})
    lake = Lake.open(tmp_path / "lake", create=True)
    estate = parse_estate(f"registries:\n  - name: here\n    kind: oci\n    url: {tmp_path / 'images'}\n")
    sweep(estate, lake, LocalExecutor(), database=open_database(site / "whole"))
    assert ask(lake, "SELECT packages, coverage, notes FROM image_summary") == [(2, 1.0, 0)]

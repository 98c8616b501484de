"""Unmanaged programs from tar to table: those that an OS package owns are no packages of their own."""

from __future__ import annotations

import json
from pathlib import Path
from struct import pack
from typing import Any

import pytest

from grid.driver import LocalExecutor
from grid.estate import parse_estate
from grid.store import Lake
from grid.sweep import sweep
from grid.testing import ImageBuilder, LayerBuilder, write_layout
from grid.testing.binaries import elf
from grid.warehouse import connect


def noted(text: bytes) -> bytes:
    """A program with a package note."""
    return elf({".note.package": pack("<III", 4, len(text), 0xCAFE1A7E) + b"FDO\0" + text})


STATUS = "Package: bash\nStatus: install ok installed\nVersion: 5.2-1\nArchitecture: amd64\n"
ELF = b"\x7fELF\x02\x01\x01" + b"\0" * 57
BASH = ELF + b"@(#)Bash version 5.2.15(1) release GNU\0"
OF_BASH = json.dumps({"type": "deb", "os": "debian", "name": "bash", "version": "5.2-1"}).encode()
OF_CURL = json.dumps({"type": "rpm", "os": "fedora", "name": "curl", "version": "8.9.1-2.fc41"}).encode()
NODE = ELF + b"\0https://nodejs.org/download/release/v20.1.0/node-v20.1.0.tar.gz\0"


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    base = LayerBuilder()
    for path in ("etc", "usr", "usr/bin", "usr/lib", "var", "var/lib", "var/lib/dpkg", "var/lib/dpkg/info"):
        base.dir(path)
    base.symlink("bin", "usr/bin").file("etc/os-release", "ID=debian\nVERSION_ID=12\n")
    base.file("var/lib/dpkg/status", STATUS).file(
        "var/lib/dpkg/info/bash.list", "/.\n/bin/bash\n/sbin/rbash\n/usr/bin/node\n"
    )
    base.file("usr/bin/bash", BASH, mode=0o755).file("usr/bin/node", NODE, mode=0o755)
    base.file("usr/bin/rbash", noted(OF_BASH), mode=0o755).file("usr/bin/curl", noted(OF_CURL), mode=0o755)
    app = LayerBuilder()
    for path in ("usr", "usr/local", "usr/local/bin"):
        app.dir(path)
    app.file("usr/local/bin/node", NODE, mode=0o755)
    app.file("usr/bin/rbash", noted(OF_BASH), mode=0o755)
    root = Path(tmp_path_factory.mktemp("unmanaged"))
    write_layout(root / "layout", {"app:1": ImageBuilder(base, app)})
    lake = Lake.open(root / "lake", create=True)
    estate = parse_estate(f"registries:\n  - name: here\n    kind: oci\n    url: {root / 'layout'}\n")
    sweep(estate, lake, LocalExecutor(), database=None)
    return lake


def ask(lake: Lake, query: str) -> list[tuple[Any, ...]]:
    with connect(lake) as con:
        return con.execute(query).fetchall()


def test_what_an_os_package_owns_is_listed_as_that_package_only(lake: Lake) -> None:
    query = "SELECT ecosystem, name, version, source_path, purl FROM image_packages ORDER BY ALL"
    assert ask(lake, query) == [
        ("deb", "bash", "5.2-1", "var/lib/dpkg/status", "pkg:deb/debian/bash@5.2-1?arch=amd64&distro=debian-12"),
        ("generic", "node", "20.1.0", "usr/local/bin/node", "pkg:generic/node@20.1.0"),
        ("rpm", "curl", "8.9.1-2.fc41", "usr/bin/curl", "pkg:rpm/fedora/curl@8.9.1-2.fc41"),
    ]
    assert ask(lake, "SELECT packages FROM image_summary") == [(3,)]


def test_facts_of_the_layer_keep_all(lake: Lake) -> None:
    query = "SELECT source_path FROM packages WHERE ecosystem = 'generic' ORDER BY ALL"
    assert ask(lake, query) == [("usr/bin/bash",), ("usr/bin/node",), ("usr/local/bin/node",)]


def test_of_the_programs_that_say_whose_they_are_a_layer_keeps_those_that_its_own_database_does_not_list(
    lake: Lake,
) -> None:
    query = (
        "SELECT layer_digest = (SELECT layer_digest FROM distros), source_path FROM packages WHERE found_as = 'sbom'"
    )
    assert sorted(ask(lake, query)) == [(False, "usr/bin/rbash"), (True, "usr/bin/curl")]


def test_a_package_tells_its_cpe_names(lake: Lake) -> None:
    query = "SELECT cpes FROM image_packages WHERE ecosystem = 'generic'"
    assert ask(lake, query) == [(["cpe:2.3:a:nodejs:node.js:20.1.0:*:*:*:*:*:*:*"],)]

"""The document that vcpkg leaves with each library."""

from __future__ import annotations

import json

import pytest

from grid.ecosystems.sbom import ECOSYSTEM as SBOM
from grid.ecosystems.vcpkg import ECOSYSTEM
from grid.model import Limits, Note, Package
from grid.testing import accept_ecosystem

PATH = "opt/vcpkg/installed/x64-linux/share/gdal/vcpkg.spdx.json"


def document(version: str = "3.12.4#2", name: str = "gdal", license_: str = "MIT") -> bytes:
    port = {"name": name, "SPDXID": "SPDXRef-port", "versionInfo": version, "licenseConcluded": license_}
    binary = {
        "name": f"{name}:x64-linux",
        "SPDXID": "SPDXRef-binary",
        "versionInfo": "bc985f5f",
        "downloadLocation": "NONE",
    }
    source = {"name": "OSGeo/gdal", "SPDXID": "SPDXRef-resource-0"}
    return json.dumps({"spdxVersion": "SPDX-2.2", "packages": [binary, port, source]}).encode()


def read(content: bytes, path: str = PATH) -> list[Package | Note]:
    return list(ECOSYSTEM.read(path, content, Limits()))


@pytest.mark.parametrize(
    ("version", "purl"),
    [
        ("3.12.4#2", "pkg:vcpkg/gdal@3.12.4?port_version=2"),
        ("3.12.4", "pkg:vcpkg/gdal@3.12.4"),
        ("2024-01-16", "pkg:vcpkg/gdal@2024-01-16"),
    ],
)
def test_the_port_is_the_package_and_its_revision_part_of_the_version(version: str, purl: str) -> None:
    assert ECOSYSTEM.wants.matcher()(PATH, 0o644)
    assert read(document(version)) == [Package("gdal", version, licenses=("MIT",), purl=purl)]


def test_licences_that_say_nothing_are_left_out() -> None:
    for said in ("NOASSERTION", "LicenseRef-vcpkg-null"):
        (package,) = read(document(license_=said))
        assert isinstance(package, Package) and package.licenses == ()


def test_the_reader_of_sboms_finds_nothing_more_in_it() -> None:
    assert list(SBOM.read(PATH, document(), Limits())) == []


@pytest.mark.parametrize("content", [b"{", b"[]", document(version=""), document(name="A b"), document(version="1#x")])
def test_what_cannot_be_read_is_noted(content: bytes) -> None:
    (note,) = read(content)
    assert isinstance(note, Note) and (note.code, note.path) == ("Unparsable", PATH)
    assert read(content, "srv/spdx.json") == []


def test_it_passes_the_exam_of_ecosystems() -> None:
    orders = ["3.12.4 < 3.12.4#1", "3.12.4#2 < 3.12.4#10", "3.12.4#2 < 3.12.5", "2024-01-16 < 2024-02-01"]
    accept_ecosystem(ECOSYSTEM, {PATH: document()}, orders=orders)

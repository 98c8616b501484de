"""SBOM documents in images: their forms, and which of their packages count."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grid.ecosystems.sbom import ECOSYSTEM
from grid.model import Limits, Note, Package
from grid.testing import accept_ecosystem

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data"
BITNAMI = "opt/bitnami/redis/.spdx-redis.spdx"


def spdx(*urls: str, kind: str = "purl", **more: object) -> bytes:
    packages = [
        {
            "name": "x", "versionInfo": "0", "licenseConcluded": "MIT", **more,
            "externalRefs": [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": kind, "referenceLocator": url}],
        }
        for url in urls
    ]  # fmt: skip
    return json.dumps({"spdxVersion": "SPDX-2.3", "packages": packages}).encode()


def cyclonedx(*components: object, **more: object) -> bytes:
    return json.dumps({"bomFormat": "CycloneDX", "components": components, **more}).encode()


TAG_VALUE = b"""SPDXVersion: SPDX-2.3
DataLicense: CC0-1.0

PackageName: redis
PackageVersion: 7.4.1
ExternalRef: PACKAGE-MANAGER purl pkg:bitnami/redis@7.4.1-0?arch=amd64
"""
XML = b"""<?xml version="1.0"?><bom xmlns="http://cyclonedx.org/schema/bom/1.4"><components>
<component type="library"><name>a</name><purl>pkg:npm/%40s/a@1.0.0</purl></component></components></bom>"""
SPDX3 = json.dumps({
    "@context": "https://spdx.org/rdf/3.0.1/spdx-context.jsonld",
    "@graph": [{"type": "software_Package", "software_packageUrl": "pkg:cargo/serde@1.0.0"}, {"type": "Person"}],
}).encode()  # fmt: skip


def read(content: bytes, path: str = BITNAMI) -> list[Package | Note]:
    return list(ECOSYSTEM.read(path, content, Limits()))


def told(content: bytes, path: str = BITNAMI) -> list[tuple[str, str, str]]:
    return [(p.ecosystem, p.name, p.version) for p in read(content, path) if isinstance(p, Package)]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("pkg:bitnami/redis@7.4.1-0?arch=amd64", ("bitnami", "redis", "7.4.1-0")),
        ("pkg:npm/%40angular/core@1.0.0", ("npm", "@angular/core", "1.0.0")),
        ("pkg:maven/org.x/y@1.0", ("maven", "org.x:y", "1.0")),
        ("pkg:golang/github.com/a/b@v1.0.0", ("golang", "github.com/a/b", "v1.0.0")),
        ("pkg:golang/github.com/a/b@1.0.0", ("golang", "github.com/a/b", "v1.0.0")),
        ("pkg:golang/stdlib@1.22.0", ("golang", "stdlib", "1.22.0")),
        ("pkg:rpm/redhat/openssl@3.0.7-1.el9?epoch=1&arch=x86_64", ("rpm", "openssl", "1:3.0.7-1.el9")),
        ("pkg:deb/debian/libc6@2.36-9?arch=amd64", ("deb", "libc6", "2.36-9")),
    ],
)
def test_names_and_versions_are_those_of_the_ecosystem(url: str, expected: tuple[str, str, str]) -> None:
    assert told(spdx(url)) == [expected]
    assert told(cyclonedx({"purl": url})) == [expected]
    (package,) = read(spdx(url))
    assert isinstance(package, Package)
    assert (package.found_as, package.licenses) == ("sbom", ("MIT",))


def test_every_form_of_document_is_read() -> None:
    assert told(TAG_VALUE) == [("bitnami", "redis", "7.4.1-0")]
    assert told(XML, "app/app.cdx.xml") == [("npm", "@s/a", "1.0.0")]
    assert told(SPDX3, "app/a.spdx.json") == [("cargo", "serde", "1.0.0")]
    assert told(spdx("pkg:npm/a@1", kind="http://spdx.org/rdf/references/purl")) == [("npm", "a", "1")]
    attestation = json.dumps(
        {"predicateType": "https://spdx.dev/Document", "predicate": json.loads(spdx("pkg:npm/a@1"))}
    )
    assert told(attestation.encode(), "a/sbom.spdx.json") == [("npm", "a", "1")]


def test_components_in_components_count_and_excluded_ones_do_not() -> None:
    content = cyclonedx(
        {"purl": "pkg:npm/a@1", "components": [{"purl": "pkg:npm/b@1"}]},
        {"purl": "pkg:npm/c@1", "scope": "excluded"},
        {"purl": "pkg:npm/a@1"},
        metadata={"component": {"purl": "pkg:npm/app@1"}},
    )
    assert [name for _, name, _ in told(content, "bom.json")] == ["app", "a", "b"]
    deep: dict[str, object] = {"purl": "pkg:npm/deepest@1"}
    for _ in range(200):
        deep = {"components": [deep]}
    assert told(cyclonedx(deep), "bom.json") == []


def test_images_and_packages_without_a_version_are_none() -> None:
    assert read(spdx("pkg:oci/app@sha256:00", "pkg:npm/a", "pkg:docker/x@1")) == []


def test_what_cannot_be_read_is_noted_and_other_files_of_such_names_are_passed_over() -> None:
    found, note = read(spdx("pkg:npm/a@1", "not a url", "pkg:"))
    assert isinstance(found, Package)
    assert note == Note("Unparsable", "2 package URLs of the SBOM cannot be read", BITNAMI)
    (note,) = read(spdx("pkg:npm/a@1")[:-9])
    assert isinstance(note, Note)
    assert (
        read(b'{"some": "other json"}', "app/bom.json")
        == read(b"text", "app/x.spdx")
        == read(b"<bom/>", "bom.xml")
        == []
    )
    assert read(spdx("pkg:npm/a@1"), "app/other.json") == []


def test_it_passes_the_exam() -> None:
    samples = {BITNAMI: spdx("pkg:bitnami/redis@7.4.1-0", "pkg:npm/a@1.0.0"), "x/.spdx-y.spdx": TAG_VALUE}
    samples |= {"a/app.cdx.json": cyclonedx({"purl": "pkg:npm/a@1.0.0"}), "b/bom.xml": XML, "c/c.spdx.json": SPDX3}
    accept_ecosystem(ECOSYSTEM, samples, refused=["1.0"])


@settings(max_examples=60)
@given(st.sampled_from([TAG_VALUE, XML, SPDX3, spdx("pkg:npm/a@1"), cyclonedx({"purl": "pkg:npm/a@1"})]), st.data())
def test_damaged_documents_never_raise(content: bytes, data: st.DataObject) -> None:
    broken = bytearray(content)
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(broken)))
        broken[at : at + data.draw(st.integers(0, 9))] = data.draw(st.binary(max_size=9))
    assert all(isinstance(fact, (Package, Note)) for fact in read(bytes(broken)))


@pytest.mark.data
def test_real_documents_give_every_package_url_that_they_hold() -> None:
    if not SHARED.is_dir():
        pytest.skip("the shared test data (../shared/data) is absent")
    from zipfile import ZipFile

    seen = 0
    with ZipFile(SHARED / "packages/packages.zip") as archive:
        for path in archive.namelist():
            if not ECOSYSTEM.wants.matcher()(path, 0) or "invalid" in path or "bad" in path:
                continue
            content = archive.read(path)
            text = content.decode()
            stated = {
                part.split('"')[0].split("<")[0].split()[0]
                for part in ("pkg:" + p for p in text.split("pkg:")[1:])
                if "@" in part.split('"')[0].split("<")[0] and not part.startswith(("pkg:oci", "pkg:docker"))
            }  # fmt: skip
            found = [p for p in read(content, path) if isinstance(p, Package)]
            assert len(found) <= len(stated), path
            seen += len(found)
    assert seen > 1_700

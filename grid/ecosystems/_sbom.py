"""SBOM documents that lie in an image: SPDX 2 (JSON, tag-value) and 3 (JSON-LD), CycloneDX (JSON, XML).

Sources: https://spdx.github.io/spdx-spec, https://cyclonedx.org/docs, https://github.com/package-url/purl-spec. They
lie in Bitnami's ``/opt/bitnami/NAME/.spdx-NAME.spdx``, Cloud Native Buildpacks' ``/layers/sbom``, melange's
``/var/lib/db/sbom``, PEP 770's ``*.dist-info/sboms``. A package counts if the document gives its package URL, which
says what it is called.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import orjson
from packageurl import PackageURL

from grid.ecosystems._locks import Unreadable, entries, objects, text, xml_elements
from grid.model import SBOM, Limits, Note, Package

SUFFIXES = (
    ".spdx", "spdx.json", ".cdx.json", ".cdx.xml", ".cyclonedx.json", ".cyclonedx.xml", "bom.json", "bom.xml",
)  # fmt: skip
MAX_BYTES = 8 << 20
"""A document of 3,000 packages has 3 MiB; parsed JSON takes 20 times its size."""

_MAX_PURL = 2000
_MAX_DEPTH = 30
_MAX_PACKAGES = 50_000
_NOT_PACKAGES = frozenset({"oci", "docker", "githubactions", "swid", "huggingface", "mlflow", "qpkg"})
_SYSTEM = frozenset({"deb", "apk", "rpm", "alpm", "opkg"})
_GROUPED = {
    "npm": "/", "golang": "/", "composer": "/", "swift": "/", "maven": ":", "github": "/", "bitbucket": "/",
    "vscode-extension": ".",
}  # fmt: skip
_TAG_VALUE = re.compile(r"^SPDXVersion:[ \t]*SPDX-", re.MULTILINE)
_PURL_LINE = re.compile(r"^ExternalRef:[ \t]*PACKAGE[-_]MANAGER[ \t]+purl[ \t]+(\S+)", re.MULTILINE)
_LICENSE = re.compile(r"[A-Za-z0-9.+() -]{1,200}")


def read(path: str, content: bytes, limits: Limits) -> Iterator[Package | Note]:
    """The packages of a document; nothing for another file of such a name."""
    if path.endswith(SUFFIXES):
        yield from told(path, content)


def told(path: str, content: bytes) -> Iterator[Package | Note]:
    """The packages of a document, each once, whatever the file is called in which it stands."""
    seen: set[str] = set()
    bad = 0
    try:
        for stated, licenses in _stated(content):
            package = _package(stated, licenses)
            if package is None:
                bad += 1
            elif package.name and package.purl not in seen:
                seen.add(package.purl)
                yield package
    except Unreadable as error:
        yield Note("Unparsable", f"the SBOM cannot be read: {error}", path)
        return
    if bad:
        yield Note("Unparsable", f"{bad} package URLs of the SBOM cannot be read", path)


Stated = Iterator[tuple[str, tuple[str, ...]]]
"""Package URLs, each with the licences given for it."""


def _stated(content: bytes) -> Stated:
    head = content[:4096].removeprefix(b"\xef\xbb\xbf").lstrip()
    if head[:1] == b"{":
        return _json(content)
    if head[:1] == b"<":
        return _cyclonedx_xml(content) if b"cyclonedx.org" in head else iter(())
    if _TAG_VALUE.search(head.decode("utf-8", "replace")):
        return ((found, ()) for found in _PURL_LINE.findall(text(content)))
    return iter(())


def _json(content: bytes) -> Stated:
    try:
        record = orjson.loads(content.removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError:
        raise Unreadable("it is not JSON") from None
    document = entries(record)
    if "predicateType" in document:  # an attestation around it
        document = entries(document.get("predicate"))
    if str(document.get("spdxVersion", "")).startswith("SPDX-"):
        yield from _spdx(document)
    elif document.get("bomFormat") == "CycloneDX":
        yield from _cyclonedx(document)
    elif "spdx.org/rdf/3" in str(document.get("@context", ""))[:500]:
        yield from _spdx3(document)


def _spdx(document: dict[str, object]) -> Stated:
    for package in objects(document.get("packages")):
        licenses = tuple(
            value
            for key in ("licenseConcluded", "licenseDeclared")
            if isinstance(value := package.get(key), str) and value not in ("NOASSERTION", "NONE", "")
        )
        for reference in objects(package.get("externalRefs")):
            locator = reference.get("referenceLocator")
            if str(reference.get("referenceType")).endswith("purl") and isinstance(locator, str):
                yield locator, licenses[:1]


def _spdx3(document: dict[str, object]) -> Stated:
    for element in objects(document.get("@graph")):
        if element.get("type") == "software_Package":
            located = element.get("software_packageUrl")
            if isinstance(located, str):
                yield located, ()
            for identifier in objects(element.get("externalIdentifier")):
                found = identifier.get("identifier")
                if identifier.get("externalIdentifierType") in ("packageUrl", "packageURL") and isinstance(found, str):
                    yield found, ()


def _cyclonedx(document: dict[str, object]) -> Stated:
    waiting = [(component, 0) for component in objects(document.get("components"))][::-1]
    waiting.append((entries(entries(document.get("metadata")).get("component")), 0))
    while waiting:
        component, depth = waiting.pop()
        found = component.get("purl")
        if component.get("scope") != "excluded" and isinstance(found, str):
            yield found, tuple(_cyclonedx_licenses(component))
        if depth < _MAX_DEPTH:
            waiting += [(inner, depth + 1) for inner in objects(component.get("components"))][::-1]


def _cyclonedx_licenses(component: dict[str, object]) -> Iterator[str]:
    for choice in objects(component.get("licenses")):
        stated = entries(choice.get("license"))
        name = choice.get("expression") or stated.get("id") or stated.get("name")
        if isinstance(name, str) and _LICENSE.fullmatch(name):
            yield name


def _cyclonedx_xml(content: bytes) -> Stated:
    for place, _, value in xml_elements(content):
        if place[-2:] == ("component", "purl"):
            yield value, ()


def _package(stated: str, licenses: tuple[str, ...]) -> Package | None:
    """The package of a URL; None if it is none, and one without a name for what is no package or has no version."""
    try:
        if len(stated) > _MAX_PURL:
            return None
        url = PackageURL.from_string(stated.strip())
    except ValueError:
        return None
    if not url.version or url.type in _NOT_PACKAGES or re.search(r"[\s\x00-\x1f]", url.version):
        return Package("", "")
    qualifiers = url.qualifiers if isinstance(url.qualifiers, dict) else {}
    glue = _GROUPED.get(url.type)
    name = f"{url.namespace}{glue}{url.name}" if glue and url.namespace else url.name
    version, arch = url.version, ""
    if url.type in _SYSTEM:
        arch = qualifiers.get("arch", "")
        if url.type == "rpm" and qualifiers.get("epoch", "0") != "0":
            version = f"{qualifiers['epoch']}:{version}"
    elif url.type == "golang" and version[:1].isdigit() and name != "stdlib":
        version = f"v{version}"
    return Package(
        name,
        version,
        arch=arch,
        licenses=licenses,
        purl=PackageURL(
            url.type, url.namespace, url.name, version if url.type == "golang" else url.version, qualifiers or None
        ).to_string(),
        ecosystem=url.type,
        found_as=SBOM,
    )

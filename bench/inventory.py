"""Images made of package records only: what a package manager would have written, for lists of names and versions.

Formats: dpkg's ``status`` (deb-control(5)), apk's ``installed``, rpm's header blobs in SQLite (docs/manual/format.md of
rpm), and of each language what its installer leaves, or its linker.
"""

from __future__ import annotations

import io
import json
import re
import sqlite3
import struct
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from grid.testing import ImageBuilder, LayerBuilder, write_layout


@dataclass(frozen=True, slots=True)
class Installed:
    """One package."""

    name: str
    version: str
    """Whole: ``epoch:version-release`` where there is such a thing."""
    source: str = ""
    """The source package, where it has another name; its version is the same."""
    module: str = ""
    """rpm: ``name:stream``."""
    arch: str = "x86_64"


def image(folder: Path, files: Mapping[str, bytes]) -> Path:
    """An OCI layout of one layer with these files."""
    layer = LayerBuilder()
    for name, content in sorted(files.items()):
        layer.file(name, content, 0o755 if name.endswith(".bin") else 0o644)
    write_layout(folder, {"": ImageBuilder(layer)})
    return folder


# --- distributions -------------------------------------------------------------------------------


def release(namespace: str) -> dict[str, bytes]:
    """The files by which a distribution is known."""
    base, _, version = namespace.partition(":")
    version = version.removeprefix("v").removeprefix("Leap ").removesuffix(":LTS")
    if found := re.fullmatch(r"Linux Enterprise Server (\d+)(?: SP(\d))?", version):
        version = f"{found[1]}.{found[2]}" if found[2] else found[1]
    if base == "Azure Linux":
        version += ".0"
    edge = version == "edge"
    if edge:
        version = "3.99_alpha20240101"
    micro = base == "SUSE" and "Micro " in version
    if micro:
        version = version.rpartition(" ")[2]
    mariner = base == "Azure Linux" and version in ("1.0", "2.0")
    tumbleweed = version == "Tumbleweed"
    name = {
        "AlmaLinux": "almalinux", "Rocky Linux": "rocky", "Oracle Linux": "ol", "Amazon Linux": "amzn",
        "SUSE": ("sle-micro" if version < "6" else "sl-micro") if micro else "sles",
        "openSUSE": "opensuse-tumbleweed" if tumbleweed else "opensuse-leap", "Photon OS": "photon",
        "Azure Linux": "mariner" if mariner else "azurelinux", "Red Hat": "rhel",
    }.get(base, base.lower())  # fmt: skip
    stated = f'VERSION_ID="{"20240101" if tumbleweed or not version else version}"\n'
    files = {"etc/os-release": f'NAME="{base}"\nID={name}\n{stated}PRETTY_NAME="{base} {version}"\n'.encode()}
    if base == "Alpine":
        files["etc/alpine-release"] = f"{version if edge else version + '.0'}\n".encode()
        at = "edge" if edge else f"v{version}"
        files["etc/apk/repositories"] = f"https://dl-cdn.alpinelinux.org/alpine/{at}/main\n".encode()
    if base == "Debian":
        files["etc/debian_version"] = f"{version}.0\n".encode()
    if base == "Ubuntu":
        files["etc/lsb-release"] = f"DISTRIB_ID=Ubuntu\nDISTRIB_RELEASE={version}\n".encode()
    told = {
        "AlmaLinux": ("almalinux-release", f"AlmaLinux release {version}.1 (Made)\n"),
        "Rocky Linux": ("rocky-release", f"Rocky Linux release {version}.1 (Made)\n"),
        "Oracle Linux": ("oracle-release", f"Oracle Linux Server release {version}.1\n"),
        "Amazon Linux": ("system-release", f"Amazon Linux release {version} (Made)\n"),
        "Photon OS": ("photon-release", f"VMware Photon OS {version}\n"),
        "Red Hat": ("redhat-release", f"Red Hat Enterprise Linux release {version}.1 (Made)\n"),
        "CentOS": ("centos-release", f"CentOS Linux release {version}.1 (Made)\n"),
    }
    if base in told:
        files[f"etc/{told[base][0]}"] = told[base][1].encode()
    return files


def red_hat(release: str) -> dict[str, dict[str, bytes]]:
    """By kind of image, the records by which Red Hat's builds say which repositories their packages are from."""

    def sets(*names: str) -> bytes:
        return json.dumps({"metadata": {"icm_version": 1}, "content_sets": names, "image_contents": []}).encode()

    dockerfile = (f'FROM scratch\nLABEL com.redhat.component="made{release}-container" name="made{release}" '
                  f'architecture="x86_64" cpe="{MADE_CPES[release]}"\n').encode()  # fmt: skip
    usual, manifests = REPOSITORIES[release], "root/buildinfo/content_manifests/made.json"
    by_hand = f"root/buildinfo/Dockerfile-made{release}-1.0-2"
    return {
        "says nothing": {},
        "all": {manifests: sets(*usual)},
        "base only": {manifests: sets(*list(usual)[:1])},
        "extended": {manifests: sets(*EXTENDED[release])},
        "built": {manifests: sets(*list(usual)[:2]), by_hand: dockerfile},
        "built, no sets": {by_hand: dockerfile},
        "new place": {"usr/share/buildinfo/content-sets.json": sets(*EXTENDED[release])},
    }


def builds() -> dict[str, list[str]]:
    """The images of ``red_hat`` as a build system knows them: ``component-version-release-arch`` → CPEs."""
    return {f"made{release}-container-1.0-2-x86_64": [cpe] for release, cpe in MADE_CPES.items()}


_ENTERPRISE = "redhat:enterprise_linux"
REPOSITORIES = {
    "6": {"rhel-6-server-rpms": f"cpe:/o:{_ENTERPRISE}:6::server",
          "rhel-6-server-extras-rpms": "cpe:/a:redhat:rhel_extras:6"},
    "7": {"rhel-7-server-rpms": f"cpe:/o:{_ENTERPRISE}:7::server",
          "rhel-7-server-extras-rpms": "cpe:/a:redhat:rhel_extras_other:7"},
    "8": {"rhel-8-for-x86_64-baseos-rpms": f"cpe:/o:{_ENTERPRISE}:8::baseos",
          "rhel-8-for-x86_64-appstream-rpms": f"cpe:/a:{_ENTERPRISE}:8::appstream",
          "codeready-builder-for-rhel-8-x86_64-rpms": f"cpe:/a:{_ENTERPRISE}:8::crb"},
    "9": {"rhel-9-for-x86_64-baseos-rpms": f"cpe:/o:{_ENTERPRISE}:9::baseos",
          "rhel-9-for-x86_64-appstream-rpms": f"cpe:/a:{_ENTERPRISE}:9::appstream",
          "codeready-builder-for-rhel-9-x86_64-rpms": f"cpe:/a:{_ENTERPRISE}:9::crb"},
    "10": {"rhel-10-for-x86_64-baseos-rpms": f"cpe:/o:{_ENTERPRISE}:10.0",
           "rhel-10-for-x86_64-appstream-rpms": f"cpe:/o:{_ENTERPRISE}:10.0"},
}  # fmt: skip
"""By release, the repositories that every subscription has, and their products; facts of ``repository-to-cpe.json``."""
EXTENDED = {
    "6": {"rhel-6-server-els-rpms": "cpe:/o:redhat:rhel_els:6"},
    "7": {"rhel-7-server-aus-rpms": "cpe:/o:redhat:rhel_aus:7.7::server"},
    "8": {"rhel-8-for-x86_64-baseos-eus-rpms": "cpe:/o:redhat:rhel_eus:8.8::baseos",
          "rhel-8-for-x86_64-appstream-eus-rpms": "cpe:/a:redhat:rhel_eus:8.8::appstream"},
    "9": {"rhel-9-for-x86_64-baseos-eus-rpms": "cpe:/o:redhat:rhel_eus:9.4::baseos",
          "rhel-9-for-x86_64-appstream-eus-rpms": "cpe:/a:redhat:rhel_eus:9.4::appstream"},
    "10": {"rhel-10-for-x86_64-baseos-eus-rpms": "cpe:/o:redhat:rhel_eus:10.0"},
}  # fmt: skip
"""… and those of extended support."""
MADE_CPES = {
    "6": "cpe:/a:redhat:rhel_software_collections:3::el6", "7": "cpe:/a:redhat:rhel_software_collections:3::el7",
    "8": "cpe:/a:redhat:openshift:4.12::el8", "9": "cpe:/a:redhat:openshift:4.16::el9",
    "10": "cpe:/a:redhat:openshift:4.20::el10",
}  # fmt: skip
"""… and a product of its own, which the labels of an image name."""


VENDORS = {
    "AlmaLinux": "AlmaLinux",
    "Rocky Linux": "Rocky Enterprise Software Foundation",
    "Oracle Linux": "Oracle America",
    "Amazon Linux": "Amazon Linux",
    "SUSE": "SUSE LLC <https://www.suse.com/>",
    "openSUSE": "openSUSE",
    "Photon OS": "VMware, Inc.",
    "Red Hat": "Red Hat, Inc.",
    "CentOS": "CentOS",
    "Azure Linux": "Microsoft Corporation",
}


def system(namespace: str, packages: Iterable[Installed]) -> dict[str, bytes]:
    """The distribution's own files and its package database."""
    base = namespace.partition(":")[0]
    if base in ("Debian", "Ubuntu", "Echo"):
        return release(namespace) | {"var/lib/dpkg/status": _dpkg(base, packages)}
    if base in VENDORS:
        return release(namespace) | {"var/lib/rpm/rpmdb.sqlite": _rpm(VENDORS[base], packages)}
    return release(namespace) | {"lib/apk/db/installed": _apk(packages)}


def _dpkg(base: str, packages: Iterable[Installed]) -> bytes:
    stanzas = [
        f"Package: {p.name}\nStatus: install ok installed\nMaintainer: {base} Developers <{base.lower()}-devel@lists."
        f"{base.lower()}.org>\nArchitecture: amd64\n{f'Source: {p.source}' if p.source else 'Section: misc'}\n"
        f"Version: {p.version}\nDescription: made\n"
        for p in packages
    ]
    return "\n".join(stanzas).encode()


def _apk(packages: Iterable[Installed]) -> bytes:
    stanzas = [
        f"P:{p.name}\nV:{p.version}\nA:{p.arch}\nS:1\nI:1\nT:made\nU:https://example.org\nL:MIT\n"
        f"o:{p.source or p.name}\n"
        for p in packages
    ]
    return ("\n".join(stanzas) + "\n").encode()


_NAME, _VERSION, _RELEASE, _EPOCH, _VENDOR, _LICENSE, _ARCH = 1000, 1001, 1002, 1003, 1011, 1014, 1022
_SOURCE, _MODULE = 1044, 5096
_INT32, _STRING, _BINARY, _REGION = 4, 6, 7, 63


def _rpm(vendor: str, packages: Iterable[Installed]) -> bytes:
    con = sqlite3.connect(":memory:")
    con.execute("CREATE TABLE 'Packages' (hnum INTEGER PRIMARY KEY AUTOINCREMENT, blob BLOB NOT NULL)")
    con.executemany("INSERT INTO Packages (blob) VALUES (?)", [(_header(vendor, p),) for p in packages])
    con.commit()
    content = con.serialize()
    con.close()
    return content


def _header(vendor: str, package: Installed) -> bytes:
    epoch, colon, rest = package.version.partition(":")
    version, _, number = (rest if colon else package.version).rpartition("-")
    values = {
        _NAME: package.name,
        _VERSION: version,
        _RELEASE: number,
        _EPOCH: epoch if colon else "",
        _VENDOR: vendor,
        _LICENSE: "MIT",
        _ARCH: package.arch,
        _SOURCE: f"{package.source or package.name}-{version}-{number}.src.rpm",
        _MODULE: f"{package.module}:8010020201231000000:0123abcd" if package.module else "",
    }
    index, data = [], b""
    for tag, text in values.items():  # in the order of their tags, as readers insist
        if not text:
            continue
        if tag == _EPOCH:
            data += b"\0" * (-len(data) % 4)
        index.append(struct.pack(">4I", tag, _INT32 if tag == _EPOCH else _STRING, len(data), 1))
        data += struct.pack(">I", int(text)) if tag == _EPOCH else text.encode() + b"\0"
    index.insert(0, struct.pack(">4I", _REGION, _BINARY, len(data), 16))
    data += struct.pack(">4i", _REGION, _BINARY, -16 * len(index), 16)
    return struct.pack(">2I", len(index), len(data)) + b"".join(index) + data


# --- languages -----------------------------------------------------------------------------------


INSTALLED = (
    "PyPI", "npm", "RubyGems", "Packagist", "Maven", "Go", "crates.io", "NuGet", "Bitnami",
)  # fmt: skip
"""Ecosystems whose installers leave records; of the others Trivy reads lock files only."""


def language(ecosystem: str, packages: Iterable[Installed]) -> dict[str, bytes]:
    """The records that the installers of an OSV ecosystem leave."""
    files: dict[str, bytes] = {}
    listed = list(packages)
    if ecosystem == "Bitnami":
        for number, package in enumerate(listed):
            reference = {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl",
                         "referenceLocator": f"pkg:bitnami/{package.name}@{package.version}"}  # fmt: skip
            told = {"SPDXID": "SPDXRef-p", "name": package.name, "versionInfo": package.version,
                    "downloadLocation": "NOASSERTION", "externalRefs": [reference]}  # fmt: skip
            document = {"spdxVersion": "SPDX-2.3", "SPDXID": "SPDXRef-DOCUMENT", "dataLicense": "CC0-1.0",
                        "name": f"SPDX {package.name}", "documentNamespace": f"https://example.org/{number}",
                        "creationInfo": {"created": "2024-01-01T00:00:00Z", "creators": ["Organization: made"]},
                        "packages": [told], "documentDescribes": ["SPDXRef-p"], "files": [], "relationships": [
                            {"spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES",
                             "relatedSpdxElement": "SPDXRef-p"}]}  # fmt: skip
            files[f"opt/bitnami/app{number}/.spdx-{package.name}.spdx"] = json.dumps(document).encode()
    elif ecosystem == "Packagist":
        for number, batch in enumerate(_apart(listed)):
            entries = [{"name": p.name, "version": p.version, "type": "library"} for p in batch]
            files[f"srv/app{number}/vendor/composer/installed.json"] = json.dumps({"packages": entries}).encode()
    elif ecosystem == "Go":
        for number, batch in enumerate(_apart(listed)):
            dependencies = "".join(f"dep\t{p.name}\tv{p.version}\th1:x=\n" for p in batch)
            modules = f"path\texample.com/app\nmod\texample.com/app\tv1.0.0\th1:x=\n{dependencies}"
            files[f"usr/bin/go{number}.bin"] = elf(".go.buildinfo", go_build_info("go1.99.0", modules))
    elif ecosystem == "crates.io":
        for number, batch in enumerate(_apart(listed)):
            crates: list[dict[str, object]] = [
                {"name": p.name, "version": p.version, "source": "crates.io", "kind": "runtime"} for p in batch
            ]
            root = {"source": "local", "root": True, "dependencies": list(range(len(batch)))}
            crates.append({"name": "app", "version": "1.0.0", **root})
            files[f"usr/bin/rust{number}.bin"] = elf(
                ".dep-v0", zlib.compress(json.dumps({"packages": crates}).encode())
            )
    elif ecosystem == "NuGet":
        for number, batch in enumerate(_apart(listed)):
            libraries = {
                f"{p.name}/{p.version}": {
                    "type": "package",
                    "serviceable": True,
                    "sha512": "",
                    "path": "",
                    "hashPath": "",
                }
                for p in batch
            }
            target: dict[str, object] = {
                key: {"runtime": {f"lib/{key.partition('/')[0]}.dll": {}}} for key in libraries
            }
            document = {
                "runtimeTarget": {"name": ".NETCoreApp,Version=v6.0"},
                "targets": {".NETCoreApp,Version=v6.0": target},
                "libraries": libraries,
            }
            files[f"srv/app{number}/app.deps.json"] = json.dumps(document).encode()
    else:
        for number, package in enumerate(listed):
            path, content = _one(ecosystem, package, number)
            files[path] = content
    return files


def _apart(packages: list[Installed]) -> list[list[Installed]]:
    """Batches in which no name comes twice."""
    batches: list[dict[str, Installed]] = []
    for package in packages:
        place = next((b for b in batches if package.name not in b), None)
        if place is None:
            batches.append(place := {})
        place[package.name] = package
    return [list(batch.values()) for batch in batches]


def _one(ecosystem: str, package: Installed, number: int) -> tuple[str, bytes]:
    name, version = package.name, package.version
    if ecosystem == "PyPI":
        folder = f"opt/venv{number}/lib/python3/site-packages/{name.replace('-', '_')}-{version}.dist-info"
        return f"{folder}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode()
    if ecosystem == "npm":
        return (f"srv/app{number}/node_modules/{name}/package.json",
                json.dumps({"name": name, "version": version}).encode())  # fmt: skip
    if ecosystem == "RubyGems":
        text = (f'# -*- encoding: utf-8 -*-\n\nGem::Specification.new do |s|\n  s.name = "{name}".freeze\n'
                f'  s.version = "{version}"\n  s.licenses = ["MIT".freeze]\nend\n')  # fmt: skip
        return f"opt/ruby{number}/specifications/{name}-{version}.gemspec", text.encode()
    if ecosystem == "Maven":
        group, _, artifact = name.partition(":")
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as jar:
            jar.writestr("META-INF/MANIFEST.MF", "Manifest-Version: 1.0\r\n\r\n")
            jar.writestr(
                f"META-INF/maven/{group}/{artifact}/pom.properties",
                f"groupId={group}\nartifactId={artifact}\nversion={version}\n",
            )
        return f"srv/app{number}/{artifact}-{version}.jar", buffer.getvalue()
    raise ValueError(f"{ecosystem!r} is not known")


def go_build_info(toolchain: str, modules: str) -> bytes:
    """The ``.go.buildinfo`` section since Go 1.18: both strings after a header, each after its length."""
    marked = b"0" * 16 + modules.encode() + b"1" * 16
    parts = [b"\xff Go buildinf:" + bytes([8, 2]) + b"\0" * 16]
    for text in (toolchain.encode(), marked):
        length, number = bytearray(), len(text)
        while number >= 0x80:
            length.append(number & 0x7F | 0x80)
            number >>= 7
        parts += (bytes([*length, number]), text)
    return b"".join(parts)


def elf(name: str, content: bytes) -> bytes:
    """A 64-bit ELF file with this one section, in one writable segment."""
    base, head, segment = 0x400000, 64, 56
    at = -(-(head + segment) // 16) * 16
    names = b"\0" + name.encode() + b"\0.shstrtab\0"
    names_at = at + len(content)
    table = names_at + len(names)
    row = "<IIQQQQIIQQ"
    rows = (
        struct.pack(row, *[0] * 10)
        + struct.pack(row, 1, 1, 3, base + at, at, len(content), 0, 0, 16, 0)
        + struct.pack(row, 2 + len(name), 3, 0, 0, names_at, len(names), 0, 0, 1, 0)
    )
    total = table + len(rows)
    return (
        b"\x7fELF" + bytes([2, 1, 1]) + b"\0" * 9
        + struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, base, head, table, 0, head, segment, 1, struct.calcsize(row), 3, 2)
        + struct.pack("<IIQQQQQQ", 1, 6, 0, base, base, total, total, 4096)
    ).ljust(at, b"\0") + content + names + rows  # fmt: skip

"""The demo's estate: a small company's images, made on the spot as a real OCI layout.

Nothing is downloaded and nothing secret is kept: the leaked key is composed when the layout is written.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from grid.testing.layers import ImageBuilder, LayerBuilder, RawManifest, write_layout

_DEBIAN: dict[str, str | tuple[str, str]] = {
    "base-files": "11.1+deb11u1",
    "bash": "5.1-2+b3",
    "bsdutils": ("util-linux", "1:2.36.1-8"),
    "curl": "7.74.0-1.3",
    "dpkg": "1.20.9",
    "gzip": "1.10-4",
    "libc6": ("glibc", "2.31-13+deb11u2"),
    "libcurl4": ("curl", "7.74.0-1.3"),
    "libexpat1": ("expat", "2.2.10-2"),
    "liblzma5": ("xz-utils", "5.2.5-2"),
    "libssl1.1": ("openssl", "1.1.1k-1+deb11u1"),
    "openssl": "1.1.1k-1+deb11u1",
    "perl-base": ("perl", "5.32.1-4+deb11u2"),
    "python3-minimal": ("python3-defaults", "3.9.2-3"),
    "python3-urllib3": ("python-urllib3", "1.26.5-1~exp1"),
    "tzdata": "2021a-1+deb11u4",
    "zlib1g": ("zlib", "1:1.2.11.dfsg-2"),
}
_ALPINE_12: dict[str, str | tuple[str, str]] = {
    "alpine-baselayout": "3.2.0-r7",
    "apk-tools": "2.10.5-r1",
    "busybox": "1.31.1-r16",
    "libcrypto1.1": ("openssl", "1.1.1g-r0"),
    "libssl1.1": ("openssl", "1.1.1g-r0"),
    "musl": "1.1.24-r8",
    "zlib": "1.2.11-r3",
}
_ALPINE_12_UPGRADED = _ALPINE_12 | {
    "apk-tools": "2.10.8-r0",
    "busybox": "1.31.1-r22",
    "libcrypto1.1": ("openssl", "1.1.1n-r0"),
    "libssl1.1": ("openssl", "1.1.1n-r0"),
    "musl": "1.1.24-r10",
    "zlib": "1.2.12-r0",
}
_ALPINE_10: dict[str, str | tuple[str, str]] = {
    "alpine-baselayout": "3.1.2-r0",
    "apk-tools": "2.10.3-r1",
    "busybox": "1.30.1-r2",
    "libcrypto1.1": ("openssl", "1.1.1b-r1"),
    "musl": "1.1.22-r2",
    "zlib": "1.2.11-r1",
}
_WEB = {
    "Django": "3.2.4", "requests": "2.25.1", "urllib3": "1.26.4", "Jinja2": "2.11.2", "PyYAML": "5.3.1",
    "Pillow": "8.1.0", "certifi": "2020.12.5", "idna": "2.10", "sqlparse": "0.4.1", "pytz": "2021.1",
}  # fmt: skip
_API = {
    "Flask": "2.2.2", "Werkzeug": "2.2.2", "Jinja2": "3.1.2", "requests": "2.28.1", "cryptography": "39.0.0",
    "aiohttp": "3.8.3", "gunicorn": "20.1.0", "certifi": "2022.9.24", "setuptools": "65.5.0",
}  # fmt: skip
_FRONTEND = {
    "express": "4.17.1", "qs": "6.7.0", "lodash": "4.17.15", "minimist": "1.2.5", "axios": "0.21.0",
    "node-fetch": "2.6.0", "ws": "7.4.5", "semver": "7.3.4", "json5": "2.2.0", "tar": "6.1.0",
    "follow-redirects": "1.14.0", "ansi-regex": "5.0.0", "glob-parent": "5.1.1", "@babel/traverse": "7.22.0",
}  # fmt: skip

Packages = Mapping[str, str | tuple[str, str]]


def build_estate(folder: Path) -> Path:
    """Write the layout and its estate.yaml into ``folder``; returns the path of estate.yaml."""
    folder.mkdir(parents=True, exist_ok=True)
    debian = _debian_base()
    alpine = _alpine("3.12", "Alpine Linux v3.12", _ALPINE_12)
    python = LayerBuilder()
    for name, version in {"pip": "20.3.4", "wheel": "0.34.2", "setuptools": "52.0.0"}.items():
        _dist_info(python, "usr/local/lib/python3.9/site-packages", name, version)
    python_layer = python.blob()
    node_runtime = LayerBuilder().dir("usr/local/bin").file("usr/local/bin/node", b"\x7fELF" + bytes(4096), 0o755)
    _module(node_runtime, "usr/local/lib/node_modules/npm", "npm", "6.14.8")
    node_layer = node_runtime.blob()

    web = LayerBuilder().dir("app")
    for name, version in _WEB.items():
        _dist_info(web, "usr/local/lib/python3.9/site-packages", name, version)
    web.file("app/settings.py", "DEBUG = False\nALLOWED_HOSTS = ['shop.example']\n")
    api = LayerBuilder().dir("app")
    for name, version in _API.items():
        _dist_info(api, "usr/local/lib/python3.9/site-packages", name, version)
    frontend = LayerBuilder().dir("srv")
    for name, version in _FRONTEND.items():
        _module(frontend, f"srv/app/node_modules/{name}", name, version)

    leaked = LayerBuilder().dir("root/.aws").file("root/.aws/credentials", _aws_credentials())
    cleaned = LayerBuilder().dir("root").whiteout("root/.aws").file("app/worker.py", "print('working')\n")
    api_env = LayerBuilder().file("app/.env", f"LOG_LEVEL=info\nGITHUB_TOKEN={_token('gh' + 'p_', 36)}\n")

    upgraded = LayerBuilder().file("lib/apk/db/installed", _apk_database(_ALPINE_12_UPGRADED))
    distroless = (
        LayerBuilder()
        .file("etc/os-release", _os_release("debian", "11", "Distroless"))
        .file("var/lib/dpkg/status.d/libssl1.1", _stanza("libssl1.1", ("openssl", "1.1.1k-1+deb11u1"), status=False))
        .file("var/lib/dpkg/status.d/base-files", _stanza("base-files", "11.1+deb11u1", status=False))
        .file("var/lib/dpkg/status.d/tzdata", _stanza("tzdata", "2021a-1+deb11u4", status=False))
    )
    broken_layer = LayerBuilder().file("app/data.bin", bytes(range(256)) * 4096).blob()

    images: dict[str, ImageBuilder | RawManifest] = {
        "base/debian:11": ImageBuilder(debian, history=["ADD rootfs.tar.xz / # buildkit"]),
        "base/alpine:3.12": ImageBuilder(alpine, history=["ADD alpine-minirootfs.tar.gz / # buildkit"]),
        "base/python:3.9": ImageBuilder(
            debian, python_layer, history=["ADD rootfs.tar.xz /", "RUN pip install -U pip"]
        ),
        "shop/web:2.1": ImageBuilder(
            debian, python_layer, web,
            history=["ADD rootfs.tar.xz /", "RUN pip install -U pip", "RUN pip install -r requirements.txt"],
        ),
        "shop/api:1.4": ImageBuilder(
            debian, python_layer, api, api_env,
            history=["ADD rootfs.tar.xz /", "RUN pip install -U pip", "RUN pip install .", "COPY .env /app/"],
        ),
        "shop/worker:1.0": ImageBuilder(
            debian, leaked, cleaned,
            history=["ADD rootfs.tar.xz /", "COPY .aws /root/.aws", "RUN ./fetch-data && rm -r /root/.aws"],
        ),
        "shop/frontend:3.0": ImageBuilder(
            alpine, node_layer, frontend,
            history=["ADD alpine-minirootfs.tar.gz /", "RUN install-node", "RUN npm ci"],
        ),
        "shop/edge:3.1": ImageBuilder(
            alpine, upgraded, node_layer,
            history=["ADD alpine-minirootfs.tar.gz /", "RUN apk upgrade --no-cache", "RUN install-node"],
        ),
        "legacy/cron:0.9": ImageBuilder(
            _alpine("3.10", "Alpine Linux v3.10", _ALPINE_10), history=["ADD alpine-minirootfs.tar.gz /"]
        ),
        "tools/probe:1": ImageBuilder(distroless, history=["bazel build //:probe"]),
        "broken/upload:1": ImageBuilder(
            alpine, broken_layer, history=["ADD alpine-minirootfs.tar.gz /", "COPY data /app"]
        ),
        "charts/shop:1.2": RawManifest.artifact("application/vnd.cncf.helm.config.v1+json", b"apiVersion: v2\n"),
    }  # fmt: skip
    layout = folder / "images"
    write_layout(layout, images)
    blob = layout / "blobs" / "sha256" / broken_layer.digest.partition(":")[2]
    blob.write_bytes(broken_layer.data[: len(broken_layer.data) // 2])  # an upload that broke off

    estate = folder / "estate.yaml"
    estate.write_text(
        "# The demo's estate: everything in one OCI layout. A real one lists registries by url.\n"
        "registries:\n  - name: demo\n    kind: oci\n    url: images\n    repositories: all\n",
        encoding="utf-8",
    )
    return estate


def _os_release(name: str, version: str, pretty: str) -> str:
    return f'PRETTY_NAME="{pretty}"\nNAME="{pretty}"\nID={name}\nVERSION_ID="{version}"\n'


def _split(name: str, version: str | tuple[str, str]) -> tuple[str, str]:
    return (name, version) if isinstance(version, str) else version


def _stanza(name: str, version: str | tuple[str, str], *, status: bool = True) -> str:
    source, text = _split(name, version)
    lines = [f"Package: {name}"]
    if status:
        lines.append("Status: install ok installed")
    lines += ["Maintainer: Debian Maintainers <maintainers@debian.example>", "Architecture: amd64"]
    if source != name:
        lines.append(f"Source: {source}")
    return "\n".join([*lines, f"Version: {text}", f"Description: {name}", "", ""])


def _debian_base() -> LayerBuilder:
    layer = LayerBuilder().symlink("lib", "usr/lib").dir("etc").dir("usr/lib").dir("var/lib/dpkg/info")
    layer.file("usr/lib/os-release", _os_release("debian", "11", "Debian GNU/Linux 11 (bullseye)"))
    layer.symlink("etc/os-release", "../usr/lib/os-release").file("etc/debian_version", "11.2\n")
    layer.file("var/lib/dpkg/status", "".join(_stanza(name, version) for name, version in _DEBIAN.items()))
    # the distribution's own copy of a Python package: it is patched by Debian, so PyPI's advisories do not apply
    owned = "usr/lib/python3/dist-packages/urllib3-1.26.5.egg-info"
    layer.file("var/lib/dpkg/info/python3-urllib3.list", f"/.\n/usr\n/usr/lib\n/{owned}\n/{owned}/PKG-INFO\n")
    layer.file(f"{owned}/PKG-INFO", "Metadata-Version: 1.2\nName: urllib3\nVersion: 1.26.5\nLicense: MIT\n")
    return layer


def _apk_database(packages: Packages) -> str:
    stanzas = []
    for name, version in packages.items():
        origin, text = _split(name, version)
        stanzas.append(f"P:{name}\nV:{text}\nA:x86_64\nL:MIT\no:{origin}\nm:Alpine <alpine@alpine.example>\n")
    return "\n".join(stanzas) + "\n"


def _alpine(version: str, pretty: str, packages: Packages) -> LayerBuilder:
    return (
        LayerBuilder()
        .dir("etc").file("etc/os-release", _os_release("alpine", f"{version}.0", pretty))
        .file("etc/alpine-release", f"{version}.0\n")
        .dir("lib/apk/db").file("lib/apk/db/installed", _apk_database(packages))
    )  # fmt: skip


def _dist_info(layer: LayerBuilder, site: str, name: str, version: str) -> None:
    folder = f"{site}/{name.replace('-', '_')}-{version}.dist-info"
    layer.file(
        f"{folder}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n\n{name} for the shop\n"
    )


def _module(layer: LayerBuilder, folder: str, name: str, version: str) -> None:
    layer.file(f"{folder}/package.json", json.dumps({"name": name, "version": version, "license": "MIT"}))


_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


def _token(prefix: str, length: int, alphabet: str = _ALPHABET + "abcdefghijklmnopqrstuvwxyz0189") -> str:
    """A key that looks real and opens nothing."""
    noise = hashlib.sha512(f"scangrid demo {prefix}".encode()).digest()
    return prefix + "".join(alphabet[b % len(alphabet)] for b in noise[:length])


def _aws_credentials() -> str:
    key = _token("AK" + "IA", 16, _ALPHABET)
    secret = _token("", 40, _ALPHABET + "abcdefghijklmnopqrstuvwxyz01/+")
    return f"[default]\naws_access_key_id = {key}\naws_secret_access_key = {secret}\n"

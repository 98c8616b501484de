"""Images to scan: a small one made of nothing, and a large one made of what this machine has installed.

Each comes with what is in it, counted without scangrid: by ``dpkg-query``, and by looking at the paths written.
"""

from __future__ import annotations

import hashlib
import io
import json
import random
import re
import shutil
import subprocess
import sysconfig
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from email.parser import HeaderParser
from pathlib import Path

from bench import gather
from bench.models import Absent
from grid.testing import BuiltLayer, ImageBuilder, LayerBuilder, write_layout
from grid.testing.layers import OCI_LAYER

RECIPE = "3"
"""Raise it when the same machine should give another large image."""
PLANTED = "srv/planted"
"""The folder of the planted secrets, one a file."""
SITE = "usr/local/lib/python3/site-packages"
NODE = "usr/local/lib/node_modules"
APP = {SITE: "opt/venv/lib/python3/site-packages", NODE: "srv/app/node_modules"}
"""Where an application has the same files: some scanners do not look for secrets below /usr and in node_modules."""
JARS = "srv/java"
"""Where the jars lie that say what they are in one ``pom.properties`` of their own: they are counted."""
JAVA = (
    "ant", "clojure", "groovy", "jruby", "libactivemq-java", "libbatik-java", "libbcprov-java", "libfop-java",
    "libgradle-core-java", "libguava-java", "libh2-java", "libhsqldb-java", "libjackson2-databind-java",
    "libjetty9-java", "libmaven3-core-java", "libnetty-java", "libspring-web-java", "libtomcat10-java",
    "libxerces2-java", "scala-library",
)  # fmt: skip
"""Debian packages of jars."""
_SKIPPED = ("__pycache__", ".git")


@dataclass(frozen=True, slots=True)
class Made:
    """An image as an OCI layout with one image in it."""

    layout: str
    uncompressed: int
    """Bytes of all layers."""
    wanted: dict[str, int]
    """Packages by ecosystem, and ``planted``."""
    text: float = 1.0
    """The share of the bytes that is in files without a NUL in their first 8 KB."""
    notes: list[str] = field(default_factory=list)


def make(size: str, folder: Path, app: bool = False, java: bool = False) -> Made:
    """The image for a size; the large one is built once and kept. Raises Absent if it cannot be built here.

    ``app`` has the large image's Python and Node files where an application has them, not the system. With ``java`` a
    layer of jars takes the place of a part of the Python files.
    """
    if size == "verify":
        return small(folder / f"small{'-java' * java}-image", java)
    kept = folder / f"{'app' if app else 'java' if java else 'large'}-image-{RECIPE}"
    if not (kept / "made.json").exists():
        shutil.rmtree(kept, ignore_errors=True)
        made = large(kept, APP if app else {}, jars(folder / "java-debs") if java else ())
        (kept / "made.json").write_text(json.dumps(asdict(made)))
    return Made(**json.loads((kept / "made.json").read_text()))


# --- secrets -------------------------------------------------------------------------------------

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_BASE32 = _LETTERS + "234567"
_WORD = _LETTERS + _LETTERS.lower() + "0123456789"
_HEX = "0123456789abcdef"


def planted() -> dict[str, str]:
    """Files with one secret each: they look real, open nothing, and are put together only here."""
    dice = random.Random("planted")  # noqa: S311 - the same in every run

    def token(head: str, length: int, alphabet: str = _WORD) -> str:
        return head + "".join(dice.choice(alphabet) for _ in range(length))

    digits = "123456789"
    body = "\n".join(token("", 64) for _ in range(24))
    texts = {
        "credentials": f"[default]\naws_access_key_id = {token('AK' + 'IA', 16, _BASE32)}\n",
        "google.env": f"GOOGLE_API_KEY={token('AI' + 'za', 35)}\n",
        "github.env": f"GITHUB_TOKEN={token('gh' + 'p_', 36)}\n",
        "gitlab.env": f"GITLAB_TOKEN={token('gl' + 'pat-', 20)}\n",
        "slack.env": f"SLACK_TOKEN={token('xo' + 'xb-', 12, digits)}-{token('', 12, digits)}-{token('', 24)}\n",
        "stripe.env": f"STRIPE_KEY={token('sk_' + 'live_', 24)}\n",
        "sendgrid.env": f"SENDGRID_API_KEY={token('S' + 'G.', 22)}.{token('', 43)}\n",
        "npmrc": f"//registry.npmjs.org/:_authToken={token('np' + 'm_', 36)}\n",
        "id_rsa": f"-----BEGIN RSA {'PRIV' + 'ATE'} KEY-----\n{body}\n-----END RSA {'PRIV' + 'ATE'} KEY-----\n",
    }
    return {f"{PLANTED}/{name}": text for name, text in texts.items()}


# --- the small image -----------------------------------------------------------------------------

DEBS, WHEELS, MODULES, ARCHIVES = 120, 60, 240, 30


def small(folder: Path, java: bool = False) -> Made:
    """A few megabytes, the same everywhere: Debian-, Python- and Node-like layers, text, noise, secrets; jars."""
    dice = random.Random(1)  # noqa: S311 - the same in every run
    base = LayerBuilder().dir("etc").file("etc/os-release", 'ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Debian 12"\n')
    base.file("etc/debian_version", "12.5\n")
    stanzas = [
        f"Package: lib{n}\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1.{n}-1\n"
        "Maintainer: Nobody <nobody@debian.example>\nDescription: none\n"
        for n in range(DEBS)
    ]
    base.file("var/lib/dpkg/status", "\n".join(stanzas))
    for n in range(8):
        base.file(f"usr/lib/lib{n}.so", dice.randbytes(250_000), 0o755)
    wheels = LayerBuilder()
    for n in range(WHEELS):
        head = f"Metadata-Version: 2.1\nName: wheel{n}\nVersion: 2.{n}\n"
        wheels.file(f"{SITE}/wheel{n}-2.{n}.dist-info/METADATA", head)
        wheels.file(f"{SITE}/wheel{n}/code.py", _prose(dice, 30_000))
    modules = LayerBuilder()
    for n in range(MODULES):
        modules.file(f"{NODE}/module{n}/package.json", json.dumps({"name": f"module{n}", "version": f"3.{n}.0"}))
        modules.file(f"{NODE}/module{n}/index.js", _prose(dice, 8_000))
    layers = [base, wheels, modules, _secrets()]
    wanted = {"deb": DEBS, "pypi": WHEELS, "npm": MODULES, "planted": len(planted())}
    if java:
        layers.append(LayerBuilder())
        for n in range(ARCHIVES):
            layers[-1].file(
                f"{JARS}/art{n}-4.{n}.jar", _jar("org.example", f"art{n}", f"4.{n}", dice.randbytes(40_000))
            )
        wanted["jars"] = ARCHIVES
    write_layout(folder, {"": ImageBuilder(*layers)})
    return Made(str(folder), sum(len(layer.tar()) for layer in layers), wanted)


def _jar(group: str, artifact: str, version: str, classes: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as jar:
        jar.writestr(zipfile.ZipInfo("META-INF/MANIFEST.MF"), "Manifest-Version: 1.0\r\n\r\n")
        text = f"groupId={group}\nartifactId={artifact}\nversion={version}\n"
        jar.writestr(zipfile.ZipInfo(f"META-INF/maven/{group}/{artifact}/pom.properties"), text)
        jar.writestr(zipfile.ZipInfo("org/example/Main.class"), classes)
    return buffer.getvalue()


def _secrets() -> LayerBuilder:
    layer = LayerBuilder().dir(PLANTED)
    for path, text in planted().items():
        layer.file(path, text)
    return layer


def _prose(dice: random.Random, size: int) -> str:
    words = ["def", "return", "value", "=", "self", "(", ")", "import", "0", "none", "key", "config", "\n"]
    return " ".join(dice.choices(words, k=size // 5))


# --- the large image -----------------------------------------------------------------------------


DEBIAN_BYTES, PYTHON_BYTES = 520_000_000, 450_000_000


def jars(folder: Path) -> list[tuple[str, bytes]]:
    """(path, content) of the jars of Debian packages, fetched into ``folder``. Raises Absent without apt-get."""
    found: dict[str, bytes] = {}
    for package in gather.debs(folder, JAVA):
        for path, content, _, target in gather.members(package):
            if path.endswith(".jar") and target is None:
                name = path.rpartition("/")[2]
                found[f"{JARS}/{name}" if _plain(name, content) else path] = content
    return sorted(found.items())


def _plain(name: str, content: bytes) -> bool:
    """Whether a jar has one ``pom.properties``, nothing in its name that speaks against it, and no archive within."""
    with zipfile.ZipFile(io.BytesIO(content)) as jar:
        inside = jar.namelist()
        poms = [n for n in inside if n.endswith("pom.properties")]
        if len(poms) != 1 or any(n.endswith((".jar", ".war")) for n in inside):
            return False
        stated = dict(re.findall(r"^(\w+)\s*=\s*(\S+)", jar.read(poms[0]).decode("latin-1"), re.MULTILINE))
    whole = f"{stated.get('artifactId')}-{stated.get('version')}"
    return "None" not in whole and (name.startswith(whole) or re.search("-[0-9]", name) is None)


def large(folder: Path, moved: Mapping[str, str], java: Sequence[tuple[str, bytes]] = ()) -> Made:
    """About 1 GB: this Debian's package database and files, this Python's packages, this Node's modules, secrets; jars.

    Which files is drawn by the hashes of their paths: a fair sample, and the same each time on one machine. Raises
    Absent without dpkg.
    """
    if shutil.which("dpkg-query") is None:
        raise Absent("the large image is made of a Debian system's own files, and dpkg-query is not here")
    folder.mkdir(parents=True)
    npm = _npm_root()
    debian = _Layer(folder / "debian.tar")
    debian.add(Path("/etc/os-release").resolve(), "etc/os-release")
    debian.add(Path("/etc/debian_version"), "etc/debian_version")
    for path in sorted(Path("/var/lib/dpkg/info").glob("*.list")):
        debian.add(path, str(path).lstrip("/"))
    debian.add(Path("/var/lib/dpkg/status"), "var/lib/dpkg/status")
    for path in _drawn(_debian_files(npm), DEBIAN_BYTES):
        debian.add(path, str(path).lstrip("/"))
    python = _Layer(folder / "python.tar")
    site = Path(sysconfig.get_path("purelib"))
    for path in _drawn(_below(site), PYTHON_BYTES - sum(len(content) for _, content in java)):
        python.add(path, f"{moved.get(SITE, SITE)}/{path.relative_to(site)}")
    layers = [debian, python]
    notes = []
    if npm is None:
        notes.append("no Node modules here: the image has none")
    else:
        layers.append(_Layer(folder / "node.tar"))
        for path in sorted(_below(npm)):
            layers[-1].add(path, f"{moved.get(NODE, NODE)}/{path.relative_to(npm)}")
    wanted = {"deb": _debs(), "pypi": sum(x.wheels for x in layers), "npm": sum(x.modules for x in layers)}
    if java:
        layers.append(_Layer(folder / "java.tar"))
        for name, content in java:
            layers[-1].put(name, content, 0o644)
        wanted["jars"] = sum(name.startswith(f"{JARS}/") for name, _ in java)
    text = sum(layer.text for layer in layers) / sum(layer.bytes for layer in layers)
    built = [layer.blob() for layer in layers]
    total = sum(layer.bytes for layer in layers) + len(_secrets().tar())
    write_layout(folder / "layout", {"": ImageBuilder(*built, _secrets().blob())})
    return Made(str(folder / "layout"), total, {**wanted, "planted": len(planted())}, text, notes)


def _debs() -> int:
    form = "${db:Status-Status}\n"
    told = subprocess.run(["dpkg-query", "-W", f"-f={form}"], check=True, capture_output=True, text=True)
    return told.stdout.split().count("installed")


def _debian_files(without: Path | None) -> Iterator[Path]:
    """What Debian packages have put below /usr, in no order."""
    lists = Path("/var/lib/dpkg/info").glob("*.list")
    listed = {line for path in lists for line in path.read_text("utf-8", "replace").splitlines()}
    for line in listed:
        if line.startswith("/usr/") and (without is None or not Path(line).is_relative_to(without)):
            yield Path(line)


def _below(root: Path) -> Iterator[Path]:
    """The files of a tree, but for caches."""
    return (path for path in root.rglob("*") if not any(part in _SKIPPED for part in path.parts))


def _drawn(paths: Iterable[Path], limit: int) -> list[Path]:
    """A sample of files of about ``limit`` bytes, in the order of their names."""
    chosen, size = [], 0
    for path in sorted(paths, key=lambda path: hashlib.sha256(str(path).encode("utf-8", "replace")).digest()):
        if size > limit:
            break
        try:
            size += path.lstat().st_size if path.is_file() else 0
        except OSError:
            continue
        chosen.append(path)
    return sorted(chosen)


def _npm_root() -> Path | None:
    npm = shutil.which("npm")
    found = Path(npm).resolve().parents[2] if npm else None  # node_modules/npm/bin/npm-cli.js
    return found if found is not None and found.name == "node_modules" else None


class _Layer:
    """A tar on disk, and a count of the package records that went into it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.bytes = self.text = 0
        self.wheels = self.modules = 0
        self._tar = tarfile.open(path, "w", format=tarfile.GNU_FORMAT)  # noqa: SIM115 - closed by blob()

    def add(self, path: Path, name: str) -> None:
        """A file or a symbolic link; what cannot be read is left out, and so are folders."""
        try:
            info = tarfile.TarInfo(name)
            if path.is_symlink():
                info.type, info.linkname = tarfile.SYMTYPE, str(path.readlink())
                self._tar.addfile(info)
            elif path.is_file():
                self.put(name, path.read_bytes(), path.stat().st_mode & 0o7777)
        except OSError:
            pass

    def put(self, name: str, content: bytes, mode: int) -> None:
        """A file."""
        info = tarfile.TarInfo(name)
        info.size, info.mode = len(content), mode
        self._tar.addfile(info, io.BytesIO(content))
        self._count(name, content)
        self.bytes += len(content) + 512
        self.text += 0 if b"\0" in content[:8192] else len(content)

    def _count(self, name: str, content: bytes) -> None:
        """Package records by their own formats' readers: the mail parser and json."""
        if name.endswith((".dist-info/METADATA", ".egg-info/PKG-INFO", "EGG-INFO/PKG-INFO", ".egg-info")):
            head = HeaderParser().parsestr(content.decode("utf-8", "replace"))
            self.wheels += bool(head["Name"] and head["Version"])
        elif name.endswith(".whl"):  # lying about, not installed
            self.wheels += 1
        elif name.endswith("/package.json") and _node_place(name):
            try:
                record = json.loads(content)
            except ValueError:
                return
            named = isinstance(record, dict) and all(isinstance(record.get(key), str) for key in ("name", "version"))
            self.modules += named

    def blob(self) -> BuiltLayer:
        """The layer compressed as builders do, with gzip -6; the tar is removed."""
        self._tar.close()
        packer = zlib.compressobj(6, zlib.DEFLATED, 31)
        whole, parts = hashlib.sha256(), []
        with self.path.open("rb") as stream:
            for piece in iter(lambda: stream.read(1 << 20), b""):
                whole.update(piece)
                parts.append(packer.compress(piece))
        self.bytes = self.path.stat().st_size
        self.path.unlink()
        data = b"".join([*parts, packer.flush()])
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        return BuiltLayer(digest, len(data), f"sha256:{whole.hexdigest()}", f"{OCI_LAYER}+gzip", data)


def _node_place(name: str) -> bool:
    return "node_modules/" in name or name.startswith(("usr/share/nodejs/", "usr/lib/nodejs/"))


def blob_paths(layout: str, digests: Iterable[str]) -> list[Path]:
    """Where the blobs of a layout are."""
    return [Path(layout, "blobs", *digest.split(":")) for digest in digests]

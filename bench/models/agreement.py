"""The same advisories and the same images for us and for Trivy: where do the findings differ?

The advisories are made (versions with all the signs that a scheme has), or a database of yours
(``--input database=DIR``); the images hold packages that those advisories name, at the versions where ranges begin and
end and just below them. Real images may be added (``--input images=DIR``, OCI layouts, as folders or in tars).
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path

from bench import drawn, inventory, lockfiles, trivy_db
from bench.inventory import Installed
from bench.models import Outcome, Work, environment, last_line
from bench.models.peer import OFFLINE, find, trivy_caches
from bench.verdicts import Place, Said, compare, reason
from grid.database import Database, open_database
from grid.ecosystems import BY_NAME
from grid.store import Lake
from grid.warehouse import connect
from vulndb.build import build, locked


def measure(work: Work) -> Outcome:
    """Differences by kind, those of the table in ``vulndb/README.md`` counted apart."""
    trivy = find("trivy", work.peers)
    scratch = work.folder / work.case
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    database = _database(work.inputs.get("database"), scratch / "advisories", work["advisories"])
    content, written = trivy_db.write(database, builds=inventory.builds())
    trivy_caches(scratch / "trivy", content)
    images = dict(islice(_images(database, written, scratch / "images", work["packages"]), 0, None, work["every"]))
    images |= _real_images(work.inputs.get("images"), scratch / "real")
    ours = _ours(database, images, scratch)
    outcome = Outcome()
    total = Counter[str]()
    explained = Counter[str]()
    details = []
    counts = ["image\tagreed\texplained\tunexplained"]
    for label, layout in images.items():
        compared = compare(_without(ours.get(label, {}), written), _trivys(trivy, layout, scratch))
        kinds = Counter[str]()
        for namespace, kind, place, mine, theirs in compared.differences:
            of, _, image = label.partition(" (")
            why = reason(written, namespace or of, kind, place, mine, theirs, image.rstrip(")"))
            kinds[kind if why is None else "explained"] += 1
            if why is None:
                details.append(f"{label}\t{kind}\t{' '.join(place)}\t{mine}\t{theirs}")
            else:
                explained[why] += 1
        total += Counter({"agreed": compared.agreed, **kinds})
        outcome.notes.append(f"{label}: {compared.agreed} agreed, {dict(kinds)}")
        counts.append(f"{label}\t{compared.agreed}\t{kinds['explained']}\t{kinds.total() - kinds['explained']}")
    (scratch / "differences.tsv").write_text("\n".join(details) + "\n")
    (scratch / "images.tsv").write_text("\n".join(counts) + "\n")
    outcome.notes += [f"explained: {why} ({count})" for why, count in explained.most_common()]
    outcome.notes += [f"not to be said in Trivy's form: {why} ({count})" for why, count in written.reasons.items()]
    unexplained = total["ours only"] + total["theirs only"] + total["fix"] + total["severity"] + total["state"]
    outcome.counts = {"unexplained": unexplained}
    outcome.wanted = {"unexplained": 0}
    outcome.figures = {
        "agreed": total["agreed"], "explained": total["explained"], "unexplained": unexplained, "images": len(images),
        "namespaces": len(written.buckets), "advisories": written.advisories,
        "share": 100 * total["agreed"] / max(1, total["agreed"] + unexplained + total["explained"]),
    }  # fmt: skip
    if not total["agreed"]:
        raise RuntimeError("nothing was found by both, so nothing was compared")
    return outcome


# --- the two answers -----------------------------------------------------------------------------


def _plain(version: str) -> str:
    return version.removeprefix("0:")


def _ours(database: Database, images: Mapping[str, Path], scratch: Path) -> dict[str, dict[Place, Said]]:
    lake = scratch / "lake"
    root = database.path.parent.parent
    program = f"import os; os.environ['SCANGRID_DB'] = {str(root)!r}; from grid.cli import main; main()"
    references = [f"oci:{layout}" for layout in images.values()]
    command = [sys.executable, "-c", program, "scan", *references, "--lake", str(lake), "--quiet", "--lockfiles",
               "--scanners", "vuln", "--format", "json", "--output", os.devnull]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, env={**environment(), **OFFLINE}, timeout=3000)
    if done.returncode:
        raise RuntimeError(f"scangrid ended with {done.returncode}: {last_line(done.stderr)}")
    by_place = {f"oci:{layout}": label for label, layout in images.items()}
    found: dict[str, dict[Place, Said]] = defaultdict(dict)
    with connect(Lake.open(lake)) as con:
        rows = con.sql(
            "SELECT registry, namespace, package, source_name, ecosystem, version, vuln_id, fixed_version, severity, "
            "state FROM vulnerabilities"
        ).fetchall()
    for registry, namespace, package, source, ecosystem, version, problem, fixed, severity, state in rows:
        shown = "low" if severity == "negligible" else severity
        names = (BY_NAME[ecosystem].canonical(package), source or package)
        said = Said(_plain(fixed or ""), shown, state, namespace, names)
        found[by_place[registry]][(package, _plain(version), problem)] = said
    return found


def _without(said: Mapping[Place, Said], written: trivy_db.Written) -> dict[Place, Said]:
    return {
        place: one
        for place, one in said.items()
        if not any((one.namespace, name, place[2]) in written.left_out for name in one.names)
    }


def _trivys(trivy: Path, layout: Path, scratch: Path) -> dict[Place, Said]:
    report = scratch / "report.json"
    folder = layout / FOLDER
    what = ["fs", str(folder)] if folder.is_dir() else ["image", "--input", str(layout)]
    command = [str(trivy), *what, "--cache-dir", str(scratch / "trivy"), "--skip-db-update",
               "--skip-java-db-update", "--offline-scan", "--scanners", "vuln", "--quiet", "--format", "json",
               "--output", str(report)]  # fmt: skip
    # HOME: it would look into ~/.m2 for what a pom.xml needs further
    env = {**environment(), **OFFLINE, "HOME": str(scratch)}
    done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=900)
    if "unable to find CPE indices" in done.stderr:
        return {}  # it knows no repository of the image, and gives up
    if done.returncode:
        raise RuntimeError(f"trivy ended with {done.returncode}: {last_line(done.stderr)}")
    found: dict[Place, Said] = {}
    for result in json.loads(report.read_text("utf-8")).get("Results") or ():
        namespace = _TYPES.get(result.get("Type", ""), "")
        for one in result.get("Vulnerabilities") or ():
            place = (one["PkgName"], _plain(one["InstalledVersion"]), one["VulnerabilityID"])
            fixed = ", ".join(_plain(part) for part in one.get("FixedVersion", "").split(", "))
            found[place] = Said(fixed, one.get("Severity", "UNKNOWN").lower(), one.get("Status", ""), namespace)
    return found


_TYPES = {
    "python-pkg": "PyPI", "node-pkg": "npm", "gemspec": "RubyGems", "composer-vendor": "Packagist", "jar": "Maven",
    "gobinary": "Go", "rustbinary": "crates.io", "dotnet-core": "NuGet", "bitnami": "Bitnami",
}  # fmt: skip
"""What Trivy calls the records of a language."""


# --- what is compared ----------------------------------------------------------------------------


def _database(given: Path | None, folder: Path, count: int) -> Database:
    if given is not None:
        return open_database(given)
    with locked(folder):
        return build(folder, (("made", False, record) for record in drawn.made(count)), states=lambda counts: ())


def _images(database: Database, written: trivy_db.Written, folder: Path, most: int) -> Iterator[tuple[str, Path]]:
    for namespace, place in written.buckets.items():
        packages = list(drawn.packages(database, namespace, most, 4 if place.language else 1))
        if not packages:
            continue
        for label, files in _kinds(namespace, place, packages).items():
            target = folder / hashlib.sha256(label.encode()).hexdigest()[:12]
            if place.language and label != namespace:  # lock files, which Trivy looks for in folders only
                for path, content in files.items():
                    (target / FOLDER / path).parent.mkdir(parents=True, exist_ok=True)
                    (target / FOLDER / path).write_bytes(content)
            yield label, inventory.image(target, files)


FOLDER = "folder"
"""Beside the layout of an image of lock files: the same files."""


def _kinds(namespace: str, place: trivy_db.Bucket, packages: list[Installed]) -> dict[str, dict[str, bytes]]:
    """The images of a namespace: Red Hat's say where their packages come from, others have lock files."""
    if place.language:
        written = {f"{namespace} ({file})": lockfiles.written(namespace, file, packages)
                   for file in lockfiles.FILES.get(namespace, ())}  # fmt: skip
        installed = {namespace: inventory.language(namespace, packages)} if namespace in inventory.INSTALLED else {}
        return installed | written
    files = inventory.system(namespace, packages)
    base, _, release = namespace.partition(":")
    if base != "Red Hat" or release not in inventory.REPOSITORIES:
        return {namespace: files}
    kinds = {f"{namespace} ({kind})": files | more for kind, more in inventory.red_hat(release).items()}
    if release in ("6", "7", "8"):
        kinds[f"{namespace} (CentOS)"] = inventory.system(f"CentOS:{release}", packages)
    return kinds


def _real_images(given: Path | None, folder: Path) -> dict[str, Path]:
    """OCI layouts below a folder, those in tars unpacked, with the platforms of this machine's kind only."""
    if given is None:
        return {}
    found = {}
    for path in sorted(given.iterdir()):
        if (path / "index.json").is_file():
            found[path.name] = path
        elif path.name.endswith(".oci.tar"):
            target = folder / path.name.removesuffix(".oci.tar")
            with tarfile.open(path) as archive:
                archive.extractall(target, filter="data")
            found[target.name] = target
    return found

"""The same images for us, Syft and Trivy: which packages does only one of them list, and why?

Images are what registries hold (Debian packages, wheels, npm packages, each laid out as an installation leaves it) and,
with ``--input data=DIR``, a folder of archives and records: ``images/*.oci.tar``, ``packages/packages.zip`` (with
``INDEX.jsonl``: path and kind of each member) and ``rpmdb/rpmdb.zip``.
"""

from __future__ import annotations

import json
import shutil
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from bench import answers, gather, inventory
from bench.answers import Found
from bench.inventory import Installed
from bench.models import Absent, Outcome, Work
from bench.models.peer import find, trivy_caches
from bench.reasons import Case, Side, reason

RELEASES = {
    "apk-installed": inventory.release("Alpine:v3.20"), "rpm": inventory.release("AlmaLinux:9"),
    "pacman": {"etc/os-release": b"ID=arch\n"}, "nix": {"etc/os-release": b"ID=gentoo\n"},
}  # fmt: skip
APART = ("pacman", "other-lock")
"""Kinds whose records are an image each: one that a peer cannot read costs it no other."""
PLACES = {"dpkg-status": "var/lib/dpkg/status", "apk-installed": "lib/apk/db/installed"}


def measure(work: Work) -> Outcome:
    """Packages that both list, and the differences by reason."""
    programs = {name: find(name, work.peers) for name in ("syft", "trivy")}
    kept, scratch = work.folder / "inventories", work.folder / work.case
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    trivy_caches(scratch / "trivy")
    outcome = Outcome()
    images = {f"{label}-{n}": layout for label, n, layout in _images(work, kept, outcome.notes)}
    ours = answers.ours(images, scratch, lockfiles=True)
    equal: Counter[str] = Counter()
    reasons: Counter[tuple[str, str]] = Counter()
    lines = []
    for label, layout in images.items():
        states = gather.states(layout)
        answered: dict[str, frozenset[Found]] = {}
        for peer, program in programs.items():
            try:
                if peer == "syft":
                    answered[peer] = answers.syft(program, f"oci-dir:{layout}", scratch)
                else:
                    answered[peer] = answers.trivy(program, ["image", "--input", str(layout)], scratch)
            except RuntimeError as error:
                outcome.notes.append(f"{label}: {error}")
        paths = {one.path for theirs in answered.values() for one in ours[label] ^ theirs}
        contents, inert = gather.contents(layout, paths), gather.inert(layout, paths)
        for peer, theirs in answered.items():
            equal[peer] += len(ours[label] & theirs)
            for case, why in differences(ours[label], theirs, peer, states, contents, inert):
                reasons["ours" if case.ours else peer, f"{peer}: {why}"] += 1
                lines.append(f"{label}\t{peer}\t{'+' if case.ours else '-'}\t{why}\t" + "\t".join(case.one))
    (scratch / "differences.tsv").write_text("\n".join(lines) + "\n")
    unexplained = sum(n for (_, why), n in reasons.items() if why.endswith(": None"))
    for (side, why), count in sorted(reasons.items()):
        outcome.notes.append(f"only {side}: {why} ({count:,})")
    outcome.counts, outcome.wanted = {"unexplained": unexplained}, {"unexplained": 0}
    outcome.figures = {
        "unexplained": unexplained, "images": len(images), "packages": sum(map(len, ours.values())),
        **{f"equal_{peer}": equal[peer] for peer in programs},
        **{f"only_{peer}": sum(n for (side, _), n in reasons.items() if side == peer) for peer in programs},
        "only_ours": sum(n for (side, _), n in reasons.items() if side == "ours"),
    }  # fmt: skip
    if not all(equal[peer] for peer in programs):
        raise RuntimeError("a peer found nothing that we found, so nothing was compared")
    return outcome


def differences(
    ours: frozenset[Found],
    theirs: frozenset[Found],
    peer: str,
    states: Mapping[str, str] | None = None,
    contents: Mapping[str, bytes] | None = None,
    inert: frozenset[str] = frozenset(),
) -> Iterator[tuple[Case, str | None]]:
    """What only one side lists, each with the name of its reason or None."""
    mine, other = Side(ours), Side(theirs)
    for first, has, lacks in ((True, mine, other), (False, other, mine)):
        for one in sorted(
            has.found - lacks.found, key=lambda one: (one.path, one)
        ):  # a file's evidence is kept a while
            case = Case(one, peer, first, has, lacks, states or {}, contents or {}, inert)
            yield case, reason(case)


# --- images --------------------------------------------------------------------------------------

MADE = {
    "PyPI": ("wheel", "1.0"), "npm": ("left-pad", "1.3.0"), "RubyGems": ("rack", "2.2.0"), "Maven": ("g:a", "1.2"),
    "Packagist": ("vendor/lib", "3.1.0"), "Go": ("example.com/tool", "v1.2.3"), "crates.io": ("serde", "1.0.1"),
    "NuGet": ("Some.Library", "4.5.6"),
}  # fmt: skip


def _images(work: Work, kept: Path, notes: list[str]) -> Iterator[tuple[str, int, Path]]:
    """(what it is, number, layout)."""
    files = inventory.system("Debian:12", [Installed(f"lib{n}", f"1.{n}-1") for n in range(40)])
    for ecosystem, (name, version) in MADE.items():
        files |= inventory.language(ecosystem, [Installed(name, version)])
    yield "made", 0, inventory.image(work.folder / "made", files)
    if data := work.inputs.get("data"):
        yield from _stored(data, kept)
    fetched: list[Path] = []
    for label, names in work["debian"].items():
        try:
            packages = gather.debs(kept / "debs" / label, names)
        except Absent as absent:
            notes.append(f"no Debian packages ({label}): {absent}")
            continue
        fetched += packages
        yield f"debian-{label}", 0, gather.unpacked(kept / f"deb-{label}", packages)
    if fetched:
        yield "debian-database", 0, gather.database(kept / "deb-database", fetched)
    for number, names in enumerate(work["pypi"]):
        try:
            site = gather.wheels(kept / f"wheels-{number}", names)
        except Absent as absent:
            notes.append(f"no wheels: {absent}")
            continue
        yield "pypi", number, gather.tree(kept / f"pypi-{number}", site, "opt/app/lib/python3/site-packages")
    for number, names in enumerate(work["npm"]):
        try:
            root = gather.modules(kept / f"modules-{number}", names)
        except Absent as absent:
            notes.append(f"no npm packages: {absent}")
            continue
        yield "npm", number, gather.tree(kept / f"npm-{number}", root, "srv/shop")


def _stored(data: Path, kept: Path) -> Iterator[tuple[str, int, Path]]:
    for number, file in enumerate(sorted((data / "images").glob("*.oci.tar"))):
        yield f"image-{file.name.removesuffix('.oci.tar')}", number, gather.archive(kept / file.stem, file)
    records = data / "packages" / "packages.zip"
    if records.exists():
        with zipfile.ZipFile(records) as packed:
            members = set(packed.namelist())
            listed = [json.loads(line) for line in packed.read("INDEX.jsonl").splitlines()]
        kinds: dict[str, list[str]] = {}
        for row in listed:
            if row["path"] in members:
                kinds.setdefault(row["kind"], []).append(row["path"])
        for kind, paths in kinds.items():
            label = kind.partition("/")[0]
            if kind in PLACES or kind in APART:
                for number, path in enumerate(paths):
                    inside = max(path.find("var/lib/"), path.find("lib/apk/"))
                    place = path[inside:] if inside >= 0 else PLACES.get(kind, path)
                    one = gather.records(
                        kept / f"{label}-{number}", records, [(path, place)], RELEASES.get(kind, gather.DEBIAN)
                    )
                    yield f"records-{label}", number, one
            elif kind != "os-release":
                chosen = [
                    (path, path[path.find("var/db/") :] if "/var/db/pkg/" in path else f"srv/{path}") for path in paths
                ]
                one = gather.records(kept / f"records-{label}", records, chosen, RELEASES.get(label, gather.DEBIAN))
                yield f"records-{label}", 0, one
    databases = data / "rpmdb" / "rpmdb.zip"
    if databases.exists():
        with zipfile.ZipFile(databases) as packed:
            found = [n for n in packed.namelist() if n.endswith(("/Packages", "/Packages.db", "/rpmdb.sqlite"))]
        for number, member in enumerate(found):
            place = f"var/lib/rpm/{member.rpartition('/')[2]}"
            yield "rpm", number, gather.records(kept / f"rpm-{number}", databases, [(member, place)], RELEASES["rpm"])

"""The same advisories and the same images for us and for Trivy: where do the findings differ?

The advisories are made (versions with all the signs that a scheme has), or a database of yours
(``--input database=DIR``); the images hold packages that those advisories name, at the versions where ranges begin and
end and just below them. Real images may be added (``--input images=DIR``, OCI layouts, as folders or in tars).
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tarfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

import duckdb

from bench import inventory, lockfiles, trivy_db
from bench.inventory import Installed
from bench.models import Outcome, Work, environment, last_line
from bench.models.peer import OFFLINE, find, trivy_caches
from grid.database import Database, open_database
from grid.ecosystems import BY_NAME, for_osv
from grid.errors import VersionInvalid
from grid.store import Lake
from grid.warehouse import connect
from vulndb.build import build, locked
from vulndb.records import Advisory, Affected, Range, Rating, Record, RepositoryProduct

Place = tuple[str, str, str]
"""(package, version, vulnerability)."""


@dataclass(frozen=True, slots=True)
class Said:
    """What a scanner says of one vulnerability of one package."""

    fixed: str
    severity: str
    state: str = ""
    namespace: str = ""
    names: tuple[str, ...] = ()
    """Under one of them the advisory lists the package."""


@dataclass(slots=True)
class Compared:
    """How two scanners answered for one image."""

    agreed: int = 0
    differences: list[tuple[str, str, Place, str, str]] = field(default_factory=list)
    """(namespace, kind, place, ours, theirs)."""


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


def compare(ours: Mapping[Place, Said], theirs: Mapping[Place, Said]) -> Compared:
    """Set against set, then what is said of what both have."""
    found = Compared()
    for place in sorted(ours.keys() | theirs.keys()):
        mine, other = ours.get(place), theirs.get(place)
        if mine is None or other is None:
            one = mine or other
            assert one is not None
            texts = (one.fixed, "") if other is None else ("", one.fixed)
            found.differences.append((one.namespace, "ours only" if other is None else "theirs only", place, *texts))
            continue
        if mine.fixed not in other.fixed.split(", "):
            differs = ("fix", mine.fixed, other.fixed)
        elif mine.severity != other.severity:
            differs = ("severity", mine.severity, other.severity)
        elif mine.state != other.state:
            differs = ("state", mine.state, other.state)
        else:
            found.agreed += 1
            continue
        found.differences.append((mine.namespace, differs[0], place, differs[1], differs[2]))
    return found


def reason(
    written: trivy_db.Written, namespace: str, kind: str, place: Place, ours: str, theirs: str, image: str = ""
) -> str | None:
    """Which row of the table in ``vulndb/README.md`` a difference is; None if it is not one."""
    package, version, problem = place
    base = namespace.partition(":")[0]
    ordered = for_osv(namespace)
    if kind == "ours only":
        if base == "npm" and "-" in version and (package, problem, version.partition("-")[0]) not in written.early_ends:
            return "prereleases of npm"
        if base in ("AlmaLinux", "Rocky Linux") and ours == "":
            release = namespace.partition(":")[2]
            if (f"Red Hat:{release}", problem) in written.open_at_red_hat:
                return "unfixed in RHEL, in AlmaLinux and Rocky images"
        if base in ("AlmaLinux", "Rocky Linux") and ours:
            release = namespace.partition(":")[2]
            if (f"Red Hat:{release}", problem, ours) in written.fixed_at_red_hat:
                return "fixed in RHEL, and no word of AlmaLinux's or Rocky's"
        if base in ("AlmaLinux", "Red Hat") and ".module" in version:
            return "a module's build without a label"
        if base == "Bitnami" and re.search(r"-\d+$", version):
            return "rebuilds of Bitnami's"
        if base == "Packagist" and "-p" in version + ours:
            return "Composer's patch releases"
    if (
        base == "Bitnami"
        and kind in ("ours only", "theirs only")
        and ((package, problem) in written.odd_ends or not trivy_db.PLAIN_NUMBERS.fullmatch(version))
    ):
        return "Bitnami's versions that are not three plain numbers"
    if kind == "theirs only" and (namespace, package) in written.folded:
        return "names of npm packages that differ in case"
    if base in inventory.VENDORS and "^" in version + ours + theirs:
        fixes = [fix for fix in (*ours.split(", "), *theirs.split(", ")) if fix]
        if kind == "fix" or (kind in ("ours only", "theirs only") and any(_by_caret(version, fix) for fix in fixes)):
            return "carets in rpm versions"
    if base == "Red Hat":
        return _by_product(written, namespace, kind, problem, image)
    if base == "Amazon Linux" and kind in ("ours only", "theirs only") and (fixed := ours or theirs):
        skipped = bool(set("^_") & set(version + fixed))
        told = skipped or _before("deb", version, fixed) != _before("rpm", version, fixed)
        return "rpm versions ordered by dpkg's rules" if told else None
    if kind == "theirs only" and ordered is not None and re.fullmatch(ordered.inert, package):
        return "headers of the kernel"
    if kind == "theirs only" and (namespace, problem) in written.unshipped:
        return "a fix that the release does not ship"
    if kind == "severity" and problem in written.malicious and ours == "critical":
        return "malicious packages"
    ranked = written.ranked.get(problem, set())
    believed = {"bitnami"} if base == "Bitnami" else {"ghsa", "nvd"} if base in trivy_db.LANGUAGES else ranked
    if kind == "severity" and not believed & ranked:
        return "ratings of neither the publisher, GHSA nor the NVD"
    if kind == "severity" and (namespace, problem) in written.rated_apart:
        return "packages that a distribution rates apart"
    if kind == "fix" and ours == "" and base in trivy_db.LANGUAGES:
        if ordered is None or (namespace, ordered.canonical(package), problem) in written.no_clear_fix:
            return "a fix that another range of the advisory holds"
        try:
            installed = ordered.key(version)
            if all(ordered.key(fix) <= installed for fix in theirs.split(", ")):
                return "a fix below the installed version"
        except VersionInvalid:
            return None
    return None


def _by_caret(version: str, fixed: str) -> bool:
    """Whether the order of the two is another one for an rpm to which a caret only separates."""
    earlier = _before("rpm", version.replace("^", "."), fixed.replace("^", "."))
    return _before("rpm", version, fixed) != earlier


def _before(scheme: str, version: str, fixed: str) -> bool | None:
    """Whether a scheme has a version before a fix; None if it refuses either."""
    order = BY_NAME[scheme].key
    try:
        return order(version) < order(fixed)
    except VersionInvalid:
        return None


def _by_product(written: trivy_db.Written, namespace: str, kind: str, problem: str, image: str) -> str | None:
    if image == "built, no sets":
        return "RHEL: a build record without content sets"
    if image in ("says nothing", "CentOS"):
        if namespace == "Red Hat:10":
            return "RHEL 10 without content sets"
        if (namespace, problem) in written.unusual:
            return "RHEL without content sets"
    if kind == "state" and (namespace, problem) in written.several_states:
        return "products that say different things of what is not fixed"
    return None


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
        return build(folder, (("made", False, record) for record in made(count)), states=lambda counts: ())


NAMESPACES = (
    "Alpine:v3.20", "Alpine:edge", "Wolfi", "Chainguard", "Debian:12", "Ubuntu:22.04:LTS", "AlmaLinux:9",
    "Rocky Linux:9", "Oracle Linux:9", "Amazon Linux:1", "Amazon Linux:2", "Amazon Linux:2022", "Amazon Linux:2023",
    "SUSE:Linux Enterprise Server 12 SP5", "SUSE:Linux Enterprise Server 15 SP5", "SUSE:Linux Enterprise Micro 5.5",
    "SUSE:Linux Micro 6.0", "openSUSE:Leap 15.5", "openSUSE:Tumbleweed", "Photon OS:5.0", "Azure Linux:3",
    "Azure Linux:2", "Azure Linux:1", "Red Hat:7", "Red Hat:8", "Red Hat:9", "Red Hat:10", *trivy_db.LANGUAGES,
)  # fmt: skip


def made(count: int) -> Iterator[Record]:
    """Advisories for ``count`` packages of each namespace, drawn from a seed: up to four problems each."""
    number = 0
    for named in (*inventory.REPOSITORIES.values(), *inventory.EXTENDED.values()):
        yield from (RepositoryProduct(repository, cpe) for repository, cpe in named.items())
    for namespace in NAMESPACES:
        dice = random.Random(namespace)  # noqa: S311 - the same in every run
        raters = [rater for rater in ("nvd", "ghsa", "ubuntu") if rater != namespace.partition(":")[0].lower()]
        base = namespace.partition(":")[0]
        drawn = _VERSIONS[base]
        for n in range(count):
            name = f"org.example:p{n}" if namespace == "Maven" else f"example/p{n}" if namespace == "Packagist" else \
                f"example.com/p{n}" if namespace == "Go" else f"p{n}"  # fmt: skip
            for _ in range(dice.randrange(1, 5)):
                number += 1
                events = [("introduced", "0"), ("fixed", drawn(dice))]
                if namespace in trivy_db.LANGUAGES and dice.random() < 0.5:
                    events[0] = ("introduced", drawn(dice))
                if dice.random() < 0.15:
                    events.pop()
                if dice.random() < 0.2 and namespace in trivy_db.LANGUAGES:
                    events.append(("last_affected", drawn(dice)))
                late = base in ("Debian", "Ubuntu") and len(events) == 2 and dice.random() < 0.1
                about = Affected(namespace, name, (Range(tuple(events), unreleased=late),))
                if namespace not in trivy_db.LANGUAGES:
                    about = replace(about, severity=dice.choice([*_WORDS, *(() if base == "Red Hat" else (None,))]))
                if namespace.startswith("Debian") and len(events) == 1:
                    about = replace(about, state=dice.choice(_STATES))
                if namespace.startswith("AlmaLinux") and n % 3 == 0:
                    about = replace(about, module=dice.choice(("m:1", "m:2")))
                if namespace.startswith("Oracle") and n % 3 == 0:
                    about = replace(about, arches=dice.choice((("x86_64",), ("aarch64",), ("x86_64", "aarch64"))))
                listed: tuple[Affected, ...] = (about,)
                if base == "Red Hat":
                    listed = tuple(_products(dice, about, drawn))
                ratings = tuple(_rating(dice, rater) for rater in raters if dice.random() < 0.5)
                if namespace == "Bitnami":  # all of Bitnami's are rated
                    ratings += (_rating(dice, "bitnami"),)
                yield Advisory(f"CVE-2031-{10_000 + number}", listed, title="made", ratings=ratings)


def _products(dice: random.Random, about: Affected, drawn: Callable[[random.Random], str]) -> Iterator[Affected]:
    """What Red Hat says of a package in one or more products: each has a fix of its own, or none."""
    release = about.namespace.partition(":")[2]
    usual, extended = list(inventory.REPOSITORIES[release].values()), list(inventory.EXTENDED[release].values())
    open_, own = f"cpe:/o:redhat:enterprise_linux:{release}", inventory.MADE_CPES[release]
    module = dice.choice(("m:1", "m:2", None, None, None, None))
    one, more = dice.choice(usual), dice.choice(extended)
    products = dice.choice(
        ((one,), tuple(usual), (one, more), (own,), (open_,), (open_, more), (own.rpartition("::")[0], one))
    )
    for cpe in dict.fromkeys(products):
        events = [("introduced", "0"), ("fixed", drawn(dice))] if dice.random() < 0.7 else [("introduced", "0")]
        state = "" if len(events) == 2 else dice.choice((*_STATES, "under_investigation"))
        arches = dice.choice(((), (), (), ("x86_64",), ("aarch64", "ppc64le")))
        yield replace(about, ranges=(Range(tuple(events)),), state=state, module=module, cpes=(cpe,),
                      arches=arches if len(events) == 2 else ())  # fmt: skip


def _rating(dice: random.Random, rater: str) -> Rating:
    return Rating(rater, vector=dice.choice(_VECTORS)) if dice.random() < 0.5 else Rating(rater, dice.choice(_WORDS))


_STATES = ("affected", "will_not_fix", "fix_deferred", "end_of_life")
_WORDS = ("critical", "high", "medium", "low")
_VECTORS = (
    "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H",
    "CVSS:3.1/AV:N/AC:H/PR:L/UI:R/S:U/C:L/I:N/A:N",
    "CVSS:3.0/AV:L/AC:L/PR:L/UI:N/S:U/C:N/I:N/A:H",
    "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:L/VI:L/VA:N/SC:N/SI:N/SA:N",
    "AV:N/AC:L/Au:N/C:P/I:P/A:P",
)


def _numbers(dice: random.Random, most: int = 3) -> str:
    return ".".join(str(dice.choice((0, 1, 2, 9, 10, 11, 100))) for _ in range(dice.randrange(1, most + 1)))


def _deb(dice: random.Random) -> str:
    epoch = dice.choice(("", "", "", "1:", "2:"))
    tail = dice.choice(("", "~rc1", "+dfsg", "+git20240101", "a", "b1"))
    revision = dice.choice(("1", "2", "10", "1ubuntu1", "1+deb12u1", "1+deb12u10", "0.1", "1~bpo1"))
    return f"{epoch}{_numbers(dice)}{tail}-{revision}"


def _rpm(dice: random.Random) -> str:
    epoch = dice.choice(("", "", "", "1:", "2:"))
    tail = dice.choice(("", "", "~rc1", "^git1", "a", "_1"))
    build = dice.choice(("1", "2", "10", "1.1")) + dice.choice(("", ".el9", ".el9_2", ".1"))
    return f"{epoch}{_numbers(dice)}{tail}-{build}"


def _photon(dice: random.Random) -> str:
    return _rpm(dice).rpartition(":")[2]  # its advisories have no epochs


def _apk(dice: random.Random) -> str:
    tail = dice.choice(("", "", "a", "_alpha1", "_rc2", "_p1", "_git20240101"))
    return f"{_numbers(dice)}{tail}-r{dice.choice((0, 1, 2, 10))}"


def _three(dice: random.Random) -> str:
    return ".".join(str(dice.choice((0, 1, 2, 9, 10, 11))) for _ in range(3))


def _semver(dice: random.Random) -> str:
    return _three(dice) + dice.choice(("", "", "", "-alpha", "-beta.2", "-rc.1", "-rc.10"))


def _pep440(dice: random.Random) -> str:
    return _numbers(dice, 4) + dice.choice(("", "", "", "a1", "b2", "rc1", ".post1", ".dev3"))


def _gem(dice: random.Random) -> str:
    return _numbers(dice, 4) + dice.choice(("", "", "", ".pre1", ".rc2", ".beta.1"))


def _maven(dice: random.Random) -> str:
    return _numbers(dice) + dice.choice(("", "", ".Final", "-SNAPSHOT", "-alpha-1", "-rc2", ".RELEASE", "-jre"))


_VERSIONS: dict[str, Callable[[random.Random], str]] = {
    "Alpine": _apk, "Wolfi": _apk, "Chainguard": _apk, "Debian": _deb, "Ubuntu": _deb, "AlmaLinux": _rpm,
    "Rocky Linux": _rpm, "Oracle Linux": _rpm, "Amazon Linux": _rpm, "SUSE": _rpm, "openSUSE": _rpm,
    "Photon OS": _photon, "Azure Linux": _rpm, "Red Hat": _rpm, "PyPI": _pep440, "npm": _semver, "RubyGems": _gem,
    "Packagist": _semver, "Maven": _maven, "Go": _semver, "crates.io": _semver, "NuGet": _semver, "Pub": _semver,
    "Hex": _semver, "SwiftURL": _semver, "ConanCenter": _semver, "Bitnami": _three,
}  # fmt: skip


def _images(database: Database, written: trivy_db.Written, folder: Path, most: int) -> Iterator[tuple[str, Path]]:
    for namespace, place in written.buckets.items():
        packages = list(_drawn(database, namespace, most, 4 if place.language else 1))
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


_NAMES_OF = """
SELECT name, list(DISTINCT version ORDER BY version) AS versions, any_value(module) AS module
FROM (
    SELECT name, unnest([fixed, introduced, last_affected]) AS version, module
    FROM read_parquet($ranges) WHERE namespace = $namespace
    UNION ALL SELECT name, unnest([fixed, version]), NULL FROM read_parquet($exact) WHERE namespace = $namespace
)
WHERE version IS NOT NULL AND version <> '0'
GROUP BY name ORDER BY hash(name) LIMIT $most
"""


def _drawn(database: Database, namespace: str, most: int, each: int) -> Iterator[Installed]:
    """Packages that the database names, at versions that it names, and just below them."""
    with duckdb.connect() as con:
        files = {name: database.parquet(name) for name in ("ranges", "exact")}
        rows = con.execute(_NAMES_OF, {**files, "namespace": namespace, "most": most}).fetchall()
    base = namespace.partition(":")[0]
    by_source = base in ("Debian", "Ubuntu", "Alpine", "Wolfi", "Chainguard", "Azure Linux")
    for name, versions, module in rows:
        if not _NAME.fullmatch(name):
            continue
        dice = random.Random(f"{namespace} {name}")  # noqa: S311 - the same in every run
        pool = [v for v in dict.fromkeys([*versions, *map(_below(namespace), versions)]) if _VERSION.fullmatch(v)]
        for version in dice.sample(pool, min(each, len(pool))):
            if by_source and dice.random() < 0.5:
                yield Installed(f"{name}-extra", version, name)
            else:
                module_ = (module or "") if dice.random() < 0.5 else ""
                yield Installed(name, version, module=module_, arch=dice.choice(_ARCHES.get(base, ("x86_64",))))


_ARCHES = {"Red Hat": ("x86_64", "x86_64", "x86_64", "noarch", "i686", "aarch64")}
"""Architectures of the packages drawn, where advisories tell them apart."""
_NAME = re.compile(r"[0-9A-Za-z@][0-9A-Za-z@.+_/:~-]{0,120}")
_VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+_^~:-]{0,60}")


def _below(namespace: str) -> Callable[[str], str]:
    base = namespace.partition(":")[0]
    if base == "Bitnami":
        return lambda version: f"{version}-2"  # its own builds of a version, which its advisories never name
    scheme = _VERSIONS.get(base)
    if scheme is _deb:
        return lambda version: f"{version}~1"
    if scheme in (_rpm, _photon):
        return lambda version: f"{version}~1" if "-" in version else f"{version}-0"
    if scheme is _apk:
        return lambda version: re.sub(r"-r(\d+)$", lambda found: f"-r{max(0, int(found[1]) - 1)}", version)
    return lambda version: version


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

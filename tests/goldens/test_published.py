"""What other scanners publish as right, from advisories in their publishers' own form to what ``scan`` tells.

Facts only, in three tables: ``advisories.csv`` and ``nvd.csv`` say what is known, ``findings.csv`` what must come out
of which packages. They are of Trivy's integration tests (github.com/aquasecurity/trivy, integration/testdata: the
goldens ``*.json.golden`` of images and lock files, and the mini databases in fixtures/db), of the tests of its
detectors (pkg/detector/ospkg, which mostly say nothing of severities; those of Chainguard's newer feed are of pull
request 11015, which was not merged), and of Grype's (github.com/anchore/grype,
test/integration: match_by_image_test.go, db_mock_test.go), whose problems have an id and nothing else. Of a golden's
packages the tables have those with findings, and some without.

``ours`` tells what we say instead. ``why``: a row of the table in ``vulndb/README.md`` (SUSE's errata, CocoaPods …), or

* a field of old trivy-db: the mini database says *postponed* where its reader does not look any more;
* a bucket without a data source: as nobody publishes it, the publisher's rating is not taken for its own;
* a module of the test: one that Trivy is given for the occasion lowers the severity.

What Ubuntu says of git is there for its rating only, the one of that CVE that the mini databases have.
"""

from __future__ import annotations

import csv
import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from bench import inventory, lockfiles
from bench.inventory import Installed
from grid.store import Lake
from grid.warehouse import connect
from tests.e2e.cli import scangrid
from tests.goldens.publish import Fact, mirror, updateinfo
from vulndb.build import build, locked
from vulndb.feeds import amazon

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Row:
    """A row of ``findings.csv``: a package, and one of its findings or none."""

    golden: str
    namespace: str
    where: str
    """The lock file, or how the image keeps its package records, if not in the usual way."""
    package: str
    source: str
    version: str
    id: str
    fixed: str
    severity: str
    state: str
    ours: str
    why: str


def table(name: str) -> list[dict[str, str]]:
    with (HERE / f"{name}.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


FACTS = [Fact(**row) for row in table("advisories")]
ROWS = [Row(**row) for row in table("findings")]
GOLDENS = list(dict.fromkeys(row.golden for row in ROWS))

Said = tuple[str, str, str, str, str, str]
"""Package, version, id, fix, severity, state."""


# --- what must come out --------------------------------------------------------------------------


def wanted(rows: Iterable[Row]) -> set[Said]:
    """The findings of a golden, changed as its rows say."""
    found: set[Said] = set()
    for row in rows:
        field, _, value = row.ours.partition("=")
        if not row.id or field == "none":
            continue
        changed = [replace(row, **{field: one}) for one in value.split()] if field else [row]
        found |= {(one.package, one.version, one.id, one.fixed, one.severity, one.state) for one in changed}
    return found


def as_told(said: set[Said], golden: set[Said]) -> set[Said]:
    """Ours in the golden's words where they mean the same.

    A golden lists the fixes of all branches, Rust's as conditions; ``*`` is what it says nothing of.
    """
    theirs = {one[:3]: one for one in golden}

    def worded(one: Said) -> Said:
        other = theirs.get(one[:3])
        if other is None:
            return one
        fixes = {fix.lstrip(">= ") for fix in other[3].split(", ")}
        fixed = other[3] if other[3] == "*" or one[3] in fixes else one[3]
        rest = [b if b == "*" else a for a, b in zip(one[4:], other[4:], strict=True)]
        return (*one[:3], fixed, rest[0], rest[1])

    return {worded(one) for one in said}


# --- the images ----------------------------------------------------------------------------------


def files(rows: Sequence[Row]) -> dict[str, bytes]:
    """What the image of a golden holds, as far as packages go."""
    found: dict[str, bytes] = {}
    by_place: dict[tuple[str, str], dict[Installed, None]] = defaultdict(dict)
    for row in rows:
        by_place[row.namespace, row.where][Installed(row.package, row.version, row.source)] = None
    for (namespace, where), packages in by_place.items():
        if where in lockfiles.FILES.get(namespace, {}):
            found |= lockfiles.written(namespace, where, list(packages))
        elif where in OWN_LOCKS:
            (package,) = packages
            found[f"srv/app/{where}"] = OWN_LOCKS[where].format(package=package).encode()
        elif namespace in inventory.INSTALLED:
            found |= inventory.language(namespace, packages)
        else:
            found |= KINDS.get(where, built)(inventory.system(namespace, packages), where)
    return found


OWN_LOCKS = {
    "Directory.Packages.props": '<Project><ItemGroup><PackageVersion Include="{package.name}" '
    'Version="{package.version}" /></ItemGroup></Project>',
    "bun.lock": '{{\n  "lockfileVersion": 1,\n  "packages": {{\n    '
    '"{package.name}": ["{package.name}@{package.version}", "", {{}}, "sha512-x"],\n  }}\n}}\n',
    "pylock.toml": 'lock-version = "1.0"\n[[packages]]\nname = "{package.name}"\nversion = "{package.version}"\n',
    "Podfile.lock": "PODS:\n  - {package.name} ({package.version})\n",
}


def edge(system: dict[str, bytes], where: str) -> dict[str, bytes]:
    """An image of Alpine's edge, whose os-release is still that of the last release."""
    return system | {"etc/apk/repositories": b"https://dl-cdn.alpinelinux.org/alpine/edge/main\n"}


def of_310(system: dict[str, bytes], where: str) -> dict[str, bytes]:
    """An image that would update itself to a newer Alpine."""
    return system | {"etc/apk/repositories": b"https://dl-cdn.alpinelinux.org/alpine/v3.10/main\n"}


def status_d(system: dict[str, bytes], where: str) -> dict[str, bytes]:
    """Distroless: a file of dpkg's a package."""
    stanzas = system.pop("var/lib/dpkg/status").decode().split("\n\n")
    return system | {f"var/lib/dpkg/status.d/p{n}": stanza.encode() for n, stanza in enumerate(stanzas)}


def built(system: dict[str, bytes], where: str) -> dict[str, bytes]:
    """With the record of a build of Red Hat's, if there is one."""
    if not where:
        return system
    name, version, release = where.rsplit("-", 2)
    labels = f'FROM scratch\nLABEL com.redhat.component="{name}" architecture="x86_64" version="{version}"\n'
    return system | {
        f"root/buildinfo/Dockerfile-{name.removesuffix('-container')}-{version}-{release}": labels.encode()
    }


KINDS: dict[str, Callable[[dict[str, bytes], str], dict[str, bytes]]] = {
    "edge": edge, "of 3.10": of_310, "status.d": status_d,
}  # fmt: skip


# --- the two ways ended --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All goldens scanned with a database of all facts; those of Amazon Linux 1 with one of its own."""
    folder = tmp_path_factory.mktemp("goldens")
    # Its repositories are not read any more (they are served without TLS), but their form is.
    old = [fact for fact in FACTS if fact.namespace == "Amazon Linux:1"]
    mirror(folder / "mirror", [f for f in FACTS if f not in old], {r["id"]: r["vector"] for r in table("nvd")})
    done = scangrid("db", "update", "--mirror", folder / "mirror", "--db", folder / "db", "--quiet", "--workers", "1")
    assert done.returncode == 0, done.stderr
    (folder / "updateinfo.xml.gz").write_bytes(updateinfo(old))
    records = amazon.records([folder / "updateinfo.xml.gz"], "Amazon Linux:1")
    with locked(folder / "old"):
        build(folder / "old", (("amazon", True, record) for record in records), states=lambda counts: ())
    for golden in GOLDENS:
        inventory.image(folder / golden, files([row for row in ROWS if row.golden == golden]))
    for database, goldens in (("db", [g for g in GOLDENS if g not in OLD]), ("old", OLD)):
        done = scan(folder, database, goldens)
        assert done.returncode == 0, done.stderr
    return folder


OLD = ["trivy amazon-1", "trivy detector amazon-1"]


def scan(folder: Path, database: str, goldens: Iterable[str], *options: str) -> CompletedProcess[str]:
    images = [f"oci:{folder / golden}" for golden in goldens]
    return scangrid("scan", *images, "--lake", folder / f"lake-{database}", "--lockfiles", "--scanners", "vuln",
                    "--quiet", *options, SCANGRID_DB=folder / database)  # fmt: skip


@pytest.fixture(scope="module")
def said(lake: Path) -> dict[str, set[Said]]:
    found: dict[str, set[Said]] = defaultdict(set)
    for database in ("db", "old"):
        with connect(Lake.open(lake / f"lake-{database}")) as con:
            for registry, *values in con.sql(
                "SELECT registry, package, version, vuln_id, fixed_version, severity, state FROM vulnerabilities"
            ).fetchall():
                package, version, problem, fixed, severity, state = values
                golden = Path(registry.removeprefix("oci:")).name
                version = re.sub(r"^v|\+incompatible$", "", version)  # which go.mod and our writer of it add
                found[golden].add((package, version, problem, (fixed or "").removeprefix("0:"), severity, state))
    return found


@pytest.mark.parametrize("golden", GOLDENS)
def test_the_findings_of_a_published_golden(golden: str, said: dict[str, set[Said]]) -> None:
    expected = wanted(row for row in ROWS if row.golden == golden)
    assert as_told(said[golden], expected) == expected


@pytest.mark.parametrize(
    ("golden", "options", "left"),
    [
        ("alpine-39", ("--severity", "high,critical", "--ignore-unfixed"), {"CVE-2019-14697"}),
        ("alpine-39", ("--ignorefile", "CVE-2019-1549 CVE-2019-14697"), {"CVE-2019-1551"}),
        ("debian-buster", ("--ignore-unfixed",), {"CVE-2019-18224"}),
        ("ubuntu-1804", ("--ignore-unfixed",), {"CVE-2019-5094"}),
        ("centos-7", ("--ignore-unfixed",), {"CVE-2018-0734", "CVE-2019-1559"}),
        ("centos-7", ("--severity", "medium", "--ignore-unfixed"), {"CVE-2019-1559"}),
    ],
)
def test_what_a_golden_leaves_out_for_its_options(
    golden: str, options: tuple[str, ...], left: set[str], lake: Path, tmp_path: Path
) -> None:
    if options[0] == "--ignorefile":
        (tmp_path / "ignored").write_text(options[1].replace(" ", "\n"))
        options = ("--ignorefile", str(tmp_path / "ignored"))
    done = scan(lake, "db", [f"trivy {golden}"], "--format", "json", *options)
    (image,) = json.loads(done.stdout)["images"]
    assert {(found["package"], found["vuln_id"]) for found in image["vulnerabilities"]} == {
        (row.package, row.id) for row in ROWS if row.golden == f"trivy {golden}" and row.id in left
    }

"""Which package URLs of statements are about which packages, and what the views make of it image by image."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from grid.store import TABLES, Lake
from grid.suppression import Statement, decide
from grid.suppression.apply import PACKAGES
from grid.warehouse import connect

TODAY = date(2026, 6, 1)
DISTROS = {"Debian:12": [("debian", "12")], "Alpine:v3.18": [("alpine", "3.18.4")], "Red Hat:9": [("rhel", "9.4")],
           "Ubuntu:22.04:LTS": [("ubuntu", "22.04")]}  # fmt: skip

CURL = ("Debian:12", "pkg:deb/libcurl4@7.88.1-10?arch=amd64", "7.88.1-10", "curl", "7.88.1-10")
JAMMY = ("Ubuntu:22.04:LTS", "pkg:deb/curl@7.81.0-1?arch=amd64", "7.81.0-1", "", "")
SSL = ("Red Hat:9", "pkg:rpm/openssl-libs@3.0.7-1.el9?arch=x86_64&epoch=1", "1:3.0.7-1.el9", "openssl", "3.0.7-1.el9")
MUSL = ("Alpine:v3.18", "pkg:apk/musl@1.2.4-r0?arch=x86_64", "1.2.4-r0", "musl", "")
CORE = ("npm", "pkg:npm/%40babel/core@7.0.0", "7.0.0", "", "")
GIN = ("Go", "pkg:golang/github.com/gin-gonic/gin@v1.9.0", "v1.9.0", "", "")
LOG4J = ("Maven", "pkg:maven/org.apache.logging.log4j/log4j-core@2.14.1", "2.14.1", "", "")

Package = tuple[str, str, str, str, str]


def decided(statements: list[Statement], *found: tuple[Package, str], aliases: tuple[str, ...] = ()) -> list[Any]:
    packages, findings = [], []
    for number, ((namespace, purl, version, source, source_version), vuln) in enumerate(found):
        kind, _, rest = purl.removeprefix("pkg:").partition("/")
        name = rest.partition("@")[0].replace("%40", "@") if kind == "npm" else rest.split("@")[0]
        name = name.replace("/", ":", 1) if kind == "maven" else name
        packages.append({
            "package_id": number, "ecosystem": kind, "name": name, "version": version, "purl": purl,
            "source_name": source or None, "source_version": source_version or None,
        })  # fmt: skip
        findings.append({"package_id": number, "namespace": namespace, "vuln_id": vuln, "aliases": list(aliases)})
    told = pa.Table.from_pylist(
        findings, schema=TABLES["findings"].only("package_id", "namespace", "vuln_id", "aliases")
    )
    with duckdb.connect() as con:
        outcome = decide(con, statements, told, pa.Table.from_pylist(packages).select(list(PACKAGES)), DISTROS, TODAY)
    assert outcome.statements.num_rows == len(statements)
    return list(outcome.findings.to_pylist())


def accepted(*packages: str, **more: Any) -> Statement:
    return Statement(
        **({"kind": "waiver", "origin": "estate.yaml:1", "status": "accepted", "packages": packages} | more)
    )


@pytest.mark.parametrize(
    ("package", "purl", "meets"),
    [
        (CURL, "pkg:deb/debian/libcurl4", True),
        (CURL, "pkg:deb/libcurl4", True),
        (CURL, "pkg:deb/debian/libcurl4@7.88.1-10", True),
        (CURL, "pkg:deb/debian/libcurl4@7.88.1-11", False),
        (CURL, "pkg:deb/debian/libcurl4?arch=amd64", True),
        (CURL, "pkg:deb/debian/libcurl4?arch=arm64", False),
        (CURL, "pkg:deb/debian/libcurl4?distro=debian-12", True),
        (CURL, "pkg:deb/debian/libcurl4?distro=debian-12.5", True),
        (CURL, "pkg:deb/debian/libcurl4?distro=bookworm", True),
        (CURL, "pkg:deb/debian/libcurl4?distro=bullseye", False),
        (CURL, "pkg:deb/debian/libcurl4?distro=debian-1", False),
        (CURL, "pkg:deb/ubuntu/libcurl4", False),
        (CURL, "pkg:deb/debian/curl", False),  # the source's name without saying so is another package
        (CURL, "pkg:deb/debian/curl?arch=source", True),
        (CURL, "pkg:deb/debian/curl@7.88.1-10?arch=source&distro=bookworm", True),
        (CURL, "pkg:deb/debian/curl@7.88.1-9?arch=source", False),
        (CURL, "pkg:deb/debian/libcurl4?repository_url=acme", False),  # what we do not know is not equal
        (CURL, "pkg:rpm/debian/libcurl4", False),
        (JAMMY, "pkg:deb/ubuntu/curl?distro=esm-infra/jammy", True),
        (JAMMY, "pkg:deb/ubuntu/curl?distro=focal", False),
        (SSL, "pkg:rpm/redhat/openssl-libs", True),
        (SSL, "pkg:rpm/redhat/openssl-libs@3.0.7-1.el9?epoch=1", True),
        (SSL, "pkg:rpm/redhat/openssl-libs@3.0.7-1.el9", True),  # as Syft and Trivy write it, the qualifier left out
        (SSL, "pkg:rpm/redhat/openssl-libs@3.0.7-1.el9?epoch=2", False),
        (SSL, "pkg:rpm/redhat/openssl-libs@2:3.0.7-1.el9", False),
        (SSL, "pkg:rpm/redhat/openssl?arch=src&distro=rhel-9", True),
        (SSL, "pkg:rpm/redhat/openssl@3.0.7-1.el9?arch=src&epoch=1", True),
        (SSL, "pkg:rpm/redhat/openssl?arch=src&distro=rhel-8", False),
        (SSL, "pkg:rpm/fedora/openssl-libs", False),
        (MUSL, "pkg:apk/alpine/musl@1.2.4-r0?distro=alpine-3.18", True),
        (MUSL, "pkg:apk/alpine/musl?distro=alpine-3.1", False),
        (CORE, "pkg:npm/%40babel/core", True),
        (CORE, "pkg:npm/core", False),
        (GIN, "pkg:golang/github.com/gin-gonic/gin@1.9.0", True),
        (GIN, "pkg:golang/github.com/other/gin", False),
        (LOG4J, "pkg:maven/org.apache.logging.log4j/log4j-core@2.14.1", True),
        (LOG4J, "pkg:maven/org.apache.logging.log4j/log4j-core#path", False),
    ],
)
def test_a_package_url_is_about_every_package_that_equals_it_where_it_says_something(
    package: Package, purl: str, meets: bool
) -> None:
    expected = [[1]] if meets else [None]
    assert decided([accepted(purl, ids=("CVE-1",))], (package, "CVE-1")) == expected
    assert decided([accepted(purl)], (package, "CVE-1")) == expected  # without an id: every problem of it


def test_ids_meet_the_problem_by_any_of_its_names() -> None:
    for id in ("CVE-1", "cve-1", "GHSA-1"):
        assert decided([accepted(ids=(id,))], (CORE, "CVE-1"), aliases=("GHSA-1",)) == [[1]]
    assert decided([accepted(ids=("CVE-2",))], (CORE, "CVE-1"), (CORE, "CVE-2")) == [None, [1]]


def test_statements_that_do_not_apply_meet_nothing_and_are_told() -> None:
    said = [accepted(ids=("CVE-1",), expires=TODAY), accepted(ids=("CVE-1",), problem="why")]
    assert decided(said, (CORE, "CVE-1")) == [None]


def test_affected_alone_suppresses_nothing_and_is_kept_beside_what_would() -> None:
    affected = Statement("vex", "a#1", "affected", ids=("CVE-1", "CVE-2"))
    fixed = Statement("vex", "b#1", "not_affected", ids=("CVE-2",))
    assert decided([affected, fixed], (CORE, "CVE-1"), (CORE, "CVE-2")) == [None, [1, 2]]


def test_a_million_statements_of_no_interest_cost_little() -> None:
    said = [accepted(ids=(f"CVE-{n}",)) for n in range(20_000)]
    assert decided(said, (CORE, "CVE-19999")) == [[20_000]]


# --- in the views --------------------------------------------------------------------------------

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
LIB, APP, BAD = "usr/lib/python3/dist-packages/a/METADATA", "app/a/METADATA", "app/b/METADATA"


class Estate:
    """Two layers, three images in two repositories; package 1 lies in two places, package 2 in one."""

    def __init__(self, root: Path) -> None:
        self.lake = Lake.open(root, create=True)
        self.con: duckdb.DuckDBPyConnection | None = None
        self.write("layer_scans", *(
            {"layer_digest": layer, "detector": d, "detector_version": "1", "task_id": "t", "size_bytes": 1,
             "uncompressed_bytes": 1, "entries": 1, "scan_seconds": 1.0, "status": "ok", "final": False,
             "scanned_at": NOON}
            for layer in ("sha256:l1", "sha256:l2") for d in ("entries", "packages")
        ))  # fmt: skip
        self.write("packages", *(
            {"layer_digest": f"sha256:{layer}", "task_id": "t", "source_path": path, "package_id": n,
             "ecosystem": "pypi", "name": name, "version": "1", "purl": f"pkg:pypi/{name}@1"}
            for layer, path, n, name in (("l1", LIB, 1, "a"), ("l1", BAD, 2, "b"), ("l2", APP, 1, "a"))
        ))  # fmt: skip
        self.write("sweeps", {
            "sweep_id": "s", "kind": "sweep", "estate": "e", "started_at": NOON, "finished_at": NOON,
            "status": "complete", "written_at": NOON,
            **{c.name: 0 for c in TABLES["sweeps"].columns if c.name.startswith(("images_", "layers_", "bytes_"))},
        })  # fmt: skip
        self.write("images", *(
            {"sweep_id": "s", "registry": registry, "repository": repository, "tag": tag, "digest": digest,
             "ref_digest": f"{digest}-index", "arch": "amd64", "status": "ok", "scanned_at": NOON}
            for registry, repository, tag, digest in (
                ("prod", "shop/web", "v1", "sha256:one"), ("prod", "shop/web", "v2", "sha256:two"),
                ("ghcr.io", "acme/app", "v1", "sha256:one"),
            )
        ))  # fmt: skip
        layers = {"sha256:one": ["sha256:l1"], "sha256:two": ["sha256:l1", "sha256:l2"]}
        self.write("image_layers", *(
            {"digest": digest, "ordinal": n, "layer_digest": layer, "chain_id": "+".join(of[: n + 1]), "size_bytes": 1}
            for digest, of in layers.items() for n, layer in enumerate(of)
        ))  # fmt: skip
        for of in layers.values():
            self.write("chains", {
                "chain_id": "+".join(of), "parent_id": "+".join(of[:-1]) or None, "layer_digest": of[-1],
                "depth": len(of), "version": "1", "squash_id": "q", "squashed_at": NOON,
            })  # fmt: skip

    def write(self, table: str, *rows: dict[str, Any]) -> None:
        count = len(self.lake.files(table))
        self.lake.write(table, f"f{count}", pa.Table.from_pylist(list(rows), schema=TABLES[table].arrow))

    def say(self, *said: Statement) -> None:
        """Match again: package 1 has CVE-1 and CVE-2, package 2 has CVE-2; every statement speaks of what it names."""
        number = len(self.lake.files("matches"))
        found = [(1, "CVE-1", "high"), (1, "CVE-2", "critical"), (2, "CVE-2", "critical")]
        self.write("findings", *(
            {"match_id": f"m{number}", "package_id": package, "namespace": "PyPI", "vuln_id": vuln, "aliases": [],
             "advisories": [], "state": "affected", "severity": severity, "kev": True, "risk": 10.0, "statements": [
                 n for n, s in enumerate(said, 1)
                 if vuln in s.ids and (not s.packages or any(f"/{' ab'[package]}" in p for p in s.packages))
             ] or None}
            for package, vuln, severity in found
        ))  # fmt: skip
        self.write("statements", *(
            s.row() | {"number": n, "state": s.state(TODAY), "findings": 1, "match_id": f"m{number}"}
            for n, s in enumerate(said, 1)
        ))  # fmt: skip
        self.write("matches", {
            "match_id": f"m{number}", "sweep_id": "s", "db_version": "1", "packages": 2, "findings": 3,
            "matched_at": NOON + timedelta(days=1 + number),
        })  # fmt: skip

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        if self.con is None:
            self.con = connect(self.lake)
        return sorted(self.con.execute(sql).fetchall())

    @property
    def suppressed(self) -> list[tuple[str, str, str, str]]:
        """(tag of shop/web or app, package, problem, by)."""
        return self.ask(
            "SELECT DISTINCT repository[6:] || tag, package, vuln_id, suppressed_by FROM vulnerabilities "
            "WHERE suppressed_by IS NOT NULL"
        )


@pytest.fixture(scope="module")
def estate(tmp_path_factory: pytest.TempPathFactory) -> Estate:
    """One for all tests: each matches it again."""
    return Estate(tmp_path_factory.mktemp("estate") / "lake")


def vex(status: str, **more: Any) -> Statement:
    return Statement(**({"kind": "vex", "origin": f"{status}.json#1", "status": status, "ids": ("CVE-1",)} | more))


def test_a_suppressed_finding_stays_in_the_view_and_out_of_the_counts(estate: Estate) -> None:
    estate.say(vex("not_affected", justification="component_not_present", reason="never called"))
    assert estate.ask(
        "SELECT tag, suppressed_by, suppressed_status, suppressed_reason FROM vulnerabilities "
        "WHERE vuln_id = 'CVE-1' AND tag = 'v1' AND registry = 'prod'"
    ) == [("v1", "vex not_affected.json#1", "not_affected", "component_not_present: never called")]
    assert estate.ask("SELECT count(*), count(*) FILTER (suppressed_by IS NULL) FROM vulnerabilities") == [(11, 7)]
    columns = "repository, tag, vulnerabilities, critical, high, findings, suppressed, kev, risk, risk_total"
    assert estate.ask(f"SELECT {columns} FROM image_summary") == [
        ("acme/app", "v1", 1, 1, 0, 2, 1, 1, 10.0, 10.0),
        ("shop/web", "v1", 1, 1, 0, 2, 1, 1, 10.0, 10.0),
        ("shop/web", "v2", 1, 1, 0, 3, 1, 1, 10.0, 10.0),
    ]


def test_a_problem_counts_while_one_of_its_packages_is_not_suppressed(estate: Estate) -> None:
    estate.say(accepted("pkg:pypi/a", ids=("CVE-2",)))
    assert estate.ask("SELECT DISTINCT vulnerabilities, critical, suppressed FROM image_summary") == [(2, 1, 0)]


@pytest.mark.parametrize(
    ("scope", "images"),
    [
        ({"repositories": ("shop/*",)}, ["webv1", "webv2"]),
        ({"repositories": ("*", "!shop/*")}, ["appv1"]),
        ({"repositories": ("shop/*",), "tags": ("v1",)}, ["webv1"]),
        ({"tags": ("*", "!v1")}, ["webv2"]),
        ({"digest": "sha256:one"}, ["appv1", "webv1"]),
        ({"digest": "sha256:two-index"}, ["webv2"]),
        ({"registry": "ghcr.io", "repositories": ("acme/app",)}, ["appv1"]),
        ({"registry": "quay.io", "repositories": ("acme/app",)}, []),
        ({"registry": "quay.io", "repositories": ("shop/web",)}, ["webv1", "webv2"]),  # `prod` is a name, not a host
        ({"arch": "arm64"}, []),
        ({"arch": "amd64"}, ["appv1", "webv1", "webv2"]),
        ({}, ["appv1", "webv1", "webv2"]),
    ],
)
def test_a_statement_suppresses_in_the_images_it_names_though_they_share_their_layers(
    estate: Estate, scope: dict[str, Any], images: list[str]
) -> None:
    estate.say(vex("not_affected", **scope))
    assert estate.suppressed == [(name, "a", "CVE-1", "vex not_affected.json#1") for name in images]
    counted = estate.ask("SELECT repository[6:] || tag, suppressed, vulnerabilities FROM image_summary")
    assert counted == [(n, int(n in images), 2 - int(n in images)) for n in ("appv1", "webv1", "webv2")]
    assert estate.ask("SELECT count(*) FROM image_packages") == [(7,)]


def test_the_newest_vex_statement_decides_image_by_image(estate: Estate) -> None:
    estate.say(
        vex("affected", repositories=("shop/web",)),
        vex("fixed", tags=("v2",), origin="two"),
        vex("not_affected", origin="all"),
    )
    assert estate.suppressed == [("appv1", "a", "CVE-1", "vex all")]
    estate.say(
        vex("fixed", tags=("v2",), origin="two"), vex("affected", repositories=("shop/web",)), vex("not_affected")
    )
    assert [(image, by) for image, _, _, by in estate.suppressed] == [
        ("appv1", "vex not_affected.json#1"), ("webv2", "vex two"),
    ]  # fmt: skip


def test_a_waiver_holds_whatever_vex_says_and_is_named_only_where_vex_does_not_suppress(estate: Estate) -> None:
    estate.say(
        vex("not_affected", tags=("v2",)),
        vex("affected"),
        accepted(ids=("CVE-1",)),
        accepted(ids=("CVE-1",), origin="x"),
    )
    assert {(image, by) for image, _, _, by in estate.suppressed} == {
        ("appv1", "waiver estate.yaml:1"), ("webv1", "waiver estate.yaml:1"), ("webv2", "vex not_affected.json#1"),
    }  # fmt: skip


def test_a_path_picks_one_of_several_places_of_a_package(estate: Estate) -> None:
    estate.say(
        accepted(ids=("CVE-1",), paths=("usr/lib/*",), origin="1"),
        accepted(ids=("CVE-1",), paths=("app/*",), tags=("v9",)),
    )
    assert estate.ask(
        "SELECT DISTINCT source_path, suppressed_by FROM vulnerabilities WHERE suppressed_by IS NOT NULL"
    ) == [(LIB, "waiver 1")]
    assert estate.ask("SELECT tag, suppressed FROM image_summary WHERE tag = 'v2'") == [("v2", 0)]


@pytest.mark.parametrize("scope", [{}, {"tags": ("v2",)}, {"repositories": ("shop/*",)}, {"digest": "sha256:one"}])
def test_the_summary_counts_what_the_findings_say(
    estate: Estate, scope: dict[str, Any], same_counts: Callable[[duckdb.DuckDBPyConnection], int]
) -> None:
    estate.say(
        vex("not_affected", **scope),
        accepted(ids=("CVE-2",), paths=("usr/lib/*",), origin="1"),
        accepted("pkg:pypi/b", ids=("CVE-2",), **scope),
    )
    assert estate.suppressed
    assert estate.con is not None and same_counts(estate.con) == 3


def test_a_match_without_statements_suppresses_nothing_any_more(estate: Estate) -> None:
    estate.say(vex("not_affected"))
    estate.say()
    assert estate.suppressed == []
    assert estate.ask("SELECT count(*) FROM statements") == [(0,)]


def test_any_sweep_shows_the_same(estate: Estate) -> None:
    estate.say(vex("affected", repositories=("acme/*",)), vex("not_affected", tags=("v1",), origin="one"))
    for view in ("vulnerabilities", "image_summary"):
        either = f"SELECT * EXCLUDE (sweep_id) FROM sweep_{view}"
        assert (
            estate.ask(f"({either}) EXCEPT ALL FROM {view}") == estate.ask(f"FROM {view} EXCEPT ALL ({either})") == []
        )
    assert estate.suppressed == [("webv1", "a", "CVE-1", "vex one")]

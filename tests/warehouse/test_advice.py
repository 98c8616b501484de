"""Advice: which version, which command, which sentence, in images with and without a package manager."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from grid.ecosystems import ALL
from grid.store import TABLES, Lake
from grid.suppression import Statement
from grid.warehouse import connect

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
PATH = "var/lib/db"


class Image:
    """One image of one layer; packages and their findings are added one by one."""

    def __init__(self, root: Path, namespace: str = "Debian:12") -> None:
        self.lake = Lake.open(root, create=True)
        self.namespace = namespace
        self.packages: list[dict[str, Any]] = []
        self.findings: list[dict[str, Any]] = []
        self.said: list[Statement] = []

    def package(self, ecosystem: str, name: str, version: str, source: str = "", source_version: str = "") -> Image:
        self.packages.append({
            "layer_digest": "sha256:l", "task_id": "t", "source_path": PATH, "package_id": len(self.packages),
            "ecosystem": ecosystem, "name": name, "version": version, "source_name": source or None,
            "source_version": source_version or None, "purl": f"pkg:{ecosystem}/{name}@{version}",
        })  # fmt: skip
        return self

    def finding(self, vuln: str, upgrade: str | None, clears: bool | None = None, **more: Any) -> Image:
        system = self.packages[-1]["ecosystem"] in ("deb", "rpm", "apk", "alpm")
        self.findings.append({
            "match_id": "m", "package_id": len(self.packages) - 1, "namespace": self.namespace if system else "X",
            "vuln_id": vuln, "aliases": [], "advisories": [], "state": "fixed" if clears else "affected",
            "severity": "high", "kev": False, "risk": 1.0, "upgrade_version": upgrade, "upgrade_clears": clears, **more,
        })  # fmt: skip
        return self

    def advice(self) -> list[dict[str, Any]]:
        zeros = {c.name: 0 for c in TABLES["sweeps"].columns if c.name.startswith(("images_", "layers_", "bytes_"))}
        rows: dict[str, list[dict[str, Any]]] = {
            "layer_scans": [{
                "layer_digest": "sha256:l", "detector": "packages", "detector_version": "1", "task_id": "t",
                "size_bytes": 1, "uncompressed_bytes": 1, "entries": 1, "scan_seconds": 1.0, "status": "ok",
                "final": False, "scanned_at": NOON,
            }],
            "packages": self.packages,
            "sweeps": [{"sweep_id": "s", "kind": "sweep", "estate": "e", "started_at": NOON, "finished_at": NOON,
                        "status": "complete", "written_at": NOON, **zeros}],
            "images": [{"sweep_id": "s", "registry": "r", "repository": "a", "tag": "1", "digest": "sha256:i",
                        "ref_digest": "sha256:i", "status": "ok", "scanned_at": NOON}],
            "image_layers": [{"digest": "sha256:i", "ordinal": 0, "layer_digest": "sha256:l", "chain_id": "c",
                              "size_bytes": 1}],
            "chains": [{"chain_id": "c", "layer_digest": "sha256:l", "depth": 1, "version": "1", "squash_id": "q",
                        "squashed_at": NOON, "os_namespace": self.namespace, "distro_id": "x"}],
            "findings": self.findings,
            "statements": [s.row() | {"match_id": "m", "number": n, "state": "applies", "findings": 1}
                           for n, s in enumerate(self.said, 1)],
            "matches": [{"match_id": "m", "sweep_id": "s", "db_version": "1", "packages": 1, "findings": 1,
                         "matched_at": NOON}],
        }  # fmt: skip
        for table, listed in rows.items():
            if listed:
                self.lake.write(table, "f", pa.Table.from_pylist(listed, schema=TABLES[table].arrow))
        with connect(self.lake) as con:
            found: list[dict[str, Any]] = con.sql("FROM advice ORDER BY package, version").to_arrow_table().to_pylist()
        return found


def only(image: Image) -> dict[str, Any]:
    (row,) = (row for row in image.advice() if row["package"] not in ("apt", "dnf"))
    return row


def test_the_command_names_all_binaries_of_the_source_and_the_version_where_it_is_theirs(tmp_path: Path) -> None:
    image = Image(tmp_path).package("deb", "apt", "2.6")
    for name, version in (("libssl3", "3.0.9-1"), ("openssl", "3.0.9-1+b2"), ("ssl-meta", "1.0")):
        image.package("deb", name, version, "openssl", "3.0.9-1")
        image.finding("CVE-1", "3.0.11-1", True).finding("CVE-2", "3.0.11-1", True, severity="critical")
    first, second, third = image.advice()
    assert (second["package"], second["packages"], second["version"]) == ("openssl", ["libssl3"], "3.0.9-1")
    assert second["command"] == "apt-get install --only-upgrade libssl3=3.0.11-1"
    assert third["command"] == "apt-get install --only-upgrade openssl=3.0.11-1"
    assert first["command"] == "apt-get install --only-upgrade ssl-meta"  # its own numbers are not its source's
    assert second["impact"] == "Clears all 2 known problems (1 critical, 1 high)." and second["not_fixable"] is None


def test_several_binaries_of_one_version_share_a_row_and_their_ids_are_counted_once(tmp_path: Path) -> None:
    image = Image(tmp_path).package("deb", "apt", "2.6")
    for name in ("libcurl4", "curl"):
        image.package("deb", name, "7.88-1", "curl", "7.88-1").finding("CVE-1", "7.88-2", True)
        image.finding("CVE-2", "7.88-2", False, state="will_not_fix")
    row = only(image)
    assert (row["packages"], row["clears"], row["remaining"]) == (["curl", "libcurl4"], 1, 1)
    assert row["command"] == "apt-get install --only-upgrade curl=7.88-2 libcurl4=7.88-2"
    assert row["impact"] == "Clears 1 of 2 known problems (1 high); 1 stays: will not fix."


@pytest.mark.parametrize(
    ("states", "reason"),
    [
        (["affected"], "no fix published"),
        (["end_of_life", "will_not_fix"], "end of life, will not fix"),
        (["fix_deferred"], "fix deferred"),
        (["under_investigation"], "under investigation"),
    ],
)
def test_nothing_to_upgrade_to_is_no_error_and_has_a_reason(tmp_path: Path, states: list[str], reason: str) -> None:
    image = Image(tmp_path).package("deb", "apt", "2.6").package("deb", "curl", "1")
    for number, state in enumerate(states):
        image.finding(f"CVE-{number}", "2" if number else None, False if number else None, state=state)
    rows = [row for row in image.advice() if row["package"] == "curl"]
    assert all(row["upgrade_version"] is None and row["command"] is None for row in rows)
    assert ", ".join(sorted(row["not_fixable"] for row in rows)) == reason


def test_an_image_without_its_package_manager_is_built_on_a_newer_base(tmp_path: Path) -> None:
    row = only(Image(tmp_path).package("deb", "libssl3", "3.0.9-1").finding("CVE-1", "3.0.11-1", True))
    assert (row["upgrade_version"], row["command"]) == ("3.0.11-1", None)
    assert row["not_fixable"] == "no package manager (apt) in the image: build it on a newer base"


def test_what_only_subscribers_get_is_not_offered(tmp_path: Path) -> None:
    image = Image(tmp_path, "Ubuntu:22.04:LTS").package("deb", "apt", "2.4")
    image.package("deb", "curl", "7.81-1").finding("CVE-1", "7.81-1+esm2", True)
    image.package("deb", "wget", "1.21-1").finding("CVE-2", None, None, subscriber_fix="1.21-1+esm1")
    rows = {row["package"]: row for row in image.advice()}
    assert [rows[name]["command"] for name in ("curl", "wget")] == [None, None]
    assert {rows[name]["not_fixable"] for name in ("curl", "wget")} == {"fixed for subscribers only"}


def test_suppressed_problems_do_not_count(tmp_path: Path) -> None:
    image = Image(tmp_path).package("pypi", "flask", "1.0")
    image.finding("CVE-1", "2.0", True, statements=[1]).finding("CVE-2", "2.0", True)
    image.said = [Statement("waiver", "e:1", "accepted", ids=("CVE-1",))]
    assert only(image)["impact"] == "Clears the only known problem (1 high)."
    other = Image(tmp_path / "other").package("pypi", "flask", "1.0").finding("CVE-1", "2.0", True, statements=[1])
    other.said = image.said
    assert other.advice() == []


@pytest.mark.parametrize(
    ("ecosystem", "name", "manager", "command"),
    [
        ("apk", "musl", "apk-tools", "apk add --upgrade 'musl>=2.0'"),
        ("rpm", "curl", "dnf", "dnf upgrade curl-2.0"),
        ("rpm", "curl", "microdnf", "microdnf update curl-2.0"),
        ("rpm", "curl", "zypper", "zypper install 'curl>=2.0'"),
        ("rpm", "curl", "tdnf", "tdnf update curl"),
        ("alpm", "curl", "pacman", "pacman -Syu curl"),
        ("pypi", "flask", "", "pip install 'flask==2.0'"),
        ("npm", "@babel/core", "", "npm install @babel/core@2.0"),
        ("gem", "rails", "", "gem install rails:2.0"),
        ("composer", "a/b", "", "composer require a/b:2.0"),
        ("golang", "github.com/a/b", "", "go get github.com/a/b@v2.0"),
        ("golang", "stdlib", "", "go get go@2.0"),
        ("cargo", "tokio", "", "cargo update -p tokio --precise 2.0"),
        ("maven", "org.a:b", "", "in pom.xml or build.gradle: org.a:b:2.0"),
        ("nuget", "A.B", "", "dotnet add package A.B --version 2.0"),
        ("pypi", "a; rm -rf /", "", None),
        ("pypi", "--index-url", "", None),
        ("pypi", "a'$(x)", "", None),
    ],
)
def test_commands(tmp_path: Path, ecosystem: str, name: str, manager: str, command: str | None) -> None:
    namespace = {"apk": "Alpine:v3.18", "rpm": "Red Hat:9", "alpm": "Arch Linux"}.get(ecosystem, "Debian:12")
    image = Image(tmp_path, namespace)
    if manager:
        image.package(ecosystem, manager, "9")
    row = only(image.package(ecosystem, name, "1.0").finding("CVE-1", "2.0", True))
    assert row["command"] == command


def test_every_ecosystem_that_advisories_speak_of_says_how_to_upgrade() -> None:
    unsaid = {e.name for e in ALL if not e.upgrade and (e.osv or e.system)}
    assert unsaid <= {"bitnami"}, unsaid  # its packages come with Bitnami's images only
    for ecosystem in ALL:
        for _, command, item in ecosystem.upgrade:
            assert command and "{name}" in item

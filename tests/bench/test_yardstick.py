"""Labels of a clone of anchore/vulnerability-match-labels: their form, what lists of packages add, what is left out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from bench.case import CASES, load_case
from bench.harness import run_case
from bench.models.labels import Label, LabelsInvalid, namespace, read_clone
from bench.yardstick import images

UNKNOWN = "sha256:" + "1" * 64
PYTHON = "sha256:5e96e03a493a54904aa8be573fc0414431afb4f47ac58fbffd03b2a725005364"
ALMALINUX = "sha256:cd49d7250ed7bb194d502d8a3e50bd775055ca275d1d9c2785aea72b890afe6a"


class Clone:
    """Writes a clone, a label a file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def label(
        self, verdict: str, digest: str, name: str, version: str, problem: str, cve: str | None = None, **more: Any
    ) -> None:
        entry = {
            "ID": str(len(list(self.folder.rglob("*.json")))), "label": verdict, "vulnerability_id": problem,
            "image": {"exact": f"docker.io/some/image@{digest}"}, "package": {"name": name, "version": version},
            "timestamp": "2022-11-01T22:51:50+00:00", "tool": "grype@v0.51.0", "user": "somebody",
        }  # fmt: skip
        entry |= {"effective_cve": cve} if cve else {}
        path = self.folder / "labels" / f"docker.io+some+image@{digest}" / f"{entry['ID']}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(entry | more))

    def packages(self, digest: str, distro: Mapping[str, str], *artifacts: Mapping[str, Any], below: str = "") -> None:
        """A list as Syft writes it."""
        folder = self.folder / (below or f"result/store/docker.io+some+image@{digest}/syft@v0.68.1/2022")
        folder.mkdir(parents=True, exist_ok=True)
        document = {
            "artifacts": artifacts, "distro": distro,
            "source": {"type": "image", "target": {"repoDigests": [f"docker.io/some/image@{digest}"]}},
        }  # fmt: skip
        (folder / "list.json").write_text(json.dumps(document))


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    return Clone(tmp_path)


def test_a_list_of_packages_says_where_each_belongs_and_what_it_was_built_from(clone: Clone) -> None:
    names = [
        ("libssl3", "3.0.8-r3", "pkg:apk/alpine/libssl3@3.0.8-r3?arch=x86_64&upstream=openssl&distro=alpine-3.17.3"),
        ("lodash", "4.17.4", "pkg:npm/lodash@4.17.4"),
        ("@babel/traverse", "7.0.0", "pkg:npm/%40babel/traverse@7.0.0"),
        ("log4j-core", "2.14.1", "pkg:maven/org.apache.logging.log4j/log4j-core@2.14.1"),
        ("github.com/Masterminds/goutils", "v1.1.0", "pkg:golang/github.com/Masterminds/goutils@v1.1.0"),
        ("stdlib", "go1.16.8", "pkg:golang/stdlib@1.16.8"),
        ("node", "14.1.0", "pkg:generic/node@14.1.0"),
    ]
    clone.packages(
        UNKNOWN, {"id": "alpine", "versionID": "3.17.3"}, *({"name": n, "version": v, "purl": p} for n, v, p in names)
    )
    for name, version, _ in names:
        clone.label("TP", UNKNOWN, name, version, "GHSA-1", "CVE-1")
    labels, left = read_clone(clone.folder)
    one = {"vulnerability": "CVE-1", "true": True, "alias": "GHSA-1"}
    assert labels == [
        Label("Alpine:v3.17", "libssl3", "3.0.8-r3", source="openssl", arch="x86_64", **one),
        Label("npm", "lodash", "4.17.4", **one),
        Label("npm", "@babel/traverse", "7.0.0", **one),
        Label("Maven", "org.apache.logging.log4j:log4j-core", "2.14.1", **one),
        Label("Go", "github.com/Masterminds/goutils", "v1.1.0", **one),
        Label("Go", "stdlib", "1.16.8", **one),
        Label("Bitnami", "node", "14.1.0", **one),
    ]
    assert not left


@pytest.mark.parametrize(
    ("distro", "artifact", "expected"),
    [({"id": "debian", "versionID": "10"},
      {"name": "bsdutils", "version": "1:2.33.1-0.1",
       "purl": "pkg:deb/debian/bsdutils@1:2.33.1-0.1?arch=amd64&upstream=util-linux%402.33.1-0.1&distro=debian-10"},
      {"namespace": "Debian:10", "source": "util-linux", "source_version": "2.33.1-0.1", "arch": "amd64"}),
     ({"name": "rocky", "version": "8.5"},
      {"name": "bash", "version": "4.4.20-2.el8", "metadata": None,
       "purl": "pkg:rpm/rocky/bash@4.4.20-2.el8?arch=x86_64&upstream=bash-4.4.20-2.el8.src.rpm&distro=rocky-8.5"},
      {"namespace": "Rocky Linux:8", "source": "bash", "source_version": "4.4.20-2.el8", "arch": "x86_64"}),
     ({"id": "rhel", "versionID": "8.6"},
      {"name": "nodejs", "version": "1:12.22.5-1.module+el8",
       "metadata": {"modularityLabel": "nodejs:12:8040020210817133458:522a0ee4"},
       "purl": "pkg:rpm/redhat/nodejs@12.22.5-1.module+el8?arch=x86_64&epoch=1&upstream=n.src.rpm&distro=rhel-8.6"},
      {"namespace": "Red Hat:8", "module": "nodejs:12", "arch": "x86_64"})],
)  # fmt: skip
def test_package_urls_name_sources_and_modules(
    clone: Clone, distro: Mapping[str, str], artifact: dict[str, Any], expected: dict[str, str]
) -> None:
    clone.packages(UNKNOWN, distro, artifact, below="elsewhere")
    clone.label("FP", UNKNOWN, artifact["name"], artifact["version"], "CVE-1")
    labels, _ = read_clone(clone.folder, clone.folder / "elsewhere")
    known = {"package": artifact["name"], "version": artifact["version"], "vulnerability": "CVE-1", "alias": "CVE-1"}
    assert labels == [Label(**known | expected, true=False)]


def test_without_a_list_the_version_tells_the_distributions_packages_from_those_of_the_language(clone: Clone) -> None:
    for digest, name, version in [
        (PYTHON, "libc6", "2.28-10"), (PYTHON, "python", "3.8.0"), (PYTHON, "pip", "19.3.1"),
        (ALMALINUX, "glibc", "2.28-164.el8"), (ALMALINUX, "dbus-common", "1:1.12.8-14.el8_5.1"),
        (ALMALINUX, "rpm", "4.14.3"), (UNKNOWN, "libc6", "2.28-10"),
    ]:  # fmt: skip
        clone.label("TP", digest, name, version, "CVE-1")
    labels, left = read_clone(clone.folder)
    assert {(one.namespace, one.package) for one in labels} == {
        ("Debian:10", "libc6"), ("Bitnami", "python"), ("AlmaLinux:8", "glibc"), ("AlmaLinux:8", "dbus-common"),
        ("PyPI", "rpm"),
    }  # fmt: skip
    assert left == {"not known what kind of package": 2}  # pip may be Debian's; nobody knows the last image


def test_the_latest_verdict_on_a_problem_counts_whichever_id_it_goes_by(clone: Clone) -> None:
    clone.label("FP", ALMALINUX, "rpm", "4.14.3", "CVE-1", "CVE-1", timestamp="2023-08-02T23:42:19.765049")
    clone.label("TP", ALMALINUX, "rpm", "4.14.3", "GHSA-1", "CVE-1", timestamp="2023-08-02T22:00:00-01:00")
    clone.label("TP", ALMALINUX, "rpm", "4.14.3", "CVE-2")
    clone.label("??", ALMALINUX, "rpm", "4.14.3", "CVE-2", timestamp="2023-01-01T00:00:00+00:00")
    labels, left = read_clone(clone.folder)
    assert [(one.vulnerability, one.true) for one in labels] == [("CVE-1", False)]
    assert left == {"said again": 2, "undecided": 1}


def test_what_nobody_decided_or_no_advisories_are_of_is_left_out_and_counted(clone: Clone) -> None:
    clone.label("??", ALMALINUX, "rpm", "4.14.3", "CVE-1")
    clone.label("TP", ALMALINUX, "rpm", "4.14.3", "CVE-2", image={"regex": ".*"})
    clone.packages(
        UNKNOWN, {}, {"name": "x", "version": "1", "purl": "pkg:github/x/x@1"}, {"name": "y", "version": "1"}
    )
    clone.label("TP", UNKNOWN, "x", "1", "CVE-3")
    clone.label("TP", UNKNOWN, "y", "1", "CVE-3")
    labels, left = read_clone(clone.folder)
    assert labels == []
    assert left == {
        "undecided": 1, "not of one package of one image": 1, "no advisories are of github": 1,
        "not known what kind of package": 1,
    }  # fmt: skip


@pytest.mark.parametrize("text", ["{", "[]", '{"label": "TP", "image": 1}', '{"label": "TP", "timestamp": "now"}'])
def test_a_file_of_another_form_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(LabelsInvalid, match=r"a\.json"):
        read_clone(tmp_path)


def test_the_known_images_are_of_distributions_and_languages_that_we_judge() -> None:
    for image in images():
        assert image["digest"].startswith("sha256:") and len(image["digest"]) == 71
        for text in (image["distribution"], image["language"]):
            assert not text or namespace(text)


def test_the_case_reads_a_clone_and_says_what_it_left_out(clone: Clone, tmp_path: Path) -> None:
    clone.packages(UNKNOWN, {}, {"name": "lodash", "version": "4.17.20", "purl": "pkg:npm/lodash@4.17.20"})
    clone.label("TP", UNKNOWN, "lodash", "4.17.20", "GHSA-35jh-r3h4-6jhm")
    clone.label("FP", UNKNOWN, "lodash", "4.17.20", "CVE-2020-8203", note="fixed before")
    clone.label("??", UNKNOWN, "lodash", "4.17.20", "CVE-2")
    row = run_case(load_case(CASES / "match-labels.toml"), "full", tmp_path / "work", (), {"labels": clone.folder})
    notes = "\n".join(row.notes)
    assert "npm: precision 1.0000, recall 1.0000 (1 found" in notes and "left out, undecided: 1 labels" in notes

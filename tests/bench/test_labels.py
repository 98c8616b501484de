"""Precision and recall against label files: the file's forms, and what counts as what."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.models.labels import OWN, Label, LabelsInvalid, judge, label, namespace, read
from grid.database import Database, open_database
from vulndb.build import build_sample


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Database:
    return open_database(build_sample(tmp_path_factory.mktemp("sample")))


def test_our_own_facts_are_all_judged_right(database: Database) -> None:
    judged = judge(database, read(OWN))
    scores = judged.scores
    assert judged.disagreed == [] == judged.unspoken and set(scores) == {"Alpine", "Debian", "PyPI", "npm"}
    assert all((s.precision, s.recall, s.no_data) == (1, 1, 0) and s.found > 2 and s.quiet > 2 for s in scores.values())


def test_wrong_labels_lower_precision_and_recall(database: Database) -> None:
    known = {"namespace": "npm", "package": "lodash", "vulnerability": "CVE-2021-23337"}
    rows = [
        known | {"version": "4.17.20", "label": "TP"},
        known | {"version": "4.17.19", "label": "FP"},  # reported: wrong
        known | {"version": "4.17.21", "label": "TP"},  # not reported: missed
        known | {"version": "4.17.22", "label": "FP"},
        known | {"version": "4.17.20", "vulnerability": "CVE-1999-0001", "label": "TP"},  # nobody says so
    ]
    judged = judge(database, map(label, rows))
    npm = judged.scores["npm"]
    assert (npm.found, npm.wrong, npm.missed, npm.quiet, npm.no_data) == (1, 1, 1, 1, 1)
    assert (npm.precision, npm.recall) == (0.5, 0.5)
    assert [one.version for one in judged.disagreed] == ["4.17.19", "4.17.21"]
    assert [one.vulnerability for one in judged.unspoken] == ["CVE-1999-0001"]


def test_a_finding_counts_under_either_of_two_ids(database: Database) -> None:
    known = {"namespace": "npm", "package": "lodash", "version": "4.17.20", "label": "TP"}
    rows = [known | {"vulnerability": "GHSA-1", "alias": "CVE-2021-23337"}, known | {"vulnerability": "CVE-2021-23337"}]
    assert judge(database, map(label, rows)).scores["npm"].found == 2


def test_csv_and_json_lines_say_the_same(tmp_path: Path) -> None:
    rows = [
        {"namespace": "debian:12", "package": "libc6", "version": "2.36-9", "vulnerability": "CVE-1", "label": "true",
         "source": "glibc"},
        {"namespace": "python", "package": "Jinja2", "version": "3.0", "vulnerability": "GHSA-1",
         "label": "False Positive"},
    ]  # fmt: skip
    (tmp_path / "l.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n\n")
    heads = "label,namespace,package,version,vulnerability,source"
    lines = [",".join(row.get(name, "") for name in heads.split(",")) for row in rows]
    (tmp_path / "l.csv").write_text("\n".join([heads, *lines]) + "\n")
    wanted = [
        Label("Debian:12", "libc6", "2.36-9", "CVE-1", True, source="glibc"),
        Label("PyPI", "Jinja2", "3.0", "GHSA-1", False),
    ]
    assert list(read(tmp_path / "l.jsonl")) == wanted == list(read(tmp_path / "l.csv"))


@pytest.mark.parametrize(
    ("text", "sense"),
    [("namespace,package,version,vulnerability,label\nnpm,a,1,CVE-1,maybe\n", "line 2"),
     ("namespace,package,version,vulnerability,label\nnpm,a,,CVE-1,true\n", "no version"),
     ("namespace,package,version,vulnerability,label\nplan9:4,a,1,CVE-1,true\n", "plan9:4"),
     ("package,version\na,1\n", "label")],
)  # fmt: skip
def test_a_line_that_makes_no_sense_is_named(tmp_path: Path, text: str, sense: str) -> None:
    (tmp_path / "l.csv").write_text(text)
    with pytest.raises(LabelsInvalid, match=sense):
        list(read(tmp_path / "l.csv"))
    (tmp_path / "l.jsonl").write_text("[1]\n")
    with pytest.raises(LabelsInvalid, match="line 1"):
        list(read(tmp_path / "l.jsonl"))


@pytest.mark.parametrize(
    ("text", "osv"),
    [("Debian:12", "Debian:12"), ("debian:12", "Debian:12"), ("ubuntu:22.04", "Ubuntu:22.04:LTS"),
     ("alpine:3.18", "Alpine:v3.18"), ("amzn:2", "Amazon Linux:2"), ("amazonlinux:2023", "Amazon Linux:2023"),
     ("ol:9", "Oracle Linux:9"), ("oracle:8", "Oracle Linux:8"), ("alma:9", "AlmaLinux:9"), ("rhel:8", "Red Hat:8"),
     ("sles:15.4", "SUSE:Linux Enterprise Server 15 SP4"), ("mariner:2.0", "Azure Linux:2"), ("wolfi", "Wolfi"),
     ("npm", "npm"), ("pypi", "PyPI"), ("python", "PyPI"), ("Maven", "Maven"), ("cargo", "crates.io")],
)  # fmt: skip
def test_namespaces_go_by_several_names(text: str, osv: str) -> None:
    assert namespace(text) == osv

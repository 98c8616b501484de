"""Real packages against real feeds, compared with matchers that share no code with ours."""

from __future__ import annotations

import json
import re
import zipfile
from collections import defaultdict
from functools import cache, total_ordering

import duckdb
import pyarrow as pa
import pytest
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from grid import findings, match
from grid.ecosystems import BY_NAME
from vulndb.build import build, locked
from vulndb.feeds.alpine import records as secdb_records
from vulndb.feeds.osv import archive

pytestmark = pytest.mark.data


def found(root, records, candidates):
    with locked(root):
        database = build(root, records, states=lambda counts: ())
    table = pa.Table.from_pylist(candidates, schema=match.CANDIDATES)
    with duckdb.connect() as con:
        return findings.merge(con, database, match.hits(con, database, table)).to_pylist()


# --- Alpine --------------------------------------------------------------------------------------


@total_ordering
class Apk:
    """An Alpine version, compared piece by piece as apk-tools 2 does; only for the shapes that secdb has."""

    SHAPE = re.compile(r"([0-9]+(?:\.[0-9]+)*)([a-z]?[0-9]*)((?:_[a-z]+[0-9]*)*)(?:-r([0-9]+))?")
    BEFORE = ("alpha", "beta", "pre", "rc")

    def __init__(self, text: str) -> None:
        shape = self.SHAPE.fullmatch(text)
        if shape is None:
            raise ValueError(text)
        self.numbers = shape[1].split(".")
        self.letter = (shape[2][:1], int(shape[2][1:] or 0))
        self.suffixes = re.findall(r"_([a-z]+)([0-9]*)", shape[3])
        self.revision = int(shape[4] or -1)  # 1.0 comes before 1.0-r0

    def compare(self, other: Apk) -> int:
        for i, (a, b) in enumerate(zip(self.numbers, other.numbers, strict=False)):
            if i and (a.startswith("0") or b.startswith("0")):
                if a != b:
                    return -1 if a < b else 1
            elif int(a) != int(b):
                return -1 if int(a) < int(b) else 1
        if len(self.numbers) != len(other.numbers):
            return -1 if len(self.numbers) < len(other.numbers) else 1
        if self.letter != other.letter:
            return -1 if self.letter < other.letter else 1
        order = (*self.BEFORE, "", "cvs", "svn", "git", "hg", "p")
        for i in range(max(len(self.suffixes), len(other.suffixes))):
            (a, m), (b, n) = ((v.suffixes[i] if i < len(v.suffixes) else ("", "")) for v in (self, other))
            if (order.index(a), int(m or 0)) != (order.index(b), int(n or 0)):
                return -1 if (order.index(a), int(m or 0)) < (order.index(b), int(n or 0)) else 1
        return (self.revision > other.revision) - (self.revision < other.revision)

    def __lt__(self, other: Apk) -> bool:
        return self.compare(other) < 0

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Apk) and self.compare(other) == 0


@pytest.fixture(scope="module")
def secdb(shared_data):
    """release → list of secdb documents."""
    documents = defaultdict(list)
    for file in sorted((shared_data / "feeds/mirror/secdb.alpinelinux.org").glob("v3.*/*.json")):
        documents[file.parent.name].append(json.loads(file.read_text()))
    return documents


@pytest.fixture(scope="module")
def alpine_packages(shared_data):
    """Distinct (name, version, origin) that the Alpine images hold."""
    images = json.loads((shared_data / "images/expected-os-packages.json").read_text())
    rows = {
        (package[0], package[1], package[3])
        for variants in images.values()
        for image in variants
        if image["os_id"] == "alpine"
        for package in image["packages"]
    }
    return sorted(rows)


def test_alpine_packages_against_secdb(secdb, alpine_packages, tmp_path):
    """What the images hold and what the feed itself names, against every release: patched, old and future ones."""
    named = {
        (f"lib{entry['pkg']['name']}", version, entry["pkg"]["name"])
        for documents in secdb.values()
        for document in documents
        for entry in document["packages"] or ()
        for version in entry["pkg"].get("secfixes") or {}
        if Apk.SHAPE.fullmatch(version)
    }
    candidates, installed = [], {}
    for number, (name, version, origin) in enumerate([*alpine_packages, *sorted(named)]):
        for release in secdb:
            installed[number, f"Alpine:{release}"] = (origin or name, version)
            candidates.append(
                {
                    "package_id": number,
                    "ecosystem": "apk",
                    "name": name,
                    "version": version,
                    "source_name": origin,
                    "namespace": f"Alpine:{release}",
                }
            )
    fixes = defaultdict(lambda: defaultdict(set))
    for release, documents in secdb.items():
        for document in documents:
            for entry in document["packages"] or ():
                for fixed, tokens in (entry["pkg"].get("secfixes") or {}).items():
                    for year, serial in re.findall(r"CVE[-_](\d+)[-_](\d+)", " ".join(tokens or [])):
                        if fixed != "0":
                            fixes[f"Alpine:{release}", entry["pkg"]["name"]][f"CVE-{year}-{serial}"].add(fixed)
    expected = {}
    for (number, namespace), (origin, version) in installed.items():
        for cve, versions in fixes[namespace, origin].items():
            orderable = [v for v in versions if Apk.SHAPE.fullmatch(v)]  # secdb has typing errors: 10.2.24.r0
            last = max(orderable, key=Apk, default=version)
            if Apk(version) < Apk(last):
                expected[number, namespace, cve] = last
    stream = (("alpine", True, r) for documents in secdb.values() for d in documents for r in secdb_records(d))
    rows = found(tmp_path, stream, candidates)
    actual = {
        (r["package_id"], r["namespace"], r["vuln_id"]): r["fixed_version"]
        for r in rows
        if r["vuln_id"].startswith("CVE-")
    }
    assert len(expected) > 1000
    diff = sorted(set(actual.items()) ^ set(expected.items()))
    assert [(k, v, [*alpine_packages, *sorted(named)][k[0]]) for k, v in diff] == []
    assert {r["state"] for r in rows} == {"fixed"}


# --- PyPI ----------------------------------------------------------------------------------------


@cache
def parsed(text):
    try:
        return Version(text)
    except InvalidVersion:
        return None


def affected(entry, text):
    """The evaluation algorithm of OSV's schema page, for one entry of ``affected``."""
    version = parsed(text)
    if "listed" not in entry:
        entry["listed"] = set(entry.get("versions") or ()) | {parsed(v) for v in entry.get("versions") or ()}
    if text in entry["listed"] or (version is not None and version in entry["listed"]):
        return True
    for events in (r["events"] for r in entry.get("ranges") or () if r["type"] == "ECOSYSTEM"):
        pairs = [(kind, v) for event in events for kind, v in event.items()]
        if version is None or any(v != "0" and parsed(v) is None for _, v in pairs):
            continue
        hit = False
        for kind, v in sorted(pairs, key=lambda p: (p[1] != "0", parsed(p[1]))):
            if kind == "introduced" and (v == "0" or version >= parsed(v)):
                hit = True
            elif (kind == "fixed" and version >= parsed(v)) or (kind == "last_affected" and version > parsed(v)):
                hit = False
        if hit:
            return True
    return False


@pytest.fixture(scope="module")
def pypi(shared_data):
    path = shared_data / "feeds/mirror/osv-vulnerabilities.storage.googleapis.com/PyPI/all.zip"
    with zipfile.ZipFile(path) as zipped:
        raw = [json.loads(zipped.read(name)) for name in zipped.namelist() if name.endswith(".json")]
    return path, [record for record in raw if not record.get("withdrawn")]


def test_python_packages_against_pypi_advisories(pypi, tmp_path):
    """Versions at and around every edge that the advisories name, and some of those that they list."""
    path, records = pypi
    entries = defaultdict(list)
    versions = defaultdict(set)
    for record in records:
        for entry in record["affected"]:
            if entry["package"]["ecosystem"] == "PyPI":
                name = canonicalize_name(entry["package"]["name"])
                entries[name].append((record["id"], entry))
                listed = entry.get("versions") or []
                versions[name].update(listed[:1] + listed[len(listed) // 2 :][:1] + listed[-1:])
                for r in entry.get("ranges") or ():
                    if r["type"] == "ECOSYSTEM":
                        for v in (v for event in r["events"] for v in event.values() if v != "0"):
                            versions[name] |= {v, f"{v}.0", f"{v}.post1", f"{v}.dev1"}
    installed = [(name, version) for name in sorted(versions) for version in sorted(versions[name])]
    candidates = [
        {"package_id": i, "ecosystem": "pypi", "name": name, "version": version, "namespace": "PyPI"}
        for i, (name, version) in enumerate(installed)
    ]
    expected = {
        (i, advisory)
        for i, (name, version) in enumerate(installed)
        for advisory, entry in entries[name]
        if affected(entry, version)
    }
    rows = found(tmp_path, (("osv", False, r) for r in archive(path, "PyPI")), candidates)
    assert len(expected) > 10_000
    assert {(r["package_id"], advisory) for r in rows for advisory in r["advisories"]} == expected
    _check_groups(records, rows)
    _check_fixes(entries, installed, rows)


def _check_groups(records, rows):
    """A CVE is one problem: a record is about each CVE that it names, and where it names none about one thing."""
    named = {
        record["id"]: {i for i in (record["id"], *(record.get("aliases") or ())) if i.startswith("CVE-")}
        for record in records
    }
    told = defaultdict(set)
    for row in rows:
        ids = {row["vuln_id"], *row["aliases"]}
        assert ids >= set(row["advisories"])
        assert len(ids) == 1 + len(row["aliases"])
        assert row["vuln_id"].startswith("CVE-") or not any(i.startswith("CVE-") for i in ids)
        for advisory in row["advisories"]:
            assert row["vuln_id"] not in told[row["package_id"], advisory]
            told[row["package_id"], advisory].add(row["vuln_id"])
    for (_, advisory), vulns in told.items():
        if named[advisory]:
            assert vulns == named[advisory]
        else:
            assert len(vulns) == 1
    assert len({(row["package_id"], row["vuln_id"]) for row in rows}) == len(rows)


def _ends(entry):
    """The ``fixed`` events at which something stops being affected; others say nothing."""
    for events in (r["events"] for r in entry.get("ranges") or () if r["type"] == "ECOSYSTEM"):
        pairs = [(kind, v) for event in events for kind, v in event.items()]
        hit = False
        for kind, v in sorted(pairs, key=lambda p: (p[1] != "0", parsed(p[1]) or Version("0"))):
            if kind == "fixed" and hit:
                yield v
            hit = kind == "introduced"


def _check_fixes(entries, installed, rows):
    """The smallest fix above the installed version that no record of the finding affects."""
    wrong = []
    offers = {}
    for row in rows:
        name, version = installed[row["package_id"]]
        ids = frozenset({row["vuln_id"], *row["aliases"]})
        if (name, ids) not in offers:
            group = [entry for advisory, entry in entries[name] if advisory in ids]
            fixes = {fix for entry in group for fix in _ends(entry)}
            clear = [parsed(fix) for fix in fixes if not any(affected(entry, fix) for entry in group)]
            offers[name, ids] = None if any(parsed(fix) is None for fix in fixes) else sorted(clear)
        if parsed(version) is None or offers[name, ids] is None:
            continue
        best = next((fix for fix in offers[name, ids] if fix > parsed(version)), None)
        given = None if row["fixed_version"] is None else parsed(row["fixed_version"])
        if (best is not None and given != best) or (given is not None and given <= parsed(version)):
            wrong.append((name, version, given, best))
    assert wrong == []


def test_every_python_version_of_the_feed_that_cannot_be_ordered_is_still_found_by_its_list(pypi, tmp_path):
    path, records = pypi
    listed = {
        (canonicalize_name(entry["package"]["name"]), version, record["id"])
        for record in records
        for entry in record["affected"]
        for version in entry.get("versions") or ()
        if entry["package"]["ecosystem"] == "PyPI" and parsed(version) is None
    }
    if not listed:
        pytest.skip("the feed has no such version")
    packages = sorted({(name, version) for name, version, _ in listed})
    candidates = [
        {"package_id": i, "ecosystem": "pypi", "name": name, "version": version, "namespace": "PyPI"}
        for i, (name, version) in enumerate(packages)
    ]
    rows = found(tmp_path, (("osv", False, r) for r in archive(path, "PyPI")), candidates)
    assert {(*packages[r["package_id"]], a) for r in rows for a in r["advisories"]} == listed


def test_the_independent_alpine_order_agrees_with_the_corpus(shared_data):
    """A check of the checker, and of the keys beside it."""
    checked = 0
    with zipfile.ZipFile(shared_data / "versions/versions.zip") as zipped:
        lines = zipped.read("alpine/osv-scalibr-generated.txt").decode().splitlines()
    for line in lines:
        left, operator, right = line.split()
        try:
            a, b = Apk(left), Apk(right)
        except ValueError:
            continue
        key = BY_NAME["apk"].key
        sign = (key(left) > key(right)) - (key(left) < key(right))
        assert a.compare(b) == sign == {"<": -1, "=": 0, ">": 1}[operator], line
        checked += 1
    assert checked > 3000

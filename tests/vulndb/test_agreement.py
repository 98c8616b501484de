"""The real feeds' ranges, built and evaluated as bytes, against evaluators that know nothing of keys."""

from __future__ import annotations

import json
import re
import zipfile
from collections import defaultdict
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from packaging.version import InvalidVersion, Version

from grid.database import Database
from grid.errors import VersionInvalid
from grid.keys import apk, pep440
from vulndb.fetch import HttpTransport
from vulndb.update import update

pytestmark = pytest.mark.data


@pytest.fixture(scope="module")
def database(mirror: Path, tmp_path_factory: pytest.TempPathFactory) -> Database:
    with HttpTransport(str(mirror)) as transport:
        return update(tmp_path_factory.mktemp("db"), transport).database


def spans(database: Database, namespace: str) -> dict[tuple[str, str, str], list[tuple[bytes, bytes | None]]]:
    """(namespace, package, advisory) → ranges, of the namespaces that begin so."""
    found = defaultdict(list)
    for row in pq.read_table(database.parquet("ranges")).to_pylist():
        if row["namespace"].startswith(namespace):
            found[row["namespace"], row["name"], row["advisory_id"]].append((row["lo"], row["hi"]))
    return dict(found)


def holds(ranges: list[tuple[bytes, bytes | None]], key: bytes) -> bool:
    return any(lo <= key and (hi is None or key < hi) for lo, hi in ranges)


# --- PyPI: packaging and the wording of OSV ------------------------------------------------------


@cache
def parsed(version: str) -> Version | None:
    try:
        return Version(version)
    except InvalidVersion:
        return None


def osv_says(version: Version, affected: dict[str, Any]) -> bool | None:
    """Whether a version is affected; None where a range cannot be ordered."""
    if any(parsed(listed) == version for listed in affected.get("versions", ())):
        return True
    for one in affected.get("ranges", ()):
        if one["type"] not in ("ECOSYSTEM", "SEMVER"):
            continue
        events = []
        for event in one["events"]:
            ((kind, text),) = event.items()
            at = Version("0.dev0") if text == "0" else parsed(text)
            if at is None:
                return None
            events.append((at, kind, text))
        vulnerable = False
        for at, kind, text in sorted(events, key=lambda e: e[0]):
            if kind == "introduced" and (text == "0" or version >= at):
                vulnerable = True
            elif (kind == "fixed" and version >= at) or (kind == "last_affected" and version > at):
                vulnerable = False
        if vulnerable:
            return True
    return False


def test_every_pypi_record_is_decided_as_packaging_decides_it(mirror: Path, database: Database) -> None:
    found = spans(database, "PyPI")
    records = []
    versions: dict[str, set[str]] = defaultdict(set)
    with zipfile.ZipFile(mirror / "osv-vulnerabilities.storage.googleapis.com/PyPI/all.zip") as zipped:
        for name in zipped.namelist():
            record = json.loads(zipped.read(name))
            if record.get("withdrawn"):
                continue
            for affected in record["affected"]:
                package = re.sub(r"[-_.]+", "-", affected["package"]["name"]).lower()
                records.append((record["id"], package, affected))
                versions[package].update(affected.get("versions", ()))
                for one in affected.get("ranges", ()):
                    if one["type"] != "GIT":
                        versions[package].update(v for event in one["events"] for v in event.values())
    by_record: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for name, package, affected in records:
        by_record[name, package].append(affected)
    decided = unordered = 0
    for (name, package), entries in by_record.items():
        ranges = found.get(("PyPI", package, name), [])
        own = {v for a in entries for one in a.get("ranges", ()) if one["type"] != "GIT" for e in one["events"]
               for v in e.values()}  # fmt: skip
        some = sorted(versions[package] - own)
        for text in {*own, *some[:: max(1, len(some) // 40)]}:
            version = parsed(text)
            if version is None:
                with pytest.raises(VersionInvalid):
                    pep440.key(text)
                continue
            answers = [osv_says(version, affected) for affected in entries]
            if None in answers:
                unordered += 1
                continue
            assert holds(ranges, pep440.key(text)) == any(answers), (name, package, text)
            decided += 1
    assert decided > 50_000 and unordered < 100


# --- Alpine: apk's rule, token by token ----------------------------------------------------------

_APK = re.compile(r"(\d+(?:\.\d+)*)([a-z]?)((?:_(?:alpha|beta|pre|rc|cvs|svn|git|hg|p)\d*)*)(?:-r(\d+))?")
_SUFFIX = {"alpha": -4, "beta": -3, "pre": -2, "rc": -1, "cvs": 0, "svn": 1, "git": 2, "hg": 3, "p": 4}


def tokens(version: str) -> list[tuple[int, Any]] | None:
    matched = _APK.fullmatch(version)
    if matched is None:
        return None
    found: list[tuple[int, Any]] = [(0, digits) for digits in matched[1].split(".")]
    found += [(1, matched[2])] if matched[2] else []
    for name, digits in re.findall(r"_([a-z]+)(\d*)", matched[3]):
        found.append((2, _SUFFIX[name]))
        found += [(3, int(digits))] if digits else []
    found += [(4, int(matched[4]))] if matched[4] else []
    return [*found, (5, 0)]


def below(a: list[tuple[int, Any]], b: list[tuple[int, Any]]) -> bool:
    for place, ((kind_a, one), (kind_b, two)) in enumerate(zip(a, b, strict=False)):
        if kind_a != kind_b:
            if kind_a == 2 and one < 0:
                return True
            if kind_b == 2 and two < 0:
                return False
            return kind_a > kind_b
        if kind_a == 0:
            if place and (one[0] == "0" or two[0] == "0") and one != two:
                return one < two
            one, two = int(one), int(two)
        if one != two:
            return bool(one < two)
    return False


def test_every_alpine_range_is_decided_as_apk_decides_it(mirror: Path, database: Database) -> None:
    found = spans(database, "Alpine:")
    fixed: dict[tuple[str, str, str], set[str]] = defaultdict(set)
    versions: dict[str, set[str]] = defaultdict(set)
    for path in (mirror / "secdb.alpinelinux.org").glob("*/*.json"):
        document = json.loads(path.read_bytes())
        for entry in document["packages"] or ():
            package = entry["pkg"]
            for version, listed in (package.get("secfixes") or {}).items():
                versions[package["name"]].add(version)
                for name in {
                    f"CVE-{y}-{n}"
                    for token in listed or ()
                    for y, n in re.findall(r"CVE[-_](\d{4})[-_](\d{4,})", token)
                }:
                    fixed[f"Alpine:{document['distroversion']}", package["name"], name].add(version)
    decided = skipped = 0
    for key, listed in fixed.items():
        ends = [tokens(v) for v in listed if v != "0"]
        if None in ends:
            skipped += 1
            continue
        for version in versions[key[1]]:
            if (one := tokens(version)) is not None:
                expected = any(below(one, end) for end in ends if end is not None)
                assert holds(found.get(key, []), apk.key(version)) == expected, (key, version, listed)
                decided += 1
    assert decided > 50_000 and skipped < 100
    assert {key for key in found if key[2].startswith("CVE-")} <= set(fixed)

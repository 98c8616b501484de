"""Our advisories in Trivy's form, and the comparison of two answers. Trivy itself runs in ``bench`` only."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench import bolt, inventory, lockfiles, trivy_db
from bench.drawn import made
from bench.inventory import Installed
from bench.verdicts import Said, compare, reason
from grid.ecosystems import BY_NAME, BY_OSV
from grid.model import Limits, Package
from vulndb.build import build, locked
from vulndb.records import Advisory, Affected, Range, Rating, RepositoryProduct


def read(content: bytes) -> dict[str, Any]:
    """The buckets of a bolt file, by the format's description: a reader that shares nothing with the writer."""
    magic, version, size, _, root, _, _, pages = struct.unpack_from("<IIIIQQQQ", content, 16)
    assert (magic, version, size, pages * size) == (0xED0CDAED, 2, 4096, len(content))

    def walk(page: bytes) -> dict[str, Any]:
        _, flags, count, _ = struct.unpack_from("<QHHI", page)
        found: dict[str, Any] = {}
        keys = []
        for place in range(16, 16 + 16 * count, 16):
            if flags & 1:
                at, length, child = struct.unpack_from("<IIQ", page, place)
                inner = walk(content[child * 4096 :])
                assert min(inner, key=str.encode).encode() == page[place + at : place + at + length]
                keys += list(inner)
                found |= inner
                continue
            assert flags == 2
            bucket, at, length, size = struct.unpack_from("<IIII", page, place)
            key, value = page[place + at :][:length], page[place + at + length :][:size]
            if bucket:
                (child, _) = struct.unpack_from("<QQ", value)
                found[key.decode()] = walk(content[child * 4096 :] if child else value[16:])
            else:
                found[key.decode()] = value
            keys.append(key.decode())
        assert [k.encode() for k in keys] == sorted(k.encode() for k in keys)
        return found

    return walk(content[root * 4096 :])


NAMES = st.text(min_size=1, max_size=12)


@settings(max_examples=40)
@given(st.recursive(st.binary(max_size=5000), lambda inner: st.dictionaries(NAMES, inner, max_size=20), max_leaves=60))
def test_a_bolt_file_is_read_back_as_it_was_written(tree: Any) -> None:
    tree = tree if isinstance(tree, dict) else {"x": tree}
    assert read(bolt.write(tree)) == tree


def test_a_bolt_file_of_many_pages_is_read_back() -> None:
    tree = {"b": {f"k{n:05}": bytes([n % 256]) * (n % 700) for n in range(6000)}, "c": {"x": b"y" * 100_000}, "e": {}}
    assert read(bolt.write(tree)) == tree


def test_advisories_are_written_where_trivy_looks_for_them(tmp_path: Path) -> None:
    def one(namespace: str, name: str, *events: tuple[str, str], **more: Any) -> Affected:
        return Affected(namespace, name, (Range(events),), **more)

    zero = ("introduced", "0")
    python = (("introduced", "1.0"), ("fixed", "1.5"), ("introduced", "2.0"), ("last_affected", "2.3"))
    advisory = Advisory(
        "CVE-2031-1000",
        (
            one("Debian:12", "curl", zero, ("fixed", "7.88-2"), severity="low"),
            one("Debian:11", "curl", zero, state="will_not_fix"),
            one("AlmaLinux:9", "nodejs", zero, ("fixed", "1:18-1.module_el9"), module="nodejs:18"),
            one("PyPI", "Some_Thing", *python),
            one("Oracle Linux:9", "bash", zero, ("fixed", "5-2"), arches=("aarch64",)),
            one("Alpine:v3.20", "curl", ("introduced", "7.1-r0"), ("fixed", "7.2-r0")),
            one("Haiku", "unknown", zero),
        ),
        ratings=(Rating("nvd", "high"), Rating("ghsa", vector="CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H")),
    )
    with locked(tmp_path):
        database = build(tmp_path, [("made", False, advisory)], states=lambda counts: ())
    content, written = trivy_db.write(database)
    tree = read(content)

    def told(*path: str) -> dict[str, Any]:
        at: Any = tree
        for name in path:
            at = at[name]
        found: dict[str, Any] = json.loads(at)
        return found

    assert told("debian 12", "curl", "CVE-2031-1000") == {"Severity": 1, "FixedVersion": "7.88-2"}
    assert told("debian 11", "curl", "CVE-2031-1000") == {"FixedVersion": "", "Status": 5}
    assert told("alma 9", "nodejs:18::nodejs", "CVE-2031-1000") == {"FixedVersion": "1:18-1.module_el9"}
    assert told("pip::GitHub Security Advisory", "some-thing", "CVE-2031-1000") == {
        "VulnerableVersions": [">=1.0, <1.5", ">=2.0, <=2.3"], "PatchedVersions": ["1.5"],
    }  # fmt: skip
    assert told("Oracle Linux 9", "bash", "CVE-2031-1000")["Entries"] == [
        {"FixedVersion": "5-2", "Arches": ["aarch64"]}
    ]
    assert written.left_out == {("Alpine:v3.20", "curl", "CVE-2031-1000")}
    assert told("vulnerability", "CVE-2031-1000")["VendorSeverity"] == {"debian": 1, "ghsa": 4, "nvd": 3}
    assert told("data-source", "debian 12")["ID"] == "debian" and "Haiku" not in written.buckets


def test_red_hats_advisories_are_written_by_product(tmp_path: Path) -> None:
    base, apps = "cpe:/o:redhat:enterprise_linux:8::baseos", "cpe:/a:redhat:enterprise_linux:8::appstream"

    def one(*cpes: str, name: str = "curl", fixed: str = "", **more: Any) -> Affected:
        events = (("introduced", "0"), *((("fixed", fixed),) if fixed else ()))
        return Affected("Red Hat:8", name, (Range(events),), cpes=cpes, **more)

    advisory = Advisory(
        "CVE-2031-1000",
        (
            one(base, apps, fixed="1-2", severity="high", arches=("x86_64",)),
            one("cpe:/a:redhat:enterprise_linux:8", state="will_not_fix"),
            one(apps, name="npm", fixed="3-1", module="nodejs:18"),
        ),
    )
    listed = [advisory, RepositoryProduct("made-rpms", base), RepositoryProduct("made-rpms", apps)]
    with locked(tmp_path):
        database = build(tmp_path, [("made", False, record) for record in listed], states=lambda counts: ())
    tree = read(trivy_db.write(database, builds={"ubi8-container-1-2-x86_64": [base]})[0])
    names = {int(number): json.loads(cpe) for number, cpe in tree["Red Hat CPE"]["cpe"].items()}

    def entries(package: str) -> list[dict[str, Any]]:
        found = json.loads(tree["Red Hat"][package]["CVE-2031-1000"])["Entries"]
        return [one | {"Affected": {names[number] for number in one["Affected"]}} for one in found]

    assert entries("curl") == [
        {"Affected": {"cpe:/a:redhat:enterprise_linux:8", apps}, "Cves": [{}], "Status": 5},
        {"Affected": {base, apps}, "Cves": [{"Severity": 3}], "FixedVersion": "1-2", "Arches": ["x86_64"]},
    ]
    assert entries("nodejs:18::npm") == [{"Affected": {apps}, "Cves": [{}], "FixedVersion": "3-1"}]
    assert {names[n] for n in json.loads(tree["Red Hat CPE"]["repository"]["made-rpms"])} == {base, apps}
    assert [names[n] for n in json.loads(tree["Red Hat CPE"]["nvr"]["ubi8-container-1-2-x86_64"])] == [base]


PREFIXES = {"Maven": "org:", "Packagist": "x/", "SwiftURL": "github.com/x/"}


def test_made_lock_files_are_what_our_own_readers_find() -> None:
    assert lockfiles.FILES.keys() | inventory.INSTALLED == trivy_db.LANGUAGES.keys()
    for osv, files in lockfiles.FILES.items():
        named = [
            Installed(PREFIXES.get(osv, "") + n, v) for n, v in (("p1", "1.0.0"), ("p2", "2.0.0"), ("p1", "1.2.0"))
        ]
        for file in files:
            found = {
                (p.name, p.version.removeprefix("v").removesuffix("+incompatible"))
                for path, content in lockfiles.written(osv, file, named).items()
                for p in BY_OSV[osv].declared(path, content, Limits())
                if isinstance(p, Package)
            }
            assert {(p.name, p.version) for p in named} <= found, file


def test_made_packages_are_what_our_own_readers_find() -> None:
    listed = [Installed("p1", "1.0.0"), Installed("p2", "2.0.0"), Installed("p1", "1.2.0")]
    for osv in inventory.INSTALLED:
        named = [Installed(PREFIXES.get(osv, "") + p.name, p.version) for p in listed]
        ecosystem = BY_NAME["sbom"] if osv == "Bitnami" else BY_OSV[osv]
        found = {
            (p.name, p.version.removeprefix("v"))
            for path, content in inventory.language(osv, named).items()
            for p in ecosystem.read(path, content, Limits())
            if isinstance(p, Package)
        }
        assert {(p.name, p.version) for p in named} <= found, osv
    for namespace, name in (("Debian:12", "deb"), ("Alpine:v3.20", "apk"), ("Oracle Linux:9", "rpm")):
        wanted = [Installed("a", "1:1.0-r1" if name != "apk" else "1.0-r1", module="m:1" if name == "rpm" else ""),
                  Installed("b-extra", "2.0-r2", "b")]  # fmt: skip
        packages = [
            p
            for path, content in inventory.system(namespace, wanted).items()
            for p in BY_NAME[name].read(path, content, Limits())
            if isinstance(p, Package)
        ]
        assert [(p.name, p.version, p.source_name or p.name, p.modularity) for p in packages] == [
            (p.name, p.version, p.source or p.name, p.module) for p in wanted
        ]


def test_answers_are_compared_set_by_set_and_then_by_what_they_say() -> None:
    place = {n: ("curl", str(n), "CVE-1") for n in range(5)}
    ours = {
        place[0]: Said("2", "high", "fixed"),
        place[1]: Said("2", "high", "fixed"),
        place[2]: Said("", "low", "affected"),
        place[3]: Said("3", "low", "fixed"),
    }
    theirs = {
        place[0]: Said("1, 2", "high", "fixed"),
        place[1]: Said("2", "low", "fixed"),
        place[2]: Said("", "low", "will_not_fix"),
        place[4]: Said("9", "low", "fixed"),
    }
    found = compare(ours, theirs)
    assert found.agreed == 1
    assert [(kind, at[1]) for _, kind, at, _, _ in found.differences] == [
        ("severity", "1"), ("state", "2"), ("ours only", "3"), ("theirs only", "4"),
    ]  # fmt: skip


def test_severities_differ_only_where_nobody_has_rated_whom_both_believe() -> None:
    written = trivy_db.Written(ranked={"CVE-1": {"ghsa"}, "CVE-2": {"debian"}}, malicious={"CVE-3"})

    def why(problem: str, namespace: str = "RubyGems") -> str | None:
        return reason(written, namespace, "severity", ("p", "1.0", problem), "critical", "high")

    unbelieved = "ratings of neither the publisher, GHSA nor the NVD"
    assert [why("CVE-1"), why("CVE-2"), why("CVE-3")] == [None, unbelieved, "malicious packages"]
    assert [why("CVE-2", "Debian:12"), why("CVE-4", "Debian:12")] == [None, unbelieved]


def test_carets_and_prereleases_explain_only_what_their_order_decides() -> None:
    written = trivy_db.Written(early_ends={("p", "CVE-1", "1.2.0")})

    def why(namespace: str, version: str, fixed: str) -> str | None:
        return reason(written, namespace, "ours only", ("p", version, "CVE-1"), fixed, "")

    assert why("Fedora:42", "100^git1-1", "100a-1") == why("AlmaLinux:9", "1^git-1", "2-1") == None  # noqa: E711
    assert why("AlmaLinux:9", "100^git1-1", "100a-1") == "carets in rpm versions"
    assert why("npm", "1.1.0-rc.1", "2.0.0") == "prereleases of npm"
    assert why("npm", "1.2.0-rc.1", "2.0.0") is None


def test_bitnamis_versions_differ_only_where_one_is_not_three_plain_numbers() -> None:
    written = trivy_db.Written(odd_ends={("golang", "CVE-1")})

    def why(package: str, version: str) -> str | None:
        return reason(written, "Bitnami", "ours only", (package, version, "CVE-1"), "1.21.5", "")

    odd = "Bitnami's versions that are not three plain numbers"
    assert [why("golang", "1.21.0"), why("minio", "2018.08.18"), why("redis", "1.21.0")] == [odd, odd, None]


@pytest.mark.parametrize(
    ("kind", "version", "fixed", "explained"),
    [
        ("ours only", "11a-1.el9", "11a-1.1", True),  # rpm: 1.el9 < 1.1; dpkg: after it
        ("ours only", "1_git-1", "2-1", True),  # which Trivy's parser refuses
        ("ours only", "1.0-1", "1.1-1", False),
        ("ours only", "1.0-1", "", False),
        ("theirs only", "11a-1.1", "11a-1.el9", True),
        ("theirs only", "1.0-1", "1.1-1", False),
    ],
)
def test_amazons_versions_differ_only_where_dpkg_orders_otherwise(
    kind: str, version: str, fixed: str, explained: bool
) -> None:
    texts = (fixed, "") if kind == "ours only" else ("", fixed)
    why = reason(trivy_db.Written(), "Amazon Linux:2", kind, ("p", version, "CVE-2031-1"), *texts)
    assert why == ("rpm versions ordered by dpkg's rules" if explained else None)


def test_made_advisories_are_the_same_in_every_run() -> None:
    assert list(made(3)) == list(made(3))

"""Red Hat's VEX documents: real advisories in the same format, and the archive with its changes."""

from __future__ import annotations

import io
import json
import re
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grid import findings, match
from grid.database import Database
from grid.errors import FeedInvalid
from grid.keys.rpm import key
from vulndb import csaf
from vulndb.feeds import BY_NAME, redhat
from vulndb.fetch import HttpTransport
from vulndb.records import Advisory, Affected, Skipped
from vulndb.update import Updated, update

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data" / "feeds" / "samples"
APPS, BASE, EUS = (
    "cpe:/a:redhat:enterprise_linux:8::appstream",
    "cpe:/o:redhat:enterprise_linux:8::baseos",
    "cpe:/a:redhat:rhel_eus:8.6::appstream",
)


def vex(cve: str, *products: tuple[str, str, str], **more: Any) -> dict[str, Any]:
    """A document. A product is (status, cpe, purl); its id is ``CPE|PURL``."""
    branches = [{"category": "product_name", "name": c, "product": {"product_id": c,
                 "product_identification_helper": {"cpe": c}}} for c in {c for _, c, _ in products}]  # fmt: skip
    branches += [{"category": "product_version", "name": p, "product": {"product_id": p,
                  "product_identification_helper": {"purl": p}}} for p in {p for _, _, p in products}]  # fmt: skip
    status: dict[str, list[str]] = {}
    for kind, cpe, purl in products:
        status.setdefault(kind, []).append(f"{cpe}|{purl}")
    return {
        "document": {
            "category": "csaf_vex", "title": f"about {cve}", "aggregate_severity": {"text": "Moderate"},
            "tracking": {"id": cve, "status": "final", "current_release_date": "2025-06-01T00:00:00+00:00"},
        },
        "product_tree": {
            "branches": [{"category": "vendor", "name": "Red Hat", "branches": branches}],
            "relationships": [
                {"category": "default_component_of", "full_product_name": {"product_id": f"{c}|{p}"},
                 "product_reference": p, "relates_to_product_reference": c}
                for _, c, p in products
            ],
        },
        "vulnerabilities": [{"cve": cve, "product_status": status, **more}],
    }  # fmt: skip


def read(document: object) -> tuple[Affected, ...]:
    (found,) = redhat.document(json.dumps(document).encode())
    assert isinstance(found, Advisory)
    return found.affected


def fixes(affected: tuple[Affected, ...]) -> set[tuple[str, str, str | None, str, tuple[str, ...]]]:
    return {(a.namespace, a.name, a.module, dict(a.ranges[0].events).get("fixed", a.state), a.cpes) for a in affected}


# --- documents -----------------------------------------------------------------------------------


def test_real_advisories_say_what_another_reading_of_them_says() -> None:
    """The ids of products spell the build out: ``AppStream-8.9:ruby:3.1:…:ruby-0:3.1.4-1.el8.x86_64``."""
    if not SHARED.is_dir():
        pytest.skip("the shared test data (../shared/data/feeds/samples) is absent")
    count = 0
    with zipfile.ZipFile(SHARED / "rhel.zip") as zipped:
        for name in zipped.namelist():
            if not re.search(r"/csaf/(?:advisories|server/2024)/.*rhsa-\d+_\d+\.json$", name):
                continue
            content = zipped.read(name)
            for found, told in zip(redhat.document(content), json.loads(content)["vulnerabilities"], strict=True):
                assert isinstance(found, Advisory) and found.id == told["cve"]
                builds: dict[str, set[str]] = {}
                for product in told["product_status"]["fixed"]:
                    build = re.fullmatch(r".*?([^:]+)-(\d+):([^:]+)\.([\w]+)(?:::.*)?", product)
                    if build and build[4] != "src" and not build[1].endswith(("-debuginfo", "-debugsource")):
                        builds.setdefault(build[1], set()).add(f"{build[2]}:{build[3]}".removeprefix("0:"))
                count += len(builds)
                got: dict[str, set[str]] = {}
                for one in found.affected if builds else ():
                    got.setdefault(one.name, set()).add(dict(one.ranges[0].events)["fixed"])
                assert got == builds, name
    assert count > 150


def test_a_real_module_is_named_by_its_stream() -> None:
    if not SHARED.is_dir():
        pytest.skip("the shared test data (../shared/data/feeds/samples) is absent")
    with zipfile.ZipFile(SHARED / "rhel.zip") as zipped:
        (name,) = [n for n in zipped.namelist() if n.endswith("advisories/rhsa-2024_1431.json")]
        for found in redhat.document(zipped.read(name)):
            assert isinstance(found, Advisory)
            assert {a.module for a in found.affected} == {"ruby:3.1"}
            assert {a.cpes for a in found.affected} == {(APPS,)} and {a.namespace for a in found.affected} == {
                "Red Hat:8"
            }


@pytest.mark.parametrize(
    ("category", "details", "state"),
    [
        ("none_available", "Affected", "affected"),
        ("none_available", "Fix deferred", "fix_deferred"),
        ("no_fix_planned", "Will not fix", "will_not_fix"),
        ("no_fix_planned", "Out of support scope", "end_of_life"),
        ("workaround", "Turn it off", "affected"),
    ],
)
def test_why_there_is_no_fix(category: str, details: str, state: str) -> None:
    product = f"{BASE}|pkg:rpm/redhat/tar"
    document = vex(
        "CVE-2005-2541", ("known_affected", BASE, "pkg:rpm/redhat/tar"),
        remediations=[{"category": category, "details": details, "product_ids": [product]}],
        threats=[{"category": "impact", "details": "Important", "product_ids": [product]}],
    )  # fmt: skip
    (found,) = read(document)
    assert (found.name, found.state, found.severity, found.cpes) == ("tar", state, "high", (BASE,))
    assert found.ranges[0].events == (("introduced", "0"),)


def test_statuses_that_name_no_problem_and_those_that_do() -> None:
    document = vex(
        "CVE-2020-0001",
        ("known_not_affected", BASE, "pkg:rpm/redhat/a"),
        ("under_investigation", BASE, "pkg:rpm/redhat/b"),
        ("known_affected", BASE, "pkg:oci/ubi8?repository_url=registry.redhat.io/ubi8"),
        ("known_affected", BASE, "pkg:maven/org.x/y"),
        ("fixed", BASE, "pkg:rpm/redhat/c@1-2.el8?arch=x86_64&epoch=3"),
        ("fixed", BASE, "pkg:rpm/redhat/c-debuginfo@1-2.el8?arch=x86_64&epoch=3"),
        ("fixed", BASE, "pkg:rpm/redhat/c@1-2.el8?arch=src&epoch=3"),
    )
    assert fixes(read(document)) == {
        ("Red Hat:8", "b", None, "under_investigation", (BASE,)),
        ("Red Hat:8", "c", None, "3:1-2.el8", (BASE,)),
    }


def test_a_product_without_impact_and_score_has_no_problem() -> None:
    a, b = "pkg:rpm/redhat/a", "pkg:rpm/redhat/b"
    document = vex(
        "CVE-2020-0001", ("known_affected", BASE, a), ("known_affected", BASE, b),
        scores=[{"cvss_v3": {"baseScore": 0.0, "vectorString": "CVSS:3.1/AV:L/AC:L/PR:L/UI:N/S:U/C:N/I:N/A:N"},
                 "products": [f"{BASE}|{a}", f"{BASE}|{b}"]}],
        threats=[{"category": "impact", "details": "Low", "product_ids": [f"{BASE}|{b}"]}],
    )  # fmt: skip
    assert [found.name for found in read(document)] == ["b"]


def test_of_several_fixes_in_one_product_the_highest_counts() -> None:
    document = vex(
        "CVE-2020-0001",
        *[("fixed", APPS, f"pkg:rpm/redhat/lib@{v}.el8?arch={a}") for v in ("1-9", "1-10") for a in ("x86_64", "i686")],
        ("fixed", EUS, "pkg:rpm/redhat/lib@1-8.el8_6.2?arch=x86_64"),
        ("fixed", BASE, "pkg:rpm/redhat/lib@1-10.el8?arch=x86_64"),
    )
    assert fixes(read(document)) == {
        ("Red Hat:8", "lib", None, "1-10.el8", (APPS, BASE)),
        ("Red Hat:8", "lib", None, "1-8.el8_6.2", (EUS,)),
    }
    assert {found.arches for found in read(document)} == {()}


def test_a_fix_names_the_erratum_that_brings_it() -> None:
    old, new, other = (f"pkg:rpm/redhat/lib@{v}?arch=x86_64" for v in ("1-9.el8", "1-10.el8", "1-8.el8_6.2"))

    def errata(number: int, *products: str) -> dict[str, Any]:
        url = f"https://access.redhat.com/errata/RHSA-2024:{number:04}"
        return {"category": "vendor_fix", "details": "update", "url": url, "product_ids": list(products)}

    document = vex(
        "CVE-2024-0001",
        *[("fixed", APPS, purl) for purl in (old, new)], ("fixed", BASE, new), ("fixed", EUS, other),
        remediations=[
            errata(1, f"{APPS}|{old}"), errata(20, f"{APPS}|{new}"), errata(3, f"{BASE}|{new}"),
            {"category": "vendor_fix", "url": "https://example.com/", "product_ids": [f"{EUS}|{other}"]},
            errata(9999, f"{EUS}|{other}") | {"category": "workaround"},
        ],
    )  # fmt: skip
    told = {(found.ranges[0].events[-1][1], found.erratum) for found in read(document)}
    assert told == {("1-10.el8", "RHSA-2024:0003"), ("1-8.el8_6.2", None)}


def test_architectures_are_kept_where_they_matter() -> None:
    document = vex(
        "CVE-2020-0001",
        ("fixed", APPS, "pkg:rpm/redhat/lib@2.el8?arch=x86_64"),
        ("fixed", APPS, "pkg:rpm/redhat/lib@3.el8?arch=s390x"),
        ("fixed", APPS, "pkg:rpm/redhat/tool@2.el8?arch=x86_64"),
        ("fixed", APPS, "pkg:rpm/redhat/tool@2.el8?arch=s390x"),
        ("fixed", APPS, "pkg:rpm/redhat/docs@2.el8?arch=noarch"),
    )
    told = {(f.name, dict(f.ranges[0].events)["fixed"], f.arches) for f in read(document)}
    assert told == {
        ("lib", "2.el8", ("x86_64",)), ("lib", "3.el8", ("s390x",)), ("tool", "2.el8", ()), ("docs", "2.el8", ())
    }  # fmt: skip


@pytest.mark.parametrize(
    ("cpe", "purl", "releases"),
    [
        ("cpe:/o:redhat:enterprise_linux:7", "pkg:rpm/redhat/a", ["7"]),
        ("cpe:/o:redhat:enterprise_linux:10.1", "pkg:rpm/redhat/a", ["10"]),
        ("cpe:/a:redhat:rhel_eus:9.2::crb", "pkg:rpm/redhat/a", ["9"]),
        ("cpe:/a:redhat:rhel_software_collections:3::el7", "pkg:rpm/redhat/a", ["7"]),
        ("cpe:/a:redhat:satellite:6.11::el8", "pkg:rpm/redhat/a", ["8"]),
        ("cpe:/a:redhat:openshift:4", "pkg:rpm/redhat/a@1-1.el9?arch=x86_64", ["9"]),
        ("cpe:/a:redhat:openshift:4", "pkg:rpm/redhat/a@1-1.module%2Bel8.6.0%2B1?arch=x86_64", ["8"]),
        ("cpe:/a:redhat:openshift:4", "pkg:rpm/redhat/a", ["7", "8", "9", "10"]),
        ("cpe:/a:redhat:jboss:4", "pkg:rpm/redhat/a@1-1.ep5?arch=noarch", []),
    ],
)
def test_the_release_is_in_the_product_or_in_the_build(cpe: str, purl: str, releases: list[str]) -> None:
    document = vex("CVE-2020-0001", ("fixed" if "@" in purl else "known_affected", cpe, purl))
    assert [found.namespace for found in read(document)] == [f"Red Hat:{release}" for release in releases]


def test_modules_are_told_in_three_ways() -> None:
    document = vex(
        "CVE-2020-0001",
        ("known_affected", APPS, "pkg:rpm/redhat/a?rpmmod=nodejs:16"),
        ("known_affected", APPS, "pkg:rpmmod/redhat/mysql@8.0/mysql-server"),
        ("fixed", APPS, "pkg:rpm/redhat/c@2.el8?arch=x86_64"),
    )
    tree = document["product_tree"]
    helper = {"purl": "pkg:rpmmod/redhat/ruby@3.1:8090020240213:a75119d5"}
    tree["branches"].append({"product": {"product_id": "ruby", "product_identification_helper": helper}})
    tree["relationships"] += [
        {"full_product_name": {"product_id": "m"}, "product_reference": "ruby", "relates_to_product_reference": APPS}
    ]
    tree["relationships"][2]["relates_to_product_reference"] = "m"
    assert {(found.name, found.module) for found in read(document)} == {
        ("a", "nodejs:16"), ("mysql-server", "mysql:8.0"), ("c", "ruby:3.1")
    }  # fmt: skip


def test_a_source_alone_stands_for_the_binary_of_its_name() -> None:
    old = vex("CVE-2020-0001", ("known_affected", BASE, "pkg:rpm/redhat/samba?arch=src"))
    assert [found.name for found in read(old)] == ["samba"]
    new = vex(
        "CVE-2020-0001",
        ("known_affected", BASE, "pkg:rpm/redhat/samba?arch=src"),
        ("known_affected", BASE, "pkg:rpm/redhat/libsmbclient"),
    )
    assert [found.name for found in read(new)] == ["libsmbclient"]


def test_what_is_no_document_is_counted_and_a_deleted_one_is_not() -> None:
    for content in (b"", b"[]", b'"x"', b"{}", b'{"document": {"tracking": {}}}', b"\xff{"):
        assert [type(record) for record in redhat.document(content)] == [Skipped]
    deleted = vex("CVE-2020-0001", ("known_affected", BASE, "pkg:rpm/redhat/a"))
    deleted["document"]["tracking"]["status"] = "deleted"
    assert list(redhat.document(json.dumps(deleted).encode())) == []


_WORDS = ["product_id", "product", "branches", "purl", "cpe", "details", "category", "product_ids", "fixed"]
_TEXTS = ["", "x", BASE, "pkg:rpm/redhat/a@1", "Important"]
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.sampled_from(_TEXTS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_WORDS), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(_JSON, _JSON, _JSON, st.sampled_from(["product_tree", "branches", "relationships", "product_status", "threats"]))
def test_absurd_documents_are_read_without_a_fall(a: Any, b: Any, c: Any, place: str) -> None:
    document = vex("CVE-2020-0001", ("fixed", BASE, "pkg:rpm/redhat/a@1-1.el8?arch=x86_64"))
    vulnerability = document["vulnerabilities"][0]
    if place in ("branches", "relationships"):
        document["product_tree"][place] = a
    elif place == "product_tree":
        document[place] = a
    else:
        vulnerability[place] = a
    vulnerability |= {"scores": b, "remediations": c}
    for record in redhat.document(json.dumps(document).encode()):
        assert isinstance(record, Advisory | Skipped)


@pytest.mark.parametrize("text", ["", "pkg:", "pkg:rpm", "pkg:rpm/", "x", "pkg:rpm/a@", "pkg:rpm/a?%"])
def test_odd_purls_are_none_or_have_a_name(text: str) -> None:
    found = csaf.purl(text)
    assert found is None or found.name


def test_products_nested_without_end_are_left() -> None:
    inner: dict[str, Any] = {}
    for _ in range(200):
        inner = {"branches": [inner]}
    document = vex("CVE-2020-0001", ("known_affected", BASE, "pkg:rpm/redhat/a"))
    document["product_tree"]["branches"].append(inner)
    assert len(read(document)) == 1
    loop = [{"full_product_name": {"product_id": "a"}, "product_reference": "a", "relates_to_product_reference": "a"}]
    document["product_tree"]["relationships"] = loop
    document["vulnerabilities"][0]["product_status"] = {"fixed": ["a"]}
    assert read(document) == ()


# --- the archive and what changed since ----------------------------------------------------------


def archived(*documents: dict[str, Any]) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as tar:
        for document in documents:
            raw = json.dumps(document).encode()
            info = tarfile.TarInfo(path(document))
            info.size = len(raw)
            tar.addfile(info, io.BytesIO(raw))
    return zstandard.compress(content.getvalue())


def path(document: dict[str, Any]) -> str:
    cve = document["vulnerabilities"][0]["cve"]
    return f"{cve.split('-')[1]}/{cve.lower()}.json"


class Publisher:
    """Serves the archive, its lists and single documents as Red Hat does."""

    def __init__(self, server: Any) -> None:
        self.files: dict[str, bytes] = server.files
        self.server = server
        self.put(redhat.REPOSITORIES, json.dumps({"data": {"eus-rpms": {"cpes": [EUS, f" {BASE}"]}}}).encode())
        self.changes: list[str] = []
        self.deletions: list[str] = []

    def put(self, url: str, content: bytes) -> None:
        self.files[url.removeprefix("https://")] = content

    def archive(self, day: str, *documents: dict[str, Any]) -> None:
        self.put(redhat.LATEST, f"csaf_vex_{day}.tar.zst".encode())
        self.put(f"{redhat.BASE}/csaf_vex_{day}.tar.zst", archived(*documents))
        self.lists()

    def change(self, document: dict[str, Any], moment: str) -> None:
        self.put(f"{redhat.BASE}/{path(document)}", json.dumps(document).encode())
        self.changes = [line for line in self.changes if path(document) not in line]
        self.changes.append(f'"{path(document)}","{moment}"')
        self.lists()

    def lists(self) -> None:
        self.put(redhat.CHANGES, "\n".join(self.changes).encode())
        self.put(redhat.DELETIONS, "\n".join(self.deletions).encode())

    def update(self, root: Path) -> Updated:
        with HttpTransport(self.server.url, sleep=lambda seconds: None, attempts=2) as transport:
            return update(root, transport, feeds=[BY_NAME["redhat"]])


@pytest.fixture
def publisher(feed_server: Any) -> Publisher:
    return Publisher(feed_server)


def lib(cve: str, version: str, cpe: str = BASE) -> dict[str, Any]:
    return vex(cve, ("fixed", cpe, f"pkg:rpm/redhat/lib@{version}.el8?arch=x86_64"))


def ranges(database: Database) -> dict[str, str]:
    found = pq.read_table(database.parquet("ranges")).to_pylist()
    return {row["advisory_id"]: row["fixed"] for row in found}


def test_after_the_archive_only_what_changed_is_fetched(publisher: Publisher, tmp_path: Path) -> None:
    a, b, c = (lib(f"CVE-2024-000{n}", "1") for n in (1, 2, 3))
    publisher.change(b, "2025-05-01T00:00:00+00:00")  # long before the archive: it is in there
    publisher.archive("2025-06-10", a, b, c)
    first = publisher.update(tmp_path)
    assert first.warnings == ()
    assert ranges(first.database) == {f"CVE-2024-000{n}": "1.el8" for n in (1, 2, 3)}
    assert pq.read_table(first.database.parquet("repository_cpes")).to_pylist() == [
        {"repository": "eus-rpms", "cpe": EUS}, {"repository": "eus-rpms", "cpe": BASE}
    ]  # fmt: skip

    publisher.server.counted()
    assert not publisher.update(tmp_path).rebuilt
    assert set(publisher.server.counted().values()) == {1}

    publisher.change(lib("CVE-2024-0002", "2"), "2025-06-12T10:00:00+00:00")
    publisher.change(lib("CVE-2024-0009", "9"), "2025-06-12T11:00:00+00:00")
    publisher.deletions = [f'"{path(c)}","2025-06-11T00:00:00+00:00"']
    publisher.lists()
    second = publisher.update(tmp_path)
    assert ranges(second.database) == {"CVE-2024-0001": "1.el8", "CVE-2024-0002": "2.el8", "CVE-2024-0009": "9.el8"}
    asked = publisher.server.counted()
    assert [name for name in asked if name.endswith(("0002.json", "0009.json"))] and asked.total() == 7
    assert not publisher.update(tmp_path).rebuilt  # what was fetched after it changed is not asked for again
    assert not [name for name in publisher.server.counted() if "cve-" in name]


def test_a_new_archive_takes_the_place_of_the_old_one_and_its_changes(publisher: Publisher, tmp_path: Path) -> None:
    publisher.archive("2025-06-10", lib("CVE-2024-0001", "1"))
    publisher.change(lib("CVE-2024-0001", "2"), "2025-06-11T00:00:00+00:00")
    publisher.update(tmp_path)
    publisher.archive("2025-06-17", lib("CVE-2024-0001", "3"))
    done = publisher.update(tmp_path)
    assert ranges(done.database) == {"CVE-2024-0001": "3.el8"}
    files = [path for path in (tmp_path / "workspace" / "redhat").rglob("*") if path.is_file()]
    assert sorted(path.name for path in files if not any(part.startswith(".") for part in path.parts[-4:])) == [
        "archive_latest.txt", "changes.csv", "csaf_vex_2025-06-17.tar.zst",
        "deletions.csv", "repository-to-cpe.json", "state.json",
    ]  # fmt: skip


def test_a_document_that_was_deleted_and_written_again_counts(publisher: Publisher, tmp_path: Path) -> None:
    document = lib("CVE-2024-0001", "1")
    publisher.deletions = [f'"{path(document)}","2025-06-11T00:00:00+00:00"']
    publisher.archive("2025-06-10", document)
    assert ranges(publisher.update(tmp_path).database) == {}
    publisher.change(lib("CVE-2024-0001", "5"), "2025-06-12T00:00:00+00:00")
    assert ranges(publisher.update(tmp_path).database) == {"CVE-2024-0001": "5.el8"}


@pytest.mark.parametrize("damage", [b"", b"<html>", b"\x28\xb5\x2f\xfd", zstandard.compress(b"no tar"), archived()])
def test_a_damaged_archive_leaves_the_last_good_one(publisher: Publisher, tmp_path: Path, damage: bytes) -> None:
    publisher.archive("2025-06-10", lib("CVE-2024-0001", "1"))
    publisher.change(lib("CVE-2024-0002", "2"), "2025-06-11T00:00:00+00:00")
    publisher.update(tmp_path)
    publisher.put(redhat.LATEST, b"csaf_vex_2025-06-17.tar.zst")
    publisher.put(f"{redhat.BASE}/csaf_vex_2025-06-17.tar.zst", damage)
    done = publisher.update(tmp_path)
    assert ranges(done.database) == {"CVE-2024-0001": "1.el8", "CVE-2024-0002": "2.el8"} and len(done.warnings) == 1


def test_a_list_that_leads_elsewhere_is_refused(publisher: Publisher, tmp_path: Path) -> None:
    publisher.archive("2025-06-10", lib("CVE-2024-0001", "1"))
    publisher.changes = ['"../../etc/passwd","2025-06-12T00:00:00+00:00"', '"2024/cve-2024-1.json"', "x"]
    publisher.lists()
    done = publisher.update(tmp_path)
    assert ranges(done.database) == {"CVE-2024-0001": "1.el8"} and "changes.csv" in done.warnings[0]
    (tmp_path / "latest").write_text("../../../etc/shadow")
    with pytest.raises(FeedInvalid):
        redhat.check_latest(tmp_path / "latest")


def test_an_image_of_extended_support_is_judged_by_its_own_fixes(publisher: Publisher, tmp_path: Path) -> None:
    document = vex(
        "CVE-2024-0001",
        ("fixed", APPS, "pkg:rpm/redhat/lib@1-10.el8_10?arch=x86_64"),
        ("fixed", EUS, "pkg:rpm/redhat/lib@1-8.el8_6.2?arch=x86_64"),
        threats=[{"category": "impact", "details": "Critical", "product_ids": [
            f"{EUS}|pkg:rpm/redhat/lib@1-8.el8_6.2?arch=x86_64"]}],
        scores=[{"cvss_v3": {"baseScore": 7.5, "vectorString": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H"},
                 "products": []}],
        remediations=[{"category": "vendor_fix", "url": "https://access.redhat.com/errata/RHSA-2024:1234",
                       "product_ids": [f"{APPS}|pkg:rpm/redhat/lib@1-10.el8_10?arch=x86_64"]}],
    )  # fmt: skip
    publisher.archive("2025-06-10", document)
    database = publisher.update(tmp_path).database
    package = {"ecosystem": "rpm", "name": "lib", "version": "1-8.el8_6.2", "arch": "x86_64", "namespace": "Red Hat:8"}
    rows = [
        package | {"package_id": 1, "origin": "Red Hat, Inc.", "repositories": None},
        package | {"package_id": 1, "origin": "Red Hat, Inc.", "repositories": ["eus-rpms"]},
        package | {"package_id": 2, "version": "1-8.el8_6.1", "repositories": ["eus-rpms"]},
    ]
    with duckdb.connect() as con:
        hits = match.hits(con, database, pa.Table.from_pylist(rows, schema=match.CANDIDATES))
        found = findings.merge(con, database, hits).to_pylist()
        reasons = [v.reason for v in match.explain(con, database, pa.Table.from_pylist(rows[:1], match.CANDIDATES))]
    assert sorted(f["advisories"] for f in found) == [["CVE-2024-0001"], ["CVE-2024-0001", "RHSA-2024:1234"]]
    assert reasons == [
        "1-8.el8_6.2 is in the range it gives: from the first version to before 1-10.el8_10 (RHSA-2024:1234)"
    ]
    told = {
        (f["package_id"], f["channel"] is None): (f["fixed_version"], f["severity"], f["severity_source"])
        for f in found
    }
    assert told == {(1, True): ("1-10.el8_10", "medium", "redhat"), (2, False): ("1-8.el8_6.2", "critical", "redhat")}
    assert key("1-8.el8_6.2") < key("1-10.el8_10")

"""What VEX documents, ignore files and waivers say, as statements."""

from __future__ import annotations

import json
import zipfile
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grid.errors import EstateInvalid, SuppressionInvalid
from grid.estate import Estate, parse_estate
from grid.suppression import Statement, ignorefile, read_document, statements

APP = "pkg:oci/app@sha256%3A" + "a" * 64 + "?repository_url=ghcr.io/acme/app"


def openvex(*said: dict[str, Any], **more: Any) -> list[Statement]:
    document = {"@context": "https://openvex.dev/ns/v0.2.0", "timestamp": "2026-01-01T00:00:00Z", "statements": said}
    return read_document(json.dumps(document | more).encode(), "x.json")


def said(**more: Any) -> dict[str, Any]:
    return {
        "vulnerability": {"name": "CVE-1"}, "products": [{"@id": "pkg:deb/debian/curl@1"}], "status": "not_affected",
        "justification": "component_not_present",
    } | more  # fmt: skip


# --- OpenVEX -------------------------------------------------------------------------------------


def test_a_statement_has_all_ids_its_packages_its_reason_and_its_time() -> None:
    (found,) = openvex(
        said(
            vulnerability={"name": "CGA-1", "aliases": ["CVE-1", "GHSA-1"]},
            products=[{"@id": "pkg:npm/a@1"}, {"identifiers": {"purl": "pkg:npm/b"}, "@id": "https://acme/b"}],
            impact_statement="never\n called",
            last_updated="2026-02-01T01:00:00+01:00",
        )
    )
    assert (found.kind, found.origin, found.status) == ("vex", "x.json#1", "not_affected")
    assert found.ids == ("CGA-1", "CVE-1", "GHSA-1")
    assert found.packages == ("pkg:npm/a@1", "pkg:npm/b")
    assert (found.justification, found.reason) == ("component_not_present", "never called")
    assert found.issued_at == datetime(2026, 2, 1, tzinfo=UTC)
    assert found.state(date(2026, 1, 1)) == "applies"


def test_the_older_form_with_plain_texts_is_read() -> None:
    (found,) = openvex(said(vulnerability="CVE-1", products=[APP], subcomponents=["pkg:apk/alpine/ssl@3"]))
    assert (found.ids, found.packages, found.digest) == (("CVE-1",), ("pkg:apk/alpine/ssl@3",), "sha256:" + "a" * 64)


def test_a_product_that_is_an_image_means_its_subcomponents_or_all_of_it() -> None:
    whole, part = openvex(
        said(products=[{"@id": APP}]),
        said(products=[{"@id": "pkg:oci/app?repository_url=ghcr.io/acme&tag=v1&arch=arm64",
                        "subcomponents": [{"@id": "pkg:apk/alpine/ssl@3"}]}]),
    )  # fmt: skip
    assert (whole.digest, whole.packages) == ("sha256:" + "a" * 64, ())
    assert (part.registry, part.repositories, part.tags, part.arch) == ("ghcr.io", ("acme/app",), ("v1",), "arm64")
    assert part.packages == ("pkg:apk/alpine/ssl@3",)


@pytest.mark.parametrize(
    ("product", "registry", "repositories", "digest"),
    [
        ("pkg:oci/app", "", ("app", "*/app"), ""),
        ("pkg:oci/debian?repository_url=index.docker.io/library/debian", "docker.io", ("library/debian",), ""),
        ("pkg:docker/acme/app@sha256:" + "b" * 64, "", (), "sha256:" + "b" * 64),
        ("ghcr.io/acme/app@sha256:" + "b" * 64, "", (), "sha256:" + "b" * 64),
        ("sha256:" + "b" * 64, "", (), "sha256:" + "b" * 64),
    ],
)
def test_names_of_images(product: str, registry: str, repositories: tuple[str, ...], digest: str) -> None:
    (found,) = openvex(said(products=[{"@id": product}]))
    assert (found.registry, found.repositories, found.digest, found.problem) == (registry, repositories, digest, "")


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ({"justification": ""}, "not_affected needs a justification"),
        ({"status": "fixed", "products": [{"@id": "pkg:deb/debian/curl"}]}, "fixed needs a version"),
        ({"status": "fixed", "products": [{"@id": "pkg:oci/app"}]}, "fixed needs a version"),
        ({"status": "mitigated"}, "status 'mitigated'"),
        ({"products": []}, "names no product"),
        ({"products": [{"@id": "https://acme.example/product"}]}, "names no product that is"),
        (
            {"products": [{"@id": "pkg:generic/vm", "subcomponents": [{"@id": "pkg:npm/a"}]}]},
            "names no product that is",
        ),
        ({"vulnerability": {}}, "names no vulnerability"),
    ],
)
def test_a_statement_that_lacks_something_is_kept_and_does_not_apply(more: dict[str, Any], problem: str) -> None:
    (found,) = openvex(said(**more))
    assert problem in found.problem and found.state(date(2026, 1, 1)) == "invalid"


def test_an_impact_statement_is_a_justification_too() -> None:
    (found,) = openvex(said(justification="", impact_statement="not compiled in"))
    assert found.state(date(2026, 1, 1)) == "applies"


# --- CSAF ----------------------------------------------------------------------------------------


def csaf(tree: dict[str, Any], *vulnerabilities: dict[str, Any]) -> list[Statement]:
    document = {
        "document": {"category": "csaf_vex", "csaf_version": "2.0",
                     "tracking": {"current_release_date": "2026-01-01T00:00:00Z"}},
        "product_tree": tree, "vulnerabilities": vulnerabilities,
    }  # fmt: skip
    return read_document(json.dumps(document).encode(), "x.json")


def product(id: str, purl: str = "", cpe: str = "") -> dict[str, Any]:
    helper = {k: v for k, v in (("purl", purl), ("cpe", cpe)) if v}
    return {"product_id": id, "name": id, "product_identification_helper": helper}


def test_flags_and_impacts_are_the_justification_of_their_products() -> None:
    found = csaf(
        {"branches": [{"branches": [{"product": product("a", "pkg:npm/a@1")}, {"product": product("b", "pkg:npm/b")}]}],
         "full_product_names": [product("c", "pkg:npm/c@1")],
         "product_groups": [{"group_id": "g", "product_ids": ["b"]}]},
        {"cve": "CVE-1", "product_status": {"known_not_affected": ["a", "b"], "fixed": ["c"], "known_affected": ["a"]},
         "flags": [{"label": "component_not_present", "product_ids": ["a"]}],
         "threats": [{"category": "impact", "details": "not called", "group_ids": ["g"]}]},
    )  # fmt: skip
    assert [(s.status, s.packages, s.justification, s.reason, s.problem) for s in found] == [
        ("not_affected", ("pkg:npm/a@1",), "component_not_present", "", ""),
        ("not_affected", ("pkg:npm/b",), "", "not called", ""),
        ("fixed", ("pkg:npm/c@1",), "", "", ""),
        ("affected", ("pkg:npm/a@1",), "component_not_present", "", ""),
    ]
    assert {s.ids for s in found} == {("CVE-1",)} and found[0].issued_at == datetime(2026, 1, 1, tzinfo=UTC)


def test_a_component_counts_on_an_image_or_on_a_release_and_nowhere_else() -> None:
    tree = {
        "full_product_names": [
            product("ssl", "pkg:rpm/redhat/openssl@3.0.7-1.el9?arch=src"), product("image", APP),
            product("el9", cpe="cpe:/o:redhat:enterprise_linux:9::baseos"), product("router", cpe="cpe:/h:acme:r:1"),
        ],
        "relationships": [
            {"category": "default_component_of", "product_reference": "ssl", "relates_to_product_reference": whole,
             "full_product_name": {"product_id": f"ssl-{whole}", "name": whole}}
            for whole in ("image", "el9", "router")
        ],
    }  # fmt: skip
    problem = {"cve": "CVE-1", "flags": [{"label": "inline_mitigations_already_exist"}]}
    (image,) = csaf(tree, problem | {"product_status": {"known_not_affected": ["ssl-image"]}})
    assert image.digest and image.packages == ("pkg:rpm/redhat/openssl@3.0.7-1.el9?arch=src",)
    assert image.justification == "inline_mitigations_already_exist"
    (release,) = csaf(tree, problem | {"product_status": {"known_not_affected": ["ssl-el9", "ssl-router"]}})
    assert release.packages == ("pkg:rpm/redhat/openssl@3.0.7-1.el9?arch=src&distro=rhel-9",)
    (router,) = csaf(tree, problem | {"product_status": {"known_not_affected": ["ssl-router"]}})
    assert "names no product" in router.problem


# --- ignore files --------------------------------------------------------------------------------


def test_a_plain_ignore_file() -> None:
    found = ignorefile.read(b"# accepted\nCVE-1\n\nCVE-2 exp:2027-01-31\nGHSA-x # why not\n", ".trivyignore")
    assert [(s.origin, s.ids, s.expires, s.reason, s.status) for s in found] == [
        (".trivyignore:2", ("CVE-1",), None, "accepted", "accepted"),
        (".trivyignore:4", ("CVE-2",), date(2027, 1, 31), "", "accepted"),
        (".trivyignore:5", ("GHSA-x",), None, "", "accepted"),
    ]


def test_a_yaml_ignore_file() -> None:
    text = b"""\
vulnerabilities:
  - id: CVE-1
    paths: ["usr/lib/**"]
    purls: ["pkg:deb/debian/curl"]
    expired_at: 2027-01-31
    statement: not reachable
  - id: CVE-2
secrets:
  - id: aws-access-token
    paths: ["usr/share/**"]
"""
    first, second, secret = ignorefile.read(text, "ignore.yaml")
    assert (first.origin, first.ids, first.paths, first.packages) == (
        "ignore.yaml:2", ("CVE-1",), ("usr/lib/**",), ("pkg:deb/debian/curl",),
    )  # fmt: skip
    assert (first.expires, first.reason) == (date(2027, 1, 31), "not reachable")
    assert (second.origin, second.expires, second.secrets) == ("ignore.yaml:7", None, ())
    assert (secret.origin, secret.ids, secret.secrets) == ("ignore.yaml:9", (), ("aws-access-token",))
    assert secret.paths == ("usr/share/**",) and second.about_findings and not secret.about_findings
    assert ignorefile.read(b"", "ignore.yaml") == []


@pytest.mark.parametrize(
    ("content", "name", "says"),
    [
        (b"CVE-1 exp:soon\n", ".trivyignore", ".trivyignore:1: 'soon' is not a date"),
        (b"vulnerabilities: [\n", "i.yaml", "i.yaml:2:"),
        (b"vulnerabilities: {}\n", "i.yaml", "i.yaml:1:"),
        (b"- a\n", "i.yaml", "i.yaml:1:"),
        (b"secrets:\n  - {paths: [a]}\n", "i.yaml", "i.yaml:2: an entry needs an id"),
        (b"vulnerabilities:\n  - {}\n", "i.yaml", "i.yaml:2: an entry needs an id"),
        (b"vulnerabilities:\n  - {id: a, purls: [curl]}\n", "i.yaml", "not a package URL"),
        (b"vulnerabilities:\n  - {id: a, paths: x}\n", "i.yaml", "lists of texts"),
        (b"vulnerabilities:\n  - {id: a, expired_at: 2027-02-30}\n", "i.yaml", "i.yaml:2: '2027-02-30' is not a date"),
        (b"vulnerabilities:\n- id: a\n  id: b\n", "i.yaml", "i.yaml:3: a mapping's keys"),
        (b"vulnerabilities:\n- {id: *a}\n", "i.yaml", "i.yaml:2: nothing is called a"),
        (b"secrets:\n- {id: a}\n---\na\n", "i.yaml", "i.yaml:4: an ignore file is one document"),
        (b"a: " + b"[" * 500_000, "i.yaml", "i.yaml:1: more than 50 collections in each other"),
        (b"- " * 500_000, "i.yaml", "i.yaml:1: more than 50 collections in each other"),
    ],
)
def test_a_mistake_in_an_ignore_file_names_its_line(content: bytes, name: str, says: str) -> None:
    with pytest.raises(SuppressionInvalid) as caught:
        ignorefile.read(content, name)
    assert says in caught.value.message


@pytest.mark.parametrize(
    ("field", "name", "mib"),
    [("ignorefiles", "i.yaml", 4), ("ignorefiles", "i.yml", 4), ("ignorefiles", ".trivyignore", 16), ("vex", "v", 64)],
)
def test_a_file_that_would_take_long_to_read_is_refused_by_its_size(
    tmp_path: Path, field: str, name: str, mib: int
) -> None:
    file = tmp_path / name
    with file.open("wb") as out:
        out.truncate((mib << 20) + 1)
    with pytest.raises(SuppressionInvalid, match=f"larger than {mib} MiB") as caught:
        statements(Estate(images=("a",), **{field: (str(file),)}))
    assert caught.value.message.startswith(str(file)) and caught.value.remedy


def test_dates_and_nulls_are_as_in_yaml() -> None:
    entries = (
        "- {id: a, expired_at: 2027-1-5}\n"
        "- id: b\n  expired_at: 2027-01-31T10:00:00Z\n  statement: ~\n- {id: c, paths: }\n"
    )
    found = ignorefile.read(f"vulnerabilities:\n{entries}".encode(), "i.yaml")
    assert [(s.expires, s.reason, s.paths) for s in found] == [
        (date(2027, 1, 5), "", ()), (date(2027, 1, 31), "", ()), (None, "", ()),
    ]  # fmt: skip


def test_an_ignore_file_of_the_largest_size_is_read(tmp_path: Path) -> None:
    file = tmp_path / "i.yaml"
    file.write_bytes(b"vulnerabilities:\n- id: CVE-1\n".ljust(ignorefile.MAX_YAML, b"#"))
    assert [s.ids for s in statements(Estate(images=("a",), ignorefiles=(str(file),)))] == [("CVE-1",)]


def test_few_words_cannot_stand_for_very_many_statements() -> None:
    texts = ", ".join(["a"] * 1000)
    entries = "- {id: CVE-1, paths: *all}\n" * 101
    with pytest.raises(SuppressionInvalid, match=r"i\.yaml:103: more than 100,000 paths and purls"):
        ignorefile.read(f"all: &all [{texts}]\nvulnerabilities:\n{entries}".encode(), "i.yaml")
    parts = [f"pkg:apk/alpine/p{i}" for i in range(1001)]
    with pytest.raises(SuppressionInvalid, match=r"x\.json: more than 1,000,000 packages of images"):
        openvex(said(products=[APP] * 1000, subcomponents=parts))
    csaf = {
        "document": {"csaf_version": "2.0"},
        "product_tree": {"product_groups": [{"group_id": "g", "product_ids": ["p"] * 1001}]},
        "vulnerabilities": [{"cve": "CVE-1", "flags": [{"label": "x", "group_ids": ["g"] * 2000}]}],
    }
    with pytest.raises(SuppressionInvalid, match=r"x\.json: names more than 2,000,000 products by their groups"):
        read_document(json.dumps(csaf).encode(), "x.json")


# --- waivers, and the order of all ---------------------------------------------------------------

ESTATE = """\
images: [busybox]
waivers:
  - id: CVE-1
    reason: not reachable
  - id: [CVE-2, CVE-3]
    purl: pkg:deb/debian/curl
    repository: ["shop/*", "!shop/attic"]
    tag: v1
    expires: 2027-01-31
    reason: later
"""


def test_waivers_are_statements_with_their_line() -> None:
    first, second = statements(parse_estate(ESTATE, "estate.yaml"))
    assert (first.kind, first.origin, first.ids, first.reason) == (
        "waiver", "estate.yaml:3", ("CVE-1",), "not reachable",
    )  # fmt: skip
    assert (second.origin, second.ids, second.packages) == (
        "estate.yaml:5", ("CVE-2", "CVE-3"), ("pkg:deb/debian/curl",),
    )  # fmt: skip
    assert (second.repositories, second.tags) == (("shop/*", "!shop/attic"), ("v1",))
    assert second.state(date(2027, 1, 30)) == "applies" and second.state(date(2027, 1, 31)) == "expired"


@pytest.mark.parametrize(
    ("waiver", "line", "says"),
    [
        ("{reason: x}", 3, "an id, a purl or a secret"),
        ("{id: CVE-1, secret: aws, reason: x}", 3, "not about both"),
        ("{id: CVE-1}", 3, "reason"),
        ("{id: CVE-1, reason: x, expires: soon}", 3, "expires"),
        ("{purl: curl, reason: x}", 3, "package URL"),
        ("{id: CVE-1, reason: x, repo: y}", 3, "repo"),
    ],
)
def test_a_mistake_in_a_waiver_names_its_line(waiver: str, line: int, says: str) -> None:
    with pytest.raises(EstateInvalid) as caught:
        parse_estate(f"images: [a]\nwaivers:\n  - {waiver}\n", "estate.yaml")
    assert caught.value.message.startswith(f"estate.yaml:{line}:") and says in caught.value.message


def test_waivers_do_not_make_another_estate_so_an_unfinished_sweep_goes_on() -> None:
    assert parse_estate(ESTATE).rules_hash() == parse_estate("images: [busybox]").rules_hash()


def test_the_newest_vex_statement_comes_first_then_waivers_then_ignore_files(tmp_path: Path) -> None:
    folder = tmp_path / "vex"
    folder.mkdir()
    for name, day, status in (("a", 1, "not_affected"), ("b", 3, "affected"), ("c", 2, "fixed")):
        document = {"@context": "https://openvex.dev/ns/v0.2.0", "timestamp": f"2026-01-0{day}T00:00:00Z",
                    "statements": [said(status=status), said(status=status)]}  # fmt: skip
        (folder / f"{name}.json").write_text(json.dumps(document))
    (tmp_path / "ignore").write_text("CVE-9\n")
    estate = parse_estate(ESTATE, "estate.yaml").model_copy(
        update={"vex": (str(folder),), "ignorefiles": (str(tmp_path / "ignore"),)}
    )
    order = [(s.kind, Path(s.origin).name) for s in statements(estate)]
    assert order == [
        ("vex", "b.json#2"), ("vex", "b.json#1"), ("vex", "c.json#2"), ("vex", "c.json#1"), ("vex", "a.json#2"),
        ("vex", "a.json#1"), ("waiver", "estate.yaml:3"), ("waiver", "estate.yaml:5"), ("ignore", "ignore:1"),
    ]  # fmt: skip


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    for field in ("vex", "ignorefiles"):
        with pytest.raises(SuppressionInvalid, match=r"gone\.json: No such file"):
            statements(Estate(images=("a",), **{field: (str(tmp_path / "gone.json"),)}))


def test_a_statement_survives_its_row() -> None:
    for statement in [
        *statements(parse_estate(ESTATE)),
        *openvex(said(), said(products=[{"@id": APP}]), said(status="x")),
    ]:
        assert Statement.of_row(statement.row()) == statement


# --- hostile and real documents ------------------------------------------------------------------

scraps = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from([APP, "pkg:npm/a@1", "pkg:"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            ["statements", "products", "vulnerability", "status", "@id", "subcomponents", "document", "product_tree",
             "branches", "product", "vulnerabilities", "product_status", "fixed", "flags", "csaf_version", "product_id",
             "relationships", "product_identification_helper", "purl", "timestamp", "tracking"]
        ),
        inner, max_size=4,
    ),
    max_leaves=12,
)  # fmt: skip


@settings(max_examples=150)
@given(scraps, st.sampled_from([{"@context": "https://openvex.dev/ns"}, {"document": {"csaf_version": "2.0"}}, {}]))
def test_no_document_does_worse_than_being_refused(scrap: Any, head: dict[str, Any]) -> None:
    document = (scrap if isinstance(scrap, dict) else {"statements": scrap, "vulnerabilities": scrap}) | head
    try:
        found = read_document(json.dumps(document).encode(), "x.json")
    except SuppressionInvalid:
        return
    assert all(isinstance(s, Statement) and s.row() for s in found)


@settings(max_examples=100)
@given(st.binary(max_size=200), st.sampled_from(["i", "i.yaml"]))
def test_no_ignore_file_does_worse_than_being_refused(content: bytes, name: str) -> None:
    try:
        ignorefile.read(content, name)
    except SuppressionInvalid as error:
        assert error.message.startswith(f"{name}:")


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{}", b"null", b"{" * 100_000, b'{"a": ' * 5000, b"\xff\xfe", b'{"statements": 1}']
)
def test_what_is_no_vex_document_is_refused(content: bytes) -> None:
    with pytest.raises(SuppressionInvalid, match=r"x\.json"):
        read_document(content, "x.json")


@pytest.mark.data
def test_documents_of_canonical_chainguard_and_red_hat(shared_images: Path) -> None:
    samples = shared_images.parent / "feeds" / "samples"
    statuses: dict[str, set[str]] = {}
    bad: dict[str, int] = {}
    for name, part in (("ubuntu", "/vex/"), ("chainguard_libraries", "openvex"), ("rhel", "/csaf/advisories/")):
        with zipfile.ZipFile(samples / f"{name}.zip") as archive:
            for member in archive.namelist():
                if part in member and "/snapshots/" not in member and member.endswith(".json"):
                    if member.endswith("all.json"):
                        continue
                    for s in read_document(archive.read(member), member):
                        statuses.setdefault(name, set()).add(s.status)
                        bad[name] = bad.get(name, 0) + bool(s.problem)
                        assert s.ids
    assert statuses["ubuntu"] == {"fixed", "affected", "not_affected"}
    assert "fixed" in statuses["chainguard_libraries"] and "fixed" in statuses["rhel"]
    assert bad["ubuntu"] == bad["chainguard_libraries"] == 0

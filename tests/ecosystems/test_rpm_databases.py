"""rpm's databases: every backend, every damage."""

from __future__ import annotations

import shutil
import sqlite3
import struct
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packageurl import PackageURL

from grid.ecosystems._rpm.sqlite import blobs
from grid.ecosystems.rpm import ECOSYSTEM
from grid.model import Limits, Note, OwnedFile, Package
from grid.testing import accept_ecosystem
from grid.testing.rpm import BACKENDS, BDB, NDB, SQLITE, Value, bdb, header, ndb, package, sqlite

Build = Callable[[Sequence[bytes]], bytes]
backends = pytest.mark.parametrize(("path", "build"), BACKENDS.values(), ids=BACKENDS)

FULL = header(
    name="nodejs-libs",
    version="16.20.2",
    release="8.module+el8",
    epoch=1,
    summary="JavaScript runtime",
    arch="x86_64",
    license="MIT and ASL 2.0",
    vendor="Red Hat, Inc.",
    sourcerpm="nodejs-16.20.2-8.module+el8.src.rpm",
    modularitylabel="nodejs:16:8090020230920:a75119d5:x86_64",
    basenames=["node", "package.json", "index.js", "log"],
    dirnames=["/usr/bin/", "/usr/lib/node_modules/npm/", "/var/"],
    dirindexes=[0, 1, 1, 2],
)
LARGE = package("large", summary="x" * 100_000)
KEY = package("gpg-pubkey", "8483c65d", "5ccc5b19", license="pubkey")


def read(path: str, content: bytes) -> list[Package | Note]:
    return list(ECOSYSTEM.read(path, content, Limits()))


def names(found: Sequence[Package | Note]) -> list[str]:
    return sorted(p.name for p in found if isinstance(p, Package))


def notes(found: Sequence[Package | OwnedFile | Note]) -> list[str]:
    return [f"{n.code}: {n.message}" for n in found if isinstance(n, Note)]


def owned(path: str, content: bytes) -> list[OwnedFile | Note]:
    assert ECOSYSTEM.owned is not None
    return list(ECOSYSTEM.owned(path, content, Limits()))


def one(**tags: Value) -> Package:
    (found,) = read(NDB, ndb([package("a", "1", "2", **tags)]))
    assert isinstance(found, Package)
    return found


@backends
def test_every_backend_gives_all_packages_small_and_large_but_no_keys(path: str, build: Build) -> None:
    many = [package(f"p{i}", summary="s" * (i * 37 % 6000)) for i in range(150)]
    found = read(path, build([FULL, KEY, LARGE, *many]))
    assert names(found) == sorted(["nodejs-libs", "large", *(f"p{i}" for i in range(150))])
    assert not notes(found)


@backends
def test_a_package_carries_all_that_its_header_states(path: str, build: Build) -> None:
    assert read(path, build([FULL])) == [
        Package(
            name="nodejs-libs",
            version="1:16.20.2-8.module+el8",
            arch="x86_64",
            source_name="nodejs",
            source_version="1:16.20.2-8.module+el8",
            licenses=("MIT", "ASL 2.0"),
            modularity="nodejs:16",
            origin="Red Hat, Inc.",
            purl="pkg:rpm/nodejs-libs@16.20.2-8.module%2Bel8?arch=x86_64&epoch=1",
        )
    ]


@backends
def test_its_files_are_owned(path: str, build: Build) -> None:
    assert owned(path, build([FULL, LARGE])) == [
        OwnedFile("usr/bin/node", "nodejs-libs"),
        OwnedFile("usr/lib/node_modules/npm/package.json", "nodejs-libs"),
        OwnedFile("usr/lib/node_modules/npm/index.js", "nodejs-libs"),
        OwnedFile("var/log", "nodejs-libs"),
    ]


def test_what_a_header_leaves_out_is_empty() -> None:
    assert one() == Package(name="a", version="1-2", purl="pkg:rpm/a@1-2")


def test_an_epoch_is_kept_as_it_is_stated_and_given_to_the_source() -> None:
    zero = one(epoch=0, sourcerpm="the-source-3.1-4.nosrc.rpm")
    assert (zero.version, zero.source_name, zero.source_version) == ("0:1-2", "the-source", "0:3.1-4")
    assert one(sourcerpm="a-1-2.src.rpm").source_version == "1-2"


@pytest.mark.parametrize("source", ["", "(none)", "a.src.rpm", "a-1.src.rpm", "a-1-2.rpm"])
def test_a_source_that_is_no_file_of_a_source_package_is_none(source: str) -> None:
    assert (one(sourcerpm=source).source_name, one(sourcerpm=source).source_version) == ("", "")


@pytest.mark.parametrize(
    ("label", "stream"), [("", ""), ("perl", "perl"), ("perl:5.26", "perl:5.26"), ("ruby:3.1:8:c:x", "ruby:3.1")]
)
def test_a_module_is_its_name_and_stream(label: str, stream: str) -> None:
    assert one(modularitylabel=label).modularity == stream


def test_tags_behind_the_region_replace_those_in_it() -> None:
    (found,) = read(NDB, ndb([header({"release": "3", "arch": "s390x"}, name="a", version="1", release="2")]))
    assert isinstance(found, Package)
    assert (found.version, found.arch) == ("1-3", "s390x")


def test_file_names_may_be_in_the_form_of_rpm_3_and_in_any_bytes() -> None:
    old = package("old", oldfilenames=["/bin/ls", "/"])
    odd = package("odd", basenames=["caf\udce9"], dirnames=["/opt/"], dirindexes=[0])
    assert owned(BDB, bdb([old, odd])) == [OwnedFile("bin/ls", "old"), OwnedFile("opt/caf\\xe9", "odd")]


def test_a_folder_too_long_for_any_system_owns_nothing() -> None:
    wide = package("a", basenames=["f"] * 1000, dirnames=["/" + "x" * 100_000, "/"], dirindexes=[0] * 999 + [1])
    assert owned(SQLITE, sqlite([wide])) == [OwnedFile("f", "a")]


@backends
@pytest.mark.parametrize(
    "bad",
    [
        b"",
        b"\0\0\0\1",
        struct.pack(">2I", 0, 0),
        struct.pack(">2I", 0xFFFF_FFFF, 0),
        struct.pack(">2I", 1, 0xFFFF_FFFF),
        header(version="1", release="2"),
        header(name="a", release="2"),
        header(name="a", version="1"),
        header(name="a b", version="1", release="2"),
        header(name="a/b", version="1", release="2"),
        header(name="a", version="1", release="2", arch=" "),
        header(name="a", version=["1"], release="2"),
        header(name="a", version="1", release="2", epoch="x"),
        package()[:-30],
        struct.pack(">6I", 1, 4, 1000, 6, 9, 1) + b"a\0\0\0",
        struct.pack(">6I", 1, 4, 1000, 6, 0, 1) + b"aaaa",
    ],
    ids=lambda bad: f"{len(bad)} bytes {bad[-12:].hex()}",
)
def test_one_bad_header_is_a_note_and_the_others_are_read(path: str, build: Build, bad: bytes) -> None:
    found = read(path, build([FULL, bad, LARGE]))
    assert names(found) == ["large", "nodejs-libs"]
    (note,) = notes(found)
    assert note.startswith("Unparsable: ")


@pytest.mark.parametrize(
    "files",
    [
        {"basenames": ["a", "b"], "dirnames": ["/"], "dirindexes": [0]},
        {"basenames": ["a"], "dirnames": ["/"], "dirindexes": [1]},
        {"basenames": ["a"], "dirnames": ["/"]},
        {"basenames": ["a"], "dirindexes": [0]},
        {"basenames": "a", "dirnames": ["/"], "dirindexes": [0]},
    ],
    ids=repr,
)
def test_files_that_do_not_fit_their_folders_are_a_note(files: dict[str, Value]) -> None:
    found = owned(NDB, ndb([package("bad", **files), FULL]))
    assert len(found) == 5
    assert len(notes(found)) == 1


@backends
def test_many_damages_are_one_note(path: str, build: Build) -> None:
    found = read(path, build([package(f"p{i}")[:-40] for i in range(30)]))
    (note,) = notes(found)
    assert note.startswith("Unparsable: 30 records cannot be read, the first: ")


@backends
def test_a_file_that_is_cut_short_says_so(path: str, build: Build) -> None:
    whole = build([package(f"p{i}", summary="s" * 3000) for i in range(60)])
    for part in (len(whole) // 4, len(whole) // 2, len(whole) - 5000):
        found = read(path, whole[:part])
        assert len(names(found)) < 60
        assert notes(found), part


@pytest.mark.parametrize("path", [BDB, NDB, SQLITE])
def test_a_database_is_told_by_its_magic_not_by_its_name(path: str) -> None:
    for content in (bdb([FULL]), ndb([FULL]), sqlite([FULL])):
        assert names(read(path, content)) == ["nodejs-libs"]
    assert notes(read(path, b"something else")) == ["Unparsable: a database of a kind that is not known"]
    assert read(path, b"") == []


@pytest.mark.parametrize("path", ["Packages", "srv/var/lib/rpm/Packages", "var/lib/rpm/Name"])
def test_files_elsewhere_are_neither_asked_for_nor_read(path: str) -> None:
    assert not ECOSYSTEM.wants.matcher()(path, 0o644)
    assert read(path, bdb([FULL])) == []
    assert owned(path, bdb([FULL])) == []


def test_a_journal_that_holds_changes_is_a_note() -> None:
    assert ECOSYSTEM.wants.matcher()("var/lib/rpm/rpmdb.sqlite-wal", 0o644)
    assert read("var/lib/rpm/rpmdb.sqlite-wal", b"") == []
    assert notes(read("var/lib/rpm/rpmdb.sqlite-wal", b"7" * 4152))[0].startswith("JournalNotRead")


MANIFEST = "var/lib/rpmmanifest/container-manifest-2"


def test_the_manifest_of_a_distroless_image_is_read() -> None:
    lines = [
        "openssl-libs\t1.1.1k-21.cm2\t1670000000\t1669000000\tMicrosoft Corporation\t(none)\t2\tx86_64\t0\t"
        "openssl-1.1.1k-21.cm2.src.rpm",
        "dbus\t1.15.2-4.azl3\t1\t2\tMicrosoft Corporation\t3\t2\tx86_64\t3\tdbus-1.15.2-4.azl3.src.rpm",
        "gpg-pubkey\t3135ce90-5e6fda74\t1\t2\t(none)\t(none)\t0\t(none)\t0\t(none)",
        "too\tfew",
        "",
    ]
    openssl, dbus, note = read(MANIFEST, "\n".join(lines).encode())
    assert openssl == Package(
        name="openssl-libs",
        version="1.1.1k-21.cm2",
        arch="x86_64",
        source_name="openssl",
        source_version="1.1.1k-21.cm2",
        origin="Microsoft Corporation",
        purl="pkg:rpm/openssl-libs@1.1.1k-21.cm2?arch=x86_64",
    )
    assert isinstance(dbus, Package)
    assert (dbus.version, dbus.source_version) == ("3:1.15.2-4.azl3", "3:1.15.2-4.azl3")
    assert isinstance(note, Note)


# --- hostile files -------------------------------------------------------------------------------


def test_a_chain_of_pages_that_bites_its_tail_ends() -> None:
    content = bytearray(bdb([LARGE, FULL], size=4096))
    content[2 * 4096 + 16 : 2 * 4096 + 20] = struct.pack("<I", 1)  # the second overflow page leads to the first
    found = read(BDB, bytes(content))
    assert names(found) == ["nodejs-libs"]
    assert "page 1 is used twice" in notes(found)[0]


def test_records_that_share_their_bytes_are_read_once() -> None:
    content = bytearray(ndb([LARGE]))
    (slot,) = struct.unpack_from("16s", content, 32)
    for number in range(200):
        content[64 + 16 * number : 80 + 16 * number] = slot
    (note,) = notes(read(NDB, bytes(content)))
    assert "records overlap" in note


def test_a_tree_that_leads_to_itself_ends() -> None:
    content = bytearray(sqlite([package(f"p{i}", summary="s" * 300) for i in range(200)], 512))
    pages = [at for at in range(512, len(content), 512) if content[at] == 5]
    for at in pages:
        content[at + 8 : at + 12] = struct.pack(">I", at // 512 + 1)
    (note,) = notes(read(SQLITE, bytes(content)))
    assert "is used twice" in note


def test_a_file_of_nothing_but_damage_is_given_up() -> None:
    slots = struct.pack("<4s3I", b"Slot", 7, 1 << 30, 1) * 300_000
    content = struct.pack("<4s4I12x", b"RpmP", 0, 1, len(slots) // 4096, 1) + slots
    (note,) = notes(read(NDB, content))
    assert note.startswith("Unparsable: 1001 records cannot be read, the first: header 7 lies outside")


def test_no_count_of_a_header_is_believed() -> None:
    index = struct.pack(">16I", 1000, 6, 0, 1, 1001, 6, 0, 1, 1002, 6, 0, 1, 1117, 8, 0, 0x0FFF_FFFF)
    bomb = struct.pack(">2I", 4, 2_000_000) + index + b"a\0" * 1_000_000
    assert names(read(SQLITE, sqlite([bomb]))) == ["a"]
    (note,) = notes(owned(SQLITE, sqlite([bomb])))
    assert "tag 1117" in note


@pytest.mark.parametrize("table", ["packages", "Pakete"])
def test_an_sqlite_file_of_something_else_is_a_note(table: str, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "x") as con:
        con.execute(f"CREATE TABLE {table} (a)")
    con.close()
    assert notes(read(SQLITE, (tmp_path / "x").read_bytes())) == ["Unparsable: it has no table Packages"]


SMALL = {
    path + kind: build([FULL, package("b", summary="s" * 9000), KEY, *(package(f"p{i}") for i in range(12))])
    for kind, (path, build) in BACKENDS.items()
}


@settings(max_examples=200)
@given(
    which=st.sampled_from(sorted(SMALL)),
    changes=st.lists(st.tuples(st.floats(0, 1), st.sampled_from([1, 2, 4]), st.integers(0, 2**32 - 1)), max_size=6),
    end=st.floats(0.9, 1),
)
def test_whatever_is_changed_facts_or_notes_are_the_answer(
    which: str, changes: list[tuple[float, int, int]], end: float
) -> None:
    content = bytearray(SMALL[which])
    for place, width, value in changes:
        # Half of the changes go where the structure is, not into text.
        at = int(place * 2 % 1 * (len(content) if place < 0.5 else 800))
        content[at : at + width] = (value % 256**width).to_bytes(width, "big")
    content = content[: int(len(content) * end)]
    began = time.process_time()
    for found in (*read(BDB, bytes(content)), *owned(BDB, bytes(content))):
        assert isinstance(found, (Package, OwnedFile, Note))
    assert time.process_time() - began < 1


@settings(max_examples=200)
@given(*[st.text(max_size=4) | st.text(st.characters(max_codepoint=127), max_size=4)] * 3, st.integers(0, 9))
def test_any_text_makes_a_package_with_a_purl_of_its_own_or_a_note(
    name: str, release: str, arch: str, epoch: int
) -> None:
    texts = [text.replace("\0", "") for text in (name, release, arch)]
    tags = {"arch": texts[2]} if texts[2] else {}
    (found,) = read(NDB, ndb([package(texts[0], "1", texts[1], epoch=epoch, **tags)]))
    if isinstance(found, Package):
        purl = PackageURL.from_string(found.purl)
        assert isinstance(purl.qualifiers, dict)
        assert (purl.name, f"{purl.qualifiers['epoch']}:{purl.version}") == (found.name, found.version)
        assert purl.qualifiers.get("arch", "") == found.arch


@settings(max_examples=40)
@given(
    rows=st.lists(st.binary(max_size=40).map(lambda b: b * 40) | st.binary(max_size=300), max_size=60),
    size=st.sampled_from([512, 1024, 4096, 65536]),
)
def test_our_reader_sees_the_rows_that_sqlite_wrote(rows: list[bytes], size: int) -> None:
    assert list(blobs(sqlite(rows, size))) == rows


# --- rpm itself ----------------------------------------------------------------------------------

SPEC = """\
Name: scan-me
Version: 1.0~rc1
Release: 1^git.el9
Epoch: 2
Summary: s
License: MIT
Vendor: Acmé
ModularityLabel: scan:rolling:1:c:noarch
BuildArch: noarch
%description
d
%package -n other
Summary: s
Epoch: 0
%description -n other
d
%install
mkdir -p %{buildroot}/usr/lib/scan-me
touch %{buildroot}/usr/lib/scan-me/{package.json,b}
%files
/usr/lib/scan-me
%files -n other
"""


@pytest.mark.skipif(not (shutil.which("rpmbuild") and shutil.which("rpm")), reason="needs rpmbuild and rpm on PATH")
def test_rpm_lists_the_same_of_a_database_that_it_made(tmp_path: Path) -> None:
    def rpm(*words: str) -> list[str]:
        command = ["rpm", "--dbpath", str(tmp_path / "db"), *words]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()

    (tmp_path / "a.spec").write_text(SPEC)
    build = ["rpmbuild", "-bb", "--define", f"_topdir {tmp_path}", "--define", "__os_install_post %{nil}"]
    subprocess.run([*build, str(tmp_path / "a.spec")], check=True, capture_output=True)
    made = [str(path) for path in tmp_path.rglob("*.rpm")]
    rpm("--define", "_db_backend sqlite", "--initdb")
    rpm("-i", "--justdb", "--nodeps", *made)
    content = (tmp_path / "db/rpmdb.sqlite").read_bytes()
    said = sorted(rpm("-qa", "--qf", "%{NAME} %{EVR} %{ARCH} %{SOURCERPM} %{VENDOR}\n"))
    assert len(said) == 2
    assert said == sorted(
        f"{p.name} {p.version} {p.arch} {p.source_name}-{p.source_version.partition(':')[2]}.src.rpm {p.origin}"
        for p in read(SQLITE, content)
        if isinstance(p, Package)
    )
    files = sorted(f"/{f.path}" for f in owned(SQLITE, content) if isinstance(f, OwnedFile))
    assert files == sorted(line for line in rpm("-ql", "scan-me"))


def test_it_passes_the_exam_of_ecosystems() -> None:
    some = [FULL, KEY, LARGE]
    databases = {BDB: bdb(some), NDB: ndb(some), SQLITE: sqlite(some)}
    accept_ecosystem(ECOSYSTEM, databases | {MANIFEST: b"a\t1-2" + b"\t1" * 8}, owned=databases)

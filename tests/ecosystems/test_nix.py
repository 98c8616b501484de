"""Packages in the store of Nix, by its database."""

from __future__ import annotations

import sqlite3
import time

import pytest

from grid.ecosystems.nix import ECOSYSTEM
from grid.model import Limits, Note, Package
from grid.testing import accept_ecosystem

DATABASE = "nix/var/nix/db/db.sqlite"
HASH = "1ddf3x30m0z6kknmrmapsc7liz8npi1w"


def database(*names: object, store: str = f"/nix/store/{HASH}-") -> bytes:
    """Nix's tables, with these paths."""
    con = sqlite3.connect(":memory:")
    con.execute(
        "create table ValidPaths (id integer primary key autoincrement not null, path text unique not null, "
        "hash text not null, registrationTime integer not null, deriver text, narSize integer, ultimate integer, "
        "sigs text, ca text)"
    )
    con.execute("create table Refs (referrer integer not null, reference integer not null, primary key (referrer))")
    con.execute("create index IndexReferrer on Refs(referrer)")
    for number, name in enumerate(names):
        row = (f"{store}{name}", "sha256:00", 1700000000, f"{store}{name}.drv", 1000 + number)
        con.execute(
            "insert into ValidPaths (path, hash, registrationTime, deriver, narSize) values (?, ?, ?, ?, ?)", row
        )
    con.commit()
    content = con.serialize()
    con.close()
    return content


def read(content: bytes, path: str = DATABASE) -> list[Package | Note]:
    return list(ECOSYSTEM.read(path, content, Limits()))


def test_valid_paths_with_a_version_are_packages() -> None:
    assert ECOSYSTEM.wants.matcher()(DATABASE, 0o644)
    assert read(database("openssl-3.0.13", "bash-interactive-5.2-p26")) == [
        Package("openssl", "3.0.13", purl="pkg:nix/openssl@3.0.13"),
        Package("bash-interactive", "5.2-p26", purl="pkg:nix/bash-interactive@5.2-p26"),
    ]


@pytest.mark.parametrize(
    ("name", "package", "version"),
    [
        ("perl5.38.2-XML-Parser-2.46", "perl5.38.2-XML-Parser", "2.46"),
        ("python3.11-requests-2.31.0", "python3.11-requests", "2.31.0"),
        ("glibc-2.38-44", "glibc", "2.38-44"),
        ("glibc-2.38-44-bin", "glibc", "2.38-44"),
        ("libxml2-2.12.5-dev", "libxml2", "2.12.5"),
        ("gtk+3-3.24.41", "gtk+3", "3.24.41"),
        ("nss-cacert-3.98", "nss-cacert", "3.98"),
        ("xgcc-13.2.0-libgcc", "xgcc", "13.2.0-libgcc"),
        ("scowl-0-unstable-2024-01-01", "scowl", "0-unstable-2024-01-01"),
        ("7zz-23.01", "7zz", "23.01"),
    ],
)
def test_a_name_ends_before_the_first_part_that_begins_with_a_digit(name: str, package: str, version: str) -> None:
    (found,) = read(database(name))
    assert isinstance(found, Package)
    assert (found.name, found.version) == (package, version)


def test_a_package_of_several_outputs_is_told_once() -> None:
    assert len(read(database("zlib-1.3.1", "zlib-1.3.1-dev", "zlib-1.3.1-static"))) == 1


def test_sources_derivations_and_what_has_no_version_are_no_packages() -> None:
    names = ["source", "stdenv-linux", "hook", "curl-8.6.0.tar.xz", "curl-8.6.0.drv", "CVE-2024-1.patch", "user-env"]
    assert read(database(*names)) == []


def test_other_places_and_a_journal_are_no_databases_and_changes_in_one_are_noted() -> None:
    content = database("zlib-1.3.1")
    assert read(content, f"srv/{DATABASE}") == read(b"") == read(b"", f"{DATABASE}-wal") == []
    (note,) = read(b"\0" * 4096, f"{DATABASE}-wal")
    assert isinstance(note, Note) and note.code == "JournalNotRead"


def test_what_cannot_be_read_is_one_note() -> None:
    for content in (b"no database", database()[:4096], database("zlib-1.3.1", store="/elsewhere/")):
        (note,) = read(content)
        assert isinstance(note, Note) and note.code == "Unparsable"


def test_long_names_cost_no_time() -> None:
    began = time.process_time()
    read(database(*(f"{'a-' * 100}{n}" for n in range(300)), *(f"{'1-' * 100}{n}" for n in range(300))))
    assert time.process_time() - began < 2


def test_it_passes_the_exam_of_ecosystems() -> None:
    accept_ecosystem(ECOSYSTEM, {DATABASE: database("openssl-3.0.13", "zlib-1.3.1")}, orders=["2.38-44 < 2.38-45"])

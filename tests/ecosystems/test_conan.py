"""Packages of Conan that lie in a cache or were deployed. Lock files: ``test_locks.py``."""

from __future__ import annotations

import sqlite3

import pytest

from grid.ecosystems.conan import ECOSYSTEM
from grid.model import Limits, Note, Package
from grid.testing import accept_ecosystem

ID = "09512ff863f37e98ed748eadd9c6df3e4ea424a8"
OLD = f"root/.conan/data/zlib/1.2.13/_/_/package/{ID}/conaninfo.txt"
CACHE = "root/.conan2/p/cache.sqlite3"
INFO = b"""\
[settings]
    arch=x86_64
    build_type=Release
    os=Linux

[options]
    shared=False

[full_requires]
    other/1.0:5ab84d6acfe1f23c4fae0ab88f26e3a396351ac9
"""
COLUMNS = """
    reference text NOT NULL, rrev text NOT NULL, pkgid text, prev text, path text NOT NULL UNIQUE,
    timestamp real NOT NULL, build_id text, lru integer NOT NULL, UNIQUE(reference, rrev, pkgid, prev)
"""


def cache(*references: object) -> bytes:
    """What Conan 2 makes of its cache: a table of recipes, and one of packages."""
    con = sqlite3.connect(":memory:")
    con.execute("CREATE TABLE recipes (reference text NOT NULL, rrev text NOT NULL, path text NOT NULL UNIQUE)")
    con.execute("INSERT INTO recipes VALUES ('only-a-recipe/1.0', 'abc', 'only1234')")
    con.execute(f"CREATE TABLE packages ({COLUMNS})")
    for number, reference in enumerate(references):
        row = (reference, "abc", ID, f"{number}", f"b/{number}/p", 1.5, None, 17)
        con.execute("INSERT INTO packages VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
    con.commit()
    content = con.serialize()
    con.close()
    return content


def read(path: str, content: bytes) -> list[Package | Note]:
    return list(ECOSYSTEM.read(path, content, Limits()))


def package(name: str, version: str, told: str = "") -> Package:
    return Package(name, version, purl=f"pkg:conan/{name}@{version}{told}")


def test_a_folder_of_the_first_cache_is_a_package() -> None:
    assert ECOSYSTEM.wants.matcher()(OLD, 0o644)
    assert read(OLD, INFO) == [package("zlib", "1.2.13")]
    theirs = OLD.replace("/_/_/", "/someone/stable/")
    assert read(theirs, INFO) == [package("zlib", "1.2.13", "?channel=stable&user=someone")]


def test_the_second_cache_says_in_its_table_what_it_holds() -> None:
    assert ECOSYSTEM.wants.matcher()(CACHE, 0o644)
    content = cache("zlib/1.3.1", "zlib/1.3.1", "openssl/3.2.1", "mine/0.1@me/testing", "b2/1.0@me")
    assert read(CACHE, content) == [
        package("zlib", "1.3.1"), package("openssl", "3.2.1"), package("mine", "0.1", "?channel=testing&user=me"),
        package("b2", "1.0", "?user=me"),
    ]  # fmt: skip
    assert read(CACHE, memoryview(content)) == read(CACHE, content)  # type: ignore[arg-type]
    assert read(CACHE, cache()) == []


def test_what_was_deployed_is_a_package_whatever_it_was_built_for() -> None:
    for rest in ("", "Release/", "Release/x86_64/"):
        path = f"opt/app/full_deploy/host/fmt/10.2.1/{rest}conaninfo.txt"
        assert read(path, b"") == [package("fmt", "10.2.1")]


def test_what_a_project_keeps_of_its_own_build_is_no_package() -> None:
    assert read("srv/app/build/conaninfo.txt", INFO) == []
    assert read(f"root/.conan/data/zlib/1.2.13/_/_/build/{ID}/conaninfo.txt", INFO) == []


@pytest.mark.parametrize("content", [b"", b"no database", cache("zlib/1.3.1")[:4096], cache("no reference"), cache(3)])
def test_a_damaged_cache_is_one_note(content: bytes) -> None:
    (note,) = read(CACHE, content)
    assert isinstance(note, Note) and note.code == "Unparsable"


def test_rows_that_cannot_be_read_are_counted_and_the_others_told() -> None:
    found, note = read(CACHE, cache("a b/1", "zlib/1.3.1", "x/[>1]"))
    assert found == package("zlib", "1.3.1")
    assert isinstance(note, Note) and note.message.startswith("2 rows")


def test_it_passes_the_exam_of_ecosystems() -> None:
    records = {OLD: INFO, CACHE: cache("zlib/1.3.1", "mine/0.1@me/testing")}
    accept_ecosystem(ECOSYSTEM, records, orders=["1.2.9 < 1.2.13"], refused=["x y"])

"""The Java index: made from a table, used by the next match, no layer read again."""

from __future__ import annotations

import gzip
import hashlib
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

from grid.database import open_database
from grid.detectors.packages import package_id
from grid.driver import LocalExecutor
from grid.errors import FeedInvalid
from grid.estate import Estate
from grid.store import Lake
from grid.sweep import rematch, sweep
from grid.testing.layers import ImageBuilder, LayerBuilder, write_layout
from grid.warehouse import connect
from vulndb.build import build_sample
from vulndb.java import build


def jar(content: bytes, **members: bytes) -> bytes:
    out = BytesIO()
    with ZipFile(out, "w") as archive:
        archive.writestr("x.class", content)
        for name, data in members.items():
            archive.writestr(name, data)
    return out.getvalue()


def sha1(data: bytes) -> str:
    return hashlib.sha1(data, usedforsecurity=False).hexdigest()


def ask(lake: Lake, query: str) -> list[tuple[Any, ...]]:
    with connect(lake) as con:
        return con.execute(query).fetchall()


def test_a_jar_that_does_not_say_what_it_is_is_named_by_its_hash(tmp_path: Path) -> None:
    silent, groupless, own = jar(b"1"), jar(b"2"), jar(b"3")
    inner = jar(b"5")
    nested = jar(b"4", **{"lib/inner.jar": inner})
    app = LayerBuilder().file("app/silent.jar", silent).file("app/acme-core-2.14.0.jar", groupless)
    app.file("app/own.jar", own).file("app/war.war", nested)
    write_layout(tmp_path / "images", {"app:1": ImageBuilder(app)})
    lake = Lake.open(tmp_path / "lake", create=True)
    root = tmp_path / "db"
    build_sample(root)
    estate = Estate(images=(f"oci:{tmp_path / 'images'}:app:1",))
    sweep(estate, lake, LocalExecutor(), database=open_database(root))
    packages = "SELECT name, version, source_path FROM image_packages ORDER BY ALL"
    assert ask(lake, packages) == [("acme-core", "2.14.0", "app/acme-core-2.14.0.jar")]
    assert ask(lake, "SELECT packages FROM image_summary") == [(1,)]

    table = tmp_path / "jars.tsv.gz"
    lines = [
        f"{sha1(silent).upper()}\torg.apache.logging.log4j\tlog4j-core\t2.14.1",
        f"{sha1(silent)}\torg.zzz\tcopied\t1",
        f"{sha1(groupless)}\torg.apache.logging.log4j\tlog4j-core\t2.14.0",
        f"{sha1(inner)}\tcom.inner\tinner\t5.0",
        f"{'0' * 40}\tsomething\telse\t1",
        "not a line", f"{sha1(own)}\tbad group\tx\t1", f"{sha1(own)}\tg\tx\t", "",
    ]  # fmt: skip
    table.write_bytes(gzip.compress("\n".join(lines).encode()))
    assert build(table, root) == 4
    rematch(lake, open_database(root))
    named = [
        ("com.inner:inner", "5.0", "app/war.war"),
        ("org.apache.logging.log4j:log4j-core", "2.14.0", "app/acme-core-2.14.0.jar"),
        ("org.apache.logging.log4j:log4j-core", "2.14.1", "app/silent.jar"),
    ]
    assert ask(lake, packages) == named
    assert ask(lake, "SELECT packages FROM image_summary") == [(3,)]
    ids = [package_id("maven", name, version, "", "", "", "") for name, version, _ in named]
    assert ask(lake, "SELECT package_id FROM image_packages ORDER BY name, version") == [(i,) for i in ids]
    assert ask(lake, "SELECT packages FROM matches") == [(3,)], "they are matched under their names"
    files = len(list((tmp_path / "lake/jar_names").glob("[!~]*.parquet")))
    again = sweep(estate, lake, LocalExecutor(), database=open_database(root))
    assert (again.layers_scanned, ask(lake, packages)) == (0, named)
    assert len(list((tmp_path / "lake/jar_names").glob("[!~]*.parquet"))) == files, "what is written down stays"


def test_a_table_without_a_usable_line_changes_nothing(tmp_path: Path) -> None:
    build_sample(tmp_path)
    good, bad = tmp_path / "good.tsv", tmp_path / "bad.tsv"
    good.write_text(f"{'a' * 40}\tg\ta\t1\n")
    bad.write_bytes(b"\0\xff\tnothing\n" * 100)
    assert build(good, tmp_path) == 1
    before = open_database(tmp_path).java_index()
    assert len(before) == 16
    with pytest.raises(FeedInvalid):
        build(bad, tmp_path)
    with pytest.raises(FeedInvalid):
        build(tmp_path / "absent.tsv", tmp_path)
    assert open_database(tmp_path).java_index() == before
    assert sorted(p.name for p in (tmp_path / "java").iterdir() if p.name.startswith(".")) == []
    assert build(good, tmp_path) == 1
    assert open_database(tmp_path).java_index() != before

"""How records come to their readers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pyarrow as pa
import pytest

from grid.detectors._records import contents
from grid.detectors.packages import Packages
from grid.ecosystems.rpm import ECOSYSTEM
from grid.model import Limits, Note, Package
from grid.testing import files_batch


def test_contents_are_those_of_the_batch_however_it_was_cut() -> None:
    batch = files_batch([("a", b"\x00\xff"), ("b", b""), ("c", b"three" * 100), ("d", b"\x80")])
    for files in (batch, batch.slice(1), batch.slice(2, 1), batch.slice(1, 1), batch.take(pa.array([3, 0]))):
        content = contents(files)
        assert [bytes(content(i)) for i in range(len(files))] == files.column("content").to_pylist()
        assert all(content(i).format == "B" for i in range(len(files)))
    contents(batch.slice(4))


@pytest.mark.parametrize(("views", "kind"), [(True, memoryview), (False, bytes)])
def test_only_a_reader_of_views_is_given_one(views: bool, kind: type) -> None:
    given: list[type] = []

    def read(path: str, content: bytes, limits: Limits) -> Iterator[Package | Note]:
        given.append(type(content))
        return iter(())

    ecosystem = replace(ECOSYSTEM, read=read, views=views)
    Packages((ecosystem,)).detect(files_batch([("var/lib/rpm/rpmdb.sqlite", b"some content")]))
    assert given == [kind]

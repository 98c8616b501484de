from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from grid import cache


def test_what_was_stored_is_loaded(tmp_path: Path) -> None:
    file = tmp_path / "new" / "views-1.duckdb"
    assert cache.load(file) is None
    cache.store(file, b"payload")
    assert cache.load(file) == b"payload"
    cache.store(file, b"")
    assert cache.load(file) == b""
    assert os.listdir(file.parent) == [file.name]


@pytest.mark.parametrize("damage", [lambda b: b[:-1], lambda b: b"", lambda b: b[:20], lambda b: b[:-1] + b"?"])
def test_what_is_not_whole_is_not_loaded(tmp_path: Path, damage: object) -> None:
    file = tmp_path / "views-1.duckdb"
    cache.store(file, b"payload")
    file.write_bytes(damage(file.read_bytes()))  # type: ignore[operator]
    assert cache.load(file) is None


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    cache.store(blocked / "views-1.duckdb", b"payload")
    assert cache.load(blocked / "views-1.duckdb") is None


def test_files_of_its_kind_that_nobody_uses_any_more_go(tmp_path: Path) -> None:
    old = time.time() - 2 * cache.STALE_SECONDS
    for name in ("views-old.duckdb", "views-used.duckdb", "secrets-old.hsdb"):
        cache.store(tmp_path / name, b"payload")
        os.utime(tmp_path / name, (old, old))
    assert cache.load(tmp_path / "views-used.duckdb") == b"payload"
    cache.store(tmp_path / "views-new.duckdb", b"payload")
    assert sorted(os.listdir(tmp_path)) == ["secrets-old.hsdb", "views-new.duckdb", "views-used.duckdb"]

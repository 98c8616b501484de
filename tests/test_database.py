"""The reader's side of the vulnerability database."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from grid.database import Manifest, default_root, open_database
from grid.errors import DatabaseInvalid, DatabaseMissing
from vulndb.build import publish

ADVISORY = {"advisory_id": "CVE-2020-1", "source": "osv", "vuln_id": "CVE-2020-1", "aliases": []}


def test_no_database_is_missing_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(DatabaseMissing) as raised:
        open_database(tmp_path / "nowhere")
    assert "db update" in raised.value.remedy


def test_root_comes_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCANGRID_DB", str(tmp_path / "db"))
    assert default_root() == tmp_path / "db"
    publish(tmp_path / "db", {"advisories": [ADVISORY]})
    assert open_database().rows("advisories") == 1


def test_what_was_published_is_read_back(tmp_path: Path) -> None:
    published = publish(tmp_path, {"advisories": [ADVISORY]}, key_versions={"pypi": 3}, notes=["said"])
    opened = open_database(tmp_path)
    opened.verify()
    assert opened == published
    assert opened.manifest.notes == ("said",)
    assert Path(opened.parquet("ranges")).is_file()
    with pytest.raises(DatabaseInvalid, match="no table"):
        opened.parquet("secrets")


def test_a_manifest_survives_its_own_form(tmp_path: Path) -> None:
    manifest = publish(tmp_path, {}, key_versions={"deb": 1}, inputs="abc").manifest
    assert Manifest.from_json(manifest.to_json()) == manifest


def test_keys_of_another_version_are_told(tmp_path: Path) -> None:
    database = publish(tmp_path, {}, key_versions={"pypi": 3, "npm": 1})
    assert database.outdated_keys({"pypi": 3, "npm": 2, "deb": 1}) == ("npm",)


def test_age_is_never_negative(tmp_path: Path) -> None:
    database = publish(tmp_path, {})
    assert database.age(datetime(2000, 1, 1, tzinfo=UTC)) == timedelta()
    assert database.age(database.manifest.built_at + timedelta(days=3)) == timedelta(days=3)


@pytest.mark.parametrize("pointer", ["", "../../etc", "a/b", "\x00", "missing"])
def test_a_bad_pointer_is_invalid(tmp_path: Path, pointer: str) -> None:
    publish(tmp_path, {})
    (tmp_path / "current").write_text(pointer)
    with pytest.raises(DatabaseInvalid):
        open_database(tmp_path)


def test_a_damaged_manifest_is_invalid(tmp_path: Path) -> None:
    path = publish(tmp_path, {}).path / "manifest.json"
    for content in (b"", b"[]", b"{}", b"\xff\xfe", path.read_bytes()[:-20]):
        path.write_bytes(content)
        with pytest.raises(DatabaseInvalid):
            open_database(tmp_path)


def test_a_newer_schema_is_refused_by_number(tmp_path: Path) -> None:
    path = publish(tmp_path, {}).path / "manifest.json"
    document = json.loads(path.read_text())
    document["schema_version"] = 99
    path.write_text(json.dumps(document))
    with pytest.raises(DatabaseInvalid, match="schema 99"):
        open_database(tmp_path)


def test_a_missing_or_shortened_table_is_seen_at_opening(tmp_path: Path) -> None:
    database = publish(tmp_path, {"advisories": [ADVISORY]})
    file = Path(database.parquet("advisories"))
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(DatabaseInvalid, match="size"):
        open_database(tmp_path)
    file.unlink()
    with pytest.raises(DatabaseInvalid):
        open_database(tmp_path)


def test_a_flipped_byte_is_seen_by_verify(tmp_path: Path) -> None:
    database = publish(tmp_path, {"advisories": [ADVISORY]})
    file = Path(database.parquet("advisories"))
    content = bytearray(file.read_bytes())
    content[10] ^= 1
    file.write_bytes(content)
    with pytest.raises(DatabaseInvalid, match="checksum"):
        open_database(tmp_path).verify()

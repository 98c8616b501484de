"""Bundles: what is exported comes back the same, and nothing else is let in."""

from __future__ import annotations

import hashlib
import io
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from grid.database import Database, open_database
from grid.errors import DatabaseInvalid, UsageError
from grid.schema import DATABASE_TABLES
from vulndb.build import publish
from vulndb.bundle import export, import_bundle

ADVISORY = {"advisory_id": "CVE-2020-1", "source": "osv", "vuln_id": "CVE-2020-1", "aliases": []}
Member = tuple[tarfile.TarInfo, bytes]


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return publish(tmp_path / "db", {"advisories": [ADVISORY]}, notes=["n"])


def members(database: Database) -> list[Member]:
    names = ["manifest.json", *(f"{t.name}.parquet" for t in DATABASE_TABLES)]
    found = []
    names.insert(1, "manifest.sha256")
    for name in names:
        if name == "manifest.sha256":
            content = hashlib.sha256((database.path / "manifest.json").read_bytes()).hexdigest().encode()
        else:
            content = (database.path / name).read_bytes()
        info = tarfile.TarInfo(name)
        info.size = len(content)
        found.append((info, content))
    return found


def bundle(path: Path, entries: list[Member]) -> Path:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for info, content in entries:
            tar.addfile(info, io.BytesIO(content))
    path.write_bytes(zstandard.compress(buffer.getvalue()))
    return path


def test_a_bundle_comes_back_as_the_same_version(database: Database, tmp_path: Path) -> None:
    size = export(database, tmp_path / "b.tar.zst")
    assert size == (tmp_path / "b.tar.zst").stat().st_size
    imported = import_bundle(tmp_path / "other", tmp_path / "b.tar.zst")
    assert imported.manifest == database.manifest
    assert open_database(tmp_path / "other") == imported
    imported.verify()
    assert import_bundle(tmp_path / "other", tmp_path / "b.tar.zst") == imported


def summed(info: tarfile.TarInfo, manifest: bytes) -> list[Member]:
    """A manifest with its right checksum."""
    checksum = tarfile.TarInfo("manifest.sha256")
    checksum.size = 64
    return [(info, manifest), (checksum, hashlib.sha256(manifest).hexdigest().encode())]


def hostile(database: Database) -> Iterator[tuple[str, list[Member]]]:
    good = members(database)
    evil = tarfile.TarInfo("../../evil")
    absolute = tarfile.TarInfo("/tmp/evil")
    link = tarfile.TarInfo("ranges.parquet")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    hard = tarfile.TarInfo("ranges.parquet")
    hard.type, hard.linkname = tarfile.LNKTYPE, "manifest.json"
    device = tarfile.TarInfo("ranges.parquet")
    device.type = tarfile.CHRTYPE
    yield "climbs", [*good, (evil, b"")]
    yield "absolute", [good[0], (absolute, b""), *good[1:]]
    yield "symlink", [good[0], (link, b""), *good[1:]]
    yield "hard link", [good[0], (hard, b""), *good[1:]]
    yield "device", [good[0], (device, b""), *good[1:]]
    yield "twice", [*good, good[2]]
    yield "no sum", [good[0], *good[2:]]
    note = tarfile.TarInfo("manifest.json")
    changed = good[0][1].replace(b'"n"', b'"N"')
    note.size = len(changed)
    yield "manifest changed", [(note, changed), *good[1:]]
    yield "manifest twice", [good[0], *good]
    yield "manifest last", [*good[1:], good[0]]
    yield "lacks a table", good[:-1]
    yield "empty", []
    flipped = bytearray(good[2][1])
    flipped[9] ^= 1
    yield "flipped byte", [*good[:2], (good[2][0], bytes(flipped)), *good[3:]]
    name = good[0][1].replace(database.version.encode(), b"../../../../tmp/e")
    renamed = tarfile.TarInfo("manifest.json")
    renamed.size = len(name)
    yield "hostile version", [*summed(renamed, name), *good[2:]]
    newer = re.sub(rb'"schema_version": \d+', b'"schema_version": 99', good[0][1])
    info = tarfile.TarInfo("manifest.json")
    info.size = len(newer)
    yield "newer schema", [*summed(info, newer), *good[2:]]


def test_hostile_and_damaged_bundles_change_nothing(database: Database, tmp_path: Path) -> None:
    root = tmp_path / "site"
    before = publish(root, {})
    for what, entries in hostile(database):
        path = bundle(tmp_path / "b", entries)
        with pytest.raises(DatabaseInvalid):
            import_bundle(root, path)
            pytest.fail(what)
        assert open_database(root) == before, what
        assert [p.name for p in (root / "versions").iterdir()] == [before.version], what
    assert not (tmp_path / "evil").exists() and not Path("/tmp/evil").exists()


def test_a_cut_bundle_is_refused(database: Database, tmp_path: Path) -> None:
    export(database, tmp_path / "b")
    content = (tmp_path / "b").read_bytes()
    for length in range(0, len(content) - 200, max(1, len(content) // 25)):  # the end of a tar is only zeros
        (tmp_path / "cut").write_bytes(content[:length])
        with pytest.raises(DatabaseInvalid):
            import_bundle(tmp_path / "site", tmp_path / "cut")
    assert not (tmp_path / "site" / "current").exists()


def test_a_table_with_another_schema_is_refused(database: Database, tmp_path: Path) -> None:
    pq.write_table(pa.table({"cve_id": pa.array([1])}), tmp_path / "kev.parquet")
    content = (tmp_path / "kev.parquet").read_bytes()
    old = database.manifest.tables["kev"]
    entries = [(info, data) for info, data in members(database) if info.name != "kev.parquet"]
    manifest = entries[0][1].replace(old.sha256.encode(), hashlib.sha256(content).hexdigest().encode())
    manifest = manifest.replace(f'"bytes": {old.bytes},'.encode(), f'"bytes": {len(content)},'.encode(), 1)
    assert all(t.bytes != old.bytes for n, t in database.manifest.tables.items() if n < "kev")
    first, last = tarfile.TarInfo("manifest.json"), tarfile.TarInfo("kev.parquet")
    first.size, last.size = len(manifest), len(content)
    with pytest.raises(DatabaseInvalid, match="column"):
        import_bundle(
            tmp_path / "site", bundle(tmp_path / "b", [*summed(first, manifest), *entries[2:], (last, content)])
        )


def test_paths_that_cannot_be_used_are_the_users_mistake(database: Database, tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        import_bundle(tmp_path / "site", tmp_path / "nowhere")
    with pytest.raises(UsageError):
        export(database, tmp_path / "no" / "folder" / "b")


def test_what_a_killed_writer_has_half_removed_is_imported_anew(database: Database, tmp_path: Path) -> None:
    file, root = tmp_path / "b", tmp_path / "site"
    export(database, file)
    imported = import_bundle(root, file)
    newer = publish(root, {})
    (imported.path / "manifest.json").unlink()
    (imported.path / "ranges.parquet").unlink()
    again = import_bundle(root, file)
    again.verify()
    assert again.manifest == database.manifest and open_database(root) == again
    publish(root, {})
    assert not newer.path.exists() and not list((root / "versions").glob(".tmp-*"))


def test_a_version_is_never_replaced_by_another_of_its_name(database: Database, tmp_path: Path) -> None:
    root = tmp_path / "site"
    export(database, tmp_path / "b")
    held = import_bundle(root, tmp_path / "b")
    entries = members(database)
    changed = entries[0][1].replace(b'"n"', b'"N"')
    info = tarfile.TarInfo("manifest.json")
    info.size = len(changed)
    with pytest.raises(DatabaseInvalid, match="another database"):
        import_bundle(root, bundle(tmp_path / "other", [*summed(info, changed), *entries[2:]]))
    assert open_database(root) == held

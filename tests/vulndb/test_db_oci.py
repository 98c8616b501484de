"""Databases in a real registry: pushed, read by skopeo, pulled, and refused when anything about them is wrong."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from grid.database import Database, open_database
from grid.errors import (
    DatabaseInvalid,
    DatabaseMissing,
    DigestMismatch,
    FailedToVerifyUsernameOrPwd,
    GridError,
    ManifestUnknown,
    NetworkConnectError,
    UnsupportedMediaType,
)
from grid.registries.exchange import TITLE, Item, item, open_artifacts
from grid.schema import DATABASE_TABLES
from vulndb.commands import app
from vulndb.oci import ARTIFACT, MANIFEST_TYPE, TABLE_TYPE, pull, push
from vulndb.publish import publish
from vulndb.signing import sign

pytestmark = pytest.mark.registry

ADVISORY = {"advisory_id": "CVE-2020-1", "source": "osv", "vuln_id": "CVE-2020-1", "aliases": []}


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return publish(tmp_path / "db", {"advisories": [ADVISORY]}, notes=["n"])


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Private and public keys, made by OpenSSL."""
    folder = tmp_path_factory.mktemp("keys")
    made = {}
    for name, options in (
        ("ed25519", ("ed25519",)),
        ("p256", ("EC", "-pkeyopt", "ec_paramgen_curve:P-256")),
        ("other", ("ed25519",)),
        ("rsa", ("RSA",)),
    ):
        private, public = folder / f"{name}.pem", folder / f"{name}.pub"
        openssl("genpkey", "-algorithm", *options, "-out", private)
        openssl("pkey", "-in", private, "-pubout", "-out", public)
        made |= {name: private, f"{name}.pub": public}
    return made


def openssl(*arguments: str | Path) -> str:
    return subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, text=True).stdout


def skopeo(registry: Any, name: str, *options: str) -> Any:
    command = ["skopeo", "--insecure-policy", "inspect", "--tls-verify=false", *options]
    done = subprocess.run([*command, f"docker://{registry.address}/{name}"], check=True, capture_output=True)
    return done.stdout


def cli(*arguments: str | Path) -> str:
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    if isinstance(result.exception, GridError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


def test_what_is_pushed_is_an_artifact_that_skopeo_reads_and_comes_back_the_same(
    docker_registry: Any, database: Database, tmp_path: Path
) -> None:
    digest = push(database, docker_registry.access(), "team/advisories", "latest")
    raw = skopeo(docker_registry, "team/advisories:latest", "--raw")
    assert f"sha256:{hashlib.sha256(raw).hexdigest()}" == digest
    manifest = json.loads(raw)
    assert manifest["artifactType"] == ARTIFACT and manifest["schemaVersion"] == 2
    assert manifest["config"]["mediaType"] == "application/vnd.oci.empty.v1+json" and manifest["config"]["size"] == 2
    assert manifest["annotations"]["org.opencontainers.image.version"] == database.version
    assert [(layer["mediaType"], layer["annotations"][TITLE]) for layer in manifest["layers"]] == [
        (MANIFEST_TYPE, "manifest.json"), *((TABLE_TYPE, f"{table.name}.parquet") for table in DATABASE_TABLES),
    ]  # fmt: skip
    pulled = pull(tmp_path / "site", docker_registry.access(), "team/advisories", "latest")
    assert pulled.manifest == database.manifest and open_database(tmp_path / "site") == pulled
    pulled.verify()
    assert pull(tmp_path / "other", docker_registry.access(), "team/advisories", digest).manifest == database.manifest


def test_it_can_be_mirrored_with_skopeo(
    docker_registry: Any, start_docker_registry: Callable[..., Any], database: Database, tmp_path: Path
) -> None:
    push(database, docker_registry.access(), "team/mirrored", "1")
    other = start_docker_registry()
    command = ["skopeo", "--insecure-policy", "copy", "--quiet", "--src-tls-verify=false", "--dest-tls-verify=false"]
    places = [f"docker://{registry.address}/team/mirrored:1" for registry in (docker_registry, other)]
    subprocess.run([*command, *places], check=True, capture_output=True, timeout=60)
    assert pull(tmp_path / "site", other.access(), "team/mirrored", "1").manifest == database.manifest


def test_only_tables_that_differ_are_pulled(docker_registry: Any, database: Database, tmp_path: Path) -> None:
    push(database, docker_registry.access(), "team/some", "latest")
    pull(tmp_path / "site", docker_registry.access(), "team/some", "latest")
    newer = publish(tmp_path / "db", {"advisories": [{**ADVISORY, "title": "new"}]})
    push(newer, docker_registry.access(), "team/some", "latest")
    moved: list[str] = []
    pulled = pull(
        tmp_path / "site", docker_registry.access(), "team/some", "latest", progress=lambda name, *_: moved.append(name)
    )
    assert pulled.manifest == newer.manifest and set(moved) == {"advisories.parquet"}


def test_a_large_file_is_sent_and_fetched_whole(docker_registry: Any, tmp_path: Path) -> None:
    path = tmp_path / "big"
    path.write_bytes(os.urandom(9_000_000))
    registry = open_artifacts(docker_registry.access())
    told: list[int] = []
    big = item("big", "application/octet-stream", path)
    registry.push("team/big", "1", "application/vnd.example", [big], {}, lambda name, done, total: told.append(done))
    assert told[-1] == 9_000_000
    told.clear()
    registry.push("team/big", "2", "application/vnd.example", [big], {}, lambda name, done, total: told.append(done))
    assert not told  # it is there already
    (found,) = registry.find("team/big", "2", "application/vnd.example").items
    registry.fetch("team/big", found, tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == path.read_bytes()
    registry.close()


def test_a_registry_with_passwords(
    start_docker_registry: Callable[..., Any], database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    closed = start_docker_registry(htpasswd=("ann", "s3cret-word"))
    with pytest.raises(FailedToVerifyUsernameOrPwd):
        push(database, closed.access(), "team/advisories", "1")
    monkeypatch.setenv("DB_REGISTRY", "ann:wrong")
    with pytest.raises(FailedToVerifyUsernameOrPwd) as raised:
        push(database, closed.access(credential="env:DB_REGISTRY"), "team/advisories", "1")
    assert "wrong" not in str(raised.value)
    monkeypatch.setenv("DB_REGISTRY", "ann:s3cret-word")
    name = f"docker://{closed.address}/team/advisories:1"
    options = ("--plain-http", "--credential", "env:DB_REGISTRY")
    told = cli("export", name, "--db", tmp_path / "db", *options)
    assert "pushed" in told and "s3cret" not in told
    assert "imported" in cli("import", name, "--db", tmp_path / "site", *options)
    assert open_database(tmp_path / "site").manifest == database.manifest


@pytest.mark.parametrize("kind", ["ed25519", "p256"])
def test_signatures_are_checked_here_and_by_openssl(
    docker_registry: Any, database: Database, keys: dict[str, Path], tmp_path: Path, kind: str
) -> None:
    name = f"docker://{docker_registry.address}/team/signed:{kind}"
    cli("export", name, "--plain-http", "--sign", keys[kind], "--db", tmp_path / "db")
    cli("export", tmp_path / "b", "--sign", keys[kind], "--db", tmp_path / "db")
    for source, options in ((name, ("--plain-http",)), (tmp_path / "b", ())):
        told = cli("import", source, *options, "--verify-key", keys[f"{kind}.pub"], "--db", tmp_path / "site")
        assert "signed by SHA256:" in told
        for wrong in ("other.pub",):
            with pytest.raises(DatabaseInvalid, match="not signed by the owner"):
                cli("import", source, *options, "--verify-key", keys[wrong], "--db", tmp_path / "never")
    folder = open_database(tmp_path / "site").path
    (tmp_path / "raw").write_bytes(base64.b64decode((folder / "manifest.sig").read_bytes()))
    public = ["-pubin", "-inkey", keys[f"{kind}.pub"], "-in", folder / "manifest.json", "-sigfile", tmp_path / "raw"]
    digest = ["-digest", "sha256"] if kind == "p256" else []
    assert "Success" in openssl("pkeyutl", "-verify", "-rawin", *digest, *public)
    # a signature travels on with what it signs
    cli("export", tmp_path / "c", "--db", tmp_path / "site")
    cli("import", tmp_path / "c", "--verify-key", keys[f"{kind}.pub"], "--db", tmp_path / "third")


def test_a_site_that_trusts_one_key_takes_nothing_else(
    docker_registry: Any, database: Database, keys: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    push(database, docker_registry.access(), "team/unsigned", "1")
    cli("export", tmp_path / "b", "--db", tmp_path / "db")
    monkeypatch.setenv("SCANGRID_DB_TRUST", str(keys["ed25519.pub"]))
    for source in (tmp_path / "b", f"docker://{docker_registry.address}/team/unsigned:1"):
        with pytest.raises(DatabaseInvalid, match="not signed"):
            cli("import", source, "--plain-http", "--db", tmp_path / "site")
    with pytest.raises(DatabaseMissing):
        open_database(tmp_path / "site")


def test_keys_that_are_none_are_the_users_mistake(database: Database, keys: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "text").write_text("hello")
    for key in (tmp_path / "none", tmp_path / "text", keys["rsa"], keys["ed25519.pub"]):
        with pytest.raises(GridError) as raised:
            cli("export", tmp_path / "b", "--sign", key, "--db", tmp_path / "db")
        assert raised.value.code == "UsageError" and not (tmp_path / "b").exists()
    cli("export", tmp_path / "b", "--sign", keys["ed25519"], "--db", tmp_path / "db")
    for key in (tmp_path / "none", tmp_path / "text", keys["rsa.pub"], keys["ed25519"]):
        with pytest.raises(GridError) as raised:
            cli("import", tmp_path / "b", "--verify-key", key, "--db", tmp_path / "site")
        assert raised.value.code == "UsageError"


def pushed(registry: Any, database: Database, tag: str, change: Callable[[list[Item]], list[Item]]) -> str:
    """Push a version's files after a change."""
    names = ["manifest.json", *(f"{table.name}.parquet" for table in DATABASE_TABLES)]
    items = [item(name, TABLE_TYPE, database.path / name) for name in names]
    client = open_artifacts(registry.access())
    client.push("team/hostile", tag, ARTIFACT, change(items), {})
    client.close()
    return tag


def test_what_is_not_a_whole_database_changes_nothing(docker_registry: Any, database: Database, tmp_path: Path) -> None:
    site = tmp_path / "site"
    before = publish(site, {})
    evil = tmp_path / "evil"
    evil.write_bytes(b"evil")
    manifest = (database.path / "manifest.json").read_bytes()
    newer, climbing = tmp_path / "newer", tmp_path / "climbing"
    newer.write_bytes(manifest.replace(b'"schema_version": ', b'"schema_version": 9'))
    climbing.write_bytes(manifest.replace(database.version.encode(), b"../../../e"))
    changes: dict[str, Callable[[list[Item]], list[Item]]] = {
        "lacks": lambda items: items[:-1],
        "twice": lambda items: [*items, items[-1]],
        "more": lambda items: [*items, item("../../evil", TABLE_TYPE, evil)],
        "swapped": lambda items: [*items[:-1], item(items[-1].name, TABLE_TYPE, evil)],
        "manifest": lambda items: [item("manifest.json", TABLE_TYPE, evil), *items[1:]],
        "newer": lambda items: [item("manifest.json", TABLE_TYPE, newer), *items[1:]],
        "climbing": lambda items: [item("manifest.json", TABLE_TYPE, climbing), *items[1:]],
        "nothing": lambda items: [],
    }
    for what, change in changes.items():
        tag = pushed(docker_registry, database, what, change)
        with pytest.raises(DatabaseInvalid):
            pull(site, docker_registry.access(), "team/hostile", tag)
        assert open_database(site) == before and len(list((site / "versions").iterdir())) == 1, what
    with pytest.raises(ManifestUnknown):
        pull(site, docker_registry.access(), "team/hostile", "nosuch")
    with pytest.raises(NetworkConnectError):
        pull(site, docker_registry.access(address="127.0.0.1:1"), "team/hostile", "1")


def test_an_image_is_no_database(docker_registry: Any, shared_images: Path, tmp_path: Path) -> None:
    docker_registry.push(f"oci-archive:{shared_images / 'busybox-latest-musl-amd64.oci.tar'}", "base/box:1")
    with pytest.raises(UnsupportedMediaType):
        pull(tmp_path, docker_registry.access(), "base/box", "1")


def test_damage_in_the_registrys_storage_is_found(
    start_docker_registry: Callable[..., Any], database: Database, tmp_path: Path
) -> None:
    registry = start_docker_registry()
    push(database, registry.access(), "team/damaged", "1")
    digest = database.manifest.tables["advisories"].sha256
    blob = registry.folder / "storage/docker/registry/v2/blobs/sha256" / digest[:2] / digest / "data"
    content = bytearray(blob.read_bytes())
    content[20] ^= 1
    blob.write_bytes(content)
    with pytest.raises(DigestMismatch):
        pull(tmp_path / "site", registry.access(), "team/damaged", "1")
    with pytest.raises(DatabaseMissing):
        open_database(tmp_path / "site")


CARRIER = """
import sys
from pathlib import Path
from grid.registries import Access
from vulndb.bundle import import_bundle
from vulndb.oci import pull
root, address, tags = Path(sys.argv[1]), sys.argv[2], sys.argv[3:]
print("ready", flush=True)
while True:
    for tag in tags:
        if address:
            pull(root, Access("docker", address, plain_http=True), "team/killed", tag)
        else:
            import_bundle(root, Path(tag))
"""


@pytest.mark.parametrize("over", ["registry", "file"])
def test_a_killed_import_leaves_the_old_version_or_the_new_one(docker_registry: Any, tmp_path: Path, over: str) -> None:
    chance = random.Random(int(os.environ.get("SCANGRID_TEST_SEED", "5")))
    versions, sources = {}, []
    for number in range(3):  # of some size, so that moments within a transfer are hit
        rows = [{**ADVISORY, "advisory_id": f"G{number}-{n}", "title": chance.randbytes(20).hex()} for n in range(9000)]
        made = publish(tmp_path / f"db{number}", {"advisories": rows})
        versions[made.version] = made.manifest
        if over == "registry":
            push(made, docker_registry.access(), "team/killed", str(number))
            sources.append(str(number))
        else:
            cli("export", tmp_path / f"b{number}", "--db", tmp_path / f"db{number}")
            sources.append(str(tmp_path / f"b{number}"))
    root, seen = tmp_path / "site", set()
    address = docker_registry.address if over == "registry" else ""
    for turn in range(40):
        if turn >= 6 and seen:
            break
        process = subprocess.Popen(
            [sys.executable, "-c", CARRIER, str(root), address, *sources],
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[2],
        )
        assert process.stdout is not None and process.stdout.readline() == b"ready\n"
        time.sleep(chance.random() * 0.3 * (1 + turn // 6))  # a busy machine may need longer for the first transfer
        process.send_signal(signal.SIGKILL)
        process.wait(10)
        process.stdout.close()
        try:
            database = open_database(root)
        except DatabaseMissing:
            continue
        database.verify()
        assert database.manifest == versions[database.version]
        seen.add(database.version)
    assert seen
    if over == "registry":
        pull(root, docker_registry.access(), "team/killed", "0")
    assert not [p for p in (root / "versions").iterdir() if p.name.startswith(".")] or over == "file"


def test_a_signature_is_of_the_manifest(database: Database, keys: dict[str, Path]) -> None:
    manifest = (database.path / "manifest.json").read_bytes()
    assert sign(manifest, keys["ed25519"]) == sign(manifest, keys["ed25519"]) != sign(manifest + b" ", keys["ed25519"])

"""A lake in an object store: a real S3 client against a server on loopback that speaks S3 (moto's)."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow.fs as pafs
import pytest

from grid.database import Database
from grid.demo import build_estate
from grid.driver import LocalExecutor
from grid.estate import parse_estate
from grid.store import Lake
from grid.sweep import sweep
from tests.e2e.cli import scangrid
from tests.e2e.lakes import content

KEYS = {
    "AWS_ACCESS_KEY_ID": "AKIDTESTONLY",
    "AWS_SECRET_ACCESS_KEY": "not-a-secret",
    "AWS_EC2_METADATA_DISABLED": "true",
}
PATIENCE = 60


@dataclass(frozen=True)
class Store:
    """An S3 server with one bucket."""

    port: int

    def uri(self, prefix: str) -> str:
        return f"s3://estate/{prefix}?endpoint_override=127.0.0.1:{self.port}&scheme=http&region=us-east-1"


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ | KEYS)
    try:
        _wait(port, server)
        with pytest.MonkeyPatch.context() as patch:
            for name, value in KEYS.items():
                patch.setenv(name, value)
            options = {"endpoint_override": f"127.0.0.1:{port}", "scheme": "http", "region": "us-east-1"}
            pafs.S3FileSystem(**options, allow_bucket_creation=True).create_dir("estate")
            yield Store(port)
    finally:
        server.terminate()
        server.wait(PATIENCE)


def _wait(port: int, server: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and server.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise RuntimeError("moto's server did not start")


@pytest.fixture(scope="module")
def estate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An estate of two images that share layers, one with a secret that a later layer deletes."""
    folder = build_estate(tmp_path_factory.mktemp("estate")).parent
    written = folder / "two.yaml"
    written.write_text(f"images:\n- oci:{folder}/images:shop/worker:1.0\n- oci:{folder}/images:shop/edge:3.1\n")
    return written


@pytest.mark.ray
def test_a_lake_in_an_object_store_says_what_one_in_a_folder_says(
    store: Store, estate: Path, database: Database, tmp_path: Path
) -> None:
    options = {"SCANGRID_DB": database.path.parent.parent, **KEYS}
    place = store.uri("lakes/prod")
    done = scangrid("sweep", "-c", estate, "--lake", place, "--cpus", "1", **options)
    assert done.returncode == 0, done.stderr
    assert KEYS["AWS_SECRET_ACCESS_KEY"] not in done.stdout + done.stderr
    near, far = Lake.open(tmp_path / "lake", create=True), Lake.open(place)
    rules = parse_estate(estate.read_text())
    sweep(rules, near, LocalExecutor(), database=database)
    found = content(far)
    assert found == content(near)
    assert found["vulnerabilities"] and found["image_secrets"]
    assert sweep(rules, far, LocalExecutor(), database=database).layers_scanned == 0

    asked = ("shop/worker:1.0", "root/.aws/credentials")
    explained = [scangrid("explain", *asked, "--lake", lake.uri, **options) for lake in (far, near)]
    assert explained[0].stdout == explained[1].stdout != ""


def test_its_views_name_the_store_as_other_clients_do(
    store: Store, estate: Path, database: Database, tmp_path: Path
) -> None:
    place = store.uri("lakes/views")
    options = {"SCANGRID_DB": database.path.parent.parent, **KEYS}
    image = estate.read_text().split()[-1]
    assert scangrid("scan", image, "--lake", place, "--quiet", **options).returncode == 0
    (tmp_path / "views.duckdb").write_bytes(Lake.open(place).get("scangrid.duckdb"))
    with duckdb.connect(str(tmp_path / "views.duckdb"), read_only=True) as con:
        assert con.sql("SELECT raw.lake()").fetchall() == [("s3://estate/lakes/views",)]


def test_credentials_in_its_address_are_refused_and_not_repeated() -> None:
    done = scangrid("sql", "select 1", "--lake", "s3://AKIDTESTONLY:hunter2hunter2@estate/lake")
    assert done.returncode == 2
    assert "credentials" in done.stderr and "hunter2" not in done.stderr and "AKIDTESTONLY" not in done.stderr

"""Real images from a real registry give the tables that the same images give from a layout on disk."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from grid.database import Database
from grid.driver import LocalExecutor
from grid.estate import Estate, parse_estate
from grid.schema import LAKE_TABLES
from grid.store import Lake
from grid.sweep import SweepResult, sweep
from grid.testing import FakeRegistry, ImageBuilder, IndexBuilder, LayerBuilder, write_layout
from grid.warehouse import connect
from tests.e2e.cli import scangrid
from tests.e2e.lakes import content

REAL = {
    "alpine-3.10.9.oci.tar:alpine:3.10.9": "base/alpine:3.10",
    "alpine-3.20.3.oci.tar:alpine:3.20.3": "base/alpine:3.20",
    "busybox-latest-musl-amd64.oci.tar:busybox:1.38.0-musl": "base/busybox:musl",
    "debian-bullseye-essential-amd64.oci.tar:debian:bullseye": "base/debian:11",
}
LOGIN = ("sweeper", "correct-horse-7f31c9")


def built() -> dict[str, ImageBuilder | IndexBuilder]:
    base = LayerBuilder().file("etc/os-release", "ID=alpine\nVERSION_ID=3.12.0\n")
    base.file("lib/apk/db/installed", "P:busybox\nV:1.31.1-r16\nA:x86_64\no:busybox\n\n")
    leak = LayerBuilder().file("app/.env", "GITHUB_TOKEN=gh" + "p_" + "0123456789abcdefABCDEF0123456789abcd\n")
    clean = (
        LayerBuilder()
        .whiteout("app/.env")
        .file(
            "usr/lib/python3.9/site-packages/Jinja2-2.11.2.dist-info/METADATA",
            "Metadata-Version: 2.1\nName: Jinja2\nVersion: 2.11.2\n\n",
        )
    )
    return {
        "team/leak:1": ImageBuilder(base, leak, clean, history=["ADD base", "COPY .env /app", "RUN rm /app/.env"]),
        "team/zstd:1": ImageBuilder(base, clean.blob("zstd")),
        "team/both:1": IndexBuilder(ImageBuilder(base, clean), ImageBuilder(base, leak, platform="linux/arm64")),
    }


@pytest.fixture(scope="module")
def layout(shared_images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Real and built images in one OCI layout."""
    if shutil.which("skopeo") is None:
        pytest.skip("skopeo not installed")
    folder = tmp_path_factory.mktemp("layout") / "images"
    write_layout(folder, built())
    for source, name in REAL.items():
        copy = ["skopeo", "--insecure-policy", "copy", "--quiet", "--all", "--preserve-digests"]
        subprocess.run([*copy, f"oci-archive:{shared_images / source}", f"oci:{folder}:{name}"], check=True)
    return folder


def names() -> list[str]:
    return [*REAL.values(), *built()]


def run(text: str, lake: Path, database: Database | None = None) -> tuple[Lake, SweepResult]:
    estate: Estate = parse_estate(text)
    opened = Lake.open(lake, create=True)
    return opened, sweep(estate, opened, LocalExecutor(), database=database)


@pytest.fixture(scope="module")
def from_disk(layout: Path, tmp_path_factory: pytest.TempPathFactory, database: Database) -> Lake:
    text = f"platforms: all\nregistries:\n  - {{name: here, kind: oci, url: {layout}}}\n"
    lake, done = run(text, tmp_path_factory.mktemp("disk") / "lake", database)
    assert done.green and sum(done.images.values()) == len(names()) + 3  # three have two platforms
    return lake


@pytest.fixture(scope="module")
def guarded(start_docker_registry: Callable[..., Any], layout: Path) -> Any:
    """A docker-registry that wants a password."""
    registry = start_docker_registry(htpasswd=LOGIN)
    for name in names():
        registry.push(f"oci:{layout}:{name}", name)
    return registry


@pytest.mark.data
@pytest.mark.registry
def test_an_anonymous_registry_gives_the_tables_of_the_layout(
    start_docker_registry: Callable[..., Any], layout: Path, from_disk: Lake, tmp_path: Path, database: Database
) -> None:
    registry = start_docker_registry()
    for name in names():
        registry.push(f"oci:{layout}:{name}", name)
    text = f"platforms: all\nregistries:\n  - {{name: there, url: 'http://{registry.address}'}}\n"
    lake, done = run(text, tmp_path / "lake", database)
    assert done.green
    assert content(lake, ignore=["registry"]) == content(from_disk, ignore=["registry"])


@pytest.mark.data
@pytest.mark.registry
@pytest.mark.ray
def test_a_registry_with_a_password_gives_the_tables_of_the_layout_and_the_password_stays_nowhere(
    guarded: Any, from_disk: Lake, tmp_path: Path, database: Database, ray_home: Path
) -> None:
    estate = tmp_path / "estate.yaml"
    estate.write_text(
        f"platforms: all\ndatabase: {database.path.parent.parent}\n"
        f"registries:\n  - {{name: there, url: 'http://{guarded.address}', credential: env:SITE_LOGIN}}\n"
    )
    done = scangrid(
        "sweep", "-c", estate, "--lake", tmp_path / "lake", "--cpus", "2",
        SITE_LOGIN=":".join(LOGIN), RAY_TMPDIR=ray_home,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lake = Lake.open(tmp_path / "lake")
    assert content(lake, ignore=["registry"]) == content(from_disk, ignore=["registry"])
    logs = [path for path in ray_home.rglob("*") if path.is_file()]
    assert any("raylet" in path.name for path in logs)
    places = {str(path): path.read_bytes() for path in [*logs, *(tmp_path / "lake").rglob("*")] if path.is_file()}
    places |= {t.name: repr(lake.read(t.name).to_pylist()).encode() for t in LAKE_TABLES}
    places |= {"stdout": done.stdout.encode(), "stderr": done.stderr.encode()}
    for secret in (LOGIN[1].encode(), base64.b64encode(":".join(LOGIN).encode())):
        assert [where for where, held in places.items() if secret in held] == []


@pytest.fixture
def ray_home() -> Iterator[Path]:
    """A folder for Ray's logs with a short name: it puts sockets there."""
    folder = Path(tempfile.mkdtemp(prefix="sgray"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.data
@pytest.mark.registry
def test_a_wrong_password_fails_that_registry_and_nothing_else(
    guarded: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_layout(tmp_path / "layout", built())
    text = (
        f"registries:\n  - {{name: here, kind: oci, url: {tmp_path / 'layout'}}}\n"
        f"  - {{name: there, url: 'http://{guarded.address}', credential: env:SITE_LOGIN, repositories: ['base/*']}}\n"
    )
    monkeypatch.setenv("SITE_LOGIN", "sweeper:wrong-battery-55")
    lake, done = run(text, tmp_path / "lake")
    assert dict(done.images) == {"ok": 3, "failed": 1}
    assert done.failures[0][:2] == ("there", "FailedToVerifyUsernameOrPwd")
    # once its images are known, each of them is accounted for
    monkeypatch.setenv("SITE_LOGIN", ":".join(LOGIN))
    assert dict(run(text, tmp_path / "lake")[1].images) == {"ok": 3 + len(REAL)}
    monkeypatch.setenv("SITE_LOGIN", "sweeper:wrong-battery-55")
    done = run(text, tmp_path / "lake")[1]
    assert dict(done.images) == {"ok": 3, "failed": len(REAL)}
    assert {f[1] for f in done.failures} == {"FailedToVerifyUsernameOrPwd"}
    estate = tmp_path / "estate.yaml"
    estate.write_text(text)
    printed = scangrid(
        "sweep", "-c", estate, "--lake", tmp_path / "lake", "--plan", SITE_LOGIN="sweeper:wrong-battery-55"
    )
    assert "FailedToVerifyUsernameOrPwd" in printed.stdout + printed.stderr
    assert "wrong-battery-55" not in printed.stdout + printed.stderr + repr(lake.read("images").to_pylist())


@pytest.mark.data
def test_package_lists_are_what_the_package_managers_say(shared_images: Path, tmp_path: Path) -> None:
    expected = json.loads((shared_images / "expected-os-packages.json").read_bytes())
    wanted = {
        image["manifest_or_tag"]: {tuple(package[:3]) for package in image["packages"]}
        for file, images in expected.items()
        if file.endswith(".oci.tar") and not file.startswith("almalinux")  # RPM has its own issue
        for image in images
    }
    files = [f for f in expected if f.endswith(".oci.tar") and not f.startswith("almalinux")]
    entries = "".join(f"  - {{name: {n}, kind: oci-archive, url: {shared_images / n}}}\n" for n in files)
    lake, done = run(f"platforms: all\nregistries:\n{entries}", tmp_path / "lake")
    assert done.green and done.images["ok"] == len(wanted) > 10
    with connect(lake) as con:
        rows = con.sql(
            "SELECT digest, name, version, arch FROM image_packages WHERE ecosystem IN ('deb', 'apk')"
        ).fetchall()
    found: dict[str, list[tuple[str, ...]]] = {digest: [] for digest in wanted}
    for digest, *package in rows:
        found[digest].append(tuple(package))
    assert {d: sorted(p) for d, p in found.items()} == {d: sorted(p) for d, p in wanted.items()}


# --- what an unchanged image costs ---------------------------------------------------------------


@pytest.mark.parametrize("many", [False, True], ids=["one repository", "listed repositories"])
def test_an_unchanged_image_costs_one_head_request(many: bool, tmp_path: Path) -> None:
    images = {
        f"shop/app{n % 3 if many else 0}:{n}": ImageBuilder(LayerBuilder().file(f"f{n}", b"x")) for n in range(12)
    }
    write_layout(tmp_path / "layout", images)
    with FakeRegistry.from_layout(tmp_path / "layout", bearer=True) as registry:
        where = "[shop/*]" if many else "[shop/app0]"
        text = f"registries:\n  - {{name: r, url: 'http://{registry.address}', repositories: {where}}}\n"
        assert dict(run(text, tmp_path / "lake")[1].images) == {"ok": 12}
        registry.log.clear()
        assert dict(run(text, tmp_path / "lake")[1].images) == {"ok": 12}
        heads = [seen.path for seen in registry.requests("^HEAD ") if seen.status == 200]
        assert len(heads) == len(set(heads)) == 12
        assert not registry.requests("^GET .*/(manifests|blobs)/")
        scopes = 4 if many else 1  # the catalog and each repository
        assert len(registry.requests("/token")) == scopes
        assert len([s for s in registry.log if s.status == 401]) <= scopes
        rest = registry.requests("^GET ")
        assert len(rest) <= 2 * scopes + scopes + 1  # lists and tokens, each list asked once more for its challenge

"""The main job on both executors: an estate of images in, tables out."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from grid.database import Database
from grid.demo import build_estate
from grid.driver import Executor, LocalExecutor
from grid.estate import Estate, load_estate, parse_estate
from grid.events import Event, ImageResolved, Planned
from grid.store import Lake
from grid.sweep import SweepResult, rematch, sweep
from grid.testing.layers import ImageBuilder, IndexBuilder, LayerBuilder, RawManifest, write_layout
from grid.warehouse import connect
from tests.e2e.lakes import content

STATUS = "SELECT repository, tag, status, error_code FROM latest_images ORDER BY ALL"


def run(estate: Estate, lake: Lake, executor: Executor, database: Database | None = None, **more: Any) -> SweepResult:
    return sweep(estate, lake, executor, database=database, **more)


def ask(lake: Lake, query: str) -> list[tuple[Any, ...]]:
    with connect(lake) as con:
        return con.execute(query).fetchall()


def estate_of(layout: Path, extra: str = "") -> Estate:
    return parse_estate(f"registries:\n  - name: demo\n    kind: oci\n    url: {layout}\n{extra}")


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_estate(tmp_path_factory.mktemp("demo"))


def test_the_demo_estate_is_accounted_for_image_by_image(
    demo: Path, tmp_path: Path, executor: Executor, database: Database
) -> None:
    lake = Lake.open(tmp_path / "lake", create=True)
    done = run(load_estate(demo), lake, executor, database)
    assert dict(done.images) == {"ok": 10, "incomplete": 1, "unsupported": 1}
    assert done.status == "incomplete" and not done.green
    bad = {(r, t): (s, c) for r, t, s, c in ask(lake, STATUS) if s != "ok"}
    assert bad == {
        ("broken/upload", "1"): ("incomplete", "LayerTruncated"),
        ("charts/shop", "1.2"): ("unsupported", "UnsupportedMediaType"),
    }
    assert ask(lake, "SELECT count(*) FROM vulnerabilities WHERE repository = 'shop/web'")[0][0] > 5


def test_a_layer_is_scanned_once_however_many_images_have_it(demo: Path, tmp_path: Path, executor: Executor) -> None:
    lake = Lake.open(tmp_path / "lake", create=True)
    first = run(load_estate(demo), lake, executor)
    marks = ask(lake, "SELECT layer_digest, count(*) FROM layer_scans WHERE detector = 'entries' GROUP BY 1")
    assert len(marks) == first.layers_total and all(n == 1 for _, n in marks)
    again = run(load_estate(demo), lake, executor)
    assert again.layers_scanned == 0 and again.bytes_pulled == 0
    assert again.images == first.images


def test_a_secret_deleted_by_a_later_layer_is_reported_and_said_to_be_invisible(
    demo: Path, tmp_path: Path, executor: Executor
) -> None:
    lake = Lake.open(tmp_path / "lake", create=True)
    run(load_estate(demo), lake, executor)
    found = ask(lake, "SELECT DISTINCT repository, path, visible FROM image_secrets ORDER BY ALL")
    assert ("shop/worker", "root/.aws/credentials", False) in found
    assert ("shop/api", "app/.env", True) in found


def test_a_package_database_rewritten_by_a_later_layer_counts_once(
    demo: Path, tmp_path: Path, executor: Executor
) -> None:
    lake = Lake.open(tmp_path / "lake", create=True)
    run(load_estate(demo), lake, executor)
    versions = ask(
        lake, "SELECT repository, version FROM image_packages WHERE name = 'busybox' AND repository <> 'legacy/cron'"
    )
    assert sorted(set(versions)) == [
        ("base/alpine", "1.31.1-r16"),
        ("broken/upload", "1.31.1-r16"),
        ("shop/edge", "1.31.1-r22"),
        ("shop/frontend", "1.31.1-r16"),
    ]
    assert len(versions) == 4


def test_a_language_package_owned_by_the_distribution_is_listed_but_not_matched(
    demo: Path, tmp_path: Path, executor: Executor, database: Database
) -> None:
    lake = Lake.open(tmp_path / "lake", create=True)
    run(load_estate(demo), lake, executor, database)
    query = "SELECT ecosystem, owned FROM image_packages WHERE name = 'urllib3' AND repository = 'base/debian'"
    assert ask(lake, query) == [("pypi", True)]
    found = "SELECT repository FROM vulnerabilities WHERE ecosystem = 'pypi' AND package = 'urllib3'"
    assert set(ask(lake, found)) == {("shop/web",)}


def test_a_sweep_on_ray_and_in_this_process_give_the_same_tables(
    demo: Path, tmp_path: Path, executor: Executor, database: Database
) -> None:
    lake = Lake.open(tmp_path / "lake", create=True)
    other = Lake.open(tmp_path / "other", create=True)
    run(load_estate(demo), lake, executor, database)
    run(load_estate(demo), other, LocalExecutor(), database)
    assert content(lake) == content(other)


def test_an_unchanged_image_costs_no_manifest_and_no_blob(demo: Path, tmp_path: Path, executor: Executor) -> None:
    lake = Lake.open(tmp_path / "lake", create=True)
    run(load_estate(demo), lake, executor)
    seen: list[Event] = []
    run(load_estate(demo), lake, executor, emit=seen.append)
    looked_up = [e for e in seen if isinstance(e, ImageResolved)]
    assert len(looked_up) == 12 and all(e.known for e in looked_up)
    broken = next(e for e in seen if isinstance(e, Planned))
    assert broken.layers == 1  # the half-uploaded layer alone: a push may have mended it


def test_the_plan_reads_no_layer(demo: Path, tmp_path: Path) -> None:
    lake = Lake.open(tmp_path / "lake", create=True)
    done = run(load_estate(demo), lake, LocalExecutor(), plan_only=True)
    assert done.plan.layers == done.layers_total > 0 and done.plan.bytes > 0
    assert ask(lake, "SELECT count(*) FROM layer_scans") == [(0,)]
    assert ask(lake, "SELECT count(*) FROM sweeps") == [(0,)]


def test_images_that_the_limit_leaves_over_are_deferred_and_come_first_next_time(
    demo: Path, tmp_path: Path, executor: Executor
) -> None:
    layout = demo.parent / "images"
    lake = Lake.open(tmp_path / "lake", create=True)
    first = run(estate_of(layout, "    images_per_hour: 3\n"), lake, executor)
    assert first.images["deferred"] == 9 and not first.images.get("failed")
    assert first.status == "incomplete"
    left = {row[:2] for row in ask(lake, STATUS) if row[2] == "deferred"}
    second = run(estate_of(layout, "    images_per_hour: 3\n"), lake, executor)
    assert second.images["deferred"] == 6
    assert {row[:2] for row in ask(lake, STATUS) if row[2] == "deferred"} < left


def test_a_tag_filter_and_a_repository_filter_choose(demo: Path, tmp_path: Path) -> None:
    layout = demo.parent / "images"
    lake = Lake.open(tmp_path / "lake", create=True)
    chosen = estate_of(layout, "    repositories: ['shop/*', '!shop/edge']\n    tags: ['*', '!3.*']\n")
    run(chosen, lake, LocalExecutor())
    assert [row[0] for row in ask(lake, STATUS)] == ["shop/api", "shop/web", "shop/worker"]


@pytest.fixture(scope="module")
def bad_images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A layout with one image for each way in which a layer can be bad."""
    folder = tmp_path_factory.mktemp("bad") / "images"
    fine = LayerBuilder().file("etc/os-release", "ID=alpine\nVERSION_ID=3.12.0\n")
    truncated = LayerBuilder().file("a", bytes(range(256)) * 4096).blob()
    wrong = LayerBuilder().file("b", bytes(range(256)) * 4096).blob()
    missing = LayerBuilder().file("c", b"gone").blob()
    bomb = LayerBuilder()
    for n in range(60):
        bomb.file(f"zeros{n}", bytes(10_000_000))
    corrupt = LayerBuilder().file("d", b"x").raw(b"\1" * 512).file("e", b"y")
    many = LayerBuilder()
    for n in range(200_000):
        many.file(f"d{n // 1000}/f{n}")
    images: dict[str, ImageBuilder | RawManifest | IndexBuilder] = {
        "fine:1": ImageBuilder(fine),
        "truncated:1": ImageBuilder(fine, truncated),
        "wrong:1": ImageBuilder(fine, wrong),
        "missing:1": ImageBuilder(missing),
        "bomb:1": ImageBuilder(bomb),
        "corrupt:1": ImageBuilder(corrupt),
        "many:1": ImageBuilder(many),
        "escape:1": ImageBuilder(LayerBuilder().file("../../etc/passwd", b"root")),
        "config:1": _with_config(fine, b"{not json"),
    }
    write_layout(folder, images, without=[missing.digest])
    blobs = folder / "blobs" / "sha256"
    (blobs / truncated.digest[7:]).write_bytes(truncated.data[: len(truncated.data) // 2])
    (blobs / wrong.digest[7:]).write_bytes(wrong.data[:-1] + bytes([wrong.data[-1] ^ 1]))
    return folder


def test_bad_layers_end_as_their_own_code_on_their_own_image(
    bad_images: Path, tmp_path: Path, executor: Executor
) -> None:
    lake = Lake.open(tmp_path / "lake", create=True)
    done = run(estate_of(bad_images), lake, executor)
    codes = {row[0]: row[2:] for row in ask(lake, STATUS)}
    assert codes == {
        "fine": ("ok", None),
        "truncated": ("incomplete", "LayerTruncated"),
        "wrong": ("incomplete", "DigestMismatch"),
        "missing": ("failed", "BlobUnknown"),
        "bomb": ("failed", "DecompressionBomb"),
        "corrupt": ("failed", "TarCorrupt"),
        "many": ("failed", "TooManyEntries"),
        "escape": ("failed", "PathEscapesRoot"),
        "config": ("failed", "ConfigInvalid"),
    }
    assert done.status == "incomplete"
    again = run(estate_of(bad_images), lake, executor)
    assert dict(again.images) == dict(done.images)
    assert {row[0]: row[2:] for row in ask(lake, STATUS)} == codes


def test_what_was_broken_and_is_mended_is_scanned_and_complete(tmp_path: Path, executor: Executor) -> None:
    base = LayerBuilder().file("etc/os-release", "ID=alpine\nVERSION_ID=3.12.0\n")
    upper = LayerBuilder().file("lib/apk/db/installed", "P:zlib\nV:1.2.11-r3\nA:x86_64\no:zlib\n\n").blob()
    write_layout(tmp_path / "images", {"app:1": ImageBuilder(base, upper)}, without=[upper.digest])
    lake = Lake.open(tmp_path / "lake", create=True)
    assert dict(run(estate_of(tmp_path / "images"), lake, executor).images) == {"incomplete": 1}
    (tmp_path / "images/blobs/sha256" / upper.digest[7:]).write_bytes(upper.data)
    assert dict(run(estate_of(tmp_path / "images"), lake, executor).images) == {"ok": 1}
    assert ask(lake, "SELECT name, namespace FROM image_packages") == [("zlib", "Alpine:v3.12")]


def test_a_registry_that_cannot_be_listed_fails_its_known_images_instead_of_losing_them(
    demo: Path, tmp_path: Path
) -> None:
    layout = tmp_path / "images"
    shutil.copytree(demo.parent / "images", layout)
    lake = Lake.open(tmp_path / "lake", create=True)
    total = sum(run(estate_of(layout), lake, LocalExecutor()).images.values())
    shutil.rmtree(layout)
    done = run(estate_of(layout), lake, LocalExecutor())
    assert dict(done.images) == {"failed": total}
    assert all("could not be listed" in message for _, _, message in done.failures)


def test_a_new_database_is_matched_without_reading_a_layer(demo: Path, tmp_path: Path, database: Database) -> None:
    layout = tmp_path / "images"
    shutil.copytree(demo.parent / "images", layout)
    lake = Lake.open(tmp_path / "lake", create=True)
    run(estate_of(layout), lake, LocalExecutor())
    assert ask(lake, "SELECT count(*) FROM vulnerabilities") == [(0,)]
    shutil.rmtree(layout)
    assert rematch(lake, database).findings > 20
    assert ask(lake, "SELECT count(*) FROM vulnerabilities")[0][0] > 20


def test_all_platforms_of_an_index_are_swept_when_asked(tmp_path: Path) -> None:
    amd = ImageBuilder(LayerBuilder().file("etc/os-release", "ID=alpine\nVERSION_ID=3.12.0\n"))
    arm = ImageBuilder(LayerBuilder().file("etc/os-release", "ID=alpine\nVERSION_ID=3.10.0\n"), platform="linux/arm64")
    write_layout(tmp_path / "images", {"app:1": IndexBuilder(amd, arm)})
    lake = Lake.open(tmp_path / "lake", create=True)
    one = run(estate_of(tmp_path / "images"), lake, LocalExecutor())
    assert dict(one.images) == {"ok": 1}
    layout = tmp_path / "images"
    both = parse_estate(f"platforms: all\nregistries:\n  - name: demo\n    kind: oci\n    url: {layout}\n")
    assert dict(run(both, lake, LocalExecutor()).images) == {"ok": 2}
    assert {row[0] for row in ask(lake, "SELECT arch FROM latest_images")} == {"amd64", "arm64"}


def _with_config(layer: LayerBuilder, config: bytes) -> RawManifest:
    import json

    from grid.testing.layers import OCI_CONFIG, OCI_MANIFEST, digest_of

    blob = layer.blob()
    return RawManifest(
        json.loads(
            json.dumps({
                "schemaVersion": 2,
                "mediaType": OCI_MANIFEST,
                "config": {"mediaType": OCI_CONFIG, "digest": digest_of(config), "size": len(config)},
                "layers": [{"mediaType": blob.media_type, "digest": blob.digest, "size": blob.size}],
            })
        ),
        config,
        blob.data,
    )  # fmt: skip


def test_a_layer_that_a_limit_refused_is_scanned_once_the_limit_is_raised(tmp_path: Path) -> None:
    layers = LayerBuilder()
    for n in range(50):
        layers.file(f"f{n}")
    write_layout(tmp_path / "images", {"app:1": ImageBuilder(layers)})
    lake = Lake.open(tmp_path / "lake", create=True)
    small = estate_of(tmp_path / "images", "limits: {max_entries: 10}\n")
    assert run(small, lake, LocalExecutor()).failures[0][1] == "TooManyEntries"
    assert run(small, lake, LocalExecutor()).plan.layers == 0
    assert dict(run(estate_of(tmp_path / "images"), lake, LocalExecutor()).images) == {"ok": 1}


def test_a_distribution_without_advisories_is_told_from_one_that_is_clean(tmp_path: Path, database: Database) -> None:
    def alpine(version: str) -> ImageBuilder:
        layer = LayerBuilder().file("etc/os-release", f"ID=alpine\nVERSION_ID={version}.0\n")
        return ImageBuilder(layer.file("lib/apk/db/installed", "P:nothing\nV:1-r0\nA:x86_64\no:nothing\n\n"))

    bare = ImageBuilder(LayerBuilder().file("bin/tool", b"x"))
    write_layout(tmp_path / "images", {"known:1": alpine("3.12"), "new:1": alpine("3.99"), "bare:1": bare})
    lake = Lake.open(tmp_path / "lake", create=True)
    run(estate_of(tmp_path / "images"), lake, LocalExecutor(), database)
    found = ask(lake, "SELECT repository, vulnerabilities, os_matched FROM image_summary ORDER BY 1")
    assert found == [("bare", 0, None), ("known", 0, True), ("new", 0, False)]

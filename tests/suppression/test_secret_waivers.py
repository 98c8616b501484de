"""Secrets that the site accepts: they stay in the lake, with who says so, and no count has them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from grid.cli import build
from grid.driver import LocalExecutor
from grid.estate import parse_estate
from grid.store import Lake
from grid.sweep import sweep
from grid.testing.layers import ImageBuilder, LayerBuilder, write_layout
from grid.warehouse import connect

TOKEN, OTHER = "ghp_" + "a1B2c3D4" * 4 + "e5F6", "ghp_" + "z9Y8x7W6" * 4 + "v5U4"
SUMMARY = "SELECT repository, secrets, secrets_hidden, secrets_suppressed FROM image_summary ORDER BY ALL"
SAID = "SELECT repository, path, suppressed_by, suppressed_reason FROM image_secrets ORDER BY ALL"


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two repositories that share a layer with two secrets, one of them deleted again in ``two``."""
    folder = tmp_path_factory.mktemp("images")
    shared = LayerBuilder().file("app/.env", f"TOKEN={TOKEN}\n").file("docs/example.txt", f"token {OTHER}\n").blob()
    gone = LayerBuilder().whiteout("docs/example.txt").blob()
    write_layout(folder, {"one:1": ImageBuilder(shared), "two:1": ImageBuilder(shared, gone)})
    return folder


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """One for all tests: the layers are read once."""
    return Lake.open(tmp_path_factory.mktemp("lake"), create=True)


def ask(images: Path, lake: Lake, extra: str, query: str) -> list[tuple[Any, ...]]:
    """Sweep without a vulnerability database, then ask."""
    estate = parse_estate(f"registries:\n  - name: demo\n    kind: oci\n    url: {images}\n{extra}", "estate.yaml")
    sweep(estate, lake, LocalExecutor(), database=None)
    with connect(lake) as con:
        return con.execute(query).fetchall()


def rule(images: Path, lake: Lake) -> str:
    return str(ask(images, lake, "", "SELECT DISTINCT rule_id FROM image_secrets")[0][0])


def test_nothing_said_suppresses_nothing(images: Path, lake: Lake) -> None:
    assert ask(images, lake, "", SUMMARY) == [("one", 2, 0, 0), ("two", 2, 1, 0)]
    with connect(lake) as con:
        assert con.execute("SELECT count(*) FROM secret_statements").fetchone() == (0,)


def test_a_waiver_by_rule_and_path_suppresses_in_the_images_that_it_names(images: Path, lake: Lake) -> None:
    name = rule(images, lake)
    extra = f"waivers:\n  - {{secret: {name}, path: 'docs/*', repository: ['*', '!one'], reason: an example}}\n"
    assert ask(images, lake, extra, SUMMARY) == [("one", 2, 0, 0), ("two", 1, 0, 1)]
    with connect(lake) as con:
        assert con.execute(SAID).fetchall() == [
            ("one", "app/.env", None, None), ("one", "docs/example.txt", None, None),
            ("two", "app/.env", None, None), ("two", "docs/example.txt", "waiver estate.yaml:6", "an example"),
        ]  # fmt: skip


def test_a_waiver_by_fingerprint_suppresses_that_value_wherever_it_is(images: Path, lake: Lake) -> None:
    ((print_,),) = ask(images, lake, "", "SELECT DISTINCT fingerprint FROM image_secrets WHERE path = 'app/.env'")
    extra = f"waivers:\n  - {{secret: {print_}, reason: revoked}}\n"
    assert ask(images, lake, extra, SUMMARY) == [("one", 1, 0, 1), ("two", 1, 1, 1)]


def test_the_first_of_several_decides_and_an_expired_one_does_not_count(images: Path, lake: Lake) -> None:
    yesterday = (datetime.now(UTC) - timedelta(days=1)).date()
    extra = f"""\
waivers:
  - {{secret: '*', reason: over, expires: {yesterday}}}
  - {{secret: '*', path: 'app/*', reason: first}}
  - {{secret: '*', path: ['app/*', 'docs/*'], reason: second}}
"""
    query = "SELECT DISTINCT path, suppressed_reason FROM image_secrets ORDER BY ALL"
    assert ask(images, lake, extra, query) == [("app/.env", "first"), ("docs/example.txt", "second")]
    assert ask(images, lake, "", query) == [
        ("app/.env", None),
        ("docs/example.txt", None),
    ]  # a newer sweep says nothing


def test_a_line_of_an_ignore_file_suppresses_a_rule_and_the_scan_is_green(
    images: Path, lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = rule(images, lake)
    monkeypatch.chdir(tmp_path)
    command = ["scan", f"oci:{images}:one:1", "--lake", str(tmp_path / "lake"), "--scanners", "secret", "--exit-code"]
    assert CliRunner().invoke(build(), command).exit_code == 1
    Path(".trivyignore").write_text(f"# examples\n{name}\n")
    done = CliRunner().invoke(build(), [*command, "--show-suppressed"])
    assert done.exit_code == 0, done.output
    assert "Suppressed secrets" in done.output and ".trivyignore:2" in done.output

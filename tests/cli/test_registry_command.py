"""``scangrid registry``: the estate without editing YAML."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from grid.cli import build
from grid.errors import EstateInvalid
from grid.estate import load_estate
from grid.testing.layers import ImageBuilder, LayerBuilder, write_layout

RUNNER = CliRunner()
APP = build()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_layout(tmp_path / "images", {"shop/web:1": ImageBuilder(LayerBuilder().file("a", "b"))})
    return tmp_path


def run(*arguments: str) -> tuple[int, str]:
    result = RUNNER.invoke(APP, ["registry", *arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.output


def test_a_registry_that_was_added_is_listed_checked_and_removed(home: Path) -> None:
    assert run("add", "images", "--kind", "oci", "--name", "mine", "--images-per-hour", "7")[0] == 0
    assert load_estate(home / "estate.yaml").registries[0].images_per_hour == 7
    assert "mine" in run("list")[1]
    code, output = run("check")
    assert code == 0 and "shop/web has 1 tags" in output
    run("remove", "mine")
    with pytest.raises(EstateInvalid, match="empty"):
        load_estate(home / "estate.yaml")


def test_a_registry_that_does_not_answer_fails_the_check_and_says_why(home: Path) -> None:
    run("add", "127.0.0.1:1", "--name", "dead", "--plain-http")
    code, output = run("check", "dead")
    assert code == 3 and "NetworkConnectError" in output


def test_comments_survive_and_nothing_is_written_when_the_estate_would_be_wrong(home: Path) -> None:
    estate = home / "estate.yaml"
    estate.write_text("# ours\nregistries:\n  - url: a  # the old one\n")
    run("add", "b")
    text = estate.read_text()
    assert "# ours" in text and "# the old one" in text
    with pytest.raises(EstateInvalid, match="never the password"):
        run("add", "c", "--credential", "hunter2")
    assert estate.read_text() == text


def test_removing_what_is_not_there_says_so(home: Path) -> None:
    (home / "estate.yaml").write_text("registries:\n  - url: a\n")
    with pytest.raises(EstateInvalid, match="no registry 'b'"):
        run("remove", "b")

"""``scangrid db`` as a user types it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from test_db_update import place, small
from typer.testing import CliRunner

from grid.errors import DatabaseMissing, GridError, UsageError
from vulndb.build import build_sample
from vulndb.commands import app
from vulndb.feeds import FEEDS, alpine


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_sample(tmp_path_factory.mktemp("sample"))


def run(*arguments: str | Path, exit_code: int = 0) -> str:
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    if isinstance(result.exception, GridError):
        raise result.exception
    assert result.exit_code == exit_code, result.output
    return result.stdout


@pytest.mark.parametrize("command", ["update", "status", "list", "search", "export", "import"])
def test_every_command_has_help_with_an_example(command: str) -> None:
    assert f"Example: scangrid db {command}" in run(command, "--help")


def test_search_by_id_alias_and_package(root: Path) -> None:
    assert "1:1.2.11.dfsg-2+deb11u2" in run("search", "CVE-2022-37434", "--db", root)
    assert "CVE-2021-44906" in run("search", "GHSA-xvch-5gv4-984h", "--db", root)
    assert "CVE-2018-1000656" in run("search", "Flask", "--db", root)
    assert "nothing is known of no-such-thing" in run("search", "no-such-thing", "--db", root)


def test_search_is_narrowed_by_ecosystem_and_gives_json(root: Path) -> None:
    def namespaces(name: str) -> set[str]:
        hits = json.loads(run("search", "CVE-2022-37434", "--ecosystem", name, "--format", "json", "--db", root))
        return {hit["namespace"] for hit in hits}

    assert namespaces("Debian") == namespaces("deb") == namespaces("debian:11") == {"Debian:11"}
    assert all(n.startswith("Alpine:") for n in namespaces("apk")) and namespaces("apk")
    assert namespaces("npm") == set()


def test_status_for_people_and_for_programs(root: Path) -> None:
    assert "osv" in run("status", "--db", root)
    document = json.loads(run("status", "--format", "json", "--db", root))
    assert document["tables"]["kev"]["rows"] == 5 and document["warnings"] == []


def test_the_kept_versions_are_listed(root: Path) -> None:
    assert "in use" in run("list", "--db", root)
    (only,) = json.loads(run("list", "--format", "json", "--db", root))
    assert only["current"] and only["rows"]["kev"] == 5 and only["bytes"] > 1000


def test_an_old_database_is_told(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from datetime import timedelta

    monkeypatch.setattr("vulndb.health.STALE_AFTER", timedelta(seconds=-1))
    assert "db update" in run("status", "--db", root)


def test_status_says_what_is_wrong_and_what_to_do(feed_server: Any, tmp_path: Path) -> None:
    mirror, names = feed_server.url, ["--only", "alpine", "--only", "kev", "--only", "osv"]
    feed_server.files |= small()
    update = ("update", "--mirror", mirror, "--db", tmp_path, *names)
    assert "built" in run(*update)
    status = run("status", "--check", "--db", tmp_path)
    assert (
        f"in good health; {len(FEEDS) - 3} of {len(FEEDS)} feeds are absent" in status
        and "less than a minute ago" in status
        and "not asked for: scangrid db update --only ubuntu" in status
    )
    feed_server.files[place(f"{alpine.HOST}/v3.10/main.json")] = b"<html>maintenance"
    assert "unchanged" in run(*update, exit_code=3)
    status = run("status", "--check", "--db", tmp_path, exit_code=3)
    assert "stale" in status and "not JSON" in status and "old, is used" in status and "good health" not in status
    document = json.loads(run("status", "--format", "json", "--db", tmp_path))
    (told,) = (feed for feed in document["health"] if feed["name"] == "alpine")
    assert told["status"] == "stale" and (told["advisories"], told["ranges"]) == (1, 1) and len(document["kept"]) == 1
    feed_server.files |= small()
    run(*update)
    run("status", "--check", "--db", tmp_path)


def test_a_feed_that_nobody_looks_at_any_more_is_told(feed_server: Any, tmp_path: Path) -> None:
    feed_server.files |= small()
    run("update", "--mirror", feed_server.url, "--db", tmp_path, "--only", "kev", "--only", "osv")
    state = tmp_path / "workspace" / "kev" / "state.json"
    document = json.loads(state.read_bytes())
    document["files"][0]["checked_at"] = "2020-01-01T00:00:00+00:00"
    state.write_text(json.dumps(document))
    assert "db update --only kev" in run("status", "--check", "--db", tmp_path, exit_code=3)


def test_an_update_that_is_piped_says_one_line(feed_server: Any, tmp_path: Path) -> None:
    feed_server.files |= small()
    names = [f"--only={name}" for name in ("osv", "alpine", "debian", "kev")]
    output = run("update", "--mirror", feed_server.url, "--db", tmp_path, "--keep", "3", *names)
    assert output.count("\n") == 1 and output.startswith("built: ") and "2 ranges" in output
    assert (tmp_path / "keep").read_text() == "3\n"
    assert run("update", "--mirror", feed_server.url, "--db", tmp_path, *names).startswith("unchanged: ")


def test_export_and_import(root: Path, tmp_path: Path) -> None:
    run("export", tmp_path / "b.tar.zst", "--db", root)
    assert "imported" in run("import", tmp_path / "b.tar.zst", "--db", tmp_path / "site")
    assert run("search", "jquery", "--db", tmp_path / "site") == run("search", "jquery", "--db", root)


def test_mistakes_are_errors_with_a_remedy(root: Path, tmp_path: Path) -> None:
    with pytest.raises(DatabaseMissing):
        run("status", "--db", tmp_path / "none")
    with pytest.raises(DatabaseMissing):
        run("list", "--db", tmp_path / "none")
    for arguments in (
        ("update", "--mirror", "/no/such/folder", "--db", tmp_path / "x"),
        ("update", "--mirror", tmp_path, "--only", "nosuch", "--db", tmp_path / "x"),
        ("status", "--format", "yaml", "--db", root),
    ):
        with pytest.raises(UsageError) as raised:
            run(*arguments)
        assert raised.value.remedy


def test_markup_in_what_a_user_types_is_text(root: Path) -> None:
    assert "[red]x[/red]" in run("search", "[red]x[/red]", "--db", root)

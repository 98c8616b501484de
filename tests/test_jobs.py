"""The Ray job entry points, as ``ray job submit`` runs them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from grid.database import open_database
from grid.demo import build_estate
from jobs import refresh
from tests.e2e.cli import environment
from vulndb.build import build_sample
from vulndb.feeds import kev


def job(name: str, *arguments: str | Path, database: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", f"jobs.{name}", *map(str, arguments)]
    return subprocess.run(
        command, env=environment(SCANGRID_DB=database), stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=120, cwd=Path(__file__).parents[1],
    )  # fmt: skip


@pytest.mark.ray
def test_a_nightly_sweep_and_a_refresh_report_a_line_of_json(tmp_path: Path) -> None:
    estate = build_estate(tmp_path / "demo")
    lake = tmp_path / "lake"
    swept = job("nightly", "--address", "local", "--config", estate, "--lake", lake, database=tmp_path / "db")
    assert swept.returncode == 3, swept.stderr  # the demo has a bad image
    [line] = swept.stdout.splitlines()
    report = json.loads(line)
    assert report["status"] == "incomplete"
    assert report["images"] == {"ok": 10, "incomplete": 1, "unsupported": 1}
    assert report["layers_scanned"] == 13 and report["findings"] is None
    build_sample(tmp_path / "db")
    matched = job("refresh", "--lake", lake, database=tmp_path / "db")
    assert matched.returncode == 0, matched.stderr
    [line] = matched.stdout.splitlines()
    assert json.loads(line)["findings"] > 20 and json.loads(line)["packages"] > 50
    assert (lake / "scangrid.duckdb").is_file()


def test_a_job_that_cannot_start_says_why_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert refresh.main(["--lake", str(tmp_path / "none")]) == 2
    assert "LakeMissing" in capsys.readouterr().err
    ended = job("nightly", "--config", tmp_path / "none.yaml", database=tmp_path)
    assert ended.returncode == 2 and not ended.stdout
    assert "EstateInvalid" in ended.stderr and "Traceback" not in ended.stderr


@pytest.mark.ray
def test_the_database_is_updated_on_a_cluster_and_reports_a_line_of_json(tmp_path: Path) -> None:
    file = tmp_path / "mirror" / kev.URL.removeprefix("https://")
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps({"vulnerabilities": [{"cveID": "CVE-2020-0001", "dateAdded": "2021-01-01"}]}))
    options = ("--address", "local", "--mirror", tmp_path / "mirror", "--only", "kev", "--keep", "3")
    done = job("database", *options, database=tmp_path / "db")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["rebuilt"] and report["rows"]["kev"] == 1 and report["incomplete"] == []
    assert open_database(tmp_path / "db").version == report["version"]
    refused = job("database", "--mirror", tmp_path / "none", database=tmp_path / "db")
    assert refused.returncode == 2 and "UsageError" in refused.stderr and "Traceback" not in refused.stderr

"""The commands as users type them: what they print, and how they end."""

from __future__ import annotations

import csv
import io
import json
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import typer

from grid.cli import build, main
from grid.database import Database
from grid.demo import _aws_credentials, _token, build_estate
from grid.reports import tables
from grid.store import Lake
from grid.warehouse import connect, query
from tests.e2e.cli import COMMAND, environment, scangrid


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    def one_line(self) -> str:
        """Its error: one line on standard error, and no traceback."""
        assert not self.out and self.err.count("\n") == 1, (self.out, self.err)
        return self.err.strip()


Run = Callable[..., Ended]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], database: Database, tmp_path: Path) -> Run:
    """The command line in this process, with the sample database and an empty folder to work in."""
    monkeypatch.setenv("SCANGRID_DB", str(database.path.parent.parent))
    monkeypatch.delenv("SCANGRID_LAKE", raising=False)
    monkeypatch.setenv("COLUMNS", "160")  # the folder's name is of any length
    monkeypatch.chdir(tmp_path)

    def go(*arguments: str | Path) -> Ended:
        monkeypatch.setattr("sys.argv", ["scangrid", *map(str, arguments)])
        capfd.readouterr()
        code = 0
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
        out, err = capfd.readouterr()
        return Ended(code, out, err)

    return go


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's estate and, beside it, a lake with some of its images."""
    return build_estate(tmp_path_factory.mktemp("demo")).parent


@pytest.fixture
def lake(demo: Path, run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake with scans of two images; made once."""
    made = demo / "lake"
    if not made.exists():
        scanned = run("scan", f"oci:{demo}/images:shop/worker:1.0", f"oci:{demo}/images:shop/edge:3.1", "--lake", made)
        assert scanned.code == 0, scanned.err
    return made


# --- scan ----------------------------------------------------------------------------------------


def test_scan_prints_findings_fixed_versions_secrets_and_a_summary(run: Run, demo: Path) -> None:
    ended = run("scan", f"oci:{demo}/images:shop/worker:1.0")
    assert ended.code == 0
    assert "shop/worker:1.0" in ended.out and "Debian GNU/Linux 11 (bullseye)" in ended.out
    assert "CVE-" in ended.out and "openssl" in ended.out and "critical" in ended.out
    assert "root/.aws/credentials" in ended.out and "deleted later" in ended.out
    assert "layers read" in ended.out
    assert Path("scangrid-lake/scangrid.duckdb").is_file()


def test_advice_names_the_version_the_command_and_what_it_clears(run: Run, demo: Path, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    scan = ("scan", f"oci:{demo}/images:shop/worker:1.0", "--lake", lake, "--scanners", "vuln")
    ended = run(*scan, "-f", "json")
    [image] = json.loads(ended.out)["images"]
    [openssl] = [row for row in image["advice"] if row["package"] == "openssl"]
    ids = {row["vuln_id"] for row in image["vulnerabilities"] if row["source_name"] == "openssl"}
    assert openssl["clears"] + openssl["remaining"] == len(ids) and openssl["clears"]
    assert openssl["upgrade_version"] > openssl["version"] and "libssl1.1" in openssl["packages"]
    assert openssl["impact"].startswith("Clears ")
    shown = run(*scan).out
    assert "Upgrades" in shown and openssl["upgrade_version"] in shown
    told = run("explain", "shop/worker:1.0", "libssl1.1", "--lake", lake).out
    assert f"upgrade to {openssl['upgrade_version']}" in told and "[critical" in told


def test_what_vex_and_ignore_files_speak_against_does_not_count_and_is_not_gone(
    run: Run, demo: Path, tmp_path: Path
) -> None:
    lake = tmp_path / "lake"
    scan = ("scan", f"oci:{demo}/images:shop/worker:1.0", "--lake", lake, "--scanners", "vuln")
    found = json.loads(run(*scan, "-f", "json").out)["images"][0]["vulnerabilities"]
    first, *others = sorted({row["vuln_id"] for row in found})
    (tmp_path / ".trivyignore").write_text("\n".join(others))
    (tmp_path / "vex.json").write_text(json.dumps({
        "@context": "https://openvex.dev/ns/v0.2.0", "timestamp": "2026-01-01T00:00:00Z", "statements": [{
            "vulnerability": {"name": first}, "status": "not_affected", "justification": "component_not_present",
            "products": [{"@id": row["purl"]} for row in _packages(lake)],
        }],
    }))  # fmt: skip
    assert run(*scan, "--exit-code").code == 1
    ended = run(*scan, "--exit-code", "--vex", "vex.json", "-f", "json")
    assert ended.code == 0, ended.err
    [image] = json.loads(ended.out)["images"]
    assert image["vulnerabilities"] == [] and image["suppressed"] == len(others) + 1 and not image["findings"]
    told = {row["vuln_id"]: row["suppressed_by"] for row in image["suppressed_vulnerabilities"]}
    assert told.pop(first) == "vex vex.json#1"
    assert {by.partition(":")[0] for by in told.values()} == {"ignore .trivyignore"}
    shown = run(*scan, "--vex", "vex.json", "--show-suppressed").out
    assert f"{len(others) + 1} suppressed" in shown and "component_not_present" in shown
    assert f"{len(others)} suppressed" in run(*scan).out and first in run(*scan).out
    broken = run(*scan, "--vex", "gone.json")
    assert broken.code == 2 and "SuppressionInvalid: gone.json: No such file" in broken.err


def _packages(lake: Path) -> list[dict[str, str]]:
    with connect(Lake.open(lake)) as con:
        rows: list[dict[str, str]] = query(con, "SELECT DISTINCT purl FROM packages").to_pylist()
    return rows


def test_a_second_scan_reads_no_layer(run: Run, demo: Path) -> None:
    reference = f"oci:{demo}/images:shop/edge:3.1"
    first = json.loads(run("scan", reference, "--format", "json").out)
    second = json.loads(run("scan", reference, "--format", "json").out)
    assert first["layers"] == {"total": 3, "scanned": 3, "reused": 0}
    assert second["layers"] == {"total": 3, "scanned": 0, "reused": 3} and second["bytes_pulled"] == 0
    assert first["images"][0]["vulnerabilities"] == second["images"][0]["vulnerabilities"]


def test_scan_json_has_the_columns_of_the_views(run: Run, demo: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.json"
    ended = run("scan", f"oci:{demo}/images:shop/worker:1.0", "-f", "json", "-o", target)
    assert ended.code == 0 and not ended.out
    document = json.loads(target.read_text())
    assert document.keys() == {
        "schema_version", "sweep_id", "matched", "images", "layers", "bytes_pulled", "seconds",
    }  # fmt: skip
    assert document["schema_version"] == 1 and document["matched"] is True
    [image] = document["images"]
    assert {"name", "registry", "repository", "tag", "digest", "status", "coverage", "critical", "high"} <= image.keys()
    assert {
        "vuln_id", "aliases", "package", "version", "fixed_version", "state", "severity", "score", "vector", "kev",
        "layer_digest", "source_path", "ecosystem", "published", "modified", "title", "url",
    } <= image["vulnerabilities"][0].keys()  # fmt: skip
    assert {"path", "line", "rule_id", "redacted", "visible"} <= image["secret_findings"][0].keys()
    assert image["secret_findings"][0]["visible"] is False


def test_severity_and_ignore_unfixed_choose_what_is_shown(run: Run, demo: Path) -> None:
    def shown(*options: str) -> list[dict[str, object]]:
        document = json.loads(run("scan", f"oci:{demo}/images:shop/web:2.1", "-f", "json", *options).out)
        rows = [row for image in document["images"] for row in image["vulnerabilities"]]
        return [{name: value for name, value in row.items() if name != "last_seen"} for row in rows]

    everything = shown()
    high = shown("--severity", "critical,HIGH")
    assert 0 < len(high) < len(everything) and {row["severity"] for row in high} == {"critical", "high"}
    fixed = shown("--ignore-unfixed")
    assert fixed == [row for row in everything if row["fixed_version"] is not None]
    assert len(shown("--severity", "critical,high", "--ignore-unfixed")) <= len(high)


def test_one_image_is_asked_by_its_name(run: Run, lake: Path) -> None:
    for view in ("vulnerabilities", "image_secrets", "advice", "image_summary", "image_packages"):
        counted = f"select count(*) as n from {view}"
        whole = run("sql", f"{counted} where repository = 'shop/worker'", "--lake", lake, "--format", "json")
        one = run("sql", counted, "--image", "shop/worker:1.0", "--lake", lake, "--format", "json")
        assert json.loads(one.out) == json.loads(whole.out) != [{"n": 0}], view
    assert "no image 'nobody'" in run("sql", "select 1", "--image", "nobody", "--lake", lake).one_line()
    assert "wants a query" in run("sql", "--image", "shop/worker:1.0", "--lake", lake).one_line()
    assert "QueryInvalid" in run("sql", "select x from advice", "--image", "shop/worker:1.0", "--lake", lake).err


def test_findings_end_in_1_only_when_asked(run: Run, demo: Path) -> None:
    reference = f"oci:{demo}/images:shop/web:2.1"
    assert run("scan", reference).code == 0
    assert run("scan", reference, "--exit-code").code == 1
    assert run("scan", f"oci:{demo}/images:base/alpine:3.12", "--exit-code").code == 1
    assert run("scan", f"oci:{demo}/images:base/alpine:3.12", "--exit-code", "--scanners", "secret").code == 0


def test_a_bad_image_ends_in_3_and_the_others_are_shown(run: Run, demo: Path) -> None:
    ended = run("scan", f"oci:{demo}/images:broken/upload:1", f"oci:{demo}/images:legacy/cron:0.9", "--exit-code")
    assert ended.code == 3
    assert "LayerTruncated" in ended.out and "legacy/cron:0.9" in ended.out and "CVE-" in ended.out


def test_what_is_no_image_is_said_to_be_unsupported(run: Run, demo: Path) -> None:
    ended = run("scan", f"oci:{demo}/images:charts/shop:1.2")
    assert ended.code == 0 and "unsupported" in ended.out and "UnsupportedMediaType" in ended.out


def test_a_secret_is_never_printed_or_kept(run: Run, demo: Path, tmp_path: Path) -> None:
    values = [line.partition(" = ")[2] for line in _aws_credentials().splitlines()[1:]] + [_token("gh" + "p_", 36)]
    printed = ""
    for form in ("table", "json"):
        references = [f"oci:{demo}/images:shop/{name}" for name in ("worker:1.0", "api:1.4")]
        ended = run("scan", *references, "-f", form)
        printed += ended.out + ended.err
    for table in ("image_secrets", "layer_scans", "image_layers", "images", "notes"):
        printed += run("sql", f"select * from {table}", "-f", "json").out
    assert "root/.aws/credentials" in printed and "app/.env" in printed
    assert len(values) == 3 and not [value for value in values if value in printed]


def test_without_a_database_scan_says_that_nothing_was_matched(
    run: Run, demo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCANGRID_DB", str(tmp_path / "none"))
    ended = run("scan", f"oci:{demo}/images:shop/web:2.1")
    assert ended.code == 0 and "NOT MATCHED" in ended.out and "scangrid db update" in ended.out
    assert "· not matched" in ended.out and "coverage" not in ended.out, "nothing looks judged that was not"
    assert json.loads(run("scan", f"oci:{demo}/images:shop/web:2.1", "-f", "json").out)["matched"] is False


# --- mistakes ------------------------------------------------------------------------------------


def test_a_mistake_is_one_line_and_exit_code_2(run: Run, demo: Path, lake: Path, tmp_path: Path) -> None:
    estate = tmp_path / "estate.yaml"
    estate.write_text("registries:\n  - name: a\n    url: x\n    colour: red\n")
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "thesis.txt").touch()
    image = f"oci:{demo}/images:shop/web:2.1"
    mistakes = {
        ("scan", "oci:"): "ReferenceInvalid",
        ("scan", f"oci:{tmp_path}/nowhere:1"): "ReferenceInvalid",
        ("scan", "UPPER/case:1"): "ReferenceInvalid",
        ("scan", image, "--format", "pdf"): "UsageError",
        ("scan", image, "--severity", "awful"): "UsageError",
        ("scan", image, "--scanners", "smell"): "UsageError",
        ("scan", image, "--platform", "linux"): "os/arch",
        ("scan", image, "--lake", str(foreign)): "LakeInvalid",
        ("sweep", "-c", "nowhere.yaml"): "EstateInvalid",
        ("sweep", "-c", str(estate)): "estate.yaml:4",
        ("sql", "select 1", "--lake", "nowhere"): "LakeMissing",
        ("sql", "select 1", "--lake", str(foreign)): "LakeMissing",
        ("sql", "selec 1", "--lake", str(lake)): "QueryInvalid",
        ("sql", "select nothing from images", "--lake", str(lake)): "QueryInvalid",
        ("sql", "drop view images", "--lake", str(lake)): "QueryInvalid",
        ("sql", "select 1", "--lake", str(lake), "-f", "xml"): "UsageError",
        ("explain", "shop/edge:9", "busybox", "--lake", str(lake)): "no image",
        ("explain", "shop/edge:3.1", "no-such-thing", "--lake", str(lake)): "neither",
    }
    for arguments, expected in mistakes.items():
        ended = run(*arguments)
        assert ended.code == 2, (arguments, ended)
        assert expected in ended.err, (arguments, ended)
        assert "Traceback" not in ended.err and "Traceback" not in ended.out
        if not expected.startswith("QueryInvalid"):  # DuckDB points at the place on lines of its own
            ended.one_line()


def test_an_unknown_option_or_command_is_a_mistake_too(run: Run) -> None:
    for arguments in (["scan", "--colour"], ["paint"], ["scan"]):
        ended = run(*arguments)
        assert ended.code == 2 and "Traceback" not in ended.err and ended.err


def test_a_lake_of_a_newer_scangrid_is_refused(run: Run, demo: Path, lake: Path, tmp_path: Path) -> None:
    newer = tmp_path / "newer"
    shutil.copytree(lake, newer)
    (newer / "scangrid.json").write_text('{"schema_version": 99}')
    ended = run("sql", "select 1", "--lake", newer)
    assert ended.code == 2 and "LakeInvalid" in ended.one_line() and "upgrade" in ended.err


# --- sql -----------------------------------------------------------------------------------------

QUERY = "select repository, tag, critical, digest from image_summary order by repository"


def test_sql_prints_tables_json_csv_and_parquet(run: Run, lake: Path, tmp_path: Path) -> None:
    here = ("--lake", lake)
    rows = json.loads(run("sql", QUERY, "-f", "json", *here).out)
    assert [row["repository"] for row in rows] == ["shop/edge", "shop/worker"]
    table = run("sql", QUERY, *here).out
    assert "shop/worker" in table and "2 rows" in table
    lines = list(csv.DictReader(io.StringIO(run("sql", QUERY, "-f", "csv", *here).out)))
    assert [(line["repository"], line["digest"]) for line in lines] == [(r["repository"], r["digest"]) for r in rows]
    assert run("sql", QUERY, "-f", "parquet", "-o", tmp_path / "out.parquet", *here).code == 0
    assert [r["tag"] for r in pq.read_table(tmp_path / "out.parquet").to_pylist()] == [r["tag"] for r in rows]


def test_every_view_answers_in_every_form(run: Run, lake: Path, tmp_path: Path) -> None:
    names = [row["name"] for row in json.loads(run("sql", "show tables", "-f", "json", "--lake", lake).out)]
    assert {"vulnerabilities", "image_packages", "image_secrets", "image_summary", "sweeps", "layer_scans"} <= set(
        names
    )
    with connect(Lake.open(lake)) as con:
        for name in names:
            result = query(con, f'select * from "{name}" limit 3')
            for form in ("json", "csv", "table", "parquet"):
                tables.write(result, form, tmp_path / form)
            assert len(json.loads((tmp_path / "json").read_text())) == result.num_rows, name
            with (tmp_path / "csv").open(newline="") as lines:
                assert len(list(csv.DictReader(lines))) == result.num_rows, name
            assert pq.read_table(tmp_path / "parquet").num_rows == result.num_rows, name


def test_bytes_are_hexadecimal_digits(run: Run, lake: Path) -> None:
    for form, expected in (("json", '"0aff"'), ("csv", '"0aff"'), ("table", "")):
        ended = run("sql", "select '\\x0A\\xFF'::blob as b", "-f", form, "--lake", lake)
        assert ended.code == 0 and expected in ended.out


def test_sql_reads_statements_from_its_input(lake: Path) -> None:
    ended = subprocess.run(
        [*COMMAND, "sql", "-f", "json", "--lake", str(lake)], env=environment(), capture_output=True, text=True,
        input="select 1 as one;\nselect\n 2 as two;\n", timeout=60,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert '"one": 1' in ended.stdout and '"two": 2' in ended.stdout


# --- explain -------------------------------------------------------------------------------------


def test_explain_says_which_layer_brought_a_path_and_what_hid_it(run: Run, lake: Path) -> None:
    ended = run("explain", "shop/worker:1.0", "root/.aws/credentials", "--lake", lake)
    assert ended.code == 0
    assert "COPY .aws /root/.aws" in ended.out and "rm -r /root/.aws" in ended.out


def test_explain_says_which_range_matched_a_package(run: Run, lake: Path) -> None:
    ended = run("explain", "shop/edge:3.1", "busybox", "--lake", lake)
    assert ended.code == 0
    assert "1.31.1-r22" in ended.out and "1.31.1-r16" in ended.out  # the one seen, and the one it replaced
    assert "Alpine:v3.12" in ended.out
    assert "introduced by layer 1" in ended.out


def test_explain_says_which_range_matched_a_package_of_a_language(run: Run, demo: Path, tmp_path: Path) -> None:
    assert run("scan", f"oci:{demo}/images:shop/web:2.1", "--lake", tmp_path / "lake").code == 0
    ended = run("explain", "shop/web:2.1", "Django", "--lake", tmp_path / "lake")
    assert ended.code == 0
    assert "advisory ranges of PyPI name it" in ended.out and "✓ CVE-" in ended.out


def test_explain_says_why_an_owned_package_is_not_matched(run: Run, demo: Path, lake: Path) -> None:
    ended = run("explain", "shop/worker:1.0", "urllib3", "--lake", lake)
    assert ended.code == 0 and "python3-urllib3" in ended.out


# --- help, version, plan, demo -------------------------------------------------------------------


def test_every_command_explains_itself_with_an_example(run: Run) -> None:
    def walk(command: object, path: tuple[str, ...]) -> list[tuple[str, ...]]:
        children = getattr(command, "commands", None)
        if not children:
            return [path]
        return [leaf for name, child in children.items() for leaf in walk(child, (*path, name))]

    leaves = walk(typer.main.get_command(build()), ())
    assert {("scan",), ("sweep",), ("sql",), ("explain",), ("demo",), ("db", "update")} <= set(leaves)
    for leaf in leaves:
        ended = run(*leaf, "--help")
        assert ended.code == 0 and f"scangrid {' '.join(leaf)}" in ended.out.partition("Example")[2], leaf


@pytest.mark.ray
def test_a_plan_prints_the_work_and_reads_no_layer(demo: Path, tmp_path: Path) -> None:
    ended = scangrid("sweep", "-c", demo / "estate.yaml", "--plan", "--lake", tmp_path / "lake", "--cpus", "2")
    assert ended.returncode == 0, ended.stderr
    assert "14 layers" in ended.stdout and "to read in" in ended.stdout
    assert not list((tmp_path / "lake" / "layer_scans").glob("[!~.]*"))


@pytest.mark.ray
@pytest.mark.timeout(180)
def test_the_demo_answers_three_questions_and_names_the_next_commands(tmp_path: Path) -> None:
    ended = scangrid("demo", "--dir", tmp_path / "demo")
    assert ended.returncode == 0, ended.stderr
    assert "12 images" in ended.stdout and "LayerTruncated" in ended.stdout
    answers = ended.stdout.partition("Three questions")[2]
    assert answers.count("?") >= 3 and answers.count(" rows") == 3 and "0 rows" not in answers
    for command in ("scangrid sql", "scangrid explain", "scangrid scan"):
        assert command in ended.stdout.partition("Try next")[2]
    again = scangrid("sql", "--lake", tmp_path / "demo" / "lake", "select count(*) as n from vulnerabilities")
    assert again.returncode == 0 and "Traceback" not in again.stderr

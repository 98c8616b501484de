"""A Red Hat image from its layers to its findings: which repositories it names decides which fixes are its own."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from grid.database import open_database
from grid.driver import LocalExecutor
from grid.estate import parse_estate
from grid.keys import LOWEST
from grid.keys.rpm import key
from grid.store import Lake
from grid.sweep import sweep
from grid.testing.layers import BuiltLayer, ImageBuilder, LayerBuilder, write_layout
from grid.warehouse import connect
from vulndb.publish import publish

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "rpmdb" / "rpmdb.zip"
BASE, EUS = "cpe:/o:redhat:enterprise_linux:8::baseos", "cpe:/o:redhat:rhel_eus:8.8::baseos"
OS = 'ID="rhel"\nVERSION_ID="8.8"\nPRETTY_NAME="Red Hat Enterprise Linux 8.8 (Ootpa)"\n'


def layer(database: bytes, *content_sets: str, os_release: str = OS) -> BuiltLayer:
    builder = LayerBuilder().file("etc/os-release", os_release).file("var/lib/rpm/Packages", database)
    if content_sets:
        manifest = {"metadata": {"icm_version": 1}, "content_sets": list(content_sets), "image_contents": []}
        builder.file("root/buildinfo/content_manifests/ubi8-8.8-1.json", json.dumps(manifest))
    return builder.blob()


@pytest.mark.skipif(not DATA.is_file(), reason="the shared test data (../shared/data/rpmdb) is absent")
def test_the_repositories_that_an_image_names_decide_which_fixes_are_its_own(tmp_path: Path) -> None:
    with zipfile.ZipFile(DATA) as zipped:
        real = zipped.read("go-rpmdb-libuuid.bdb_ro/Packages")  # libuuid 2.32.1-42.el8_8, of Red Hat
    ranges = [
        {"namespace": "Red Hat:8", "name": "libuuid", "advisory_id": cve, "source": "redhat", "lo": LOWEST,
         "hi": key(fixed), "introduced": "0", "fixed": fixed, "state": "fixed", "severity": severity, "cpes": [cpe]}
        for cve, fixed, severity, cpe in (
            ("CVE-2024-0001", "2.32.1-46.el8", "high", BASE),
            ("CVE-2024-0001", "2.32.1-42.el8_8", "high", EUS),
            ("CVE-2024-0002", "2.32.1-42.el8_8.9", "low", EUS),
        )
    ]  # fmt: skip
    publish(tmp_path / "db", {
        "ranges": ranges,
        "advisories": [{"advisory_id": f"CVE-2024-000{n}", "source": "redhat", "vuln_id": f"CVE-2024-000{n}",
                        "aliases": []} for n in (1, 2)],
        "repository_cpes": [{"repository": "rhel-8-for-x86_64-baseos-rpms", "cpe": BASE},
                            {"repository": "rhel-8-for-x86_64-baseos-eus-rpms", "cpe": EUS}],
    })  # fmt: skip
    images = {
        "plain": layer(real),
        "base": layer(real, "rhel-8-for-x86_64-baseos-rpms"),
        "eus": layer(real, "rhel-8-for-x86_64-baseos-eus-rpms"),
        "rebuilt": layer(real, os_release='ID="almalinux"\nVERSION_ID="8.8"\n'),
    }
    write_layout(tmp_path / "images", {f"{name}:1": ImageBuilder(built) for name, built in images.items()})
    estate = parse_estate(f"registries:\n  - name: demo\n    kind: oci\n    url: {tmp_path / 'images'}\n")
    lake = Lake.open(tmp_path / "lake", create=True)
    sweep(estate, lake, LocalExecutor(), database=open_database(tmp_path / "db"))
    with connect(lake) as con:
        found = con.execute("SELECT repository, vuln_id, fixed_version FROM vulnerabilities ORDER BY ALL").fetchall()
        summary = dict(con.execute("SELECT repository, os_matched FROM image_summary").fetchall())
        foreign = con.execute('SELECT "foreign" FROM matches').fetchall()
    assert found == [
        ("base", "CVE-2024-0001", "2.32.1-46.el8"),
        ("eus", "CVE-2024-0002", "2.32.1-42.el8_8.9"),
        ("plain", "CVE-2024-0001", "2.32.1-46.el8"),
    ]
    assert summary == {"plain": True, "base": True, "eus": True, "rebuilt": False}
    assert foreign == [(1,)]  # a package of Red Hat's in an AlmaLinux image is not AlmaLinux's

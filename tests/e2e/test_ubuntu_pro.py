"""Images of one Ubuntu with and without Ubuntu Pro, from their layers to their findings."""

from __future__ import annotations

import json
from pathlib import Path

from grid.database import open_database
from grid.driver import LocalExecutor
from grid.estate import parse_estate
from grid.store import Lake
from grid.sweep import rematch, sweep
from grid.testing.layers import ImageBuilder, LayerBuilder, write_layout
from grid.warehouse import connect
from vulndb.build import build_records

FIX = "1.12.0-1~ubuntu16.04.3+esm1"
RECORD = {
    "id": "UBUNTU-CVE-2021-3782",
    "upstream": ["CVE-2021-3782"],
    "affected": [
        {
            "package": {"ecosystem": "Ubuntu:Pro:16.04:LTS", "name": "wayland"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": FIX}]}],
        }
    ],
}


def image(version: str, **services: str) -> ImageBuilder:
    layer = LayerBuilder().file("etc/os-release", 'ID=ubuntu\nVERSION_ID="16.04"\nPRETTY_NAME="Ubuntu 16.04 LTS"\n')
    layer.file(
        "var/lib/dpkg/status",
        f"Package: libwayland-client0\nStatus: install ok installed\nArchitecture: amd64\nSource: wayland\n"
        f"Maintainer: Ubuntu Developers <ubuntu-devel-discuss@lists.ubuntu.com>\nVersion: {version}\n",
    )
    if services:
        told = [{"name": name.replace("_", "-"), "status": status} for name, status in services.items()]
        layer.file("var/lib/ubuntu-advantage/status.json", json.dumps({"attached": True, "services": told}))
    return ImageBuilder(layer)


def test_an_attached_image_has_what_pro_fixes_and_others_are_told_of_it(tmp_path: Path) -> None:
    images = {
        "plain:1": image("1.11.0-2"),
        "attached:1": image("1.11.0-2", esm_infra="enabled"),
        "attached:fixed": image(FIX, esm_infra="enabled"),
        "detached:1": image("1.11.0-2", esm_infra="disabled"),
        "livepatch:1": image("1.11.0-2", livepatch="enabled"),
    }
    write_layout(tmp_path / "images", images)
    estate = parse_estate(f"registries:\n  - name: demo\n    kind: oci\n    url: {tmp_path / 'images'}\n")
    lake = Lake.open(tmp_path / "lake", create=True)
    database = build_records(tmp_path / "db", [RECORD])
    sweep(estate, lake, LocalExecutor(), database=database)
    for _ in range(2):
        with connect(lake) as con:
            found = con.execute(
                "SELECT repository, tag, state, fixed_version, subscriber_fix FROM vulnerabilities ORDER BY ALL"
            ).fetchall()
        assert found == [
            ("attached", "1", "fixed", FIX, None),
            ("detached", "1", "affected", None, FIX),
            ("livepatch", "1", "affected", None, FIX),
            ("plain", "1", "affected", None, FIX),
        ]
        rematch(lake, open_database(tmp_path / "db"))  # the same from facts alone

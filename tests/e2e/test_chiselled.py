"""Chiselled Ubuntu, from what chisel leaves in a layer to findings of the sources that it does not name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import zstandard

from grid.driver import LocalExecutor
from grid.estate import parse_estate
from grid.store import Lake
from grid.sweep import sweep
from grid.testing import ImageBuilder, LayerBuilder, write_layout
from grid.warehouse import connect
from vulndb.build import build_records


def record(cve: str, source: str, fixed: str, *binaries: str) -> dict[str, Any]:
    return {
        "id": f"UBUNTU-{cve}", "upstream": [cve],
        "affected": [{
            "package": {"ecosystem": "Ubuntu:24.04:LTS", "name": source},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": fixed}]}],
            "ecosystem_specific": {"binaries": [{"binary_name": b, "binary_version": fixed} for b in binaries]},
        }],
    }  # fmt: skip


def test_binaries_are_matched_through_the_source_that_advisories_name(tmp_path: Path) -> None:
    found = {"libc6": "2.39-0ubuntu8.3", "zlib1g": "1:1.3.dfsg-3.1ubuntu2.1", "base-files": "13ubuntu10.1"}
    lines = [{"jsonwall": "1.0", "schema": "1.0", "count": len(found)}]
    lines += [{"kind": "package", "name": n, "version": v, "arch": "amd64"} for n, v in found.items()]
    wall = b"".join(json.dumps(line, separators=(",", ":")).encode() + b"\n" for line in lines)
    layer = LayerBuilder().file("usr/lib/os-release", 'ID=ubuntu\nVERSION_ID="24.04"\nID_LIKE=debian\n')
    layer.file("var/lib/chisel/manifest.wall", zstandard.ZstdCompressor().compress(wall))
    write_layout(tmp_path / "images", {"app:1": ImageBuilder(layer)})
    database = build_records(
        tmp_path / "db",
        [
            record("CVE-2024-1", "glibc", "2.39-0ubuntu8.4", "libc6", "libc-bin"),
            record("CVE-2024-2", "zlib", "1:1.3.dfsg-3.1ubuntu2", "zlib1g"),
        ],
    )
    lake = Lake.open(tmp_path / "lake", create=True)
    estate = parse_estate(f"registries:\n  - name: here\n    kind: oci\n    url: {tmp_path / 'images'}\n")
    sweep(estate, lake, LocalExecutor(), database=database)
    with connect(lake) as con:
        query = "SELECT package, version, vuln_id, fixed_version FROM vulnerabilities"
        assert con.execute(query).fetchall() == [("libc6", "2.39-0ubuntu8.3", "CVE-2024-1", "2.39-0ubuntu8.4")]

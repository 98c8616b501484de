"""Where a package comes from, from real layers to the tables: the layer, its build step, whose it is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from grid.driver import LocalExecutor
from grid.estate import parse_estate
from grid.store import Lake
from grid.sweep import sweep
from grid.testing.layers import BuiltLayer, ImageBuilder, LayerBuilder, write_layout
from grid.warehouse import connect

NPM = "srv/node_modules/left-pad/package.json"


def status(**versions: str) -> str:
    return "\n".join(
        f"Package: {name}\nStatus: install ok installed\nArchitecture: amd64\nVersion: {version}\n"
        for name, version in versions.items()
    )


def layer(**files: str) -> BuiltLayer:
    names = {"status": "var/lib/dpkg/status", "npm": NPM, "os": "etc/os-release"}
    builder = LayerBuilder()
    for name, text in files.items():
        builder.file(names[name], text)
    return builder.blob()


BASE = layer(os='ID=debian\nVERSION_ID="12"\n', status=status(bash="5.2-1", libssl3="3.0.9-1"))
APT = layer(status=status(bash="5.2-1", libssl3="3.0.11-1", curl="7.88-1"))
CODE = layer(npm='{"name": "left-pad", "version": "1.3.0"}')
BASE_STEPS = [{"created_by": "ADD rootfs /"}, {"created_by": 'CMD ["bash"]', "empty_layer": True}]
APP_STEPS = [{"created_by": "RUN apt-get install curl"}, {"created_by": "COPY srv /srv"}]
FOUND = "SELECT name, version, introduced_by, from_base FROM image_packages WHERE repository = 'app' ORDER BY name"


def image(layers: Sequence[BuiltLayer], history: list[dict[str, Any]] | None = None) -> ImageBuilder:
    return ImageBuilder(*layers, history=history)


def swept(folder: Path, images: dict[str, ImageBuilder], lake: Lake) -> None:
    layout = folder / f"layout-{len(images)}"
    write_layout(layout, images)
    estate = parse_estate(f"registries:\n  - name: demo\n    kind: oci\n    url: {layout}\n")
    sweep(estate, lake, LocalExecutor(), database=None)


def ask(lake: Lake, query: str) -> list[tuple[Any, ...]]:
    with connect(lake) as con:
        return con.execute(query).fetchall()


def test_the_history_tells_the_base_from_the_application(tmp_path: Path) -> None:
    lake = Lake.open(tmp_path / "lake", create=True)
    swept(tmp_path, {"app:1": image([BASE, APT, CODE], [*BASE_STEPS, *APP_STEPS])}, lake)
    assert ask(lake, FOUND) == [
        ("bash", "5.2-1", "ADD rootfs /", True),
        ("curl", "7.88-1", "RUN apt-get install curl", False),
        ("left-pad", "1.3.0", "COPY srv /srv", False),
        ("libssl3", "3.0.11-1", "RUN apt-get install curl", False),
    ]
    assert ask(lake, "SELECT base_layers, base_evidence FROM image_summary") == [(1, "cmd")]
    shown = "SELECT DISTINCT introduced_layer, layer_digest FROM image_packages WHERE name = 'bash'"
    assert ask(lake, shown) == [(BASE.digest, APT.digest)]


def test_a_base_that_joins_the_estate_later_is_recognised_then_and_remembered(tmp_path: Path) -> None:
    lake = Lake.open(tmp_path / "lake", create=True)
    app = {"app:1": image([BASE, APT, CODE], [])}
    swept(tmp_path, app, lake)
    unknown = ask(lake, FOUND)
    assert [row[2:] for row in unknown] == [(None, None)] * 4
    base = image([BASE])
    for images in ({**app, "debian:12": base}, {**app, "debian:12": base, "debian:bookworm": base}, app):
        swept(tmp_path, images, lake)
        assert [row[3] for row in ask(lake, FOUND)] == [True, False, False, False]
        summary = "SELECT base_layers, base_evidence, base_digest FROM image_summary WHERE repository = 'app'"
        assert ask(lake, summary) == [(1, "image", base.build().digest)]
    squashes = "SELECT count(*) FROM read_parquet(?)"
    with connect(lake) as con:
        rows = con.execute(squashes, [f"{lake.location}/chains/*.parquet"]).fetchone()
    assert rows == (5,)  # three, and two again when the base came: nothing for the other sweeps

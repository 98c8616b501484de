"""Squash of layers that were really scanned: the columns a scan writes are the columns squash reads."""

from __future__ import annotations

import pyarrow as pa
from squash_tables import osv_namespace, run

from grid.detectors import NAMES, detectors
from grid.images import LayerColumns, chain_ids, squash
from grid.images.chains import chain_table
from grid.layers.scan import scan_layer
from grid.schema import MALWARE
from grid.testing.layers import BuiltLayer, LayerBuilder

STATUS = "Package: bash\nStatus: install ok installed\nVersion: 5.2-1\nArchitecture: amd64\n"
METADATA = "Metadata-Version: 2.1\nName: {}\nVersion: 1.0\n"
PYTHON = "usr/lib/python3/dist-packages"


def scanned(layers: list[BuiltLayer]) -> LayerColumns:
    tables: dict[str, list[pa.Table]] = {"malware": [MALWARE.arrow.empty_table()]}
    for layer in layers:
        found = scan_layer(layer.chunks(), layer.layer, detectors(NAMES))
        for name, table in found.tables.items():
            digests = pa.array([layer.digest] * table.num_rows, pa.string())
            tables.setdefault(name, []).append(table.append_column("layer_digest", digests))
    names = LayerColumns.__dataclass_fields__
    return LayerColumns(**{name: pa.concat_tables(tables[name]) for name in names})


def test_an_image_from_tar_to_exceptions() -> None:
    base = LayerBuilder()
    for path in ("etc", "usr", "usr/lib", "usr/lib/python3", PYTHON, f"{PYTHON}/yaml.dist-info"):
        base.dir(path)
    base.symlink("lib", "usr/lib").symlink("etc/os-release", "../usr/lib/os-release")
    base.file("usr/lib/os-release", 'ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Debian 12"\n')
    base.file(f"{PYTHON}/yaml.dist-info/METADATA", METADATA.format("PyYAML"))
    for path in ("var", "var/lib", "var/lib/dpkg", "var/lib/dpkg/info"):
        base.dir(path)
    base.file("var/lib/dpkg/status", STATUS)
    base.file("var/lib/dpkg/info/python3-yaml.list", "/.\n/lib/python3/dist-packages/yaml.dist-info/METADATA\n")

    install = LayerBuilder()
    for path in ("app", "app/six.dist-info", "var", "var/lib", "var/lib/dpkg"):
        install.dir(path)
    install.file("app/six.dist-info/METADATA", METADATA.format("six")).file("var/lib/dpkg/status", STATUS)

    clean = LayerBuilder().dir("app").whiteout("app/six.dist-info").file(
        "lib/python3/dist-packages/yaml.dist-info/METADATA", METADATA.format("PyYAML")
    )  # fmt: skip

    layers = [builder.blob() for builder in (base, install, clean)]
    digests = [layer.digest for layer in layers]
    found = run(chain_table([digests]), scanned(layers))
    assert {row["os_namespace"] for row in found.chains.to_pylist()} == {"Debian:12"}
    chains = chain_ids(digests)
    assert {(r["chain_id"], r["layer_digest"], r["path"], r["reason"]) for r in found.hidden.to_pylist()} == {
        (chains[0], digests[0], f"{PYTHON}/yaml.dist-info/METADATA", "owned"),
        (chains[1], digests[0], "var/lib/dpkg/status", "hidden"),
        (chains[2], digests[1], "app/six.dist-info/METADATA", "hidden"),
        (chains[2], digests[0], f"{PYTHON}/yaml.dist-info/METADATA", "hidden"),
        (chains[2], digests[2], "lib/python3/dist-packages/yaml.dist-info/METADATA", "owned"),
    }


def test_the_os_ecosystems_are_known_without_being_named() -> None:
    layer = LayerBuilder().dir("var").file("var/lib/dpkg/status", STATUS).blob()
    (batch,) = squash(chain_table([[layer.digest]]), scanned([layer]), osv_namespace, "run")
    assert batch.hidden.num_rows == 0

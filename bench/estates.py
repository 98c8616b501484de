"""Estates of any size as the columns squash reads, without a lake or a layer: for its bench and its tests.

An image is a trunk that many share (a base, its upgrade, a runtime) and some layers of its own choice from a common
pool. A base has an OS database, an os-release, a symlinked ``lib`` and a Python that its database owns; upgrades
rewrite the database; of the others some hold Node or Python packages, some only files, a few a secret or whiteouts.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections import Counter
from hashlib import sha256

import numpy as np
import pyarrow as pa

from grid.images import LayerColumns, Work, squash
from grid.images.chains import chain_table
from grid.model import Distro
from grid.paths import path_hashes

OWN_LAYERS = 5
"""Layers of an image that are not its trunk."""
STATUS = "var/lib/dpkg/status"
RELEASE = "usr/lib/os-release"
OS_PYTHON = [f"usr/lib/python3/dist-packages/os{n}.egg-info/PKG-INFO" for n in range(5)]


def make_estate(chains: int, layers: int = 20_000, seed: int = 1, files: int = 1000) -> tuple[pa.Table, LayerColumns]:
    """About ``chains`` distinct chains over ``layers`` layers, whose listings have ``files`` files on average.

    Returns what ``squash`` takes: chains, and the columns of every layer.
    """
    rng = np.random.default_rng(seed)
    bases, upgrades = max(1, layers // 100), max(1, layers // 20)
    columns = _Columns(rng, files)
    digests = ["sha256:" + sha256(f"estate {seed} layer {n}".encode()).hexdigest() for n in range(layers)]
    for n, digest in enumerate(digests):
        if n < bases:
            columns.base(digest, n)
        elif n < bases + upgrades:
            columns.upgrade(digest)
        else:
            columns.application(digest, n)
    images = []
    for _ in range(max(1, chains // OWN_LAYERS)):
        base = int(rng.integers(bases))
        upgrade = bases + (base * 7 + int(rng.integers(3))) % upgrades
        runtime = bases + upgrades + (upgrade * 13 + int(rng.integers(4))) % (layers - bases - upgrades)
        own = rng.integers(bases + upgrades, layers, OWN_LAYERS).tolist()
        images.append([digests[n] for n in dict.fromkeys([base, upgrade, runtime, *own])])
    return chain_table(images), columns.done()


class _Columns:
    def __init__(self, rng: np.random.Generator, files: int) -> None:
        self.rng = rng
        self.files = files
        self.rows: dict[str, list[tuple[str | None, ...]]] = {
            name: [] for name in ("packages", "distros", "secrets", "malware", "owned_files", "hiders")
        }
        self.index: list[tuple[str, bytes, bytes]] = []

    def _list(self, digest: str, named: list[str], size: float) -> None:
        """A listing with ``named`` files, their directories, and others that nobody asks for."""
        others = self.rng.integers(0, 1 << 63, int(self.rng.exponential(self.files * size)) + 1, dtype=np.uint64)
        dirs = {path.rpartition("/")[0] for path in named}
        dirs |= {"/".join(d.split("/")[:n]) for d in dirs for n in range(1, d.count("/") + 1)} - {""}
        files = np.concatenate([path_hashes(named), others])
        self.index.append((digest, np.sort(files).tobytes(), np.sort(path_hashes(dirs)).tobytes()))

    def base(self, digest: str, n: int) -> None:
        self.rows["packages"].append((digest, STATUS, "deb"))
        self.rows["packages"] += [(digest, path, "pypi") for path in OS_PYTHON]
        self.rows["distros"].append((digest, RELEASE, "debian", str(9 + n % 5), None, "Debian", None))
        info = "var/lib/dpkg/info/python3-os.list"
        self.rows["owned_files"] += [(digest, info, path, "python3-os") for path in OS_PYTHON]
        links = [(f"usr/share/doc/d{k}", f"e{k}") for k in range(100)]
        links += [("lib", "usr/lib"), ("bin", "usr/bin"), ("etc/os-release", "../usr/lib/os-release")]
        self.rows["hiders"] += [(digest, path, "symlink", target) for path, target in links]
        self._list(digest, [STATUS, RELEASE, info, *OS_PYTHON, *(path for path, _ in links)], 4)

    def upgrade(self, digest: str) -> None:
        self.rows["packages"].append((digest, STATUS, "deb"))
        self._list(digest, [STATUS, *(f"var/lib/dpkg/info/p{k}.list" for k in range(20))], 2)

    def application(self, digest: str, n: int) -> None:
        kind, place = self.rng.random(), f"srv/app{n % 499}"
        paths: list[str] = []
        if kind < 0.3:
            paths = [f"{place}/node_modules/n{n}-{k}/package.json" for k in range(int(self.rng.exponential(150)) + 1)]
            self.rows["packages"] += [(digest, path, "npm") for path in paths]
        elif kind < 0.5:
            at = "usr/local/lib/python3.11/site-packages"
            paths = [f"{at}/p{n}_{k}.dist-info/METADATA" for k in range(int(self.rng.exponential(40)) + 1)]
            self.rows["packages"] += [(digest, path, "pypi") for path in paths]
        if self.rng.random() < 0.1:
            paths.append(f"{place}/.env")
            self.rows["secrets"].append((digest, paths[-1]))
        if self.rng.random() < 0.05:
            self.rows["hiders"].append((digest, f"{place}/.env", "whiteout", None))
            self.rows["hiders"].append((digest, OS_PYTHON[n % 5].rpartition("/")[0], "whiteout", None))
        self._list(digest, [*paths, f"{place}/main"], 0.5)

    def done(self) -> LayerColumns:
        names = {
            "packages": ("source_path", "ecosystem"),
            "distros": ("path", "id", "version_id", "id_like", "pretty_name", "codename"),
            "secrets": ("path",),
            "malware": ("path",),
            "owned_files": ("source_path", "path", "owner"),
            "hiders": ("path", "kind", "link_target"),
        }
        tables = {
            table: pa.table({
                name: pa.array([row[n] for row in self.rows[table]], pa.string())
                for n, name in enumerate(("layer_digest", *columns))
            })
            for table, columns in names.items()
        }  # fmt: skip
        digests, files, dirs = ([row[n] for row in self.index] for n in range(3))
        index = pa.table({
            "layer_digest": pa.array(digests, pa.string()),
            "files": pa.array(files, pa.binary()),
            "dirs": pa.array(dirs, pa.binary()),
        })  # fmt: skip
        return LayerColumns(**tables, path_index=index)


def namespace(distro: Distro) -> str | None:
    """Of the estate's only distribution."""
    return f"Debian:{distro.version_id}"


def main() -> None:
    """Squash a made estate and print what it took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chains", type=int, default=100_000)
    parser.add_argument("--layers", type=int, default=20_000)
    parser.add_argument("--files", type=int, default=1000, help="files of a layer's listing, on average")
    given = parser.parse_args()
    chains, facts = make_estate(given.chains, given.layers, files=given.files)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    work, start = Work(), time.process_time()
    hidden, most = Counter[str](), Counter[str]()
    for batch in squash(chains, facts, namespace, "bench", systems=("deb",), work=work):
        hidden.update(batch.hidden["reason"].to_pylist())
        most.update(batch.hidden["chain_id"].to_pylist())
    seconds = time.process_time() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{work.chains:,} chains in {seconds:.1f} CPU-s: {seconds / work.chains * 1e6:.1f} us a chain")
    print(f"rows {dict(hidden)}; chains by number of rows {sorted(Counter(most.values()).items())[:8]}")
    print(f"{work}; peak memory {peak:.0f} MB, of which {before:.0f} MB held the columns")


if __name__ == "__main__":
    main()

"""The columns squash reads, and one layer's share of them, prepared once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from grid.images.distro import DistroFact
from grid.paths import path_hash, path_hashes

Hashes = npt.NDArray[np.uint64]
Ints = npt.NDArray[np.int64]

NO_HASHES: Hashes = np.empty(0, dtype=np.uint64)

SYSTEM, LANGUAGE, DISTRO, SECRET, MALWARE, RECORD = 1, 2, 4, 8, 16, 32
"""What a fact path holds, as bits. RECORD is an OS package record that owns files; alone it gets no ``hidden`` row."""
STORED = SYSTEM | LANGUAGE | DISTRO | SECRET | MALWARE


_NO_CONTENT = pa.schema([(name, pa.string()) for name in ("layer_digest", "kind", "value")]).empty_table()


@dataclass(frozen=True, slots=True)
class LayerColumns:
    """What the layers of the chains hold, as Arrow tables; each has ``layer_digest``, in any order.

    Rows of layers that no chain has are ignored, duplicates too. A layer without a row anywhere (empty, or its scan
    failed) holds nothing and hides nothing.
    """

    packages: pa.Table
    """``source_path, ecosystem``; distinct rows will do."""
    distros: pa.Table
    """``path, id, version_id, id_like, pretty_name, codename``."""
    secrets: pa.Table
    """``path``."""
    malware: pa.Table
    """``path``."""
    owned_files: pa.Table
    """``source_path, path, owner``."""
    hiders: pa.Table
    """``path, kind, link_target``."""
    path_index: pa.Table
    """``files, dirs``."""
    content_sets: pa.Table = field(default_factory=lambda: _NO_CONTENT)
    """``kind, value``."""


@dataclass(slots=True)
class Work:
    """What a run of squash did, counted: the cost that must not grow with the listings."""

    chains: int = 0
    layers: int = 0
    """Layers prepared."""
    paths: int = 0
    """Fact paths and hiders of those layers, hashed with their ancestors."""
    pairs: int = 0
    """(lower, upper) layers compared; a pair met again is looked up."""
    probes: int = 0
    """Binary searches of the comparisons: never more than the lower layer's fact paths and their ancestors."""
    resolved: int = 0
    """Layers whose parent directories may run through a symbolic link of the view, and were followed."""


def ancestors(path: str) -> Iterator[str]:
    """Proper ancestors of ``path``, nearest first, without the root: ``a/b``, ``a`` of ``a/b/c``."""
    at = path.rfind("/")
    while at > 0:
        path = path[:at]
        yield path
        at = path.rfind("/")


def by_component(path: str) -> str:
    """Sort key that walks a tree: ``a``, ``a/x``, ``a.b``."""
    return path.replace("/", "\0")


def holds(hashes: Hashes, value: int) -> bool:
    """Whether a sorted array holds ``value``."""
    if not len(hashes):
        return False
    needle = np.uint64(value)
    at = hashes.searchsorted(needle)
    return bool(at < len(hashes) and hashes[at] == needle)


class Layer:
    """One layer, prepared: everything that does not depend on what lies below it."""

    def __init__(self, number: int, columns: Columns) -> None:
        self.number = number
        start, stop = columns.facts.bounds(number)
        self._paths = columns.facts.column("path")[start:stop]
        self.flags: npt.NDArray[np.uint8] = columns.flags[start:stop]
        self.files, self.dirs = columns.index(number)
        self.distros = columns.distro_facts(number)
        self.content = columns.content(number)
        self.owned = columns.owned_rows(number)
        """(record path, owned path, owner)."""
        start, stop = columns.hiders.bounds(number)
        self._hiders = (columns.hiders, start, stop)
        self.covers: list[tuple[str, str]] = []
        """(kind, path): opaque markers, then whiteouts."""
        self.targets: dict[str, str] = {}
        """Symbolic link → its target as written."""
        self.hardlinks = 0
        loose: list[str] = []  # paths whose parents may lack an entry of their own
        opened: list[str] = []
        self.implied: list[str] = []
        for path, kind, target in zip(
            columns.hiders.column("path")[start:stop].to_pylist(),
            columns.hiders.column("kind")[start:stop].to_pylist(),
            columns.hiders.column("link_target")[start:stop].to_pylist(),
            strict=True,
        ):
            if kind == "implied":
                self.implied.append(path)
                continue
            if kind in ("whiteout", "opaque"):
                self.covers.append((kind, path))
                opened.append(path + "/" if kind == "opaque" and path else path)
                continue
            if kind == "symlink" and target:
                self.targets[path] = target
            loose.append(path)
        self.covers.sort()
        loose.extend(self._paths.to_pylist())
        columns.work.layers += 1
        columns.work.paths += len(loose) + len(opened) + len(self.implied)
        self.implied = self._without_entry(loose, self.implied)
        """Parent directories of this layer's entries that have no directory entry in it, parents first."""
        self.opened = self._without_entry(opened)
        """The same of whiteouts, and opaque directories themselves."""
        self.folded = sorted({a for _, path, _ in self.owned for a in ancestors(path)}, key=by_component)
        """Ancestors of owned files, parents first."""
        self.link_hashes = np.sort(path_hashes(self.targets))
        through = {*self.implied, *self.opened, *self.folded}
        self.through: Hashes = np.sort(path_hashes(through)) if through else NO_HASHES
        """Directories that entries go through without naming them: links of the view are followed there."""
        self.followed = any(path in through for path in self.targets)

    def _without_entry(self, paths: Iterable[str], also: Iterable[str] = ()) -> list[str]:
        found: set[str] = set()
        for path in paths:
            parent = path.rpartition("/")[0]
            while parent and parent not in found:
                found.add(parent)
                parent = parent.rpartition("/")[0]
        parents = sorted(found.union(also), key=by_component)
        if not parents or not len(self.dirs):
            return parents
        hashes = path_hashes(parents)
        named = self.dirs.take(self.dirs.searchsorted(hashes), mode="clip") == hashes
        if named.all():
            return []
        return [path for path, known in zip(parents, named.tolist(), strict=True) if not known]

    def paths(self) -> list[str]:
        """Fact paths in this layer, sorted."""
        return list(self._paths.to_pylist())

    def path(self, fact: int) -> str:
        return str(self._paths[fact].as_py())

    def has_dir(self, path: str) -> bool:
        """Whether the layer has a directory entry of that name."""
        return holds(self.dirs, path_hash(path))

    @cached_property
    def kinds(self) -> dict[str, str]:
        """Links by path, with their kind: what the index cannot tell from a file."""
        table, start, stop = self._hiders
        kinds = table.column("kind")[start:stop].to_pylist()
        paths = table.column("path")[start:stop].to_pylist()
        return {path: kind for path, kind in zip(paths, kinds, strict=True) if kind in ("symlink", "hardlink")}


class Grouped:
    """A table in the order of its layers, so that each layer's rows are a slice."""

    def __init__(self, table: pa.Table, layers: int) -> None:
        """``table`` has a column ``layer`` of layer numbers; sorted by it here, and by ``path`` where there is one."""
        keys = [("layer", "ascending")] + [("path", "ascending")] * ("path" in table.column_names)
        self._table = table.take(pc.sort_indices(table, sort_keys=keys)).combine_chunks()
        numbers = self._table["layer"].to_numpy()
        self._bounds = np.searchsorted(numbers, np.arange(layers + 1)).tolist()

    def bounds(self, layer: int) -> tuple[int, int]:
        return self._bounds[layer], self._bounds[layer + 1]

    def column(self, name: str) -> pa.Array:
        column = self._table[name]
        return column.chunk(0) if column.num_chunks else pa.array([], column.type)


class Columns:
    """All layers of some chains: numbers for digests, slices for each, ``Layer`` on demand."""

    def __init__(self, digests: pa.Array, given: LayerColumns, systems: frozenset[str], work: Work) -> None:
        """``digests``: the distinct layers, whose places are their numbers. ``systems``: the OS ecosystems."""
        self.digests = digests
        self.work = work
        self._systems = pa.array(sorted(systems), pa.string())
        self._layers: dict[int, Layer] = {}
        self.facts = self._fact_paths(given)
        self.flags = self.facts.column("flag").to_numpy()
        self._distros = self._group(given.distros, "path", "id", "version_id", "id_like", "pretty_name", "codename")
        self._content = self._group(given.content_sets, "kind", "value")
        self._owned = self._group(given.owned_files, "path", "source_path", "owner")
        self.hiders = self._group(given.hiders, "path", "kind", "link_target")
        # the listings stay where they are: rows are found by number, bytes viewed in place
        self._index: dict[int, tuple[pa.Scalar, pa.Scalar]] = {}
        for batch in given.path_index.select(["layer_digest", "files", "dirs"]).to_batches():
            numbers = pc.index_in(batch["layer_digest"], value_set=digests).to_pylist()
            for row, number in enumerate(numbers):
                if number is not None:
                    self._index[number] = (batch["files"][row], batch["dirs"][row])

    def __getitem__(self, number: int) -> Layer:
        layer = self._layers.get(number)
        if layer is None:
            layer = self._layers[number] = Layer(number, self)
        return layer

    def digest(self, number: int) -> str:
        return str(self.digests[number].as_py())

    def index(self, number: int) -> tuple[Hashes, Hashes]:
        """Sorted hashes of the layer's non-directories and of its directories."""
        row = self._index.get(number)
        if row is None:
            return NO_HASHES, NO_HASHES
        files, dirs = (np.frombuffer(cell.as_buffer() or b"", dtype="<u8") for cell in row)
        return files, dirs

    def distro_facts(self, number: int) -> dict[str, DistroFact]:
        start, stop = self._distros.bounds(number)
        names = ("path", "id", "version_id", "id_like", "pretty_name", "codename")
        rows = zip(*(self._distros.column(name)[start:stop].to_pylist() for name in names), strict=True)
        return {row[0]: DistroFact(*("" if cell is None else cell for cell in row[1:])) for row in rows}

    def content(self, number: int) -> frozenset[tuple[str, str]]:
        start, stop = self._content.bounds(number)
        kinds, values = (self._content.column(name)[start:stop].to_pylist() for name in ("kind", "value"))
        return frozenset(zip(kinds, values, strict=True))

    def owned_rows(self, number: int) -> list[tuple[str, str, str]]:
        start, stop = self._owned.bounds(number)
        names = ("source_path", "path", "owner")
        return list(zip(*(self._owned.column(name)[start:stop].to_pylist() for name in names), strict=True))

    def _numbered(self, table: pa.Table, *columns: str) -> pa.Table:
        """Rows of our layers only, their number in place of the digest, text wide enough to be gathered."""
        numbers = pc.index_in(table["layer_digest"], value_set=self.digests)
        out = pa.table({"layer": numbers, **{name: table[name] for name in columns}})
        out = out.filter(pc.is_valid(out["layer"]))
        return out.cast(pa.schema([("layer", pa.int32()), *((name, pa.large_string()) for name in columns)]))

    def _group(self, table: pa.Table, *columns: str) -> Grouped:
        numbered = self._numbered(table, *columns)
        return Grouped(numbered.group_by(["layer", *columns]).aggregate([]), len(self.digests))

    def _fact_paths(self, given: LayerColumns) -> Grouped:
        packages = self._numbered(given.packages, "source_path", "ecosystem").rename_columns(["layer", "path", "flag"])
        system = pc.is_in(packages["flag"], value_set=self._systems.cast(pa.large_string()))
        kinds = pc.if_else(system, pa.scalar(SYSTEM, pa.uint8()), pa.scalar(LANGUAGE, pa.uint8()))
        parts = [packages.set_column(2, "flag", kinds)]
        for table, name, flag in (
            (given.distros, "path", DISTRO),
            (given.secrets, "path", SECRET),
            (given.malware, "path", MALWARE),
            (given.owned_files, "source_path", RECORD),
        ):
            part = self._numbered(table, name).rename_columns(["layer", "path"])
            part = part.group_by(["layer", "path"]).aggregate([])
            parts.append(part.append_column("flag", pa.array(np.full(part.num_rows, flag, dtype=np.uint8))))
        every = pa.concat_tables(parts).group_by(["layer", "path", "flag"]).aggregate([])
        merged = every.group_by(["layer", "path"]).aggregate([("flag", "sum")])  # distinct bits: the sum is their union
        merged = merged.rename_columns(["layer", "path", "flag"])
        return Grouped(merged.set_column(2, "flag", merged["flag"].cast(pa.uint8())), len(self.digests))

"""Squash against layers that are really unpacked: the files left over must be the facts that are not hidden."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from squash_model import Disk, Tree, unpack
from squash_tables import Entry, columns, exceptions, hidden, listing, run, tree_order, with_parents

from grid.images import history
from grid.images.chains import chain_table

NAMES = "abc"
paths = st.lists(st.sampled_from(NAMES), min_size=1, max_size=4).map("/".join)
targets = st.builds(
    lambda root, parts: root + "/".join(parts),
    st.sampled_from(["", "", "/", "../", "./"]),
    st.lists(st.sampled_from([*NAMES, *NAMES, ".."]), min_size=1, max_size=3),
)
kinds = st.sampled_from(["file"] * 5 + ["dir"] * 2 + ["symlink"] * 4 + ["hardlink", "whiteout", "whiteout", "opaque"])


@st.composite
def entries(draw: st.DrawFn) -> Entry:
    kind = draw(kinds)
    path = draw(paths)
    if kind == "opaque" and draw(st.integers(0, 9)) == 0:
        path = ""
    target = draw(targets) if kind == "symlink" else "a" if kind == "hardlink" else None
    return Entry(path, kind, target, ("secret",) if kind == "file" else ())


@st.composite
def layers(draw: st.DrawFn) -> list[Entry]:
    drawn = draw(st.lists(entries(), max_size=7, unique_by=lambda e: (e.path, e.kind in ("whiteout", "opaque"))))
    found = sorted(drawn, key=tree_order)
    return with_parents(found) if draw(st.booleans()) else found


images = st.lists(layers(), min_size=1, max_size=5)


def possible(image: list[list[Entry]]) -> tuple[list[list[Entry]], Tree]:
    tree = Tree()
    return [unpack(tree, n, layer) for n, layer in enumerate(image)], tree


def facts(image: list[list[Entry]]) -> set[tuple[int, str]]:
    return {(n, e.path) for n, layer in enumerate(image) for e in layer if e.kind == "file"}


@settings(max_examples=300)
@given(images)
def test_visible_facts_are_the_files_left_after_unpacking_in_memory(image: list[list[Entry]]) -> None:
    image, tree = possible(image)
    assert facts(image) - hidden(*image) == tree.contents()


@settings(max_examples=40)
@given(images)
def test_visible_facts_are_the_files_left_after_unpacking_on_disk(image: list[list[Entry]]) -> None:
    image, tree = possible(image)
    with tempfile.TemporaryDirectory() as root:
        disk = Disk(Path(root))
        for n, layer in enumerate(image):
            disk.unpack(n, layer)
        assert disk.contents() == tree.contents()
        assert facts(image) - hidden(*image) == disk.contents()


@settings(max_examples=80)
@given(st.lists(layers(), min_size=3, max_size=3), st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=4)))
def test_chains_squashed_together_are_as_if_squashed_alone(pool: list[list[Entry]], picks: list[list[int]]) -> None:
    layers = {f"layer{n}": layer for n, layer in enumerate(pool)}
    picks = [[f"layer{n}" for n in dict.fromkeys(pick)] for pick in picks]
    facts = columns(layers)

    def rows(picks: list[list[str]]) -> set[tuple[str, ...]]:
        found = run(chain_table(picks), facts).hidden.to_pylist()
        assert len(found) == len({tuple(row.values()) for row in found})
        return {(row["chain_id"], row["layer_digest"], row["path"], row["by"]) for row in found}

    assert rows(picks) == set().union(*(rows([pick]) for pick in picks))


@settings(max_examples=80)
@given(images)
def test_history_ends_as_squash_says(image: list[list[Entry]]) -> None:
    image, _ = possible(image)
    told = {(layer, path): (top, by) for top, layer, path, _, by in exceptions(*image)}
    tables = [listing(layer) for layer in image]
    for n, path in facts(image):
        steps = history(path, tables[: n + 1])
        own = [s for s in steps if s.ordinal == n and s.by == f"file {path}"]
        assert own, (n, path, steps)
        later = [s for s in history(own[-1].path, tables) if s.ordinal > n and s.path == own[-1].path]
        assert bool(later) == ((n, path) in told)
        if later:
            assert later[0].ordinal == told[n, path][0]

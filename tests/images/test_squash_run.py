"""The run over many chains: what it takes, what it gives, and what it must not cost."""

from __future__ import annotations

import sys

import pyarrow as pa
import pytest
from squash_tables import (
    Entry,
    columns,
    directory,
    exceptions,
    file,
    listing,
    osv_namespace,
    run,
    symlink,
    whiteout,
    with_parents,
)

from bench.estates import make_estate
from grid.errors import LakeInvalid
from grid.images import SQUASH_VERSION, Work, chain_id, chain_ids, history, split, squash
from grid.images.chains import chain_table
from grid.schema import CHAINS, HIDDEN

LAYERS = {
    "base": with_parents([file("var/lib/dpkg/status", "deb"), file("etc/key", "secret")]),
    "apt": with_parents([file("var/lib/dpkg/status", "deb")]),
    "app": with_parents([file("app/package.json", "npm")]),
    "clean": with_parents([whiteout("etc/key")]),
}
IMAGES = [["base", "apt", "app"], ["base", "apt", "clean"], ["base", "app", "clean", "apt"], ["app"]]


def untimed(table: pa.Table) -> list[tuple[object, ...]]:
    kept = [name for name in table.column_names if name not in ("squashed_at", "members", "layers")]
    return sorted((tuple(row.values()) for row in table.select(kept).to_pylist()), key=repr)


def test_chain_ids_name_a_layer_together_with_all_below_it() -> None:
    base, child, grandchild = chain_ids(["a", "b", "a"])
    assert (base, child) == (chain_id(None, "a"), chain_id(base, "b"))
    assert len({base, child, grandchild}) == 3
    assert base.startswith("sha256:")
    assert chain_ids([]) == []


def test_rows_have_the_schema_of_the_lake_and_each_chain_stands_once() -> None:
    found = run(chain_table(IMAGES), columns(LAYERS))
    assert found.chains.schema == CHAINS.arrow
    assert found.hidden.schema == HIDDEN.arrow
    given = chain_table(IMAGES)
    assert sorted(found.chains["chain_id"].to_pylist()) == sorted(given["chain_id"].to_pylist())
    assert set(found.chains["version"].to_pylist()) == {SQUASH_VERSION}
    assert set(found.hidden["squash_id"].to_pylist()) == {"run"}


def test_an_exception_stands_where_it_first_happens_and_children_inherit_it() -> None:
    found = run(chain_table(IMAGES), columns(LAYERS)).hidden.to_pylist()
    base_apt, base_app = chain_ids(["base", "apt"])[1], chain_ids(["base", "app", "clean", "apt"])
    assert {(row["chain_id"], row["layer_digest"], row["path"]) for row in found} == {
        (base_apt, "base", "var/lib/dpkg/status"),
        (chain_ids(["base", "apt", "clean"])[2], "base", "etc/key"),
        (base_app[2], "base", "etc/key"),
        (base_app[3], "base", "var/lib/dpkg/status"),
    }


def test_rows_are_made_only_for_the_chains_wanted() -> None:
    chains = chain_table(IMAGES)
    wanted = pa.array([digest in ("clean", "app") for digest in chains["layer_digest"].to_pylist()])
    some, every = run(chains.append_column("wanted", wanted), columns(LAYERS)), run(chains, columns(LAYERS))
    asked = set(chains.filter(wanted)["chain_id"].to_pylist())
    assert set(some.chains["chain_id"].to_pylist()) == asked
    assert untimed(some.hidden) == [row for row in untimed(every.hidden) if row[0] in asked]


@pytest.mark.parametrize("parts", [1, 2, 3, 7, 50])
def test_parts_squashed_apart_make_the_whole(parts: int) -> None:
    chains, facts = make_estate(chains=300, layers=60, seed=5)
    whole = run(chains, facts)
    pieces = [run(part, facts) for part in split(chains, parts)]
    assert len(pieces) == parts
    assert untimed(pa.concat_tables([p.chains for p in pieces])) == untimed(whole.chains)
    assert untimed(pa.concat_tables([p.hidden for p in pieces])) == untimed(whole.hidden)


def test_a_chain_without_its_parent_is_refused() -> None:
    with pytest.raises(LakeInvalid, match="without its parent"):
        run(chain_table(IMAGES).slice(1), columns(LAYERS))


def test_nothing_asked_for_gives_one_empty_batch() -> None:
    batches = list(squash(chain_table([]), columns({}), osv_namespace, "run", systems=("deb",)))
    assert [(b.chains.num_rows, b.hidden.num_rows) for b in batches] == [(0, 0)]


def test_a_layer_that_could_not_be_scanned_hides_nothing() -> None:
    layers = {"base": LAYERS["base"], "other": []}
    assert run(chain_table([["base", "other", "lost"]]), columns(layers)).hidden.num_rows == 0


def test_large_results_come_in_batches_that_hold_a_chain_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    chains, facts = make_estate(chains=300, layers=60, seed=5)
    whole = run(chains, facts)
    monkeypatch.setattr(sys.modules["grid.images.squash"], "BATCH_CHAINS", 70)
    batches = list(squash(chains, facts, osv_namespace, "run", systems=("deb", "apk")))
    assert [b.chains.num_rows for b in batches[:-1]] == [70] * (len(batches) - 1)
    for batch in batches:
        assert set(batch.hidden["chain_id"].to_pylist()) <= set(batch.chains["chain_id"].to_pylist())
    assert untimed(pa.concat_tables([b.hidden for b in batches])) == untimed(whole.hidden)


# --- cost ----------------------------------------------------------------------------------------


def counted(layers: dict[str, list[Entry]], images: list[list[str]]) -> Work:
    work = Work()
    run(chain_table(images), columns(layers), work=work)
    return work


def padded(layer: list[Entry], name: str, files: int) -> list[Entry]:
    return sorted(with_parents([*layer, *(file(f"pad/{name}/{n}") for n in range(files))]), key=lambda e: e.path)


def test_work_does_not_grow_with_the_listing() -> None:
    small = {name: padded(layer, name, 100) for name, layer in LAYERS.items()}
    large = {name: padded(layer, name, 1000) for name, layer in LAYERS.items()}
    assert counted(large, IMAGES) == counted(small, IMAGES)


def test_a_pair_of_layers_is_compared_once_in_however_many_chains() -> None:
    layers = {**LAYERS, **{f"top{n}": with_parents([file(f"srv/{n}")]) for n in range(50)}}
    images = [["base", f"top{n}", "app"] for n in range(50)]
    work = counted(layers, images)
    assert work.chains == 101
    assert work.pairs == 51  # base with each top, and with app


def test_links_are_followed_only_where_a_layer_leaves_out_a_directory_that_may_be_one() -> None:
    base = with_parents([symlink("lib", "usr/lib"), file("usr/lib/x.json", "npm")])
    whole = with_parents([file("usr/lib/y"), file("opt/z")])
    loose = [file("opt/z"), file("srv/y")]
    through = [file("lib/x.json")]
    layers = {"base": base, "whole": whole, "loose": loose, "through": through}
    assert counted(layers, [["base", "whole", "loose"]]).resolved == 0
    assert counted(layers, [["base", "whole", "through"]]).resolved == 1


# --- history -------------------------------------------------------------------------------------


def told(path: str, *layers: list[Entry]) -> list[tuple[int, str, str, str]]:
    return [(s.ordinal, s.event, s.by, s.path) for s in history(path, [listing(layer) for layer in layers])]


def test_history_tells_what_each_layer_did_to_a_path() -> None:
    layers = ([file("a/k")], [file("a/k")], [whiteout("a")], [file("a/k")], [file("a")])
    assert told("/a/k", *layers) == [
        (0, "added", "file a/k", "a/k"),
        (1, "rewritten", "file a/k", "a/k"),
        (2, "hidden", "whiteout a", "a/k"),
        (3, "added", "file a/k", "a/k"),
        (4, "hidden", "file a", "a/k"),
    ]


def test_history_tells_of_a_path_rewritten_in_the_layer_that_whites_it_out() -> None:
    assert told("k", [file("k")], [whiteout("k"), file("k")]) == [
        (0, "added", "file k", "k"),
        (1, "rewritten", "file k", "k"),
    ]


def test_history_of_a_directory() -> None:
    assert told("d", [directory("d")], [directory("d"), file("d/x")], [symlink("d", "e")]) == [
        (0, "added", "dir d", "d"),
        (1, "merged", "dir d", "d"),
        (2, "rewritten", "symlink d", "d"),
    ]


def test_history_follows_symlinked_directories() -> None:
    base = [directory("usr"), directory("usr/lib"), symlink("lib", "usr/lib"), file("usr/lib/x")]
    steps = [(0, "added", "file usr/lib/x", "usr/lib/x"), (1, "rewritten", "file lib/x", "usr/lib/x")]
    assert told("lib/x", base, [file("lib/x")]) == steps
    assert told("/usr/lib/x", base, [file("lib/x")]) == steps


def test_history_of_what_never_was() -> None:
    assert told("nothing/here", [file("a")], [whiteout("nothing")]) == []


def test_history_agrees_with_the_exceptions() -> None:
    layers = ([file("a/k", "secret")], [whiteout("a")])
    assert [(top, by) for top, *_, by in exceptions(*layers)] == [
        (step[0], step[2]) for step in told("a/k", *layers) if step[1] == "hidden"
    ]

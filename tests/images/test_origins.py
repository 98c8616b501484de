"""Who introduced a package: against layers replayed one after the other, which remember what each path held."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import duckdb
import pyarrow as pa
from hypothesis import example, given, settings
from hypothesis import strategies as st
from squash_tables import Entry, columns, file, opaque, osv_namespace, whiteout, with_parents

from grid.images import Origins, squash
from grid.images.chains import chain_ids, chain_table

STATUS, OTHER = "var/lib/dpkg/status", "var/lib/apk/installed"
HIDDEN_COLUMNS = ["chain_id", "layer_digest", "path", "reason", "by"]
Layer = Mapping[str, Sequence[int] | str]
"""Path → the packages of a record, or ``gone``, or (for a directory) ``opaque``."""


def entries(layer: Layer) -> list[Entry]:
    made = {"gone": whiteout, "opaque": opaque}
    return with_parents(
        [
            made[held](path) if isinstance(held, str) else file(path, "deb" if held else "")
            for path, held in layer.items()
        ]
    )


def origins(*layers: Layer, known: int = 0, repeat: Sequence[int] = ()) -> dict[tuple[str, int], int]:
    """(path, package) → ordinal, in the finished image; the lowest ``known`` chains were squashed by an earlier run."""
    order = list(repeat) or list(range(len(layers)))
    digests = [f"layer{n}" for n in order]
    facts = columns({f"layer{n}": entries(layer) for n, layer in enumerate(layers)})
    packages = [
        {"layer_digest": f"layer{n}", "source_path": path, "package_id": number}
        for n, layer in enumerate(layers)
        for path, held in layer.items()
        if not isinstance(held, str)
        for number in held
    ]
    schema = pa.schema([("layer_digest", pa.string()), ("source_path", pa.string()), ("package_id", pa.int64())])
    listed = pa.Table.from_pylist(packages, schema=schema)
    chains = chain_table([digests])
    wanted = [depth > known for depth in chains["depth"].to_pylist()]
    (every,) = squash(chains, facts, osv_namespace, "q0", systems=("deb",))
    (batch,) = squash(chains.append_column("wanted", pa.array(wanted)), facts, osv_namespace, "q", systems=("deb",))
    ids = chain_ids(digests)
    lower = pa.array([chain in ids[:known] for chain in every.hidden["chain_id"].to_pylist()], pa.bool_())
    older = every.hidden.filter(lower)
    with duckdb.connect() as con:
        before = Origins(chains, listed, older.slice(0, 0).select(HIDDEN_COLUMNS)).rows(
            older, lambda layers: listed, con.cursor
        )
        after = Origins(chains, listed, older.select(HIDDEN_COLUMNS)).rows(
            batch.hidden, lambda layers: listed, con.cursor
        )
    told = after.to_pylist()
    assert all(row["squash_id"] == "q" and row["chain_id"] in ids[known:] for row in told)
    told += before.to_pylist()
    gone = {
        (row["layer_digest"], row["path"]) for row in every.hidden.to_pylist()
        if row["layer_digest"] not in digests[ids.index(row["chain_id"]) + 1 :]
    }  # fmt: skip
    exceptions = {(row["chain_id"], row["path"], row["package_id"]): row["ordinal"] for row in told}
    found = {}
    for ordinal, (digest, chain) in enumerate(zip(digests, ids, strict=True)):
        if digest in digests[ordinal + 1 :]:
            continue
        for row in packages:
            if row["layer_digest"] == digest and (digest, row["source_path"]) not in gone:
                key = (str(row["source_path"]), int(str(row["package_id"])))
                found[key] = exceptions.get((chain, *key), ordinal)
    return found


def replayed(*layers: Layer) -> dict[tuple[str, int], int]:
    """The same without squash: a record inherits from what its path held before the layer."""
    view: dict[str, dict[int, int]] = {}
    for ordinal, layer in enumerate(layers):
        before = view
        markers = {path: held for path, held in layer.items() if isinstance(held, str)}
        view = {
            path: held for path, held in before.items()
            if markers.get(path) != "gone"
            and not any(path.startswith(f"{at}/") for at, held in markers.items())
        }  # fmt: skip
        for path, held in layer.items():
            if not isinstance(held, str):
                view[path] = {number: before.get(path, {}).get(number, ordinal) for number in held}
    return {(path, number): ordinal for path, held in view.items() for number, ordinal in held.items()}


def test_what_a_rewritten_database_lists_again_was_there_before() -> None:
    assert origins({STATUS: [1, 2]}, {STATUS: [1, 2, 3]}, {STATUS: [2, 3, 4]}) == {
        (STATUS, 2): 0, (STATUS, 3): 1, (STATUS, 4): 2,
    }  # fmt: skip


def test_what_was_removed_and_came_back_came_with_the_layer_that_brought_it_back() -> None:
    assert origins({STATUS: [1, 2]}, {STATUS: [2]}, {STATUS: [1, 2]}) == {(STATUS, 1): 2, (STATUS, 2): 0}
    assert origins({STATUS: [1]}, {STATUS: "gone"}, {STATUS: [1]}) == {(STATUS, 1): 2}


def test_a_directory_made_anew_in_one_step_keeps_the_origin_of_what_stays() -> None:
    app = "app/node_modules/a/package.json"
    assert origins({app: [1]}, {"app/node_modules": "opaque", app: [1]}) == {(app, 1): 0}


def test_a_layer_that_comes_twice_is_its_own_predecessor() -> None:
    assert origins({STATUS: [1, 2]}, {STATUS: [2, 3]}, repeat=[0, 1, 0]) == {(STATUS, 1): 2, (STATUS, 2): 0}


def test_a_database_reached_through_another_name_goes_on() -> None:
    assert origins({"lib/apk/db/installed": [1]}, {"lib/apk/db/installed": [1, 2]}) == {
        ("lib/apk/db/installed", 1): 0, ("lib/apk/db/installed", 2): 1,
    }  # fmt: skip


held = st.one_of(st.lists(st.integers(1, 4), min_size=1, max_size=4, unique=True), st.just("gone"))
layers = st.lists(
    st.fixed_dictionaries(
        {}, optional={STATUS: held, OTHER: held, "var/lib/dpkg": st.just("opaque"), "var": st.just("gone")}
    ),
    min_size=1,
    max_size=6,
)


@settings(max_examples=60)
@example([{STATUS: [1]}, {STATUS: [1]}, {}], 2)
@given(layers, st.integers(0, 6))
def test_any_layers_replayed(drawn: list[Layer], known: int) -> None:
    drawn = [  # a layer does not put what it takes away by name
        {path: held for path, held in layer.items() if path != "var" or len(layer) == 1} for layer in drawn
    ]
    assert origins(*drawn, known=min(known, len(drawn) - 1)) == replayed(*drawn)

"""Which rows of the lake count, as masks over Arrow tables, and what a row must be to be stored.

The views of ``grid.warehouse`` say the same in SQL; ``tests/store/test_counting.py`` holds both to one model.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from grid.errors import LakeError
from grid.schema import FACT_TABLES, Table

Integers = npt.NDArray[np.int64]

NEWEST: dict[str, tuple[list[str], list[str]]] = {
    "layer_scans": (["layer_digest", "detector"], ["status", "scanned_at", "task_id"]),  # "ok" sorts after "failed"
    "jar_names": (["sha1"], ["named_at"]),
    "manifests": (["ref_digest", "platforms", "digest"], ["resolved_at"]),
    "image_layers": (["digest", "ordinal"], []),
    "chains": (["chain_id"], ["squashed_at", "squash_id"]),
    "config_checks": (["digest", "check_id", "evidence"], []),
    "sweeps": (["sweep_id"], ["written_at"]),
    "matches": (["sweep_id"], ["current", "matched_at", "match_id"]),
    "history": (["match_id"], ["matched_at"]),
}
"""Table → its key, and what makes one of several rows of a key the newest."""

RUNS: dict[str, tuple[str, list[str]]] = {
    "hidden": ("chains", ["chain_id", "squash_id"]),
    "origins": ("chains", ["chain_id", "squash_id"]),
    "distro_support": ("matches", ["match_id"]),
    "findings": ("matches", ["match_id"]),
    "statements": ("matches", ["match_id"]),
    "secret_statements": ("sweeps", ["sweep_id"]),
    "matched_packages": ("history", ["match_id"]),
    "package_events": ("history", ["match_id"]),
    "image_events": ("history", ["match_id"]),
    "finding_events": ("history", ["match_id"]),
}
"""Table → the table whose newest rows commit it, and the columns that both carry."""

_IMAGE_NAME = ["sweep_id", "registry", "repository", "tag"]


def helpers(table: Table) -> list[str]:
    """The columns that decide which rows of a table count."""
    if table in FACT_TABLES:
        return ["layer_digest", "task_id", *([] if table.detector else ["detector"])]
    if table.name in RUNS:
        return RUNS[table.name][1]
    if table.name == "images":
        return [*_IMAGE_NAME, "digest", "ref_digest", "scanned_at"]
    return [column for part in NEWEST.get(table.name, ([], [])) for column in part]


def commutes(table: Table, column: str) -> bool:
    """Whether a filter on ``column`` may run before the choice of the newest rows: it never splits a key."""
    if table in FACT_TABLES or table.name in RUNS:
        return True
    return column in (_IMAGE_NAME if table.name == "images" else NEWEST[table.name][0])


def _codes(rows: pa.Table, keys: Iterable[str]) -> Integers:
    """A number per row; equal numbers mean equal keys, nulls being equal to each other."""
    codes = np.zeros(rows.num_rows, dtype=np.int64)
    for key in keys:
        encoded = pa.chunked_array(pc.dictionary_encode(rows[key])).unify_dictionaries()
        chunks = [np.asarray(pc.fill_null(chunk.indices, -1).to_numpy()) for chunk in encoded.chunks]
        values = np.concatenate([np.zeros(0, np.int64), *chunks]) + 1
        span = int(values.max(initial=0)) + 1
        codes = np.unique(codes * span + values, return_inverse=True)[1].astype(np.int64)
    return codes


def newest(rows: pa.Table, keys: Iterable[str], order: list[str]) -> pa.Array:
    """A mask with one row of each key: the greatest by ``order``, the last of equals."""
    return pa.array(_last(_codes(rows, keys), _ranked(rows, order), rows.num_rows))


def _ranked(rows: pa.Table, order: list[str]) -> Integers:
    if not order:
        return np.arange(rows.num_rows)
    indices = pc.sort_indices(rows.select(order), sort_keys=[(name, "ascending", "at_start") for name in order])
    return np.asarray(indices.to_numpy())


def _last(codes: Integers, ranked: Integers, count: int) -> Integers:
    newest = np.zeros(count + 1, dtype=np.int64)
    newest[codes[ranked]] = ranked  # of repeated indices the last assignment stays
    mask = np.zeros(count, dtype=bool)
    mask[newest[codes]] = True
    return mask


def current_images(rows: pa.Table) -> pa.Array:
    """Newest rows of each image name; a name keeps several rows only for the platforms of one index.

    What was named by digest has no tag, so its digest is part of the name.
    """
    count = rows.num_rows
    ref = pc.fill_null(rows["ref_digest"], "")
    pin = pc.if_else(pc.equal(rows["tag"], ""), pc.coalesce(rows["ref_digest"], rows["digest"], pa.scalar("")), "")
    rows = rows.append_column("pin", pin).set_column(rows.schema.get_field_index("ref_digest"), "ref_digest", ref)
    ranked = _ranked(rows, ["scanned_at"])
    names = _codes(rows, [*_IMAGE_NAME, "pin"])
    newest = np.zeros(count + 1, dtype=np.int64)
    newest[names[ranked]] = ranked
    refs = _codes(rows, ["ref_digest"])
    same_index = refs == refs[newest[names]] if count else np.zeros(0, bool)
    per_digest = _last(_codes(rows, [*_IMAGE_NAME, "pin", "ref_digest", "digest"]), ranked, count)
    resolved = np.asarray(pc.is_valid(rows["digest"]).to_numpy())
    return pa.array(same_index & per_digest & (resolved | (newest[names] == np.arange(count))))


def joined(rows: pa.Table, keys: Iterable[str]) -> pa.ChunkedArray:
    """A key of several text columns as one column."""
    columns = [rows[key] for key in keys]
    return columns[0] if len(columns) == 1 else pc.binary_join_element_wise(*columns, "\n")


def committed(table: Table, rows: pa.Table, marks: pa.Table) -> pa.ChunkedArray:
    """A mask of the facts whose scan is among ``marks`` (layer_digest, detector, task_id)."""
    if table.detector:
        marks = marks.filter(pc.equal(marks["detector"], table.detector))
        keys = ["layer_digest", "task_id"]
    else:
        keys = ["layer_digest", "task_id", "detector"]
    return pc.is_in(joined(rows, keys), value_set=pa.array(joined(marks, keys).to_pylist(), pa.string()))


def conform(table: Table, data: pa.Table) -> pa.Table:
    """``data`` with exactly the columns and types of ``table``; raises LakeError for what cannot be made so."""
    unknown = set(data.column_names) - set(table.arrow.names)
    if unknown:
        raise LakeError(f"{table.name} has no column {', '.join(sorted(unknown))}")
    columns = []
    for field in table.arrow:
        if field.name in data.column_names:
            column = data[field.name]
            if column.type != field.type:
                try:
                    column = column.cast(field.type)
                except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
                    raise LakeError(f"{table.name}.{field.name}: {error}") from error
        elif field.nullable:
            column = pa.nulls(data.num_rows, field.type)
        else:
            raise LakeError(f"{table.name} lacks its column {field.name}")
        if not field.nullable and column.null_count:
            raise LakeError(f"{table.name}.{field.name} must not be null")
        columns.append(column)
    return pa.table(columns, schema=table.arrow)

"""Which rows count, whatever was written in whatever order: both readers against a model in plain Python."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st
from lake_fakes import facts, layer

from grid.commits import LayerFailure
from grid.errors import NetworkConnectError
from grid.store import TABLES, Lake
from grid.warehouse import connect

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)

hours = st.integers(0, 3)
layers = st.sampled_from("ab")
scans = st.lists(st.tuples(
    st.sampled_from(["t1", "t2", "t3"]), st.dictionaries(layers, st.booleans(), min_size=1),
    st.sampled_from(["1", "2"]), hours, st.booleans(),
), max_size=8)  # fmt: skip
"""(task, layer → whether it succeeds, detector version, when, whether the writer lives to write the mark)"""


def package(layer: str, version: str) -> str:
    return f"{layer}{version}"


@settings(max_examples=5)
@given(st.lists(scans, min_size=4, max_size=10))
def test_facts_count_by_their_newest_successful_scan(
    cases: list[list[tuple[str, dict[str, bool], str, int, bool]]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        lake = Lake.open(f"{folder}/lake", create=True)
        doomed = Doomed(lake.location, lake.fs, lake.root)
        best: dict[str, tuple[int, str, str]] = {}
        marks: dict[str, dict[str, tuple[int, str]]] = {}
        for case, written in enumerate(cases):
            for task, outcome, version, hour, lives in written:
                named = {f"{case}{name}": ok for name, ok in outcome.items()}
                results = [
                    facts(name, [package(name, version)], ["packages"])
                    if ok
                    else LayerFailure(layer(name), NetworkConnectError("x"))
                    for name, ok in named.items()
                ]
                when = NOON + timedelta(hours=hour)
                commit = (lake if lives else doomed).commit(f"{case}{task}", results, {"packages": version}, when)
                if lives:
                    marks[commit] = {name: (hour, version) for name, ok in named.items() if ok}
        for commit, told in marks.items():
            for name, (hour, version) in told.items():
                best[name] = max(best.get(name, (-1, "", "")), (hour, commit, version))
        expected = sorted(package(name, version) for name, (_, _, version) in best.items())
        assert sorted(lake.read("packages", ["name"])["name"].to_pylist()) == expected
        assert lake.read("notes").num_rows == len(expected)
        with connect(lake) as con:
            assert [r[0] for r in con.execute("SELECT name FROM packages ORDER BY name").fetchall()] == expected
            assert con.execute("SELECT count(*) FROM notes").fetchone() == (len(expected),)


class Doomed(Lake):
    """A writer that is killed before its mark."""

    def _publish(self, table: Any, name: str, rows: pa.Table) -> None:
        if table.name != "layer_scans":
            super()._publish(table, name, rows)


def _table(name: str, rows: Iterable[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=TABLES[name].arrow)


def _both(lake: Lake, table: str, columns: list[str]) -> list[tuple[Any, ...]]:
    """What both readers say, which must be the same."""
    read = sorted(tuple(row.values()) for row in lake.read(table, columns).to_pylist())
    with connect(lake) as con:
        asked = sorted(con.execute(f"SELECT {', '.join(columns)} FROM {table}").fetchall())
    assert read == asked
    return read


@settings(max_examples=5)
@given(
    st.lists(
        st.tuples(st.sampled_from("cdefg"), st.sampled_from("xyz"), hours),
        min_size=5,
        max_size=15,
        unique_by=lambda t: t[:2],
    )
)
def test_the_newest_squash_of_a_chain_counts_and_what_it_hid(runs: list[tuple[str, str, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        lake = Lake.open(f"{folder}/lake", create=True)
        for number, (chain, run, hour) in enumerate(runs):
            lake.write("hidden", f"h{number}", _table("hidden", [
                {"chain_id": chain, "squash_id": run, "layer_digest": "l", "path": run, "reason": "hidden", "by": "x"}
            ]))  # fmt: skip
            lake.write("chains", f"c{number}", _table("chains", [{
                "chain_id": chain, "layer_digest": "l", "depth": 1, "version": "1", "squash_id": run,
                "squashed_at": NOON + timedelta(hours=hour),
            }]))  # fmt: skip
        newest = {chain: max((hour, run) for c, run, hour in runs if c == chain)[1] for chain, _, _ in runs}
        assert _both(lake, "chains", ["chain_id", "squash_id"]) == sorted(newest.items())
        assert _both(lake, "hidden", ["chain_id", "path"]) == sorted(newest.items())


@settings(max_examples=5)
@given(
    st.lists(
        st.tuples(st.sampled_from(["s1", "s2", "s3"]), st.sampled_from("mnopqrst"), hours),
        min_size=3,
        max_size=8,
        unique_by=lambda t: t[1],
    )
)
def test_the_newest_match_of_a_sweep_counts_and_its_findings(runs: list[tuple[str, str, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        lake = Lake.open(f"{folder}/lake", create=True)
        for sweep, run, hour in runs:
            lake.write("findings", run, _table("findings", [{
                "match_id": run, "package_id": 1, "namespace": "n", "vuln_id": "v", "aliases": [], "advisories": [],
                "state": "fixed", "severity": "low", "kev": False,
            }]))  # fmt: skip
            lake.write("matches", run, _table("matches", [{
                "match_id": run, "sweep_id": sweep, "db_version": "1", "packages": 1, "findings": 1,
                "matched_at": NOON + timedelta(hours=hour),
            }]))  # fmt: skip
        newest = sorted(
            {sweep: max((hour, run) for s, run, hour in runs if s == sweep)[1] for sweep, _, _ in runs}.values()
        )
        assert _both(lake, "matches", ["match_id"]) == [(run,) for run in newest]
        assert _both(lake, "findings", ["match_id"]) == [(run,) for run in newest]


image_rows = st.lists(
    st.tuples(st.sampled_from(["t", ""]), st.sampled_from([None, "i", "j"]), st.sampled_from([None, "d", "e"])),
    max_size=6,
)


@settings(max_examples=5)
@given(st.lists(image_rows, min_size=10, max_size=20))
def test_the_newest_rows_of_an_image_count_in_both_readers(
    sweeps: list[list[tuple[str, str | None, str | None]]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        lake = Lake.open(f"{folder}/lake", create=True)
        lake.write("images", "i", _table("images", (
            {
                "sweep_id": f"s{number}", "registry": "r", "repository": "p", "tag": tag, "ref_digest": ref,
                "digest": digest, "status": f"{hour}", "scanned_at": NOON + timedelta(hours=hour),
            }
            for number, written in enumerate(sweeps) for hour, (tag, ref, digest) in enumerate(written)
        )))  # fmt: skip
        expected = []
        for number, written in enumerate(sweeps):
            names: dict[tuple[str, str], list[tuple[str | None, str | None, int]]] = {}
            for hour, (tag, ref, digest) in enumerate(written):
                names.setdefault((tag, "" if tag else ref or digest or ""), []).append((ref, digest, hour))
            for told in names.values():
                last_ref, last_digest, last_hour = told[-1]
                newest = {digest: hour for ref, digest, hour in told if ref == last_ref and digest is not None}
                # a row without a digest counts only as the last word on its name
                kept = [*newest.values(), *([last_hour] if last_digest is None else [])]
                expected += [(f"s{number}", str(hour)) for hour in kept]
        assert _both(lake, "images", ["sweep_id", "status"]) == sorted(expected)

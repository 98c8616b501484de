"""The life of findings over random histories of an estate, against a model that keeps every finding of every image."""

from __future__ import annotations

import random
import tempfile
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime

from hypothesis import example, given, settings
from hypothesis import strategies as st
from life_lake import Chain, History, at

from grid.store import Lake
from grid.warehouse import connect

NAMES, VERSIONS, PROBLEMS = "abcd", "123", ["CVE-1", "CVE-2", "CVE-3"]
PACKAGES = [f"{name}-{version}" for name in NAMES for version in VERSIONS]
Identity = tuple[str, str]
Life = tuple[str, str, str, str, datetime, datetime, datetime | None]
"""tag, package, problem, status, first seen, last seen, fixed at"""


class Model:
    """Every finding written down, for every image and after every run."""

    def __init__(self) -> None:
        self.reported: dict[str, set[str]] = defaultdict(set)
        """What is known of a package, as of the last run that looked at it."""
        self.images: dict[str, tuple[Chain, set[str], str]] = {}
        """Tag → its layers and packages, and whether a sweep has seen it."""
        self.seen: dict[str, dict[Identity, dict[str, datetime]]] = defaultdict(dict)
        """Tag → (name, problem) → package → since when."""
        self.ended: list[Life] = []

    def run(
        self, number: int, images: dict[str, tuple[Chain, set[str]] | None], database: dict[str, set[str]], kind: str
    ) -> None:
        now, before = at(number), at(number - 1)
        for package in {p for image in images.values() if image is not None for p in image[1]}:
            self.reported[package] = database[package]
        for tag in [t for t, (_, _, by) in self.images.items() if by == kind == "sweep" and t not in images]:
            for (name, problem), rows in self.seen.pop(tag).items():
                self.ended.append((tag, name, problem, "removed", min(rows.values()), before, None))
            del self.images[tag]
        old = {tag: held for tag, (_, held, _) in self.images.items()}
        for tag, image in images.items():
            if image is not None:
                was, _, by = self.images.get(tag, (image[0], image[1], kind))
                self.images[tag] = (*image, "sweep" if kind == "sweep" else by if was == image[0] else kind)
        for tag, (_, held, _) in self.images.items():
            rows: dict[Identity, dict[str, datetime]] = defaultdict(dict)
            known = self.seen[tag]
            for package in held:
                for problem in self.reported[package]:
                    identity = (package[0], problem)
                    since = known.get(identity, {}).get(package, now)
                    if package not in old.get(tag, held) and identity in known:
                        since = min(known[identity].values())
                    rows[identity][package] = since
            for (name, problem), lost in known.items():
                if (name, problem) not in rows:
                    self.ended.append((tag, name, problem, "fixed", min(lost.values()), before, now))
            self.seen[tag] = rows

    def history(self, last: int) -> list[Life]:
        opened: Iterable[Life] = (
            (tag, name, problem, "open", min(rows.values()), at(last), None)
            for tag, found in self.seen.items() for (name, problem), rows in found.items()
        )  # fmt: skip
        return sorted([*opened, *self.ended], key=repr)

    def rows(self, tags: Iterable[str]) -> list[tuple[str, str, str, datetime]]:
        return sorted(
            (tag, package, problem, since)
            for tag in tags for (_, problem), rows in self.seen[tag].items() for package, since in rows.items()
        )  # fmt: skip


ROWS = """
SELECT DISTINCT tag, package || '-' || version, vuln_id, first_seen FROM sweep_vulnerabilities WHERE sweep_id = ?
ORDER BY ALL
"""
HISTORY = "SELECT tag, package, vuln_id, status, first_seen, last_seen, fixed_at FROM finding_history"


@settings(max_examples=3)
@given(st.integers(0, 10**9))
@example(24849106)  # a scan has put the same layers into another order, so that it moved the image
def test_any_history_of_an_estate_reads_like_one_that_was_written_down_finding_by_finding(seed: int) -> None:
    draw = random.Random(seed)
    layers = {f"l{n}": draw.sample(PACKAGES, draw.randint(1, 4)) for n in range(8)}
    chains: list[Chain] = [(a,) if a == b else (a, b) for a in layers for b in draw.sample(sorted(layers), 3)]
    database = {p: {v for v in PROBLEMS if draw.random() < 0.3} for p in PACKAGES}
    images: dict[str, Chain | None] = {}
    with tempfile.TemporaryDirectory() as folder:
        history, model = History(Lake.open(f"{folder}/lake", create=True), layers, chains), Model()
        told: dict[str, list[tuple[str, str, str, datetime]]] = {}
        kind = "sweep"
        for number in range(8):
            again = number > 0 and draw.random() < 0.25
            kind = kind if again else draw.choice(["sweep", "sweep", "scan"])
            if not again:
                images = {
                    f"t{n}": None if draw.random() < 0.1 else images.get(f"t{n}") or draw.choice(chains)
                    if draw.random() < 0.6 else draw.choice(chains)
                    for n in range(12) if draw.random() < 0.85
                }  # fmt: skip
            for package in PACKAGES:
                database[package] = {v for v in PROBLEMS if (v in database[package]) != (draw.random() < 0.1)}
            sweep = history.run(images, database, kind=kind, again=again)
            held = {tag: (chain, history.packages(chain)) if chain else None for tag, chain in images.items()}
            model.run(number, held, {p: set(v) for p, v in database.items()}, kind)
            told[sweep] = model.rows(tag for tag, chain in images.items() if chain)
        with connect(history.lake) as con:
            for sweep, wanted in told.items():  # also as of sweeps long past
                assert con.execute(ROWS, [sweep]).fetchall() == wanted, sweep
            assert sorted(con.execute(HISTORY).fetchall(), key=repr) == model.history(7)

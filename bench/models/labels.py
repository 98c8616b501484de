"""Precision and recall against labels that people have set: which findings are true, and which are not.

A label is a package, a version, a vulnerability and a verdict. The package is matched as if it were installed; a
finding with that id, or with an alias of it, is our verdict. Labels whose vulnerability the database does not know for
the package are counted apart: no rule of matching could find it. A folder of labels is a clone of
anchore/vulnerability-match-labels (``bench.yardstick``).
"""

from __future__ import annotations

import csv
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from bench import yardstick
from bench.models import Outcome, Work
from grid import ecosystems, findings, match
from grid.database import Database, open_database
from grid.model import Distro
from vulndb.build import build_sample

OWN = Path(__file__).parents[1] / "labels" / "facts.csv"
_TRUE = frozenset({"true", "tp", "true positive", "true_positive", "truepositive", "affected", "1", "yes"})
_FALSE = frozenset({"false", "fp", "false positive", "false_positive", "falsepositive", "not_affected", "0", "no"})
_DISTRIBUTIONS = {"rhel": "rhel", "redhat": "rhel", "amazon": "amzn", "amazonlinux": "amzn", "oracle": "ol",
                  "oraclelinux": "ol", "alma": "almalinux", "rockylinux": "rocky", "mariner": "mariner",
                  "azurelinux": "azurelinux"}  # fmt: skip
"""Other names that label files have for distributions."""
_LANGUAGES = {"python": "PyPI", "pip": "PyPI", "javascript": "npm", "node": "npm", "java": "Maven", "go": "Go",
              "ruby": "RubyGems", "rust": "crates.io", "dotnet": "NuGet", "php": "Packagist"}  # fmt: skip


class LabelsInvalid(Exception):
    """A label file that does not follow ``bench/README.md``; the message names the line."""


@dataclass(frozen=True, slots=True)
class Label:
    """One verdict."""

    namespace: str
    """As OSV names it: ``Debian:12``, ``PyPI``."""
    package: str
    version: str
    vulnerability: str
    true: bool
    source: str = ""
    source_version: str = ""
    arch: str = ""
    module: str = ""
    alias: str = ""
    """Another id of the vulnerability: a finding with either counts."""
    note: str = ""
    """Why, in the words of whoever set the label."""


@dataclass(slots=True)
class Score:
    """Of one distribution or language."""

    found: int = 0
    """True ones that we find."""
    missed: int = 0
    wrong: int = 0
    """False ones that we report."""
    quiet: int = 0
    """False ones that we do not."""
    no_data: int = 0
    """True ones whose vulnerability no advisory names for that package."""

    @property
    def precision(self) -> float:
        """1 where nothing was reported."""
        return self.found / (self.found + self.wrong) if self.found + self.wrong else 1.0

    @property
    def recall(self) -> float:
        """Of those that the advisories can tell; 1 where there are none."""
        return self.found / (self.found + self.missed) if self.found + self.missed else 1.0


@dataclass(slots=True)
class Judged:
    """What came out."""

    scores: dict[str, Score]
    """By distribution or language, without its release."""
    disagreed: list[Label]
    """Missed and wrong ones."""
    unspoken: list[Label]
    """True ones that no advisory speaks of."""


def measure(work: Work) -> Outcome:
    """The lowest precision and recall of any distribution with at least ``least`` labels."""
    given = work.inputs.get("database")
    database = open_database(build_sample(work.folder / "sample") if given is None else given)
    given_labels = work.inputs.get("labels", OWN)
    left: Counter[str] = Counter()
    if given_labels.is_dir():
        labels, left = read_clone(given_labels, work.inputs.get("sboms"))
    else:
        labels = list(read(given_labels))
    judged = judge(database, labels)
    scores = judged.scores
    listed = [("we say no" if one.true else "we say yes", one) for one in judged.disagreed]
    listed += [("no advisory", one) for one in judged.unspoken]
    table = work.folder / "match-labels" / "disagreements.tsv"
    table.parent.mkdir(parents=True, exist_ok=True)
    with table.open("w", encoding="utf-8") as file:
        file.writelines("\t".join((said, *_place(one), one.note)) + "\n" for said, one in listed)
    least = work["least"] if "labels" in work.inputs else 1
    counted = {name: s for name, s in scores.items() if _labels(s) - s.no_data >= least}
    outcome = Outcome(counts={"labels": len(labels)}, wanted={"labels": sum(map(_labels, scores.values()))})
    outcome.notes = [
        f"{name}: precision {s.precision:.4f}, recall {s.recall:.4f} ({s.found} found, {s.missed} missed, "
        f"{s.wrong} wrong, {s.quiet} rightly not reported, {s.no_data} without advisory)"
        for name, s in sorted(scores.items())
    ]
    outcome.notes += [f"left out, {reason}: {count} labels" for reason, count in sorted(left.items())]
    outcome.notes += [
        f"{said}: {' '.join(_place(one))}{one.note and f' (the label: {one.note})'}"
        for said, one in listed[: min(50, len(judged.disagreed))]
    ]
    outcome.figures = {
        "precision": min((s.precision for s in counted.values()), default=1.0),
        "recall": min((s.recall for s in counted.values()), default=1.0),
        "labels": len(labels),
        "distributions": len(counted),
        "no_data": sum(s.no_data for s in scores.values()),
    }
    return outcome


def _labels(score: Score) -> int:
    return score.found + score.missed + score.wrong + score.quiet + score.no_data


def _place(label: Label) -> tuple[str, str, str, str]:
    return label.namespace, label.package, label.version, label.vulnerability


def judge(database: Database, labels: Iterable[Label]) -> Judged:
    """Whether we say what the labels say."""
    listed = list(labels)
    numbers: dict[tuple[str, ...], int] = {}
    for one in listed:
        numbers.setdefault(_package(one), len(numbers))
    rows = [_candidate(package, number) for package, number in numbers.items()]
    with duckdb.connect() as con:
        hits = match.hits(con, database, pa.Table.from_pylist(rows, schema=match.CANDIDATES))
        table = findings.merge(con, database, hits)
        said: dict[int, set[str]] = defaultdict(set)
        for row in table.select(["package_id", "vuln_id", "aliases", "advisories"]).to_pylist():
            said[row["package_id"]] |= {row["vuln_id"], *row["aliases"], *row["advisories"]}
        told = {name for one in listed for name in _ids(one)}
        known = set(con.execute(_KNOWN, _files(database) | {"told": sorted(told)}).fetchall())
    scores: dict[str, Score] = defaultdict(Score)
    judged = Judged({}, [], [])
    for one in listed:
        score = scores[one.namespace.partition(":")[0]]
        ours = not said[numbers[_package(one)]].isdisjoint(_ids(one))
        if ours != one.true and (ours or _spoken(one) & known):
            judged.disagreed.append(one)
            score.missed += one.true
            score.wrong += ours
        elif ours != one.true:
            judged.unspoken.append(one)
            score.no_data += 1
        else:
            score.found += ours
            score.quiet += not ours
    judged.scores = dict(scores)
    return judged


def _ids(label: Label) -> set[str]:
    return {label.vulnerability, label.alias} - {""}


def _spoken(label: Label) -> set[tuple[str, str, str]]:
    """(namespace, name, id) of what an advisory about a label would say; that of the rebuilt distribution, too."""
    ecosystem = _ecosystem(label)
    names = {ecosystem.canonical(name) for name in (label.package, label.source) if name}
    namespaces = {label.namespace, ecosystem.borrows(label.namespace) or label.namespace}
    return {(space, name, one) for space in namespaces for name in names for one in _ids(label)}


def _files(database: Database) -> dict[str, str]:
    return {name: database.parquet(name) for name in ("ranges", "exact", "advisories")}


_KNOWN = """
WITH spoken AS (
    SELECT namespace, name, advisory_id, source, vuln_id FROM read_parquet($ranges)
    UNION SELECT namespace, name, advisory_id, source, vuln_id FROM read_parquet($exact)
),
ids AS (
    SELECT advisory_id, source, vuln_id, unnest(list_concat(aliases, [advisory_id, vuln_id])) AS id
    FROM read_parquet($advisories)
)
SELECT DISTINCT s.namespace, s.name, i.id
FROM spoken s JOIN ids i USING (advisory_id, source)
WHERE list_contains($told, i.id) AND (s.vuln_id IS NULL OR s.vuln_id = i.vuln_id)
"""


def _package(label: Label) -> tuple[str, ...]:
    return (label.namespace, label.package, label.version, label.source, label.source_version, label.arch, label.module)


def _candidate(package: tuple[str, ...], number: int) -> dict[str, Any]:
    namespace, name, version, source, source_version, arch, module = package
    ecosystem = ecosystems.for_osv(namespace)
    row: dict[str, Any] = dict.fromkeys(match.CANDIDATES.names)
    row |= {"package_id": number, "ecosystem": ecosystem.name if ecosystem else "", "name": name, "version": version,
            "namespace": namespace, "source_name": source or None, "source_version": source_version or None,
            "arch": arch or None, "modularity": module or None}  # fmt: skip
    return row


def _ecosystem(label: Label) -> ecosystems.Ecosystem:
    found = ecosystems.for_osv(label.namespace)
    assert found is not None
    return found


# --- the file ------------------------------------------------------------------------------------


def read(path: Path) -> Iterator[Label]:
    """The labels of a CSV file with a heading, or of JSON lines; raises LabelsInvalid."""
    with path.open(encoding="utf-8", newline="") as file:
        if path.suffix == ".csv":
            rows: Iterable[Mapping[str, Any]] = csv.DictReader(file)
        else:
            rows = (_object(line, number) for number, line in enumerate(file, 1) if line.strip())
        for number, row in enumerate(rows, 2 if path.suffix == ".csv" else 1):
            try:
                yield label(row)
            except (KeyError, ValueError, TypeError, AttributeError) as error:
                raise LabelsInvalid(f"{path.name}, line {number}: {type(error).__name__}: {error}") from error


def _object(line: str, number: int) -> Mapping[str, Any]:
    try:
        found = json.loads(line)
    except ValueError as error:
        raise LabelsInvalid(f"line {number} is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise LabelsInvalid(f"line {number} is not a JSON object")
    return found


def label(row: Mapping[str, Any]) -> Label:
    """One row; raises KeyError or ValueError that says what is wrong."""
    texts = {name: str(row.get(name) if row.get(name) is not None else "").strip() for name in _FIELDS}
    verdict = str(row["label"]).strip().lower()
    if verdict not in _TRUE | _FALSE:
        raise ValueError(f"label {row['label']!r} is neither true nor false")
    empty = [name for name in ("package", "version", "vulnerability") if not texts[name]]
    if empty:
        raise ValueError(f"no {' and no '.join(empty)}")
    texts["namespace"] = namespace(texts["namespace"])
    return Label(true=verdict in _TRUE, **texts)


_FIELDS = ("namespace", "package", "version", "vulnerability", "source", "source_version", "arch", "module", "alias",
           "note")  # fmt: skip


def read_clone(folder: Path, sboms: Path | None = None) -> tuple[list[Label], Counter[str]]:
    """The labels of a clone, and how many were left out and why; raises LabelsInvalid."""
    try:
        clone = yardstick.read(folder, sboms)
    except yardstick.CloneInvalid as error:
        raise LabelsInvalid(str(error)) from error
    labels = []
    for row in clone.rows:
        try:
            labels.append(label(row))
        except ValueError:
            clone.left[f"no advisories are of {row['namespace']}"] += 1
    return labels, clone.left


def namespace(text: str) -> str:
    """OSV's name of an ecosystem, from that or from ``debian:12``, ``rhel:9``, ``python`` …; raises ValueError."""
    base, _, release = text.partition(":")
    if ecosystems.for_osv(text) is not None and (release or base not in ("Debian", "Ubuntu", "Alpine")):
        return text
    lowered = text.lower()
    if lowered in _LANGUAGES:
        return _LANGUAGES[lowered]
    for ecosystem in ecosystems.ALL:
        if not ecosystem.system and lowered in (ecosystem.name, *(name.lower() for name in ecosystem.osv)):
            return ecosystem.osv[0]
    name = _DISTRIBUTIONS.get(base.lower(), base.lower())
    found = next((n for e in ecosystems.ALL if e.system if (n := e.namespace(Distro(name, release))) is not None), None)
    if found is None:
        raise ValueError(f"namespace {text!r} is not known")
    return found

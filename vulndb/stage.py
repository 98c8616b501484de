"""Advisories become rows: what one record says on its own, spilled to disk as it is read.

What needs more than one record (alias groups, which feed has the say) is left to ``build``.
"""

from __future__ import annotations

import os
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import astuple
from functools import lru_cache
from pathlib import Path
from types import TracebackType

import pyarrow as pa
import pyarrow.parquet as pq

from grid.ecosystems import Ecosystem, for_osv
from grid.errors import VersionInvalid
from grid.keys import successor
from grid.schema import BINARIES, EOL, EPSS, EXACT, KEV, RANGES, REPOSITORY_CPES, TIME
from vulndb.groups import named, problem_id
from vulndb.ranges import Span, spans, union
from vulndb.ratings import complete
from vulndb.records import (
    Advisory,
    Affected,
    EndOfLife,
    Exploited,
    Rated,
    Rating,
    Record,
    RepositoryProduct,
    Scored,
    Skipped,
)

_TEXT = pa.string()
STAGED: dict[str, pa.Schema] = {
    "records": pa.schema(
        [("advisory_id", _TEXT), ("source", _TEXT), ("title", _TEXT), ("published", TIME), ("modified", TIME),
         ("url", _TEXT)]
    ),
    "statuses": pa.schema([("cve_id", _TEXT), ("status", _TEXT)]),
    "problems": pa.schema([("advisory_id", _TEXT), ("source", _TEXT), ("problem_id", _TEXT)]),
    "ranges": pa.schema([(c.name, c.type) for c in RANGES.columns if c.name != "vuln_id"]),
    "exact": pa.schema([(c.name, c.type) for c in EXACT.columns if c.name != "vuln_id"]),
    "ratings": pa.schema(
        [("advisory_id", _TEXT), ("source", _TEXT), ("rater", _TEXT), ("label", _TEXT), ("score", pa.float64()),
         ("vector", _TEXT)]
    ),
    "verdicts": pa.schema([("namespace", _TEXT), ("name", _TEXT), ("advisory_id", _TEXT), ("source", _TEXT)]),
    "kev": pa.schema([(c.name, c.type) for c in KEV.columns]),
    "epss": pa.schema([(c.name, c.type) for c in EPSS.columns]),
    "eol": pa.schema([(c.name, c.type) for c in EOL.columns]),
    "repository_cpes": pa.schema([(c.name, c.type) for c in REPOSITORY_CPES.columns]),
    "binaries": pa.schema([(c.name, c.type) for c in BINARIES.columns]),
    "equals": pa.schema([("id", _TEXT), ("other", _TEXT)]),
}  # fmt: skip
STAGE_VERSION = 2
"""Raise it when the same records become other rows: then everything is staged anew."""
_FLUSH = 20_000
_PLAIN: dict[type, str] = {
    Exploited: "kev",
    Scored: "epss",
    EndOfLife: "eol",
    RepositoryProduct: "repository_cpes",
}
"""Statements whose fields are the columns of a table."""


@lru_cache(maxsize=256)
def _ecosystem(namespace: str) -> Ecosystem | None:
    return for_osv(namespace)


@lru_cache(maxsize=100_000)
def _key(namespace: str, version: str) -> bytes | None:
    """The key of a version, None if its scheme cannot parse it."""
    ecosystem = _ecosystem(namespace)
    assert ecosystem is not None
    try:
        return ecosystem.key(version)
    except VersionInvalid:
        return None


def _strict(namespace: str) -> Callable[[str], bytes]:
    def key(version: str) -> bytes:
        found = _key(namespace, version)
        if found is None:
            raise VersionInvalid(f"{version!r} is no version")
        return found

    return key


class Stage:
    """A folder of Parquet files, one for each of ``STAGED`` that has rows; use it as a context manager, then read it.

    The files are on disk when it ends.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.notes: Counter[str] = Counter()
        self.advisories: Counter[str] = Counter()
        """By feed: records that say something about some package."""
        self.ranges: Counter[str] = Counter()
        """By feed: rows of ``ranges`` and ``exact``."""
        self._folder = folder
        self._rows: dict[str, list[tuple[object, ...]]] = {name: [] for name in STAGED}
        self._built: set[tuple[str, str, str]] = set()
        """Rows of ``binaries``: nearly every record of a source repeats them."""
        self._writers: dict[str, pq.ParquetWriter] = {}

    def path(self, table: str) -> Path:
        return self._folder / f"{table}.parquet"

    def __enter__(self) -> Stage:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for name in STAGED if kind is None else ():
            self._flush(name)
        for name, writer in self._writers.items():
            writer.close()
            if kind is None:
                with self.path(name).open("rb+") as stream:
                    os.fsync(stream.fileno())

    def _flush(self, name: str) -> None:
        rows = self._rows[name]
        if not rows:
            return
        schema = STAGED[name]
        columns = zip(*rows, strict=True)
        arrays = [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)]
        if name not in self._writers:
            self._writers[name] = pq.ParquetWriter(self.path(name), schema, compression="zstd", compression_level=1)
        self._writers[name].write_batch(pa.record_batch(arrays, schema=schema))
        rows.clear()

    def _put(self, name: str, *row: object) -> None:
        rows = self._rows[name]
        rows.append(row)
        if len(rows) >= _FLUSH:
            self._flush(name)

    def add(self, source: str, record: Record, *, verdicts: bool = False) -> None:
        """Stage one record of the feed ``source``; ``verdicts`` as in ``Feed.verdicts``."""
        if isinstance(record, Skipped):
            self.notes[f"{source}: {record.reason}"] += record.count
            return
        if isinstance(record, Advisory):
            if record.affected:
                self.advisories[source] += 1
                self._advisory(source, record, verdicts)
            return
        self.advisories[source] += 1
        if isinstance(record, Rated):
            self._put("problems", record.id, source, problem_id(record.id))
            self._ratings(record.id, source, record.ratings)
            if record.status is not None:
                self._put("statuses", record.id, record.status)
        else:
            self._put(_PLAIN[type(record)], *astuple(record))

    def _ratings(self, name: str, source: str, ratings: Iterable[Rating]) -> None:
        for rating in dict.fromkeys(ratings):
            if (whole := complete(rating)) is not None:
                self._put("ratings", name, source, whole.source, whole.label, whole.score, whole.vector)

    def _advisory(self, source: str, advisory: Advisory, verdicts: bool) -> None:
        name = advisory.id
        self._put("records", name, source, advisory.title, advisory.published, advisory.modified, advisory.url)
        problems, equals = named(advisory)
        for problem in problems:
            self._put("problems", name, source, problem)
        for other in equals:
            self._put("equals", problems[0], other)
        told = [Rating(a.namespace.partition(":")[0].lower(), a.severity) for a in advisory.affected if a.severity]
        self._ratings(name, source, (*advisory.ratings, *told))
        for affected in advisory.affected:
            ecosystem = _ecosystem(affected.namespace)
            canonical = ecosystem.canonical(affected.name) if ecosystem else affected.name
            for binary in affected.binaries:
                if (row := (affected.namespace, binary, canonical)) not in self._built:
                    self._built.add(row)
                    self._put("binaries", *row)
            if verdicts:
                self._put("verdicts", affected.namespace, canonical, name, source)
            if ecosystem is None:
                self._unordered(name, source, canonical, affected)
            else:
                self._ordered(name, source, canonical, affected)

    def _unordered(self, name: str, source: str, package: str, affected: Affected) -> None:
        """No version scheme: only what is listed one by one can match."""
        if affected.ranges:
            base = affected.namespace.partition(":")[0]
            self.notes[f"{base}: ranges not ordered (no version scheme), only listed versions match"] += len(
                affected.ranges
            )
        fixed = next((v for r in affected.ranges for kind, v in r.events if kind == "fixed"), None)
        self._exact(name, source, package, affected, affected.versions, fixed)

    def _ordered(self, name: str, source: str, package: str, affected: Affected) -> None:
        namespace = affected.namespace
        found: dict[tuple[bytes, bytes | None], tuple[Span, bool]] = {}
        for one in affected.ranges:
            try:
                for span in spans(one.events, _strict(namespace)):
                    found.setdefault((span.lo, span.hi), (span, one.unreleased))
            except VersionInvalid:
                base = namespace.partition(":")[0]
                self.notes[
                    f"{base}: ranges with a version that its scheme cannot parse, only listed versions match"
                ] += 1
        for span, unreleased in found.values():
            fixed = None if unreleased else span.fixed
            self._range(name, source, package, affected, span, fixed)
        if not affected.versions:
            return
        unparsed: list[str] = []
        points: dict[bytes, str] = {}
        held = union([span for span, _ in found.values()])
        for version in affected.versions:
            key = _key(namespace, version)
            if key is None:
                unparsed.append(version)
            elif key not in points and not held(key):
                points[key] = version
        repairs = sorted((span.hi, span.fixed) for span, late in found.values() if span.hi and span.fixed and not late)
        ends = [at for at, _ in repairs]
        for key, version in points.items():  # a range of one version, so that 1.0 and 1.0.0 stay equal
            after = bisect_right(ends, key)
            fixed = repairs[after][1] if after < len(repairs) else None
            self._range(name, source, package, affected, Span(key, successor(key), version, None, version), fixed)
        self._exact(name, source, package, affected, unparsed, repairs[0][1] if repairs else None)

    def _range(self, name: str, source: str, package: str, affected: Affected, span: Span, fixed: str | None) -> None:
        self.ranges[source] += 1
        self._put(
            "ranges", affected.namespace, package, name, source, span.lo, span.hi, span.introduced, fixed,
            span.last_affected, _state(affected, fixed), affected.severity, list(affected.arches) or None,
            affected.module, affected.flavour, list(affected.cpes) or None, affected.subscriber_fix,
            affected.erratum if fixed is not None else None,
        )  # fmt: skip

    def _exact(
        self, name: str, source: str, package: str, affected: Affected, versions: Iterable[str], fixed: str | None
    ) -> None:
        for version in dict.fromkeys(versions):
            self.ranges[source] += 1
            self._put(
                "exact", affected.namespace, package, version, name, source, fixed, _state(affected, fixed),
                affected.severity,
            )  # fmt: skip


def _state(affected: Affected, fixed: str | None) -> str:
    return affected.state or ("fixed" if fixed is not None else "affected")

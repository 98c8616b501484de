"""What a sweep or scan found, image by image: the model that the screen and JSON are made from."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import orjson
import pyarrow as pa

SEVERITIES = ("critical", "high", "medium", "low", "negligible", "unknown")
_RANK = {name: index for index, name in enumerate(SEVERITIES)}

Row = Mapping[str, Any]


class Connection(Protocol):
    """As much of a DuckDB connection as is needed here."""

    def sql(self, query: str, *, params: object = None) -> Any: ...


class Done(Protocol):
    """As much of a sweep's result as is shown."""

    @property
    def sweep_id(self) -> str: ...

    @property
    def images(self) -> Mapping[str, int]: ...

    @property
    def layers_total(self) -> int: ...

    @property
    def layers_scanned(self) -> int: ...

    @property
    def layers_reused(self) -> int: ...

    @property
    def bytes_pulled(self) -> int: ...

    @property
    def bytes_scanned(self) -> int: ...

    @property
    def seconds(self) -> float: ...

    @property
    def failures(self) -> tuple[tuple[str, str, str], ...]: ...


@dataclass(frozen=True, slots=True)
class Selection:
    """What to show of what was found."""

    severities: tuple[str, ...] = ()
    fixed_only: bool = False

    def wants(self, row: Row) -> bool:
        """Whether a row of ``vulnerabilities`` is chosen."""
        return (not self.severities or row["severity"] in self.severities) and (
            not self.fixed_only or row["fixed_version"] is not None
        )


@dataclass(slots=True)
class ImageResult:
    """One image and everything found in it."""

    summary: Row
    """Its row of ``sweep_image_summary``."""
    vulnerabilities: list[Row] = field(default_factory=list)
    suppressed: list[Row] = field(default_factory=list)
    """Vulnerabilities that VEX, waivers or ignore files speak against: they do not count."""
    advice: list[Row] = field(default_factory=list)
    """What to upgrade, the most urgent first."""
    secrets: list[Row] = field(default_factory=list)
    suppressed_secrets: list[Row] = field(default_factory=list)
    notes: list[Row] = field(default_factory=list)

    @property
    def name(self) -> str:
        return image_name(self.summary)

    def counts(self) -> dict[str, int]:
        """Distinct problems of what is installed by severity, worst first."""
        worst: dict[str, str] = {}
        for row in self.vulnerabilities:
            if row["found_as"] == "declared":
                continue
            other = worst.get(row["vuln_id"])
            if other is None or _RANK[row["severity"]] < _RANK[other]:
                worst[row["vuln_id"]] = row["severity"]
        return {name: n for name in SEVERITIES if (n := sum(s == name for s in worst.values()))}


def image_name(row: Row) -> str:
    """registry/repository:tag, or @digest where there is no tag; local sources as they were named."""
    place = row["registry"]
    if row["repository"]:
        place += (":" if ":" in place and place.split(":")[0] in _LOCAL else "/") + row["repository"]
    if row["tag"]:
        return f"{place}:{row['tag']}"
    return f"{place}@{row['digest']}" if row["digest"] else str(place)


_LOCAL = ("oci", "oci-archive", "docker-archive")


READS = (
    "sweep_image_summary", "sweep_vulnerabilities", "sweep_advice", "sweep_image_secrets", "sweep_image_notes",
)  # fmt: skip
"""The views that ``images`` asks."""


def images(con: Connection, sweep_id: str, selection: Selection) -> list[ImageResult]:
    """Every image of a sweep with its findings, in the order of its names."""

    def rows(query: str) -> list[Row]:
        table: pa.Table = con.sql(query, params=[sweep_id]).to_arrow_table()
        result: list[Row] = table.to_pylist()
        return result

    def key(row: Row) -> tuple[Any, ...]:
        return (row["registry"], row["repository"], row["tag"], row["digest"])

    found = {
        key(row): ImageResult(row)
        for row in rows(
            "SELECT * FROM sweep_image_summary WHERE sweep_id = ? ORDER BY registry, repository, tag, digest"
        )
    }
    for row in rows("SELECT * FROM sweep_vulnerabilities WHERE sweep_id = ?"):
        if selection.wants(row):
            image = found[key(row)]
            (image.vulnerabilities if row["suppressed_by"] is None else image.suppressed).append(row)
    for row in rows("SELECT * FROM sweep_advice WHERE sweep_id = ?"):
        found[key(row)].advice.append(row)
    for row in rows("SELECT * FROM sweep_image_secrets WHERE sweep_id = ?"):
        if not selection.severities or row["severity"] in selection.severities:
            image = found[key(row)]
            (image.secrets if row["suppressed_by"] is None else image.suppressed_secrets).append(row)
    for row in rows("SELECT * FROM sweep_image_notes WHERE sweep_id = ?"):
        found[key(row)].notes.append(row)
    for image in found.values():
        for listed in (image.vulnerabilities, image.suppressed):
            listed.sort(key=lambda r: (_RANK[r["severity"]], r["ecosystem"], r["package"], r["version"], r["vuln_id"]))
        image.advice.sort(key=urgency)
        for listed in (image.secrets, image.suppressed_secrets):
            listed.sort(key=lambda r: (_RANK[r["severity"]], r["path"], r["line"]))
        image.notes.sort(key=lambda r: (r["path"], r["code"], r["message"]))
    return list(found.values())


def urgency(row: Row) -> tuple[Any, ...]:
    """The order of advice: what clears most of the worst first, what clears nothing last."""
    cleared = (row["critical"], row["high"], row["risk"] or 0, row["clears"])
    return (*(-n for n in cleared), row["ecosystem"], row["package"], row["version"])


def to_json(images: Sequence[ImageResult], done: Done, *, matched: bool) -> str:
    """One JSON document; the keys of a row are the columns of the view it comes from."""
    document = {
        "schema_version": 1,
        "sweep_id": done.sweep_id,
        "matched": matched,
        "images": [
            {
                "name": image.name,
                **{k: v for k, v in image.summary.items() if k != "sweep_id"},
                "vulnerabilities": [_trim(row) for row in image.vulnerabilities],
                "advice": [_trim(row) for row in image.advice],
                "suppressed_vulnerabilities": [_trim(row) for row in image.suppressed],
                "secret_findings": [_trim(row) for row in image.secrets],
                "suppressed_secrets": [_trim(row) for row in image.suppressed_secrets],
                "notes": [_trim(row) for row in image.notes],
            }
            for image in images
        ],
        "layers": {"total": done.layers_total, "scanned": done.layers_scanned, "reused": done.layers_reused},
        "bytes_pulled": done.bytes_pulled,
        "seconds": round(done.seconds, 3),
    }
    return orjson.dumps(document, default=str, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS).decode()


_OF_IMAGE = {"sweep_id", "registry", "repository", "tag", "digest"}


def _trim(row: Row) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in _OF_IMAGE}


def folded(image: ImageResult) -> list[dict[str, Any]]:
    """Vulnerabilities for people: binary packages of one source package share a line."""
    groups: dict[tuple[Any, ...], dict[str, Any]] = {}
    names: dict[tuple[Any, ...], list[str]] = defaultdict(list)
    sure: set[tuple[Any, ...]] = set()  # said by more than a lock file
    for row in image.vulnerabilities:
        source = row.get("source_name") or row["package"]
        key = (row["ecosystem"], source, row["version"], row["vuln_id"], row["fixed_version"], row["severity"])
        groups.setdefault(key, {**row, "source": source})
        if row.get("found_as") != "declared":
            sure.add(key)
        if row["package"] not in names[key]:
            names[key].append(row["package"])
    return [{**row, "packages": sorted(names[key]), "declared": key not in sure} for key, row in groups.items()]

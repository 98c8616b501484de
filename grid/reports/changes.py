"""What changed between two match runs, or between two images: new, fixed and remaining findings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc
from rich.console import Console
from rich.table import Table
from rich.text import Text

from grid.errors import UsageError
from grid.reports.results import SEVERITIES, image_name
from grid.reports.tables import STYLES
from grid.snapshot import snapshot
from grid.store import Lake

STATUSES = ("new", "fixed", "removed", "unread", "remaining")
"""``removed``: the image is not there any more. ``unread``: one side could not read the image, so nobody knows."""

MAX_ROWS = 200


class Connection(Protocol):
    """As much of a DuckDB connection as is needed here."""

    def sql(self, query: str, *, params: object = None) -> Any: ...

    def register(self, view_name: str, python_object: object) -> Any: ...


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two that are compared."""

    name: str
    """For people: which sweep, match or image is meant."""
    sweep_id: str
    match_id: str = ""
    """Set if one match run is meant and not the sweep's newest."""
    found: pa.Table | None = field(default=None, compare=False, repr=False)
    """Set if one image is meant: its rows of ``sweep_vulnerabilities``."""


def find_side(con: Connection, text: str) -> Side | None:
    """What a word means: ``latest``, ``previous``, a sweep's or match's id, a date; None if it is none of these.

    A date, or a time, means the newest sweep that had ended by then (a date: by its end, in UTC). ``latest`` is the
    sweep that the views show, ``previous`` the one of its kind before that. Raises UsageError where there is none.
    """
    sweeps = _rows(
        con, "SELECT sweep_id, kind, finished_at FROM sweeps WHERE finished_at IS NOT NULL ORDER BY sweep_id"
    )
    if text in ("latest", "previous"):
        latest = next(iter(_rows(con, "SELECT sweep_id, kind FROM latest_sweep")), None)
        kin = [row["sweep_id"] for row in sweeps if latest and row["kind"] == latest["kind"]]
        before = [sweep for sweep in kin if latest and sweep < latest["sweep_id"]]
        found = (latest or {}).get("sweep_id") if text == "latest" else before[-1] if before else None
        if found is None:
            raise UsageError(f"the lake has no {text} sweep", remedy='scangrid sql "select * from sweeps"')
        return Side(f"sweep {found}", found)
    if text in {row["sweep_id"] for row in sweeps}:
        return Side(f"sweep {text}", text)
    if match := _rows(con, "SELECT match_id, sweep_id, db_version FROM match_runs WHERE match_id = ?", text):
        row = match[0]
        return Side(f"match {text} (database {row['db_version']})", row["sweep_id"], text)
    if (by := _time(text)) is None:
        return None
    ended = [row for row in sweeps if row["finished_at"] <= by]
    ended = [row for row in ended if row["kind"] == "sweep"] or ended
    if not ended:
        raise UsageError(
            f"no sweep had ended by {text}", remedy='scangrid sql "select sweep_id, finished_at from sweeps"'
        )
    return Side(f"sweep {ended[-1]['sweep_id']}", ended[-1]["sweep_id"])


def side_of_image(lake: Lake, image: Mapping[str, Any]) -> Side:
    """One image, as a row of ``images``."""
    with snapshot(lake, image["sweep_id"], ["sweep_vulnerabilities"], image) as con:
        found = con.sql(
            "SELECT * FROM sweep_vulnerabilities "
            "WHERE digest = ? AND os IS NOT DISTINCT FROM ? AND platform_arch IS NOT DISTINCT FROM ?",
            params=[image["digest"], image["os"], image["arch"]],
        ).to_arrow_table()
    return Side(image_name(image), image["sweep_id"], found=found)


def _rows(con: Connection, query: str, *parameters: object) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = con.sql(query, params=list(parameters)).to_arrow_table().to_pylist()
    return rows


def _time(text: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    if len(text) <= len("2026-01-31"):
        at += timedelta(days=1, microseconds=-1)
    return at if at.tzinfo else at.replace(tzinfo=UTC)


# --- comparing -----------------------------------------------------------------------------------

_FOUND = """
SELECT {image} AS image, ecosystem, package, vuln_id, list(DISTINCT version ORDER BY version) AS versions,
    arg_min(severity, list_position({severities}, severity)) AS severity, max(fixed_version) AS fixed_version,
    max(score) AS score, bool_or(kev) AS kev, max(title) AS title, max(url) AS url
FROM {view} WHERE {column} = ? {apply} GROUP BY ALL
"""

_IMAGE = """{'registry': registry, 'repository': repository, 'tag': tag, 'digest': CASE WHEN tag = '' THEN digest END,
    'os': os, 'arch': platform_arch}"""
_ANY_IMAGE = "{'registry': '', 'repository': '', 'tag': '', 'digest': '', 'os': '', 'arch': ''}"

_COMPARE = """
WITH a AS ({a}), b AS ({b}),
listed AS (
    SELECT sweep_id, registry, repository, tag, bool_and(status IN ('ok', 'unsupported')) AS whole
    FROM images WHERE sweep_id IN (?, ?) GROUP BY ALL
),
paired AS (
    SELECT coalesce(a.image, b.image) AS image, ecosystem, package, vuln_id, a.versions AS old, b.versions AS new,
        coalesce(b.severity, a.severity) AS severity, coalesce(b.fixed_version, a.fixed_version) AS fixed_version,
        coalesce(b.score, a.score) AS score, coalesce(b.kev, a.kev) AS kev, coalesce(b.title, a.title) AS title,
        coalesce(b.url, a.url) AS url, a.versions IS NOT NULL AS before, b.versions IS NOT NULL AS after
    FROM a FULL OUTER JOIN b USING (image, ecosystem, package, vuln_id)
)
SELECT CASE
        WHEN p.before AND p.after THEN 'remaining'
        WHEN p.after THEN CASE WHEN la.whole IS NOT DISTINCT FROM false THEN 'unread' ELSE 'new' END
        WHEN NOT {sweeps} THEN 'fixed'
        WHEN lb.whole IS NULL THEN 'removed'
        WHEN lb.whole THEN 'fixed'
        ELSE 'unread'
    END AS status,
    p.image.registry AS registry, p.image.repository AS repository, p.image.tag AS tag, p.image.digest AS digest,
    p.image.os AS os, p.image.arch AS platform_arch, p.severity, p.vuln_id, p.ecosystem, p.package,
    p.old AS versions_before, p.new AS versions, p.fixed_version, p.score, p.kev, p.title, p.url
FROM paired p
LEFT JOIN listed la ON {sweeps} AND la.sweep_id = ? AND la.registry = p.image.registry
    AND la.repository = p.image.repository AND la.tag = p.image.tag
LEFT JOIN listed lb ON {sweeps} AND lb.sweep_id = ? AND lb.registry = p.image.registry
    AND lb.repository = p.image.repository AND lb.tag = p.image.tag
ORDER BY list_position({statuses}, status), list_position({severities}, p.severity), registry, repository, tag, package,
    vuln_id, ecosystem, os, platform_arch
"""


def compare(con: Connection, a: Side, b: Side) -> pa.Table:
    """A row per image, package name and problem that either side has, with its status.

    What a statement suppresses in a sweep is left out, as from its counts; a match run is compared whole. Of two images
    the names do not count, only what is in them. Raises UsageError for an image beside a sweep.
    """
    if (a.found is None) != (b.found is None):
        raise UsageError("one side is an image and the other is not", remedy="name two images, or two sweeps")
    sweeps = a.found is None
    queries = []
    for name, side in (("image_a", a), ("image_b", b)):
        view = "match_vulnerabilities" if side.match_id else "sweep_vulnerabilities"
        if side.found is not None:
            con.register(name, side.found)
        queries.append(
            _FOUND.format(
                image=_IMAGE if sweeps else _ANY_IMAGE,
                view=view if sweeps else name,
                column="match_id" if side.match_id else "sweep_id",
                apply="" if side.match_id else "AND suppressed_by IS NULL",
                severities=list(SEVERITIES),
            )
        )
    query = _COMPARE.format(
        a=queries[0], b=queries[1], sweeps=str(sweeps).lower(), statuses=list(STATUSES), severities=list(SEVERITIES)
    )
    ids = [a.sweep_id, b.sweep_id]
    parameters = [*(side.match_id or side.sweep_id for side in (a, b)), *ids, *ids]
    result: pa.Table = con.sql(query, params=parameters).to_arrow_table()
    return result if sweeps else result.drop_columns(list(_OF_IMAGE))


_OF_IMAGE = ("registry", "repository", "tag", "digest", "os", "platform_arch")


def select(changes: pa.Table, statuses: Sequence[str], severities: Sequence[str]) -> pa.Table:
    """Only these statuses and severities (all, if none is named)."""
    chosen = pc.is_in(changes["status"], value_set=pa.array(list(statuses)))
    if severities:
        chosen = pc.and_(chosen, pc.is_in(changes["severity"], value_set=pa.array(list(severities))))
    return changes.filter(chosen)


def counts(changes: pa.Table) -> dict[str, int]:
    """Rows by status, every status named."""
    found = {row["values"]: row["counts"] for row in changes["status"].combine_chunks().value_counts().to_pylist()}
    return {status: found.get(status, 0) for status in STATUSES}


def show(console: Console, a: Side, b: Side, changes: pa.Table, shown: pa.Table) -> None:
    """For people: what is compared, how many of each, and the rows that were asked for."""
    console.print(Text.assemble("from ", (a.name, "bold"), "\nto   ", (b.name, "bold")))
    line = Text()
    styles = {"new": "red", "fixed": "green", "removed": "dim", "unread": "yellow", "remaining": "dim"}
    for status, count in counts(changes).items():
        if count or status in ("new", "fixed", "remaining"):
            line.append(f"{count:,} {status}  ", style=styles[status])
    console.print(line)
    if not shown.num_rows:
        return
    images = "repository" in shown.column_names
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("", *(["image"] if images else []), "severity", "id", "package", "version", "fixed in"):
        table.add_column(name, overflow="fold")
    for row in shown.slice(0, MAX_ROWS).to_pylist():
        versions = [" ".join(row[name] or ()) for name in ("versions_before", "versions")]
        version = " → ".join(dict.fromkeys(filter(None, versions)))
        table.add_row(
            Text(row["status"], styles[row["status"]]), *([image_name(row)] if images else []),
            Text(row["severity"], STYLES[row["severity"]]), row["vuln_id"], f"{row['package']} ({row['ecosystem']})",
            version, row["fixed_version"] or "",
        )  # fmt: skip
    console.print(table)
    if shown.num_rows > MAX_ROWS:
        console.print(Text(f"and {shown.num_rows - MAX_ROWS:,} more: --format csv has all", style="dim"))

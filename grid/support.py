"""Whether a distribution's release still gets security updates: what the database's ``eol`` table says of it, on a day.

endoflife.date lists releases under the names people use (``9``, ``3.20``, ``15.6``), os-release gives them longer
(``9.4``, ``3.20.3``). A release takes the entry that its version begins with, unless the table tells apart releases
within that entry: SUSE's ``15`` is the first of the 15s and says nothing of a ``15.9`` that is not listed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import pyarrow as pa
import pyarrow.parquet as pq

from grid.database import Database
from grid.ecosystems.deb import CODENAMES, TESTING

SUPPORTED, EXTENDED, ENDED, UNKNOWN = "supported", "extended", "ended", "unknown"

ROLLING = frozenset({
    "arch", "archarm", "chainguard", "echo", "gentoo", "kali", "minimos", "opensuse-tumbleweed", "secureos", "void",
    "wolfi",
})  # fmt: skip
"""Distributions whose only release is the current one: as old as the image is, but never ended."""
_ROLLING_RELEASES = {"alpine": ("edge", "_alpha"), "debian": ("sid", "unstable", "testing"), "fedora": ("rawhide",)}
_SAME = {"sled": "sles", "sles_sap": "sles", "sle_hpc": "sles", "opensuse": "opensuse-leap", "archarm": "arch"}

Release = tuple[str, str | None, str | None]
"""(distro_id, distro_version, distro_name) as ``chains`` has them."""


@dataclass(frozen=True, slots=True)
class Support:
    """What is known of a release."""

    state: str
    """``supported``, ``extended`` (only long-term or paid updates are left), ``ended`` or ``unknown``."""
    eol: str | None = None
    """YYYY-MM-DD, the end of regular security updates."""
    extended_eol: str | None = None
    """YYYY-MM-DD, the end of all."""


def support(database: Database, releases: Iterable[Release], today: date) -> list[Support]:
    """The state of each release on a day, in their order."""
    columns = ["distro_id", "version", "codename", "eol", "extended_eol", "ended"]
    table: pa.Table = pq.read_table(database.parquet("eol"), columns=columns)
    listed: dict[str, list[Mapping[str, object]]] = {}
    for row in table.to_pylist():
        listed.setdefault(str(row["distro_id"]), []).append(row)
    return [_state(listed, release, today) for release in releases]


def _state(listed: Mapping[str, Sequence[Mapping[str, object]]], release: Release, today: date) -> Support:
    distro, version, name = release[0], (release[1] or "").lower(), (release[2] or "").lower()
    if distro in ROLLING or any(mark in version for mark in _ROLLING_RELEASES.get(distro, ())):
        return Support(SUPPORTED)
    if distro == "centos" and "stream" in name:
        distro = "centos-stream"
    row = _entry(listed.get(_SAME.get(distro, distro), ()), version)
    if row is None:
        unreleased = distro == "debian" and CODENAMES.get(version, 0) >= TESTING
        return Support(SUPPORTED if unreleased else UNKNOWN)
    eol, extended = (str(row[name]) if row[name] else None for name in ("eol", "extended_eol"))
    day = today.isoformat()
    if day <= eol if eol is not None else not row["ended"]:
        state = SUPPORTED
    else:
        state = EXTENDED if extended is not None and day <= extended else ENDED
    return Support(state, eol, extended)


def _entry(rows: Sequence[Mapping[str, object]], version: str) -> Mapping[str, object] | None:
    """The row that speaks of a version, or of a codename."""
    by_version = {str(row["version"]).lower().removesuffix(".0"): row for row in rows}
    at = version.removesuffix(".0")
    while at and at not in by_version:
        at = at.rpartition(".")[0]
    if not at:
        return next(
            (row for row in rows if version and str(row["codename"] or "").lower().split()[:1] == [version]), None
        )
    finer = at != version.removesuffix(".0") and any(other.startswith(f"{at}.") for other in by_version)
    return None if finer else by_version[at]

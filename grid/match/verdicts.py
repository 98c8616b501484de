"""What a record says about a package, and why that is or is not a hit, as a sentence."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one record says about one package, and why that is or is not a hit."""

    namespace: str
    name: str
    """As the advisory lists it: the source package for an OS package, the canonical name for a language."""
    version: str
    vuln_id: str
    advisory_id: str
    source: str
    introduced: str | None
    fixed: str | None
    last_affected: str | None
    state: str
    matched: bool
    reason: str
    """One sentence."""


def verdict(row: dict[str, object]) -> Verdict:
    """A row of ``queries.EXPLAIN`` in words."""
    text = {name: value if isinstance(value, str) else None for name, value in row.items()}
    return Verdict(
        namespace=str(row["namespace"]),
        name=str(row["name"]),
        version=str(row["version"]),
        vuln_id=str(row["vuln_id"]),
        advisory_id=str(row["advisory_id"]),
        source=str(row["source"]),
        introduced=text["introduced"],
        fixed=text["fixed"],
        last_affected=text["last_affected"],
        state=str(row["state"]),
        matched=bool(row["contained"]) and not row["denied"],
        reason=_reason(row),
    )


def _reason(row: dict[str, object]) -> str:
    version, listed = row["version"], row["listed"]
    if not row["contained"]:
        if listed is not None:
            return f"{version} is not among the versions it lists ({listed})"
        return _outside(row)
    if listed is not None:
        inside = f"{version} is one of the versions it lists ({listed})"
    else:
        inside = f"{version} is in the range it gives: {_range(row)}"
    if row["state"] == "not_affected":
        return f"{inside}; it says that these are not affected"
    if not row["denied"]:
        return inside
    if row["inert"]:
        return f"{inside}; but nothing of this package runs: its source's problems are those of other packages"
    return f"{inside}; but another record of {row['vuln_id']} says that this version is not affected"


def _outside(row: dict[str, object]) -> str:
    version, key, lo = row["version"], row["key"], row["lo"]
    if not isinstance(key, bytes):
        return f"{version} cannot be ordered ({row['message']}), so the range {_range(row)} cannot be judged"
    if isinstance(lo, bytes) and key < lo:
        return f"{version} is below {row['introduced']}, where the problem begins"
    if row["fixed"] is not None:
        return f"{version} is at or above {row['fixed']}, where it is fixed"
    if row["last_affected"] is not None:
        return f"{version} is above {row['last_affected']}, the last affected version"
    return f"{version} is past the end of the range {_range(row)}"


def _range(row: dict[str, object]) -> str:
    introduced = row["introduced"]
    start = "from the first version" if introduced in (None, "", "0") else f"from {introduced}"
    if row["fixed"] is not None:
        by = f" ({row['erratum']})" if row["erratum"] else ""
        return f"{start} to before {row['fixed']}{by}"
    if row["last_affected"] is not None:
        return f"{start} to {row['last_affected']}"
    return f"{start}, no fix known" if row["hi"] is None else start

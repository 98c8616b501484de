"""One statement, whoever made it: which problems (or secrets) in which images, and what is said of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime
from typing import Any

SUPPRESSING = ("not_affected", "fixed", "accepted")
"""Statuses that suppress; ``affected`` and ``under_investigation`` only outdo an older statement."""


@dataclass(frozen=True, slots=True)
class Statement:
    """A row of the tables ``statements`` and ``secret_statements``. An empty tuple, and "", stand for any."""

    kind: str
    """``vex``, ``waiver`` or ``ignore``."""
    origin: str
    """The file, and the line or the number of the statement in it."""
    status: str
    ids: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    """Patterns of the rules of secrets, or fingerprints; it is about no secret without one."""
    packages: tuple[str, ...] = ()
    """Package URLs; what one leaves out (version, qualifiers) is any."""
    registry: str = ""
    """Host of the registry."""
    repositories: tuple[str, ...] = ()
    """Patterns as in an estate: the last that matches decides."""
    tags: tuple[str, ...] = ()
    digest: str = ""
    arch: str = ""
    """Of the image."""
    paths: tuple[str, ...] = ()
    """Patterns of the file that the package was found in."""
    justification: str = ""
    reason: str = ""
    expires: date | None = None
    """From this day on, in UTC, it no longer applies."""
    issued_at: datetime | None = None
    problem: str = ""
    """Why it cannot be applied; "" if it can."""

    @property
    def about_findings(self) -> bool:
        """Whether it may be about vulnerabilities."""
        return bool(self.ids or self.packages) or not self.secrets

    def state(self, today: date) -> str:
        """``applies``, ``expired`` or ``invalid``."""
        if self.problem:
            return "invalid"
        return "expired" if self.expires is not None and self.expires <= today else "applies"

    def row(self) -> dict[str, Any]:
        """Its columns of these tables: what is not stated is null."""
        values: dict[str, Any] = {f.name: getattr(self, f.name) or None for f in fields(self)}
        if self.expires is not None:
            values["expires"] = self.expires.isoformat()
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}

    @classmethod
    def of_row(cls, row: Mapping[str, Any]) -> Statement:
        """The statement that a row of the table was made of."""
        values: dict[str, Any] = {}
        for field in fields(cls):
            value = row.get(field.name)
            if value is None:
                continue
            if field.name == "expires":
                value = date.fromisoformat(value)
            values[field.name] = tuple(value) if isinstance(value, list) else value
        return cls(**values)


def moment(text: object) -> datetime | None:
    """An RFC 3339 time with its zone (UTC if it has none); None for anything else."""
    if not isinstance(text, str):
        return None
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        return None
    if parsed.tzinfo is None:
        return parsed.replace(tzinfo=UTC)
    try:
        return parsed.astimezone(UTC)
    except OverflowError:
        return None

"""How ages are said to people."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


def ago(moment: datetime | str, now: datetime | None = None) -> str:
    """The time since a moment (RFC 3339 if text): ``40 minutes``, ``7 days``; ``an unknown time`` if it is none."""
    if isinstance(moment, str):
        try:
            moment = datetime.fromisoformat(moment)
        except ValueError:
            return "an unknown time"
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return span((now or datetime.now(UTC)) - moment)


def span(age: timedelta) -> str:
    """A length of time, in its largest sensible unit."""
    for unit, seconds in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        count = int(age.total_seconds() // seconds)
        if count >= 2 or (count and unit == "minute"):
            return f"{count} {unit}{'s' if count > 1 else ''}"
    return "less than a minute"

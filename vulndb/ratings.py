"""Severity in five labels, from the words of each publisher and from CVSS vectors."""

from __future__ import annotations

from functools import lru_cache

import cvss

from vulndb.records import Rating

_LABELS = {
    "critical": "critical",
    "high": "high",
    "important": "high",
    "medium": "medium",
    "moderate": "medium",
    "low": "low",
    "minor": "low",
    "negligible": "negligible",
    "unimportant": "negligible",
    "informational": "negligible",
    "none": "negligible",
}


def label(text: object) -> str | None:
    """Our label for a publisher's word; None for one that says nothing ("not yet assigned", "unknown")."""
    return _LABELS.get(text.strip().strip("*").lower()) if isinstance(text, str) else None


def band(score: float) -> str:
    """The label of a CVSS base score: 0.1-3.9 low, 4-6.9 medium, 7-8.9 high, 9-10 critical."""
    if score >= 9:
        return "critical"
    if score >= 7:
        return "high"
    if score >= 4:
        return "medium"
    return "low" if score > 0 else "negligible"


@lru_cache(maxsize=100_000)
def base_score(vector: str) -> float | None:
    """The base score of a CVSS v2, v3.x or v4 vector; None if it is not one."""
    try:
        if vector.startswith("CVSS:4"):
            return float(cvss.CVSS4(vector).base_score)
        if vector.startswith("CVSS:3"):
            return float(cvss.CVSS3(vector).base_score)
        return float(cvss.CVSS2(vector.strip("()")).base_score)
    except Exception:  # the library raises many kinds for what is just not a vector
        return None


def complete(rating: Rating) -> Rating | None:
    """A rating with its score and label filled in where they follow from the rest; None if it says nothing."""
    score = rating.score
    vector = rating.vector
    if vector is not None:
        computed = base_score(vector) if len(vector) < 1000 else None
        if computed is None:
            vector = None
        score = score if score is not None else computed
    word = rating.label or (band(score) if score is not None else None)
    return Rating(rating.source, word, vector, score) if word is not None else None

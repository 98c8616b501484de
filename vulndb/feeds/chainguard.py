"""Chainguard's secdb: one JSON file, as Wolfi's."""

from __future__ import annotations

from vulndb.feeds.wolfi import secdb

FEED = secdb("chainguard", "Chainguard", "https://packages.cgr.dev/chainguard/security.json")

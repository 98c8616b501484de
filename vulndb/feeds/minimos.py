"""MinimOS's secdb: one JSON file, as Wolfi's."""

from __future__ import annotations

from vulndb.feeds.wolfi import secdb

FEED = secdb("minimos", "MinimOS", "https://packages.mini.dev/advisories/secdb/security.json")

"""SecureOS's secdb: one JSON file, compressed, as Wolfi's."""

from __future__ import annotations

from vulndb.feeds.wolfi import SecdbFeed

FEED = SecdbFeed("secureos", "SecureOS", "https://security.secureos.io/v1/secdb.json.gz")

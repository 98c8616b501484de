"""SecureOS's secdb: one JSON file, compressed, as Wolfi's."""

from __future__ import annotations

from vulndb.feeds.wolfi import secdb

FEED = secdb("secureos", "SecureOS", "https://security.secureos.io/v1/secdb.json.gz")

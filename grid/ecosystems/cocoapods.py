"""CocoaPods, of iOS and macOS projects: only lock files name them. Versions order as gems do, whose library it uses.

No advisories speak of them by this name.
"""

from __future__ import annotations

from grid.ecosystems import Ecosystem, language
from grid.ecosystems._locks.others import COCOAPODS_WANTS, cocoapods
from grid.keys.gem import key

ECOSYSTEM = Ecosystem(
    name="cocoapods", version=1, key=key, namespace=language(None), osv=(), declares=COCOAPODS_WANTS, declared=cocoapods
)

"""Every Parquet table of the lake and of the vulnerability database, each column documented.

The table reference in ``grid/README.md`` is generated from here, so this is the only copy. Add columns; don't rename
them.
"""

from __future__ import annotations

import pyarrow as pa

from grid.schema.base import BYTES, INT, SMALL, TEXT, TIME, Column, Table
from grid.schema.database import ADVISORIES, BINARIES, EOL, EPSS, EXACT, KEV, RANGES, REPOSITORY_CPES, SEVERITIES
from grid.schema.facts import (
    CONTENT_SETS,
    DISTROS,
    ENTRIES,
    HIDERS,
    JAR_NAMES,
    LAYER_SCANS,
    LOCKFILES,
    MALWARE,
    NOTES,
    OWNED_FILES,
    PACKAGES,
    PATH_INDEX,
    SECRETS,
)
from grid.schema.findings import DISTRO_SUPPORT, FINDINGS, MATCHES, SECRET_STATEMENTS, STATEMENTS
from grid.schema.images import CHAINS, CONFIG_CHECKS, HIDDEN, IMAGE_LAYERS, IMAGES, MANIFESTS, ORIGINS, SWEEPS
from grid.schema.life import FINDING_EVENTS, HISTORY, IMAGE_EVENTS, MATCHED_PACKAGES, PACKAGE_EVENTS

__all__ = [
    "ADVISORIES",
    "BINARIES",
    "CHAINS",
    "CONFIG_CHECKS",
    "CONTENT_SETS",
    "DATABASE_SCHEMA_VERSION",
    "DATABASE_TABLES",
    "DISTROS",
    "DISTRO_SUPPORT",
    "ENTRIES",
    "EOL",
    "EPSS",
    "EXACT",
    "FACT_TABLES",
    "FILES",
    "FINDINGS",
    "FINDING_EVENTS",
    "HIDDEN",
    "HIDERS",
    "HISTORY",
    "IMAGES",
    "IMAGE_EVENTS",
    "IMAGE_LAYERS",
    "JAR_NAMES",
    "KEV",
    "LAKE_SCHEMA_VERSION",
    "LAKE_TABLES",
    "LAYER_SCANS",
    "LOCKFILES",
    "MALWARE",
    "MANIFESTS",
    "MATCHED_PACKAGES",
    "MATCHES",
    "NOTES",
    "ORIGINS",
    "OWNED_FILES",
    "PACKAGES",
    "PACKAGE_EVENTS",
    "PATH_INDEX",
    "RANGES",
    "REPOSITORY_CPES",
    "SECRETS",
    "SECRET_STATEMENTS",
    "SEVERITIES",
    "STATEMENTS",
    "SWEEPS",
    "TIME",
    "Column",
    "Table",
]

LAKE_SCHEMA_VERSION = 1
DATABASE_SCHEMA_VERSION = 6

LAKE_TABLES: tuple[Table, ...] = (
    LAYER_SCANS, ENTRIES, HIDERS, PATH_INDEX, LOCKFILES, PACKAGES, JAR_NAMES, OWNED_FILES, DISTROS, CONTENT_SETS, SECRETS,
    MALWARE, NOTES,
    MANIFESTS, IMAGES, IMAGE_LAYERS, CHAINS, HIDDEN, ORIGINS, CONFIG_CHECKS, SWEEPS, MATCHES, DISTRO_SUPPORT,
    FINDINGS, STATEMENTS, SECRET_STATEMENTS,
    HISTORY, MATCHED_PACKAGES, PACKAGE_EVENTS, IMAGE_EVENTS, FINDING_EVENTS,
)  # fmt: skip
FACT_TABLES: tuple[Table, ...] = tuple(t for t in LAKE_TABLES if t.columns[1].name == "task_id")

DATABASE_TABLES: tuple[Table, ...] = (ADVISORIES, RANGES, EXACT, SEVERITIES, KEV, EPSS, EOL, REPOSITORY_CPES, BINARIES)

FILES = pa.schema(
    [
        pa.field("path", TEXT, nullable=False),
        pa.field("size", INT, nullable=False),
        pa.field("mode", SMALL, nullable=False),
        pa.field("content", BYTES, nullable=False),
    ]
)
"""What a detector is called with: a row per file, contents lying one after the other in one buffer."""

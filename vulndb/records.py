"""What a feed says: records as its parser yields them, in one shape for all publishers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Range:
    """One version range, as events in the words of OSV: ``("introduced", "0"), ("fixed", "1.2")``.

    The kinds are introduced, fixed, last_affected and limit. They need not be sorted.
    """

    events: tuple[tuple[str, str], ...]
    unreleased: bool = False
    """The fixed version ends the range but the distribution does not ship it: no fix is to be had."""


@dataclass(frozen=True, slots=True)
class Affected:
    """One package that an advisory speaks of. No range and no version: known to be not affected."""

    namespace: str
    """As OSV names the ecosystem, suffix and all: ``Debian:12``, ``PyPI``."""
    name: str
    ranges: tuple[Range, ...] = ()
    versions: tuple[str, ...] = ()
    """Affected versions one by one, in addition to the ranges."""
    state: str = ""
    """Of ``grid.schema.FINDINGS.state``; "" = ``fixed`` where the range has a fixed version, else ``affected``."""
    severity: str | None = None
    """The distribution's own rating of this package, one of our labels."""
    arches: tuple[str, ...] = ()
    """The architectures whose builds it speaks of; () for all."""
    module: str | None = None
    """The rpm module, ``name:stream``, whose builds it speaks of."""
    flavour: str | None = None
    """``ksplice`` or ``fips``: it speaks of these builds only."""
    subscriber_fix: str | None = None
    """The version that fixes it for those who pay for longer support (Ubuntu Pro); others have no fix."""
    cpes: tuple[str, ...] = ()
    """The products, as CPE 2.2 URIs, from whose repositories the packages are; () for all."""
    erratum: str | None = None
    """The erratum that brings the fix, where the record is not one itself."""
    binaries: tuple[str, ...] = ()
    """Where ``name`` is a source: the binary packages built from it that have its version."""


@dataclass(frozen=True, slots=True)
class Rating:
    """What one source says about how bad it is. The score is computed where only a vector is given."""

    source: str
    label: str | None = None
    vector: str | None = None
    score: float | None = None


@dataclass(frozen=True, slots=True)
class Advisory:
    """One record of a feed."""

    id: str
    affected: tuple[Affected, ...]
    aliases: tuple[str, ...] = ()
    """Other ids of the same problem."""
    upstream: tuple[str, ...] = ()
    """Ids of the problems that this record fixes or repackages; see ``groups``."""
    title: str | None = None
    published: datetime | None = None
    modified: datetime | None = None
    url: str | None = None
    ratings: tuple[Rating, ...] = ()


@dataclass(frozen=True, slots=True)
class Exploited:
    """An entry of a list of exploited vulnerabilities."""

    cve_id: str
    date_added: str
    due_date: str | None
    ransomware: bool
    title: str | None


@dataclass(frozen=True, slots=True)
class Rated:
    """What a list of ratings says of one problem; it speaks of no package."""

    id: str
    ratings: tuple[Rating, ...]
    status: str | None = None
    """``rejected`` or ``disputed``: what is wrong with the id itself."""


@dataclass(frozen=True, slots=True)
class Scored:
    """How likely a CVE is to be exploited, as EPSS sees it. Both numbers are from 0 to 1."""

    cve_id: str
    score: float
    percentile: float
    date: str
    """YYYY-MM-DD."""


@dataclass(frozen=True, slots=True)
class EndOfLife:
    """When a release of a distribution ends; the fields are the columns of ``grid.schema.EOL``."""

    distro_id: str
    version: str
    codename: str | None
    eol: str | None
    extended_eol: str | None
    ended: bool


@dataclass(frozen=True, slots=True)
class RepositoryProduct:
    """A repository of a distribution's belongs to a product; columns of ``grid.schema.REPOSITORY_CPES``."""

    repository: str
    cpe: str


@dataclass(frozen=True, slots=True)
class Skipped:
    """Part of a feed that was not understood: counted, and said in the manifest's notes."""

    reason: str
    count: int = 1


Statement = Advisory | Exploited | Rated | Scored | EndOfLife | RepositoryProduct
"""What is counted as an entry of its feed."""
Record = Statement | Skipped

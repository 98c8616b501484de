"""The vulnerability database: where ``vulndb`` and ``grid`` meet."""

from __future__ import annotations

from grid.schema.base import BYTES, FLAG, FLOAT, LABEL, TEXT, TEXTS, TIME, Column, Table

ADVISORIES = Table(
    "advisories",
    "A row per record of a feed and problem that it speaks of: an erratum that names five CVEs has five rows.",
    (
        Column("advisory_id", LABEL, "the record's id: CVE-…, DSA-…, GHSA-…, PYSEC-…"),
        Column("source", LABEL, "the feed: `osv`, `alpine`, `debian` …"),
        Column("vuln_id", LABEL, "display id of its alias group: CVE, else GHSA, else another"),
        Column("aliases", TEXTS, "every id of the group but `vuln_id`"),
        Column("title", TEXT, "summary, one line", True),
        Column("published", TIME, "", True),
        Column("modified", TIME, "", True),
        Column("url", TEXT, "", True),
        Column("status", LABEL, "`rejected` or `disputed`: what the NVD says of `vuln_id` itself; else null", True),
    ),
    ("advisory_id",),
)

RANGES = Table(
    "ranges",
    "Affected half-open ranges as byte keys: affected if `lo <= key AND (hi IS NULL OR key < hi)`.",
    (
        Column("namespace", LABEL, "as OSV names the ecosystem with its suffix: `Debian:12`, `Alpine:v3.10`, `PyPI`"),
        Column("name", TEXT, "canonical package name: the source package for deb and apk"),
        Column("advisory_id", LABEL, "the record"),
        Column("source", LABEL, "the feed"),
        Column("lo", BYTES, "key of the first affected version; empty for `introduced: 0`"),
        Column("hi", BYTES, "key of the first version not affected; null for no end", True),
        Column("introduced", TEXT, "as written", True),
        Column("fixed", TEXT, "the fixed version as written; null if none is known", True),
        Column("last_affected", TEXT, "as written", True),
        Column("state", LABEL, "as in `findings`"),
        Column("severity", LABEL, "the distribution's own rating of this package, our five labels; else null", True),
        Column(
            "vuln_id",
            LABEL,
            "the only problem of the record that the row speaks of; null for all of them (the usual case)",
            True,
        ),
        Column("arches", TEXTS, "the row is about builds for these architectures only; null for all", True),
        Column(
            "module", TEXT, "the row is about builds of this rpm module, `name:stream`; null if it names none", True
        ),
        Column(
            "flavour", LABEL, "the row is about builds of this flavour: `ksplice`, `fips`; null for the ordinary", True
        ),
        Column(
            "cpes",
            TEXTS,
            "the row is about packages from repositories of these products (Red Hat), as CPE 2.2 URIs; null for all",
            True,
        ),
        Column(
            "subscriber_fix",
            TEXT,
            "a version that fixes it for subscribers of longer support only (Ubuntu Pro), as written; else null",
            True,
        ),
        Column(
            "erratum",
            TEXT,
            "the erratum that brings the fix, where the record is not one itself (`RHSA-…`); else null",
            True,
        ),
    ),
    ("namespace", "name", "lo"),
)

EXACT = Table(
    "exact",
    "Affected versions listed one by one (OSV `versions`), for records without ranges and for versions that no scheme parses.",
    (
        Column("namespace", LABEL, "as in `ranges`"),
        Column("name", TEXT, "as in `ranges`"),
        Column("version", TEXT, "as written"),
        Column("advisory_id", LABEL, "the record"),
        Column("source", LABEL, "the feed"),
        Column("fixed", TEXT, "smallest fixed version that the record gives, if any", True),
        Column("state", LABEL, "as in `findings`"),
        Column("severity", LABEL, "as in `ranges`", True),
        Column("vuln_id", LABEL, "as in `ranges`", True),
    ),
    ("namespace", "name", "version"),
)

SEVERITIES = Table(
    "severities",
    "Every rating of every source.",
    (
        Column("vuln_id", LABEL, "display id of the alias group"),
        Column("advisory_id", LABEL, "the record that carries it"),
        Column("source", LABEL, "`nvd`, `ghsa`, `debian`, …: who rated"),
        Column("label", LABEL, "our five labels, computed from the vector where the source gives none", True),
        Column("score", FLOAT, "CVSS base score", True),
        Column("vector", TEXT, "CVSS vector", True),
    ),
    ("vuln_id",),
)

KEV = Table(
    "kev",
    "CISA's list of known exploited vulnerabilities.",
    (
        Column("cve_id", LABEL, ""),
        Column("date_added", LABEL, "YYYY-MM-DD"),
        Column("due_date", LABEL, "YYYY-MM-DD", True),
        Column("ransomware", FLAG, "used in known ransomware campaigns"),
        Column("title", TEXT, "", True),
    ),
    ("cve_id",),
)

EPSS = Table(
    "epss",
    "FIRST's exploit prediction: how likely a CVE is to be exploited within 30 days of a date.",
    (
        Column("cve_id", LABEL, ""),
        Column("score", FLOAT, "the probability, from 0 to 1"),
        Column("percentile", FLOAT, "share of all CVEs with at most this score, from 0 to 1"),
        Column("date", LABEL, "YYYY-MM-DD: the day the score was made for"),
    ),
    ("cve_id",),
)

EOL = Table(
    "eol",
    "When releases of distributions end, as endoflife.date gathers it.",
    (
        Column(
            "distro_id", LABEL, "as `ID` in os-release: `debian`, `rhel`, `amzn` …; `centos-stream` for CentOS Stream"
        ),
        Column("version", LABEL, "the release: `12`, `3.19`, `22.04`"),
        Column("codename", LABEL, "as endoflife.date writes it: `Bookworm`", True),
        Column("eol", LABEL, "YYYY-MM-DD: the end of free security updates; null if no date is known", True),
        Column("extended_eol", LABEL, "YYYY-MM-DD: the end of long-term or paid ones, where there are any", True),
        Column("ended", FLAG, "whether it has ended, as the publisher says (there may be no date)"),
    ),
    ("distro_id", "version"),
)

REPOSITORY_CPES = Table(
    "repository_cpes",
    "Which products a repository of Red Hat's (a content set) belongs to: Red Hat's `repository-to-cpe.json`.",
    (
        Column("repository", LABEL, "the content set: `rhel-8-for-x86_64-baseos-rpms`"),
        Column("cpe", LABEL, "the product, as a CPE 2.2 URI"),
    ),
    ("repository", "cpe"),
)

BINARIES = Table(
    "binaries",
    "Which source a binary package is built from, where its version is the source's and no other source of the release "
    "has one of its name: Ubuntu's records say so (`ecosystem_specific.binaries`). For packages whose record names no source.",
    (
        Column("namespace", LABEL, "as in `ranges`: `Ubuntu:24.04:LTS`"),
        Column("name", LABEL, "the binary package: `libssl3t64`"),
        Column("source", LABEL, "the source, as `ranges.name` has it: `openssl`"),
    ),
    ("namespace", "name"),
)

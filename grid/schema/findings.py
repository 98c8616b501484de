"""Findings: match runs, what they found, and what is said against it."""

from __future__ import annotations

from grid.schema.base import FLAG, FLOAT, IDS, INT, LABEL, NUMBERS, RATINGS, SMALL, TEXT, TEXTS, TIME, Column, Table

MATCHES = Table(
    "matches",
    "A row per match run: written last, it is the commit mark of its findings. The newest of a sweep counts.",
    (
        Column("match_id", LABEL, "sortable by time"),
        Column("sweep_id", LABEL, "whose images were matched"),
        Column("db_version", LABEL, "with which database"),
        Column("packages", INT, "distinct packages"),
        Column("findings", INT, "rows written"),
        Column("namespaces", TEXTS, "distributions of these images that the database has advisories for", True),
        Column(
            "unlisted",
            TEXTS,
            "kinds of packages of these images, beside distributions', that the database has no advisories for: `conda`, "
            "and of programs that no package manager knows each by itself, `generic:busybox`; null in older rows",
            True,
        ),
        Column("unordered", INT, "packages whose version no scheme can order: matched by exact lists only", True),
        Column(
            "foreign",
            INT,
            "OS packages that another publisher built: no advisory of the distribution's is about them",
            True,
        ),
        Column("foreign_packages", IDS, "their `package_id`s; null in older rows", True),
        Column("matched_at", TIME, "when"),
        Column(
            "current",
            FLAG,
            "true; null for a match with an older database that somebody asked for (`as of`): it never counts as a sweep's "
            "newest, and the history does not know it",
            True,
        ),
    ),
    ("match_id",),
)

DISTRO_SUPPORT = Table(
    "distro_support",
    "Whether the releases of distributions that a match run met got security updates on that day.",
    (
        Column("match_id", LABEL, "the match run"),
        Column("distro_id", LABEL, "as in `chains`"),
        Column("distro_version", LABEL, "as in `chains`", True),
        Column("distro_name", TEXT, "as in `chains`", True),
        Column("support", LABEL, "`supported`, `extended` (long-term or paid updates only), `ended` or `unknown`"),
        Column("eol", LABEL, "YYYY-MM-DD: the end of regular security updates; null if no date is known", True),
        Column("extended_eol", LABEL, "YYYY-MM-DD: the end of all, where they go on for longer", True),
    ),
    ("match_id", "distro_id", "distro_version"),
)

FINDINGS = Table(
    "findings",
    "A row per distinct package and problem: images are joined in by the view `vulnerabilities`, so the table grows "
    "with distinct packages, not with images.",
    (
        Column("match_id", LABEL, "the match run"),
        Column("package_id", INT, "as in `packages`"),
        Column("namespace", LABEL, "whose advisories said so, as OSV names it: `Debian:12`, `PyPI`"),
        Column(
            "channel",
            LABEL,
            "which repositories of that distribution it was judged by: null for its usual ones, else a hash of those "
            "that the images name (`chains.content_sets`, `chains.content_cpes`, `chains.pro_services`)",
            True,
        ),
        Column("vuln_id", LABEL, "display id: CVE, else GHSA, else another"),
        Column("aliases", TEXTS, "all other ids of the same problem"),
        Column("advisories", TEXTS, "the records that matched, and the errata that bring their fixes (`RHSA-…`)"),
        Column(
            "state",
            LABEL,
            "`fixed` (a fix exists), `affected`, `will_not_fix`, `fix_deferred`, `under_investigation`, `end_of_life`, `unknown`",
        ),
        Column(
            "fixed_version", TEXT, "the smallest version that clears the matched ranges; null if none is known", True
        ),
        Column(
            "subscriber_fix",
            TEXT,
            "where there is no fix for everyone: the version that fixes it for subscribers of longer support (Ubuntu Pro)",
            True,
        ),
        Column(
            "upgrade_version",
            TEXT,
            "the version to install: of all fixed versions above the installed one the one with the fewest known problems, and "
            "of these the smallest; the same for all findings of the package. Null if there is none",
            True,
        ),
        Column("upgrade_clears", FLAG, "whether `upgrade_version` clears this problem", True),
        Column("introduced", TEXT, "start of the range that matched, as the advisory writes it", True),
        Column("severity", LABEL, "`critical`, `high`, `medium`, `low`, `negligible` or `unknown`"),
        Column("severity_source", LABEL, "who rated it: the distribution, `ghsa`, `nvd`, `cvss` …", True),
        Column("score", FLOAT, "CVSS base score", True),
        Column("vector", TEXT, "CVSS vector", True),
        Column("malicious", FLAG, "the package itself is the attack: a `MAL-` record is among its ids", True),
        Column("kev", FLAG, "in CISA's list of exploited vulnerabilities"),
        Column("epss", FLOAT, "probability of exploitation within 30 days", True),
        Column(
            "ratings",
            RATINGS,
            "every rating of every source, best first; `severity`, `score` and `vector` above are chosen among them",
            True,
        ),
        Column(
            "risk",
            FLOAT,
            "from 0 to 100: how soon to act, by threat and severity; see `grid/README.md`, Risk. 0 where no threat is known",
            True,
        ),
        Column("epss_date", LABEL, "YYYY-MM-DD: the day that `epss` was made for", True),
        Column("kev_due_date", LABEL, "YYYY-MM-DD: until when CISA wants it mended; null if not in its list", True),
        Column("kev_ransomware", FLAG, "used in known ransomware campaigns, as CISA's list says", True),
        Column(
            "cve_status",
            LABEL,
            "`rejected` or `disputed`: what the NVD says of the CVE itself. Who publishes the advisory decides whether there is "
            "a finding",
            True,
        ),
        Column(
            "statements",
            NUMBERS,
            "numbers of the `statements` of the match run that speak of it, in the order in which they decide; null for none",
            True,
        ),
        Column("published", TIME, "", True),
        Column("modified", TIME, "", True),
        Column("title", TEXT, "", True),
        Column("url", TEXT, "", True),
    ),
    ("package_id", "namespace", "channel", "vuln_id"),
)

STATEMENTS = Table(
    "statements",
    "What suppliers and the site said against findings when they were matched: a row for each statement of a VEX "
    "document, waiver or line of an ignore file, in the order in which they decide. Those that do not apply, too.",
    (
        Column("match_id", LABEL, "the match run"),
        Column("number", SMALL, "from 1; of the statements that apply to a finding in an image the lowest decides"),
        Column("kind", LABEL, "`vex`, `waiver` or `ignore`"),
        Column("origin", TEXT, "the file, with the line, or the number of the statement in it"),
        Column(
            "status",
            LABEL,
            "`not_affected`, `fixed` and `accepted` (the site's own) suppress; `affected` and `under_investigation` only "
            "outdo older statements",
        ),
        Column("state", LABEL, "`applies`, `expired` or `invalid`"),
        Column("problem", TEXT, "why it is invalid", True),
        Column("findings", INT, "distinct (package, problem) pairs that it speaks of, in whatever image"),
        Column("ids", TEXTS, "problems; null for any", True),
        Column("packages", TEXTS, "package URLs; null for any", True),
        Column("registry", LABEL, "host of the registry; null for any, as are the next four", True),
        Column("repositories", TEXTS, "patterns, the last that matches decides", True),
        Column("tags", TEXTS, "patterns, the last that matches decides", True),
        Column("digest", LABEL, "of the image or index", True),
        Column("arch", LABEL, "of the image", True),
        Column("paths", TEXTS, "patterns of the file that the package was found in; null for any", True),
        Column("justification", TEXT, "why not affected: one of VEX's words", True),
        Column("reason", TEXT, "why, in a sentence", True),
        Column("expires", LABEL, "YYYY-MM-DD: from that day on, in UTC, it does not apply; null for never", True),
        Column("issued_at", TIME, "when a VEX statement was made: of two about one thing the newer decides", True),
    ),
    ("match_id", "number"),
)

SECRET_STATEMENTS = Table(
    "secret_statements",
    "What the site says against secrets: a row for each waiver and line of an ignore file that may be about some. Of a "
    "sweep the newest count.",
    (
        Column("sweep_id", LABEL, "the sweep"),
        Column("said_at", TIME, "when the sweep was judged, or matched again"),
        Column(
            "number", SMALL, "from 1: of the statements that apply to a secret the lowest decides; 0: nothing is said"
        ),
        Column("kind", LABEL, "`waiver` or `ignore`"),
        Column("origin", TEXT, "the file and the line"),
        Column("state", LABEL, "`applies` or `expired`"),
        Column("secrets", TEXTS, "patterns of rules, or fingerprints", True),
        Column(
            "repositories", TEXTS, "patterns, the last that matches decides; null for any, as are the next two", True
        ),
        Column("tags", TEXTS, "patterns, the last that matches decides", True),
        Column("paths", TEXTS, "patterns of the file", True),
        Column("reason", TEXT, "why, in a sentence", True),
        Column("expires", LABEL, "YYYY-MM-DD: from that day on, in UTC, it does not apply; null for never", True),
    ),
    ("sweep_id", "said_at", "number"),
)

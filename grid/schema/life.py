"""The life of findings: what changed, match run by match run."""

from __future__ import annotations

from grid.schema.base import INT, LABEL, TEXT, TIME, Column, Table

HISTORY = Table(
    "history",
    "A row per match run that the history knows: written last, it is the commit mark of the tables of events.",
    (
        Column("match_id", LABEL, "the match run"),
        Column("sweep_id", LABEL, "whose images were matched"),
        Column("kind", LABEL, "of the sweep"),
        Column("matched_at", TIME, "when: the time of all its events"),
    ),
    ("match_id",),
)

MATCHED_PACKAGES = Table(
    "matched_packages",
    "Distinct packages, each at the first match run that looked at it.",
    (
        Column("match_id", LABEL, "the match run"),
        Column("package_id", INT, "as in `packages`"),
        Column("namespace", LABEL, "whose advisories it was matched with, and `|channel` where there is one"),
    ),
    ("package_id", "namespace"),
)

PACKAGE_EVENTS = Table(
    "package_events",
    "When the database began and ceased to report a problem of a package: true of every image that shows the package.",
    (
        Column("match_id", LABEL, "the match run that found the change"),
        Column("package_id", INT, "as in `packages`"),
        Column("namespace", LABEL, "as in `findings`, and `|channel` where there is one"),
        Column("vuln_id", LABEL, "as in `findings`"),
        Column(
            "event",
            LABEL,
            "`known` (reported when the package was first matched), `new`, `renamed` (reported before under an id that is an "
            "alias now), `gone`, or `merged` (gone because another id took its place)",
        ),
        Column("since", TIME, "since when it is reported; of what is gone, since when it was"),
    ),
    ("package_id", "namespace", "vuln_id"),
)

IMAGE_EVENTS = Table(
    "image_events",
    "When an image appeared in the estate, changed its layers and vanished. Images without a change have no row.",
    (
        Column("match_id", LABEL, "the match run that found the change"),
        Column("image_id", LABEL, "hash of registry, repository, tag (else digest) and platform: the life goes by it"),
        Column("registry", LABEL, "as in `images`"),
        Column("repository", LABEL, "as in `images`"),
        Column("tag", LABEL, "as in `images`"),
        Column("os", LABEL, "as in `images`", True),
        Column("arch", LABEL, "as in `images`", True),
        Column("digest", LABEL, "the image manifest; of what vanished, the last", True),
        Column("chain_id", LABEL, "its layers; of what vanished, the last"),
        Column(
            "event",
            LABEL,
            "`appeared`, `moved` (other layers under the same name), `joined` (a sweep lists what a scan had shown) or `vanished`",
        ),
        Column("since", TIME, "since when it is in the estate without a break"),
        Column("kind", LABEL, "of the sweep: only an estate's sweep can see its images vanish"),
    ),
    ("registry", "repository", "tag", "os", "arch"),
)

FINDING_EVENTS = Table(
    "finding_events",
    "What changed for an image when its layers did: findings of packages that came, and findings that went. What stayed has "
    "no row, nor has what the database alone changed.",
    (
        Column("match_id", LABEL, "the match run that found the change"),
        Column("image_id", LABEL, "as in `image_events`"),
        Column("ecosystem", LABEL, "as in `packages`"),
        Column("package", TEXT, "its name"),
        Column("package_id", INT, "as in `packages`"),
        Column("version", TEXT, "as in `packages`"),
        Column("vuln_id", LABEL, "as in `findings`"),
        Column(
            "event",
            LABEL,
            "`new`, `kept` (the package came in another version that the same problem touches) or `fixed`",
        ),
        Column("first_seen", TIME, "since when the image has had this problem in a package of this name"),
    ),
    ("image_id", "ecosystem", "package", "vuln_id"),
)

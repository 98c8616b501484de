"""Images: what registries say of them, their layers, what those hide of each other, and the sweeps."""

from __future__ import annotations

from grid.schema.base import FLAG, FLOAT, INT, LABEL, SMALL, TEXT, TEXTS, TIME, Column, Table

MANIFESTS = Table(
    "manifests",
    "What a digest resolves to, once and for ever: a row per platform of each index or manifest ever resolved.",
    (
        Column("ref_digest", LABEL, "what the tag points at: an index, or the manifest itself"),
        Column("platforms", LABEL, "the platform policy it was resolved under: `linux/amd64`, `all` …"),
        Column("digest", LABEL, "the image manifest"),
        Column("config_digest", LABEL, "its configuration", True),
        Column("media_type", LABEL, "of the manifest", True),
        Column("os", LABEL, "from the configuration", True),
        Column("arch", LABEL, "from the configuration, with its variant after a slash", True),
        Column("created", TIME, "from the configuration", True),
        Column("size_bytes", INT, "compressed bytes of all layers"),
        Column("layer_count", SMALL, "layers"),
        Column("status", LABEL, "`ok`, `unsupported` or `failed` (for reasons of content)"),
        Column("error_code", LABEL, "null when ok", True),
        Column("error_message", TEXT, "null when ok", True),
        Column("resolved_at", TIME, "when"),
        Column(
            "base_layers", SMALL, "layers of the base image, as the image's own history shows; null if unclear", True
        ),
        Column(
            "base_evidence",
            LABEL,
            "what shows it: `from` (a FROM marker), `cmd` (a CMD that later steps follow) or `time` (the only gap of more "
            "than a day)",
            True,
        ),
        Column("base_name", TEXT, "label `org.opencontainers.image.base.name`, else the FROM marker's", True),
        Column("base_digest", LABEL, "label `org.opencontainers.image.base.digest`", True),
    ),
    ("ref_digest", "digest"),
)

IMAGES = Table(
    "images",
    "A row per sweep and image: everything that the estate lists, accounted for.",
    (
        Column("sweep_id", LABEL, "the sweep"),
        Column("registry", LABEL, "its name in the estate, or host; `oci:DIR` and the like for local sources"),
        Column("repository", LABEL, "empty for a local source without names"),
        Column("tag", LABEL, "empty if the image was named by digest"),
        Column("digest", LABEL, "the image manifest; null if it could not be resolved", True),
        Column("ref_digest", LABEL, "what the tag points at (an index, or `digest` itself)", True),
        Column("os", LABEL, "", True),
        Column("arch", LABEL, "with its variant after a slash", True),
        Column("created", TIME, "", True),
        Column("size_bytes", INT, "compressed bytes of all layers", True),
        Column("layer_count", SMALL, "layers", True),
        Column("status", LABEL, "`ok`, `incomplete` (some layers failed), `failed`, `unsupported` or `deferred`"),
        Column("error_code", LABEL, "of the first failure; null when ok", True),
        Column("error_message", TEXT, "one sentence; null when ok", True),
        Column(
            "coverage",
            FLOAT,
            "from 0 to 1: share of layers read, less one hundredth for each note; null if not scanned",
            True,
        ),
        Column("scanned_at", TIME, "when the image was accounted for"),
    ),
    ("registry", "repository", "tag"),
)

IMAGE_LAYERS = Table(
    "image_layers",
    "The ordered layers of every image manifest ever resolved.",
    (
        Column("digest", LABEL, "the image manifest"),
        Column("ordinal", SMALL, "from 0, the base"),
        Column("layer_digest", LABEL, "the blob"),
        Column("chain_id", LABEL, "names this layer together with all below it"),
        Column("diff_id", LABEL, "from the configuration", True),
        Column("created_by", TEXT, "the build step, with secrets struck out; null where history does not align", True),
        Column("media_type", LABEL, "as the manifest says", True),
        Column("size_bytes", INT, "compressed bytes; -1 where the source does not say"),
    ),
    ("digest", "ordinal"),
)

CHAINS = Table(
    "chains",
    "Squash, once per distinct chain of layers: what its merged view says about itself.",
    (
        Column("chain_id", LABEL, "see `image_layers`"),
        Column("parent_id", LABEL, "the chain without its top layer; null for a base", True),
        Column("layer_digest", LABEL, "the top layer"),
        Column("depth", SMALL, "layers in the chain"),
        Column("version", LABEL, "of squash and of the facts it read; the newest row of a chain counts"),
        Column("squash_id", LABEL, "the run that wrote the row; `hidden` rows carry it too"),
        Column("distro_id", LABEL, "of the merged view", True),
        Column("distro_version", LABEL, "`VERSION_ID`", True),
        Column("distro_name", TEXT, "`PRETTY_NAME`", True),
        Column(
            "os_namespace",
            LABEL,
            "whose advisories the OS packages are matched with, as OSV names it: `Debian:12`",
            True,
        ),
        Column(
            "content_sets",
            TEXTS,
            "Red Hat repositories that its packages come from: those of all its layers, see `content_layers`; null if "
            "no layer says",
            True,
        ),
        Column("content_cpes", TEXTS, "CPEs of the Red Hat images it is made of; null if no layer says", True),
        Column("content_builds", TEXTS, "component-version-release of those images; null if no layer says", True),
        Column("pro_services", TEXTS, "services of Ubuntu Pro enabled in any layer: `esm-infra` …; else null", True),
        Column(
            "content_layers",
            TEXTS,
            "for each layer from the base up, the layer whose `content_set`, `cpe` and `build` rows speak of it: "
            "itself, else the nearest below, else (for the base) the one above; empty if none. Null if no layer says",
            True,
        ),
        Column("squashed_at", TIME, "when"),
        Column("members", TEXTS, "all chains it is made of, from the base to itself; the store fills it in", True),
        Column("layers", TEXTS, "the top layer of each of `members`; the store fills it in", True),
        Column(
            "created_by", TEXT, "the build step of the top layer, as `image_layers` has it; null where unknown", True
        ),
        Column("image", LABEL, "an image manifest with exactly these layers; null if none was seen", True),
        Column("base_layers", SMALL, "how many of its layers are the base image's; null where nothing shows it", True),
        Column(
            "base_evidence",
            LABEL,
            "what shows it: `image` (another image whose whole chain they are) or, as in `manifests`, `from`, `cmd` or "
            "`time` (the image's own history); of several the largest base, for a base may have a base",
            True,
        ),
        Column("base_digest", LABEL, "that other image", True),
        Column("steps", TEXTS, "the build step of each of `members`, empty if unknown; the store fills it in", True),
    ),
    ("chain_id",),
)

HIDDEN = Table(
    "hidden",
    "The exceptions of squash: a path of a lower layer that the top layer of this chain hides or an OS package owns. "
    "A chain inherits its parent's.",
    (
        Column("chain_id", LABEL, "where it happens first"),
        Column("squash_id", LABEL, "as in `chains`"),
        Column("layer_digest", LABEL, "the layer that holds the fact"),
        Column("path", TEXT, "its path in that layer"),
        Column(
            "reason",
            LABEL,
            "`hidden`: not in the merged view. `owned`: in it, but an OS package's own file (or one that a `deps.json` names), "
            "so not matched. `unowned`: "
            "no longer owned, for the OS package's record is gone; of these two the deepest chain's row counts",
        ),
        Column("by", TEXT, "what did it: the entry, or the OS package"),
    ),
    ("chain_id", "layer_digest", "path"),
)

ORIGINS = Table(
    "origins",
    "The exceptions of origin: a package of a record that the top layer of this chain rewrites, and that lower layers "
    "listed already. All other packages came with the layer that holds their record.",
    (
        Column("chain_id", LABEL, "whose top layer rewrites the record"),
        Column("squash_id", LABEL, "as in `chains`"),
        Column("path", TEXT, "the record, as `packages.source_path` of the top layer has it"),
        Column("package_id", INT, "as in `packages`"),
        Column("ordinal", SMALL, "the layer that introduced the package, from 0, the base"),
    ),
    ("chain_id", "path", "ordinal", "package_id"),
)

CONFIG_CHECKS = Table(
    "config_checks",
    "Bad configuration of images.",
    (
        Column("digest", LABEL, "the image manifest"),
        Column("check_id", LABEL, "the check"),
        Column("title", TEXT, "what is wrong"),
        Column("severity", LABEL, "as for secrets"),
        Column("message", TEXT, "one sentence"),
        Column("evidence", TEXT, "the line or value, with secrets struck out", True),
        Column("remediation", TEXT, "what to do"),
    ),
    ("digest", "check_id"),
)

SWEEPS = Table(
    "sweeps",
    "A row when a sweep starts and one when it ends; the newest row of a sweep counts.",
    (
        Column("sweep_id", LABEL, "sortable by time"),
        Column("kind", LABEL, "`sweep` (an estate) or `scan` (images named on the command line)"),
        Column(
            "estate", LABEL, "hash of the estate's rules, so that an unfinished sweep of the same estate is continued"
        ),
        Column("started_at", TIME, "of its first run"),
        Column("finished_at", TIME, "null while it runs", True),
        Column(
            "status",
            LABEL,
            "`running`, `complete` or `incomplete` (some image failed, was deferred or is unaccounted for)",
        ),
        Column("images_total", INT, "all that the estate lists"),
        Column("images_ok", INT, "scanned, or unsupported and said so"),
        Column("images_failed", INT, "failed or incomplete"),
        Column("images_deferred", INT, "left to the next sweep by a rate limit"),
        Column("layers_total", INT, "distinct layers"),
        Column("layers_scanned", INT, "read by this sweep"),
        Column("layers_reused", INT, "known before it"),
        Column("bytes_pulled", INT, "compressed bytes read"),
        Column("bytes_scanned", INT, "uncompressed bytes scanned"),
        Column("db_version", LABEL, "the vulnerability database of its last match", True),
        Column("lockfiles", FLAG, "whether its images are shown with what lock files declare; null: no", True),
        Column("written_at", TIME, "when this row was written"),
    ),
    ("sweep_id", "written_at"),
)

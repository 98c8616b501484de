"""Every Parquet table of the lake and of the vulnerability database, each column documented.

The table reference in ``grid/README.md`` is generated from here, so this is the only copy. No logic
lives here beyond turning a table into an Arrow schema. Add columns; don't rename them.
"""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

LAKE_SCHEMA_VERSION = 1
DATABASE_SCHEMA_VERSION = 5

TEXT = pa.string()
LABEL = pa.string()
INT = pa.int64()
SMALL = pa.int32()
FLOAT = pa.float64()
FLAG = pa.bool_()
TIME = pa.timestamp("us", tz="UTC")
BYTES = pa.binary()
TEXTS = pa.list_(pa.field("element", pa.string(), nullable=False))
NUMBERS = pa.list_(pa.field("element", pa.int32(), nullable=False))
RATINGS = pa.list_(pa.field("element", pa.struct({"source": TEXT, "severity": TEXT, "score": FLOAT, "vector": TEXT})))


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its name, type and what it means."""

    name: str
    type: pa.DataType
    doc: str
    nullable: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A table: its columns, its order and whose commit makes its rows count."""

    name: str
    doc: str
    columns: tuple[Column, ...]
    sort_by: tuple[str, ...] = ()
    detector: str = ""
    """The detector whose committed ``layer_scans`` row makes a row of this table count; "" for none."""

    @property
    def arrow(self) -> pa.Schema:
        return pa.schema([pa.field(c.name, c.type, nullable=c.nullable) for c in self.columns])

    def only(self, *names: str) -> pa.Schema:
        return pa.schema([self.arrow.field(name) for name in names])


def _layer(detector: str, name: str, doc: str, *columns: Column, sort: str = "path") -> Table:
    """A facts table: rows belong to one layer, and count only while their scan is the layer's current one."""
    head = (
        Column("layer_digest", LABEL, "the layer blob the fact was read from"),
        Column("task_id", LABEL, "the layer task that wrote the row: rows count only if `layer_scans` commits it"),
    )
    return Table(name, doc, head + columns, ("layer_digest", sort), detector)


# --- facts: a row per thing that is in a layer ---------------------------------------------------

LAYER_SCANS = Table(
    "layer_scans",
    "One row per layer, detector and detector version: what was scanned. Written last, it is the commit mark.",
    (
        Column("layer_digest", LABEL, "the layer blob"),
        Column("detector", LABEL, "`entries` for the listing itself, else the detector's name"),
        Column(
            "detector_version",
            LABEL,
            "changes when the detector, its rules or a reader change: then the layer is redone",
        ),
        Column("task_id", LABEL, "the layer task; the facts of this scan carry it too"),
        Column(
            "diff_id", LABEL, "sha256 of the uncompressed layer, measured; null when it failed before its end", True
        ),
        Column("media_type", LABEL, "as the manifest says; the bytes decide", True),
        Column("size_bytes", INT, "compressed bytes read"),
        Column("uncompressed_bytes", INT, "bytes after inflation"),
        Column("entries", INT, "tar entries"),
        Column("scan_seconds", FLOAT, "wall time of the layer, all detectors together"),
        Column("status", LABEL, "`ok` or `failed`"),
        Column("error_code", LABEL, "see Errors; null when ok", True),
        Column("error_message", TEXT, "one sentence; null when ok", True),
        Column(
            "final", FLAG, "a failure that the content itself causes: not tried again until a version or limit changes"
        ),
        Column("scanned_at", TIME, "when"),
    ),
    ("layer_digest", "detector"),
)

ENTRIES = _layer(
    "entries",
    "entries",
    "The full listing of every layer.",
    Column(
        "path",
        TEXT,
        "normalised: no leading `/` or `./`, no trailing `/`; bytes that are not UTF-8 stand as `\\xNN`. "
        "A whiteout carries the path it hides, an opaque marker its directory.",
    ),
    Column("kind", LABEL, "`file`, `dir`, `symlink`, `hardlink`, `whiteout`, `opaque`, `char`, `block`, `fifo`"),
    Column("size", INT, "bytes of content; 0 for all but files"),
    Column("mode", SMALL, "permission bits with setuid, setgid and sticky"),
    Column("uid", INT, "owner"),
    Column("gid", INT, "group"),
    Column("link_target", TEXT, "of a symlink as written, of a hard link normalised like a path; else null", True),
    Column("ordinal", INT, "position in the tar: the last of two entries with one path is the one that stays"),
)

HIDERS = _layer(
    "entries",
    "hiders",
    "The entries of a layer that can redirect or hide others beyond their own name: whiteouts, opaque "
    "markers, symlinks and hard links. With `path_index` they let squash work without the full listing.",
    Column("path", TEXT, "as in `entries`"),
    Column(
        "kind",
        LABEL,
        "`whiteout`, `opaque`, `symlink`, `hardlink`, or `implied`: a directory that entries (not the two markers) lie "
        "in, at any depth, and that has no directory entry of its own, so that it may be a link of a lower layer",
    ),
    Column("link_target", TEXT, "as in `entries`", True),
)

PATH_INDEX = _layer(
    "entries",
    "path_index",
    'One row per layer: sorted 64-bit hashes (blake2b-8, little endian) of its paths, so that "does this layer have an entry '
    'at that path" is a binary search.',
    Column("files", BYTES, "hashes of all entries that are neither directories, whiteouts nor opaque markers"),
    Column("dirs", BYTES, "hashes of the directories"),
    sort="task_id",
)

_PACKAGE_COLUMNS = (
    Column("source_path", TEXT, "the record: `var/lib/dpkg/status`, `…/METADATA`, `…/package.json`"),
    Column(
        "package_id",
        INT,
        "64-bit hash of ecosystem, name, version, arch, source name and version, modularity, and of being declared only: "
        "the join key of findings",
    ),
    Column("ecosystem", LABEL, "the purl type: `deb`, `apk`, `rpm`, `pypi`, `npm`, …"),
    Column("name", TEXT, "as the record has it"),
    Column("version", TEXT, "whole, as the package manager prints it: `epoch:version-release`"),
    Column("arch", LABEL, "null where the ecosystem has none", True),
    Column("source_name", TEXT, "the source package (deb, apk, rpm), else null", True),
    Column("source_version", TEXT, "its version where it differs or is known, else null", True),
    Column("purl", TEXT, "package URL without the distribution, which the view `image_packages` adds"),
    Column("licenses", TEXTS, "as declared", True),
    Column("modularity", TEXT, "rpm module `name:stream`, else null", True),
    Column("origin", TEXT, "maintainer or vendor as stated, else null", True),
    Column("cpes", TEXTS, "CPE 2.3 names of programs that are known by them, else null", True),
    Column(
        "found_as",
        LABEL,
        "`installed`: its own record or file is there. `binary`: a .NET assembly says it of itself, and no `deps.json` names "
        "it. `sbom`: an SBOM in the image says that it is there. `declared`: a lock file asks for it. Null, in files of "
        "older versions: installed",
        True,
    ),
    Column(
        "sha1",
        LABEL,
        "of a jar that no `pom.properties` of its own names, else null: `jar_names` may know it. With an empty `version` "
        "nothing else does, and the view of this name leaves it out",
        True,
    ),
)

PACKAGES = _layer(
    "packages",
    "packages",
    "Packages as their own records state them, before squash. The view of this name shows the rows of `lockfiles`, too.",
    *_PACKAGE_COLUMNS,
    sort="source_path",
)

LOCKFILES = _layer(
    "lockfiles",
    "lockfiles",
    "Packages that lock files ask for (`--lockfiles`): declared, which does not mean installed.",
    *_PACKAGE_COLUMNS,
    sort="source_path",
)

JAR_NAMES = Table(
    "jar_names",
    "What the Java index of the database says that jars are, by their SHA-1: the views show this in place of what "
    "manifest and file name say.",
    (
        Column("sha1", LABEL, "of the jar, in hexadecimal"),
        Column("name", TEXT, "`group:artifact`"),
        Column("version", TEXT, ""),
        Column("purl", TEXT, ""),
        Column("package_id", INT, "as in `packages`"),
        Column("named_at", TIME, "when"),
    ),
    ("sha1",),
)

OWNED_FILES = _layer(
    "owned_files",
    "owned_files",
    "Records of language packages that an OS package's database lists as its own files.",
    Column("source_path", TEXT, "the OS package record that says so"),
    Column("path", TEXT, "the owned file"),
    Column("owner", TEXT, "the OS package"),
    sort="source_path",
)

DISTROS = _layer(
    "distros",
    "distros",
    "What os-release and its fall-backs say.",
    Column("path", TEXT, "the file"),
    Column("id", LABEL, "`ID`, lower case"),
    Column("version_id", LABEL, "`VERSION_ID`; null for rolling ones", True),
    Column("id_like", TEXT, "`ID_LIKE`, blank separated", True),
    Column("pretty_name", TEXT, "`PRETTY_NAME`", True),
    Column(
        "codename",
        TEXT,
        "`VERSION_CODENAME` or what `debian_version` gives; of a derivative, what it says it is made from",
        True,
    ),
)

CONTENT_SETS = _layer(
    "content_sets",
    "content_sets",
    "Which repositories a layer's packages come from, as its build or its subscription recorded it: Red Hat's "
    "`root/buildinfo` (or `usr/share/buildinfo`) and Ubuntu Pro's status file. They speak of the layer, and count even "
    "if a later layer deletes the file.",
    Column("path", TEXT, "the file"),
    Column(
        "kind",
        LABEL,
        "`content_set` (a Red Hat repository), `cpe` and `name` (of the Red Hat image), `build` (its "
        "component-version-release), `pro` (an enabled service of Ubuntu Pro: `esm-infra`, `esm-apps` …)",
    ),
    Column("value", TEXT, "as the file has it"),
)

SECRETS = _layer(
    "secrets",
    "secrets",
    "Credentials found in files, kept even if a later layer deletes the file: the blob still holds them.",
    Column("path", TEXT, "the file"),
    Column("line", INT, "first line, from 1"),
    Column("end_line", INT, "last line"),
    Column("rule_id", LABEL, "the rule"),
    Column("title", TEXT, "what it is"),
    Column("severity", LABEL, "`critical`, `high`, `medium` or `low`"),
    Column("redacted", TEXT, "a hint of at most the first four characters and the length; never the value"),
    Column(
        "fingerprint", LABEL, "HMAC-SHA256 of the value under the site's key, to recognise one secret in many places"
    ),
)

MALWARE = _layer(
    "malware",
    "malware",
    "Known bad files.",
    Column("path", TEXT, "the file"),
    Column("rule_id", LABEL, "the rule or signature"),
    Column("title", TEXT, "what it is"),
    Column("severity", LABEL, "as for secrets"),
    Column("sha256", LABEL, "of the file"),
)

NOTES = _layer(
    "",
    "notes",
    "Anything skipped or unparsable: each lowers the image's coverage.",
    Column("detector", LABEL, "who says so"),
    Column("path", TEXT, "the file; empty for the whole layer"),
    Column("code", LABEL, "`FileTooLarge`, `Unparsable`, `VersionInvalid`, `TooManyFacts`, `PathTooLong` …"),
    Column("message", TEXT, "one sentence"),
)

# --- images --------------------------------------------------------------------------------------

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

# --- findings ------------------------------------------------------------------------------------

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
        Column("advisories", TEXTS, "the records that matched"),
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

# --- the life of findings: what changed, match run by match run -----------------------------------

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

LAKE_TABLES: tuple[Table, ...] = (
    LAYER_SCANS, ENTRIES, HIDERS, PATH_INDEX, LOCKFILES, PACKAGES, JAR_NAMES, OWNED_FILES, DISTROS, CONTENT_SETS, SECRETS,
    MALWARE, NOTES,
    MANIFESTS, IMAGES, IMAGE_LAYERS, CHAINS, HIDDEN, ORIGINS, CONFIG_CHECKS, SWEEPS, MATCHES, DISTRO_SUPPORT,
    FINDINGS, STATEMENTS, SECRET_STATEMENTS,
    HISTORY, MATCHED_PACKAGES, PACKAGE_EVENTS, IMAGE_EVENTS, FINDING_EVENTS,
)  # fmt: skip
FACT_TABLES: tuple[Table, ...] = tuple(t for t in LAKE_TABLES if t.columns[1].name == "task_id")

# --- the vulnerability database: where vulndb and grid meet --------------------------------------

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

DATABASE_TABLES: tuple[Table, ...] = (ADVISORIES, RANGES, EXACT, SEVERITIES, KEV, EPSS, EOL, REPOSITORY_CPES, BINARIES)

# --- in memory only ------------------------------------------------------------------------------

FILES = pa.schema(
    [
        pa.field("path", TEXT, nullable=False),
        pa.field("size", INT, nullable=False),
        pa.field("mode", SMALL, nullable=False),
        pa.field("content", BYTES, nullable=False),
    ]
)
"""What a detector is called with: a row per file, contents lying one after the other in one buffer."""

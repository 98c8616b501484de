"""Facts: a row per thing that is in a layer."""

from __future__ import annotations

from grid.schema.base import BYTES, FLAG, FLOAT, INT, LABEL, SMALL, TEXT, TEXTS, TIME, Column, Table, layer_table

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

ENTRIES = layer_table(
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

HIDERS = layer_table(
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

PATH_INDEX = layer_table(
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
        "it. `sbom`: an SBOM in the image or in a program, a program's package note, or the package database of another root "
        "says that it is there. `declared`: a lock file asks for it. Null, in files of older versions: installed",
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

PACKAGES = layer_table(
    "packages",
    "packages",
    "Packages as their own records state them, before squash. The view of this name shows the rows of `lockfiles`, too.",
    *_PACKAGE_COLUMNS,
    sort="source_path",
)

LOCKFILES = layer_table(
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

OWNED_FILES = layer_table(
    "owned_files",
    "owned_files",
    "Records of language packages that an OS package's database lists as its own files.",
    Column("source_path", TEXT, "the OS package record that says so"),
    Column("path", TEXT, "the owned file"),
    Column("owner", TEXT, "the OS package"),
    sort="source_path",
)

DISTROS = layer_table(
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

CONTENT_SETS = layer_table(
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

SECRETS = layer_table(
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

MALWARE = layer_table(
    "malware",
    "malware",
    "Known bad files.",
    Column("path", TEXT, "the file"),
    Column("rule_id", LABEL, "the rule or signature"),
    Column("title", TEXT, "what it is"),
    Column("severity", LABEL, "as for secrets"),
    Column("sha256", LABEL, "of the file"),
)

NOTES = layer_table(
    "",
    "notes",
    "Anything skipped or unparsable: each lowers the image's coverage.",
    Column("detector", LABEL, "who says so"),
    Column("path", TEXT, "the file; empty for the whole layer"),
    Column("code", LABEL, "`FileTooLarge`, `Unparsable`, `VersionInvalid`, `TooManyFacts`, `PathTooLong` …"),
    Column("message", TEXT, "one sentence"),
)

"""The nouns that more than one floor passes around. A type used by one floor belongs in that floor."""

from __future__ import annotations

import fnmatch
import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field

from grid.errors import ReferenceInvalid

MIB = 1 << 20
GIB = 1 << 30

# --- limits and wants ----------------------------------------------------------------------------

ARCHIVE_BYTES = 144 * MIB
"""What is kept in memory of an archive too large to be held."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a layer may cost. Each bound has its own error code (see ``grid.errors``)."""

    max_layer_bytes: int = 100 * GIB
    """Uncompressed bytes of a layer."""
    max_entry_bytes: int = 50 * GIB
    """Size of one entry, as its tar header states it."""
    max_ratio: int = 200
    """Uncompressed over compressed bytes, judged after the first ``ratio_grace_bytes``."""
    ratio_grace_bytes: int = 256 * MIB
    max_entries: int = 1_000_000
    """Entries a layer may list, whatever its size."""
    dense_entries: int = 150_000
    """Entries any layer may list; more than these need one KiB of compressed blob each, which real
    layers have and a tar of empty files made to exhaust a scanner has not."""
    max_path_bytes: int = 4096
    """PATH_MAX of Linux; a longer name is noted and skipped."""
    batch_bytes: int = 8 * MIB
    """Contents that detectors see at once (at most 32 MiB by design): 8 MiB stay in the cache of most cores."""
    max_facts_per_file: int = 1000
    """Secrets of one file; more are counted in a note."""

    @property
    def key(self) -> str:
        """Names these bounds, so that a layer refused under others is tried again."""
        return hashlib.sha256(repr(self).encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class Wants:
    """Which files a detector or an ecosystem asks for, as data, so that the tar walk decides before it reads.

    A path is the normalised name in the layer, with no leading slash. A file is wanted if any of the
    following holds and its size is at most ``max_bytes``.
    """

    names: frozenset[str] = frozenset()
    """Base names: ``package.json``."""
    suffixes: tuple[str, ...] = ()
    """Endings of the whole path: ``.dist-info/METADATA``, ``.jar``."""
    paths: frozenset[str] = frozenset()
    """Whole paths: ``var/lib/dpkg/status``."""
    globs: tuple[str, ...] = ()
    """``fnmatch`` patterns over the whole path; ``*`` crosses slashes. Keep them few: they cost most."""
    every: bool = False
    """Every regular file that is not empty (the secrets detector)."""
    unless: str = ""
    """A regex, matched from the beginning of the path: files that ``every`` does not mean."""
    executables: bool = False
    """Every regular file with an execute bit (build information of Go, Rust … binaries)."""
    max_bytes: int = 64 * MIB
    head: bool = False
    """Of an executable that is larger, the first ``max_bytes`` are worth a look (a note says that there was more)."""
    marks: tuple[bytes, ...] = ()
    """… and its end, and what stands behind these marks. It comes as long as it is, with zeros for all else."""
    archives: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """(ending of the path, endings of members): of a ZIP archive that is larger, its directory and these members are
    worth a look. It comes in the same way, with zeros also for what exceeds ``ARCHIVE_BYTES``."""

    @property
    def everything(self) -> bool:
        """Whether no file is left out."""
        return self.every and not self.unless

    def matcher(self) -> Callable[[str, int], bool]:
        """A fast ``(path, mode) -> wanted`` that ignores size, so that what is too large can be noted."""
        if self.everything:
            return lambda path, mode: True
        names, suffixes, paths, executables = self.names, self.suffixes, self.paths, self.executables
        glob = any_glob(self.globs) if self.globs else None
        left_out = re.compile(self.unless).match if self.every else None

        def wanted(path: str, mode: int) -> bool:
            return (
                path.rpartition("/")[2] in names
                or path in paths
                or (bool(suffixes) and path.endswith(suffixes))
                or (executables and bool(mode & 0o111))
                or (glob is not None and glob(path))
                or (left_out is not None and left_out(path) is None)
            )

        return wanted

    def __or__(self, other: Wants) -> Wants:
        some = [want.unless for want in (self, other) if want.every]
        both = "".join(f"(?={unless})" for unless in dict.fromkeys(some)) if all(some) else ""
        return Wants(
            names=self.names | other.names,
            suffixes=tuple(dict.fromkeys(self.suffixes + other.suffixes)),
            paths=self.paths | other.paths,
            globs=tuple(dict.fromkeys(self.globs + other.globs)),
            every=self.every or other.every,
            unless=both,
            executables=self.executables or other.executables,
            max_bytes=max(self.max_bytes, other.max_bytes),
            head=self.head or other.head,
            marks=tuple(dict.fromkeys(self.marks + other.marks)),
            archives=tuple(dict.fromkeys(self.archives + other.archives)),
        )

    def members(self, path: str) -> tuple[str, ...]:
        """The members that are wanted of an archive; none if the path is not that of one."""
        return tuple(member for ending, members in self.archives if path.endswith(ending) for member in members)

    def partly(self, path: str) -> bool:
        """Whether a part of the file is worth a look, too."""
        return self.head or any(path.endswith(ending) for ending, _ in self.archives)


def any_glob(globs: tuple[str, ...]) -> Callable[[str], bool]:
    """Whether a path is of any of the globs. Nearly none is, and their plain beginnings and endings say so fast."""
    heads, tails, slow = [], [], []
    for glob in globs:
        head, tail = re.split(r"[*?\[]", glob, maxsplit=1)[0], re.split(r"[*?\]]", glob)[-1]
        if tail:
            tails.append(tail)
        elif head:
            heads.append(head)
        else:
            slow.append(glob)
    match = re.compile("|".join(map(fnmatch.translate, globs))).match
    if slow:
        return lambda path: match(path) is not None
    some_heads, some_tails = tuple(heads), tuple(tails)
    return lambda path: (path.endswith(some_tails) or path.startswith(some_heads)) and match(path) is not None


# --- what readers find ---------------------------------------------------------------------------


INSTALLED, BINARY, SBOM, DECLARED = "installed", "binary", "sbom", "declared"
"""How a package was found (the column ``found_as``): its own record or file is there, a library says it of itself, an
SBOM in the image (or a program's note on its package) says that it is there, or a lock file asks for it."""


@dataclass(frozen=True, slots=True)
class Package:
    """One package as its own record states it. Nothing is guessed; "" means not stated."""

    name: str
    version: str
    """Whole, as the package manager prints it: ``epoch:version-release``."""
    arch: str = ""
    source_name: str = ""
    """The source package (deb: Source, apk: origin, rpm: SOURCERPM); "" where the ecosystem has none."""
    source_version: str = ""
    licenses: tuple[str, ...] = ()
    modularity: str = ""
    """rpm module ``name:stream``."""
    origin: str = ""
    """Who built it: Maintainer, Vendor, the npm or PyPI author is not meant."""
    purl: str = ""
    """Package URL without the distribution, which only the whole image knows (the view adds it)."""
    cpes: tuple[str, ...] = ()
    """CPE 2.3 names, where the field knows the product by them and the reader knows them for sure."""
    ecosystem: str = ""
    """This one's, where a record tells of several kinds (an SBOM, a conda lock file); "" for the reader's."""
    found_as: str = INSTALLED
    sha1: str = ""
    """Of a Java archive that no properties of its own name: an index of such hashes may know it. ``version`` may then
    be empty: nothing else does."""


@dataclass(frozen=True, slots=True)
class OwnedFile:
    """A file that an OS package says it installed: language packages found there are left out of matching."""

    path: str
    owner: str


@dataclass(frozen=True, slots=True)
class Note:
    """Something skipped or unparsable. It lowers the image's visible coverage."""

    code: str
    message: str
    path: str = ""


@dataclass(frozen=True, slots=True)
class Distro:
    """The operating system of an image, from its merged view (os-release and fall-backs)."""

    id: str
    version_id: str = ""
    id_like: tuple[str, ...] = ()
    pretty_name: str = ""
    codename: str = ""
    """Of the release; of a derivative, that of the release it is made from, where its os-release says so."""


# --- images --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Platform:
    """What an image runs on, as an index names it."""

    os: str
    arch: str
    variant: str = ""

    @classmethod
    def parse(cls, text: str) -> Platform:
        """``os/arch[/variant]``; raises ReferenceInvalid."""
        parts = text.split("/")
        if len(parts) not in (2, 3) or not all(parts):
            raise ReferenceInvalid(f"platform {text!r} is not os/arch[/variant]", remedy="for example linux/arm64")
        return cls(*parts)

    def __str__(self) -> str:
        return "/".join(filter(None, (self.os, self.arch, self.variant)))


LINUX_AMD64 = Platform("linux", "amd64")


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer of an image, as manifest and configuration describe it."""

    digest: str
    size: int
    """Compressed bytes; -1 where the source does not say (docker-archive)."""
    media_type: str
    diff_id: str = ""
    created_by: str = ""
    """The build step of the history that made it; "" where history is missing or does not align."""
    urls: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Base:
    """What an image's own configuration tells of the image it was built on."""

    layers: int = 0
    """How many of the image's layers are the base's; 0 if that is not clear."""
    evidence: str = ""
    """What shows it: ``from``, ``cmd`` or ``time``; "" if nothing does."""
    name: str = ""
    """As the builder named it: ``docker.io/library/debian:12``."""
    digest: str = ""
    """Of its manifest or index, as the builder labelled it."""


NO_BASE = Base()


@dataclass(frozen=True, slots=True)
class Image:
    """One platform's image: what ``Registry.resolve`` returns.

    ``status`` is ``ok``, ``unsupported`` (not an image: chart, signature, attestation …) or ``failed``
    (with ``error_code``: a broken child of an index must not fail its siblings).
    """

    ref_digest: str
    """The digest the tag pointed at: the index of a multi-platform image, else ``digest`` itself."""
    digest: str
    platform: Platform
    layers: tuple[Layer, ...] = ()
    media_type: str = ""
    config_digest: str = ""
    created: str = ""
    """RFC 3339, as the configuration has it."""
    status: str = "ok"
    error_code: str = ""
    error_message: str = ""
    base: Base = NO_BASE

    @property
    def size(self) -> int:
        return sum(max(layer.size, 0) for layer in self.layers)


_DIGEST = re.compile(r"sha(?:256:[0-9a-f]{64}|512:[0-9a-f]{128})")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_REPOSITORY = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*")

LOCAL_TRANSPORTS = ("oci", "oci-archive", "docker-archive")


def is_digest(text: str) -> bool:
    """Whether the text is a sha256 or sha512 digest as registries write them."""
    return _DIGEST.fullmatch(text) is not None


_LONGEST_NAME = 1024
"""A repository has at most 255 characters and a tag 128 (distribution-spec), but archives name images at will."""
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
"""What a terminal obeys, or may."""


def is_name(text: str) -> bool:
    """Whether what an archive or a registry gives can be a name: it is not too long, and no terminal would obey it."""
    return len(text) <= _LONGEST_NAME and not CONTROL.search(text)


@dataclass(frozen=True, slots=True)
class Reference:
    """A place an image can be read from, in the words of skopeo's transports.

    ``registry`` is ``host[:port]`` for ``docker``; for the local transports it is ``transport:PATH``, so
    that one (registry, repository, tag) triple names any image. ``repository`` is "" for a local source
    that has no names.
    """

    transport: str
    registry: str
    repository: str
    tag: str = ""
    digest: str = ""

    @classmethod
    def parse(cls, text: str) -> Reference:
        """Parse what a user typed; raises ReferenceInvalid with a remedy."""
        transport, _, rest = text.partition(":")
        if transport in LOCAL_TRANSPORTS and not rest.startswith("//"):
            return cls._parse_local(transport, rest, text)
        if "://" in text:
            if transport != "docker":
                raise ReferenceInvalid(f"{text!r}: unknown transport {transport!r}")
            rest = rest[2:]
        else:
            rest = text
        return cls._parse_docker(rest, text)

    @classmethod
    def _parse_local(cls, transport: str, rest: str, text: str) -> Reference:
        path, _, name = rest.partition(":")  # as skopeo does: the first colon ends the path
        if not path:
            raise ReferenceInvalid(f"{text!r} names no path")
        if is_digest(name):
            return cls(transport, f"{transport}:{path}", "", "", name)
        repository, colon, tag = name.rpartition(":")
        if not colon or not repository or "/" in tag:
            repository, tag = "", name
        return cls(transport, f"{transport}:{path}", repository, tag)

    @classmethod
    def _parse_docker(cls, rest: str, text: str) -> Reference:
        name, at, digest = rest.partition("@")
        if at and not is_digest(digest):
            raise ReferenceInvalid(f"{text!r}: {digest!r} is not a digest")
        host, slash, repository = name.partition("/")
        if not slash or not (re.search(r"[.:]", host) or host == "localhost"):
            host, repository = "docker.io", name
        repository, _, tag = repository.partition(":")
        if host in ("docker.io", "index.docker.io"):
            host = "docker.io"
            if "/" not in repository:
                repository = f"library/{repository}"
        if not _REPOSITORY.fullmatch(repository):
            raise ReferenceInvalid(f"{text!r}: {repository!r} is not a repository name")
        if tag and not _TAG.fullmatch(tag):
            raise ReferenceInvalid(f"{text!r}: {tag!r} is not a tag")
        return cls("docker", host, repository, tag or ("" if digest else "latest"), digest)

    @property
    def path(self) -> str:
        """The file or folder of a local source."""
        return self.registry.partition(":")[2]

    @property
    def target(self) -> str:
        """What to ask the registry for: the digest if there is one, else the tag."""
        return self.digest or self.tag

    def __str__(self) -> str:
        if self.transport != "docker":
            name = ":".join(filter(None, (self.repository, self.tag or self.digest)))
            return f"{self.registry}:{name}" if name else self.registry
        tag = f":{self.tag}" if self.tag else ""
        return f"{self.registry}/{self.repository}{tag}" + (f"@{self.digest}" if self.digest else "")


# --- what a layer scan gives ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LayerStats:
    """Measured while the layer streamed."""

    size_bytes: int
    uncompressed_bytes: int
    entries: int
    seconds: float
    diff_id: str


@dataclass(frozen=True, slots=True)
class Secret:
    """A value that must never be printed, logged or pickled: its repr says nothing."""

    _value: str = field(repr=False)

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "Secret(…)"

    __str__ = __repr__

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a secret does not travel: send its name and resolve it where it is used")

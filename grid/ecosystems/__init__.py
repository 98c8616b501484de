"""The ecosystems: how each kind of package is read, ordered, named and which advisories speak of it.

A new ecosystem is one file in this folder, with one module-level ``ECOSYSTEM``, and one line in ``ALL``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib import import_module

from grid.model import Distro, Limits, Note, OwnedFile, Package, Wants

Reader = Callable[[str, bytes, Limits], Iterator[Package | Note]]
OwnerReader = Callable[[str, bytes, Limits], Iterator[OwnedFile | Note]]


_NO_FILES = Wants()


def same(name: str) -> str:
    """The canonical name where names are compared as they are."""
    return name


def ours(namespace: str, origin: str, version: str) -> bool:
    """``Ecosystem.foreign`` where nothing tells publishers apart."""
    return False


def nobody(namespace: str) -> str | None:
    """``Ecosystem.borrows`` of distributions that stand for themselves."""
    return None


def anywhere(cpe: str, namespace: str, products: frozenset[str], stated: frozenset[str]) -> bool:
    """``Ecosystem.applies`` where advisories do not tell products apart."""
    return True


def nothing(path: str, content: bytes, limits: Limits) -> Iterator[Package | Note]:
    """The reader of an ecosystem whose packages another reader finds, or whose installed form is unknown."""
    return iter(())


def nothing_more(namespace: str, services: frozenset[str]) -> str | None:
    """``Ecosystem.extended`` of a distribution without paid support of its own."""
    return None


@dataclass(frozen=True, slots=True)
class Ecosystem:
    """Reader, version scheme and namespace: three axes, so each may be shared by reference.

    ``read(path, content, limits)`` yields what one record file holds. It never raises on bad content: what
    cannot be parsed is a ``Note`` and the rest goes on.
    ``key(version)`` is the order-preserving byte key of a version; raises ``VersionInvalid``.
    ``canonical(name)`` is the name under which advisories list the package.
    ``namespace(distro)`` is the OSV ecosystem whose advisories apply, or None: for an OS ecosystem it
    depends on the image's distribution (``Debian:12``), for a language it is constant (``PyPI``).
    """

    name: str
    """The purl type; also the ``ecosystem`` column."""
    version: int
    """Raise it when ``read`` changes what it yields: layers are scanned again."""
    key: Callable[[str], bytes]
    namespace: Callable[[Distro], str | None]
    osv: tuple[str, ...]
    """OSV ecosystem names, without suffix, whose versions ``key`` orders: ``("Debian", "Ubuntu")``."""
    key_version: int = 1
    """Raise it when ``key`` changes: databases are built again, layers are not."""
    wants: Wants = _NO_FILES
    read: Reader = nothing
    canonical: Callable[[str], str] = same
    system: bool = False
    """An OS package manager: matched by source package in the distribution's namespace."""
    owns: Wants = _NO_FILES
    owned: OwnerReader | None = None
    """The files that an OS package record (asked for by ``owns``) lists as its packages' own."""
    owned_lines: bool = False
    """Each line that ``owned`` reads is a path of its own, whatever stands around it: most are left out unread."""
    foreign: Callable[[str, str, str], bool] = ours
    """``foreign(namespace, origin, version)``: another publisher's package, which the distribution does not judge."""
    borrows: Callable[[str], str | None] = nobody
    """The namespace of the distribution that this one rebuilds and is not ahead of: what is unfixed there, or fixed in
    a later version, is here. Its own: advisories list the source or one of its builds, whichever they are about."""
    applies: Callable[[str, str, frozenset[str], frozenset[str]], bool] = anywhere
    """``applies(cpe, namespace, products, stated)``: an advisory about the product ``cpe`` is about packages of an
    image whose repositories belong to ``products`` (none: not known) and which says of itself that it is ``stated``."""
    declares: Wants = _NO_FILES
    """Lock files and the like, asked for only when the user wants them (``--lockfiles``)."""
    declared: Reader = nothing
    """Reads one of those: the packages that it asks for, whether they are installed or not."""
    declared_version: int = 1
    """Raise it when ``declared`` changes what it yields: only lock files are read again."""
    extended: Callable[[str, frozenset[str]], str | None] = nothing_more
    """``extended(namespace, services)``: whose advisories go on where the distribution's own end, for an image with
    these services: what they call fixed is, and what they are silent about is as the distribution says."""
    inert: str = ""
    """A regular expression of names of packages of which nothing runs (headers of the kernel): what is said of their
    source is not about them. "" for none."""
    purl_type: str = ""
    """Where it differs from ``name``."""
    upgrade: tuple[tuple[str, str, str], ...] = ()
    """How an upgrade is installed: (package manager, command, item). The first whose manager is a package of the image
    counts, "" is always at hand. An item, with ``{name}`` and ``{version}``, stands for each package; one without
    ``{version}`` installs what the repositories have."""
    unmanaged: bool = False
    """Programs that no package manager knows: a file that an OS package owns after all is none of them."""
    views: bool = False
    """``read`` and ``owned`` take a ``memoryview``, too: records so large that a copy would cost too much memory."""


def language(namespace: str | None) -> Callable[[Distro], str | None]:
    """The namespace of a language ecosystem, whatever the distribution; None where no advisories speak of it."""
    return partial(_constant, namespace)


def _constant(namespace: str | None, distro: Distro) -> str | None:  # a closure would not pickle
    return namespace


ALL: tuple[Ecosystem, ...] = tuple(
    import_module(f"grid.ecosystems.{name}").ECOSYSTEM
    for name in (
        "deb",
        "apk",
        "pypi",
        "npm",
        "vscode",
        "rpm",
        "alpm",
        "opkg",
        "nix",
        "maven",
        "gem",
        "golang",
        "cargo",
        "nuget",
        "composer",
        "hex",
        "pub",
        "swift",
        "cran",
        "hackage",
        "julia",
        "opam",
        "conda",
        "brew",
        "bitnami",
        "luarocks",
        "swiplpack",
        "vcpkg",
        "nim",
        "pear",
        "portage",
        "wordpress",
        "otp",
        "generic",
        "cocoapods",
        "conan",
        "sbom",
        "embedded",
        "roots",
    )
)

BY_NAME: dict[str, Ecosystem] = {e.name: e for e in ALL}
BY_OSV: dict[str, Ecosystem] = {osv: e for e in ALL for osv in e.osv}


def for_osv(ecosystem: str) -> Ecosystem | None:
    """The ecosystem that orders the versions of an OSV ecosystem string, suffix and all; None if unknown."""
    return BY_OSV.get(ecosystem.partition(":")[0])

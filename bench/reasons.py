"""Why another scanner lists other packages: rules, each a row of the table in ``grid/ecosystems/README.md``.

A rule is asked about one package that only one side lists, with both sides' lists of that image and the content of the
file (``evidence.py``): a file's name alone explains nothing. The first that applies counts; a difference without one is
unexplained.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from bench import evidence
from bench.answers import SYSTEM, Found
from grid.ecosystems import BY_NAME
from grid.errors import VersionInvalid

LOCKS = re.compile(
    r"(?:.*/)?(?:[^/]*package[^/]*lock[^/]*\.json|npm-shrinkwrap\.json|[^/]*yarn[^/]*\.lock|pnpm-lock\.ya?ml|bun\.lock|"
    r"deno\.lock|Gemfile[^/]*\.lock|gems\.locked|composer[^/]*\.lock|[Cc]argo[^/]*\.lock|[^/]*poetry[^/]*\.lock|uv\.lock|"
    r"pdm\.lock|Pipfile\.lock|pylock[^/]*\.toml|[^/]*require[^/]*\.txt|requirements/[^/]+\.txt|go\.(?:mod|sum)|modules\.txt|[^/]*pom\.xml|"
    r"[^/]*gradle[^/]*|build\.sbt\.lock|packages\.(?:lock\.json|config)|[^/]+\.props|[^/]+\.(?:cs|fs|vb)proj|"
    r"[^/]*mix\.lock|rebar\.lock|pubspec\.lock|Package\.resolved|Podfile\.lock|stack\.yaml\.lock|cabal\.project\.freeze|"
    r"renv\.lock|Manifest\.toml|conan\.lock|conanfile\.txt|conda-lock\.ya?ml|environment\.ya?ml|setup\.py|(?<!specifications/)(?<!specifications/default/)[^/]+\.gemspec)"
)
"""Files that ask for packages, whether these are there or not."""
_SBOM = re.compile(r".*(?:spdx|bom\.|cdx|cyclonedx)[^/]*", re.IGNORECASE)
_YARN = re.compile(r"(?:.*/)?\.yarn/(?:berry/)?cache/[^/]+\.zip")
_WORKFLOW = re.compile(r"(?:.*/)?\.github/.*")


class Side:
    """One scanner's list of an image, and what it says of a file or under a name."""

    def __init__(self, found: Iterable[Found]) -> None:
        self.found = frozenset(found)

    @cached_property
    def _paths(self) -> dict[str, list[Found]]:
        return _by(self.found, lambda one: one.path)

    @cached_property
    def _names(self) -> dict[str, list[Found]]:
        return _by(self.found, lambda one: one.name.lower())

    def at(self, path: str) -> list[Found]:
        """What it lists of a file; nothing for OS packages."""
        return self._paths.get(path, []) if path else []

    def called(self, name: str) -> list[Found]:
        """What it lists under a name, of any kind."""
        return self._names.get(name.lower(), [])


def _by(found: Iterable[Found], key: Callable[[Found], str]) -> dict[str, list[Found]]:
    out: dict[str, list[Found]] = defaultdict(list)
    for one in found:
        out[key(one)].append(one)
    return out


@dataclass(frozen=True, slots=True)
class Case:
    """One package that ``has`` lists and ``lacks`` does not."""

    one: Found
    peer: str
    ours: bool
    """Whether it is ours that lists it."""
    has: Side
    lacks: Side
    states: Mapping[str, str] = field(default_factory=dict)
    """``Status`` of each package of dpkg's database of the image."""
    contents: Mapping[str, bytes] = field(default_factory=dict)
    """Of the image's files, by path."""
    inert: frozenset[str] = frozenset()
    """Paths of files without an execute bit."""

    @property
    def content(self) -> bytes:
        """Of the file that the package is said to be in; empty for OS packages."""
        return self.contents.get(self.one.path, b"")

    @property
    def extra(self) -> bool:
        """Whether it is ours, and the file says so itself."""
        return self.ours and evidence.stated(self.content, self.one)

    @property
    def kind(self) -> str:
        return self.one.ecosystem

    @property
    def near(self) -> list[Found]:
        """What the other side says of the same file."""
        return self.lacks.at(self.one.path)

    @property
    def odd(self) -> list[Found]:
        """What only the other side says of the same file: the same package may be among it, told otherwise."""
        return [one for one in self.near if one not in self.has.found]


@dataclass(frozen=True, slots=True)
class Rule:
    """One reason: a function that knows the differences that it explains."""

    name: str
    """The first cell of the table's row."""
    applies: Callable[[Case], bool]


def plain(found: Found) -> tuple[str, str]:
    """Name and version without what is only a way of writing."""
    version = re.sub(r"^(?:v|go)(?=[0-9])", "", found.version.strip())
    if found.ecosystem == "npm":  # with what pnpm says of its peers
        version = re.sub(r"[_(].*", "", version)
    if found.ecosystem == "nuget":
        version = re.sub(r"^([0-9]+\.[0-9]+\.[0-9]+)\.0$", r"\1", version)
    return found.name.lower().replace("_", "-"), version


def key(found: Found) -> object:
    """What orders the version; itself where nothing does."""
    known = BY_NAME.get(found.ecosystem)
    try:
        return known.key(found.version) if known else found.version
    except VersionInvalid:
        return found.version


# --- the other side has it, told otherwise -------------------------------------------------------


def _written(case: Case) -> bool:
    if case.kind == "generic":  # with what stands before the name in its URL, or without
        parts = [
            (o.name, case.one.name) for o in case.near if o.ecosystem == "generic" and o.version == case.one.version
        ]
        if any(a.rpartition("/")[2] == b.rpartition("/")[2] for a, b in parts):
            return True
        if case.one.name == "linux-kernel":  # upstream's version, and the release that its build gave it
            other = [o.version.encode() for o in case.odd if o.name == case.one.name]
            return any(one in case.content for one in other) and case.one.version.encode() in case.content
        if case.one.name == "mysql" and b"MariaDB" in case.content:
            return any((o.name, o.version) == ("mariadb", case.one.version) for o in case.near)
    if (case.kind, case.one.name) == ("golang", "stdlib"):  # of a build of Google's own, 1.23-20240626-RC01
        bare = {plain(o)[1].partition("-")[0] for o in case.odd if o.name == "stdlib"}
        if plain(case.one)[1].partition("-")[0] in bare:
            return True
    if case.kind in ("swift", "conan"):  # Syft puts the last part, or the user, into the name once more
        return any(
            o.ecosystem == case.kind and o.version == case.one.version and _same_end(o, case.one) for o in case.odd
        )
    return any(plain(o) == plain(case.one) and o.path == case.one.path for o in case.lacks.called(case.one.name))


def _same_end(a: Found, b: Found) -> bool:
    return a.name.rpartition("/")[2].removesuffix(".git") == b.name.rpartition("/")[2].removesuffix(".git")


def _kind(case: Case) -> bool:
    if case.kind in ("vscode-extension", "npm"):  # an extension of an editor, which they take for npm's
        both = {"vscode-extension", "npm"}
        same = [o for o in case.near if {o.ecosystem, case.kind} == both and o.version == case.one.version]
        names = [sorted((o.name.lower(), case.one.name.lower()), key=len) for o in same]
        if any(whole.endswith(f".{own}") for own, whole in names):
            return True
    if "wordpress" in case.kind:  # by the name that people read
        return any("wordpress" in o.ecosystem and o.version == case.one.version for o in case.near)
    return any(plain(o) == plain(case.one) and o.ecosystem != case.kind for o in case.near)


def _place(case: Case) -> bool:
    """Of theirs, if no file of an installation is named that we did not read."""
    if not any(plain(o) == plain(case.one) and o.ecosystem == case.kind for o in case.lacks.called(case.one.name)):
        return False
    one = case.one
    sbom = one.path not in case.contents or bool(_SBOM.match(one.path))
    return case.extra or (not case.ours and (sbom or evidence.left_out(case.content, one)))


def _runtime(case: Case) -> bool:
    """A Java runtime, which Syft knows by its ``release`` file and we by the program."""
    java = ("java", "java/jre", "java/jdk", "openjdk", "jdk", "oracle/openjdk", "oracle/jdk", "oracle/jre", "graalvm")
    found = [_java(o) for name in java for o in case.lacks.called(name)]
    return case.kind == "generic" and case.one.name in java and _java(case.one) in found


def _java(found: Found) -> str:
    """``8.0.504`` of ``1.8.0_504-8u504-ga-1-b01``."""
    return re.sub(r"^1\.8\.0_([0-9]+).*", r"8.0.\1", found.version.partition("+")[0])


def _coordinates(case: Case) -> bool:
    """An archive that each side tells otherwise: the artifact is the same, or the version, or both run together. What
    both sides tell of it is a partner only for the archive's own name beside that in its properties."""
    if case.kind != "maven" or not case.one.path.endswith(JARS):
        return False
    one, artifact = case.one, _artifact(case.one)
    odd = [o for o in case.odd if o.ecosystem == "maven"]
    if any(artifact == _artifact(o) or one.version == o.version or _joined(o) == _joined(one) for o in odd):
        return True
    beside = [o for o in case.near if o.ecosystem == "maven"]
    itself = evidence.itself(case.content, one)
    classified = any((artifact == _artifact(o) or itself) and one.version.startswith(f"{o.version}-") for o in beside)
    twice = itself and any(o.version == one.version for o in beside)
    return not case.ours and (classified or twice)


def _artifact(found: Found) -> str:
    return found.name.partition(";")[0].rpartition(":")[2]


def _joined(found: Found) -> str:
    """As a file without a hyphen between the two is called."""
    return re.sub(r"[-.]", "", _artifact(found) + found.version)


# --- theirs only ---------------------------------------------------------------------------------


def _unversioned(case: Case) -> bool:
    template = re.search(r"@[A-Z]+@|%[a-z-]+%|\$\{|\{\{|<%|[A-Za-z]::[A-Z]", case.one.name + case.one.version)
    return not case.ours and (template is not None or evidence.unversioned(case.content, case.one))


def _removed(case: Case) -> bool:
    """Or installed and chosen for removal, which Trivy takes for removed."""
    status = case.states.get(case.one.name)
    if status is None or case.kind != "deb":
        return False
    leaving = status.startswith(("deinstall", "purge")) and case.peer == "trivy"
    return leaving if case.ours else not status.endswith(" installed")


def _dpkg_unread(case: Case) -> bool:
    """A record of ``status.d``, for what stands in ``status`` has a ``Status``."""
    return case.ours and case.kind == "deb" and not case.one.path and case.one.name not in case.states


def _not_a_package(case: Case) -> bool:
    """What stands in an SBOM without a package URL of a package, or in a workflow."""
    if case.ours:
        return False
    if case.kind in ("github", "githubactions"):
        return bool(_WORKFLOW.match(case.one.path))
    return case.kind in ("", "oci", "binary", "UnknownPackage") and bool(_SBOM.match(case.one.path))


def _excluded(case: Case) -> bool:
    """Trivy names no file of what an SBOM tells: all of the image count."""
    told = [content for path, content in case.contents.items() if _SBOM.match(path) and case.one.path in ("", path)]
    return not case.ours and evidence.excluded(told, case.one)


def _own_project(case: Case) -> bool:
    return (
        not case.ours and case.kind == "npm" and case.one.path.endswith("package.json")
        and "node_modules/" not in case.one.path and evidence.unpublished(case.content)
    )  # fmt: skip


def _part(case: Case) -> bool:
    record = case.kind == "npm" and case.one.path.endswith("package.json")
    return not case.ours and record and evidence.unnamed(case.content)


def _assembly(case: Case) -> bool:
    """A native program; a part of Mono; an assembly without a version; or one that is told by its package: we name the
    file, or a ``deps.json`` beside it does."""
    path = case.one.path
    if case.ours or case.kind != "nuget" or not path.lower().endswith((".dll", ".exe")):
        return False
    if evidence.native(case.content) or evidence.of_mono(case.content) or not case.one.version.strip("0."):
        return True
    folder = path.rpartition("/")[0]
    return any(o.ecosystem == "nuget" for o in case.odd) or any(
        evidence.deployed_with(content, path)
        for other, content in case.contents.items()
        if other.endswith(".deps.json") and other.rpartition("/")[0] == folder
    )


def _undeployed(case: Case) -> bool:
    deps = case.kind == "nuget" and case.one.path.endswith(".deps.json")
    return not case.ours and deps and evidence.undeployed(case.content, case.one)


def _composer_place(case: Case) -> bool:
    return not case.ours and case.kind == "composer" and not case.one.path.endswith("composer/installed.json")


def _composer_list(case: Case) -> bool:
    """Of Composer 1, whose record is a list, where Composer 2 has a table of lists."""
    return case.extra and case.peer == "trivy" and case.kind == "composer" and evidence.listed(case.content)


def _source_tree(case: Case) -> bool:
    """R: a DESCRIPTION that no installation has written."""
    described = case.kind == "cran" and case.one.path.endswith("DESCRIPTION")
    return not case.ours and described and evidence.source_of_r(case.content)


def _gem_source(case: Case) -> bool:
    """A specification in the sources of a gem or a rock: those of installed ones are written elsewhere."""
    path = case.one.path
    gem = case.kind == "gem" and path.endswith(".gemspec") and "specifications/" not in path
    rock = case.kind == "luarocks" and path.endswith(".rockspec") and not re.search(r"(?:^|/)rocks(?:-[0-9.]+)?/", path)
    return not case.ours and (gem or rock)


def _inert(case: Case) -> bool:
    """A library needs no execute bit."""
    still = not case.ours and case.one.path in case.inert and ".so" not in case.one.path.rpartition("/")[2]
    return still and case.kind in ("golang", "cargo", "generic") and case.content[:4] == b"\x7fELF"


def _go_tool(case: Case) -> bool:
    """What is built from Go's own tree, or from files named on the command line, is of no module."""
    tool = case.one.name.startswith("cmd/") or case.one.name == "command-line-arguments"
    return not case.ours and case.kind == "golang" and tool and evidence.main_of_go(case.content, case.one.name)


def _go_main(case: Case) -> bool:
    """A main module: named by its package or by its module, its version searched in the texts, or not listed."""
    if case.kind != "golang" or not evidence.main_of_go(case.content, case.one.name):
        return False
    name, near = case.one.name, [o for o in case.near if o.ecosystem == "golang" and o.name != "stdlib"]
    if case.ours and (case.one.version == "(devel)" or (case.peer == "trivy" and not near)):
        return True
    for o in near:
        if o.name == name and (o.version == "(devel)" or _bare(o) == _bare(case.one)):
            return True
        inside = f"{o.name}/".startswith(f"{name}/") or f"{name}/".startswith(f"{o.name}/")
        if inside and ("/cmd/" in o.name + name or "(devel)" in o.version + case.one.version):
            return True
    return False


def _bare(found: Found) -> str:
    """A version without metadata and a packager's revision."""
    return re.sub(r"(?:-[0-9]+)?(?:\+.*)?$", "", found.version)


DEEPEST = 16
"""Archives in each other, of which we read no more."""


def _deep(case: Case) -> bool:
    jar = case.kind == "maven" and case.one.path.endswith(JARS)
    return not case.ours and jar and evidence.levels(case.one.path, case.content) > DEEPEST


# --- ours only -----------------------------------------------------------------------------------

JARS = (".jar", ".war", ".ear", ".par", ".hpi", ".jpi")
UNREAD = {
    "syft": {"brew", "conda", "hackage", "julia", "nim", "pub", "bitnami", "vscode-extension"},
    "trivy": {
        "alpm",
        "brew",
        "cran",
        "ebuild",
        "hackage",
        "hex",
        "julia",
        "luarocks",
        "nim",
        "nix",
        "opam",
        "otp",
        "pub",
        "generic",
        "swiplpack",
        "vcpkg",
        "vscode-extension",
    },
}
"""Kinds that a peer does not read where they are installed."""
CONAN = ("/conaninfo.txt", "/cache.sqlite3")
"""Of Conan's records Syft reads those of the first cache, Trivy none."""


def _unread(case: Case) -> bool:
    unread = case.kind in UNREAD[case.peer] or case.kind in ("pear", "wordpress")
    unread |= case.kind == "conan" and case.one.path.endswith(CONAN)
    return unread and case.ours and (case.extra or not case.one.path)


def _by_hash(case: Case) -> bool:
    """Trivy asks its index of hashes first, which the bench leaves empty, and takes the file's name next."""
    return case.extra and case.peer == "trivy" and case.kind == "maven" and case.one.path.endswith(JARS)


def _unpacked(case: Case) -> bool:
    return case.extra and case.kind == "maven" and case.one.path.endswith("/pom.properties")


def _jar_by_name(case: Case) -> bool:
    return case.extra and case.peer == "syft" and case.kind == "maven" and case.one.path.endswith(JARS)


def _erlang(case: Case) -> bool:
    return case.extra and case.peer == "syft" and case.kind in ("hex", "otp")


def _conda(case: Case) -> bool:
    return case.extra and case.peer == "trivy" and case.kind == "conda" and "/envs/" not in case.one.path


def _lock_ours(case: Case) -> bool:
    return case.extra and bool(LOCKS.fullmatch(case.one.path))


def _lock_theirs(case: Case) -> bool:
    return not case.ours and evidence.left_out(case.content, case.one)


def _sbom_ours(case: Case) -> bool:
    return case.extra and bool(_SBOM.match(case.one.path))


def _note(case: Case) -> bool:
    """Of an OS package, which a program names in an image without a database that lists it."""
    return case.extra and case.peer == "trivy" and case.kind in SYSTEM and bool(case.one.path)


def _program(case: Case) -> bool:
    return case.extra and case.kind == "generic"


def _lying_about(case: Case) -> bool:
    folders = ("/dist-info/METADATA", "/egg-info/PKG-INFO")  # without the package's name
    return case.extra and case.one.path.endswith((".whl", ".egg", *folders))


def _plugged(case: Case) -> bool:
    return case.extra and case.kind == "npm" and bool(_YARN.fullmatch(case.one.path))


def _assembly_ours(case: Case) -> bool:
    """Also in an application of one file."""
    files = (".dll", ".exe", ".deps.json")
    program = case.content[:4] == b"\x7fELF"
    return case.extra and case.kind == "nuget" and (program or case.one.path.lower().endswith(files))


def _toolchain(case: Case) -> bool:
    if (case.kind, case.one.name) in (("generic", "go"), ("generic", "golang")):
        return any(plain(o)[1] == case.one.version for o in case.lacks.called("stdlib"))
    return case.ours and case.kind == "golang" and case.one.name in ("toolchain", "stdlib")


RULES: list[Rule] = [
    Rule("written otherwise", _written),
    Rule("of another kind", _kind),
    Rule("at another place", _place),
    Rule("Java runtimes", _runtime),
    Rule("no version", _unversioned),
    Rule("not installed, says dpkg", _removed),
    Rule("records of dpkg that it does not read", _dpkg_unread),
    Rule("keys of rpm", lambda case: not case.ours and (case.kind, case.one.name) == ("rpm", "gpg-pubkey")),
    Rule("no packages", _not_a_package),
    Rule("not part of the program, says the SBOM", _excluded),
    Rule("a project's own package.json", _own_project),
    Rule("parts of an npm package", _part),
    Rule("coordinates of a jar", _coordinates),
    Rule("jars a hundred deep", _deep),
    Rule("assemblies one by one", _assembly),
    Rule("not deployed", _undeployed),
    Rule("not Composer's own", _composer_place),
    Rule("records of Composer 1", _composer_list),
    Rule("sources of R packages", _source_tree),
    Rule("sources of gems and rocks", _gem_source),
    Rule("programs without an execute bit", _inert),
    Rule("programs of Go without a module", _go_tool),
    Rule("main modules of Go", _go_main),
    Rule("of a lock file, the project itself or for development", _lock_theirs),
    Rule("kinds that it does not read", _unread),
    Rule("jars that it knows by their hash", _by_hash),
    Rule("jars that only their file's name tells", _jar_by_name),
    Rule("unpacked archives", _unpacked),
    Rule("records of Erlang that it cannot read", _erlang),
    Rule("Conda outside of envs/", _conda),
    Rule("lock files that it does not read", _lock_ours),
    Rule("SBOMs that it does not read", _sbom_ours),
    Rule("package notes", _note),
    Rule("programs that it does not know", _program),
    Rule("wheels that lie about", _lying_about),
    Rule("archives of Yarn", _plugged),
    Rule("assemblies that it does not read", _assembly_ours),
    Rule("Go's toolchain", _toolchain),
]


def reason(case: Case) -> str | None:
    """The name of the first rule that applies; None if the difference is unexplained."""
    return next((rule.name for rule in RULES if rule.applies(case)), None)

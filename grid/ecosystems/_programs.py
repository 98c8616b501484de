"""Programs that no package manager knows, told by what stands in them: the rules in ``programs/*.toml``.

A file is looked at if its base name is one that a rule names. One Hyperscan pass over it, for all rules that name it,
says where a version may stand; their expressions then read it there. Where there is no Hyperscan, each expression
searches the whole file: slower, and the same outcome.
"""

from __future__ import annotations

import re
import tomllib
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import translate
from functools import lru_cache
from importlib.resources import files
from itertools import islice
from typing import TYPE_CHECKING, Any

from packageurl import PackageURL

from grid.errors import DetectorUnavailable, RuleInvalid
from grid.model import Note, Package

if TYPE_CHECKING:
    from grid.patterns import Patterns

LOGIC = 2
"""Raise it when the same rules would read other packages."""
RULE_FILES = ("languages.toml", "servers.toml", "tools.toml", "go.toml")
MAX_TEXT = 16 << 20
"""Bytes of a text (a PHP archive is the largest) that is looked at."""
_BEFORE, _AFTER = 512, 128
"""Bytes around the end of a match that its expression may need."""
_MAX_HITS = 20_000
"""Ends of matches in a file, of all rules; a file with more was made to have them."""
_MAX_TRIES = 200
"""Of one expression in one file."""

_VERSION = re.compile(r"[0-9][0-9A-Za-z.+~_-]{0,63}")
_WILD = re.compile(r"[*?]|\[[^\]]+\]")
_NAMED_GROUP = re.compile(r"\(\?P<[a-z]+>")
_IN_NAME = re.compile(r"[0-9]+(?:\.[0-9]+)*")
_MAJOR = re.compile(r"/v[0-9]+$")
_GO = (r"\x00v?(?P<version>[0-9]{1,4}\.[0-9]{1,3}\.[0-9]{1,3}(?:-(?:rc|alpha|beta)[.0-9]{0,4})?)\x00",)
"""What the linker leaves of ``-X main.version=v1.2.3``: Go's own strings have no NUL beside them."""

Hits = dict[int, list[int]] | None


@dataclass(frozen=True, slots=True)
class Program:
    """One rule."""

    id: str
    names: tuple[str, ...]
    """Base names of its files; ``fnmatch`` patterns are allowed, for what has a version in its name."""
    patterns: tuple[str, ...] = ()
    """Expressions, the surest first, understood by Python's ``re`` and by Hyperscan; the first that matches states the
    version in its group ``version`` (or see below). No look-around, and nothing without an upper bound."""
    version: str = "{version}"
    """Made of the groups of the match: ``8.0.{update}``."""
    package: str = ""
    """Name of the package, where it is not ``id``."""
    agree: bool = False
    """Numbers in the name of the file must begin the version: ``python3.11``."""
    unless: tuple[str, ...] = ()
    """Expressions whose presence says that it is a relative of the program, or a part that only starts it."""
    needs: tuple[str, ...] = ()
    """Expressions that must all be present: what says that it is this program, where its version alone does not."""
    text: bool = False
    """A script or a list, not an executable."""
    go: str = ""
    """Main module, without ``/v2``, of a program written in Go: where that states its build, it is a Go module."""
    bitnami: str = ""
    """Name in the advisories of Bitnami; "" if they do not list it."""
    cpe: tuple[str, ...] = ()
    """``vendor:product`` as the CPE dictionary of the NVD has them; ``o:vendor:product`` of what is no application."""
    tried: str = ""
    """The real files it was tried on; "": written from published strings only."""
    examples: tuple[str, ...] = ()
    """``content = version``, with escapes as in Python."""
    counter: tuple[str, ...] = ()
    """What must not match."""

    @property
    def name(self) -> str:
        return self.package or self.id

    def samples(self) -> list[tuple[bytes, str]]:
        """(content, version) of the examples, the least that a file of the program may hold."""
        texts = self.examples or ((r"\0v1.22.3\0 = 1.22.3", r"\0v3.1.0-rc.2\0 = 3.1.0-rc.2") if self.go else ())
        return [(self.sample(text), version) for text, _, version in (line.rpartition(" = ") for line in texts)]

    def sample(self, text: str) -> bytes:
        """An example as a file: what it says, behind the magic of an executable if the program is one."""
        body = text.encode("latin-1").decode("unicode_escape").encode("latin-1")
        return body if self.text else b"\x7fELF\x02\x01\x01".ljust(64, b"\0") + b"text\0" + body + b"\0more\0"

    def file_name(self, version: str) -> str:
        """A name that a file of this version may have."""
        if not self.agree:
            return re.sub(r"\[(.)[^\]]*\]", r"\1", self.names[0]).replace("*", "")
        stem = re.sub(r"\[.*", "", self.names[-1]) + ".".join(version.split(".")[:2])
        return f"{stem}.so" if stem.startswith("lib") else stem

    def cpes(self, version: str) -> tuple[str, ...]:
        """CPE 2.3 names of a version."""
        bound = re.sub(r"([^A-Za-z0-9._-])", r"\\\1", version)
        whole = (cpe if cpe.count(":") == 2 else f"a:{cpe}" for cpe in self.cpe)
        return tuple(f"cpe:2.3:{cpe}:{bound}:*:*:*:*:*:*:*" for cpe in whole)


@dataclass(slots=True)
class Programs:
    """The rules, ready for use. Not picklable: each process loads its own."""

    programs: tuple[Program, ...]
    by_name: dict[str, list[int]] = field(default_factory=dict)
    globs: list[tuple[re.Pattern[str], int]] = field(default_factory=list)
    any_glob: re.Pattern[str] | None = None
    expressions: list[re.Pattern[bytes]] = field(default_factory=list)
    expressions_of: list[list[int]] = field(default_factory=list)
    """Of each program: the numbers of its expressions. What several rules have is there once."""

    def __post_init__(self) -> None:
        numbers: dict[str, int] = {}
        for place, program in enumerate(self.programs):
            for name in program.names:
                if _WILD.search(name):
                    self.globs.append((re.compile(translate(name)), place))
                else:
                    self.by_name.setdefault(name, []).append(place)
            own = []
            for pattern in program.patterns or (_GO if program.go else ()):
                if pattern not in numbers:
                    numbers[pattern] = len(self.expressions)
                    try:
                        self.expressions.append(re.compile(pattern.encode("latin-1")))
                    except (re.error, UnicodeEncodeError) as error:
                        raise RuleInvalid(f"program {program.id}: {error}: {pattern!r}") from None
                own.append(numbers[pattern])
            self.expressions_of.append(own)
        self.any_glob = re.compile("|".join(glob.pattern for glob, _ in self.globs)) if self.globs else None

    def of_name(self, name: str) -> Sequence[int]:
        """The places of the programs that a file of this base name may be."""
        places = self.by_name.get(name, [])
        if self.any_glob is not None and self.any_glob.match(name):
            places = sorted({*places, *(place for glob, place in self.globs if glob.match(name))})
        return places


@lru_cache(maxsize=1)
def programs() -> Programs:
    """The rules, compiled; raises RuleInvalid."""
    return Programs(rules())


def names() -> frozenset[str]:
    """Base names that rules state without a wildcard."""
    return frozenset(name for rule in rules() for name in rule.names if not _WILD.search(name))


@lru_cache(maxsize=1)
def rules() -> tuple[Program, ...]:
    """The rules of the folder ``programs``, as they stand there; raises RuleInvalid."""
    out: list[Program] = []
    for file in RULE_FILES:
        for rule in tomllib.loads(_rule_file(file).decode())["program"]:
            values: dict[str, Any] = {
                key: tuple(value) if isinstance(value, list) else value for key, value in rule.items()
            }
            try:
                out.append(Program(**values))
            except TypeError as error:
                raise RuleInvalid(f"{file}: program {rule.get('id')}: {error}") from None
    return tuple(out)


def fingerprint() -> int:
    """A number that changes whenever the rules or what is done with them do."""
    return LOGIC << 32 | zlib.crc32(b"\0".join(_rule_file(file) for file in RULE_FILES))


def _rule_file(name: str) -> bytes:
    return (files("grid.ecosystems") / "programs" / name).read_bytes()


# --- reading -------------------------------------------------------------------------------------


def found(name: str, data: memoryview, places: Sequence[int]) -> Iterator[Package | Note]:
    """The programs among ``places`` (see ``Programs.of_name``) that a file of this base name is."""
    known = programs()
    hits, cut = _hits(tuple(sorted({n for place in places for n in known.expressions_of[place]})), data)
    seen: set[tuple[str, str]] = set()
    for place in places:
        program = known.programs[place]
        version = _version(known, place, name, data, hits)
        if not version or (program.name, version) in seen:
            continue
        if any(re.search(word.encode(), data) for word in program.unless):
            continue
        if not all(re.search(word.encode(), data) for word in program.needs):
            continue
        seen.add((program.name, version))
        purl = PackageURL("generic", None, program.name, version).to_string()
        yield Package(program.name, version, purl=purl, cpes=program.cpes(version))
    if cut:
        yield Note("TooManyFacts", f"only the first {_MAX_HITS} places that may hold a version were looked at")


def canonical(name: str) -> str:
    """The name under which Bitnami's advisories list a program; its own where they list none."""
    return _bitnami_names().get(name, name)


def go_module(package: str) -> str:
    """The module of a program by the path of its main package, as far as the rules know it, else that path."""
    module = package.partition("/cmd/")[0]
    return module if _MAJOR.sub("", module) in _go_modules() else package


def go_cpes(module: str, version: str) -> tuple[str, ...]:
    """CPE names of a program by the path of its main module."""
    program = _go_modules().get(_MAJOR.sub("", module))
    return program.cpes(version.removeprefix("v").partition("+")[0]) if program is not None else ()


@lru_cache(maxsize=1)
def _bitnami_names() -> dict[str, str]:
    return {program.name: program.bitnami for program in rules() if program.bitnami}


@lru_cache(maxsize=1)
def _go_modules() -> dict[str, Program]:
    return {program.go: program for program in rules() if program.go}


def _version(known: Programs, place: int, name: str, data: memoryview, hits: Hits) -> str:
    program = known.programs[place]
    stated = _IN_NAME.search(name) if program.agree else None
    for number in known.expressions_of[place]:
        for match in _matches(known.expressions[number], number, data, hits):
            groups = {key: (value or b"").decode("latin-1") for key, value in match.groupdict().items()}
            version = program.version.format(**groups)
            if not _VERSION.fullmatch(version):
                continue
            if stated is None or version == stated[0] or version.startswith(stated[0] + "."):
                return version
    return ""


def _matches(expression: re.Pattern[bytes], number: int, data: memoryview, hits: Hits) -> Iterator[re.Match[bytes]]:
    if hits is None:
        yield from islice(expression.finditer(data), _MAX_TRIES)
        return
    done = 0  # the end of the last match; the next may begin with its last byte, a NUL between two strings
    for end in hits.get(number, ())[:_MAX_TRIES]:
        if end <= done:
            continue
        at, stop = max(done - 1, end - _BEFORE, 0), min(len(data), end + _AFTER)
        match = expression.search(data, at, stop)
        if match is not None:
            done = match.end()
            yield match


# --- Hyperscan -----------------------------------------------------------------------------------


def _hits(numbers: tuple[int, ...], data: memoryview) -> tuple[Hits, bool]:
    """The ends of matches by number of the expression, and whether there are more; None where Hyperscan is missing."""
    database = _database(numbers)
    if database is None:
        return None, False
    places, ends = database.scan(data, _MAX_HITS)
    hits: dict[int, list[int]] = {}
    for place, end in zip(places.tolist(), ends.tolist(), strict=True):
        hits.setdefault(numbers[place], []).append(end)
    return hits, len(ends) >= _MAX_HITS


@lru_cache(maxsize=512)
def _database(numbers: tuple[int, ...]) -> Patterns | None:
    """These expressions compiled together: the few that a file's name asks for run five times as fast as all."""
    try:
        from grid.patterns import Patterns
    except DetectorUnavailable:
        return None
    expressions = programs().expressions
    named = [
        (f"expression {number} of the programs", _NAMED_GROUP.sub("(?:", expressions[number].pattern.decode("latin-1")))
        for number in numbers
    ]
    return Patterns("programs", named)

"""Rules for secrets: YAML files to checked, compiled rules.

A rule says what a value looks like in one of three ways:

``value``             a regex for a token that speaks for itself (``ghp_…``); it must not touch other letters or digits
``names`` + ``value`` the same, but only where something named so is given that value (``DATADOG_API_KEY=…``)
``pattern``           a whole regex with a group ``secret``

From it come two expressions: the one that confirms (Python ``re`` on one file) and the one that
nominates (Hyperscan over many files joined). The second must match, without look-around and without
anchors, some part of everything the first can match.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import random
import re
import string
import uuid
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Annotated, Any, Literal, TypeVar

from platformdirs import user_cache_path
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from grid.detectors.secrets.values import CHECKS
from grid.errors import RuleInvalid

Source = tuple[str, bytes]
"""File name and content of a rule file."""

SEVERITIES = ("low", "medium", "high", "critical")
KINDS = ("generic", "shape", "provider")
"""From vague to certain: of two rules that overlap, the more certain one reports."""

NOISE = "noise.yaml"

_LEFT = r"(?:(?<![A-Za-z0-9])|(?<=\\[nrt])|(?<=%[0-9A-Fa-f]{2}))"
"""Not in the middle of a word; an escaped line break (``\\nAKIA…``) or a percent code is no word."""
_RIGHT = r"(?![A-Za-z0-9_])"
_GIVEN = r"""[\w .\-]{0,30}["'`\]\\]{0,4}[\s=:,>(|?]{1,20}[\\"'`]{0,4}"""
"""What may stand between a name and its value: the rest of the name, quotes, an operator."""
_PLAIN = re.compile(r"\\[^bBAzZGK1-9]|\[[^\]]*\]")
_LOCAL = re.compile(r"[\^$]|\\[bBAzZGK1-9]|\(\?[=!<P]")
"""Anchors, look-around, back references: at the seam of two files they would see the wrong neighbour."""
_AHEAD = re.compile(r"\(\?<?[!=][^()]*\)")
"""A look-around without groups: to leave it out only widens what is nominated."""
_PADDING = re.compile(r"=(?:\{0,\d\}|\?)(\)*)$")
_OPEN_TAIL = re.compile(r"(?:\{(\d+),\d*\}|(\+)|(\*))(\)*)$")

Regex = Annotated[str, Field(min_length=1)]
_Model = TypeVar("_Model", bound=BaseModel)


class RuleSpec(BaseModel):
    """One rule as a file states it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: Annotated[str, Field(pattern=r"^[a-z0-9]+(?:-[a-z0-9]+)*$", max_length=60)]
    title: Annotated[str, Field(min_length=3, max_length=90)]
    severity: Literal["low", "medium", "high", "critical"] = "high"
    kind: Literal["generic", "shape", "provider"] = "provider"
    value: Regex | None = None
    names: tuple[Regex, ...] = ()
    pattern: Regex | None = None
    nominate: Regex | None = None
    by_path: bool = False
    """Nothing nominates: every file that ``paths`` names is searched whole. For files with nothing else to go by.
    Hyperscan must take such ``paths``: no look-around."""
    entropy: Annotated[float, Field(ge=0, le=8)] = 2.5
    """Shannon entropy in bits per character that the value must reach."""
    stop: tuple[Regex, ...] = ()
    """A value in which one of these is found is no secret."""
    placeholders: bool = True
    """Whether the common placeholders of ``noise.yaml`` apply."""
    check: Literal["", "pem", "jwt", "password", "mixed", "basic", "url-password"] = ""
    paths: tuple[Regex, ...] = ()
    """Only in files whose path one of these is found in."""
    not_paths: tuple[Regex, ...] = ()
    binary: bool = False
    """Also in files that are not text."""
    before: Annotated[int, Field(ge=64, le=65536)] = 320
    """Bytes before a nominated end that a match may need."""
    after: Annotated[int, Field(ge=64, le=65536)] = 640
    """Bytes after it."""
    examples: Annotated[tuple[str, ...], Field(min_length=1)]
    counter: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _one_form(self) -> RuleSpec:
        if (self.pattern is None) == (self.value is None):
            raise ValueError("give either value (with or without names) or pattern")
        if self.pattern is not None and self.names:
            raise ValueError("names go with value, not with pattern")
        if self.by_path and (not self.paths or self.nominate):
            raise ValueError("by_path needs paths and no nominate")
        if self.check not in CHECKS:
            raise ValueError(f"unknown check {self.check!r}")
        return self

    def confirming(self) -> str:
        if self.pattern is not None:
            return self.pattern
        given = f"(?i:{'|'.join(self.names)}){_GIVEN}" if self.names else _LEFT
        return f"{given}(?P<secret>{self.value}){_RIGHT}"

    def nominating(self) -> str:
        if self.nominate is not None:
            return self.nominate
        if self.pattern is not None:
            return _shortest(_AHEAD.sub("", self.pattern.replace("(?P<secret>", "(?:")))
        given = f"(?i:{'|'.join(self.names)}){_GIVEN}" if self.names else ""
        return f"{given}(?:{_shortest(_AHEAD.sub('', self.value or ''))})"


class Noise(BaseModel):
    """``noise.yaml``: files and values that are not worth a look, as regexes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    files: tuple[Regex, ...] = ()
    """Paths in which no rule looks."""
    packaged: tuple[Regex, ...] = ()
    """Paths of files that came with a package, in which only rules of kind ``provider`` look."""
    mixed: tuple[Regex, ...] = ()
    """Paths of files that came with a package or did not, in which rules of kind ``generic`` do not look."""
    placeholders: tuple[Regex, ...] = ()
    weak: tuple[Regex, ...] = ()
    """Placeholders that only count for rules that are not of kind ``provider``."""


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    rules: tuple[RuleSpec, ...]


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule ready for use. Its expressions are compiled when they are first asked for: most never are in a scan."""

    spec: RuleSpec
    file: str
    confirming: str
    nominate: str
    """"" for a rule that goes by path."""
    stopping: tuple[str, ...]
    check: Callable[[bytes], bool]
    paths: re.Pattern[str] | None
    not_paths: re.Pattern[str] | None
    rank: tuple[int, int]
    """Higher wins where two rules report overlapping text: (kind, severity)."""

    @property
    def id(self) -> str:
        return self.spec.id

    @property
    def confirm(self) -> re.Pattern[bytes]:
        return _regex(self.confirming, self.where)

    @property
    def stop(self) -> tuple[re.Pattern[bytes], ...]:
        return tuple(_regex(stop, self.where) for stop in self.stopping)

    @property
    def where(self) -> str:
        return f"{self.file}: rule {self.spec.id}"

    def checked(self) -> None:
        """Raises RuleInvalid if an expression cannot be compiled, or lacks what it must have."""
        for part in (self.spec.value, self.spec.pattern, self.spec.nominate, *self.spec.names):
            _regex(part or "", self.where)  # alone, so that no mistake is healed by what is put around it
        if "secret" not in self.confirm.groupindex:
            raise RuleInvalid(f"{self.where}: pattern: has no group named secret")
        for stop in self.stopping:
            _regex(stop, self.where)


@dataclass(frozen=True, slots=True)
class RuleSet:
    """All rules, and where none of them look."""

    rules: tuple[Rule, ...]
    """Those that are nominated first, those that go by path after them."""
    nominated: int
    """How many are nominated."""
    files: re.Pattern[str] | None
    nowhere: str
    """Regex of those of ``files`` that go by the beginning of a path, which is told in no time; "" if none does."""
    packaged: re.Pattern[str] | None
    mixed: re.Pattern[str] | None


def builtin_sources() -> tuple[Source, ...]:
    """The rule files that come with scangrid, by name."""
    folder = files("grid.detectors") / "rules"
    found = (entry for entry in folder.iterdir() if entry.name.endswith(".yaml"))
    return tuple((entry.name, entry.read_bytes()) for entry in sorted(found, key=lambda entry: entry.name))


def digest(sources: Iterable[Source]) -> str:
    """Twelve hex digits that change whenever a rule file does."""
    state = hashlib.sha256()
    for name, text in sources:
        state.update(f"{name}\0{len(text)}\0".encode())
        state.update(text)
    return state.hexdigest()[:12]


@lru_cache(maxsize=4)
def load_rules(sources: tuple[Source, ...]) -> RuleSet:
    """Parse and check; raises RuleInvalid naming the file, and the rule where there is one.

    The expressions of the rules that come with scangrid are checked by its tests, not again in every process.
    """
    noise = Noise()
    specs: list[tuple[str, RuleSpec]] = []
    for name, text in sources:
        data = _parse(name, text)
        if name == NOISE:
            noise = _validated(Noise, data, name)
        else:
            specs += [(name, spec) for spec in _validated(_File, data, name).rules]
    seen: dict[str, str] = {}
    for name, spec in specs:
        if spec.id in seen:
            raise RuleInvalid(f"{name}: rule {spec.id}: already defined in {seen[spec.id]}")
        seen[spec.id] = name
    rules = tuple(_rule(name, spec, noise) for name, spec in specs)
    ours = {name for name, _ in set(builtin_sources()).intersection(sources)}
    for rule in rules:
        if rule.file not in ours:
            rule.checked()
    rules = tuple(sorted(rules, key=lambda rule: rule.spec.by_path))
    count = sum(not rule.spec.by_path for rule in rules)
    nowhere = "|".join(f"(?:{path})" for path in noise.files if path.startswith("^"))
    nothing, packaged, mixed = (_paths(paths, NOISE) for paths in (noise.files, noise.packaged, noise.mixed))
    return RuleSet(rules, count, nothing, nowhere, packaged, mixed)


def _parse(name: str, text: bytes) -> Any:
    """The file's data; kept as JSON in the user's cache, for our YAML parser takes longer than a small scan."""
    kept = user_cache_path("scangrid") / f"rules-{hashlib.sha256(text).hexdigest()[:24]}.json"
    with suppress(OSError, ValueError):
        return json.loads(kept.read_bytes())
    data = _read_yaml(name, text)
    with suppress(OSError, TypeError, ValueError):  # a cache that cannot be written is no error
        kept.parent.mkdir(parents=True, exist_ok=True)
        fresh = kept.with_name(f".{kept.name}.{os.getpid()}")
        fresh.write_text(json.dumps(data))
        fresh.replace(kept)
    return data


def _read_yaml(name: str, text: bytes) -> Any:
    try:
        return YAML(typ="safe", pure=True).load(text)
    except YAMLError as error:
        raise RuleInvalid(f"{name}: not YAML: {' '.join(str(error).split())}") from error
    except (UnicodeDecodeError, ValueError) as error:
        raise RuleInvalid(f"{name}: not UTF-8 text") from error


def _validated(kind: type[_Model], data: Any, name: str) -> _Model:
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = _place(data, first["loc"])
        raise RuleInvalid(f"{name}: {where}{first['msg']}") from None


def _place(data: Any, loc: Sequence[int | str]) -> str:
    """``rule ID: field: `` for a pydantic location."""
    parts = [str(part) for part in loc]
    if len(loc) >= 2 and loc[0] == "rules" and isinstance(loc[1], int):
        entry = data["rules"][loc[1]]
        title = entry.get("id") if isinstance(entry, dict) else None
        parts = [f"rule {title or f'number {loc[1] + 1}'}", *(str(part) for part in loc[2:])]
    return "".join(f"{part}: " for part in parts)


def _rule(name: str, spec: RuleSpec, noise: Noise) -> Rule:
    stops = list(spec.stop)
    if spec.placeholders:
        stops += noise.placeholders
        if spec.kind != "provider":
            stops += noise.weak
    where = f"{name}: rule {spec.id}"
    nominate = "" if spec.by_path else spec.nominating()
    if _LOCAL.search(_PLAIN.sub("", nominate)):
        raise RuleInvalid(f"{where}: nominate: {nominate!r} has an anchor, a look-around or a back reference")
    return Rule(
        spec=spec,
        file=name,
        confirming=spec.confirming(),
        nominate=nominate,
        stopping=tuple(stops),
        check=CHECKS[spec.check],
        paths=_paths(spec.paths, where),
        not_paths=_paths(spec.not_paths, where),
        rank=(KINDS.index(spec.kind), SEVERITIES.index(spec.severity)),
    )


@lru_cache(maxsize=4096)
def _regex(pattern: str, where: str) -> re.Pattern[bytes]:
    try:
        return re.compile(pattern.encode())
    except re.error as error:
        raise RuleInvalid(f"{where}: {error}: {pattern!r}") from None


def _paths(patterns: Sequence[str], where: str) -> re.Pattern[str] | None:
    if not patterns:
        return None
    joined = "|".join(f"(?i:{p[4:]})" if p.startswith("(?i)") else f"(?:{p})" for p in patterns)
    try:
        return re.compile(joined)
    except re.error as error:
        raise RuleInvalid(f"{where}: {error}: {joined!r}") from None


def _shortest(pattern: str) -> str:
    """Cut a repeat at the very end to its minimum: Hyperscan reports every end it sees, one is enough."""

    def cut(match: re.Match[str]) -> str:
        least, plus, _, closing = match.groups()
        if least is not None and int(least):
            return f"{{{least}}}{closing}"
        return closing if plus else f"{{0,1}}{closing}"

    if pattern.endswith("\\)") or re.search(r"\\[+*]\)*$", pattern) or "|" in pattern:
        return pattern  # an escaped character, or another branch that may end elsewhere
    return _OPEN_TAIL.sub(cut, _PADDING.sub(r"\1", pattern))


# --- examples ------------------------------------------------------------------------------------

_ALPHABETS = {
    "hex": "0123456789abcdef",
    "HEX": "0123456789ABCDEF",
    "digits": string.digits,
    "lower": string.ascii_lowercase,
    "upper": string.ascii_uppercase,
    "lowernum": string.ascii_lowercase + string.digits,
    "ALNUM": string.ascii_uppercase + string.digits,
    "alnum": string.ascii_letters + string.digits,
    "alpha": string.ascii_letters,
    "b32": string.ascii_uppercase + "234567",
    "bech32": "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L",
    "b58": "".join(c for c in string.ascii_letters + string.digits if c not in "0OIl"),
    "b64": string.ascii_letters + string.digits + "+/",
    "b64url": string.ascii_letters + string.digits + "-_",
}
_HOLE = re.compile(r"\{(?:(" + "|".join(_ALPHABETS) + r"):(\d+)|(uuid|pem|basic|snowflake))\}")


def expand(example: str, rng: random.Random) -> str:
    """Fill the holes of an example: ``{hex:32}``, ``{uuid}``, ``{pem}`` (25 lines of base64), ``{basic}`` (a login),
    ``{snowflake}`` (an id of Discord's).

    Rule files hold no string that looks like a live token: those are made here, at random.
    """

    def fill(match: re.Match[str]) -> str:
        alphabet, length, special = match.groups()
        if special == "uuid":
            return str(uuid.UUID(int=rng.getrandbits(128), version=4))
        if special == "basic":
            return base64.b64encode(b"deploy:" + "".join(rng.choices(_ALPHABETS["alnum"], k=15)).encode()).decode()
        if special == "snowflake":  # an id of 18 digits, as tokens of Discord begin
            digits = "".join(rng.choices(_ALPHABETS["digits"], k=18))
            return base64.b64encode(digits.encode()).decode()
        if special == "pem":
            lines = ["".join(rng.choices(_ALPHABETS["b64"], k=64)) for _ in range(24)]
            return "\n".join(["MII" + lines[0][3:], *lines[1:], "".join(rng.choices(_ALPHABETS["alnum"], k=42)) + "=="])
        return "".join(rng.choices(_ALPHABETS[alphabet], k=int(length)))

    return _HOLE.sub(fill, example)

"""estate.yaml: what a site owns, as typed rules. Errors name the line.

registries:
  - name: prod
    url: registry.example.com
    credential: env:PROD_REGISTRY        # a name, never a password
    images_per_hour: 500
    repositories: ["shop/*", "!shop/attic/*"]
    tags: ["*", "!*-dev"]
images:
  - docker://docker.io/library/debian:12
vex: [vex/supplier.openvex.json]
waivers:
  - {id: CVE-2024-1234, purl: pkg:deb/debian/curl, repository: "shop/*", reason: not reachable, expires: 2027-01-31}
"""

from __future__ import annotations

import fnmatch
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import fields
from datetime import date
from io import StringIO
from pathlib import Path
from typing import Annotated, Any, Literal

from packageurl import PackageURL
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ByteSize,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError

from grid.errors import EstateInvalid, GridError
from grid.model import LINUX_AMD64, Limits, Platform, Reference

MAX_BYTES = 1 << 20
"""Of estate.yaml: some 13,000 waivers, whose YAML takes 5 s of CPU."""
_MAX_NODES = 500_000
"""Values in it; a YAML alias counts each time, for a few lines of aliases may stand for any number."""

_CREDENTIAL_FORMS = ("env:", "file:", "docker")


def _credential(value: str) -> str:
    if value and not value.startswith(_CREDENTIAL_FORMS):
        # the value may be a password typed in the wrong place: do not repeat it
        raise ValueError("a credential is a name: env:VARIABLE, file:PATH or docker; never the password itself")
    return value


def _rate(value: object) -> object:
    return None if value == "unlimited" else value


def _reference(value: str) -> str:
    try:
        Reference.parse(value)
    except GridError as error:
        raise ValueError(error.message) from None
    return value


def _patterns(value: object) -> object:
    if value == "all":
        return ("*",)
    return (value,) if isinstance(value, str) else value


Patterns = Annotated[tuple[str, ...], BeforeValidator(_patterns)]


class _Model(BaseModel):
    """What checks it is built when the first is checked: the estate of ``scangrid scan`` is put together unchecked."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class RegistryRules(_Model):
    """One registry of the estate and which of its images belong to it."""

    name: str = ""
    """The ``registry`` column of the lake; the address if empty."""
    kind: Literal["docker", "oci", "oci-archive", "docker-archive"] = "docker"
    url: str
    """``host[:port]``, with or without ``https://``; the path of a local source."""
    credential: Annotated[str, AfterValidator(_credential)] = ""
    plain_http: bool = False
    ca_file: str = ""
    timeout: Annotated[float, Field(gt=0, le=3600)] = 30.0
    connections: Annotated[int, Field(ge=1, le=256)] = 8
    """Requests under way at once while tags are looked up."""
    images_per_hour: Annotated[Annotated[int, Field(ge=0)] | None, BeforeValidator(_rate)] = None
    """``unlimited``, the default, is None."""
    repositories: Patterns = ("*",)
    tags: Patterns = ("*",)

    @property
    def address(self) -> str:
        if self.kind != "docker":
            return self.url
        return self.url.removeprefix("https://").removeprefix("http://").rstrip("/")

    @property
    def http(self) -> bool:
        return self.plain_http or self.url.startswith("http://")

    @property
    def lists(self) -> bool:
        """Whether the repositories must be asked for; plain names are taken as they stand."""
        return any(set("*?[") & set(p) for p in self.repositories if not p.startswith("!"))

    def wants_repository(self, name: str) -> bool:
        return selected(name, self.repositories)

    def wants_tag(self, name: str) -> bool:
        return selected(name, self.tags)


def selected(name: str, patterns: Iterable[str]) -> bool:
    """Whether shell patterns choose a name: the whole name must match, ``*`` crosses slashes, and the last
    pattern that matches decides, so that ``["*", "!*-dev"]`` is all but those ending in -dev."""
    chosen = False
    for pattern in patterns:
        if fnmatch.fnmatchcase(name, pattern.removeprefix("!")):
            chosen = not pattern.startswith("!")
    return chosen


class LimitRules(_Model):
    """Bounds on a layer; sizes may be written as ``20GiB``. See ``grid.model.Limits``."""

    max_layer_bytes: ByteSize | None = None
    max_entry_bytes: ByteSize | None = None
    max_ratio: Annotated[int, Field(ge=1)] | None = None
    max_entries: Annotated[int, Field(ge=1)] | None = None
    dense_entries: Annotated[int, Field(ge=1)] | None = None

    def limits(self) -> Limits:
        given = {name: int(value) for name, value in self if value is not None}
        if "max_entries" in given and "dense_entries" not in given:
            given["dense_entries"] = given["max_entries"]  # who raises or lowers one means the bound itself
        known = {f.name for f in fields(Limits)}
        return Limits(**{k: v for k, v in given.items() if k in known})


def _ids(value: object) -> object:
    return (value,) if isinstance(value, str) else value


def _purl(value: str) -> str:
    try:
        PackageURL.from_string(value)
    except ValueError:
        raise ValueError(f"{value!r} is not a package URL, as in pkg:deb/debian/curl") from None
    return value


class Waiver(_Model):
    """A risk that the site accepts: findings that it meets stay in the lake, and no longer count."""

    id: Annotated[tuple[Annotated[str, Field(min_length=1)], ...], BeforeValidator(_ids)] = ()
    """One problem or a list of them, by any of its ids; without it every problem of ``purl``."""
    purl: Annotated[str, AfterValidator(_purl)] | Literal[""] = ""
    """A package URL; what it leaves out (version, qualifiers) is any."""
    secret: Annotated[tuple[Annotated[str, Field(min_length=1)], ...], BeforeValidator(_ids)] = ()
    """Instead of both: patterns of rules of secrets, or fingerprints."""
    repository: Patterns = ()
    """As ``repositories`` of a registry; without it all."""
    tag: Patterns = ()
    path: Patterns = ()
    """The file that the package, or the secret, was found in."""
    reason: Annotated[str, Field(min_length=1)]
    expires: date | None = None
    """The first day, in UTC, on which it no longer applies."""
    origin: str = ""
    """File and line; filled in when the estate is read."""

    @model_validator(mode="after")
    def _names_something(self) -> Waiver:
        if not (self.id or self.purl or self.secret):
            raise ValueError("a waiver needs an id, a purl or a secret")
        if self.secret and (self.id or self.purl):
            raise ValueError("a waiver is about secrets or about vulnerabilities, not about both")
        return self


def _platforms(value: object) -> object:
    if value == "all":
        return ()
    return (value,) if isinstance(value, str) else value


def _platform(value: str) -> str:
    try:
        return str(Platform.parse(value))
    except GridError as error:
        raise ValueError(error.message) from None


class Estate(_Model):
    """Everything a sweep covers."""

    registries: tuple[RegistryRules, ...] = ()
    images: tuple[Annotated[str, AfterValidator(_reference)], ...] = ()
    """Single images by reference, beside whole registries."""
    platforms: Annotated[tuple[Annotated[str, AfterValidator(_platform)], ...], BeforeValidator(_platforms)] = (
        str(LINUX_AMD64),
    )
    """``all`` is an empty tuple."""
    detectors: tuple[Literal["packages", "secrets"], ...] = ("packages", "secrets")
    lockfiles: bool = False
    """Also list what lock files declare: nobody knows whether that is installed, so it is off for images."""
    limits: LimitRules = LimitRules.model_construct()
    lake: str = ""
    database: str = ""
    vex: tuple[str, ...] = ()
    """OpenVEX and CSAF documents, or folders of them."""
    ignorefiles: tuple[str, ...] = ()
    """Ignore files in the form of ``.trivyignore``, or of its YAML where the name ends so."""
    waivers: tuple[Waiver, ...] = ()

    @property
    def wanted_platforms(self) -> tuple[Platform, ...]:
        return tuple(Platform.parse(p) for p in self.platforms)

    @property
    def platform_policy(self) -> str:
        return ",".join(self.platforms) or "all"

    @property
    def detector_names(self) -> tuple[str, ...]:
        """``packages`` brings what squash and match need beside it."""
        packages = ("packages", *(("lockfiles",) if self.lockfiles else ()), "owned_files", "distros", "content_sets")
        names = {"packages": packages, "secrets": ("secrets",)}
        return tuple(n for d in self.detectors for n in names[d])

    def rules_hash(self) -> str:
        """Names the estate: an unfinished sweep of the same rules is continued."""
        text = json.dumps({k: v for k, v in self if k not in _NOT_SCANNED}, default=dict, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


_NOT_SCANNED = {"lake", "database", "vex", "ignorefiles", "waivers"}
"""What an estate says beside which images are scanned and how."""


def load_estate(path: str | Path) -> Estate:
    """Read estate.yaml; raises EstateInvalid naming file and line. Local paths in it are relative to it."""
    path = Path(path)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise _too_large(str(path))
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise EstateInvalid(f"{path}: {reason}", remedy="name the file with -c, or write an estate.yaml") from None
    estate = parse_estate(text, str(path))
    home = path.parent
    return estate.model_copy(
        update={
            "registries": tuple(
                r if r.kind == "docker" else r.model_copy(update={"url": str(home / r.url)}) for r in estate.registries
            ),
            "lake": str(home / estate.lake) if estate.lake and "://" not in estate.lake else estate.lake,
            "vex": tuple(str(home / path) for path in estate.vex),
            "ignorefiles": tuple(str(home / path) for path in estate.ignorefiles),
        }
    )


def parse_estate(text: str, name: str = "estate.yaml") -> Estate:
    """The estate that a YAML text describes; raises EstateInvalid."""
    if len(text) > MAX_BYTES:
        raise _too_large(name)
    try:
        data = YAML(typ="rt").load(StringIO(text))
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise EstateInvalid(f"{name}:{line}: {error.problem or 'not YAML'}") from None
    except Exception as error:  # ruamel raises more than it documents on hostile input
        raise EstateInvalid(f"{name}: not YAML ({type(error).__name__})") from None
    if not isinstance(data, dict):
        raise EstateInvalid(f"{name}:1: an estate is a mapping with registries or images")
    try:
        estate = Estate.model_validate(_plain(data, name))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        loc = tuple(part for part in first["loc"] if not str(part).startswith(("function-", "literal", "nullable")))
        where = ".".join(str(part) for part in loc)
        message = first["msg"].removeprefix("Value error, ")
        raise EstateInvalid(f"{name}:{_line(data, loc)}: {where}: {message}") from None
    labels = [r.name or r.address for r in estate.registries]
    for index, label in enumerate(labels):
        if label in labels[:index]:
            line = _line(data, ("registries", index))
            raise EstateInvalid(f"{name}:{line}: two registries are called {label!r}", remedy="give each a name")
    if not estate.registries and not estate.images:
        raise EstateInvalid(f"{name}:1: the estate is empty", remedy="list registries or images")
    waivers = tuple(
        waiver.model_copy(update={"origin": f"{name}:{_line(data, ('waivers', index))}"})
        for index, waiver in enumerate(estate.waivers)
    )
    return estate.model_copy(update={"waivers": waivers})


def _too_large(name: str) -> EstateInvalid:
    return EstateInvalid(f"{name}: larger than {MAX_BYTES >> 20} MiB", remedy="move waivers by id to a .trivyignore")


def add_registry(path: Path, entry: Mapping[str, Any]) -> Estate:
    """Append a registry to estate.yaml, made if need be; comments and order of what is there stay as they are.

    Nothing is written unless the result is a valid estate; raises EstateInvalid.
    """
    document = _document(path)
    document.setdefault("registries", []).append(dict(entry))
    return _save(path, document)


def remove_registry(path: Path, label: str) -> None:
    """Take the registry of that name (or address) out of estate.yaml; raises EstateInvalid if it has none."""
    document = _document(path)
    rules = document.get("registries") or []
    for index, entry in enumerate(rules):
        known = RegistryRules.model_validate(_plain(entry, str(path)))
        if label in (known.name, known.address):
            del rules[index]
            break
    else:
        raise EstateInvalid(f"{path}: no registry {label!r}")
    if rules or document.get("images"):
        _save(path, document)
    else:
        _write(path, document)  # an estate that lists nothing yet: the next registry makes it whole


def _document(path: Path) -> Any:
    if not path.exists():
        return {}
    if path.stat().st_size > MAX_BYTES:
        raise _too_large(str(path))
    if path.stat().st_size:
        try:
            document = YAML(typ="rt").load(path.read_text(encoding="utf-8"))
        except MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else 1
            raise EstateInvalid(f"{path}:{line}: {error.problem or 'not YAML'}") from None
        if isinstance(document, dict):
            return document
    raise EstateInvalid(f"{path}:1: an estate is a mapping with registries or images")


def _save(path: Path, document: Any) -> Estate:
    estate = parse_estate(_text(document), str(path))
    _write(path, document)
    return estate


def _text(document: Any) -> str:
    yaml = YAML(typ="rt")
    yaml.indent(mapping=2, sequence=4, offset=2)
    out = StringIO()
    yaml.dump(document, out)
    return out.getvalue()


def _write(path: Path, document: Any) -> None:
    temporary = path.with_name(f".{path.name}.new")
    temporary.write_text(_text(document), encoding="utf-8")
    temporary.replace(path)


def _plain(data: Any, name: str) -> Any:
    """Plain mappings and lists of what ruamel read; what aliases stand for is written out, up to a bound."""
    left = _MAX_NODES

    def plain(node: Any, depth: int) -> Any:
        nonlocal left
        left -= 1
        if depth > 20 or left < 0:
            what = "is nested too deeply" if depth > 20 else f"has more than {_MAX_NODES:,} values"
            raise EstateInvalid(f"{name}: the estate {what}")
        if isinstance(node, dict):
            return {str(k): plain(v, depth + 1) for k, v in node.items()}
        if isinstance(node, list):
            return [plain(v, depth + 1) for v in node]
        return node

    return plain(data, 0)


def _line(node: Any, loc: tuple[Any, ...]) -> int:
    """The line of the deepest part of ``loc`` that the file has."""
    line = 1
    for part in loc:
        try:
            if isinstance(node, dict):
                line = node.lc.key(part)[0] + 1  # type: ignore[attr-defined]
            elif isinstance(node, list):
                line = node.lc.item(part)[0] + 1  # type: ignore[attr-defined]
            node = node[part]
        except (KeyError, IndexError, TypeError, AttributeError):
            break
    return line

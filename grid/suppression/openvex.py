"""OpenVEX documents (https://github.com/openvex/spec, versions 0.0.x and 0.2.0).

{"@context": "https://openvex.dev/ns/v0.2.0", "timestamp": …, "statements": [{"vulnerability": {"name": "CVE-…",
"aliases": […]}, "products": [{"@id": "pkg:oci/…", "subcomponents": [{"@id": "pkg:apk/…"}]}], "status":
"not_affected", "justification": …, "impact_statement": …}]}

A product is a package, or an image whose ``subcomponents`` are the packages meant (all of it if there are none).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from grid.errors import SuppressionInvalid
from grid.suppression._products import ImageName, image_name, parse
from grid.suppression.statement import Statement, moment

MAX_PARTS = 1_000_000
"""Packages of images, over all statements of a document: the older form lists parts once for all products."""

_STATUSES = ("not_affected", "fixed", "affected", "under_investigation")


def _named(value: object) -> object:
    """The older form: a plain text where now an object stands."""
    return {"@id": value} if isinstance(value, str) else value


def _vulnerability(value: object) -> object:
    return {"name": value} if isinstance(value, str) else value


class _Lenient(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)


class _Component(_Lenient):
    id: str = Field(default="", alias="@id")
    identifiers: dict[str, str] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """Its package URL where it gives one, else its id."""
        urls = tuple(v for k, v in self.identifiers.items() if k == "purl")
        return urls or ((self.id,) if self.id else ())


class _Product(_Component):
    subcomponents: list[Annotated[_Component, BeforeValidator(_named)]] = []


class _Vulnerability(_Lenient):
    id: str = Field(default="", alias="@id")
    name: str = ""
    aliases: list[str] = []


class _Statement(_Lenient):
    vulnerability: Annotated[_Vulnerability, BeforeValidator(_vulnerability)]
    products: list[Annotated[_Product, BeforeValidator(_named)]] = []
    subcomponents: list[Annotated[_Component, BeforeValidator(_named)]] = []
    status: str
    justification: str = ""
    impact_statement: str = ""
    status_notes: str = ""
    action_statement: str = ""
    timestamp: str = ""
    last_updated: str = ""


class _Document(_Lenient):
    timestamp: str = ""
    last_updated: str = ""
    statements: list[_Statement]


def recognises(document: dict[str, Any]) -> bool:
    """Whether a JSON object is OpenVEX."""
    return "statements" in document and "openvex" in str(document.get("@context", "")).lower()


def read(document: dict[str, Any], name: str) -> list[Statement]:
    """Its statements; one that speaks of several images becomes one for each. Raises SuppressionInvalid."""
    try:
        parsed = _Document.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise SuppressionInvalid(f"{name}: {where}: {first['msg']}") from None
    parts = sum(len(s.products) * len(s.subcomponents) for s in parsed.statements)
    if parts > MAX_PARTS:
        raise SuppressionInvalid(f"{name}: more than {MAX_PARTS:,} packages of images")
    return [
        made for number, stated in enumerate(parsed.statements, 1) for made in _statements(stated, parsed, name, number)
    ]


def _statements(stated: _Statement, document: _Document, name: str, number: int) -> Iterator[Statement]:
    names = (stated.vulnerability.name, *stated.vulnerability.aliases)
    ids = tuple(dict.fromkeys(n for n in names if n)) or tuple(
        filter(None, (stated.vulnerability.id.rpartition("/")[2],))
    )
    times = (stated.last_updated, stated.timestamp, document.last_updated, document.timestamp)
    explained = stated.impact_statement or stated.status_notes or stated.action_statement
    packages: dict[ImageName | None, dict[str, None]] = defaultdict(dict)
    unknown = 0
    for product in stated.products:
        image = next(filter(None, map(image_name, product.names)), None)
        parts = [*product.subcomponents, *(stated.subcomponents if image else ())]
        urls = [url for part in (parts if parts or image else [product]) for url in part.names if parse(url)]
        if image is None and parts:
            urls = []  # parts of a product that is not an image: where it is installed, nothing says
        if (parts and not urls) or (image is None and not urls):
            unknown += 1
            continue
        packages[image].update(dict.fromkeys(urls))
    if not packages:
        problem = "names no product that is a package or an image" if unknown else "names no product"
        packages[None] = {}
    else:
        problem = ""
    for image, urls_of in packages.items():
        yield checked(
            Statement(
                kind="vex",
                origin=f"{name}#{number}",
                status=stated.status,
                ids=ids,
                packages=tuple(urls_of),
                registry=image.registry if image else "",
                repositories=image.repositories if image else (),
                tags=image.tags if image else (),
                digest=image.digest if image else "",
                arch=image.arch if image else "",
                justification=stated.justification,
                reason=" ".join(explained.split())[:500],
                issued_at=next(filter(None, map(moment, times)), None),
                problem=problem,
            ),
            explained=bool(stated.justification or stated.impact_statement),
        )


def checked(statement: Statement, explained: bool) -> Statement:
    """The same, with a ``problem`` if its status is unknown or lacks what it needs."""
    problem, packages = statement.problem, statement.packages
    pinned = bool(statement.digest or statement.tags)
    if not problem and statement.status not in _STATUSES:
        problem = f"its status {statement.status[:40]!r} is none of {', '.join(_STATUSES)}"
    if not problem and not statement.ids:
        problem = "names no vulnerability"
    if not problem and statement.status == "not_affected" and not explained:
        problem = "not_affected needs a justification"
    if not problem and statement.status == "fixed" and not pinned:
        packages = tuple(p for p in packages if (url := parse(p)) is not None and url.version)
        if not packages:
            problem = "fixed needs a version of the package or the image"
    if problem == statement.problem and packages == statement.packages:
        return statement
    return replace(statement, problem=problem, packages=packages)

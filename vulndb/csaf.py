"""CSAF documents: what a vendor says of one vulnerability in each of its products.

Format: https://docs.oasis-open.org/csaf/csaf/v2.0/ (categories ``csaf_vex`` and ``csaf_security_advisory``). A document
has a tree of products, each with an id and means to identify it: a CPE for what is installed from, a purl for what is
installed. ``relationships`` join them (*this package as a component of that product*), and the pair has its own id;
``product_status`` lists such ids by what holds of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import unquote

from vulndb.feed import mapping, strings
from vulndb.records import Rating

MAX_PRODUCTS = 2_000_000
"""Products and relationships of one document; real ones have some ten thousand."""
_DEPTH = 60


class Purl(NamedTuple):
    """The parts of a package URL that advisories use. Whoever needs more of the format has ``packageurl``, which
    takes twenty times as long: documents hold millions of these."""

    type: str
    namespace: str
    name: str
    version: str
    qualifiers: dict[str, str]


def purl(text: str) -> Purl | None:
    """The parts of ``pkg:TYPE/NAMESPACE/NAME@VERSION?QUALIFIERS``; None if it is none."""
    if not text.startswith("pkg:"):
        return None
    rest, _, query = text[4:].partition("#")[0].partition("?")
    path, _, version = rest.partition("@")
    kind, _, name = path.strip("/").partition("/")
    namespace, _, name = name.rpartition("/")
    if not kind or not name:
        return None
    qualifiers = {}
    for pair in query.split("&") if query else ():
        key, _, value = pair.partition("=")
        qualifiers[key] = unquote(value)
    return Purl(kind.lower(), unquote(namespace), unquote(name), unquote(version), qualifiers)


@dataclass(frozen=True, slots=True)
class Component:
    """A package in a product: what an id in ``product_status`` stands for."""

    package: Purl
    cpe: str
    """Of the product."""
    module: str = ""
    """``name:stream`` of the rpm module, if it is one's."""


class Tree:
    """The products of one document."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        tree = mapping(document.get("product_tree"))
        self._helpers: dict[str, Mapping[str, Any]] = {}
        for product in _products(tree):
            name = product.get("product_id")
            if isinstance(name, str):
                self._helpers[name] = mapping(product.get("product_identification_helper"))
        self._joined: dict[str, tuple[str, str]] = {}
        listed = tree.get("relationships")
        for one in listed[:MAX_PRODUCTS] if isinstance(listed, list) else ():
            relation = mapping(one)
            name = mapping(relation.get("full_product_name")).get("product_id")
            part, whole = relation.get("product_reference"), relation.get("relates_to_product_reference")
            if isinstance(name, str) and isinstance(part, str) and isinstance(whole, str):
                self._joined[name] = part, whole
        self._purls: dict[str, Purl | None] = {}

    def component(self, name: str) -> Component | None:
        """What an id stands for; None if it is no package with a purl in a product with a CPE."""
        if name not in self._joined:
            return None
        part, whole = self._joined[name]
        package, module = self._purl(part), ""
        for _ in range(4):  # package in module in product
            if whole not in self._joined:
                break
            middle, whole = self._joined[whole]
            found = self._purl(middle)
            module = module or (_module(found, middle) if found is None or found.type == "rpmmod" else "")
        cpe = self._helpers.get(whole, {}).get("cpe")
        if package is None or not isinstance(cpe, str) or not cpe:
            return None
        if package.type == "rpmmod":  # `mysql@8.0/mysql`: the package of that name in the module
            stream, _, inner = package.version.partition("/")
            label = f"{package.name}:{stream.partition(':')[0]}" if stream else ""
            return Component(Purl("rpm", package.namespace, inner or package.name, "", {}), cpe, label)
        return Component(package, cpe, _stream(package.qualifiers.get("rpmmod", "")) or module)

    def _purl(self, name: str) -> Purl | None:
        if name not in self._purls:
            text = self._helpers.get(name, {}).get("purl")
            self._purls[name] = purl(text) if isinstance(text, str) else None
        return self._purls[name]


def _products(tree: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """All products: the leaves of the branches, at any depth, and those listed by themselves."""
    count = 0
    stack: list[tuple[Any, int]] = [(tree.get("branches"), 0)]
    while stack:
        branches, depth = stack.pop()
        for branch in branches if isinstance(branches, list) and depth < _DEPTH else ():
            count += 1
            if count > MAX_PRODUCTS:
                return
            if product := mapping(mapping(branch).get("product")):
                yield product
            stack.append((mapping(branch).get("branches"), depth + 1))
    listed = tree.get("full_product_names")
    for product in listed[:MAX_PRODUCTS] if isinstance(listed, list) else ():
        yield mapping(product)


def _module(found: Purl | None, name: str) -> str:
    """``nodejs:16`` of a module's purl, or of its product id ``nodejs:16:8060020230306170237:ad008a3a``."""
    if found is None:
        return _stream(name)
    return _stream(f"{found.name}:{found.version}" if found.version else found.name)


def _stream(label: str) -> str:
    name, _, rest = label.partition(":")
    stream = rest.partition(":")[0].partition("/")[0]
    return f"{name}:{stream}" if name and stream else ""


# --- what is said of products --------------------------------------------------------------------


def by_product(listed: object, field: str, told: str, only: Mapping[str, str] | None = None) -> dict[str, str]:
    """The text ``told`` of each entry of a list (``threats``), by the ids it names under ``field``.

    ``only``: fields that an entry must have with these values.
    """
    found: dict[str, str] = {}
    for one in listed if isinstance(listed, list) else ():
        entry = mapping(one)
        text = entry.get(told)
        if isinstance(text, str) and all(entry.get(key) == value for key, value in (only or {}).items()):
            for name in strings(entry.get(field), MAX_PRODUCTS):
                found[name] = text
    return found


def ratings(vulnerability: Mapping[str, Any], source: str) -> tuple[tuple[Rating, ...], frozenset[str]]:
    """(the CVSS vectors, products that are rated 0.0): the latter have no problem at all."""
    found: dict[Rating, None] = {}
    harmless: set[str] = set()
    listed = vulnerability.get("scores")
    for one in listed if isinstance(listed, list) else ():
        scores = mapping(one)
        worst = 0.0
        for name in ("cvss_v4", "cvss_v3", "cvss_v2"):
            cvss = mapping(scores.get(name))
            vector, score = cvss.get("vectorString"), cvss.get("baseScore")
            worst = max(worst, score if isinstance(score, int | float) and not isinstance(score, bool) else 0.0)
            if isinstance(vector, str) and vector:
                found.setdefault(Rating(source, vector=vector))
        if worst == 0.0:
            harmless.update(strings(scores.get("products"), MAX_PRODUCTS))
    return tuple(found), frozenset(harmless)

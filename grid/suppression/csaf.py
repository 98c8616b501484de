"""CSAF 2.0 documents with a VEX profile, or any with ``product_status`` (https://docs.oasis-open.org/csaf/csaf/v2.0/).

``product_tree`` names products in nested ``branches``, ``full_product_names`` and ``relationships`` (a component of a
platform); ``vulnerabilities[].product_status`` lists them by their ids. A product counts if it has a package URL; a
component counts on platforms that are images (by package URL) or releases of a distribution (by CPE).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from grid.errors import SuppressionInvalid
from grid.suppression._products import ImageName, image_name, parse
from grid.suppression.openvex import checked
from grid.suppression.statement import Statement, moment

_STATUSES = {
    "known_not_affected": "not_affected",
    "fixed": "fixed",
    "first_fixed": "fixed",
    "known_affected": "affected",
    "first_affected": "affected",
    "last_affected": "affected",
    "under_investigation": "under_investigation",
}
_PLATFORM = re.compile(r"cpe:(?:/|2\.3:)[ao]:redhat:(?:enterprise_linux|rhel_\w+):(\d+)")
MAX_DEPTH = 100
"""Of ``branches`` in one another; real trees have five."""

MAX_GROUPED = 2_000_000
"""Products that flags and impacts name by their groups, in a document: a group is a word that stands for many."""

Product = tuple[str | None, str, ImageName | None]
"""(package URL, CPE, the image it is)."""


def recognises(document: dict[str, Any]) -> bool:
    """Whether a JSON object is CSAF."""
    head = document.get("document")
    return isinstance(head, dict) and "csaf_version" in head


def read(document: dict[str, Any], name: str) -> list[Statement]:
    """A statement for each problem, status and image; what is malformed in it is left out.

    Raises SuppressionInvalid for one that is made to cost more than it says.
    """
    head = _mapping(document.get("document"))
    issued = moment(_mapping(head.get("tracking")).get("current_release_date"))
    tree = _mapping(document.get("product_tree"))
    products = _products(tree)
    groups = {
        str(g.get("group_id")): [str(p) for p in _list(g.get("product_ids"))]
        for g in _mappings(tree.get("product_groups"))
    }
    found: list[Statement] = []
    grouped = 0
    for number, problem in enumerate(_mappings(document.get("vulnerabilities")), 1):
        ids = tuple(
            dict.fromkeys(
                str(i) for i in (problem.get("cve"), *(n.get("text") for n in _mappings(problem.get("ids")))) if i
            )
        )
        grouped += sum(
            len(groups.get(str(g), ()))
            for key in ("flags", "threats")
            for entry in _mappings(problem.get(key))
            for g in _list(entry.get("group_ids"))
        )
        if grouped > MAX_GROUPED:
            raise SuppressionInvalid(f"{name}: names more than {MAX_GROUPED:,} products by their groups")
        flags = _said(_mappings(problem.get("flags")), "label", groups)
        impacts = _said(
            (t for t in _mappings(problem.get("threats")) if t.get("category") == "impact"), "details", groups
        )
        for word, members in _mapping(problem.get("product_status")).items():
            if word in _STATUSES:
                listed = [str(m) for m in _list(members)]
                found += [
                    checked(
                        Statement(kind="vex", origin=f"{name}#{number}", status=_STATUSES[word], ids=ids,
                                  issued_at=issued, **made),
                        explained=bool(made["justification"] or made["reason"]),
                    )
                    for made in _statements(listed, products, flags, impacts)
                ]  # fmt: skip
    return found


def _statements(
    listed: list[str],
    products: Mapping[str, list[Product]],
    flags: Mapping[str, str],
    impacts: Mapping[str, str],
) -> Iterator[dict[str, Any]]:
    """What statements the products of one status make: those of one image and one reason together."""
    packages: dict[tuple[ImageName | None, str, str], dict[str, None]] = defaultdict(dict)
    known = False
    for product in listed:
        reason = (flags.get(product, flags.get("", "")), impacts.get(product, impacts.get("", "")))
        for url, _, image in products.get(product, ()):
            packages[(image, *reason)].update({url: None} if url else {})
            known = True
    if not known:
        yield {"justification": "", "reason": "", "problem": "names no product that is a package or an image"}
    for (image, label, details), urls in packages.items():
        yield {
            "packages": tuple(urls),
            "registry": image.registry if image else "",
            "repositories": image.repositories if image else (),
            "tags": image.tags if image else (),
            "digest": image.digest if image else "",
            "arch": image.arch if image else "",
            "justification": label,
            "reason": " ".join(details.split())[:500],
        }


def _products(tree: dict[str, Any]) -> dict[str, list[Product]]:
    """Product id → what it is; ids that say nothing we understand are left out."""
    plain: dict[str, Product] = {}
    for product in _full_names(tree):
        helper = _mapping(product.get("product_identification_helper"))
        urls = [str(u) for u in (helper.get("purl"), *_list(helper.get("purls"))) if u]
        image = next(filter(None, map(image_name, urls)), None)
        package = next((u for u in urls if image is None and parse(u)), None)
        plain[str(product.get("product_id"))] = (package, str(helper.get("cpe") or ""), image)
    meant = {id: [p] for id, p in plain.items() if p[0] or p[2]}
    for relation in _mappings(tree.get("relationships")):
        part = plain.get(str(relation.get("product_reference")))
        whole = plain.get(str(relation.get("relates_to_product_reference")))
        id = _mapping(relation.get("full_product_name")).get("product_id")
        if part is None or whole is None or not part[0] or not id:
            continue
        if whole[2] is not None:
            meant[str(id)] = [(part[0], "", whole[2])]
        elif platform := _PLATFORM.match(whole[1]):
            meant[str(id)] = [(_on(part[0], f"rhel-{platform[1]}"), "", None)]
    return meant


def _on(text: str, distro: str) -> str:
    """The package URL with the distribution it is meant for."""
    return text if "distro=" in text else f"{text}{'&' if '?' in text else '?'}distro={distro}"


def _full_names(tree: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from _mappings(tree.get("full_product_names"))
    waiting = [(branch, 0) for branch in _mappings(tree.get("branches"))]
    while waiting:
        branch, depth = waiting.pop()
        if isinstance(branch.get("product"), dict):
            yield branch["product"]
        if depth < MAX_DEPTH:
            waiting += [(below, depth + 1) for below in _mappings(branch.get("branches"))]


def _said(entries: Iterable[dict[str, Any]], key: str, groups: Mapping[str, list[str]]) -> dict[str, str]:
    """Product → text; under "" what is said of all."""
    said: dict[str, str] = {}
    for entry in entries:
        text = entry.get(key)
        if not isinstance(text, str):
            continue
        members = [str(p) for p in _list(entry.get("product_ids"))]
        members += [p for g in _list(entry.get("group_ids")) for p in groups.get(str(g), ())]
        for product in members or [""]:
            said.setdefault(product, text)
    return said


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _mappings(value: object) -> list[dict[str, Any]]:
    return [v for v in _list(value) if isinstance(v, dict)]

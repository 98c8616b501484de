"""Products of Red Hat's as CPE 2.2 URIs: ``cpe:/PART:VENDOR:PRODUCT:VERSION:UPDATE:EDITION``.

Advisories speak of products, images name repositories, and ``repository-to-cpe.json`` says which products a repository
belongs to. Source of the format: NISTIR 7695, section 6.1.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

_USUAL = frozenset({"", "baseos", "appstream", "crb", "server", "client", "workstation", "computenode"})
"""Editions of Enterprise Linux that every subscription has."""
_ENTERPRISE = "enterprise_linux"
_EXTRAS = frozenset({"rhel_extras", "rhel_extras_other"})
"""Where releases 6 and 7 have what containers are made with; from 8 on it is part of appstream."""
_MAJOR = re.compile(r"(?:Red Hat):(\d+)")


class Product(NamedTuple):
    """A CPE's parts; "" stands for any."""

    part: str
    vendor: str
    product: str
    version: str
    edition: str
    """Update and edition: Red Hat writes ``::appstream`` and ``::el8``."""


@lru_cache(maxsize=20_000)
def parse(cpe: str) -> Product | None:
    """The parts of a CPE 2.2 URI; None if it is none."""
    head, slash, rest = cpe.strip().lower().partition(":/")
    if head != "cpe" or not slash:
        return None
    parts = [("" if part in ("*", "-") else part.rstrip("*")) for part in rest.split(":")]
    part, vendor, product, version, update, edition, *_ = [*parts, "", "", "", "", "", ""]
    return Product(part, vendor, product, version, edition or update)


def covers(wide: Product, narrow: Product) -> bool:
    """Whether everything of ``narrow`` is of ``wide``: each part equal or left open; ``4`` is any ``4.16``."""
    return (
        wide.part in ("", narrow.part)
        and wide.vendor in ("", narrow.vendor)
        and wide.product in ("", narrow.product)
        and (wide.version in ("", narrow.version) or narrow.version.startswith(wide.version + "."))
        and wide.edition in ("", narrow.edition)
    )


def usual(product: Product, major: str) -> bool:
    """Whether it is the operating system of this release, as every installation has it."""
    if product.version != major and not product.version.startswith(major + "."):
        return False
    return (product.product == _ENTERPRISE and product.edition in _USUAL) or product.product in _EXTRAS


def major_of(namespace: str) -> str | None:
    """``8`` of ``Red Hat:8``."""
    found = _MAJOR.fullmatch(namespace)
    return found[1] if found else None


def applies(cpe: str, namespace: str, products: frozenset[str], stated: frozenset[str]) -> bool:
    """``Ecosystem.applies`` for Red Hat: the image's products, else those of every installation; and what it states."""
    row, major = parse(cpe), major_of(namespace)
    if row is None or major is None:
        return False
    if not products and usual(row, major):
        return True
    return any(covers(row, own) for one in (*products, *stated) if (own := parse(one)) is not None)

"""Red Hat's advisories in the form of trivy-db: by product, not by release.

``Red Hat`` has a bucket a package (``nodejs:18::npm`` for a module's), in it one for each vulnerability with entries:
``{"FixedVersion", "Status", "Affected": [3, 7], "Arches", "Cves": [{"Severity"}]}``. ``Affected`` numbers CPEs, and the
bucket ``Red Hat CPE`` says which numbers a repository has (``repository``), which an image's build has (``nvr``), and
what they mean (``cpe``). Numbers are compared and nothing else, so a product that a row leaves open is written out as
all that it holds, as Red Hat's OVAL files did.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

NAME, SOURCE = "Red Hat", "redhat-oval"
Row = Mapping[str, Any]


@dataclass(slots=True)
class Products:
    """All CPEs that anything names, numbered."""

    names: list[str] = field(default_factory=list)
    numbers: dict[str, int] = field(default_factory=dict)

    def add(self, cpe: str) -> int:
        """The number of a CPE."""
        if cpe not in self.numbers:
            self.numbers[cpe] = len(self.names)
            self.names.append(cpe)
        return self.numbers[cpe]

    def within(self, cpe: str) -> list[int]:
        """Those that are this one, or of it: ``openshift:4`` has ``openshift:4.16::el9``."""
        begins = (f"{cpe}:", f"{cpe}.") if cpe.count(":") >= 4 else (f"{cpe}:",)
        return [n for n, name in enumerate(self.names) if name == cpe or name.startswith(begins)]


def mapping(repositories: Iterable[tuple[str, str]], builds: Mapping[str, Sequence[str]], rows: Iterable[str]) -> \
        tuple[Products, dict[str, dict[str, bytes]]]:  # fmt: skip
    """The CPEs, and the buckets that name them: of (repository, CPE) pairs, of ``name-version-release-arch``."""
    products = Products()
    told: dict[str, list[int]] = defaultdict(list)
    for repository, cpe in repositories:
        told[repository].append(products.add(cpe))
    built = {name: [products.add(cpe) for cpe in cpes] for name, cpes in builds.items()}
    for cpe in rows:
        products.add(cpe)
    return products, {
        "repository": {name: _json(sorted(set(numbers))) for name, numbers in told.items()},
        "nvr": {name: _json(sorted(set(numbers))) for name, numbers in built.items()},
        "cpe": {str(number): _json(name) for number, name in enumerate(products.names)},
    }


def entries(
    rows: Sequence[Row], products: Products, labels: Mapping[str, int], states: Mapping[str, int]
) -> dict[str, dict[str, Any]]:
    """By module ("" = none): what the rows of one package and vulnerability say, of all releases."""
    found: dict[str, dict[str, Any]] = {}
    for module in sorted({row["module"] or "" for row in rows}):
        told: dict[tuple[str, int, tuple[str, ...], int], set[int]] = defaultdict(set)
        for row in rows:
            if (row["module"] or "") == module or (module and _of_any_module(row)):
                state = 0 if row["fixed"] else states.get(row["state"], 2)
                key = row["fixed"] or "", state, tuple(row["arches"] or ()), labels.get(row["severity"] or "", 0)
                for cpe in row["cpes"] or ():
                    told[key].update(products.within(cpe))
        found[module] = {"Entries": [_entry(*key, sorted(numbers)) for key, numbers in sorted(told.items())]}
    return found


def _entry(fixed: str, state: int, arches: tuple[str, ...], label: int, numbers: list[int]) -> dict[str, Any]:
    entry: dict[str, Any] = {"Affected": numbers, "Cves": [{"Severity": label} if label else {}]}
    if fixed:
        entry["FixedVersion"] = fixed
    if state:
        entry["Status"] = state
    if arches:
        entry["Arches"] = list(arches)
    return entry


def _of_any_module(row: Row) -> bool:
    return row["module"] is None and ".module" in (row["fixed"] or "")


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()

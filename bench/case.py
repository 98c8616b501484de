"""A case: one TOML file that says what is measured, at which sizes, what must come out and which bars hold.

measures = "one sentence"
model = "scan"  # the module of bench.models that measures
analysis = '''what to think of the figures'''
[full] / [verify]               # parameters of the model, per size
[expect] / [expect.verify] …    # counts that must come out (for all sizes / for one)
[[figures]]                     # in the order of the table; most or least makes it a bar
name = "cpu_per_gb"  title = "CPU per GB"  unit = "s"  most = 2.5  beside = "floor: {floor_per_gb:.2f} s"
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

CASES = Path(__file__).with_name("cases")
SIZES = ("full", "verify")


class CaseInvalid(Exception):
    """A case file that does not follow the form above."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One number of a case, and the bar that it must hold, if there is one."""

    name: str
    title: str
    unit: str = ""
    most: float | None = None
    least: float | None = None
    beside: str = ""
    """A format string over the case's figures: the floor or peer of the same run."""
    digits: int = 2

    @property
    def bar(self) -> str:
        """As the table shows it; empty without a bar."""
        if self.most is None and self.least is None:
            return ""
        sign, value = ("≤", self.most) if self.most is not None else ("≥", self.least)
        return f"{sign} {value:g}{self.unit and ' ' + self.unit}"

    def holds(self, value: float) -> bool | None:
        """Whether a value holds the bar; None without one."""
        if self.most is not None:
            return value <= self.most
        return value >= self.least if self.least is not None else None


@dataclass(frozen=True, slots=True)
class Case:
    """What a case file says."""

    name: str
    model: str
    measures: str
    analysis: str
    parameters: Mapping[str, Mapping[str, Any]]
    """By size."""
    expect: Mapping[str, Mapping[str, int]]
    """By size."""
    figures: tuple[Figure, ...]
    order: int = 0

    def set(self, parameters: Mapping[str, int | str]) -> Case:
        """The same with other parameters; raises CaseInvalid for one that the case does not have."""
        unknown = sorted(name for name in parameters if any(name not in of for of in self.parameters.values()))
        if unknown:
            raise CaseInvalid(f"{self.name} has no parameter {', '.join(unknown)}")
        return replace(self, parameters={size: {**of, **parameters} for size, of in self.parameters.items()})

    def judge(self, size: str, counts: Mapping[str, int], wanted: Mapping[str, int]) -> list[str]:
        """What is wrong with the counts of a run: ``wanted`` is what the model counted in another way.

        A count that is expected and did not come out is wrong, too; no expectation at all is wrong as well.
        """
        expected = {**wanted, **self.expect[size]}
        if not expected:
            return ["nothing was expected"]
        return [
            f"{name} is {counts.get(name, 'missing')}, expected {value}"
            for name, value in expected.items()
            if counts.get(name) != value
        ]


def load_cases(folder: Path = CASES) -> list[Case]:
    """All cases in the order in which they are shown; raises CaseInvalid naming the file."""
    cases = [load_case(path) for path in sorted(folder.glob("*.toml"))]
    return sorted(cases, key=lambda case: (case.order, case.name))


def load_case(path: Path) -> Case:
    """One case; raises CaseInvalid."""
    try:
        raw = tomllib.loads(path.read_text("utf-8"))
        expect = raw.get("expect", {})
        always = {name: value for name, value in expect.items() if not isinstance(value, dict)}
        return Case(
            name=path.stem,
            model=raw["model"],
            measures=raw["measures"],
            analysis=raw["analysis"].strip(),
            parameters={size: raw[size] for size in SIZES},
            expect={size: {**always, **expect.get(size, {})} for size in SIZES},
            figures=tuple(Figure(**figure) for figure in raw["figures"]),
            order=int(raw.get("order", 0)),
        )
    except (tomllib.TOMLDecodeError, KeyError, TypeError, ValueError) as error:
        raise CaseInvalid(f"{path.name}: {type(error).__name__}: {error}") from error

"""The rules of the house: imports go downwards only, and each third-party library has its rooms."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

FLOORS: tuple[tuple[str, ...], ...] = (
    ("errors", "events", "model", "schema", "keys", "database", "paths", "patterns", "cache"),
    ("estate", "ecosystems"),
    ("detectors",),
    ("layers",),
    ("images", "match", "findings", "support", "suppression"),
    ("registries", "store", "commits", "counting", "remote", "warehouse", "snapshot"),
    ("plan", "limiter"),
    ("driver", "survey", "judge", "squashing", "life"),
    ("sweep", "reports", "testing", "demo", "reference"),
    ("cli",),
)
"""Bottom first. Modules of one floor are siblings and do not import each other, but for ``WITHIN``."""

WITHIN = {
    # floor 0 is the vocabulary: its modules may build on each other in this order
    ("model", "errors"), ("schema", "errors"), ("keys", "errors"), ("keys", "model"), ("database", "errors"),
    ("database", "schema"), ("paths", "errors"), ("events", "model"), ("paths", "model"), ("patterns", "errors"),
    ("patterns", "cache"),
    # one room in two files
    ("commits", "counting"), ("store", "commits"), ("store", "counting"), ("judge", "squashing"),
    ("warehouse", "store"), ("warehouse", "counting"),
    ("remote", "store"), ("warehouse", "remote"), ("snapshot", "warehouse"), ("snapshot", "store"),
    ("demo", "testing"),
}  # fmt: skip

BUDGET = {
    "ray": {"grid.driver", "grid.limiter", "jobs"},
    "hyperscan": {"grid.patterns"},
    "httpx": {"grid.registries", "vulndb.feed", "vulndb.feeds", "vulndb.fetch", "grid.reports"},
    "duckdb": {
        "grid.images",
        "grid.match",
        "grid.findings",
        "grid.suppression",
        "grid.remote",
        "grid.warehouse",
        "grid.snapshot",
        "grid.plan",
        "vulndb",
        "bench",
    },
    "fsspec": {"grid.remote"},
    "isal": {"grid.layers", "bench"},
    "ruamel": {"grid.estate", "grid.detectors", "grid.suppression"},
    "cryptography": {"vulndb.signing"},
    "pydantic": {"grid.estate", "grid.detectors", "grid.suppression"},
    "typer": {"grid.cli", "vulndb.commands", "jobs", "bench"},
    "rich": {"grid.cli", "grid.reports", "vulndb.commands", "bench"},
}
"""Third-party library → the modules (with all below them) that may import it."""


AT_THE_REGISTRY = {"vulndb.oci", "vulndb.commands"}
"""The modules of ``vulndb`` that may use ``grid.registries``: databases are pushed to and pulled from them."""


def modules() -> list[Path]:
    return sorted(p for top in ("grid", "vulndb", "jobs", "bench") for p in (ROOT / top).rglob("*.py"))


def dotted(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path) -> Iterator[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative import"
            if node.module == "grid":
                yield from (f"grid.{alias.name}" for alias in node.names)
            else:
                yield node.module


def room(name: str) -> str | None:
    parts = name.split(".")
    return parts[1] if parts[0] == "grid" and len(parts) > 1 else None


def floor(room_name: str) -> int:
    for number, rooms in enumerate(FLOORS):
        if room_name in rooms:
            return number
    raise AssertionError(f"grid.{room_name} stands on no floor: add it to FLOORS")


@pytest.mark.parametrize("path", modules(), ids=dotted)
def test_imports_go_downwards_only(path: Path) -> None:
    here = room(dotted(path))
    if here is None:
        return
    for name in imports(path):
        there = room(name)
        if there is None or there == here:
            continue
        if floor(there) == floor(here):
            assert (here, there) in WITHIN, f"{dotted(path)} imports its sibling {name}"
        else:
            assert floor(there) < floor(here), f"{dotted(path)} (floor {floor(here)}) imports {name} from above"


@pytest.mark.parametrize("path", modules(), ids=dotted)
def test_third_party_libraries_stay_in_their_rooms(path: Path) -> None:
    here = dotted(path)
    for name in imports(path):
        library = name.partition(".")[0]
        allowed = BUDGET.get(library)
        if allowed is not None:
            assert any(here == a or here.startswith(a + ".") for a in allowed), f"{here} imports {name}"


def test_grid_and_vulndb_meet_in_a_schema_only() -> None:
    for path in modules():
        here = dotted(path)
        for name in imports(path):
            if here.split(".")[0] == "grid":
                assert not name.startswith(("vulndb", "jobs", "bench")), f"{here} imports {name}"
            if here.split(".")[0] == "vulndb" and room(name):
                rooms = {*FLOORS[0], "ecosystems"}
                if any(here == a or here.startswith(a + ".") for a in AT_THE_REGISTRY):
                    rooms |= {"registries"}
                assert room(name) in rooms, f"{here} imports {name}: vulndb may use floor 0 and the ecosystems"
            if here.split(".")[0] == "vulndb":
                assert not name.startswith("bench"), f"{here} imports {name}"
                assert not name.startswith("jobs") or here.startswith("vulndb.commands."), f"{here} imports {name}"


def test_layers_know_no_concrete_detector_and_floor_four_no_bytes() -> None:
    for path in modules():
        here = dotted(path)
        for name in imports(path):
            if here.startswith("grid.layers"):
                assert not name.startswith("grid.detectors."), f"{here} imports {name}"
            if room(here) in FLOORS[4]:
                assert room(name) not in ("layers", "detectors"), f"{here} imports {name}"


def test_every_plug_in_file_is_on_its_list() -> None:
    from grid import detectors, ecosystems, registries

    for path in (ROOT / "grid/ecosystems").glob("[a-z]*.py"):
        plug_in = import_module(f"grid.ecosystems.{path.stem}").ECOSYSTEM
        assert any(plug_in is listed for listed in ecosystems.ALL), f"{path.name} is on no list"
    for path in (ROOT / "grid/detectors").glob("[a-z]*.py"):
        text = path.read_text(encoding="utf-8")
        assert "\nDETECTOR = " not in text or path.stem in detectors.NAMES, f"{path.name} is on no list"
    connectors = {p.stem for p in (ROOT / "grid/registries").glob("[a-z]*.py") if "\ndef connect(" in p.read_text()}
    assert {f"grid.registries.{name}" for name in connectors} == set(registries.KINDS.values())

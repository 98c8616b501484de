"""What a command does not need it does not import: that would take as long as scanning a small image."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = {"numpy", "pyarrow", "duckdb", "ray", "httpx", "hyperscan", "ruamel.yaml", "cryptography"}


def imported(program: str) -> set[str]:
    whole = f"import sys\n{program}\nprint(*sys.modules)"
    ended = subprocess.run([sys.executable, "-c", whole], capture_output=True, text=True, check=True)
    return set(ended.stdout.splitlines()[-1].split())


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["scan", "--help"], ["sql", "--help"], ["nonsense"]])
def test_help_needs_no_library_that_works(arguments: list[str]) -> None:
    program = f"""
from grid.cli import main
sys.argv = ["scangrid", *{arguments!r}]
try:
    main()
except SystemExit:
    pass
"""
    assert not imported(program) & HEAVY


def test_a_scan_needs_neither_ray_nor_a_registry_client() -> None:
    program = "import grid.sweep, grid.snapshot, grid.driver, grid.reports.results, grid.cli.scan"
    assert not imported(program) & {"ray", "httpx", "cryptography", "rich.console"}

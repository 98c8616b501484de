"""The ``scangrid`` command as users run it, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

COMMAND = [sys.executable, "-c", "from grid.cli import main; main()"]


def environment(**more: str | Path) -> dict[str, str]:
    """Ours, without what a developer has set for scangrid or Ray."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("SCANGRID_", "RAY_"))}
    return clean | {k: str(v) for k, v in more.items()}


def scangrid(*arguments: str | Path, timeout: float = 120, **env: str | Path) -> subprocess.CompletedProcess[str]:
    """Run to the end."""
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        env=environment(**env), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout,
    )  # fmt: skip


def start(*arguments: str | Path) -> subprocess.Popen[bytes]:
    """Start and go on; its errors are shown if the test fails."""
    return subprocess.Popen(
        [*COMMAND, *map(str, arguments)], env=environment(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )

"""What tests of several packages share: the shared test data, and real registries where they are installed."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import settings

from grid.registries import Access

# A commit is judged by the same examples whoever runs it. New ones: pytest -m hypothesis --hypothesis-profile=search.
# No deadlines: they would measure how busy the machine is.
settings.register_profile("same", derandomize=True, deadline=None)
settings.register_profile("search", deadline=None, print_blob=True)
settings.load_profile("same")

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """For ``-n``: a file's tests stay in one process, for they share fixtures, and so do all that start a cluster.

    But for those that kill: their clusters are of processes of their own.
    """
    from xdist.scheduler import LoadScopeScheduling

    files = Path(__file__).parent.rglob("test_*.py")
    clusters = {str(file.relative_to(config.rootpath)) for file in files if "mark.ray" in file.read_text()}

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            shared = (file in clusters or "[ray" in nodeid) and not file.endswith("test_kill.py")
            return "ray" if shared else file

    return ByFile(config, log)


@pytest.fixture(scope="session")
def shared_images() -> Path:
    """The folder of real images beside the project; tests that need it are skipped where it is absent."""
    folder = SHARED / "images"
    if not folder.is_dir():
        pytest.skip("the shared test data (../shared/data/images) is absent")
    return folder


_COUNTED = """
WITH worst AS (
    SELECT registry, repository, tag, digest, vuln_id,
        count(*) FILTER (open) AS n, bool_or(kev) AS kev, max(risk) AS risk,
        bool_or(open AND from_base) AS base, bool_or(open AND fixed_version IS NOT NULL) AS fixable,
        min(CASE WHEN open THEN list_position(
            ['critical', 'high', 'medium', 'low', 'negligible', 'unknown'], severity) ELSE 7 END) AS rank
    FROM (SELECT *, suppressed_by IS NULL AS open FROM vulnerabilities WHERE found_as <> 'declared') GROUP BY ALL
)
SELECT registry, repository, tag, digest, count(*) FILTER (rank < 7), count(*) FILTER (rank = 1),
    count(*) FILTER (rank = 2), count(*) FILTER (rank = 3), count(*) FILTER (rank = 4), count(*) FILTER (rank = 5),
    count(*) FILTER (rank = 6), count(*) FILTER (fixable), count(*) FILTER (kev AND rank < 7), sum(n),
    count(*) FILTER (rank = 7), max(risk) FILTER (rank < 7), count(*) FILTER (base)
FROM worst GROUP BY ALL ORDER BY ALL
"""
_SUMMED = """
SELECT registry, repository, tag, digest, vulnerabilities, critical, high, medium, low, negligible, unknown,
    fixable, kev, findings, suppressed, nullif(risk, 0), coalesce(vulnerabilities_base, 0)
FROM image_summary WHERE vulnerabilities + suppressed > 0 ORDER BY ALL
"""


@pytest.fixture(scope="session")
def same_counts() -> Callable[[duckdb.DuckDBPyConnection], int]:
    """Compares the counts of ``image_summary`` with the rows of ``vulnerabilities``; how many images have any."""

    def compare(con: duckdb.DuckDBPyConnection) -> int:
        counted, summed = con.execute(_COUNTED).fetchall(), con.execute(_SUMMED).fetchall()
        assert [(*row[:15], row[15] or None, row[16]) for row in counted] == summed
        return len(summed)

    return compare


@dataclass
class RealRegistry:
    """A docker-registry process of ours on a loopback port."""

    folder: Path
    port: int
    htpasswd: tuple[str, str] | None = None
    tls: tuple[Path, Path] | None = None
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def access(self, **changes: object) -> Access:
        fields = {"kind": "docker", "address": self.address, "plain_http": self.tls is None, "timeout": 10.0, **changes}
        return Access(**fields)  # type: ignore[arg-type]

    def start(self) -> None:
        lines = [
            "version: 0.1",
            "log: {level: error, accesslog: {disabled: true}}",
            f"storage: {{filesystem: {{rootdirectory: '{self.folder / 'storage'}'}}}}",
            "http:",
            f"  addr: '{self.address}'",
            "  secret: not-secret",
        ]
        if self.tls:
            lines += ["  tls:", f"    certificate: '{self.tls[0]}'", f"    key: '{self.tls[1]}'"]
        if self.htpasswd:
            made = subprocess.run(["htpasswd", "-Bbn", *self.htpasswd], check=True, capture_output=True)
            (self.folder / "htpasswd").write_bytes(made.stdout)
            lines += ["auth:", "  htpasswd:", "    realm: test", f"    path: '{self.folder / 'htpasswd'}'"]
        config = self.folder / "config.yml"
        config.write_text("\n".join(lines) + "\n")
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                ["docker-registry", "serve", str(config)], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            assert self.process.poll() is None, (self.folder / "log").read_text()
            time.sleep(0.05)
        raise AssertionError("docker-registry did not start")

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(10)
            self.process = None

    def push(self, source: str, name: str) -> None:
        """Copy an image and all its platforms here with skopeo; ``source`` is any skopeo reference."""
        command = ["skopeo", "--insecure-policy", "copy", "--quiet", "--all", "--dest-tls-verify=false"]
        if self.htpasswd:
            command += ["--dest-creds", ":".join(self.htpasswd)]
        done = subprocess.run([*command, source, f"docker://{self.address}/{name}"], capture_output=True, timeout=120)
        assert done.returncode == 0, done.stderr.decode()


@pytest.fixture(scope="session")
def start_docker_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., RealRegistry]]:
    """Start a real docker-registry: ``start(htpasswd=("user", "password"), tls=(certificate, key))``."""
    needed = ("docker-registry", "skopeo", "htpasswd")
    missing = [program for program in needed if shutil.which(program) is None]
    if missing:
        pytest.skip(f"{' and '.join(missing)} not installed")
    started: list[RealRegistry] = []

    def start(htpasswd: tuple[str, str] | None = None, tls: tuple[Path, Path] | None = None) -> RealRegistry:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        registry = RealRegistry(tmp_path_factory.mktemp("registry"), port, htpasswd, tls)
        started.append(registry)
        registry.start()
        return registry

    yield start
    for registry in started:
        registry.kill()


@pytest.fixture(scope="session")
def docker_registry(start_docker_registry: Callable[..., RealRegistry]) -> RealRegistry:
    """An anonymous real docker-registry for the whole session; fill it with ``push``. Don't stop it."""
    return start_docker_registry()

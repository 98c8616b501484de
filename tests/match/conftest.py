"""A small world to match in: a database written row by row, and packages beside it."""

from __future__ import annotations

from datetime import datetime
from itertools import count
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from grid import findings, match
from grid.database import Database
from grid.ecosystems import for_osv
from grid.keys import LOWEST, successor
from vulndb.build import publish

DATA = Path(__file__).parents[2].parent / "shared" / "data"


class World:
    """Collects rows; ``hits``, ``findings`` and ``explain`` publish them and match."""

    def __init__(self, root: Path) -> None:
        self.root = root
        names = ("advisories", "ranges", "exact", "severities", "kev", "epss", "repository_cpes", "binaries")
        self.tables: dict[str, list[dict]] = {name: [] for name in names}
        self.packages: list[dict] = []

    def advisory(
        self, advisory_id: str, vuln_id: str | None = None, *aliases: str, source: str = "osv", **more
    ) -> None:
        for key in ("published", "modified"):
            if key in more:
                more[key] = datetime.fromisoformat(more[key])
        self.tables["advisories"].append(
            {"advisory_id": advisory_id, "source": source, "vuln_id": vuln_id or advisory_id, "aliases": list(aliases)}
            | more
        )

    def range(
        self,
        namespace: str,
        name: str,
        advisory_id: str,
        introduced: str = "0",
        fixed: str | None = None,
        last: str | None = None,
        *,
        source: str = "osv",
        state: str | None = None,
        severity: str | None = None,
        vuln_id: str | None = None,
        arches: list[str] | None = None,
        module: str | None = None,
        flavour: str | None = None,
        cpes: list[str] | None = None,
        erratum: str | None = None,
    ) -> None:
        key = for_osv(namespace).key
        self.tables["ranges"].append(
            {
                "namespace": namespace,
                "name": name,
                "advisory_id": advisory_id,
                "source": source,
                "lo": LOWEST if introduced == "0" else key(introduced),
                "hi": key(fixed) if fixed else successor(key(last)) if last else None,
                "introduced": introduced,
                "fixed": fixed,
                "last_affected": last,
                "state": state or ("fixed" if fixed else "affected"),
                "severity": severity,
                "vuln_id": vuln_id,
                "arches": arches,
                "module": module,
                "flavour": flavour,
                "cpes": cpes,
                "erratum": erratum,
            }
        )

    def exact(
        self, namespace: str, name: str, advisory_id: str, *versions: str, fixed: str | None = None, **more
    ) -> None:
        for version in versions:
            self.tables["exact"].append(
                {
                    "namespace": namespace,
                    "name": name,
                    "version": version,
                    "advisory_id": advisory_id,
                    "source": "osv",
                    "fixed": fixed,
                    "state": "fixed" if fixed else "affected",
                }
                | more
            )

    def rating(self, vuln_id: str, source: str, label=None, score=None, vector=None, advisory_id: str = "x") -> None:
        self.tables["severities"].append(
            {
                "vuln_id": vuln_id,
                "advisory_id": advisory_id,
                "source": source,
                "label": label,
                "score": score,
                "vector": vector,
            }
        )

    def kev(self, cve_id: str, due: str | None = None, ransomware: bool = False) -> None:
        self.tables["kev"].append(
            {"cve_id": cve_id, "date_added": "2024-01-01", "due_date": due, "ransomware": ransomware}
        )

    def epss(self, cve_id: str, score: float, date: str = "2026-01-01") -> None:
        self.tables["epss"].append({"cve_id": cve_id, "score": score, "percentile": 0.5, "date": date})

    def package(
        self,
        namespace: str | None,
        name: str,
        version: str,
        *,
        source: str | None = None,
        source_version: str | None = None,
        ecosystem: str | None = None,
        package_id: int | None = None,
        arch: str | None = None,
        modularity: str | None = None,
        origin: str | None = None,
        repositories: list[str] | None = None,
    ) -> int:
        number = len(self.packages) + 1 if package_id is None else package_id
        self.packages.append(
            {
                "package_id": number,
                "ecosystem": ecosystem or for_osv(namespace).name,
                "name": name,
                "version": version,
                "source_name": source,
                "source_version": source_version,
                "arch": arch,
                "modularity": modularity,
                "origin": origin,
                "repositories": repositories,
                "namespace": namespace,
            }
        )
        return number

    @property
    def database(self) -> Database:
        return publish(self.root, self.tables)

    @property
    def candidates(self) -> pa.Table:
        return pa.Table.from_pylist(self.packages, schema=match.CANDIDATES)

    def hits(self) -> match.Hits:
        with duckdb.connect() as con:
            return match.hits(con, self.database, self.candidates)

    def table(self) -> pa.Table:
        database = self.database
        with duckdb.connect() as con:
            return findings.merge(con, database, match.hits(con, database, self.candidates))

    def findings(self) -> list[dict]:
        return self.table().to_pylist()

    def finding(self) -> dict:
        """The only one."""
        (found,) = self.findings()
        return found

    def found(self) -> set[tuple[int, str]]:
        rows = self.findings()
        pairs = {(row["package_id"], row["vuln_id"]) for row in rows}
        assert len(pairs) == len(rows)
        return pairs

    def explain(self) -> list[match.Verdict]:
        with duckdb.connect() as con:
            return match.explain(con, self.database, self.candidates)


@pytest.fixture(scope="session")
def new_world(tmp_path_factory):
    numbers = count()
    return lambda: World(tmp_path_factory.mktemp(f"world{next(numbers)}"))


@pytest.fixture
def world(new_world) -> World:
    return new_world()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    if not DATA.is_dir():
        pytest.skip(f"shared test data is not at {DATA}")
    return DATA

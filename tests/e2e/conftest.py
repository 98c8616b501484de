"""Both executors, one Ray cluster a test run, and a sample database."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from grid.database import Database, open_database
from grid.driver import Executor, LocalExecutor, RayExecutor
from vulndb.build import build_sample


@pytest.fixture(scope="session")
def ray_executor() -> Iterator[RayExecutor]:
    executor = RayExecutor(num_cpus=2)
    yield executor
    executor.close()


@pytest.fixture(params=["local", pytest.param("ray", marks=pytest.mark.ray)])
def executor(request: pytest.FixtureRequest) -> Executor:
    """The same tests run in this process and on Ray."""
    if request.param == "local":
        return LocalExecutor()
    executor: Executor = request.getfixturevalue("ray_executor")
    return executor


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> Database:
    root = tmp_path_factory.mktemp("database")
    build_sample(root)
    return open_database(root)

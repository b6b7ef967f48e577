"""One running service per database for these tests; those that break a service start their own."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.conftest import BOTH
from tests.e2e.running import Running, start_service


@pytest.fixture(scope="package")  # gone before other tests want the machine
def services(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Running]]:
    """Services by the kind of their database, started when first asked for."""
    running: dict[str, Running] = {}
    yield running
    for service in running.values():
        service.stop()


@pytest.fixture(params=BOTH)
def service(
    request: pytest.FixtureRequest, services: dict[str, Running], tmp_path_factory: pytest.TempPathFactory
) -> Running:
    """A service that tests share: leave it as you found it."""
    kind: str = request.param
    if kind not in services:
        arguments = []
        if kind == "postgresql":
            arguments = ["--database-url", request.getfixturevalue("make_postgresql_database")()]
        services[kind] = start_service(tmp_path_factory.mktemp("service") / kind, *arguments)
    return services[kind]


@pytest.fixture(scope="module")
def services_by_workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Running]]:
    """The same service with one, two and three pack actors."""
    folder = tmp_path_factory.mktemp("workers")
    with ThreadPoolExecutor() as pool:
        running = list(pool.map(lambda n: start_service(folder / str(n), "--workers", str(n)), (1, 2, 3)))
    yield running
    for service in running:
        service.stop()


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"

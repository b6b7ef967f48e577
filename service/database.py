"""The database: engines, sessions, its clock, its faults and its migrations. No table and no query of the domain."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import psycopg
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Double, Engine, create_engine, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Session
from sqlalchemy.sql.functions import FunctionElement

from service.numbers import dump_json

Fault = Literal["full", "away", "other"]
MIGRATIONS = Path(__file__).resolve().parent.parent / "migrations"
MIGRATION_LOCK = 7_264_118  # any number, the same for every process of ours
BUSY_SECONDS = 15
_AWAY_CLASSES = ("08", "57", "53")  # connection, operator intervention, insufficient resources
_DISK_FULL = "53100"


class now(FunctionElement[float]):
    """Seconds since 1970 on the database's clock: leases must not depend on the clocks of several machines."""

    inherit_cache = True
    type = Double()


@compiles(now, "postgresql")
def _now_postgresql(element: now, compiler: Any, **options: Any) -> str:
    return "CAST(EXTRACT(EPOCH FROM clock_timestamp()) AS DOUBLE PRECISION)"


@compiles(now, "sqlite")
def _now_sqlite(element: now, compiler: Any, **options: Any) -> str:
    return "regatta_now()"  # SQLite's own clock counts milliseconds: jobs submitted within one would have no order


class Database:
    """One database and its two kinds of session. Safe to share between threads, not between processes."""

    def __init__(self, url: str | URL) -> None:
        self.url = parse_url(url)
        self.engine = _create_engine(self.url)
        self._writer = self.engine.execution_options(writes=True)

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """Open a session that sees one moment and stores nothing."""
        with Session(self.engine, autoflush=False, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """Open one transaction: committed at the end of the block, rolled back by an exception."""
        with Session(self._writer, expire_on_commit=False) as session, session.begin():
            yield session

    def is_at_head(self) -> bool:
        """Whether all migrations have run."""
        with self.engine.connect() as connection:
            done = set(MigrationContext.configure(connection).get_current_heads())
        return done == set(ScriptDirectory.from_config(alembic_config(self.url)).get_heads())

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()


def parse_url(url: str | URL) -> URL:
    """Name the driver that we use for the kind of database that `url` names.

    Raises: ValueError for a database that is neither SQLite nor PostgreSQL.
    """
    parsed = make_url(url)
    kind = parsed.get_backend_name()
    if kind == "sqlite":
        return parsed.set(drivername="sqlite+pysqlite")
    if kind in ("postgresql", "postgres"):
        return parsed.set(drivername="postgresql+psycopg")
    raise ValueError(f"database {kind!r} is not known; it can be sqlite or postgresql")


def migrate(url: str, revision: str = "head") -> None:
    """Bring the database to the newest schema or to a released one, in one transaction, one process at a time."""
    parsed = parse_url(url)
    if parsed.get_backend_name() == "sqlite" and parsed.database:
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    database = Database(url)
    config = alembic_config(parsed)
    try:
        with database.engine.execution_options(writes=True).begin() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
            config.attributes["connection"] = connection
            command.upgrade(config, revision)
    finally:
        database.close()


def alembic_config(url: URL) -> Config:
    """Build Alembic's configuration without a file, so that it works from any directory."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["url"] = url
    return config


def classify_fault(error: SQLAlchemyError) -> Fault:
    """Say whether the disk is full, the database cannot be reached (or is too busy), or something else is wrong."""
    if isinstance(error, PoolTimeout):
        return "away"
    if not isinstance(error, DBAPIError):
        return "other"
    cause = error.orig
    if isinstance(cause, sqlite3.OperationalError):
        return _classify_sqlite(cause)
    if isinstance(cause, psycopg.Error):
        return _classify_postgresql(cause, error.connection_invalidated)
    return "other"


def _classify_sqlite(cause: sqlite3.OperationalError) -> Fault:
    code = getattr(cause, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return "full"
    return "away" if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_CANTOPEN) else "other"


def _classify_postgresql(cause: psycopg.Error, invalidated: bool) -> Fault:
    state = cause.sqlstate or ""
    if state == _DISK_FULL:
        return "full"
    lost = invalidated or (not state and isinstance(cause, psycopg.OperationalError | psycopg.InterfaceError))
    return "away" if lost or state.startswith(_AWAY_CLASSES) else "other"


def _create_engine(url: URL) -> Engine:
    if url.get_backend_name() == "sqlite":
        engine = create_engine(url, json_serializer=dump_json, pool_size=10, max_overflow=30)
        event.listen(engine, "connect", _set_up_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    return create_engine(
        url,
        json_serializer=dump_json,
        pool_size=10,
        max_overflow=30,
        pool_pre_ping=True,
        pool_timeout=5,
        connect_args={"connect_timeout": 5},
    )


def _set_up_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    connection.create_function("regatta_now", 0, time.time)
    connection.isolation_level = None  # the driver must not open transactions of its own: _begin_sqlite does
    for pragma in (
        f"busy_timeout = {BUSY_SECONDS * 1000}",
        "journal_mode = WAL",
        "synchronous = NORMAL",
        "foreign_keys = ON",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    """Take the write lock at once where a transaction will write: an upgrade half way cannot wait, it fails."""
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

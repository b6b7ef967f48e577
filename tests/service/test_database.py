"""The database itself: its schema, its clock, its two kinds of session."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect, select, text
from sqlalchemy.engine import Inspector

from service.database import Database, migrate, now, parse_url
from service.tables import Dataset, Job, Table
from tests.conftest import BOTH
from tests.service.facts import submit

RELEASED = sorted(Path(__file__).parent.glob("schema_*.txt"))


def describe_schema(inspector: Inspector) -> str:
    """Every table with its columns, keys and indexes: one line each, the same on both databases."""
    lines = []
    for table in sorted(set(inspector.get_table_names()) - {"alembic_version"}):
        lines.append(table)
        for column in inspector.get_columns(table):
            lines.append(f"  {column['name']}{'' if column['nullable'] else ' not null'}")
        lines.append(f"  primary key {inspector.get_pk_constraint(table)['constrained_columns']}")
        for key in sorted(inspector.get_foreign_keys(table), key=lambda key: key["constrained_columns"]):
            lines.append(f"  {key['constrained_columns']} -> {key['referred_table']} {key['options'].get('ondelete')}")
        lines.extend(f"  unique {key['column_names']}" for key in inspector.get_unique_constraints(table))
        plain = [index for index in inspector.get_indexes(table) if not index["unique"]]
        lines.extend(f"  index {columns}" for columns in sorted(index["column_names"] for index in plain))
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("empty_database_url", BOTH, indirect=True)
def test_migrations_make_the_schemas_that_were_released_and_that_the_tables_describe(empty_database_url: str) -> None:
    database = Database(empty_database_url)
    for path in RELEASED:
        assert not database.is_at_head()
        migrate(empty_database_url, path.stem.removeprefix("schema_"))
        with database.engine.connect() as connection:
            assert describe_schema(inspect(connection)) == path.read_text()
    migrate(empty_database_url)
    migrate(empty_database_url)  # twice is once
    assert database.is_at_head()
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Table.metadata) == []
    database.close()


def test_the_clock_of_the_database_is_in_seconds(database: Database) -> None:
    with database.reading() as session:
        moment = session.scalar(select(now()))
    assert moment == pytest.approx(time.time(), abs=5)


def test_an_exception_rolls_the_transaction_back(database: Database) -> None:
    def fail() -> None:
        with database.writing() as session:
            session.add(Dataset(id="d_1", name="a", format="csv", n_rows=1, n_bytes=1, sha256="0", columns=[]))
            session.flush()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    with database.reading() as session:
        assert session.get(Dataset, "d_1") is None


def test_rows_of_a_job_go_with_it(database: Database) -> None:
    job_id = submit(database)
    with database.writing() as session:
        session.delete(session.get_one(Job, job_id))
    with database.reading() as session:
        assert session.execute(text("SELECT count(*) FROM event")).scalar() == 0


def test_a_database_of_another_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="sqlite or postgresql"):
        parse_url("mysql://localhost/regatta")


def test_a_postgresql_url_of_any_spelling_means_psycopg() -> None:
    assert parse_url("postgresql://u:p@h/d").drivername == "postgresql+psycopg"

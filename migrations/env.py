"""Alembic's environment: our tables, on a connection that is given or on the one that the settings name."""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection

from service import told_tables
from service.database import Database
from service.settings import read_settings


def run(connection: Connection) -> None:
    """Run what Alembic asked for on `connection`, inside its transaction."""
    context.configure(
        connection=connection,
        target_metadata=told_tables.Table.metadata,  # of all tables: its module imports the others
        transactional_ddl=True,
        render_as_batch=connection.dialect.name == "sqlite",
        compare_type=True,
    )
    with context.begin_transaction():
        context.run_migrations()


def run_with_settings() -> None:
    """Serve the alembic command line."""
    database = Database(context.config.attributes.get("url") or read_settings().resolved_database_url)
    with database.engine.execution_options(writes=True).begin() as connection:
        run(connection)
    database.close()


given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    run_with_settings()

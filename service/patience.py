"""Writing to a database that may be away for a while. What is written is decided elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from service.database import Database, classify_fault
from workers.errors import LeaseLost, StorageFull

FIRST_DELAY_SECONDS = 0.05
LONGEST_DELAY_SECONDS = 2.0


def write_patiently(database: Database, write: Callable[[Session], None], patience_seconds: float) -> None:
    """Try `write` in a transaction of its own until it is stored: a database that is away comes back.

    `write` has to bear being made twice, since the answer to a commit can get lost.
    Raises: LeaseLost when patience ends, StorageFull, SQLAlchemyError for anything that waiting does not cure.
    """
    deadline = time.monotonic() + patience_seconds
    delay = FIRST_DELAY_SECONDS
    while True:
        try:
            with database.writing() as session:
                return write(session)
        except SQLAlchemyError as error:
            fault = classify_fault(error)
            if fault == "full":
                raise StorageFull("the disk of the database is full") from error
            if fault == "other":
                raise
            if time.monotonic() >= deadline:
                raise LeaseLost(f"the database was away for {patience_seconds:g} s") from error
        time.sleep(delay)
        delay = min(2 * delay, LONGEST_DELAY_SECONDS)

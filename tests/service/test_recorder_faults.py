"""The recorder in adversity: nothing that was stored is lost or doubled, and only the holder of the lease writes."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from search.trial import JobReason, JobState, TrialState
from service.database import Database
from service.leases import Claim, Leases
from service.queries.events import list_events
from service.recorder import Recorder
from service.tables import Event, Model, Report, Trial
from tests.service.facts import claim, count, job_of, model, moved, report, trial_of
from tests.service.test_leases import expire
from workers.errors import LeaseLost, StorageFull


def test_a_driver_that_dies_in_a_round_leaves_whole_rounds_only(database: Database, held: Claim) -> None:
    def run() -> None:
        with Recorder(database, held, least_gap_seconds=3600) as recorder:
            for number in (1, 2):
                recorder.reports(number, {}, [report(0, number, 0.5)])
                recorder.round_ended(number)
            recorder.trial(moved(0, TrialState.STOPPED))
            recorder.reports(3, {}, [report(0, 3, 0.1)])
            raise RuntimeError("in the middle of a round")

    with pytest.raises(RuntimeError):
        run()
    assert count(database, Report) == 2
    trial = trial_of(database, held, 0)
    assert (trial.n_reports, trial.objective, trial.state) == (2, 0.5, "pending")


def test_a_late_writer_changes_nothing(database: Database, held: Claim, recorder: Recorder) -> None:
    recorder.reports(1, {}, [report(0, 1, 0.5)])
    expire(database, held.job_id)
    successor = Leases(database, 15).claim_next("r2")
    assert successor is not None
    events = count(database, Event)
    with pytest.raises(LeaseLost):
        recorder.round_ended(1)
    with pytest.raises(LeaseLost):
        Recorder(database, held)
    assert [count(database, table) for table in (Report, Trial)] == [0, 0]
    assert count(database, Event) == events
    with Recorder(database, successor) as again:
        again.reports(1, {}, [report(0, 1, 0.5)])
        again.round_ended(1)
    assert count(database, Report) == 1


def test_a_job_that_has_ended_takes_no_more_facts(database: Database, held: Claim, recorder: Recorder) -> None:
    Leases(database, 15).release(held, JobState.CANCELLED, JobReason.USER_CANCELLED)
    recorder.note("late", "too late")
    with pytest.raises(LeaseLost):
        recorder.close()


def test_a_commit_whose_answer_is_lost_is_not_made_twice(database: Database, held: Claim, recorder: Recorder) -> None:
    lost = iter([True])

    def lose_answer(session: Session) -> None:
        if next(lost, False):
            raise OperationalError("COMMIT", None, psycopg.OperationalError("server closed the connection"))

    recorder.reports(1, {}, [report(0, 1, 0.5)])
    recorder.note("once", "told once")
    event.listen(Session, "after_commit", lose_answer)
    try:
        recorder.round_ended(1)
    finally:
        event.remove(Session, "after_commit", lose_answer)
    recorder.reports(2, {}, [report(0, 2, 0.5)])
    recorder.round_ended(2)
    with database.reading() as session:
        notes = [told for told in list_events(session, held.job_id, 0, 100) if told.type == "note"]
    assert len(notes) == 1
    assert count(database, Report) == 2


def test_a_full_disk_ends_the_run_with_its_own_error_and_loses_nothing_stored(
    tmp_path: Any, sqlite_template: Any
) -> None:
    path = tmp_path / "small.db"
    path.write_bytes(sqlite_template.read_bytes())
    database = Database(f"sqlite:///{path}")
    held = claim(database)
    recorder = Recorder(database, held, least_gap_seconds=0.0)
    recorder.reports(1, {}, [report(0, 1, 0.5)])
    recorder.round_ended(1)
    database.close()

    @event.listens_for(database.engine, "connect")
    def limit(connection: sqlite3.Connection, _record: object) -> None:
        connection.execute("PRAGMA max_page_count = 1")  # SQLite raises it to the present size: the disk is full now

    recorder.model(model(0, 0.5, package=bytes(10**6)))
    with pytest.raises(StorageFull):
        recorder.round_ended(2)
    assert count(database, Report) == 1
    assert count(database, Model) == 0
    database.close()


@pytest.fixture
def busy(tmp_path: Any, sqlite_template: Any) -> Iterator[Database]:
    """A SQLite database whose connections do not wait for a lock by themselves."""
    path = tmp_path / "busy.db"
    path.write_bytes(sqlite_template.read_bytes())
    database = Database(f"sqlite:///{path}")
    event.listen(database.engine, "connect", lambda connection, _: connection.execute("PRAGMA busy_timeout = 1"))
    yield database
    database.close()


def test_a_database_that_cannot_be_written_for_a_while_loses_no_report(busy: Database) -> None:
    held = claim(busy)
    recorder = Recorder(busy, held, least_gap_seconds=0.0)
    refused = threading.Event()
    event.listen(busy.engine, "handle_error", lambda _: refused.set())
    writer = threading.Thread(target=lambda: (recorder.reports(1, {}, [report(0, 1, 0.5)]), recorder.round_ended(1)))
    with busy.writing() as other:
        other.execute(text("SELECT 1"))
        writer.start()
        assert refused.wait(30)
    writer.join(30)
    assert count(busy, Report) == 1


def test_patience_with_an_absent_database_ends_as_a_lost_lease(busy: Database) -> None:
    held = claim(busy)
    recorder = Recorder(busy, held, least_gap_seconds=0.0, patience_seconds=0.0)
    recorder.note("one", "two")
    with busy.writing() as other:
        other.execute(text("SELECT 1"))
        with pytest.raises(LeaseLost, match="away"):
            recorder.round_ended(1)


def test_a_job_is_released_once_the_database_is_back(busy: Database) -> None:
    held = claim(busy)
    leases = Leases(busy, 15)
    refused = threading.Event()
    event.listen(busy.engine, "handle_error", lambda _: refused.set())
    release = threading.Thread(target=leases.release, args=(held, JobState.SUCCEEDED, JobReason.TRIALS_DONE))
    with busy.writing() as other:
        other.execute(text("SELECT 1"))
        release.start()
        assert refused.wait(30)
    release.join(30)
    assert job_of(busy, held).state == "succeeded"


@pytest.mark.slow
def test_a_postgresql_that_drops_all_connections_and_refuses_new_ones_loses_no_report(
    postgresql_server: str, postgresql_template: str
) -> None:
    with psycopg.connect(postgresql_server, autocommit=True) as admin:
        admin.execute(f'CREATE DATABASE away TEMPLATE "{postgresql_template}"')
        database = Database(postgresql_server.replace("/postgres?", "/away?"))
        held = claim(database)
        recorder = Recorder(database, held, least_gap_seconds=0.0)
        admin.execute("ALTER DATABASE away ALLOW_CONNECTIONS false")
        admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'away'")
        refused = threading.Event()
        event.listen(database.engine, "handle_error", lambda _: refused.set())
        recorder.reports(1, {}, [report(0, 1, 0.5)])
        writer = threading.Thread(target=recorder.round_ended, args=(1,))
        writer.start()
        assert refused.wait(30)
        assert recorder.commands() == [], "a driver goes on while the database is away"
        admin.execute("ALTER DATABASE away ALLOW_CONNECTIONS true")
        writer.join(30)
        with database.reading() as session:
            assert session.execute(text("SELECT count(*) FROM report")).scalar() == 1
        database.close()

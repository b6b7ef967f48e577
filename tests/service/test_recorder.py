"""The recorder: what a driver reports is stored once, whole, and only while the lease stands."""

from __future__ import annotations

import math
import sqlite3
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import psycopg
import pytest
from sqlalchemy import event, func, select, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from models.lanes import LaneError
from search.trial import JobReason, JobState, TrialReason, TrialState
from service.database import Database
from service.leases import Claim, Leases
from service.queries.events import list_events
from service.queries.jobs import add_command, find_best_model, get_job
from service.record import load_record
from service.recorder import Recorder
from service.tables import Event, Job, Model, ModelBlob, Report, Snapshot, Trial
from tests.service.facts import claim, model, moved, report, segment, snapshot
from tests.service.test_leases import expire
from workers.errors import LeaseLost, StorageFull
from workers.sink import JournalFact

RUNNING, STOPPED, DIVERGED, FAILED = TrialState.RUNNING, TrialState.STOPPED, TrialState.DIVERGED, TrialState.FAILED


@pytest.fixture
def held(database: Database) -> Claim:
    """A claimed job."""
    return claim(database)


@pytest.fixture
def recorder(database: Database, held: Claim) -> Recorder:
    """A recorder that writes every round at once."""
    return Recorder(database, held, least_gap_seconds=0.0)


def job_of(database: Database, held: Claim) -> Job:
    """The job's row."""
    with database.reading() as session:
        job = get_job(session, held.job_id)
    assert job is not None
    return job


def trial_of(database: Database, held: Claim, number: int) -> Trial:
    """A trial's row."""
    with database.reading() as session:
        return session.get_one(Trial, (held.job_id, number))


def count(database: Database, table: type[Any]) -> int:
    """The number of rows."""
    with database.reading() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def test_a_trial_shows_its_best_epoch_and_of_equals_the_earlier(
    database: Database, held: Claim, recorder: Recorder
) -> None:
    recorder.trial(moved(0, RUNNING))
    recorder.reports(1, {0: 0}, [report(0, n, value) for n, value in enumerate([0.9, 0.4, 0.4, 0.7], start=1)])
    recorder.round_ended(1)
    trial = trial_of(database, held, 0)
    assert (trial.objective, trial.best_sequence, trial.best_epoch) == (0.4, 2, 2)
    assert (trial.epochs, trial.n_reports, trial.state) == (4, 4, "running")
    assert trial.parameters == {"learning_rate": 0.1}


def test_the_job_leads_with_the_best_trial_and_of_equals_the_lower_number(
    database: Database, held: Claim, recorder: Recorder
) -> None:
    recorder.reports(1, {}, [report(2, 1, 0.3), report(1, 1, 0.3), report(3, 1, 0.8)])
    recorder.trial(moved(3, STOPPED, TrialReason.SCHEDULER_STOPPED))
    recorder.round_ended(1)
    job = job_of(database, held)
    assert (job.best_trial, job.best_objective) == (1, 0.3)
    assert (job.n_done, job.n_epochs, job.n_rounds) == (1, 3, 1)


def test_a_job_that_maximizes_leads_with_the_highest_value(database: Database) -> None:
    held = claim(database, maximize=True)
    with Recorder(database, held) as recorder:
        recorder.reports(1, {}, [report(0, 1, 0.3), report(1, 1, 0.8)])
        recorder.round_ended(1)
    assert job_of(database, held).best_trial == 1


def test_a_trial_that_diverges_gives_up_the_lead(database: Database, held: Claim, recorder: Recorder) -> None:
    recorder.reports(1, {}, [report(0, 1, 0.1), report(1, 1, 0.5)])
    recorder.round_ended(1)
    assert job_of(database, held).best_trial == 0
    recorder.reports(2, {}, [report(0, 2, math.nan, outcome="diverged")])
    recorder.trial(moved(0, DIVERGED, TrialReason.NOT_FINITE))
    recorder.round_ended(2)
    assert job_of(database, held).best_trial == 1


def test_values_that_are_not_finite_are_null_with_a_flag_and_come_back_to_the_bit(
    database: Database, held: Claim, recorder: Recorder
) -> None:
    sent = [report(0, 1, 0.1 + 0.2), report(0, 2, math.inf, train_loss=-math.inf), report(0, 3, math.nan)]
    recorder.reports(1, {0: 0}, sent)
    recorder.round_ended(1)
    with database.reading() as session:
        rows = session.scalars(select(Report).order_by(Report.sequence)).all()
        back = load_record(session, held.job_id).reports
    assert [(row.objective, row.is_finite) for row in rows] == [(0.1 + 0.2, True), (None, False), (None, False)]
    assert back[0, 1] == sent[0]
    assert back[0, 2] == sent[1]
    assert math.isnan(back[0, 3].values[0])


def test_a_record_gives_back_what_was_stored(database: Database, held: Claim, recorder: Recorder) -> None:
    error = LaneError("ValueError", "too wide", "Traceback ...", out_of_memory=True)
    failed = report(1, 1, math.nan, outcome="failed", error=error)
    recorder.segment(segment(0))
    recorder.segment(segment(0, 1, source=2))
    recorder.trial(moved(0, RUNNING, parameters={"momentum": 0.9}))
    recorder.trial(moved(1, FAILED, TrialReason.OUT_OF_MEMORY, error=error))
    recorder.reports(1, {0: 1, 1: 0}, [failed])
    recorder.snapshot(snapshot(0, 3))
    recorder.snapshot(snapshot(0, 6))
    recorder.journal(JournalFact(1, "seconds_up", {"seconds": 3.5}))
    recorder.journal(JournalFact(1, "cancelled"))
    recorder.model(model(0, 0.4))
    recorder.round_ended(7)
    with database.reading() as session:
        record = load_record(session, held.job_id)
    assert record.parameters == {0: {"momentum": 0.5}, 1: {"learning_rate": 0.1}}
    assert record.segments == {(0, 0): segment(0), (0, 1): segment(0, 1, source=2)}
    assert record.reports[1, 1].error == error
    assert record.reports[1, 1].outcome == "failed"
    assert record.ended == {1: (FAILED, TrialReason.OUT_OF_MEMORY)}
    assert record.journal == [JournalFact(1, "seconds_up", {"seconds": 3.5}), JournalFact(1, "cancelled")]
    assert record.models == {0}
    assert record.n_rounds == 7
    assert record.seconds > 0
    kept, sent = record.snapshots[0], snapshot(0, 6)
    assert (kept.sequence, kept.segment, kept.state.epoch, kept.state.n_steps) == (6, 0, 6, 60)
    assert list(record.snapshots) == [0]
    for name, array in sent.state.arrays.items():
        assert np.array_equal(kept.state.arrays[name], array)
    assert trial_of(database, held, 0).parent == 2


def test_rounds_in_quick_succession_are_written_together_and_none_is_lost(database: Database, held: Claim) -> None:
    recorder = Recorder(database, held, least_gap_seconds=3600)
    recorder.reports(1, {}, [report(0, 1, 0.5)])
    recorder.round_ended(1)
    assert count(database, Report) == 1, "the first round is shown at once"
    for number in (2, 3):
        recorder.reports(number, {}, [report(0, number, 0.5)])
        recorder.round_ended(number)
    assert count(database, Report) == 1
    recorder.close()
    assert count(database, Report) == 3
    assert job_of(database, held).n_rounds == 3


def test_a_driver_that_dies_in_a_round_leaves_whole_rounds_only(database: Database, held: Claim) -> None:
    def run() -> None:
        with Recorder(database, held, least_gap_seconds=3600) as recorder:
            for number in (1, 2):
                recorder.reports(number, {}, [report(0, number, 0.5)])
                recorder.round_ended(number)
            recorder.trial(moved(0, STOPPED))
            recorder.reports(3, {}, [report(0, 3, 0.1)])
            raise RuntimeError("in the middle of a round")

    with pytest.raises(RuntimeError):
        run()
    assert count(database, Report) == 2
    trial = trial_of(database, held, 0)
    assert (trial.n_reports, trial.objective, trial.state) == (2, 0.5, "pending")


def test_the_same_facts_again_change_nothing(database: Database, held: Claim) -> None:
    for _ in range(2):
        with Recorder(database, held) as recorder:
            recorder.segment(segment(0))
            recorder.trial(moved(0, RUNNING))
            recorder.reports(1, {0: 0}, [report(0, 1, 0.5), report(0, 2, 0.4)])
            recorder.model(model(0, 0.4))
            recorder.round_ended(1)
    assert [count(database, table) for table in (Trial, Report, Model, ModelBlob)] == [1, 2, 1, 1]
    assert job_of(database, held).n_epochs == 2


def test_only_the_best_models_are_kept_and_the_leader_names_its_own(
    database: Database, held: Claim, recorder: Recorder
) -> None:
    recorder.reports(1, {}, [report(n, 1, value) for n, value in enumerate([0.5, 0.2, 0.9, 0.3])])
    for number, value in enumerate([0.5, 0.2, 0.9]):
        recorder.model(model(number, value))
    recorder.round_ended(1)
    recorder.model(model(3, 0.3, b"the package"))
    recorder.round_ended(2)
    with database.reading() as session:
        kept = {row.trial: row for row in session.scalars(select(Model))}
        blob = session.get_one(ModelBlob, kept[3].id)
        job = get_job(session, held.job_id)
        assert job is not None
        assert find_best_model(session, job) == kept[1].id
    assert sorted(kept) == [1, 3]
    assert blob.package == b"the package"
    assert count(database, ModelBlob) == 2


def test_events_tell_every_fact_once_in_order_without_gaps(database: Database, held: Claim, recorder: Recorder) -> None:
    recorder.trial(moved(0, RUNNING))
    recorder.reports(1, {0: 0}, [report(0, 1, math.nan, train_loss=2.0)])
    recorder.note("grid_is_smaller", "the grid has 4 points", None)
    recorder.round_ended(1)
    recorder.model(model(0, 0.4))
    recorder.round_ended(2)
    Leases(database, 15).release(held, JobState.SUCCEEDED, JobReason.TRIALS_DONE)
    with database.reading() as session:
        events = list_events(session, held.job_id, 0, 100)
    assert [told.id for told in events] == list(range(1, len(events) + 1))
    assert [told.type for told in events] == ["job", "job", "trial", "reports", "note", "job", "model", "job", "job"]
    assert events[2].data["state"] == "running"
    assert "metrics" not in events[2].data
    assert events[3].data == {
        "round": 1,
        "columns": ["trial", "sequence", "epoch", "objective", "train_loss"],
        "rows": [[0, 1, 1, None, 2.0]],
    }
    assert events[-1].data["state"] == "succeeded"
    assert events[-1].data["progress"]["epochs"] == 1


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


def test_snapshots_go_with_their_trial_and_with_the_job(database: Database, held: Claim, recorder: Recorder) -> None:
    for number in range(3):
        recorder.snapshot(snapshot(number, 1))
    recorder.round_ended(1)
    recorder.trial(moved(1, STOPPED))
    recorder.round_ended(2)
    assert count(database, Snapshot) == 2
    Leases(database, 15).release(held, JobState.SUCCEEDED, JobReason.TRIALS_DONE)
    assert count(database, Snapshot) == 0


def test_a_command_is_read_until_the_round_in_which_it_was_obeyed(
    database: Database, held: Claim, recorder: Recorder
) -> None:
    with database.writing() as session:
        add_command(session, held.job_id, "cancel")
    [(number, kind)] = recorder.commands()
    assert kind == "cancel"
    recorder.applied(number)
    assert recorder.commands() == [(number, kind)]
    recorder.round_ended(1)
    assert recorder.commands() == []


def test_the_numeric_class_and_the_seconds_stand_with_the_job(database: Database, held: Claim) -> None:
    with Recorder(database, held) as recorder:
        recorder.numeric_class("cpu x86_64, torch 2.13")
    job = job_of(database, held)
    assert job.numeric_class == "cpu x86_64, torch 2.13"
    assert job.seconds > 0


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

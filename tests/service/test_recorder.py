"""The recorder: what a driver reports becomes rows and events, once and whole."""

from __future__ import annotations

import math
import time
from dataclasses import replace

import numpy as np
from sqlalchemy import select

from models.lanes import LaneError, LaneState, Watch
from search.trial import JobReason, JobState, TrialReason, TrialState
from service.database import Database
from service.leases import Claim, Leases
from service.queries.events import list_events
from service.queries.jobs import add_command, find_best_model, get_job
from service.record import load_record
from service.recorder import Recorder
from service.tables import Model, ModelBlob, Report, Snapshot, Trial
from tests.service.facts import claim, count, job_of, model, moved, report, segment, snapshot, trial_of
from workers.sink import JournalFact
from workers.teams import divide_state, join_states

RUNNING, STOPPED, DIVERGED, FAILED = TrialState.RUNNING, TrialState.STOPPED, TrialState.DIVERGED, TrialState.FAILED


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


def test_the_best_epoch_of_a_trial_is_that_of_what_is_watched(database: Database) -> None:
    held = claim(database)
    watch = Watch(1, maximize=True, min_delta=0.05)
    epochs = [(0.5, 0.6), (0.4, 0.62), (0.7, 0.7), (0.3, 0.69)]
    for first, last in ((0, 3), (3, 4)):  # a second driver goes on from what the first has stored
        with Recorder(database, held, watch=watch) as recorder:
            reports = [replace(report(0, place + 1, 0.0), values=epochs[place]) for place in range(first, last)]
            recorder.reports(1, {0: 0}, reports)
            recorder.round_ended(last)
    trial = trial_of(database, held, 0)
    assert (trial.best_epoch, trial.objective, trial.metrics) == (3, 0.7, [0.7, 0.7])


def test_the_values_of_every_lane_of_a_trial_come_back_to_the_bit(
    database: Database, held: Claim, recorder: Recorder
) -> None:
    parts = ((0.1 + 0.2, 0.5), (math.inf, 0.25), (5e-324, 1.0))
    recorder.reports(1, {}, [replace(report(0, 1, 0.5), parts=parts), report(1, 1, 0.5)])
    recorder.round_ended(1)
    with database.reading() as session:
        back = load_record(session, held.job_id).reports
    assert (back[0, 1].parts, back[1, 1].parts) == (parts, ())


def test_a_snapshot_of_several_lanes_comes_back_with_the_steps_of_each(
    database: Database, held: Claim, recorder: Recorder
) -> None:
    parts = [LaneState(2, n, {"parameters": np.full(3, n, np.float32)}) for n in (7, 2**25 + 1)]
    recorder.snapshot(replace(snapshot(0, 2), state=join_states(parts)))
    recorder.round_ended(1)
    with database.reading() as session:
        back = divide_state(load_record(session, held.job_id).snapshots[0].state)
    assert [part.n_steps for part in back] == [7, 2**25 + 1]
    for part, sent in zip(back, parts, strict=True):
        np.testing.assert_array_equal(part.arrays["parameters"], sent.arrays["parameters"])


def test_reports_tell_the_value_at_the_best_epoch_where_it_is_not_the_best_value(database: Database) -> None:
    held = claim(database)
    with Recorder(database, held, watch=Watch(1, maximize=True)) as recorder:
        reports = [replace(report(0, n, 0.0), values=values) for n, values in ((1, (0.5, 0.6)), (2, (0.4, 0.5)))]
        recorder.reports(1, {0: 0}, reports)
        recorder.round_ended(1)
    with database.reading() as session:
        (told,) = [event.data for event in list_events(session, held.job_id, 0, 10) if event.type == "reports"]
    assert told["columns"][-1] == "best"
    assert [row[-1] for row in told["rows"]] == [0.5, 0.5]


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


def test_the_smallest_the_largest_and_the_oddest_come_back_as_they_were(
    database: Database, held: Claim, recorder: Recorder
) -> None:
    sent = [report(0, n, value) for n, value in enumerate([5e-324, -1.7976931348623157e308, 2 / 3, 1e22], start=1)]
    error = LaneError("ValueError", '"quoted" \\ back\nslash \t ⛵ NUL \x00 \' ; --', "")
    recorder.trial(moved(0, RUNNING, parameters={"a 'quoted' name": 0.1 + 0.2, "größe": 3, "flag": True}))
    recorder.reports(1, {0: 0}, [*sent, report(1, 1, 0.5, outcome="failed", error=error)])
    recorder.round_ended(1)
    with database.reading() as session:
        record = load_record(session, held.job_id)
        columns = [row.objective for row in session.scalars(select(Report).order_by(Report.trial, Report.sequence))]
    assert list(record.reports.values())[:4] == sent
    assert columns == [told.values[0] for told in sent] + [0.5]
    assert record.reports[1, 1].error == error
    assert record.parameters[0] == {"a 'quoted' name": 0.1 + 0.2, "größe": 3, "flag": True}


def test_twenty_thousand_reports_are_stored_within_ten_seconds(database: Database, held: Claim) -> None:
    begun = time.monotonic()
    with Recorder(database, held) as recorder:
        for number in range(1, 101):
            recorder.reports(number, {}, [report(trial, number, 1 / (trial + number)) for trial in range(200)])
            recorder.round_ended(number)
    assert time.monotonic() - begun < 10
    assert count(database, Report) == 20_000
    assert job_of(database, held).n_epochs == 20_000


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
    [command] = recorder.commands()
    assert command.kind == "cancel"
    recorder.applied(command.id)
    assert [again.id for again in recorder.commands()] == [command.id]
    recorder.round_ended(1)
    assert recorder.commands() == []


def test_the_numeric_class_and_the_seconds_stand_with_the_job(database: Database, held: Claim) -> None:
    with Recorder(database, held) as recorder:
        recorder.numeric_class("cpu x86_64, torch 2.13")
    job = job_of(database, held)
    assert job.numeric_class == "cpu x86_64, torch 2.13"
    assert job.seconds > 0

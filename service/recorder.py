"""The sink of a driver: facts become rows and events, one transaction for one or more whole rounds.

It is the only writer of a running job besides the lease. Every transaction is fenced by the lease's epoch and numbered,
so that a late writer changes nothing and a commit whose answer got lost is not made twice.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import fields
from types import TracebackType
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from models.lanes import LaneReport, Watch
from search.aims import Aims
from search.trial import TRIAL_ENDED, JobState, TrialReason, TrialState
from service.batch import (
    Batch,
    Totals,
    journal_row,
    model_event,
    prune_models,
    report_row,
    reports_event,
    segment_row,
    snapshot_row,
    store_models,
    store_rows,
)
from service.database import Database, classify_fault, now
from service.leases import Claim
from service.patience import write_patiently
from service.queries.events import NewEvent, append_events
from service.queries.jobs import describe_job, get_job, list_commands
from service.standing import Standing, Standings
from service.tables import Command, Job, Journal, Model, Trial, new_id
from workers.errors import LeaseLost, StorageFull
from workers.sink import JournalFact, ModelFact, SegmentFact, SnapshotFact, TrialFact


class Recorder:
    """Stores what one driver reports about its job. Not for several threads.

    Rounds that end within `least_gap_seconds` of the last write wait for the next one; `flush` stores whole rounds at
    once, `close` stores everything. `watch` decides a trial's best epoch; None is the objective. Leaving its `with`
    block by an exception stores whole rounds only.
    """

    def __init__(
        self,
        database: Database,
        claim: Claim,
        *,
        watch: Watch | None = None,
        patience_seconds: float = 120.0,
        least_gap_seconds: float = 0.1,
    ) -> None:
        self._database = database
        self._claim = claim
        self._watch = watch
        self._patience_seconds = patience_seconds
        self._least_gap_seconds = least_gap_seconds
        self._open = Batch()  # the round that has not ended
        self._whole = Batch()  # rounds that have, not yet stored
        self._is_written = True
        self._changed: set[int] = set()
        self._moved: dict[int, None] = {}
        self._numeric_class: str | None = None
        self._started = time.monotonic()
        self._written = -math.inf
        with database.reading() as session:
            self._load(session)

    def trial(self, fact: TrialFact) -> None:
        """Take a trial's new state."""
        self._standings.change(fact)
        self._changed.add(fact.number)
        self._moved[fact.number] = None
        if fact.state in TRIAL_ENDED:
            self._open.ended.append(fact.number)

    def segment(self, fact: SegmentFact) -> None:
        """Take a new stretch of a trial's life; its source is the trial's parent."""
        self._standings.of(fact.trial).parent = fact.source_trial
        self._changed.add(fact.trial)
        self._open.segments.append(segment_row(fact))

    def reports(self, round_number: int, segments: Mapping[int, int], reports: Sequence[LaneReport]) -> None:
        """Take the reports of one round."""
        rows, best = [], []
        for report in reports:
            if self._standings.observe(report):
                self._moved[report.lane] = None
            if self._watches_else:
                best.append(self._standings.of(report.lane).objective)
            self._changed.add(report.lane)
            rows.append(report_row(round_number, segments.get(report.lane, 0), report))
        if rows:
            self._open.reports.extend(rows)
            self._open.events.append(reports_event(round_number, rows, best if self._watches_else else None))

    def snapshot(self, fact: SnapshotFact) -> None:
        """Take a trial's weights, in place of earlier ones."""
        self._open.snapshots[fact.trial] = snapshot_row(fact)

    def model(self, fact: ModelFact) -> None:
        """Take a finished network."""
        model_id = self._model_ids.setdefault((fact.trial, fact.origin), new_id("m"))
        self._open.models.append((model_id, fact))
        self._open.events.append(model_event(model_id, fact))

    def journal(self, fact: JournalFact) -> None:
        """Take an outside fact."""
        self._open.journal.append(journal_row(self._n_journal, fact))
        self._n_journal += 1

    def note(self, code: str, message: str, trial: int | None = None) -> None:
        """Take a remark for the user."""
        self._open.events.append(NewEvent("note", {"code": code, "message": message, "trial": trial}))

    def numeric_class(self, name: str) -> None:
        """Take the kind of device that the job is trained on."""
        self._numeric_class = name

    def commands(self) -> Sequence[Command]:
        """Read the commands that have not been applied, oldest first; none while the database is away."""
        try:
            with self._database.reading() as session:
                return list_commands(session, self._claim.job_id)
        except SQLAlchemyError as error:
            if classify_fault(error) != "away":
                raise
            return []

    def applied(self, command_id: int) -> None:
        """Take it that a command has been obeyed: it is stored with the round in which it took effect."""
        self._open.commands.append(command_id)

    def heard(self, told_id: int) -> None:
        """Take it that what was told has been heard: it goes with the round that made a report of it."""
        self._open.told.append(told_id)

    def round_ended(self, round_number: int) -> None:
        """Make what came before whole, and store it unless the last write was a moment ago.

        Raises: LeaseLost, StorageFull.
        """
        self._seal(max(round_number, self._totals.n_rounds))
        if time.monotonic() - self._written >= self._least_gap_seconds:
            self.flush()

    def flush(self) -> None:
        """Store all whole rounds now.

        Raises: LeaseLost, StorageFull.
        """
        if not self._is_written:
            write_patiently(self._database, self._store, self._patience_seconds)
            self._n_writes += 1
            self._whole = Batch()
            self._is_written, self._numeric_class = True, None
            self._written = time.monotonic()

    def close(self) -> None:
        """Store everything, the round that has not ended included.

        Raises: LeaseLost, StorageFull.
        """
        if self._changed or self._numeric_class is not None or self._open != Batch():
            self._seal(self._totals.n_rounds)
        self.flush()

    def __enter__(self) -> Recorder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
        elif not isinstance(error, LeaseLost | StorageFull):
            self.flush()

    def _load(self, session: Session) -> None:
        job = get_job(session, self._claim.job_id)
        if job is None or not self._owns(job):
            raise LeaseLost(f"job {self._claim.job_id} is no longer ours")
        self._n_writes, self._seconds_before = job.n_writes, job.seconds
        trials = session.scalars(select(Trial).where(Trial.job_id == job.id).order_by(Trial.number))
        standings = {trial.number: _standing(trial) for trial in trials}
        self._aims = Aims.of_spec(job.resolved_spec, job.maximize)
        self._standings = Standings(self._aims, self._watch or Watch(0, job.maximize), job.n_epochs, standings)
        self._watches_else = self._standings.watch != Watch(0, job.maximize)
        self._totals = self._total(job.n_rounds)
        models = session.execute(select(Model.trial, Model.origin, Model.id).where(Model.job_id == job.id))
        self._model_ids = {(trial, origin): model_id for trial, origin, model_id in models}
        self._n_journal = session.scalar(select(func.count()).where(Journal.job_id == job.id)) or 0

    def _owns(self, job: Job) -> bool:
        return job.lease_epoch == self._claim.lease_epoch and job.state == JobState.RUNNING

    def _total(self, n_rounds: int) -> Totals:
        standings = self._standings
        return Totals(len(standings.done), standings.n_epochs, n_rounds, standings.leader, standings.best_objective)

    def _seal(self, n_rounds: int) -> None:
        """Close the round: what the trials and the job have come to is fixed here, not when it is written."""
        for number in self._standings.move_front(self._changed):
            self._changed.add(number)
            self._moved[number] = None
        told = [NewEvent("trial", self._standings.of(number).told()) for number in self._moved]
        self._open.events[:0] = told
        self._open.trials = {number: self._standings.of(number).row() for number in sorted(self._changed)}
        self._whole.absorb(self._open)
        self._totals = self._total(n_rounds)
        self._open, self._changed, self._moved = Batch(), set(), {}
        self._is_written = False

    def _store(self, session: Session) -> None:
        if not self._fence(session):
            return
        job_id = self._claim.job_id
        store_rows(session, job_id, self._whole)
        if self._whole.models:
            store_models(session, job_id, self._whole.models)
        job = get_job(session, job_id)
        assert job is not None, "the fence has just updated it"
        if self._whole.models:
            prune_models(session, job_id, job.keep_models, self._aims)
        append_events(session, job_id, [*self._whole.events, NewEvent("job", describe_job(session, job))])

    def _fence(self, session: Session) -> bool:
        """Update the job's row if it is ours; False if this very write was made already and its answer got lost."""
        claim, totals = self._claim, self._totals
        values: dict[str, Any] = {
            **vars(totals),
            "n_writes": self._n_writes + 1,
            "seconds": self._seconds_before + time.monotonic() - self._started,
            "updated_at": now(),
        }
        if self._numeric_class is not None:
            values["numeric_class"] = self._numeric_class
        ours = update(Job).where(Job.id == claim.job_id, Job.lease_epoch == claim.lease_epoch)
        ours = ours.where(Job.state == JobState.RUNNING, Job.n_writes == self._n_writes).values(**values)
        if session.scalars(ours.returning(Job.id), execution_options={"synchronize_session": False}).first():
            return True
        job = get_job(session, claim.job_id)
        if job is not None and self._owns(job) and job.n_writes == self._n_writes + 1:
            return False
        raise LeaseLost(f"job {claim.job_id} is no longer ours")


def _standing(trial: Trial) -> Standing:
    names = [item.name for item in fields(Standing)]
    values: dict[str, Any] = {name: getattr(trial, name) for name in names}
    values["state"], values["reason"] = TrialState(trial.state), TrialReason(trial.reason)
    return Standing(**values)

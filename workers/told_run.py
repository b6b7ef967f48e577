"""Runs a job of the trainer `external`: the search of every job, over a fleet that waits to be told."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from search.aims import Aims
from workers.lane_manager import JointSettings
from workers.ledger import Ledger, LedgerSettings
from workers.lives import TrialLife
from workers.merit import choose_merit
from workers.resolved import ResolvedJob
from workers.run import Control, Race
from workers.sink import Record, Sink
from workers.stops import JobEnd, Stops
from workers.told import Tells, ToldFleet
from workers.winners import rank, select_competing


@dataclass(frozen=True)
class ToldRun:
    """All that such a run needs; see `workers.run.JobRun`."""

    job: ResolvedJob
    tells: Tells
    sink: Sink
    record: Record
    control: Control


def run_told_job(run: ToldRun) -> JobEnd:
    """Run a job, or go on with it: recorded rounds are answered from the record.

    Raises: workers.errors.JobError, LeaseLost.
    """
    return ToldRace(run).finish()


@dataclass
class Leader:
    """The best trials that have ended. They have no model: their parameters and values are what a user fetches."""

    ledger: Ledger
    aims: Aims
    top: list[TrialLife] = field(default_factory=list)

    def consider(self, numbers: Iterable[int]) -> None:
        """Take in trials that have ended."""
        ended = select_competing(map(self.ledger.life, numbers), self.aims)
        self.top = rank([*self.top, *ended], self.aims)[:1]


class ToldRace(Race):
    """A race without packs, data and models: a round is one report, or none where something else ends the wait."""

    def __init__(self, run: ToldRun) -> None:
        job = run.job
        self._run: Any = run
        self._stops = Stops(job)
        self._started = monotonic()
        self._end: JobEnd | None = None
        limit = job.budget.seconds
        until = None if limit is None else self._started + limit - run.record.seconds
        self._lanes = ToldFleet(run.tells, job.metrics, until, self._retries_at)
        build: Any = dict
        self._ledger = Ledger(
            LedgerSettings(
                seed=job.seed,
                watch=job.watch,
                build=build,
                notes=lambda hyper: [],
                keep_states=False,
                snapshot_seconds=math.inf,
                is_told=True,
            ),
            self._lanes,
            run.sink,
            run.record,
        )
        self._winners: Any = Leader(self._ledger, job.aims)

    def _retries_at(self, trial: int) -> int | None:
        life = self._ledger.life(trial)
        return life.epoch if life.n_retried < self._run.job.retries else None

    def before_round(self) -> None:
        """Let everybody see what was decided after the last round, before the next one is waited for."""
        self._winners.consider(self._ledger.newly_ended())
        if not self._ledger.replaying:
            self._ledger.tell_states()
            self._run.sink.round_ended(self._ledger.round)

    def _open_fleet(self) -> None:
        """There is none."""

    def _judge(self) -> None:
        """There is no network to judge."""

    def _joint_settings(self, job: ResolvedJob) -> JointSettings:
        return JointSettings(
            scheduler=job.scheduler,
            epochs=job.epochs,
            parallelism=job.parallelism,
            round_epochs=1,
            merit=choose_merit(job.aims, None),
            seed=job.seed,
            is_told=True,
        )

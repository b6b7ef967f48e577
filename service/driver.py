"""A driver: the child of a runner that runs one job after another, each under its lease. Kept warm by the runner.

It reads one line of JSON per job from standard input and answers each with one line on standard output. When its
input ends, its runner is gone and so is it.
"""

from __future__ import annotations

import json
import math
import os
import queue
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Any, TextIO

import structlog
from sqlalchemy.exc import SQLAlchemyError

from models.bundled import BUNDLED, bundled_table
from models.prepare import PrepareError, prepare
from models.table import Table, TableError
from search.trial import IllegalTransition, JobReason, JobState
from service import ray_cluster
from service.database import Database
from service.importing import importing
from service.inbox import Inbox
from service.ingest import DatasetError, load_dataset
from service.leases import Claim, Leases
from service.queries.datasets import get_dataset
from service.queries.jobs import get_job
from service.record import load_record
from service.recorder import Recorder
from service.settings import Settings
from service.tables import Command
from workers.edits import KIND as EDIT
from workers.errors import JobError, LeaseLost, NothingTold, StorageFull, WorkersLost
from workers.fleet import Fleet
from workers.pack_host import Lease, NotLeased
from workers.ray_seat import RaySeat
from workers.resolved import ResolvedJob
from workers.run import JobRun, run_job
from workers.sink import Record
from workers.stops import JobEnd
from workers.told_run import ToldRun, run_told_job

POLL_SECONDS = 0.2
log = structlog.get_logger("driver")


@dataclass(frozen=True)
class Assignment:
    """One job to run, and the pack actors that are leased for it."""

    job_id: str
    lease_epoch: int
    seats: list[str]

    @property
    def claim(self) -> Claim:
        return Claim(self.job_id, self.lease_epoch)


class Commands:
    """A job's wishes from outside, read from the database now and then."""

    def __init__(self, recorder: Recorder, poll_seconds: float = POLL_SECONDS) -> None:
        self._recorder, self._poll_seconds = recorder, poll_seconds
        self._next = 0.0
        self._taken: set[int] = set()
        self._waiting: list[Command] = []

    def edits(self) -> list[dict[str, Any]]:
        return [command.payload or {} for command in self._take(lambda command: command.kind == EDIT)]

    def poll(self) -> str | None:
        return next((command.kind for command in self._take(lambda command: command.kind != EDIT)), None)

    def _take(self, wants: Callable[[Command], bool]) -> Iterator[Command]:
        self._look()
        for command in list(filter(wants, self._waiting)):
            self._waiting.remove(command)
            self._taken.add(command.id)
            self._recorder.applied(command.id)
            yield command

    def _look(self) -> None:
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + self._poll_seconds
            self._waiting = [command for command in self._recorder.commands() if command.id not in self._taken]


class Beat(threading.Thread):
    """Renews the lease while the job runs; a lost lease is found by the recorder's next write."""

    def __init__(self, leases: Leases, claim: Claim, beat_seconds: float) -> None:
        super().__init__(daemon=True, name="beat")
        self._leases, self._claim, self._beat_seconds = leases, claim, beat_seconds
        self._ended = threading.Event()

    def run(self) -> None:
        while not self._ended.wait(self._beat_seconds):
            try:
                self._leases.renew(self._claim)
            except LeaseLost:
                return
            except SQLAlchemyError as error:
                log.warning("the lease could not be renewed", job=self._claim.job_id, error=str(error))

    def __enter__(self) -> Beat:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self.join()


class Driver:
    """Runs jobs one after another on one connection to Ray and one to the database."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._database = Database(settings.resolved_database_url)
        self._leases = Leases(self._database, settings.lease_seconds)

    def drive(self, work: Assignment) -> str:
        """Run one job to its end and leave it in the state it has come to; answer that state."""
        try:
            with Beat(self._leases, work.claim, self._settings.beat_seconds):
                end = self._run(work)
            self._leases.release(work.claim, end.state, end.reason, end.detail)
        except LeaseLost as error:
            log.warning("another driver has taken the job", job=work.job_id, detail=str(error))
            return "lease_lost"
        except StorageFull as error:
            log.error(
                "the job's end could not be stored; it goes on when there is room", job=work.job_id, detail=str(error)
            )
            return "storage_full"
        log.info("job ended", job=work.job_id, state=end.state, reason=end.reason)
        return end.state

    def _run(self, work: Assignment) -> JobEnd:
        try:
            return self._race(work)
        except (PrepareError, TableError, DatasetError) as error:
            return JobEnd(JobState.FAILED, JobReason.DATASET_UNREADABLE, str(error))
        except StorageFull as error:
            return JobEnd(JobState.FAILED, JobReason.STORAGE_FULL, str(error))
        except JobError as error:
            return JobEnd(JobState.FAILED, error.reason, str(error))
        except WorkersLost as error:
            return JobEnd(JobState.QUEUED, JobReason.NO_WORKERS, str(error))
        except NothingTold as error:
            return JobEnd(JobState.QUEUED, JobReason.NOTHING_TOLD, str(error))
        except NotLeased as error:
            raise LeaseLost(str(error)) from error
        except (LeaseLost, IllegalTransition):
            raise
        except Exception as error:  # the runner's loop: a fault of ours must end this job, not the service
            log.error("job failed by an error of ours", job=work.job_id, error=traceback.format_exc())
            return JobEnd(JobState.FAILED, JobReason.INTERNAL_ERROR, f"{type(error).__name__}: {error}")

    def _race(self, work: Assignment) -> JobEnd:
        job, record = self._load(work.job_id)
        if job.trainer == "external":
            return self._race_outside(work, job, record)
        prepared = prepare(self._load_table(job.dataset or ""), job.prepare_request())
        fleet = Fleet([RaySeat(name) for name in work.seats])
        patience = self._settings.storage_patience_seconds
        with Recorder(self._database, work.claim, watch=job.watch, patience_seconds=patience) as recorder:
            lease = Lease(work.job_id, work.lease_epoch)
            return run_job(JobRun(lease, job, prepared, fleet, recorder, record, Commands(recorder)))

    def _race_outside(self, work: Assignment, job: ResolvedJob, record: Record) -> JobEnd:
        """Run a job that others train: no data, no pack actors. It stores before it waits, and not in between."""
        patience = self._settings.storage_patience_seconds
        with Recorder(
            self._database, work.claim, watch=job.watch, patience_seconds=patience, least_gap_seconds=math.inf
        ) as recorder:
            inbox = Inbox(self._database, work.claim, recorder)
            return run_told_job(ToldRun(job, inbox, recorder, record, Commands(recorder, poll_seconds=0.0)))

    def _load(self, job_id: str) -> tuple[ResolvedJob, Record]:
        with self._database.reading() as session:
            row = get_job(session, job_id)
            if row is None:
                raise LeaseLost(f"job {job_id} is gone")
            return ResolvedJob.model_validate(row.resolved_spec), load_record(session, job_id)

    def _load_table(self, dataset: str) -> Table:
        if dataset in BUNDLED:
            return bundled_table(dataset)
        with self._database.reading() as session:
            row = get_dataset(session, dataset)
            if row is None:
                raise TableError(f"dataset {dataset} is gone")
            sha256 = row.sha256
        return load_dataset(self._settings.data_dir, sha256)


def main(settings: Settings, address: str) -> None:
    """Serve a runner until it goes away."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints is no answer
    with importing():
        _warm_up()
    ray_cluster.connect(address)
    driver = Driver(settings)
    lines: queue.Queue[str] = queue.Queue()
    threading.Thread(target=_read_lines, args=(lines,), daemon=True, name="input").start()
    _answer(answers, {"ready": os.getpid()})
    while True:
        work = Assignment(**json.loads(lines.get()))
        _answer(answers, {"job_id": work.job_id, "state": driver.drive(work)})


def _warm_up() -> None:
    """Import what the first job would wait for."""
    for name in ("hyperopt", "ray", "sklearn.gaussian_process"):
        import_module(name)
    bundled_table(BUNDLED[0])


def _read_lines(lines: queue.Queue[str]) -> None:
    with open(0, "rb", buffering=0, closefd=False) as given:  # not sys.stdin, whose lock breaks the interpreter's end
        while line := given.readline():
            lines.put(line.decode())
    os._exit(1)  # the runner is gone: a driver without one must not go on beside its successor


def _answer(answers: TextIO, fact: dict[str, Any]) -> None:
    answers.write(json.dumps(fact) + "\n")
    answers.flush()

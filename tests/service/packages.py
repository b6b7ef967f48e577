"""A stored job with trials, reports and real model packages, for the tests of reading."""

from __future__ import annotations

import itertools
import math
from typing import Any, NamedTuple

import numpy as np

from models.artifact import write_package
from models.bundled import bundled_table
from models.hyper import Hyperparameters
from models.prepare import prepare
from models.table import Table
from search.trial import JobReason, JobState, TrialReason, TrialState
from service.database import Database
from service.leases import Leases
from service.recorder import Recorder
from service.submission import submit_job
from tests.service.facts import report, snapshot
from workers.resolved import ResolvedJob
from workers.sink import ModelFact, SegmentFact, TrialFact

OBJECTIVES = [0.9, 0.3, 0.5, math.nan, 0.3]
ENDS = [
    (TrialState.COMPLETED, TrialReason.EPOCHS_DONE),
    (TrialState.STOPPED, TrialReason.SCHEDULER_STOPPED),
    (TrialState.COMPLETED, TrialReason.EPOCHS_DONE),
    (TrialState.DIVERGED, TrialReason.NOT_FINITE),
    (TrialState.COMPLETED, TrialReason.OUT_OF_PATIENCE),
]


class Finished(NamedTuple):
    """A job that ran."""

    id: str
    packages: dict[int, bytes]


def build_package(resolved: ResolvedJob, seed: int, table: Table | None = None) -> bytes:
    """Draw a network for the job's data and write its package."""
    hyper = Hyperparameters.model_validate({"hidden_layers": 1, "units": 8, "loss": resolved.fixed["loss"]})
    prepared = prepare(table or bundled_table(resolved.dataset), resolved.prepare_request())
    draw = np.random.default_rng(seed)
    sizes = [prepared.data.x_train.shape[1], 8, prepared.data.n_outputs]
    layers: Any = [
        (draw.normal(size=(rows, columns)).astype(np.float32), np.zeros(columns, np.float32))
        for rows, columns in itertools.pairwise(sizes)
    ]
    return write_package(layers, hyper, prepared, {"job": "a job"})


def finish_job(database: Database, dataset: str = "iris", table: Table | None = None, **body: Any) -> Finished:
    """Submit a job and drive it by hand: five trials of two epochs each, models of the best two.

    `table` is that of an uploaded dataset.
    """
    job, _ = submit_job(database, {"dataset": dataset, "keep_models": 2, "budget": {"trials": 5}, **body}, None)
    leases = Leases(database, 15)
    claim = leases.claim_next("r1")
    assert claim is not None
    assert claim.job_id == job.id
    resolved = ResolvedJob.model_validate(job.resolved_spec)
    packages = {number: build_package(resolved, number, table) for number in (1, 4)}
    with Recorder(database, claim) as recorder:
        for number, objective in enumerate(OBJECTIVES):
            recorder.segment(SegmentFact(number, 0, 0, None, 0, 0, {"learning_rate": 0.1 * (number + 1)}))
            recorder.trial(TrialFact(number, TrialState.RUNNING, TrialReason.ADMITTED, {"learning_rate": 0.1}))
            recorder.reports(1, {}, [report(number, 1, 1.0), report(number, 2, objective)])
            recorder.snapshot(snapshot(number, 1))
            recorder.trial(TrialFact(number, *ENDS[number], {"learning_rate": 0.1}))
        for number, package in packages.items():
            metrics = {"log_loss": 0.3, "accuracy": 0.9}
            recorder.model(ModelFact(number, 2, 2, "trial", 0.3, metrics, {"log_loss": 0.4}, {"x": 1}, package))
        recorder.round_ended(1)
    leases.release(claim, JobState.SUCCEEDED, JobReason.TRIALS_DONE)
    return Finished(job.id, packages)

"""Fills a database through the real recorder with the facts of a made-up but realistic job. No HTTP, no browser."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from models.artifact import write_package
from models.bundled import bundled_table, bundled_target
from models.hyper import Hyperparameters
from models.lanes import LaneError, LaneReport, Outcome
from models.predictor import Predictor
from models.prepare import Prepared, PrepareRequest, prepare
from models.schema import FractionPart, Holdout
from search.trial import JobReason, JobState, TrialReason, TrialState
from service.database import Database
from service.leases import Claim, Leases
from service.queries.jobs import add_job, get_job
from service.recorder import Recorder
from service.tables import Job, new_id
from tests.browser.course import EPOCHS, RUNGS, Rungs, Runner, draw_runner
from workers.range_test import KIND, tell_outcome
from workers.sink import JournalFact, ModelFact, SegmentFact, TrialFact
from workers.spec import preview, read_spec, resolve

SPACE = {
    "learning_rate": {"type": "float", "low": 3e-4, "high": 6.4e-2, "log": True},
    "hidden_layers": {"type": "int", "low": 0, "high": 3},
    "units": {"type": "choice", "values": [8, 16, 32, 64, 96]},
    "activation": {"type": "choice", "values": ["relu", "tanh", "silu"]},
    "dropout": {"type": "float", "low": 0.0, "high": 0.5, "when": {"hidden_layers": {"ge": 1}}},
    "weight_decay": {"type": "float", "low": 1e-6, "high": 1e-2, "log": True},
    "batch_size": {"type": "choice", "values": [16, 32, 64, 128]},
}
ASHA = {"kind": "asha", "grace_period": RUNGS[0], "reduction_factor": 2}
TRACEBACK = """Traceback (most recent call last):
  File "models/pack.py", line 214, in _build_lane
    layers = build_layers(hyper, n_inputs, n_outputs)
  File "models/mlp.py", line 61, in build_layers
    raise ValueError(f"units of {hyper.hidden_layers} layers need as many widths, {hyper.units} given")
ValueError: units of 3 layers need as many widths, (64, 32) given
"""
ERROR = LaneError("ValueError", "units of 3 layers need as many widths, (64, 32) given", TRACEBACK)


@dataclass
class Race:
    """A claimed job and its trials; every `step` is a round that trains each live trial for one epoch."""

    leases: Leases
    claim: Claim
    recorder: Recorder
    metrics: list[str]
    n_trials: int
    parallelism: int = 24
    rungs: Rungs = field(default_factory=Rungs)
    live: list[Runner] = field(default_factory=list)
    n_admitted: int = 0
    round: int = 0
    best: float = float("inf")
    winner: Runner | None = None

    def test_range(self, payload: dict[str, Any]) -> None:
        """Store the outcome of a range test, as a driver does before the first round."""
        self.recorder.journal(JournalFact(0, KIND, payload))
        self.recorder.note("range-test", tell_outcome(payload, adopts=payload["adopted"]))
        self.recorder.round_ended(0)
        self.recorder.flush()

    def step(self) -> bool:
        """Play one round and store it; False once all trials have ended."""
        self._admit()
        if not self.live:
            return False
        self.round += 1
        for runner in list(self.live):
            self._advance(runner)
        self.recorder.round_ended(self.round)
        self.recorder.flush()
        return True

    def finish(self, verdict: bool = False) -> None:
        """Play to the end and let go of the job, with or without what its driver says of the winner at the end."""
        while self.step():
            pass
        if verdict and self.winner is not None:
            self._crown(self.winner)
        self.recorder.close()
        self.leases.release(self.claim, JobState.SUCCEEDED, JobReason.TRIALS_DONE)

    def _admit(self) -> None:
        while len(self.live) < self.parallelism and self.n_admitted < self.n_trials:
            runner = draw_runner(self.n_admitted)
            self.n_admitted += 1
            self.live.append(runner)
            self.recorder.segment(SegmentFact(runner.number, 0, 0, None, 0, 0, runner.parameters))
            self._tell(runner, TrialState.RUNNING, TrialReason.ADMITTED)

    def _advance(self, runner: Runner) -> None:
        value = runner.advance()
        error = ERROR if runner.fate == "fails" and runner.epoch == 7 else None
        outcome: Outcome | None = "failed" if error else "diverged" if np.isnan(value) else None
        values = (float("nan"),) * len(self.metrics) if outcome else self._values(value)
        report = LaneReport(runner.number, runner.epoch, runner.epoch, values[0] / 5900, values, outcome, error)
        self.recorder.reports(self.round, {runner.number: 0}, [report])
        if outcome == "failed":
            self._end(runner, TrialState.FAILED, TrialReason.ERROR, error)
        elif outcome == "diverged":
            self._end(runner, TrialState.DIVERGED, TrialReason.NOT_FINITE)
        elif runner.epoch == EPOCHS:
            self._end(runner, TrialState.COMPLETED, TrialReason.EPOCHS_DONE)
        elif not self.rungs.admits(runner):
            self._end(runner, TrialState.STOPPED, TrialReason.SCHEDULER_STOPPED)

    def _values(self, value: float) -> tuple[float, ...]:
        known = {"mean_squared_error": value, "root_mean_squared_error": value**0.5, "r2": 1 - value / 5900}
        known["mean_absolute_error"] = 0.8 * value**0.5
        return tuple(known.get(name, value) for name in self.metrics)

    def _tell(self, runner: Runner, state: TrialState, reason: TrialReason, error: LaneError | None = None) -> None:
        self.recorder.trial(TrialFact(runner.number, state, reason, runner.parameters, runner.rung, error))

    def _end(self, runner: Runner, state: TrialState, reason: TrialReason, error: LaneError | None = None) -> None:
        self.live.remove(runner)
        self._tell(runner, state, reason, error)
        if state in (TrialState.COMPLETED, TrialState.STOPPED) and runner.best < self.best:
            self.best, self.winner = runner.best, runner
            self.recorder.model(self._model(runner))

    def _crown(self, runner: Runner) -> None:
        """Tell of the winner how sure its score is, and an ensemble, as a driver does at the end of a job."""
        fact = self._model(runner)
        told = {"metric": "mean_squared_error", "level": 0.95, "score": 2818.0, "interval": [2500.0, 3100.0],
                "corrected": 2900.0, "corrected_interval": [2400.0, 3500.0], "bias": 82.0,
                "rivals": 25, "rows": 88, "resamples": 1000}  # fmt: skip
        card = {**fact.card, "facts": {"confidence": told}}
        self.recorder.model(replace(fact, card=card))
        members = [
            {"share": 0.75, "facts": {"trial": 3, "epoch": 9}},
            {"share": 0.25, "facts": {"trial": 5, "epoch": 7}},
        ]
        self.recorder.model(replace(fact, origin="ensemble", objective=2700.0, card={**fact.card, "members": members}))

    def _model(self, runner: Runner) -> ModelFact:
        metrics = dict(zip(self.metrics, self._values(runner.best), strict=True))
        test = dict(zip(self.metrics, self._values(runner.best * 1.03), strict=True))
        package = build_package()
        card = Predictor.from_package(package).card
        return ModelFact(
            runner.number, runner.best_epoch, runner.best_epoch, "trial", runner.best, metrics, test, card, package
        )


def submit(database: Database, **changes: Any) -> str:
    """Put a job on the bundled diabetes set into the queue, as the API would; returns its id."""
    body = {"name": "diabetes", "dataset": "diabetes", "space": SPACE, "scheduler": ASHA} | changes
    body = {"budget": {"trials": 64, "epochs_per_trial": EPOCHS}} | body
    schema = bundled_table("diabetes").schema
    choices = resolve(read_spec(body), schema, [bundled_target("diabetes")])
    resolved = choices.model_dump(mode="json")
    job = Job(id=new_id("j"), name=body["name"], labels={}, spec=body, resolved_spec=resolved, plan=preview(choices),
              maximize=False,
              keep_models=3, n_trials=resolved["trials"])  # fmt: skip
    with database.writing() as session:
        add_job(session, job)
    return job.id


def start_race(database: Database, **more: Any) -> Race:
    """Claim the oldest queued job and begin to drive it."""
    leases = Leases(database, lease_seconds=3600)
    claim = leases.claim_next("browser-tests")
    assert claim is not None, "submit a job first"
    with database.reading() as session:
        job = get_job(session, claim.job_id)
        assert job is not None
        metrics, n_trials = list(job.resolved_spec["metrics"]), job.n_trials
    return Race(leases, claim, Recorder(database, claim), metrics, n_trials, **more)


def build_package() -> bytes:
    """Build a model that really predicts: random features, the last layer solved by least squares."""
    prepared = _prepare()
    hyper = Hyperparameters(hidden_layers=1, units=32, activation="tanh")
    draw = np.random.default_rng(0)
    data = prepared.data
    weight = draw.normal(0, 0.3, (data.x_train.shape[1], 32)).astype(np.float32)
    bias = draw.normal(0, 0.3, 32).astype(np.float32)
    hidden = np.tanh(data.x_train @ weight + bias)
    table = np.hstack([hidden, np.ones((len(hidden), 1))])
    solved = np.linalg.solve(table.T @ table + np.eye(33), table.T @ data.y_train).astype(np.float32)
    return write_package([(weight, bias), (solved[:-1], solved[-1])], hyper, prepared, {})


def _prepare() -> Prepared:
    table = bundled_table("diabetes")
    target = bundled_target("diabetes")
    features = {column.name: column.kind for column in table.schema.columns if column.name != target}
    return prepare(table, PrepareRequest(features, [target], "regression", FractionPart(), Holdout()))

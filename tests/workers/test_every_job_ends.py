"""The property of the whole room: whatever is drawn, a job ends, and its account adds up."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import workers.run
from search.discovery import SCHEDULERS
from search.trial import TRIAL_ENDED, TrialReason, TrialState
from tests.workers.memory_sink import MemorySink
from tests.workers.races import LEARNS_EARLY, Race, every_pair, race

WORKS = {"learning_rate": {"type": "float", "low": 1e-3, "high": 0.1, "log": True}}
MAY_DIVERGE = {"learning_rate": {"type": "float", "low": 1e-2, "high": 100.0, "log": True}}
MAY_FAIL = {"hidden_layers": {"type": "choice", "values": [0, 16]}}
"""Sixteen layers of 65536 units need 2 TB: they fit no machine that runs the tests."""


def rates(trials: int, highest: float) -> dict[str, Any]:
    """Give as many learning rates as there are trials: a grid over them is the job's budget."""
    values = [round(highest * 0.5**i, 9) for i in range(trials)]
    return {"learning_rate": {"type": "choice", "values": values}}


@st.composite
def scheduler_settings(draw: st.DrawFn, kind: str, epochs: int) -> dict[str, Any]:
    """Draw settings that fit the budget."""
    factor = draw(st.sampled_from([2.0, 2.5, 3.0, 4.0]))
    if kind == "fifo":
        return {"kind": kind}
    if kind == "hyperband":
        return {"kind": kind, "reduction_factor": factor}
    if kind == "median":
        return {
            "kind": kind,
            "grace_period": draw(st.integers(1, min(3, epochs))),
            "min_samples_required": draw(st.integers(1, 4)),
        }
    if SCHEDULERS[kind].changes_parameters:
        quantile = draw(st.sampled_from([0.1, 0.25, 0.5]))
        return {
            "kind": kind,
            "perturbation_interval": draw(st.integers(1, min(5, epochs - 1))),
            "quantile_fraction": quantile,
        }
    return {"kind": kind, "reduction_factor": factor, "grace_period": draw(st.integers(1, min(3, epochs)))}


FOLDS = {"test": None, "validation": {"kind": "kfold", "folds": 2}}
STOPS = {"test": None, "stopping": {"kind": "fraction", "fraction": 0.3}}
WAYS: list[dict[str, Any]] = [{}, {}, {"repeats": 2}, {"split": FOLDS, "refit": False}]
NEVER_STOP = ("fifo", "pbt", "pb2")
WATCHES: list[dict[str, Any]] = [{}, {"metric": "r2", "min_delta": 0.01}, {"metric": "mean_absolute_error"}]


@st.composite
def races(
    draw: st.DrawFn, algorithm: str, scheduler: str, ways: Sequence[dict[str, Any]] = WAYS, watch: bool = False
) -> Race:
    """Draw a job of this pair, validated in one of these ways; `watch` lets something else than the objective decide
    the best epoch."""
    least = 2 if SCHEDULERS[scheduler].changes_parameters or algorithm == "grid" else 1
    trials, epochs = draw(st.integers(least, 12)), draw(st.integers(least, 30))
    ends = draw(st.sampled_from(["work", "work", "diverge", "fail", "all fail", "diverge and fail"]))
    space: dict[str, Any] = MAY_DIVERGE if "diverge" in ends else WORKS
    if algorithm == "grid":
        space = rates(trials, 100.0 if "diverge" in ends else 0.1)
    elif "fail" in ends and ends != "all fail":
        space = space | MAY_FAIL
    fixed: dict[str, Any] = {"optimizer": "sgd", "batch_size": 8, "units": 65536}
    if "hidden_layers" not in space:
        fixed["hidden_layers"] = 16 if ends == "all fail" else 0
    settings_of = draw(scheduler_settings(scheduler, epochs))
    fewest = SCHEDULERS[scheduler].model_validate(settings_of).least_parallelism(trials, epochs)
    patience = draw(st.none() | st.integers(1, 4))
    return race(
        space=space,
        fixed=fixed,
        algorithm={"kind": algorithm, **LEARNS_EARLY.get(algorithm, {})},
        scheduler=settings_of,
        budget={"trials": trials, "epochs_per_trial": epochs},
        early_stopping=patience and {"patience": patience, **draw(st.sampled_from(WATCHES if watch else [{}]))},
        parallelism=draw(st.none() | st.integers(min(fewest, trials), trials)),
        keep_models=draw(st.integers(1, 3)),
        max_failed_trials=12,
        seed=draw(st.integers(0, 5)),
        **{"split": {"test": None}, **draw(st.sampled_from(ways))},
    )


def check(race: Race, round_rows: int) -> None:
    """Run a job and hold its account to what it was asked."""
    job, sink = race.job, MemorySink(race.job.keep_models)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(workers.run, "ROUND_ROWS", round_rows)
        end = race.run(sink)
    sink.close()
    stored = sink.stored
    assert sorted(stored.trials) == list(range(job.trials))
    assert all(fact.state in TRIAL_ENDED for fact in stored.trials.values())
    for number, (state, reason) in sink.ends().items():
        assert (state, reason) == due_end(race, sink, number), f"trial {number}"
    counts = Counter(trial for trial, _ in stored.reports)
    for trial in stored.trials:
        assert [s for t, s in sorted(stored.reports) if t == trial] == list(range(1, counts[trial] + 1))
    assert all(0 <= report.epoch <= job.epochs for report in stored.reports.values())
    if not job.scheduler.changes_parameters:
        assert max(counts.values()) <= job.epochs
    competing = {n for n, fact in stored.trials.items() if fact.state in (TrialState.COMPLETED, TrialState.STOPPED)}
    best = sorted((best_of(sink, number), number) for number in competing)[: job.keep_models]
    assert [(fact.objective, fact.trial) for fact in stored.models.values()] == best
    assert end.state == ("succeeded" if best else "failed")
    assert best or end.reason == "no_completed_trial"


def due_end(race: Race, sink: MemorySink, number: int) -> tuple[TrialState, TrialReason]:
    """Say from its last report alone how a trial must have ended."""
    last = max((r for (t, _), r in sink.stored.reports.items() if t == number), key=lambda r: r.sequence)
    by_itself = {
        "diverged": (TrialState.DIVERGED, TrialReason.NOT_FINITE),
        "patience": (TrialState.COMPLETED, TrialReason.OUT_OF_PATIENCE),
    }
    if last.outcome == "failed":
        assert last.error is not None
        return TrialState.FAILED, TrialReason.OUT_OF_MEMORY if last.error.out_of_memory else TrialReason.ERROR
    if last.outcome is not None:
        return by_itself[last.outcome]
    if race.job.scheduler.kind in NEVER_STOP or last.epoch == race.job.epochs:
        # Of weights that were copied from a trial that had stopped training, the age may fall short.
        assert race.job.scheduler.changes_parameters or last.epoch == race.job.epochs
        return TrialState.COMPLETED, TrialReason.EPOCHS_DONE
    return TrialState.STOPPED, TrialReason.SCHEDULER_STOPPED


def best_of(sink: MemorySink, trial: int) -> float:
    """Find the lowest finite error among the reports of a trial that count."""
    counting = [r for (t, _), r in sink.stored.reports.items() if t == trial and r.outcome in (None, "patience")]
    return min(r.values[0] for r in counting if math.isfinite(r.values[0]))


@every_pair
def test_every_job_ends_and_its_account_adds_up(algorithm: str, scheduler: str) -> None:
    explore(algorithm, scheduler, n_examples=6)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@every_pair
def test_every_job_ends_in_a_long_search_too(algorithm: str, scheduler: str) -> None:
    explore(algorithm, scheduler, n_examples=30)


def explore(algorithm: str, scheduler: str, n_examples: int) -> None:
    @settings(max_examples=n_examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(drawn=races(algorithm, scheduler), round_rows=st.sampled_from([1, 50, 8_000]))
    def run(drawn: Race, round_rows: int) -> None:
        check(drawn, round_rows)

    run()

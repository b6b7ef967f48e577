"""The joint with Tune: what searchers hear, what schedulers decide, and what they copy."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

import pytest
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search.hyperopt import HyperOptSearch

from search.plugins import NEVER, Scheduler, ScheduleRequest
from search.schedulers.asha import Asha
from search.schedulers.hyperband import HyperBand
from search.schedulers.pbt import Pbt
from search.trial import TrialState
from tests.workers.memory_sink import MemorySink
from tests.workers.races import LINEAR, TOO_LARGE, Race, finished, pair_race
from workers.errors import SchedulerStuck
from workers.resolved import ResolvedJob
from workers.sink import SegmentFact


def with_scheduler(started: Race, scheduler: Scheduler) -> Race:
    """Put a scheduler into a job that no catalog knows."""
    values = {name: getattr(started.job, name) for name in ResolvedJob.model_fields}
    return replace(started, job=ResolvedJob.model_construct(**{**values, "scheduler": scheduler}))


def test_a_scheduler_that_waits_for_ever_fails_the_job_at_once() -> None:
    begun = time.monotonic()
    with pytest.raises(SchedulerStuck, match="has not finished"):
        finished(with_scheduler(pair_race("random", "fifo"), PausesForEver()))
    assert time.monotonic() - begun < 20


class _Pauser(FIFOScheduler):
    def on_trial_result(self, *_: Any) -> str:
        return str(TrialScheduler.PAUSE)

    def choose_trial_to_run(self, *_: Any) -> None:
        return None


class PausesForEver(Scheduler):
    """Pauses every trial at its first report."""

    kind: Literal["pauses"] = "pauses"

    def build(self, request: ScheduleRequest) -> Any:
        return _Pauser()


@pytest.mark.parametrize("scheduler", ["fifo", "asha", "hyperband"])
def test_tune_never_hears_a_number_that_is_not_finite(scheduler: str, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[float] = []
    for name in ("on_trial_result", "on_trial_complete"):
        monkeypatch.setattr(HyperOptSearch, name, _listening(getattr(HyperOptSearch, name), told))
    space = {"learning_rate": {"type": "float", "low": 0.01, "high": 100.0, "log": True}}
    _, sink = finished(pair_race("hyperopt", scheduler, space=space, fixed={**LINEAR, "batch_size": 1}))
    assert TrialState.DIVERGED in {state for state, _ in sink.ends().values()}
    assert len(told) >= len(sink.stored.trials)
    assert all(math.isfinite(value) for value in told)


def _listening(method: Any, told: list[float]) -> Any:
    def listen(self: Any, trial_id: str, result: Mapping[str, Any] | None = None, **others: Any) -> Any:
        assert result is not None, "a searcher was told of an end without a result"
        told.append(result["objective"])
        return method(self, trial_id, result=result, **others)

    return listen


class EagerAsha(Asha):
    """Looks at every epoch."""

    def next_milestone(self, scheduler: Any, trial: Any, epoch: int) -> int:
        return epoch + 1


class EagerHyperBand(HyperBand):
    """Looks at every epoch."""

    def next_milestone(self, scheduler: Any, trial: Any, epoch: int) -> int:
        return epoch + 1


class EagerPbt(Pbt):
    """Looks at every epoch."""

    def next_milestone(self, scheduler: Any, trial: Any, epoch: int) -> int:
        return epoch + 1


@pytest.mark.parametrize("eager", [EagerAsha, EagerHyperBand, EagerPbt])
@pytest.mark.parametrize("seed", [1, 2])
def test_skipping_epochs_between_milestones_changes_no_decision(eager: type[Scheduler], seed: int) -> None:
    kind = eager.name()
    given = {"early_stopping": None, "seed": seed, "budget": {"trials": 14, "epochs_per_trial": 12}}
    started = pair_race("random", kind, parallelism=None if kind != "asha" else 5, **given)
    watched = with_scheduler(started, eager(**started.job.scheduler.model_dump()))
    skipping, looking = finished(started)[1], finished(watched)[1]
    assert decisions(skipping) == decisions(looking)
    assert skipping.stored.n_rounds < looking.stored.n_rounds


def decisions(sink: MemorySink) -> dict[str, Any]:
    rows = sink.rows()
    return {name: rows[name] for name in ("segments", "segment_of", "reports")} | {"ends": sink.ends()}


def test_fifo_asks_for_nothing_between_the_ends() -> None:
    job = pair_race("random", "fifo").job
    assert job.scheduler.next_milestone(job.scheduler.build(job.schedule_request()), None, 3) == NEVER


@pytest.mark.parametrize("rate", [0.01, 100.0], ids=["failing", "diverging"])
def test_a_population_of_broken_lanes_copies_sound_states_only(rate: float) -> None:
    space = {"learning_rate": {"type": "float", "low": rate * 0.5, "high": rate}}
    started = pair_race("random", "pbt", space=space, fixed=TOO_LARGE if rate < 1 else LINEAR, max_failed_trials=12)
    end, sink = finished(started)
    assert end.reason == "no_completed_trial"
    copies = [fact for fact in sink.stored.segments.values() if fact.index > 0]
    assert copies, "nobody copied: the test shows nothing"
    for fact in copies:
        assert fact.source_trial is None or is_sound(sink, fact), fact


def is_sound(sink: MemorySink, fact: SegmentFact) -> bool:
    source = sink.stored.reports[fact.source_trial or 0, fact.source_sequence]
    return source.outcome is None and source.epoch == fact.source_epoch

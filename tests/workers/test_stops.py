"""What ends a job by its trials: no improvement, and too many failures."""

from __future__ import annotations

from typing import Any

import pytest

from search.trial import JobReason, JobState, TrialReason, TrialState
from tests.workers.memory_sink import MemorySink
from tests.workers.races import RATE, TOO_LARGE, finished, pair_race, race
from tests.workers.spec_tables import refusal_of, resolve_job
from workers.errors import LeaseLost
from workers.lives import Best, StateKey, TrialLife
from workers.stops import Stops

ONE_BY_ONE = {"parallelism": 1, "seed": 5, "early_stopping": None}


def best_values(sink: MemorySink) -> list[float]:
    """The best objective of each trial; none for one without."""
    found: dict[int, float] = {}
    for (number, _), report in sink.stored.reports.items():
        if report.outcome not in ("failed", "diverged"):
            found[number] = min(found.get(number, float("inf")), report.values[0])
    return [found.get(number, float("inf")) for number in sorted(sink.stored.trials)]


def stop_after(values: list[float], patience: int, least: float = 0.0) -> int | None:
    """The number of trials, one after the other, after which a search is over."""
    best, waited = float("inf"), 0
    for number, value in enumerate(values):
        best, waited = (value, 0) if best - value > least else (best, waited + 1)
        if waited >= patience:
            return number + 1
    return None


@pytest.mark.parametrize(("patience", "least"), [(1, 0.0), (3, 0.0), (3, 0.5)])
def test_a_job_ends_when_nothing_improves_and_says_so(patience: int, least: float) -> None:
    budget: dict[str, Any] = {"trials": 16, "epochs_per_trial": 3}
    _, whole = finished(pair_race("random", "fifo", budget=budget, **ONE_BY_ONE))
    expected = stop_after(best_values(whole), patience, least)
    assert expected is not None
    budget |= {"patience_trials": patience, "min_improvement": least}
    end, sink = finished(pair_race("random", "fifo", budget=budget, **ONE_BY_ONE))
    assert (end.state, end.reason) == (JobState.SUCCEEDED, JobReason.NO_IMPROVEMENT)
    assert f"{patience} trials in a row ended without an improvement; the best is trial" in end.detail
    complete = [n for n, (state, _) in sink.ends().items() if state == TrialState.COMPLETED]
    assert len(complete) == expected
    cut = [reason for state, reason in sink.ends().values() if state != TrialState.COMPLETED]
    assert set(cut) <= {TrialReason.NO_IMPROVEMENT}


def life(number: int, value: float, state: TrialState = TrialState.COMPLETED) -> TrialLife:
    best = Best(value, StateKey(number, 0, 1), 1, (value,), value)
    return TrialLife(number, 0, values=(value,), best=best, state=state)


def test_a_live_trial_that_is_better_is_waited_for() -> None:
    job = resolve_job(budget={"patience_trials": 1, "min_improvement": 0.1})
    ended = [life(0, 2.0), life(1, 3.0)]
    live = life(2, 1.95, TrialState.RUNNING)
    assert Stops(job).judge(ended, [life(2, 1.5, TrialState.RUNNING)]) is None
    over = Stops(job).judge(ended, [live])
    assert over is not None
    assert over.reason == JobReason.NO_IMPROVEMENT
    maximal = resolve_job(budget={"patience_trials": 1}, objective="r2")
    assert Stops(maximal).judge(ended, []) is None, "3 is better than 2"


@pytest.mark.parametrize("scheduler", ["asha", "hyperband", "pbt"])
def test_it_ends_the_same_after_a_crash_under_any_scheduler(scheduler: str) -> None:
    started = pair_race("random", scheduler, budget={"trials": 12, "epochs_per_trial": 9, "patience_trials": 2})
    end, whole = finished(started)
    sink = MemorySink(lose_at=max(1, whole.stored.n_rounds - 1))
    with pytest.raises(LeaseLost):
        started.run(sink)
    sink.forget_open()
    assert started.run(sink, record=sink.record()) == end
    sink.close()
    assert sink.rows() == whole.rows()


def failing(limit: int | None, trials: int = 6) -> tuple[Any, MemorySink]:
    """Every second point is a network that fits no machine."""
    space = {**RATE, "hidden_layers": {"type": "choice", "values": [0, 16]}}
    points = [{"parameters": {"hidden_layers": 16 * (n % 2), "learning_rate": 0.01 + n / 1000}} for n in range(trials)]
    fixed = {name: value for name, value in TOO_LARGE.items() if name != "hidden_layers"}
    budget = {"trials": trials, "epochs_per_trial": 2}
    more = {} if limit is None else {"max_failed_trials": limit}
    return finished(
        race(space=space, fixed=fixed, points=points, budget=budget, **ONE_BY_ONE, **more, scheduler={"kind": "fifo"})
    )


def test_a_job_fails_when_more_trials_fail_than_it_bears_and_names_the_last_error() -> None:
    end, sink = failing(1)
    assert (end.state, end.reason) == (JobState.FAILED, JobReason.TOO_MANY_FAILED)
    assert end.detail.startswith("2 trials failed, 1 are allowed; the last, trial 3: ")
    states = [state for state, _ in sink.ends().values()]
    assert states.count(TrialState.FAILED) == 2
    assert states.count(TrialState.COMPLETED) == 2
    assert sink.stored.models, "what was good is kept"


def test_a_job_bears_as_many_failures_as_it_says() -> None:
    assert failing(3)[0].reason == JobReason.TRIALS_DONE
    end, _ = failing(2)
    assert end.reason == JobReason.TOO_MANY_FAILED, "also if the last trial is the one too many"
    assert failing(None)[0].reason == JobReason.TRIALS_DONE


def test_a_job_bears_half_of_its_trials_unless_it_says_otherwise() -> None:
    assert resolve_job(budget={"trials": 64}).max_failed_trials == 32
    assert resolve_job(budget={"trials": 4}).max_failed_trials == 10
    assert resolve_job(max_failed_trials=0).max_failed_trials == 0


def test_nonsense_is_refused_by_name() -> None:
    for budget, path in (
        ({"patience_trials": 0}, "budget.patience_trials"),
        ({"patience_trials": 3, "min_improvement": -1}, "budget.min_improvement"),
        ({"min_improvement": 0.1}, "budget.min_improvement"),
    ):
        assert list(refusal_of(budget=budget)[1]) == [path]
    assert list(refusal_of(max_failed_trials=-1)[1]) == ["max_failed_trials"]

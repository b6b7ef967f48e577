"""Points that come again are not trained again."""

from __future__ import annotations

from typing import Any

import pytest

from tests.workers.memory_sink import MemorySink
from tests.workers.races import RATE, CountingSeat, Race, Wish, finished, pair_race
from tests.workers.spec_tables import refusal_of, resolve_job
from workers.errors import LeaseLost

SPACE = {
    "learning_rate": {"type": "choice", "values": [0.01, 0.05, 0.2]},
    "dropout": {"type": "choice", "values": [0, 0.4]},
}
FIXED = {"hidden_layers": 1, "units": 4, "batch_size": 8, "optimizer": "sgd"}


def small(algorithm: str = "random", scheduler: str = "fifo", **body: Any) -> Race:
    """Sixteen trials over six points."""
    budget = {"trials": 16, "epochs_per_trial": 6}
    given = {"space": SPACE, "fixed": FIXED, "budget": budget, "parallelism": 2, "early_stopping": None}
    return pair_race(algorithm, scheduler, **{**given, "ensemble": None, "contenders": 1, "keep_models": 1, **body})


def curves(sink: MemorySink) -> dict[int, list[Any]]:
    found: dict[int, list[Any]] = {}
    for (number, _), report in sorted(sink.stored.reports.items()):
        found.setdefault(number, []).append((report.epoch, report.values, report.train_loss, report.outcome))
    return found


def points(sink: MemorySink) -> dict[int, str]:
    return {number: str(sorted(fact.parameters.items())) for number, fact in sink.stored.trials.items()}


@pytest.mark.parametrize("algorithm", ["random", "hyperopt", "evolution"])
def test_a_point_is_trained_once_and_its_reports_taken_over(algorithm: str) -> None:
    seat, sink = CountingSeat("s"), MemorySink()
    small(algorithm).run(sink, [seat])
    sink.close()
    by_point: dict[str, list[int]] = {}
    for number, point in points(sink).items():
        by_point.setdefault(point, []).append(number)
    assert len(by_point) < 16 == len(sink.stored.trials)
    told = curves(sink)
    assert all(told[number] == told[same[0]] for same in by_point.values() for number in same)
    side_by_side = 1  # two trials of one point that begin together are both trained
    assert seat.n_epochs <= 6 * (len(by_point) + side_by_side) + 6, "and once more for the model"
    assert [code for code, _ in sink.notes].count("repeated-point") == 1


def test_without_it_every_trial_has_a_seed_of_its_own() -> None:
    _, sink = finished(small(dedupe=False))
    told, where = curves(sink), points(sink)
    twins = [(a, b) for a in told for b in told if a < b and where[a] == where[b]]
    assert twins
    assert all(told[a] != told[b] for a, b in twins)


@pytest.mark.parametrize("scheduler", ["asha", "hyperband"])
def test_a_repeated_trial_that_goes_further_is_trained_on(scheduler: str) -> None:
    body: dict[str, Any] = {"parallelism": None} if scheduler == "hyperband" else {}
    _, sink = finished(small("random", scheduler, **body))
    told, where = curves(sink), points(sink)
    pairs = [(a, b) for a in told for b in told if a < b and where[a] == where[b]]
    assert pairs
    if scheduler == "hyperband":  # under asha a later trial of one point is stopped where the first was, or before
        assert any(len(told[a]) < len(told[b]) for a, b in pairs)
    for a, b in pairs:
        n = min(len(told[a]), len(told[b]))
        assert told[a][:n] == told[b][:n]


@pytest.mark.parametrize("repeats", [1, 2])
@pytest.mark.parametrize("scheduler", ["fifo", "asha"])
def test_a_job_with_repeated_points_ends_the_same_after_a_crash_and_a_pause(scheduler: str, repeats: int) -> None:
    started = small("random", scheduler, repeats=repeats)
    _, whole = finished(started)
    sink = MemorySink(keep=1, lose_at=whole.stored.n_rounds // 2)
    with pytest.raises(LeaseLost):
        started.run(sink)
    sink.forget_open()
    started.run(sink, record=sink.record(), control=Wish("pause", at_poll=2))
    sink.close()
    started.run(sink, 3, record=sink.record())
    sink.close()
    assert sink.rows() == whole.rows()


def test_points_are_compared_only_where_they_can_come_again() -> None:
    assert resolve_job(space=SPACE).dedupe
    assert not resolve_job(space={**SPACE, **RATE}).dedupe, "a continuous parameter"
    dropout = {"type": "float", "low": 0.0, "high": 0.5, "when": {"hidden_layers": {"ge": 1}}}
    conditional = {"hidden_layers": {"type": "int", "low": 0, "high": 1}, "dropout": dropout}
    assert resolve_job(space=conditional).dedupe, "without hidden layers there is one point"
    assert not resolve_job(space=SPACE, dedupe=False).dedupe
    assert not resolve_job(space=SPACE, scheduler={"kind": "pbt"}).dedupe


def test_a_scheduler_that_copies_trials_refuses_it() -> None:
    code, problems = refusal_of(space=SPACE, dedupe=True, scheduler={"kind": "pbt"})
    assert (code, list(problems)) == ("invalid-request", ["dedupe"])
    assert "pbt copies trials on purpose" in problems["dedupe"]

"""The joint spares Tune's schedulers most trials; they decide as if they had looked at all."""

from __future__ import annotations

import pytest
from ray.tune.execution.tune_controller import TuneController
from ray.tune.schedulers import HyperBandScheduler, PopulationBasedTraining

import search.population
import search.schedulers.asha
import search.schedulers.hyperband
import search.schedulers.median
from search.shortcuts import OpenBands, SortedPopulation
from tests.search.comparison import Comparison
from tests.workers.races import Race, finished, race
from workers.controller import PackedController
from workers.events import Events

SCHEDULERS = {
    "fifo": {"kind": "fifo"},
    "asha": {"kind": "asha", "brackets": 2},
    "hyperband": {"kind": "hyperband"},
    "median": {"kind": "median"},
    "pbt": {"kind": "pbt", "perturbation_interval": 2, "quantile_fraction": 0.4},
}


def crowd(kind: str, seed: int) -> Race:
    """Give a race of so many trials that many wait, stop and copy at once."""
    return race(
        algorithm={"kind": "random"},
        scheduler=SCHEDULERS[kind],
        budget={"trials": 40, "epochs_per_trial": 9},
        parallelism=7 if kind in ("fifo", "asha", "median") else None,
        early_stopping={"patience": 3},
        seed=seed,
    )


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("kind", SCHEDULERS)
def test_a_job_is_the_same_to_the_bit_without_shortcuts(kind: str, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    _, short = finished(crowd(kind, seed))
    monkeypatch.setattr(PackedController, "get_trials", TuneController.get_trials)
    monkeypatch.setattr(search.schedulers.asha, "sort_rungs", lambda brackets: None)
    monkeypatch.setattr(search.schedulers.hyperband, "OpenBands", type("Nothing", (), {}))
    monkeypatch.setattr(search.schedulers.median, "SortedMeans", type("Nothing", (), {}))
    monkeypatch.setattr(search.population, "SortedPopulation", type("Nothing", (), {}))
    _, long = finished(crowd(kind, seed))
    assert short.rows() == long.rows()
    assert kind == "fifo" or len({reason for _, reason in short.ends().values()}) > 1 or short.stored.n_rounds > 9


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_every_choice_of_pbt_is_that_of_tune(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("_quantiles", "choose_trial_to_run")
    methods = [Comparison(SortedPopulation, PopulationBasedTraining, name) for name in names]
    for name, method in zip(names, methods, strict=True):
        monkeypatch.setattr(SortedPopulation, name, method)
    finished(crowd("pbt", seed))
    assert all(len(method.answers) > 100 for method in methods)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_every_choice_of_hyperband_is_that_of_tune(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = Comparison(OpenBands, HyperBandScheduler, "choose_trial_to_run")
    monkeypatch.setattr(OpenBands, "choose_trial_to_run", chosen)
    finished(crowd("hyperband", seed))
    assert len(chosen.answers) > 100


def test_events_come_in_order_and_those_of_one_lane_can_be_taken_back() -> None:
    told: list[str] = []
    events = Events()
    for owner, name in [("a", "a1"), ("b", "b1"), ("a", "a2"), (None, "nobody's"), ("c", "c1")]:
        events.append(owner, lambda name=name: told.append(name))
    events.put_first("c", lambda: told.append("c0"))
    events.take_next()()
    events.take_next()()
    events.take_back("a")
    events.take_back("a")
    events.append("a", lambda: told.append("a3"))
    assert len(events) == 4
    while events:
        events.take_next()()
    assert told == ["c0", "a1", "b1", "nobody's", "c1", "a3"]


def test_an_empty_queue_of_events_has_no_next() -> None:
    with pytest.raises(KeyError):
        Events().take_next()

"""What spares Tune's schedulers a walk through all trials finds what the walk finds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ray.tune.schedulers import HyperBandScheduler, MedianStoppingRule, PopulationBasedTraining

from search.schedulers.hyperband import HyperBand
from search.schedulers.median import Median
from search.schedulers.pbt import Pbt
from search.shortcuts import OpenBands, Rung, SortedMeans, SortedPopulation
from tests.search.comparison import Comparison
from tests.search.course import Race


@settings(max_examples=30, deadline=None)
@given(
    n_trials=st.integers(2, 30),
    interval=st.integers(1, 5),
    share=st.sampled_from([0.1, 0.25, 0.4, 0.5]),
    seed=st.integers(0, 99),
)
def test_pbt_finds_the_quantiles_and_the_next_trial_that_tune_finds(
    n_trials: int, interval: int, share: float, seed: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        quantiles = Comparison(SortedPopulation, PopulationBasedTraining, "_quantiles")
        chosen = Comparison(SortedPopulation, PopulationBasedTraining, "choose_trial_to_run")
        patch.setattr(SortedPopulation, "_quantiles", quantiles)
        patch.setattr(SortedPopulation, "choose_trial_to_run", chosen)
        plugin = Pbt(perturbation_interval=interval, quantile_fraction=share)
        Race(plugin, 20, n_trials, at_milestones=True, seed=seed).run()
    assert any(lower and upper for lower, upper in quantiles.answers)
    assert len(set(chosen.answers)) > 1


@settings(max_examples=60, deadline=None)
@given(data=st.data(), n_trials=st.integers(2, 6))
def test_pbt_chooses_as_tune_does_in_whatever_order_trials_start_report_and_pause(
    data: st.DataObject, n_trials: int
) -> None:
    race = Race(Pbt(perturbation_interval=1), 20, n_trials, at_milestones=True)
    race.prepare()
    for _ in range(25):
        trial = data.draw(st.sampled_from(race.trials))
        if trial.is_saving:
            trial.temporary_state.saving_to = None
            trial.set_status("PAUSED")
        elif trial.status == "RUNNING":
            result = {"training_iteration": data.draw(st.integers(1, 5)), "objective": data.draw(st.floats(0, 1))}
            if race.scheduler.on_trial_result(race, trial, result) == "PAUSE":
                trial.temporary_state.saving_to = object()
        else:
            trial.set_status("RUNNING")
        expected = PopulationBasedTraining.choose_trial_to_run(race.scheduler, race)
        assert race.scheduler.choose_trial_to_run(race) is expected


@settings(max_examples=30, deadline=None)
@given(n_trials=st.integers(2, 90), epochs=st.integers(3, 40), seed=st.integers(0, 99))
def test_hyperband_starts_the_trial_that_tune_would_start(n_trials: int, epochs: int, seed: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        chosen = Comparison(OpenBands, HyperBandScheduler, "choose_trial_to_run")
        patch.setattr(OpenBands, "choose_trial_to_run", chosen)
        Race(HyperBand(), epochs, n_trials, at_milestones=True, seed=seed).run()
    assert len(set(chosen.answers)) > 1


def test_hyperband_starts_a_trial_that_was_still_being_saved_when_its_bracket_went_on() -> None:
    race = Race(HyperBand(), 3, 5, at_milestones=True)
    race.prepare()
    *_, first, slow, last = race.trials
    for trial in race.trials:
        trial.set_status("RUNNING")
    race.report(first, 1, 0.5)
    race.report(slow, 1, 0.1)
    slow.set_status("RUNNING")
    slow.temporary_state.saving_to = object()
    race.report(last, 1, 0.9)
    assert race.scheduler.choose_trial_to_run(race) is None
    slow.temporary_state.saving_to = None
    slow.set_status("PAUSED")
    assert race.scheduler.choose_trial_to_run(race) is slow


@settings(max_examples=40, deadline=None)
@given(
    n_trials=st.integers(2, 40),
    grace=st.integers(1, 6),
    required=st.integers(1, 5),
    mode=st.sampled_from(["min", "max"]),
    seed=st.integers(0, 99),
)
def test_the_median_rule_stops_whom_tune_stops(n_trials: int, grace: int, required: int, mode: str, seed: int) -> None:
    plugin = Median(grace_period=grace, min_samples_required=required)
    short = Race(plugin, 15, n_trials, at_milestones=True, seed=seed, mode=mode).run()
    with pytest.MonkeyPatch.context() as patch:
        for name in ("on_trial_result", "on_trial_complete"):
            patch.setattr(SortedMeans, name, getattr(MedianStoppingRule, name))
        assert Race(plugin, 15, n_trials, at_milestones=True, seed=seed, mode=mode).run() == short


@given(
    scores=st.lists(st.floats(allow_nan=False), min_size=1, max_size=40),
    factor=st.sampled_from([2, 2.5, 3, 4, 7, 1000]),
)
def test_a_rung_cuts_off_where_numpy_does_to_the_last_bit(scores: list[float], factor: float) -> None:
    rung = Rung()
    percent = (1 - 1 / factor) * 100
    assert rung.percentile(percent) is None
    for place, score in enumerate(scores):
        rung[str(place)] = score
        with np.errstate(all="ignore"):
            expected = np.nanpercentile(list(rung.values()), percent)
        # Equal zeros may differ in sign, by which nothing is decided.
        assert np.array_equal([rung.percentile(percent)], [expected], equal_nan=True)

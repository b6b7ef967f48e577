from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ray.tune.schedulers import HyperBandScheduler

from search.discovery import SCHEDULERS
from search.parameters import Categories, Interval
from search.plugins import NEVER, Scheduler, ScheduleRequest
from search.schedulers.asha import Asha
from search.schedulers.fifo import Fifo
from search.schedulers.hyperband import HyperBand
from search.schedulers.median import Median
from search.schedulers.pb2 import Pb2
from search.schedulers.pbt import Pbt
from tests.search.course import RATE, Race

DECIDING = [Asha(), HyperBand(), Pbt(perturbation_interval=3), Pb2(perturbation_interval=3)]
REQUEST = ScheduleRequest("min", 20, RATE, 0)


@st.composite
def schedulers(draw: st.DrawFn) -> Scheduler:
    """Draw a scheduler with settings of its own."""
    factor = draw(st.sampled_from([2, 2.5, 3, 4]))
    kind = draw(st.sampled_from(["asha", "hyperband", "median", "pbt", "pb2"]))
    if kind == "asha":
        return Asha(reduction_factor=factor, grace_period=draw(st.integers(1, 3)), brackets=draw(st.integers(1, 2)))
    if kind == "hyperband":
        return HyperBand(reduction_factor=factor)
    if kind == "median":
        return Median(grace_period=draw(st.integers(1, 6)), min_samples_required=draw(st.integers(1, 5)))
    if kind == "pb2":
        return Pb2(perturbation_interval=draw(st.integers(3, 8)))
    return Pbt(perturbation_interval=draw(st.integers(1, 6)), resample_probability=draw(st.sampled_from([0.0, 0.3])))


@settings(max_examples=40, deadline=None)
@given(plugin=schedulers(), epochs=st.integers(8, 40), n_trials=st.integers(2, 30), seed=st.integers(0, 9))
def test_reporting_only_at_milestones_changes_no_decision(
    plugin: Scheduler, epochs: int, n_trials: int, seed: int
) -> None:
    stepped = Race(plugin, epochs, n_trials, at_milestones=False, seed=seed).run()
    jumped = Race(plugin, epochs, n_trials, at_milestones=True, seed=seed).run()
    assert jumped == stepped


@pytest.mark.parametrize("plugin", DECIDING, ids=lambda p: p.kind)
def test_every_scheduler_decides_something_and_every_trial_ends(plugin: Scheduler) -> None:
    race = Race(plugin, 27, 20, at_milestones=True)
    decisions = race.run()
    assert decisions
    assert all(trial.is_finished() for trial in race.trials)
    assert {epoch for _, _, epoch, _ in decisions} <= set(plugin.rungs(27)), "decisions fall on the rungs of preview"


def test_the_direction_of_the_objective_turns_the_decisions_around() -> None:
    down = Race(Asha(), 9, 12, at_milestones=True, mode="min").run()
    up = Race(Asha(), 9, 12, at_milestones=True, mode="max").run()
    assert {trial for _, trial, _, _ in down} != {trial for _, trial, _, _ in up}


def test_fifo_never_decides() -> None:
    assert Race(Fifo(), 5, 4, at_milestones=True).run() == []
    assert Fifo().rungs(100) == []


@given(epochs=st.integers(1, 2000), factor=st.sampled_from([2, 2.5, 3, 4, 7]), grace=st.integers(1, 20))
def test_asha_rungs_are_those_of_ray_tune(epochs: int, factor: float, grace: int) -> None:
    plugin = Asha(reduction_factor=factor, grace_period=min(grace, epochs))
    scheduler = plugin.build(ScheduleRequest("min", epochs, {}, 0))
    assert [int(-(-age // 1)) for age, _ in reversed(scheduler._brackets[0]._rungs)] == plugin.rungs(epochs)


@settings(deadline=None)
@given(epochs=st.integers(1, 2000), factor=st.sampled_from([2, 2.5, 3, 4, 7]))
def test_hyperband_brackets_are_those_of_ray_tune(epochs: int, factor: float) -> None:
    scheduler = HyperBandScheduler(metric="objective", mode="min", max_t=epochs, reduction_factor=factor)
    real = []
    for s in range(scheduler._s_max_1):
        if scheduler._get_r0(s) == 0:
            continue
        bracket = scheduler._create_bracket(s)
        ages = [bracket._cumul_r]
        while bracket._halves > 0:
            bracket.successive_halving("objective", 1.0)
            ages.append(bracket._cumul_r)
        real.append((scheduler._get_n0(s), ages))
    plugin = HyperBand(reduction_factor=factor)
    assert plugin.brackets(epochs) == real
    assert plugin.rungs(epochs) == sorted(set(itertools.chain(*(ages for _, ages in real))))


def test_hyperband_needs_its_largest_bracket_or_as_much_of_it_as_trials_fill() -> None:
    plugin = HyperBand()
    assert plugin.brackets(50) == [(5, [50]), (8, [16, 48]), (15, [5, 15, 45]), (34, [1, 3, 9, 27])]
    assert plugin.least_parallelism(200, 50) == 34
    assert plugin.least_parallelism(62, 50) == 34
    assert plugin.least_parallelism(30, 50) == 15
    assert plugin.least_parallelism(3, 50) == 3


def test_hyperband_says_what_its_budget_buys() -> None:
    plugin = HyperBand()
    work_of_a_band = 5 * 50 + (8 * 16 + 3 * 32) + (15 * 5 + 5 * 10 + 2 * 30) + (34 * 1 + 12 * 2 + 4 * 6 + 2 * 18)
    assert plugin.epochs_bought(62, 50) == work_of_a_band
    assert plugin.epochs_bought(124 + 3, 50) == 2 * work_of_a_band + 3 * 50


def test_pbt_rungs_are_multiples_of_its_interval_before_the_end() -> None:
    assert Pbt(perturbation_interval=5).rungs(20) == [5, 10, 15]


@settings(deadline=None)
@given(
    value=st.floats(0.1, 0.9),
    index=st.integers(0, 3),
    resample=st.sampled_from([0.0, 0.5, 1.0]),
)
def test_pbt_never_leaves_the_space_and_changes_mutable_parameters_only(
    value: float, index: int, resample: float
) -> None:
    from ray.tune.schedulers.pbt import _explore

    mutable = {"rate": Interval(0.1, 0.9), "choice": Categories(4)}
    pbt = Pbt(resample_probability=resample).build(ScheduleRequest("min", 20, mutable, 0))
    config = {"rate": value, "choice": index, "units": 7}
    explored, _ = _explore(
        config, pbt._hyperparam_mutations, resample, pbt._perturbation_factors, pbt._custom_explore_fn
    )
    assert 0.1 <= explored["rate"] <= 0.9
    assert explored["choice"] in range(4)
    assert explored["units"] == 7


def test_the_median_rule_stops_by_the_median_of_averages_and_never_the_best() -> None:
    race = Race(Median(grace_period=2, min_samples_required=4), 12, 15, at_milestones=True)
    decisions = race.run()
    stopped = {trial for _, trial, _, _ in decisions}
    assert stopped
    assert {action.split()[0] for *_, action in decisions} == {"STOP"}
    assert min(epoch for _, _, epoch, _ in decisions) >= 2
    assert not stopped & {0, 1, 2, 3}, "fewer than four others had come as far"
    best = min(race.trials, key=lambda trial: trial.last_result["objective"])
    assert race.trials.index(best) not in stopped


def test_pb2_copies_as_pbt_does_and_stays_inside_the_space_with_values_of_its_own() -> None:
    race = Race(Pb2(perturbation_interval=2), 20, 12, at_milestones=True)
    copies = [float(action.split()[1]) for _, _, _, action in race.run() if action.startswith("NOOP")]
    assert len(copies) > 10
    low, high = RATE["rate"].low, RATE["rate"].high
    assert all(low <= rate <= high for rate in copies)
    again = Race(Pb2(perturbation_interval=2), 20, 12, at_milestones=True)
    again.run()
    assert again.decisions == race.decisions


def test_pbt_exploits_by_copying_a_better_trial() -> None:
    decisions = Race(Pbt(perturbation_interval=2), 10, 8, at_milestones=True).run()
    assert any("NOOP" in action for _, _, _, action in decisions)


def problems_of(
    plugin: Scheduler, trials: int = 10, epochs: int = 20, parallelism: int = 10, mutable: object = RATE
) -> dict[str, str]:
    found = plugin.problems(mutable, trials, epochs, parallelism)  # type: ignore[arg-type]
    return {problem.path: problem.message for problem in found}


def test_settings_that_do_not_fit_the_job_are_refused_by_name() -> None:
    assert "20" in problems_of(Asha(grace_period=21))["scheduler.grace_period"]
    assert "3" in problems_of(Asha(brackets=4))["scheduler.brackets"]
    assert "at least 6" in problems_of(HyperBand(), parallelism=2)["parallelism"]
    assert "10" in problems_of(Pbt(), parallelism=9)["parallelism"]
    assert "may change" in problems_of(Pbt(), mutable={})["space"]
    assert "at least 2" in problems_of(Pbt(), trials=1, parallelism=1)["budget.trials"]
    assert "20" in problems_of(Median(grace_period=21))["scheduler.grace_period"]
    assert "pb2 compares" in problems_of(Pb2(), trials=1, parallelism=1)["budget.trials"]
    assert "pb2 needs" in problems_of(Pb2(), mutable={})["space"]
    assert "20" in problems_of(Pbt(perturbation_interval=20))["scheduler.perturbation_interval"]


def test_settings_that_fit_are_not_refused() -> None:
    for plugin in SCHEDULERS.values():
        assert problems_of(plugin()) == {}


@pytest.mark.parametrize("plugin", DECIDING, ids=lambda p: p.kind)
def test_rungs_of_a_trial_count_up_as_it_passes_them(plugin: Scheduler) -> None:
    race = Race(plugin, 27, 12, at_milestones=True)
    race.run()
    longest = max(race.rungs.values(), key=len)
    assert longest[0] == 0
    assert longest == sorted(longest, key=lambda rung: -1 if rung is None else rung)
    assert set(longest) == set(range(len(plugin.rungs(27)) + 1 if plugin.changes_parameters else len(longest)))
    assert len(longest) > 2


def test_a_trial_that_no_scheduler_knows_has_no_milestone_before_the_end() -> None:
    class Unknown:
        trial_id = "none"

    for kind in ("fifo", "asha", "hyperband"):
        plugin = SCHEDULERS[kind]()
        assert plugin.next_milestone(plugin.build(REQUEST), Unknown(), 3) == NEVER
        assert plugin.rung_of(plugin.build(REQUEST), Unknown()) is None

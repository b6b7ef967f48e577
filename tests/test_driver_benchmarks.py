"""The benchmarks of the driver count what they say: made-up lanes report like real ones, simulated time adds up."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks import epochs_to_target
from benchmarks.instant import CountingSink, InstantSeat, digits_body, race, without_models
from benchmarks.scaling import CallCosts, Calls, Run, find_limit, fit_calls, predict, simulate
from benchmarks.suggestions import hyperopt_alone, optuna_alone, ours
from models.bundled import bundled_table, bundled_target
from models.prepare import prepare
from workers.fleet import Fleet
from workers.resolved import ResolvedJob
from workers.spec import read_spec, resolve

ROOT = Path(__file__).resolve().parents[1]


def digits_job(scheduler: str, n_trials: int) -> ResolvedJob:
    body = read_spec(digits_body(("random", scheduler), n_trials, 9))
    return without_models(resolve(body, bundled_table("digits").schema, [bundled_target("digits")]))


@pytest.mark.parametrize("scheduler", ["fifo", "asha", "hyperband", "pbt"])
@pytest.mark.parametrize("n_seats", [1, 3])
def test_made_up_lanes_run_a_job_to_its_end(scheduler: str, n_seats: int) -> None:
    sink = CountingSink()
    seconds = race(digits_job(scheduler, 20), Fleet([InstantSeat(str(n), 1.0) for n in range(n_seats)]), sink)
    assert seconds > 0
    assert sink.n_reports == 20 * 9 if scheduler in ("fifo", "pbt") else 20 <= sink.n_reports < 20 * 9


def test_simulated_work_is_in_proportion_to_its_scale_and_does_not_depend_on_the_number_of_seats() -> None:
    alone, slower, spread = simulate(1, 24, 24, 1.0), simulate(1, 24, 24, 5.0), simulate(4, 24, 24, 1.0)
    assert alone.work > 0
    assert slower.work == pytest.approx(5 * alone.work)
    assert spread.work == pytest.approx(alone.work)
    assert sum(calls.slowest for calls in alone.calls) == pytest.approx(alone.work)
    assert alone.work / 4 <= sum(calls.slowest for calls in spread.calls) < alone.work


def test_the_time_of_a_simulated_job_is_driver_and_calls_and_the_slowest_seats() -> None:
    run = Run(2, 10, 99.0, 1.0, [Calls(2, 6.0, 4.0), Calls(1, 0.0, 0.0)])
    point = predict(run, CallCosts(per_round=0.5, per_call=0.25), speed=2)
    seconds = 1.0 + (0.5 + 2 * 0.25) + (0.5 + 0.25) + 4.0 / 2
    assert point == {
        "trials_per_second": pytest.approx(10 / seconds),
        "seats_at_work": pytest.approx(3.0 / (2 * seconds)),
        "driver": pytest.approx(1.0 / seconds),
        "calls": pytest.approx(1.75 / seconds),
    }


def test_the_limit_is_where_workers_are_at_work_for_half_of_the_time() -> None:
    points = {n: {"seats_at_work": share} for n, share in [(1, 0.9), (10, 0.5), (100, 0.2)]}
    assert find_limit(points) == 10
    assert find_limit({1: {"seats_at_work": 0.4}}) is None


def test_the_cost_of_calls_is_split_into_that_of_a_round_and_that_of_each() -> None:
    assert fit_calls({1: 0.003, 2: 0.004, 4: 0.006}) == pytest.approx(CallCosts(0.002, 0.001))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["overhead", "scaling"])
def test_a_quick_run_measures_everything(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{name}", "--quick"], cwd=ROOT, capture_output=True, text=True, timeout=280
    )
    assert done.returncode == 0, done.stderr[-3000:]
    figures: dict[str, Any] = json.loads(done.stdout)
    assert all(0 <= number < float("inf") for number in numbers_of(figures))
    assert (
        set(figures)
        == {
            "overhead": {"controller", "recorded", "recorder", "api"},
            "scaling": {"job", "actors", "costs", "simulated"},
        }[name]
    )


def numbers_of(value: Any) -> list[float]:
    """List the numbers of a tree."""
    if isinstance(value, dict):
        return [number for item in value.values() for number in numbers_of(item)]
    return [value] if isinstance(value, int | float) else []


def test_a_search_that_stops_at_a_target_trained_as_long_as_the_course_of_the_whole_search_says() -> None:
    task = epochs_to_target.Task(bundled_table("iris"), {"dataset": "iris", "target": bundled_target("iris")})
    setting = epochs_to_target.Setting({"kind": "fifo"}, 6)
    whole = task.resolve(0, setting)
    prepared = prepare(task.table, whole.prepare_request())
    course = epochs_to_target.search(whole, prepared)
    assert course.n_reports == 6 * epochs_to_target.EPOCHS
    until = course.epochs_until(course.best)
    assert until is not None
    stopped = epochs_to_target.search(task.resolve(0, setting, course.best), prepared)
    assert (stopped.best, stopped.n_reports) == (course.best, until)
    assert course.epochs_until(course.best / 2) is None


def test_shares_of_random_search_are_medians_and_a_target_that_was_missed_counts_as_the_longest_way() -> None:
    missed, none = [None, None, 10], [99, 99, 10]
    epochs = dict.fromkeys(epochs_to_target.SETTINGS, missed)
    epochs |= {"random": [50, 40, 60], "asha": [30, 10, 20], "hyperband": [None, 25, 20]}
    trained = dict.fromkeys(epochs_to_target.SETTINGS, none)
    trained |= {"random": [100, 100, 100], "asha": [30, 10, 20], "hyperband": [99, 25, 20]}
    found = epochs_to_target.summarise(epochs, trained)
    assert (found["asha"]["share_of_whole"], found["asha"]["share_of_first_reached"]) == (0.2, 0.333)
    assert (found["hyperband"]["share_of_whole"], found["hyperband"]["not_reached"]) == (0.25, 1)
    assert found["pbt"]["share_of_whole"] is None
    assert [found[kind]["in_a_third"] for kind in ("asha", "hyperband", "pbt")] == [True, True, False]


@pytest.mark.parametrize(("kind", "alone"), [("hyperopt", hyperopt_alone), ("optuna", optuna_alone)])
def test_the_library_by_itself_is_asked_for_what_our_search_asks_it_for(kind: str, alone: Any) -> None:
    courses: list[list[float]] = [[], []]
    for turn, values in zip((ours(kind, 30), alone(30)), courses, strict=True):
        for _ in range(30):
            values.append(turn())
    assert courses[0] == pytest.approx(courses[1]), "the same seed and settings: the same points"

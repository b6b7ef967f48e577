"""The lanes of a trial behind one number: on every kind of seat, and in whole jobs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from models.hyper import Hyperparameters
from models.lanes import LaneReport, LaneStart, LaneState, PackSettings, Watch
from models.pack import Pack
from search.trial import TrialReason, TrialState
from tests.workers.memory_sink import MemorySink
from tests.workers.races import RATE, TOO_LARGE, FrailSeat, Race, finished, pair_race, race
from tests.workers.test_fleet import kill
from tests.workers.test_winners import NORMALISED
from workers.errors import LeaseLost
from workers.fleet import Fleet
from workers.lanes import JobContext
from workers.lives import lane_seed
from workers.local_seat import LocalSeat
from workers.pack_host import Lease
from workers.teams import Teams, divide_state, join_states, part_seed

KFOLD: dict[str, Any] = {"split": {"test": {"kind": "fraction"}, "validation": {"kind": "kfold", "folds": 3}}}
SETTINGS = PackSettings(seed=1, metrics=("mean_squared_error", "r2"), maximize=False)
HYPERS = {trial: Hyperparameters(hidden_layers=trial % 2, units=5, batch_size=8, dropout=0.1) for trial in range(4)}
STARTS = [LaneStart(trial, hyper, seed=10 + trial) for trial, hyper in HYPERS.items()]


@cache
def folded() -> Race:
    return race(**KFOLD)


def opened(seats: Sequence[Any], settings: PackSettings = SETTINGS, n_repeats: int = 2) -> Teams:
    teams = Teams(Fleet(seats), 3, n_repeats)
    teams.open(JobContext(Lease("job-1", 1), folded().prepared.job_data, settings))
    return teams


def curve_alone(start: LaneStart, fold: int, repeat: int, n_epochs: int) -> list[LaneReport]:
    """Train one part in a pack of its own."""
    pack = Pack(folded().prepared.job_data, SETTINGS)
    pack.start([replace(start, fold=fold, seed=part_seed(start.seed, repeat))])
    return pack.train({start.lane: n_epochs})


def assert_same(state: LaneState, other: LaneState) -> None:
    assert (state.epoch, state.n_steps) == (other.epoch, other.n_steps)
    assert sorted(state.arrays) == sorted(other.arrays)
    for name, array in state.arrays.items():
        np.testing.assert_array_equal(array, other.arrays[name])


class TestEveryFleetOfTeams:
    def test_a_trial_reports_the_means_of_its_folds_and_repeats_each_trained_by_itself(self, seats: list[Any]) -> None:
        teams = opened(seats)
        assert teams.start(STARTS) == []
        reports = teams.train(dict.fromkeys(HYPERS, 3))
        assert [(r.lane, r.sequence) for r in reports] == [(t, s) for t in HYPERS for s in (1, 2, 3)]
        for start in STARTS:
            alone = [curve_alone(start, fold, repeat, 3) for repeat in range(2) for fold in range(3)]
            for epoch, report in enumerate(r for r in reports if r.lane == start.lane):
                assert report.parts == tuple(curve[epoch].values for curve in alone)
                assert report.values == tuple(sum(column) / 6 for column in zip(*report.parts, strict=True))
                assert report.train_loss == sum(curve[epoch].train_loss for curve in alone) / 6

    def test_a_saved_trial_goes_on_as_if_it_had_never_left(self, seats: list[Any]) -> None:
        straight = opened([LocalSeat("reference")])
        straight.start(STARTS)
        expected = straight.train(dict.fromkeys(HYPERS, 3))[2::3]
        teams = opened(seats)
        teams.start(STARTS)
        teams.train(dict.fromkeys(HYPERS, 2))
        saved = teams.save(HYPERS)
        teams.drop(HYPERS)
        teams.start([replace(start, state=saved[start.lane], sequence=2) for start in STARTS])
        assert teams.train(dict.fromkeys(HYPERS, 1)) == expected
        for trial, state in teams.save(HYPERS).items():
            assert_same(state, straight.save([trial])[trial])

    def test_a_trial_is_lost_with_any_of_its_lanes_and_can_be_made_again(self, seats: list[Any]) -> None:
        teams = opened(seats)
        teams.start(STARTS)
        kill(seats[0])
        answered = {report.lane for report in teams.train(dict.fromkeys(HYPERS, 2))}
        lost = teams.take_lost()
        assert lost
        assert (answered | lost, answered & lost) == (set(HYPERS), set())
        assert sorted(teams.save(HYPERS)) == sorted(answered)
        teams.start([start for start in STARTS if start.lane in lost])
        again = teams.train(dict.fromkeys(lost, 2))
        reference = opened([LocalSeat("reference")])
        reference.start(STARTS)
        assert again == [r for r in reference.train(dict.fromkeys(HYPERS, 2)) if r.lane in lost]

    def test_patience_is_that_of_the_means_and_nothing_is_trained_beyond_it(self, seats: list[Any]) -> None:
        watch = Watch(1, maximize=True, min_delta=0.02)
        whole = opened([LocalSeat("reference")])
        whole.start(STARTS[:1])
        r2 = [report.values[1] for report in whole.train({0: 60})]
        best, waited, last = -math.inf, 0, 0
        for value in r2:
            last += 1
            best, waited = (value, 0) if value > best + 0.02 else (best, waited + 1)
            if waited == 3:
                break
        assert last < 58
        teams = opened(seats, replace(SETTINGS, patience=3, watch=watch))
        teams.start(STARTS[:1])
        reports = teams.train({0: 60})
        assert [report.values[1] for report in reports] == r2[:last]
        assert [report.outcome for report in reports] == [None] * (last - 1) + ["patience"]
        assert [part.epoch for part in divide_state(teams.save([0])[0])] == [last] * 6
        assert teams.train({0: 1}) == []
        patient = opened(seats, replace(SETTINGS, patience=3, watch=watch))
        patient.start([replace(STARTS[0], patient=True)])
        assert len(patient.train({0: last + 2})) == last + 2

    def test_the_best_weights_of_all_parts_are_those_of_the_epoch_that_is_best_by_the_means(
        self, seats: list[Any]
    ) -> None:
        start = replace(STARTS[0], hyper=HYPERS[0].model_copy(update={"learning_rate": 0.3}))
        teams = opened(seats)
        teams.start([start])
        assert teams.best_layers([0]) == {}
        reports = [report for n in (3, 8) for report in teams.train({0: n})]
        best = int(np.argmin([report.values[0] for report in reports])) + 1
        own = [
            int(np.argmin([part[0] for part in column])) + 1 for column in zip(*(r.parts for r in reports), strict=True)
        ]
        assert set(own) != {best}, "parts must be best at other ages by themselves"
        for part, layers in enumerate(teams.best_layers([0])[0]):
            repeat, fold = divmod(part, 3)
            pack = Pack(folded().prepared.job_data, SETTINGS)
            pack.start([replace(start, fold=fold, seed=part_seed(start.seed, repeat))])
            pack.train({0: best})
            expected = pack.save([0])[0].arrays["parameters"]
            np.testing.assert_array_equal(np.concatenate([a.ravel() for layer in layers for a in layer]), expected)

    def test_the_memory_of_patience_comes_with_the_start(self, seats: list[Any]) -> None:
        teams = opened(seats, replace(SETTINGS, patience=3))
        teams.start([replace(STARTS[0], sequence=5, best_value=1e-9, n_since_best=1)])
        assert [(r.sequence, r.outcome) for r in teams.train({0: 5})] == [(6, None), (7, "patience")]

    def test_a_trial_fails_alone_and_once_when_its_lanes_cannot_be_built(self, seats: list[Any]) -> None:
        teams = opened(seats)
        huge = LaneStart(9, Hyperparameters(hidden_layers=16, units=65536), seed=0)
        (failed,) = teams.start([*STARTS, huge])
        assert (failed.lane, failed.sequence, failed.outcome) == (9, 1, "failed")
        assert failed.error is not None
        assert failed.error.out_of_memory
        assert {report.lane for report in teams.train(dict.fromkeys([*HYPERS, 9], 1))} == set(HYPERS)


def test_a_trial_diverges_with_the_first_of_its_parts() -> None:
    wild = LaneStart(0, Hyperparameters(hidden_layers=0, optimizer="sgd", learning_rate=0.7, batch_size=8), seed=1)
    alone = [curve_alone(wild, fold, 0, 400) for fold in range(3)]
    first = min(len(curve) for curve in alone if curve[-1].outcome == "diverged")
    assert len({len(curve) for curve in alone}) > 1, "parts must diverge at different ages"
    teams = opened([LocalSeat("seat-0")], n_repeats=1)
    teams.start([wild])
    reports = teams.train({0: 400})
    assert len(reports) == first
    assert [report.outcome for report in reports] == [None] * (first - 1) + ["diverged"]


def test_states_of_parts_keep_their_steps() -> None:
    parts = [LaneState(2, n, {"parameters": np.full(3, n, np.float32)}) for n in (7, 2**25 + 1)]
    for part, other in zip(parts, divide_state(join_states(parts)), strict=True):
        assert_same(part, other)


def test_a_state_is_of_many_parts_in_order() -> None:
    parts = [LaneState(1, n, {"parameters": np.full(1, n, np.float32)}) for n in range(12)]
    assert [part.arrays["parameters"][0] for part in divide_state(join_states(parts))] == list(range(12))


def test_repeats_have_seeds_of_their_own_and_the_first_that_of_its_trial() -> None:
    seeds = [part_seed(lane_seed(3, trial), repeat) for trial in range(20) for repeat in range(5)]
    assert len(set(seeds)) == 100
    assert seeds[0] == lane_seed(3, 0)


# -- whole jobs -------------------------------------------------------------------------------------------------------

ENCODED = {
    **RATE,
    "numeric_scaling": {"type": "choice", "values": ["standard", "quantile"]},
    "numeric_embedding": {"type": "choice", "values": ["none", "piecewise_linear"]},
}
JOBS: dict[str, dict[str, Any]] = {
    "kfold": KFOLD,
    "repeats": {"repeats": 2},
    "both": {**KFOLD, "repeats": 2, "refit": False},
    "stopping": {
        "split": {"stopping": {"kind": "fraction", "fraction": 0.3}},
        "early_stopping": {"patience": 2, "metric": "r2", "min_delta": 0.01},
    },
    "refit": {"refit": True, "early_stopping": {"patience": 3, "metric": "mean_absolute_error"}},
    "normalised": {**KFOLD, "space": NORMALISED, "metrics": ["max_error"], "early_stopping": {"metric": "max_error"}},
    "encoded": {**KFOLD, "space": ENCODED, "range_test": {"steps": 50, "adopt": True}},
}
every_job = pytest.mark.parametrize("name", JOBS)
schedulers = pytest.mark.parametrize("scheduler", ["asha", "pbt", "hyperband"])


@cache
def undisturbed(name: str, scheduler: str) -> tuple[Race, dict[str, Any]]:
    started = pair_race("random", scheduler, **JOBS[name])
    return started, finished(started)[1].rows()


@every_job
@schedulers
def test_a_job_is_the_same_on_two_seats_and_when_one_dies_again_and_again(name: str, scheduler: str) -> None:
    started, expected = undisturbed(name, scheduler)
    assert finished(started, seats=2)[1].rows() == expected
    seats = [FrailSeat("seat-0", {3, 9, 14, 22, 31}), LocalSeat("seat-1")]
    assert finished(started, seats=seats, snapshot_seconds=0.0)[1].rows() == expected
    assert seats[0].n_calls > 14


@every_job
@schedulers
def test_a_driver_that_is_killed_at_any_of_its_rounds_changes_nothing(name: str, scheduler: str) -> None:
    started, expected = undisturbed(name, scheduler)
    n_rounds = expected["rounds"]
    for cut, snapshots in ((1, True), (n_rounds // 2, True), (n_rounds // 2 + 1, False), (n_rounds, True)):
        sink = MemorySink(lose_at=max(cut, 1))
        with pytest.raises(LeaseLost):
            started.run(sink, snapshot_seconds=0.0)
        sink.forget_open()
        started.run(sink, record=sink.record(snapshots))
        sink.close()
        assert sink.rows() == expected, f"cut at {cut}, snapshots {snapshots}"


@schedulers
def test_reports_of_a_job_are_the_means_over_its_folds(scheduler: str) -> None:
    started = pair_race("random", scheduler, **KFOLD)
    _, sink = finished(started)
    lengths = {len(report.parts) for report in sink.stored.reports.values()}
    assert lengths == {3}
    for report in sink.stored.reports.values():
        if report.outcome != "diverged":
            assert report.values[0] == sum(values[0] for values in report.parts) / 3


def test_a_trial_of_a_job_of_folds_equals_its_folds_trained_by_themselves() -> None:
    started = pair_race("random", "fifo", early_stopping=None, **KFOLD)
    _, sink = finished(started)
    for trial in (0, 5):
        fact = sink.stored.segments[trial, 0]
        hyper = Hyperparameters.model_validate({**started.job.fixed, **fact.parameters})
        for fold in range(3):
            pack = Pack(started.prepared.job_data, started.job.pack_settings())
            pack.start([LaneStart(0, hyper, lane_seed(started.job.seed, trial), fold=fold)])
            alone = pack.train({0: 9})
            assert [r.values for r in alone] == [sink.stored.reports[trial, s].parts[fold] for s in range(1, 10)]


def test_an_exploit_copies_the_weights_of_every_fold() -> None:
    started, rows = undisturbed("kfold", "pbt")
    _, sink = finished(started)
    copied = [fact for fact in sink.stored.segments.values() if fact.source_trial is not None]
    assert copied
    assert rows["models"]
    fact = copied[0]
    source = sink.stored.segments[fact.source_trial or 0, 0]
    seed = lane_seed(started.job.seed, source.trial)
    after = sink.stored.reports[fact.trial, fact.sequence + 1]
    for fold in range(3):
        pack = Pack(started.prepared.job_data, started.job.pack_settings())
        pack.start([LaneStart(0, hyper_of(started, source.parameters), seed, fold=fold)])
        pack.train({0: fact.source_epoch})
        state = pack.save([0])[0]
        own = lane_seed(started.job.seed, fact.trial)
        pack.start([LaneStart(1, hyper_of(started, fact.parameters), own, state, fold=fold)])
        assert pack.train({1: 1})[0].values == after.parts[fold]


def hyper_of(started: Race, parameters: Any) -> Hyperparameters:
    return Hyperparameters.model_validate({**started.job.fixed, **parameters})


def test_trials_of_folds_that_fail_say_so_and_the_rest_go_on() -> None:
    without_depth = {name: value for name, value in TOO_LARGE.items() if name != "hidden_layers"}
    space = {**RATE, "hidden_layers": {"type": "choice", "values": [0, 16]}}
    end, sink = finished(pair_race("random", "asha", space=space, fixed=without_depth, **KFOLD))
    assert end.reason == "trials_done"
    ends = set(sink.ends().values())
    assert (TrialState.FAILED, TrialReason.OUT_OF_MEMORY) in ends
    assert len(ends) > 1


def test_a_trial_with_one_lane_is_told_without_parts() -> None:
    _, sink = finished(pair_race("random", "asha"))
    assert {report.parts for report in sink.stored.reports.values()} == {()}

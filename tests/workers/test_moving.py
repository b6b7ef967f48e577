"""Lanes that move between seats go on as if they had stayed: numbers, best weights, patience, and whatever is lost."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import models.pack
import workers.costs
import workers.placement
from models.hyper import Hyperparameters
from models.lanes import LaneReport, LaneStart, LaneState, Layers, PackSettings, Views
from tests.models.data.test_package import make_prepared
from tests.workers.memory_sink import MemorySink
from tests.workers.races import FrailSeat, pair_race, race
from workers.fleet import Fleet
from workers.lanes import JobContext
from workers.local_seat import LocalSeat
from workers.pack_host import Lease, Trained

LANES = range(8)
MANY_LANES = [("random", scheduler) for scheduler in ("fifo", "asha", "hyperband", "pbt")] + [("hyperopt", "hyperband")]
STARTS = [
    LaneStart(
        lane, Hyperparameters(units=8 + 20 * (lane % 2), batch_size=8, dropout=0.2, learning_rate=0.03), seed=lane
    )
    for lane in LANES
]
SETTINGS = PackSettings(1, ("mean_squared_error",), maximize=False, patience=30)
Outcome = tuple[list[LaneReport], dict[int, LaneState], dict[int, list[Layers]]]


class WatchedSeat(LocalSeat):
    """Remembers which lanes it was last asked to train, and how often it was asked to let lanes go."""

    lanes: frozenset[int] = frozenset()
    n_left = 0

    def call(self, verb: str, *arguments: Any) -> Any:
        if verb == "train":
            self.lanes = frozenset(arguments[1])
        self.n_left += verb == "leave"
        return super().call(verb, *arguments)


class TimedSeat(WatchedSeat):
    """Says that each epoch of a lane took so many seconds, however long it did: load must not decide a test."""

    def __init__(self, name: str, seconds: float) -> None:
        super().__init__(name)
        self.seconds = seconds

    def call(self, verb: str, *arguments: Any) -> Any:
        answer = super().call(verb, *arguments)
        if verb != "train" or answer.lost:
            return answer
        return type(answer)(Trained(answer.value.reports, self.seconds * len(answer.value.reports)))


class FullSeat(WatchedSeat):
    """Once it is full, it has no memory for further lanes."""

    is_full = False

    def call(self, verb: str, *arguments: Any) -> Any:
        with pytest.MonkeyPatch.context() as patch:
            if verb == "start" and self.is_full:
                patch.setattr(models.pack, "bytes_available", lambda device: 0)
            return super().call(verb, *arguments)


def opened(seats: list[Any], data: Views | None = None, starts: list[LaneStart] = STARTS) -> Fleet:
    fleet = Fleet(seats)
    fleet.open(JobContext(Lease("job-1"), data or race().prepared.data, SETTINGS))
    fleet.start(starts)
    return fleet


def run(seats: list[Any], part: frozenset[int]) -> Outcome:
    """Train all lanes for a little, then some of them for long."""
    fleet = opened(seats)
    reports = fleet.train(dict.fromkeys(LANES, 5))
    for _ in range(3):
        reports += fleet.train(dict.fromkeys(part, 1000))
    return reports, fleet.save(LANES), fleet.best_layers(LANES)


def assert_same(outcome: Outcome, other: Outcome) -> None:
    assert outcome[0] == other[0]
    for lane in LANES:
        for name, array in outcome[1][lane].arrays.items():
            np.testing.assert_array_equal(array, other[1][lane].arrays[name])
        (layers,), (others,) = outcome[2][lane], other[2][lane]
        for ours, theirs in zip(layers, others, strict=True):
            np.testing.assert_array_equal(ours[0], theirs[0])


def first_homes() -> frozenset[int]:
    """The lanes that placement gives to the first of two seats."""
    seats = [WatchedSeat("seat-0"), WatchedSeat("seat-1")]
    opened(seats).train(dict.fromkeys(LANES, 1))
    return seats[0].lanes


def test_lanes_that_are_left_alone_on_one_seat_are_spread_and_do_not_notice() -> None:
    part = first_homes()
    seats: list[Any] = [WatchedSeat("seat-0"), WatchedSeat("seat-1")]
    moved, stayed = run(seats, part), run([LocalSeat("alone")], part)
    assert seats[0].lanes | seats[1].lanes == part
    assert seats[1].lanes, "no lane has moved"
    assert_same(moved, stayed)
    outcomes = {report.outcome for report in moved[0]}
    assert "patience" in outcomes, "patience was not tried"


def test_a_slow_seat_hands_lanes_over() -> None:
    seats = [TimedSeat("seat-0", 0.1), TimedSeat("seat-1", 0.01)]
    fleet = opened(seats)
    fleet.train(dict.fromkeys(LANES, 1))
    before = len(seats[0].lanes)
    for _ in range(5):
        fleet.train(dict.fromkeys(LANES, 20))
    assert 0 < len(seats[0].lanes) < before


def test_a_slow_seat_keeps_what_shares_launches_and_hands_over_what_kernels_train() -> None:
    wishes = [{"units": 8, "categorical_encoding": "embedding"}] * 4 + [{"units": 256, "hidden_layers": 3}] * 4
    starts = [
        replace(start, hyper=start.hyper.model_copy(update=wish)) for start, wish in zip(STARTS, wishes, strict=True)
    ]
    seats = [TimedSeat("seat-0", 0.1), TimedSeat("seat-1", 0.01)]
    fleet = opened(seats, make_prepared().job_data, starts)
    fleet.train(dict.fromkeys(LANES, 1))
    first = seats[0].lanes
    assert first >= set(range(4)), "stacked lanes of one shape share their launches"
    assert first > set(range(4)), "a lane that may go"
    for _ in range(5):
        fleet.train(dict.fromkeys(LANES, 20))
    assert seats[0].lanes == set(range(4))


def test_seats_of_one_pace_keep_their_lanes() -> None:
    seats = [TimedSeat("seat-0", 0.01), TimedSeat("seat-1", 0.01)]
    fleet = opened(seats)
    for _ in range(5):
        fleet.train(dict.fromkeys(LANES, 20))
    assert [seat.n_left for seat in seats] == [0, 0]


def test_lanes_stay_where_there_is_room_for_them() -> None:
    part = first_homes()
    seats = [WatchedSeat("seat-0"), FullSeat("seat-1")]
    fleet = opened(seats)
    reports = fleet.train(dict.fromkeys(LANES, 5))
    seats[1].is_full = True
    for _ in range(3):
        reports += fleet.train(dict.fromkeys(part, 1000))
    assert seats[0].lanes == part
    assert fleet.take_lost() == set()
    assert_same((reports, fleet.save(LANES), fleet.best_layers(LANES)), run([LocalSeat("alone")], part))


def test_lanes_that_have_ended_do_not_begin_again_elsewhere() -> None:
    part = first_homes()
    fleet = opened([LocalSeat("seat-0"), LocalSeat("seat-1")])
    ended = {report.lane for report in fleet.train(dict.fromkeys(LANES, 1000)) if report.outcome}
    assert ended == set(LANES)
    assert fleet.train(dict.fromkeys(part, 1000)) == []


def test_lanes_that_find_no_room_anywhere_are_named_as_lost() -> None:
    part = first_homes()
    seats = [FullSeat("seat-0"), FullSeat("seat-1")]
    fleet = opened(seats)
    fleet.train(dict.fromkeys(LANES, 5))
    seats[0].is_full = seats[1].is_full = True
    answered = {report.lane for report in fleet.train(dict.fromkeys(part, 1000))}
    lost = fleet.take_lost()
    assert lost
    assert answered | lost == part
    assert not answered & lost


@pytest.fixture
def _restless(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every move pay that makes a round shorter at all."""
    monkeypatch.setattr(workers.placement, "ROUND_SHARE", 0.0)
    monkeypatch.setattr(workers.placement, "MOVE_SECONDS", 0.0)
    monkeypatch.setattr(workers.placement, "DOUBT_SECONDS", 1e-6)
    monkeypatch.setattr(workers.costs, "LANE_FARE", 0.0)
    monkeypatch.setattr(workers.costs, "PARAMETER_FARE", 0.0)


@pytest.mark.usefixtures("_restless")
@pytest.mark.parametrize(("algorithm", "scheduler"), MANY_LANES, ids=lambda name: name)
def test_lanes_that_move_all_the_time_change_nothing(algorithm: str, scheduler: str) -> None:
    started = pair_race(algorithm, scheduler)
    alone = MemorySink()
    started.run(alone)
    for deaths in (set(), {7, 19, 31}):
        sink = MemorySink()
        slow, usual = TimedSeat("seat-1", 0.1), TimedSeat("seat-2", 0.01)
        started.run(sink, [FrailSeat("seat-0", deaths), slow, usual], snapshot_seconds=0.0)
        assert slow.n_left + usual.n_left > 0
        assert sink.rows() == alone.rows()

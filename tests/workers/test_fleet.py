"""What every fleet owes, in this process and on Ray."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from models.hyper import Hyperparameters
from models.lanes import LaneStart, LaneState, PackSettings
from tests.workers.races import race
from workers.errors import WorkersLost
from workers.fleet import Fleet
from workers.lanes import JobContext
from workers.local_seat import LocalSeat
from workers.pack_host import SOURCE_HASH, Lease, NotLeased
from workers.seat import Seat, SeatLost


def kill(seat: Any) -> None:
    """Take a seat's process away, and see that it is gone."""
    if isinstance(seat, LocalSeat):
        seat.kill()
        return
    from tests.workers.ray_machines import kill_process

    kill_process(seat)
    with pytest.raises(SeatLost):
        seat.call("save", LEASE, []).result()


HYPERS = {
    lane: Hyperparameters(hidden_layers=lane % 3, units=4 + 20 * (lane % 2), batch_size=8, dropout=0.1 * (lane % 2))
    for lane in range(6)
}
STARTS = [LaneStart(lane, hyper, seed=lane) for lane, hyper in HYPERS.items()]
LEASE = Lease("job-1", 1)
SETTINGS = PackSettings(seed=1, metrics=("mean_squared_error",), maximize=False)


def opened(seats: Sequence[Seat], lease: Lease = LEASE) -> Fleet:
    fleet = Fleet(seats)
    fleet.open(JobContext(lease, race().prepared.data, SETTINGS))
    return fleet


def expected(n_epochs: int) -> tuple[dict[int, LaneState], list[tuple[int, int, float]]]:
    """States and objectives after so many epochs, from a fleet of one local seat."""
    fleet = opened([LocalSeat("reference")])
    fleet.start(STARTS)
    reports = fleet.train(dict.fromkeys(HYPERS, n_epochs))
    return fleet.save(HYPERS), [(r.lane, r.sequence, r.values[0]) for r in reports]


def assert_same(states: dict[int, LaneState], others: dict[int, LaneState]) -> None:
    assert sorted(states) == sorted(others)
    for lane, state in states.items():
        assert (state.epoch, state.n_steps) == (others[lane].epoch, others[lane].n_steps)
        for name, array in state.arrays.items():
            np.testing.assert_array_equal(array, others[lane].arrays[name])


class TestEveryFleet:
    def test_every_seat_says_what_it_computes_with(self, seats: list[Any]) -> None:
        answers = Fleet(seats).open(JobContext(LEASE, race().prepared.data, SETTINGS))
        assert sorted(answers) == sorted(seat.name for seat in seats)
        assert {answer.rpartition("@")[2] for answer in answers.values()} == {SOURCE_HASH}
        assert len({answer.rpartition("@")[0] for answer in answers.values()}) == 1

    def test_lanes_train_as_they_would_on_one_seat_and_report_in_order(self, seats: list[Any]) -> None:
        states, objectives = expected(3)
        fleet = opened(seats)
        assert fleet.start(STARTS) == []
        reports = fleet.train(dict.fromkeys(HYPERS, 3))
        assert [(r.lane, r.sequence, r.values[0]) for r in reports] == objectives
        assert_same(fleet.save(HYPERS), states)
        assert fleet.take_lost() == set()

    def test_a_saved_lane_goes_on_as_if_it_had_never_left(self, seats: list[Any]) -> None:
        states, _ = expected(3)
        fleet = opened(seats)
        fleet.start(STARTS)
        fleet.train(dict.fromkeys(HYPERS, 1))
        saved = fleet.save(HYPERS)
        fleet.drop(HYPERS)
        fleet.start([replace(start, state=saved[start.lane], sequence=1) for start in STARTS])
        fleet.train(dict.fromkeys(HYPERS, 2))
        assert_same(fleet.save(HYPERS), states)

    def test_best_layers_have_the_shapes_of_the_networks(self, seats: list[Any]) -> None:
        fleet = opened(seats)
        fleet.start(STARTS)
        assert fleet.best_layers([0, 1]) == {}
        fleet.train(dict.fromkeys(HYPERS, 2))
        found = fleet.best_layers(HYPERS)
        assert found.keys() == HYPERS.keys()
        for lane, (layers,) in found.items():
            widths = (2, *HYPERS[lane].widths, 1)
            assert [weights.shape for weights, _ in layers] == list(itertools.pairwise(widths))

    def test_a_lane_that_cannot_be_built_fails_alone(self, seats: list[Any]) -> None:
        fleet = opened(seats)
        huge = LaneStart(9, Hyperparameters(hidden_layers=16, units=65536), seed=0)
        reports = fleet.start([*STARTS, huge])
        assert [(r.lane, r.outcome) for r in reports] == [(9, "failed")]
        assert reports[0].error is not None
        assert reports[0].error.out_of_memory
        assert {r.lane for r in fleet.train(dict.fromkeys(HYPERS, 1))} == set(HYPERS)

    def test_dropped_lanes_are_forgotten(self, seats: list[Any]) -> None:
        fleet = opened(seats)
        fleet.start(STARTS)
        fleet.drop([0, 1, 2])
        assert sorted(fleet.save(HYPERS)) == [3, 4, 5]
        fleet.train({0: 1})
        assert fleet.take_lost() == {0}

    def test_a_killed_seat_is_named_by_its_lanes_and_takes_new_ones_when_it_is_back(self, seats: list[Any]) -> None:
        states, _ = expected(2)
        fleet = opened(seats)
        fleet.start(STARTS)
        kill(seats[0])
        answered = {r.lane for r in fleet.train(dict.fromkeys(HYPERS, 2))}
        lost = fleet.take_lost()
        assert answered | lost == set(HYPERS)
        assert lost
        assert not answered & lost
        fleet.start([start for start in STARTS if start.lane in lost])
        fleet.train(dict.fromkeys(lost, 2))
        assert_same(fleet.save(HYPERS), states)

    def test_when_all_seats_are_killed_the_fleet_waits_for_them(self, seats: list[Any]) -> None:
        states, _ = expected(2)
        fleet = opened(seats)
        fleet.start(STARTS)
        for seat in seats:
            kill(seat)
        assert fleet.train(dict.fromkeys(HYPERS, 2)) == []
        assert fleet.take_lost() == set(HYPERS)
        fleet.start(STARTS)
        fleet.train(dict.fromkeys(HYPERS, 2))
        assert_same(fleet.save(HYPERS), states)

    def test_a_seat_has_nothing_for_a_job_that_it_does_not_serve(self, seats: list[Any]) -> None:
        fleet = opened(seats)
        fleet.start(STARTS)
        with pytest.raises(SeatLost):
            seats[0].call("train", Lease("job-2"), {0: 1}).result()

    def test_a_driver_whose_job_was_given_away_does_not_take_its_seats_back(self, seats: list[Any]) -> None:
        late = opened(seats[:1])
        late.start(STARTS)
        kill(seats[0])
        late.train({0: 1})
        assert late.take_lost() == set(HYPERS)
        while not seats[0].revive(10.0):
            pass
        opened(seats[:1], Lease("job-1", 2)).start(STARTS)
        with pytest.raises(NotLeased, match="epoch 2"):
            late.start(STARTS)

    def test_the_latest_driver_of_a_job_gets_its_seats_and_an_earlier_one_is_refused(self, seats: list[Any]) -> None:
        earlier = opened(seats)
        earlier.start(STARTS)
        later = opened(seats, Lease("job-1", 2))
        assert later.start(STARTS) == []
        with pytest.raises(NotLeased, match="epoch 2"):
            earlier.train({0: 1})
        earlier.close()
        assert len(later.train(dict.fromkeys(HYPERS, 1))) == len(HYPERS)

    def test_a_closed_job_leaves_seats_free_for_the_next(self, seats: list[Any]) -> None:
        fleet = opened(seats)
        fleet.start(STARTS)
        fleet.close()
        with pytest.raises(SeatLost):
            seats[0].call("save", LEASE, [0]).result()
        assert opened(seats, Lease("job-2")).start(STARTS) == []


class GoneSeat(LocalSeat):
    """A seat whose process never comes back."""

    def revive(self, wait_seconds: float) -> bool:
        return False


def test_a_fleet_without_any_seat_left_says_so() -> None:
    seat = GoneSeat("seat-0")
    fleet = Fleet([seat], revive_seconds=0.05)
    fleet.open(JobContext(LEASE, race().prepared.data, SETTINGS))
    fleet.start(STARTS)
    seat.kill()
    assert fleet.train({0: 1}) == []
    with pytest.raises(WorkersLost, match="seat-0"):
        fleet.start(STARTS)


def test_calls_of_one_verb_run_side_by_side() -> None:
    meeting = threading.Barrier(2, timeout=30)
    fleet = opened([MeetingSeat("seat-0", meeting), MeetingSeat("seat-1", meeting)])
    fleet.start(STARTS)
    assert len(fleet.train(dict.fromkeys(HYPERS, 1))) == len(HYPERS)


class MeetingSeat(LocalSeat):
    """Trains in a thread of its own, once all seats have been asked to."""

    def __init__(self, name: str, meeting: threading.Barrier) -> None:
        super().__init__(name)
        self._meeting = meeting

    def call(self, verb: str, *arguments: Any) -> Any:
        if verb != "train":
            return super().call(verb, *arguments)
        return _Meeting(self._meeting, lambda: super(MeetingSeat, self).call(verb, *arguments).result())


class _Meeting:
    def __init__(self, meeting: threading.Barrier, work: Any) -> None:
        self._answer: list[Any] = []
        self._thread = threading.Thread(target=lambda: self._answer.append((meeting.wait(), work())[1]))
        self._thread.start()

    def result(self) -> Any:
        self._thread.join()
        return self._answer[0]

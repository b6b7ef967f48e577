"""Several jobs on the same seats: each as if it were alone, only slower, and none waits for another's end."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from models.hyper import Hyperparameters
from models.lanes import LaneReport, LaneStart, LaneState, PackSettings
from tests.workers.races import race
from workers.fleet import Fleet
from workers.lanes import JobContext
from workers.local_seat import LocalSeat
from workers.pack_host import Lease, NotLeased, PackHost, Trained
from workers.seat import Seat, SeatLost

METRICS = ("mean_squared_error",)
Outcome = tuple[list[LaneReport], dict[int, LaneState]]


def networks(units: int) -> list[LaneStart]:
    """Eight lanes of two shapes."""
    hypers = [Hyperparameters(units=units + lane % 2, batch_size=8, dropout=0.1 * (lane % 3)) for lane in range(8)]
    return [LaneStart(lane, hyper, seed=lane) for lane, hyper in enumerate(hypers)]


def opened(seats: list[Seat], name: str, seed: int) -> Fleet:
    fleet = Fleet(seats)
    fleet.open(JobContext(Lease(name), race().prepared.data, PackSettings(seed, METRICS, maximize=False)))
    return fleet


def run(seats: list[Seat], name: str, units: int, seed: int, before_round: Callable[[], Any] = lambda: None) -> Outcome:
    """Train a job in six rounds of two epochs."""
    fleet = opened(seats, name, seed)
    reports = fleet.start(networks(units))
    for _ in range(6):
        before_round()
        reports += fleet.train(dict.fromkeys(range(8), 2))
    states = fleet.save(range(8))
    fleet.close()
    return reports, states


def assert_same(outcome: Outcome, other: Outcome) -> None:
    assert outcome[0] == other[0]
    for lane, state in outcome[1].items():
        for name, array in state.arrays.items():
            np.testing.assert_array_equal(array, other[1][lane].arrays[name])


def copies_of(seats: list[Any]) -> list[Any]:
    """Another driver's view of the same seats."""
    if isinstance(seats[0], LocalSeat):
        return seats
    from workers.ray_seat import RaySeat

    return [RaySeat(seat.name) for seat in seats]


def test_three_jobs_at_once_give_what_each_gives_alone(seats: list[Any]) -> None:
    jobs = [("job-1", 8, 1), ("job-2", 24, 2), ("job-3", 8, 3)]
    alone = [run([LocalSeat("alone")], *job) for job in jobs]
    meeting = threading.Barrier(3, timeout=60)  # every round begins for all jobs at the same time
    with ThreadPoolExecutor() as drivers:
        futures = [drivers.submit(run, copies_of(seats), *job, meeting.wait) for job in jobs]
        together = [future.result() for future in futures]
    for outcome, expected in zip(together, alone, strict=True):
        assert_same(outcome, expected)


class Endless:
    """A job that trains round after round in a thread until it is told to stop."""

    def __init__(self, seats: list[Seat]) -> None:
        self._ends, self._has_trained = threading.Event(), threading.Event()
        self._fleet = opened(seats, "endless", 9)
        self._fleet.start(networks(32))
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        while not self._ends.is_set():
            assert self._fleet.train(dict.fromkeys(range(8), 50))
            self._has_trained.set()

    def __enter__(self) -> Endless:
        self._thread.start()
        assert self._has_trained.wait(120)
        return self

    def is_running(self) -> bool:
        return self._thread.is_alive()

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        self._thread.join()
        self._fleet.close()


def test_a_short_job_ends_while_a_long_one_goes_on(seats: list[Any]) -> None:
    expected = run([LocalSeat("alone")], "short", 8, 1)
    with Endless(seats) as endless, ThreadPoolExecutor() as drivers:
        short = drivers.submit(run, copies_of(seats), "short", 8, 1)
        outcome = short.result(120)
        assert endless.is_running()
    assert_same(outcome, expected)


def test_of_two_equal_jobs_neither_gets_far_ahead() -> None:
    host, leases, n_epochs = PackHost(), (Lease("job-1"), Lease("job-2")), 2000
    for lease in leases:
        host.open(lease, race().prepared.data, PackSettings(1, METRICS, maximize=False))
        host.start(lease, networks(16)[:1])
    meeting = threading.Barrier(2, timeout=60)

    def train(lease: Lease, other: Lease) -> int:
        """Tell how far the other job has come when this one is done."""
        meeting.wait()
        host.train(lease, {0: n_epochs})
        return host.save(other, [0])[0].epoch

    with ThreadPoolExecutor() as drivers:
        behind = list(drivers.map(train, leases, leases[::-1]))
    assert min(behind) > n_epochs / 2


def training(host: PackHost, drivers: ThreadPoolExecutor, lease: Lease) -> Future[Trained]:
    """Let a driver begin to train for what would take minutes."""
    host.open(lease, race().prepared.data, PackSettings(1, METRICS, maximize=False))
    host.start(lease, networks(16))
    future = drivers.submit(host.train, lease, dict.fromkeys(range(8), 10**6))
    while future.running() and not any(state.epoch for state in host.save(lease, [0]).values()):
        continue
    return future


def test_a_later_driver_gets_its_job_though_an_earlier_one_left_it_training() -> None:
    host = PackHost()
    with ThreadPoolExecutor() as drivers:
        left = training(host, drivers, Lease("job-1", 1))
        host.open(Lease("job-1", 2), race().prepared.data, PackSettings(1, METRICS, maximize=False))
        host.start(Lease("job-1", 2), networks(16))
        with pytest.raises(NotLeased, match="epoch 2"):
            left.result(60)
    assert len(host.train(Lease("job-1", 2), dict.fromkeys(range(8), 1)).reports) == 8


def test_closing_a_job_ends_what_still_trains_for_it_and_nothing_else() -> None:
    host = PackHost()
    with ThreadPoolExecutor() as drivers:
        dead, alive = (training(host, drivers, Lease(name, 3)) for name in ("job-1", "job-2"))
        host.close(Lease("job-1", 2))
        assert dead.running(), "the driver of an earlier lease has closed it"
        host.close(Lease("job-1", 3))
        with pytest.raises(NotLeased, match="job-1"):
            dead.result(60)
        assert alive.running()
        host.vacate()
        with pytest.raises(NotLeased, match="job-2"):
            alive.result(60)


def test_a_seat_that_restarts_under_two_jobs_is_lost_to_both_and_serves_both_again() -> None:
    seat: Any = LocalSeat("seat-0")
    fleets = [opened([seat], name, 1) for name in ("job-1", "job-2")]
    for fleet in fleets:
        fleet.start(networks(8))
    seat.restart()
    for fleet in fleets:
        assert fleet.train({0: 1}) == []
        assert fleet.take_lost() == set(range(8))
        fleet.start(networks(8))
    assert [len(fleet.train({0: 1})) for fleet in fleets] == [1, 1]
    with pytest.raises(SeatLost):
        seat.call("save", Lease("job-3"), [0]).result()

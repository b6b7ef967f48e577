"""What seats owe on Ray alone: nodes, GPUs, names, and processes that die or freeze."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest

from tests.workers.memory_sink import MemorySink
from tests.workers.races import pair_race
from tests.workers.ray_machines import ask, hired, node_of
from tests.workers.test_fleet import HYPERS, LEASE, STARTS, opened
from workers.ray_seat import Berth, RaySeat, hire

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300), pytest.mark.usefixtures("ray_nodes")]


class StruckSeat(RaySeat):
    """Its process gets a signal just before it is asked to train for the second time."""

    def __init__(self, seat: RaySeat, number: signal.Signals) -> None:
        super().__init__(seat.name, pulse_seconds=1.0)
        self.process_id, self.n_trained = ask(seat, "process_id"), 0
        self._signal = number

    def call(self, verb: str, *arguments: Any) -> Any:
        self.n_trained += verb == "train"
        if verb == "train" and self.n_trained == 2:
            os.kill(self.process_id, self._signal)
        return super().call(verb, *arguments)


@pytest.mark.parametrize("scheduler", ["pbt", "hyperband"])
def test_a_job_over_two_nodes_equals_the_one_in_process_though_a_worker_is_killed(scheduler: str) -> None:
    started = pair_race("random", scheduler)
    here, there = MemorySink(), MemorySink()
    started.run(here)
    with hired(Berth(2), Berth(2)) as found:
        assert len({node_of(seat) for seat in found}) == 2
        doomed = StruckSeat(found[0], signal.SIGKILL)
        started.run(there, [doomed, found[1]], snapshot_seconds=0.0)
        assert doomed.n_trained >= 2
    assert there.rows() == here.rows()


def test_a_worker_that_freezes_is_left_behind_and_taken_back_when_it_wakes() -> None:
    started = pair_race("random", "pbt")
    here, there = MemorySink(), MemorySink()
    started.run(here)
    with hired(Berth(1), Berth(1)) as found:
        frozen = StruckSeat(found[0], signal.SIGSTOP)
        try:
            started.run(there, [frozen, found[1]])
            assert not frozen.revive(0.1)
        finally:
            os.kill(frozen.process_id, signal.SIGCONT)
        assert frozen.revive(60.0)
        assert opened([frozen]).start(STARTS) == []
    assert there.rows() == here.rows()


def test_an_actor_with_more_calls_than_threads_still_shows_signs_of_life() -> None:
    with hired(Berth(1)) as (seat,):
        opened([seat]).start(STARTS)
        calls = [seat.call("train", LEASE, dict.fromkeys(HYPERS, 50)) for _ in range(6)]
        seat.feel_pulse()
        assert all(call.result() for call in calls)


def test_two_actors_share_a_gpu_that_a_node_claims_to_have() -> None:
    with hired(Berth(cpus=0, gpus=0.5), Berth(cpus=0, gpus=0.5)) as found:
        assert [ask(seat, "gpu_ids") for seat in found] == [[0], [0]]
        sink = MemorySink()
        assert pair_race("random", "asha").run(sink, found).reason == "trials_done"


def test_an_actor_is_found_again_by_its_name() -> None:
    with hired(Berth(1)) as (seat,):
        hire(seat.name, Berth(1))
        assert ask(RaySeat(seat.name), "process_id") == ask(seat, "process_id")

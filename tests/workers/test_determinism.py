"""A job is a function of its spec, seed and data: for every pair, however many seats, whatever is lost on the way."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from tests.workers.memory_sink import MemorySink
from tests.workers.races import CountingSeat, FrailSeat, Race, Wish, every_pair, pair_race
from workers.errors import LeaseLost
from workers.local_seat import LocalSeat


@cache
def undisturbed(algorithm: str, scheduler: str) -> tuple[Race, dict[str, Any]]:
    """Run the pair's job once, on one seat, and give its rows."""
    race = pair_race(algorithm, scheduler)
    sink = MemorySink()
    race.run(sink)
    sink.close()
    return race, sink.rows()


@every_pair
def test_three_seats_give_the_rows_and_the_models_of_one(algorithm: str, scheduler: str) -> None:
    race, expected = undisturbed(algorithm, scheduler)
    sink = MemorySink()
    race.run(sink, seats=3, snapshot_seconds=0.0)
    sink.close()
    assert sink.rows() == expected
    assert len(expected["models"]) == 3


@every_pair
def test_without_losses_no_epoch_is_trained_twice(algorithm: str, scheduler: str) -> None:
    race, expected = undisturbed(algorithm, scheduler)
    seat = CountingSeat("seat-0")
    race.run(MemorySink(), [seat])
    remade = 3 * 2 if race.job.scheduler.changes_parameters else 0  # winners whose best weights a copy overwrote
    assert seat.n_epochs <= len(expected["reports"]) + remade


@pytest.mark.slow
@every_pair
def test_two_seats_and_a_second_run_give_the_rows_of_the_first(algorithm: str, scheduler: str) -> None:
    race, expected = undisturbed(algorithm, scheduler)
    for seats in (1, 2):
        sink = MemorySink()
        race.run(sink, seats=seats)
        sink.close()
        assert sink.rows() == expected


def deaths_of(race: Race, n_deaths: int) -> list[int]:
    """Spread deaths over the calls that a seat gets in an undisturbed run on two seats."""
    seats = [FrailSeat("seat-0", set()), LocalSeat("seat-1")]
    race.run(MemorySink(), seats, snapshot_seconds=0.0)
    return [2 + (seats[0].n_calls - 2) * i // n_deaths for i in range(n_deaths)]


def run_with_deaths(race: Race, deaths: set[int]) -> dict[str, Any]:
    sink = MemorySink()
    seat = FrailSeat("seat-0", deaths)
    race.run(sink, [seat, LocalSeat("seat-1")], snapshot_seconds=0.0)
    sink.close()
    assert seat.n_calls >= min(deaths), "the seat never died"
    return sink.rows()


@every_pair
def test_seats_that_die_again_and_again_change_nothing(algorithm: str, scheduler: str) -> None:
    race, expected = undisturbed(algorithm, scheduler)
    deaths = set(deaths_of(race, 6))
    assert run_with_deaths(race, deaths) == expected


@pytest.mark.slow
@pytest.mark.parametrize(("algorithm", "scheduler"), [("random", "pbt"), ("grid", "pbt"), ("random", "hyperband")])
def test_a_seat_may_die_at_any_of_its_calls(algorithm: str, scheduler: str) -> None:
    race, expected = undisturbed(algorithm, scheduler)
    for death in deaths_of(race, 40):
        assert run_with_deaths(race, {death}) == expected, f"death at call {death}"


def test_the_only_seat_may_die_and_come_back() -> None:
    race, expected = undisturbed("random", "pbt")
    sink = MemorySink()
    race.run(sink, [FrailSeat("seat-0", {4, 9, 10, 20})])
    sink.close()
    assert sink.rows() == expected


def test_a_seat_that_was_restarted_unnoticed_gets_its_lanes_back() -> None:
    race, expected = undisturbed("random", "hyperband")
    sink = MemorySink()
    race.run(sink, [ForgetfulSeat("seat-0"), LocalSeat("seat-1")])
    sink.close()
    assert sink.rows() == expected


class ForgetfulSeat(LocalSeat):
    """Its process is restarted between two calls, once, just before it is asked to train again."""

    n_trained = 0

    def call(self, verb: str, *arguments: Any) -> Any:
        self.n_trained += verb == "train"
        if verb == "train" and self.n_trained == 2:
            self.restart()
        return super().call(verb, *arguments)


def cut_and_resumed(race: Race, cut: int, snapshots: bool) -> dict[str, Any]:
    """Run until the driver is killed at the end of round `cut`, then go on from what was committed."""
    sink = MemorySink(lose_at=cut)
    with pytest.raises(LeaseLost):
        race.run(sink, snapshot_seconds=0.0)
    sink.forget_open()
    race.run(sink, record=sink.record(snapshots))
    sink.close()
    return sink.rows()


@every_pair
def test_a_killed_driver_changes_nothing(algorithm: str, scheduler: str) -> None:
    race, expected = undisturbed(algorithm, scheduler)
    middle = max(1, expected["rounds"] // 2)
    assert cut_and_resumed(race, middle, snapshots=True) == expected
    assert cut_and_resumed(race, expected["rounds"], snapshots=False) == expected


@pytest.mark.slow
@every_pair
def test_the_driver_may_be_killed_after_any_round(algorithm: str, scheduler: str) -> None:
    race, expected = undisturbed(algorithm, scheduler)
    for cut in range(1, expected["rounds"] + 1):
        snapshots = cut % 2 == 0  # with and without at the middle and the end: the test above
        assert cut_and_resumed(race, cut, snapshots) == expected, f"cut at {cut}, snapshots {snapshots}"


def test_a_driver_that_is_killed_at_every_round_gets_there_in_the_end() -> None:
    race, expected = undisturbed("random", "pbt")
    sink = MemorySink()
    for cut in range(2, expected["rounds"] + 1):
        sink.lose_at = cut
        with pytest.raises(LeaseLost):
            race.run(sink, record=sink.record(), snapshot_seconds=0.0)
        sink.forget_open()
    race.run(sink, record=sink.record())
    sink.close()
    assert sink.rows() == expected


@pytest.mark.parametrize(("algorithm", "scheduler"), [("random", "pbt"), ("hyperopt", "hyperband"), ("random", "asha")])
def test_a_pause_changes_nothing(algorithm: str, scheduler: str) -> None:
    race, expected = undisturbed(algorithm, scheduler)
    sink = MemorySink()
    for _ in range(2):
        end = race.run(sink, record=sink.record(), control=Wish("pause", at_poll=2), snapshot_seconds=0.0)
        sink.close()
        if end.state == "paused":
            assert end.reason == "user_paused"
    race.run(sink, record=sink.record())
    sink.close()
    assert sink.rows() == expected

"""Turns: one holder at a time, shared by time used, whoever comes late or goes away."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable

import pytest

from workers.turns import Turns


class Clock:
    """Time that passes only when somebody works."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


class Bench:
    """A device that users work at in threads; it notes who held it, in order."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.turns = Turns(self.clock)
        self.held: list[str] = []
        self._at_work = threading.Lock()

    def work(self, user: str, seconds: float) -> None:
        """Hold one turn for so long."""
        with self.turns.turn(user):
            assert self._at_work.acquire(blocking=False), "two at once"
            self.held.append(user)
            self.clock.seconds += seconds
            self._at_work.release()

    def run(self, *works: Callable[[], None]) -> None:
        """Let each work in a thread of its own; all begin before the first turn is given."""
        ready = threading.Barrier(len(works) + 1)

        def begin(work: Callable[[], None]) -> None:
            with self.turns.stay(threading.current_thread().name):
                ready.wait()
                work()

        threads = [threading.Thread(target=begin, args=(work,), name=f"user-{n}") for n, work in enumerate(works)]
        with self.turns.turn("opening"):
            for thread in threads:
                thread.start()
            ready.wait()
        for thread in threads:
            thread.join(30)
            assert not thread.is_alive(), "a user never got its turn"

    def slices(self, user: str, number: int, seconds: float) -> Callable[[], None]:
        return lambda: [self.work(user, seconds) for _ in range(number)] and None


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_users_with_slices_of_different_lengths_get_the_same_time(bench: Bench) -> None:
    bench.run(bench.slices("user-0", 100, 1.0), bench.slices("user-1", 10, 10.0))
    first = Counter(bench.held[:55])  # half of all the time
    assert abs(first["user-0"] * 1.0 - first["user-1"] * 10.0) <= 10.0


def test_three_users_with_equal_slices_take_turns(bench: Bench) -> None:
    bench.run(*(bench.slices(f"user-{n}", 20, 1.0) for n in range(3)))
    for start in range(0, 60, 3):
        assert len(set(bench.held[start : start + 3])) == 3


def test_a_newcomer_neither_waits_for_the_past_of_others_nor_makes_them_wait_for_its_own(bench: Bench) -> None:
    for _ in range(1000):
        bench.work("user-0", 1.0)
    bench.held.clear()
    bench.run(bench.slices("user-0", 20, 1.0), bench.slices("user-1", 20, 1.0))
    assert Counter(bench.held[:20])["user-1"] in range(8, 13)


def test_a_user_that_was_away_gets_no_credit_for_it(bench: Bench) -> None:
    bench.work("user-1", 1.0)
    for _ in range(1000):
        bench.work("user-0", 1.0)
    bench.held.clear()
    bench.run(bench.slices("user-0", 20, 1.0), bench.slices("user-1", 20, 1.0))
    assert Counter(bench.held[:20])["user-0"] in range(8, 13)


def test_a_user_that_went_ahead_pays_when_it_comes_back_at_once(bench: Bench) -> None:
    bench.work("user-1", 1.0)
    bench.work("user-0", 9.0)
    bench.held.clear()
    bench.run(bench.slices("user-0", 5, 1.0), bench.slices("user-1", 5, 1.0))
    assert bench.held[:5] == ["user-1"] * 5


def test_an_error_in_a_turn_gives_it_back(bench: Bench) -> None:
    with pytest.raises(ZeroDivisionError), bench.turns.turn("user-0"):
        raise ZeroDivisionError
    bench.work("user-1", 1.0)
    assert bench.held == ["user-1"]


def test_nobody_waits_for_a_user_that_has_left(bench: Bench) -> None:
    with bench.turns.stay("user-0"):
        pass
    for _ in range(3):
        bench.work("user-1", 5.0)
    assert bench.held == ["user-1"] * 3

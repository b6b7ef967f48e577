"""Turns at one device, shared fairly by time used. Threads and a clock, nothing of packs."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Turns:
    """One holder at a time; among the users that are present, the one that has used least time goes next.

    Who comes, or comes back, starts where the latest holder began its turn: neither with the credit of a newcomer nor
    with that of time spent elsewhere. Turns are not cut short, so slices of work should be small. Thread-safe.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._changed = threading.Condition()
        self._used: dict[str, float] = {}
        self._present: Counter[str] = Counter()
        self._waiting: list[tuple[str, object]] = []
        self._is_held = False
        self._now = 0.0

    @contextmanager
    def stay(self, user: str) -> Iterator[None]:
        """Be present for several turns: between two of them the others wait, if it is still this user's time."""
        with self._changed:
            if not self._present[user]:
                self._used[user] = max(self._used.get(user, 0.0), self._now)
            self._present[user] += 1
        try:
            yield
        finally:
            with self._changed:
                self._present[user] -= 1
                if not self._present[user]:
                    del self._present[user]
                self._changed.notify_all()

    @contextmanager
    def turn(self, user: str) -> Iterator[None]:
        """Wait for a turn and hold it; turns of one user come in the order in which they were asked for."""
        with self.stay(user):
            self._take(user)
            begun = self._clock()
            try:
                yield
            finally:
                self._give_back(user, self._clock() - begun)

    def forget(self, user: str) -> None:
        """Forget what a user that does not come again has used."""
        with self._changed:
            if user not in self._present:
                self._used.pop(user, None)

    def _take(self, user: str) -> None:
        place = user, object()
        with self._changed:
            self._waiting.append(place)
            try:
                self._changed.wait_for(lambda: self._is_next(place))
                self._is_held, self._now = True, self._used[user]
            finally:
                self._waiting.remove(place)

    def _give_back(self, user: str, seconds: float) -> None:
        with self._changed:
            self._is_held = False
            self._used[user] += seconds
            self._changed.notify_all()

    def _is_next(self, place: tuple[str, object]) -> bool:
        if self._is_held:
            return False
        first = min(self._present, key=self._used.__getitem__)
        return next((other for other in self._waiting if other[0] == first), None) is place

"""What Tune is told next: a queue of events, each of which belongs to a lane or to nobody."""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Callable, Hashable


class Events:
    """Calls with their owners, in order. Those of one owner are taken back without a walk through all."""

    def __init__(self) -> None:
        self._calls: OrderedDict[int, tuple[Hashable | None, Callable[[], None]]] = OrderedDict()
        self._keys: dict[Hashable, set[int]] = {}
        self._next_key = itertools.count()

    def append(self, owner: Hashable | None, call: Callable[[], None]) -> int:
        """Put an event behind all others; return its key."""
        key = next(self._next_key)
        self._calls[key] = owner, call
        if owner is not None:
            self._keys.setdefault(owner, set()).add(key)
        return key

    def put_first(self, owner: Hashable | None, call: Callable[[], None]) -> None:
        """Put an event before all others."""
        self._calls.move_to_end(self.append(owner, call), last=False)

    def take_next(self) -> Callable[[], None]:
        """Take the first event out.

        Raises: KeyError, when there is none.
        """
        key, (owner, call) = self._calls.popitem(last=False)
        if owner is not None:
            self._keys[owner].remove(key)
        return call

    def take_back(self, owner: Hashable) -> None:
        """Forget the events of an owner."""
        for key in self._keys.pop(owner, ()):
            del self._calls[key]

    def __len__(self) -> int:
        return len(self._calls)

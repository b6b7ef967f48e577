"""A seat in this very process: for tests, for a machine without Ray, and for benchmarks of packs alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from workers.pack_host import NothingOpen, PackHost
from workers.seat import SeatLost


@dataclass(frozen=True)
class _Answer:
    value: Any = None
    lost: bool = False

    def result(self) -> Any:
        if self.lost:
            raise SeatLost
        return self.value


class LocalSeat:
    """A pack host called directly. `kill` takes its state away as a lost process would; it comes back empty."""

    def __init__(self, name: str, device: str = "cpu") -> None:
        self.name = name
        self._device = device
        self._host: PackHost | None = PackHost(device)

    def call(self, verb: str, *arguments: Any) -> _Answer:
        if self._host is None:
            return _Answer(lost=True)
        try:
            return _Answer(getattr(self._host, verb)(*arguments))
        except NothingOpen:
            return _Answer(lost=True)

    def share(self, value: Any) -> Any:
        return value

    def kill(self) -> None:
        self._host = None

    def restart(self) -> None:
        """Lose the state unnoticed, as a process that is back before anybody calls it."""
        self._host = PackHost(self._device)

    def revive(self, wait_seconds: float) -> bool:
        self._host = self._host or PackHost(self._device)
        return True

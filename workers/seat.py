"""A seat: one pack host, wherever it runs, as a fleet calls it. No Ray here."""

from __future__ import annotations

from typing import Any, Protocol


class SeatLost(Exception):
    """The process behind a seat is gone, and with it the lanes it held."""


class Call(Protocol):
    """An answer that is on its way."""

    def result(self) -> Any:
        """Wait for the answer. Raises: SeatLost, or what the pack raised."""


class Seat(Protocol):
    """One pack host, wherever it runs. A lost seat may come back empty: `revive` says whether it has."""

    name: str

    def call(self, verb: str, *arguments: Any) -> Call: ...

    def share(self, value: Any) -> Any:
        """Put a large value where every seat of this kind can reach it."""

    def revive(self, wait_seconds: float) -> bool: ...

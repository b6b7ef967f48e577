"""The verbs by which whoever keeps account of lanes has them trained, wherever they ride. No seats, no Ray."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from models.lanes import LaneReport, LaneStart, LaneState, Layers, PackSettings, Views
from workers.pack_host import Lease


@dataclass(frozen=True)
class JobContext:
    """What a pack needs to know of a job before lanes arrive."""

    lease: Lease
    data: Views
    settings: PackSettings


class Lanes(Protocol):
    """The verbs of a fleet, as whoever keeps account of lanes uses them; see `Fleet`.

    Behind a number may stand several lanes (`workers.teams.Teams`): `best_layers` has the weights of each.
    """

    def open(self, context: JobContext) -> dict[str, str]: ...

    def start(self, starts: Sequence[LaneStart]) -> list[LaneReport]: ...

    def train(self, epochs: Mapping[int, int]) -> list[LaneReport]: ...

    def save(self, lanes: Iterable[int]) -> dict[int, LaneState]: ...

    def keep_best(self, lanes: Iterable[int]) -> None: ...

    def best_layers(self, lanes: Iterable[int]) -> dict[int, list[Layers]]: ...

    def drop(self, lanes: Iterable[int]) -> None: ...

    def take_lost(self) -> set[int]: ...

    def take_shortages(self) -> dict[str, str]: ...

    def close(self) -> None: ...

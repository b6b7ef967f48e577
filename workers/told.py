"""A fleet that trains nothing: its lanes are trained by programs outside, and it answers what they tell."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from models.lanes import LaneError, LaneReport, LaneStart, LaneState, Layers, Outcome
from workers.lanes import JobContext


@dataclass(frozen=True)
class Tell:
    """What a program has told of a trial: at which step it stands, and the job's values by name; those that are missing
    are not known. `is_final`: it trains no further. `error`: it failed."""

    trial: int
    step: int
    values: Mapping[str, float]
    is_final: bool = False
    error: LaneError | None = None


class Tells(Protocol):
    """Where a job hears what it is told."""

    def next(self, trials: Collection[int], until: float | None) -> Tell | None:
        """Wait for the next report of one of these trials, in the order in which they were told.

        None, when somebody asks for something else, or at `until` (of the monotonic clock). What was told of other
        trials waits for its turn.
        """


@dataclass
class _Lane:
    sequence: int
    step: int
    repeats: bool


class ToldFleet:
    """The verbs of `workers.fleet.Fleet` that a ledger uses. `train` waits for one report of any of the trials.

    A trial that failed reports its error at the step that `retries_at` names, and goes on; None lets it end.

    The weights are the programs' own: a state is an age, and to train again what was trained before is nothing to do.
    """

    def __init__(
        self,
        tells: Tells,
        metrics: Sequence[str],
        until: float | None,
        retries_at: Callable[[int], int | None] = lambda trial: None,
    ) -> None:
        self._tells, self._metrics, self._until, self._retries_at = tells, metrics, until, retries_at
        self._lanes: dict[int, _Lane] = {}

    def open(self, context: JobContext) -> dict[str, str]:
        """There is no seat."""
        return {}

    def start(self, starts: Sequence[LaneStart]) -> list[LaneReport]:
        """Admit lanes; none can fail."""
        for item in starts:
            self._lanes[item.lane] = _Lane(item.sequence, item.state.epoch if item.state else 0, item.patient)
        return []

    def train(self, epochs: Mapping[int, int]) -> list[LaneReport]:
        """Wait for one report of one of these lanes; none where somebody asks for something else."""
        waiting = {lane for lane in epochs if not self._lanes[lane].repeats}
        told = self._tells.next(waiting, self._until) if waiting else None
        if told is None:
            return []
        lane = self._lanes[told.trial]
        lane.sequence += 1
        if told.error and (step := self._retries_at(told.trial)) is not None:
            nothing = (math.nan,) * len(self._metrics)
            return [LaneReport(told.trial, lane.sequence, step, math.nan, nothing, None, told.error)]
        lane.step = told.step
        values = tuple(float(told.values.get(name, math.nan)) for name in self._metrics)
        outcome: Outcome | None = "failed" if told.error else "final" if told.is_final else None
        return [LaneReport(told.trial, lane.sequence, told.step, math.nan, values, outcome, told.error)]

    def save(self, lanes: Iterable[int]) -> dict[int, LaneState]:
        """Answer states that hold an age and no weights."""
        return {lane: LaneState(self._lanes[lane].step, 0, {}) for lane in lanes}

    def keep_best(self, lanes: Iterable[int]) -> None:
        """The programs keep their best weights themselves."""

    def best_layers(self, lanes: Iterable[int]) -> dict[int, list[Layers]]:
        """There are none here."""
        return {}

    def drop(self, lanes: Iterable[int]) -> None:
        """Forget lanes."""
        for lane in lanes:
            self._lanes.pop(lane, None)

    def take_lost(self) -> set[int]:
        """No lane is ever lost: whoever trains it may change, and the ledger need not know."""
        return set()

    def take_shortages(self) -> dict[str, str]:
        """There is always room."""
        return {}

    def close(self) -> None:
        """Forget all lanes."""
        self._lanes.clear()

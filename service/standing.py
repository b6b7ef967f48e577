"""Running totals of trials and of their job, from the facts of a run. Pure: no SQL."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from statistics import pstdev
from typing import Any

from models.lanes import LaneError, LaneReport, Watch
from search.trial import TRIAL_ENDED, TrialReason, TrialState
from service.numbers import exact, finite, from_exact, plain
from workers.sink import TrialFact

OUT_OF_THE_RACE = frozenset({TrialState.DIVERGED, TrialState.FAILED, TrialState.CANCELLED})
TOLD = ("number", "state", "reason", "parameters", "rung", "objective", "best_epoch", "epochs", "parent", "error")


@dataclass
class Standing:
    """One trial: its state and what its reports add up to. Field names are the columns of its row."""

    number: int
    state: TrialState = TrialState.PENDING
    reason: TrialReason = TrialReason.ADMITTED
    parameters: dict[str, Any] = field(default_factory=dict)
    rung: int | None = None
    objective: float | None = None
    best_sequence: int | None = None
    best_epoch: int | None = None
    metrics: list[Any] = field(default_factory=list)
    parts: list[Any] | None = None
    epochs: int = 0
    n_reports: int = 0
    parent: int | None = None
    error: dict[str, Any] | None = None

    def change(self, fact: TrialFact) -> None:
        """Take over a new state."""
        self.state, self.reason, self.rung = fact.state, fact.reason, fact.rung
        self.parameters = plain(fact.parameters)
        self.error = describe_error(fact.error)

    def observe(self, report: LaneReport, watch: Watch) -> bool:
        """Count a report, unless it has been counted before; the best epoch wins, the earlier one of equals."""
        if report.sequence <= self.n_reports:
            return False
        self.n_reports, self.epochs = report.sequence, report.epoch
        value = report.values[0] if report.values else math.nan
        if math.isfinite(value) and watch.improves(report.values, self._watched(watch)):
            self.objective, self.best_sequence, self.best_epoch = value, report.sequence, report.epoch
            self.metrics, self.parts = exact(report.values), exact_parts(report)
        return True

    def _watched(self, watch: Watch) -> float | None:
        """What the best epoch so far is the best for."""
        if watch.place == 0 or self.objective is None:
            return self.objective
        return from_exact(self.metrics[watch.place : watch.place + 1])[0]

    def row(self) -> dict[str, Any]:
        """The columns of the trial's row; values are replaced, never changed, so a shallow copy is a copy."""
        return dict(vars(self))

    def told(self) -> dict[str, Any]:
        """The `trial` event: the trial without its metrics, but with the spread of its objective."""
        row = self.row()
        return {name: row[name] for name in TOLD} | {"spread": spread_of(self.parts)}


@dataclass
class Standings:
    """All trials of one job, with the leader and the totals that its row shows."""

    maximize: bool
    watch: Watch
    n_epochs: int = 0
    trials: dict[int, Standing] = field(default_factory=dict)
    done: set[int] = field(default_factory=set)
    leader: int | None = None

    def __post_init__(self) -> None:
        self.done = {trial.number for trial in self.trials.values() if trial.state in TRIAL_ENDED}
        self._elect(self.trials.values())

    def change(self, fact: TrialFact) -> None:
        """Take over a trial's new state; one that diverged or failed leaves the race."""
        trial = self.of(fact.number)
        trial.change(fact)
        if trial.state in TRIAL_ENDED:
            self.done.add(trial.number)
        if self.leader == trial.number and trial.state in OUT_OF_THE_RACE:
            self.leader = None
            self._elect(self.trials.values())

    def observe(self, report: LaneReport) -> None:
        """Count a report of the trial that its lane carries."""
        trial = self.of(report.lane)
        if trial.observe(report, self.watch):
            self.n_epochs += report.outcome != "failed"
            self._elect([trial])

    def of(self, number: int) -> Standing:
        """The standing of one trial, new if it was not known."""
        known = self.trials.get(number)
        if known is None:
            known = self.trials[number] = Standing(number)
        return known

    @property
    def best_objective(self) -> float | None:
        """The leader's objective."""
        return None if self.leader is None else self.trials[self.leader].objective

    def _elect(self, candidates: Iterable[Standing]) -> None:
        for trial in candidates:
            if trial.objective is not None and trial.state not in OUT_OF_THE_RACE and self._leads(trial):
                self.leader = trial.number

    def _leads(self, trial: Standing) -> bool:
        best = self.best_objective
        if best is None or self.leader is None or trial.objective is None:
            return True
        if trial.objective == best:
            return trial.number < self.leader
        return is_better(trial.objective, best, self.maximize)


def exact_parts(report: LaneReport) -> list[Any] | None:
    """The values of each of a trial's lanes, to the bit; None where there is one."""
    return [exact(values) for values in report.parts] or None


def spread_of(parts: Sequence[Sequence[Any]] | None, place: int = 0) -> float | None:
    """Standard deviation of one value over folds and repeats, as scikit-learn's std_test_score: divided by their
    number. None with one lane, and where a value is not finite."""
    if not parts:
        return None
    column = from_exact(values[place] for values in parts)
    return finite(pstdev(column)) if all(map(math.isfinite, column)) else None


def is_better(value: float, other: float, maximize: bool) -> bool:
    """Whether `value` beats `other`."""
    return value > other if maximize else value < other


def describe_error(error: LaneError | None) -> dict[str, Any] | None:
    """A lane's error as JSON."""
    return None if error is None else asdict(error)

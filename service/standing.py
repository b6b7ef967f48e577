"""Running totals of trials and of their job, from the facts of a run. Pure: no SQL."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from statistics import pstdev
from typing import Any

from models.lanes import LaneError, LaneReport, Watch
from search.aims import Aims, Costs
from search.trial import TRIAL_ENDED, TrialReason, TrialState
from service.numbers import exact, finite, from_exact, plain
from workers.sink import TrialFact

OUT_OF_THE_RACE = frozenset({TrialState.DIVERGED, TrialState.FAILED, TrialState.CANCELLED})
TOLD = (
    *("number", "state", "reason", "parameters", "rung", "objective", "front", "best_epoch", "epochs"),
    *("parent", "error", "attempts"),
)


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
    violation: float | None = None
    front: bool | None = None
    epochs: int = 0
    n_reports: int = 0
    parent: int | None = None
    error: dict[str, Any] | None = None
    attempts: int = 1

    def change(self, fact: TrialFact) -> None:
        """Take over a new state."""
        self.state, self.reason, self.rung = fact.state, fact.reason, fact.rung
        self.parameters = plain(fact.parameters)
        self.error = describe_error(fact.error)

    def observe(self, report: LaneReport, watch: Watch, aims: Aims) -> bool:
        """Count a report, unless it has been counted before; the best epoch wins, the earlier one of equals."""
        if report.sequence <= self.n_reports:
            return False
        self.n_reports, self.epochs = report.sequence, report.epoch
        self.attempts, self.error = self.attempts + report.is_retried, describe_error(report.error)
        value = report.values[0] if report.values else math.nan
        if math.isfinite(value) and watch.improves(report.values, self._watched(watch)):
            self.objective, self.best_sequence, self.best_epoch = value, report.sequence, report.epoch
            self.metrics, self.parts = exact(report.values), exact_parts(report)
            self.violation = aims.violation(report.values) if aims.limits else None
        return True

    def costs(self, aims: Aims) -> Costs:
        """What it has come to for the objectives, less is better."""
        return aims.costs(from_exact(self.metrics))

    @property
    def competes(self) -> bool:
        """Whether it may lead: it has a result that keeps the limits, and has not failed."""
        return self.objective is not None and not self.violation and self.state not in OUT_OF_THE_RACE

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
        own = {"spread": spread_of(self.parts), "feasible": is_feasible(self.violation)}
        return {name: row[name] for name in TOLD} | own


@dataclass
class Standings:
    """All trials of one job, with the leader and the totals that its row shows."""

    aims: Aims
    watch: Watch
    n_epochs: int = 0
    trials: dict[int, Standing] = field(default_factory=dict)
    done: set[int] = field(default_factory=set)
    leader: int | None = None
    _front: dict[int, Costs] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        self.done = {trial.number for trial in self.trials.values() if trial.state in TRIAL_ENDED}
        self._elect(self.trials.values())
        self._front = {n: trial.costs(self.aims) for n, trial in self.trials.items() if trial.front and trial.competes}

    def change(self, fact: TrialFact) -> None:
        """Take over a trial's new state; one that diverged or failed leaves the race."""
        trial = self.of(fact.number)
        trial.change(fact)
        if trial.state in TRIAL_ENDED:
            self.done.add(trial.number)
        if self.leader == trial.number and trial.state in OUT_OF_THE_RACE:
            self.leader = None
            self._elect(self.trials.values())

    def observe(self, report: LaneReport) -> bool:
        """Count a report of the trial that its lane carries; say whether it keeps the limits as it did not before."""
        trial = self.of(report.lane)
        before = is_feasible(trial.violation)
        led_by = trial.costs(self.aims) if self.leader == trial.number else None
        if trial.observe(report, self.watch, self.aims):
            self.n_epochs += report.error is None
            if led_by is not None and (not trial.competes or trial.costs(self.aims) > led_by):
                self.leader = None  # its new best epoch breaks a limit, or is better by what is watched only
            self._elect([trial] if self.leader is not None or led_by is None else self.trials.values())
        return is_feasible(trial.violation) != before

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

    def move_front(self, changed: Iterable[int]) -> list[int]:
        """Find the front of several objectives anew; name the trials that have come to it or left it.

        `changed` are those that have changed since the last time: unless one of the front has become worse, nobody else
        can come to it.
        """
        if not self.aims.are_several:
            return []
        looked_at = {*self._front, *changed}
        if any(self._has_fallen(number) for number in self._front):
            looked_at = set(self.trials)
        racing = {n: from_exact(self.trials[n].metrics) for n in sorted(looked_at) if self.trials[n].competes}
        self._front = {number: self.aims.costs(racing[number]) for number in self.aims.best(racing, keep=0)}
        moved = [n for n in sorted(looked_at) if self.trials[n].front != (n in self._front)]
        for number in moved:
            self.trials[number].front = number in self._front
        return moved

    def _has_fallen(self, number: int) -> bool:
        trial, before = self.trials[number], self._front[number]
        return not trial.competes or any(now > was for now, was in zip(trial.costs(self.aims), before, strict=True))

    def _elect(self, candidates: Iterable[Standing]) -> None:
        for trial in candidates:
            if trial.competes and self._leads(trial):
                self.leader = trial.number

    def _leads(self, trial: Standing) -> bool:
        if self.leader is None:
            return True
        best = self.trials[self.leader]
        return (trial.costs(self.aims), trial.number) < (best.costs(self.aims), best.number)


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


def is_feasible(violation: float | None) -> bool | None:
    """Whether limits are kept; None where there are none, or no result."""
    return None if violation is None else violation == 0


def describe_error(error: LaneError | None) -> dict[str, Any] | None:
    """A lane's error as JSON."""
    return None if error is None else asdict(error)

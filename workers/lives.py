"""The lives of a job's trials: segments, ages, best epochs, and how any past state is made again. No fleet, no Tune."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from models.hyper import LaneHyperparameters
from models.lanes import LaneError, LaneReport, LaneStart, LaneState, Outcome, Watch
from search.trial import TRIAL_ENDED, TrialReason, TrialState
from workers.sink import SegmentFact, SnapshotFact, TrialFact

MOST_BEQUEATHED = 512 * 1024**2
"""Bytes of trials' states that the driver keeps for children to come; others are made again if a child needs them."""


class StateKey(NamedTuple):
    """Names a state: the weights of `trial` in its segment number `segment` after `sequence` reports."""

    trial: int
    segment: int
    sequence: int


@dataclass(frozen=True)
class Segment:
    """A stretch of a life as recorded, with the hyperparameters that its parameters mean and its lane's seed; where it
    begins with weights that were inherited, also those of the network that they were made for."""

    fact: SegmentFact
    hyper: LaneHyperparameters
    seed: int
    ancestor: LaneHyperparameters | None = None


@dataclass(frozen=True)
class Best:
    """The best epoch of a trial so far: its objective, and the value for which it is the best."""

    value: float
    key: StateKey
    epoch: int
    metrics: tuple[float, ...]
    watched: float
    parts: tuple[tuple[float, ...], ...] = ()


@dataclass(frozen=True)
class Stretch:
    """Training to repeat: so many epochs with these hyperparameters and this lane seed, on weights inherited from the
    ancestor, if there is one."""

    hyper: LaneHyperparameters
    seed: int
    n_epochs: int
    ancestor: LaneHyperparameters | None = None


@dataclass(frozen=True)
class Recipe:
    """How to make a state: start from `state` (None: fresh weights), then train the stretches in order."""

    state: LaneState | None
    stretches: tuple[Stretch, ...] = ()


def lane_seed(job_seed: int, trial: int) -> int:
    """Derive the seed of a trial's initialisation and dropout from the job's seed."""
    return int(np.random.SeedSequence([job_seed, trial]).generate_state(1, np.uint32)[0])


@dataclass
class TrialLife:
    """One trial as the driver knows it. `age` is what the scheduler counts: it runs on while the lane is frozen."""

    number: int
    segments: list[Segment] = field(default_factory=list)
    sequence: int = 0
    epoch: int = 0
    age: int = 0
    outcome: Outcome | None = None
    error: LaneError | None = None
    values: tuple[float, ...] | None = None
    """Of its last report that has an objective."""
    best: Best | None = None
    n_since_best: int = 0
    n_retried: int = 0
    """Failures after which it was tried again."""
    resident_since: int | None = None
    """Reports made when the fleet last got this lane; None while the fleet does not hold its state."""
    state: TrialState = TrialState.PENDING
    reason: TrialReason = TrialReason.ADMITTED
    rung: int | None = None

    @property
    def key(self) -> StateKey:
        return StateKey(self.number, len(self.segments) - 1, self.sequence)

    @property
    def hyper(self) -> LaneHyperparameters:
        return self.segments[-1].hyper

    @property
    def parameters(self) -> Mapping[str, Any]:
        return self.segments[-1].fact.parameters

    @property
    def frozen(self) -> bool:
        """It has stopped training by itself and only answers its scheduler's milestones."""
        return self.outcome is not None

    @property
    def ended(self) -> bool:
        return self.state in TRIAL_ENDED

    @property
    def broken(self) -> bool:
        """Its last report says that it diverged or failed: its present weights are worth nothing."""
        return self.outcome in ("diverged", "failed")

    def own_end(self) -> tuple[TrialState, TrialReason] | None:
        """State how it ended by itself, if it did: no scheduler and no clock changes that."""
        if self.outcome == "diverged":
            return TrialState.DIVERGED, TrialReason.NOT_FINITE
        if self.outcome == "failed":
            memory = self.error is not None and self.error.out_of_memory
            return TrialState.FAILED, TrialReason.OUT_OF_MEMORY if memory else TrialReason.ERROR
        if self.outcome == "patience":
            return TrialState.COMPLETED, TrialReason.OUT_OF_PATIENCE
        if self.outcome == "final":
            return TrialState.COMPLETED, TrialReason.TOLD_FINAL
        return None

    def fact(self) -> TrialFact:
        """State what a sink should show of this trial now."""
        return TrialFact(self.number, self.state, self.reason, self.parameters, self.rung, self.error)

    def start(self, state: LaneState | None) -> LaneStart:
        """Ask the fleet to hold this trial's lane with the given state, early-stopping memory included."""
        best = self.best.watched if self.best else None
        segment = self.segments[-1]
        ancestor = segment.ancestor if self.sequence == segment.fact.sequence else None
        memory = self.sequence, best, self.n_since_best
        return LaneStart(self.number, self.hyper, segment.seed, state, *memory, ancestor=ancestor)

    def hear(self, report: LaneReport, watch: Watch) -> None:
        """Take in one report, in order."""
        self.sequence, self.epoch = report.sequence, report.epoch
        self.outcome, self.error = report.outcome, report.error
        self.n_retried += report.is_retried
        objective = report.values[0] if report.values else float("nan")
        if self.broken or not np.isfinite(objective):
            return
        self.values = report.values
        if watch.improves(report.values, self.best.watched if self.best else None):
            watched = report.values[watch.place]
            self.best = Best(objective, self.key, report.epoch, report.values, watched, report.parts)
            self.n_since_best = 0
        else:
            self.n_since_best += 1


class Lives:
    """All trials of a job, and the states that are at hand."""

    def __init__(self, snapshots: Mapping[int, SnapshotFact]) -> None:
        self.by_number: dict[int, TrialLife] = {}
        self._states: dict[tuple[int, int], dict[int, LaneState]] = {}
        for fact in snapshots.values():
            self.keep_state(StateKey(fact.trial, fact.segment, fact.sequence), fact.state)

    def keep_state(self, key: StateKey, state: LaneState) -> None:
        """Have a state at hand from now on."""
        self._states.setdefault(key[:2], {})[key.sequence] = state

    def at_hand(self) -> set[StateKey]:
        """Name the states that are at hand."""
        return {StateKey(*part, sequence) for part, states in self._states.items() for sequence in states}

    def state_at(self, trial: int, sequence: int) -> StateKey:
        """Name the state right after a trial's report number `sequence`, with the segment in which it made that."""
        segments = self.by_number[trial].segments
        begun = [index for index, segment in enumerate(segments) if segment.fact.sequence < sequence]
        return StateKey(trial, begun[-1] if begun else 0, sequence)

    def sound(self, key: StateKey) -> StateKey | None:
        """Name the state that a copy of `key` begins with: of a broken lane, the one before the report that broke it.

        None means fresh weights.
        """
        life = self.by_number[key.trial]
        if key != life.key or not life.broken:
            return key
        begun = life.segments[key.segment].fact
        if key.sequence - 1 > begun.sequence:
            return key._replace(sequence=key.sequence - 1)
        if begun.source_trial is None:
            return None
        return self.state_at(begun.source_trial, begun.source_sequence)

    def recipe(self, key: StateKey, retrain_last: bool = False, from_scratch: bool = False) -> Recipe:
        """Say how to make the state `key` from what is at hand: a later state is never used for an earlier one.

        `from_scratch` uses none: for training on other rows. `retrain_last` leaves out the state itself, so that at
        least its last epoch is trained again.
        """
        stretches: list[Stretch] = []
        while True:
            life = self.by_number[key.trial]
            segment = life.segments[key.segment]
            base = None if from_scratch else self._nearest(key, key.sequence - int(retrain_last))
            begun = base.sequence if base else segment.fact.sequence
            if key.sequence > begun:
                ancestor = None if base else segment.ancestor
                stretches.insert(0, Stretch(segment.hyper, segment.seed, key.sequence - begun, ancestor))
            if base is not None:
                return Recipe(self._states[base[:2]][base.sequence], tuple(stretches))
            source = self.source(segment.fact)
            if source is None:
                return Recipe(None, tuple(stretches))
            key, retrain_last = source, False

    def _nearest(self, key: StateKey, latest: int) -> StateKey | None:
        begun = self.by_number[key.trial].segments[key.segment].fact.sequence
        near = max((known for known in self._states.get(key[:2], ()) if begun < known <= latest), default=None)
        return None if near is None else key._replace(sequence=near)

    def awaited(self) -> set[StateKey]:
        """Name the states that lanes are about to be started from: their sources may have saved newer ones since."""
        waiting = (life for life in self.by_number.values() if life.resident_since is None and not life.ended)
        return {key for life in waiting if (key := self.source(life.segments[-1].fact))}

    def ancestor(self, fact: SegmentFact) -> LaneHyperparameters | None:
        """Give the hyperparameters of the network whose weights a segment inherits, if it does."""
        key = self.source(fact)
        return self.by_number[key.trial].segments[key.segment].hyper if key and fact.inherits else None

    def source(self, fact: SegmentFact) -> StateKey | None:
        """Name the state that a segment begins with; None is fresh weights."""
        return None if fact.source_trial is None else self.state_at(fact.source_trial, fact.source_sequence)

    def keep_sources(self, states: Mapping[int, LaneState | None]) -> None:
        """Have at hand what trials are about to begin a segment with: others may begin with the same."""
        for number, state in states.items():
            life = self.by_number[number]
            key = self.source(life.segments[-1].fact)
            if key and state and life.sequence == life.segments[-1].fact.sequence:
                self.keep_state(key, state)

    def newest(self) -> set[StateKey]:
        """Name the states that came to hand last, trial by trial, as far as MOST_BEQUEATHED allows."""
        found, n_bytes = set(), MOST_BEQUEATHED
        for part, states in reversed(self._states.items()):
            n_bytes -= sum(array.nbytes for state in states.values() for array in state.arrays.values())
            if n_bytes < 0:
                break
            found |= {StateKey(*part, sequence) for sequence in states}
        return found

    def forget_states(self, keep: set[StateKey]) -> None:
        """Let go of states that nobody restores from any more."""
        for key in self.at_hand() - keep:
            states = self._states[key[:2]]
            del states[key.sequence]
            if not states:
                del self._states[key[:2]]

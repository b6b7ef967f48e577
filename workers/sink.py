"""The facts of a running job, and who receives them. No SQL: `service/recorder.py` turns them into rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from models.lanes import LaneError, LaneReport, LaneState
from search.trial import TrialReason, TrialState


@dataclass(frozen=True)
class TrialFact:
    """State of one trial after a change. `parameters` are those of its newest segment, active ones only."""

    number: int
    state: TrialState
    reason: TrialReason
    parameters: Mapping[str, Any]
    rung: int | None = None
    error: LaneError | None = None


@dataclass(frozen=True)
class SegmentFact:
    """A stretch of a trial's life begins after `sequence` of its own reports: from `source_trial` at
    `source_sequence` of its reports (None: fresh weights). Weights that were copied go on at the age `source_epoch`;
    where that is 0 they were inherited: taken over as far as they fit, to be trained as if they were fresh."""

    trial: int
    index: int
    sequence: int
    source_trial: int | None
    source_sequence: int
    source_epoch: int
    parameters: Mapping[str, Any]

    @property
    def inherits(self) -> bool:
        """It begins with another network's weights in its own shape."""
        return self.source_trial is not None and self.source_epoch == 0 < self.source_sequence

    @property
    def decision(self) -> tuple[Any, ...]:
        """What a replay must decide again."""
        return self.source_trial, self.source_sequence, self.source_epoch, dict(self.parameters)


@dataclass(frozen=True)
class SnapshotFact:
    """Weights and optimizer state of a trial after `sequence` reports; a later one replaces an earlier one."""

    trial: int
    sequence: int
    segment: int
    state: LaneState


@dataclass(frozen=True)
class ModelFact:
    """A trained network with its preprocessing, ready to store: `package` is the zip that users download.

    `origin` is `trial`, `refit` for one that was trained once more, or `ensemble` for the average of several, which
    stands under the trial of its heaviest member.
    """

    trial: int
    epoch: int
    sequence: int
    origin: str
    objective: float
    metrics: Mapping[str, float]
    test_metrics: Mapping[str, float] | None
    card: Mapping[str, Any]
    package: bytes


@dataclass(frozen=True)
class JournalFact:
    """An outside fact that shaped the job, with the round in which it took effect."""

    round: int
    kind: str
    payload: Mapping[str, Any] = field(default_factory=dict)


class Sink(Protocol):
    """Receives facts in logical order; one writer per job. Whatever came before a `round_ended` is stored together
    or not at all. Every call may raise `workers.errors.LeaseLost` or `workers.errors.StorageFull`."""

    def trial(self, fact: TrialFact) -> None: ...

    def segment(self, fact: SegmentFact) -> None: ...

    def reports(self, round_number: int, segments: Mapping[int, int], reports: Sequence[LaneReport]) -> None:
        """Reports of one round; `segments` maps each lane to its segment index."""

    def snapshot(self, fact: SnapshotFact) -> None: ...

    def model(self, fact: ModelFact) -> None: ...

    def journal(self, fact: JournalFact) -> None: ...

    def numeric_class(self, name: str) -> None:
        """On what kind of device the job is trained."""

    def note(self, code: str, message: str, trial: int | None = None) -> None:
        """Tell the user something about the job that is no error."""

    def round_ended(self, round_number: int) -> None:
        """Rounds count from 1; round 0 is what comes before the search, and ends only where there is such a thing.

        A round may end once more, with what was decided after it: before a job waits for what it is told.
        """


@dataclass
class Record:
    """What the database remembers of a job that ran before: the cache that a replay answers from."""

    parameters: dict[int, Mapping[str, Any]] = field(default_factory=dict)
    segments: dict[tuple[int, int], SegmentFact] = field(default_factory=dict)
    reports: dict[tuple[int, int], LaneReport] = field(default_factory=dict)
    ended: dict[int, tuple[TrialState, TrialReason]] = field(default_factory=dict)
    journal: list[JournalFact] = field(default_factory=list)
    snapshots: dict[int, SnapshotFact] = field(default_factory=dict)
    models: frozenset[int] = frozenset()
    """Trials whose best network is stored already; ensembles are made anew."""
    told: dict[int, int] = field(default_factory=dict)
    """Of a job whose trials report one by one: which trial reported in a round."""
    n_rounds: int = 0
    """Rounds that are stored whole; the next one is the first to train."""
    seconds: float = 0.0
    """Time spent in earlier runs of the job."""

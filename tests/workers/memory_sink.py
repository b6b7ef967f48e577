"""A sink that remembers like a database: whole rounds or nothing, the best models only, and a record to replay from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from models.lanes import LaneReport
from search.aims import Aims
from search.trial import TRIAL_ENDED, TrialReason, TrialState, check_trial_transition
from workers.errors import LeaseLost
from workers.sink import JournalFact, ModelFact, Record, SegmentFact, SnapshotFact, TrialFact


@dataclass
class Stored:
    """What has been committed, or would be by the next commit."""

    trials: dict[int, TrialFact] = field(default_factory=dict)
    segments: dict[tuple[int, int], SegmentFact] = field(default_factory=dict)
    reports: dict[tuple[int, int], LaneReport] = field(default_factory=dict)
    segment_of: dict[tuple[int, int], int] = field(default_factory=dict)
    told: dict[int, int] = field(default_factory=dict)
    snapshots: dict[int, SnapshotFact] = field(default_factory=dict)
    models: dict[int, ModelFact] = field(default_factory=dict)
    ensemble: ModelFact | None = None
    journal: list[JournalFact] = field(default_factory=list)
    notes: list[tuple[str, str, int | None]] = field(default_factory=list)
    n_rounds: int = 0

    def copy(self) -> Stored:
        values = {name: value.copy() if hasattr(value, "copy") else value for name, value in vars(self).items()}
        return Stored(**values)


class MemorySink:
    """Keeps the facts of one job over several runs; `lose_at` raises LeaseLost instead of committing that round."""

    def __init__(
        self, keep: int = 3, maximize: bool = False, lose_at: int | None = None, aims: Aims | None = None
    ) -> None:
        self.lose_at = lose_at
        self._keep, self._aims = keep, aims or Aims.of_spec({}, maximize)
        self.stored, self._open = Stored(), Stored()
        self.n_told = 0
        self.notes: list[tuple[str, str]] = []  # all that were ever told, also by runs that were cut short

    def trial(self, fact: TrialFact) -> None:
        self.n_told += 1
        known = self._open.trials.get(fact.number)
        if known is not None and known.state != fact.state:
            check_trial_transition(known.state, fact.state)
        self._open.trials[fact.number] = fact
        if fact.state in TRIAL_ENDED:
            self._open.snapshots.pop(fact.number, None)

    def segment(self, fact: SegmentFact) -> None:
        key = fact.trial, fact.index
        assert key not in self._open.segments, f"segment {key} was told twice"
        self._open.segments[key] = fact

    def reports(self, round_number: int, segments: Mapping[int, int], reports: Sequence[LaneReport]) -> None:
        for report in reports:
            key = report.lane, report.sequence
            assert key not in self._open.reports, f"report {key} was told twice"
            self._open.reports[key] = report
            self._open.segment_of[key] = segments[report.lane]
            self._open.told[round_number] = report.lane

    def snapshot(self, fact: SnapshotFact) -> None:
        self._open.snapshots[fact.trial] = fact

    def model(self, fact: ModelFact) -> None:
        if fact.origin == "ensemble":
            self._open.ensemble = fact
        else:
            self._open.models[fact.trial] = fact

    def journal(self, fact: JournalFact) -> None:
        self._open.journal.append(fact)

    def numeric_class(self, name: str) -> None:
        pass

    def note(self, code: str, message: str, trial: int | None = None) -> None:
        self.notes.append((code, message))
        self._open.notes.append((code, message, trial))

    def round_ended(self, round_number: int) -> None:
        if round_number == self.lose_at:
            raise LeaseLost(f"cut at round {round_number}")
        before = self._open.n_rounds
        assert round_number in (before, before + 1), f"round {round_number} came after {before}"
        self._open.n_rounds = round_number
        self.close()

    def close(self) -> None:
        """Commit everything."""
        further = self._aims.metrics[1:]
        results = {
            trial: [fact.objective, *(fact.metrics[name] for name in further)]
            for trial, fact in self._open.models.items()
        }
        self._open.models = {trial: self._open.models[trial] for trial in self._aims.best(results, self._keep)}
        self.stored, self._open = self._open, self._open.copy()

    def forget_open(self) -> None:
        """Lose what was not committed, as a killed driver does."""
        self.lose_at, self._open = None, self.stored.copy()

    def record(self, snapshots: bool = True) -> Record:
        """Read back what was committed."""
        stored = self.stored
        return Record(
            parameters={trial: fact.parameters for (trial, index), fact in stored.segments.items() if index == 0},
            segments=dict(stored.segments),
            reports=dict(stored.reports),
            ended=self.ends(),
            journal=list(stored.journal),
            snapshots=dict(stored.snapshots) if snapshots else {},
            models=frozenset(stored.models),
            told=dict(stored.told),
            n_rounds=stored.n_rounds,
        )

    def ends(self) -> dict[int, tuple[TrialState, TrialReason]]:
        """Say how trials have ended."""
        facts = self.stored.trials.values()
        return {fact.number: (fact.state, fact.reason) for fact in facts if fact.state in TRIAL_ENDED}

    def rows(self) -> dict[str, Any]:
        """Give all that must be equal between two runs of a job, as text: a NaN equals itself there."""
        stored = self.stored
        return {
            "trials": {number: _text(fact) for number, fact in sorted(stored.trials.items())},
            "segments": {key: _text(fact) for key, fact in sorted(stored.segments.items())},
            "reports": {key: _text(fact) for key, fact in sorted(stored.reports.items())},
            "segment_of": dict(sorted(stored.segment_of.items())),
            "models": {trial: _told(fact) for trial, fact in sorted(stored.models.items())},
            "ensemble": stored.ensemble and (stored.ensemble.trial, _told(stored.ensemble)),
            "journal": stored.journal,
            "rounds": stored.n_rounds,
        }


def _told(fact: ModelFact) -> tuple[Any, ...]:
    return fact.epoch, fact.sequence, fact.objective, fact.metrics, fact.test_metrics, fact.package


def _text(fact: TrialFact | SegmentFact | LaneReport) -> str:
    values = dict(vars(fact))
    if "parameters" in values:
        values["parameters"] = dict(values["parameters"])
    if values.get("error"):
        values["error"] = values["error"].kind  # a message tells how much memory was left at that moment
    return repr(values)

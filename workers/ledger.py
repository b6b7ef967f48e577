"""The driver's account of a job: takes the scheduler's steps, answers them from the record or from the fleet, keeps
lane states reproducible, and tells the sink. It knows no Tune and no SQL."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from models.hyper import LaneHyperparameters
from models.lanes import LaneReport, Watch
from search.trial import TRIAL_ENDED, TrialReason, TrialState
from workers.errors import ReplayMismatch, WorkersLost
from workers.fleet import MAX_REPEATS
from workers.lanes import Lanes
from workers.lives import Lives, Segment, StateKey, TrialLife, lane_seed
from workers.recall import Recall
from workers.repeats import Repeats
from workers.retrain import retrain
from workers.sink import Record, SegmentFact, Sink, SnapshotFact


class Build(Protocol):
    """Turns a point into the hyperparameters of a lane."""

    def __call__(self, parameters: Mapping[str, Any]) -> LaneHyperparameters: ...


class Notes(Protocol):
    """Lists what a user should hear of a trial with fresh weights, as (code, message)."""

    def __call__(self, hyper: LaneHyperparameters) -> list[tuple[str, str]]: ...


@dataclass(frozen=True)
class LedgerSettings:
    """What the ledger must know of a job. `keep_states`: other trials may restore from a saved one (PBT). `bequeaths`:
    new trials may inherit the weights of others, also of those that have ended. `dedupe`: a point that comes again is
    not trained again. `is_told`: a round is one report that somebody tells, or none."""

    seed: int
    watch: Watch
    build: Build
    notes: Notes
    keep_states: bool
    stream: Callable[[int, int], int] = lambda trial, segment: trial
    """Names the trial whose random numbers a trial draws in one of its segments."""
    snapshot_seconds: float = 10.0
    inherits: Callable[[int], bool] = lambda segment: False
    """Says of a segment of a trial that replays whether it inherits what it goes on from."""
    bequeaths: bool = False
    dedupe: bool = False
    is_told: bool = False


class Ledger:
    """Trials, their lanes and their reports, in logical order."""

    def __init__(self, settings: LedgerSettings, fleet: Lanes, sink: Sink, record: Record) -> None:
        self._settings, self._fleet, self._sink, self._record = settings, fleet, sink, record
        self.lives = Lives(record.snapshots)
        self._recorded = self.lives.at_hand()
        self._repeats = Repeats()
        self._recall = Recall(self.lives, record, self._repeats)
        self.round = 0
        self._changed: set[int] = set()
        self.recalling = False
        """The last round was answered from reports at hand, without training."""
        self.just_ended: set[int] = set()
        self.ended: list[TrialLife] = []
        """Trials that have ended, in that order."""
        self.heard: list[TrialLife] = []
        """Trials that reported in the last round, by number."""
        self._to_drop: set[int] = set()
        self._short_seats: set[str] = set()
        self._to_save: dict[int, StateKey] = {}
        self._latest_saved: dict[int, StateKey] = {}
        self._snapshot_at: dict[int, int] = {fact.trial: fact.sequence for fact in record.snapshots.values()}
        self._next_snapshot = time.monotonic() + settings.snapshot_seconds

    @property
    def replaying(self) -> bool:
        """The round under way is answered from the record."""
        return self.round < self._record.n_rounds

    def life(self, number: int) -> TrialLife:
        return self.lives.by_number[number]

    def admit(self, number: int, parameters: Mapping[str, Any], parent: int | None = None) -> None:
        """Begin a trial with fresh weights, or with what fits of its parent's, unless that has diverged or failed.

        Raises: ReplayMismatch, when the record holds another point or another parent.
        """
        source = None if parent is None else self._bequest(self.life(parent))
        first = self._repeats.enter(number, parameters) if self._settings.dedupe else number
        life = TrialLife(number)
        self.lives.by_number[number] = life
        if first != number and self._repeats.is_news and (number, 0) not in self._record.segments:
            message = f"has the point of trial {first}: what is trained already is not trained again (dedupe)"
            self._sink.note("repeated-point", message, trial=number)
        trial, sequence = (source.trial, source.sequence) if source else (None, 0)
        self._begin_segment(life, SegmentFact(number, 0, 0, trial, sequence, 0, parameters))
        self.set_state(number, TrialState.RUNNING, TrialReason.ADMITTED)

    def save(self, number: int) -> StateKey:
        """Name the trial's present state, so that a trial may later go on from it."""
        life = self.life(number)
        key = life.key
        if self._settings.keep_states and not life.broken:
            self._to_save[number] = self._latest_saved[number] = key
        return key

    def restore(self, number: int, key: StateKey, age: int, parameters: Mapping[str, Any]) -> None:
        """Let a trial go on from a saved state: its own (after a pause), or another's with new parameters (PBT).

        Raises: ReplayMismatch, when the record holds another decision.
        """
        life = self.life(number)
        inherits = self._settings.inherits(len(life.segments))
        goes_on = key == life.key and not inherits and dict(parameters) == dict(life.parameters)
        if goes_on and self._seed(number, len(life.segments)) == life.segments[-1].seed:
            self.set_state(number, TrialState.RUNNING, TrialReason.ADMITTED)
            return
        source = self.lives.sound(key)
        begins: tuple[int | None, int, int] = None, 0, 0
        if source is not None:
            begins = source.trial, source.sequence, 0 if inherits else self._epoch_at(source)
        fact = SegmentFact(number, len(life.segments), life.sequence, *begins, parameters)
        self._begin_segment(life, fact)
        life.epoch, life.age, life.outcome, life.error, life.n_since_best = fact.source_epoch, age, None, None, 0
        life.values = self.life(key.trial).values
        life.resident_since = None
        self.set_state(number, TrialState.RUNNING, TrialReason.ADMITTED)

    def _bequest(self, life: TrialLife) -> StateKey | None:
        if not life.broken and life.sequence:
            self._to_save[life.number] = life.key
            return life.key
        return None

    def set_state(self, number: int, state: TrialState, reason: TrialReason) -> None:
        """Move a trial to a state; told to the sink at the end of the round."""
        life = self.life(number)
        life.state, life.reason = state, reason
        self._changed.add(number)
        if state in TRIAL_ENDED:
            self._check_end(life)
            if self._settings.bequeaths:
                self._bequest(life)
            self.just_ended.add(number)
            self.ended.append(life)

    def advance(self, epochs: Mapping[int, int]) -> None:
        """Take one round: that many epochs for each trial, from the record or on the fleet."""
        if self.replaying:
            number = self.round + 1
            wanted = self._recall.told(number, epochs) if self._settings.is_told else epochs
            reports = self._recall.replay(number, wanted)
        else:
            if epochs:
                self.settle()
            reports = self._train(dict(epochs))
        self.round += 1
        for report in reports:
            self._repeats.keep(report)
            self.life(report.lane).hear(report, self._settings.watch)
            if report.outcome:
                self._changed.add(report.lane)
        self.heard = [self.life(number) for number in sorted({report.lane for report in reports})]
        if self.round > self._record.n_rounds:
            self._tell(reports)

    def newly_ended(self) -> list[int]:
        """Answer the trials that ended since the last time; their lanes still stand until the fleet is used again."""
        fresh = sorted(self.just_ended)
        self._to_drop |= self.just_ended
        self.just_ended.clear()
        return fresh

    def let_go(self, numbers: Iterable[int]) -> None:
        """Drop these lanes of ended trials before the fleet is used again."""
        self._to_drop |= set(numbers)

    def settle(self) -> None:
        """Bring the fleet in line before it is used again: saves, then drops of ended trials."""
        self._save_states()
        self._fleet.drop(self._to_drop)
        for number in self._to_drop:
            self.life(number).resident_since = None
        self._to_drop.clear()

    def tell_states(self) -> None:
        """Send the sink what has changed about trials and has not been told."""
        for number in sorted(self._changed):
            life = self.life(number)
            if self._record.ended.get(number) != (life.state, life.reason):
                self._sink.trial(life.fact())
        self._changed.clear()

    def materialise(self, numbers: Sequence[int]) -> list[LaneReport]:
        """Make the fleet hold these trials at their present state; answer the reports of those that cannot be built."""
        missing = [self.life(number) for number in numbers if self.life(number).resident_since is None]
        states = retrain(self._fleet, {life.number: self.lives.recipe(life.key) for life in missing})
        self.lives.keep_sources(states)
        starts = [life.start(states[life.number]) for life in missing if life.number in states]
        for start in starts:
            self.life(start.lane).resident_since = start.sequence
        return self._fleet.start(starts) if starts else []

    def snapshot(self, force: bool = False) -> None:
        """Store the states of live trials now and then: a cache, so the clock may choose when."""
        if not force and time.monotonic() < self._next_snapshot:
            return
        live = {
            number: life.key
            for number, life in self.lives.by_number.items()
            if not life.ended and life.resident_since is not None and not life.frozen
            if life.sequence > self._snapshot_at.get(number, 0)
        }
        for number, state in self._fleet.save(live).items():
            key = live[number]
            self._sink.snapshot(SnapshotFact(number, key.sequence, key.segment, state))
            self._snapshot_at[number] = key.sequence
        self._next_snapshot = time.monotonic() + self._settings.snapshot_seconds

    def _begin_segment(self, life: TrialLife, fact: SegmentFact) -> None:
        known = self._record.segments.get((fact.trial, fact.index))
        if known is not None and known.decision != fact.decision:
            raise ReplayMismatch(
                f"trial {fact.trial}, segment {fact.index}: recorded {known.decision}, replayed {fact.decision}; "
                "a library was upgraded or the code changed: clone the job to go on"
            )
        hyper = self._settings.build(fact.parameters)
        life.segments.append(Segment(fact, hyper, self._seed(fact.trial, fact.index), self.lives.ancestor(fact)))
        if known is None:
            self._sink.segment(fact)
            for note in self._settings.notes(hyper) if fact.index == 0 else []:
                self._sink.note(*note, trial=fact.trial)

    def _seed(self, number: int, segment: int) -> int:
        return lane_seed(self._settings.seed, self._repeats.first_of(self._settings.stream(number, segment)))

    def _check_end(self, life: TrialLife) -> None:
        known = self._record.ended.get(life.number)
        if known is not None and self.replaying and known != (life.state, life.reason):
            raise ReplayMismatch(f"trial {life.number}: recorded as {known}, replayed as {(life.state, life.reason)}")

    def _epoch_at(self, key: StateKey) -> int:
        fact = self.life(key.trial).segments[key.segment].fact
        return fact.source_epoch + key.sequence - fact.sequence

    def _train(self, epochs: dict[int, int]) -> list[LaneReport]:
        reports: list[LaneReport] = []
        for number, n_epochs in sorted(epochs.items()):
            if known := self._recall.answer(number, n_epochs):
                reports += known
                del epochs[number]
        self.recalling = bool(reports) and not epochs
        if self.recalling:
            return reports
        for _ in range(MAX_REPEATS):
            failed = self.materialise(sorted(epochs))
            standing = {n: e for n, e in epochs.items() if n not in {report.lane for report in failed}}
            reports += failed + self._fleet.train(standing)
            for number in self._fleet.take_lost() & set(self.lives.by_number):
                self.life(number).resident_since = None
            epochs = {number: n for number, n in standing.items() if self.life(number).resident_since is None}
            if not epochs:
                return sorted(reports, key=lambda report: (report.lane, report.sequence))
        raise WorkersLost(f"round {self.round} lost workers {MAX_REPEATS} times in a row")

    def _tell(self, reports: list[LaneReport]) -> None:
        self.tell_states()
        segments = {report.lane: len(self.life(report.lane).segments) - 1 for report in reports}
        if reports:
            self._sink.reports(self.round, segments, reports)
        self._tell_shortages()
        self.snapshot()
        self._sink.round_ended(self.round)

    def _tell_shortages(self) -> None:
        """Tell once of every seat that has too little memory: results are the same, only slower."""
        for seat, message in self._fleet.take_shortages().items():
            if seat not in self._short_seats:
                self._short_seats.add(seat)
                self._sink.note("memory", f"pack actor {seat}: {message}; they are trained in smaller packs")

    def _save_states(self) -> None:
        """Copy out saved states that another trial may restore from, while the lanes still stand at them."""
        wanted = {n: key for n, key in self._to_save.items() if self.life(n).resident_since is not None}
        for number, state in self._fleet.save(wanted).items():
            self.lives.keep_state(wanted[number], state)
        self._to_save.clear()
        needed = self._recorded | self.lives.awaited()
        if self._settings.keep_states:
            self.lives.forget_states(set(self._latest_saved.values()) | needed)
        elif self._settings.bequeaths:
            self.lives.forget_states(self.lives.newest() | needed)

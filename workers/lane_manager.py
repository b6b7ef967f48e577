"""Stands in for Tune's actor manager: hands out lanes where Tune believes in actors, and takes the rounds.

What TuneController asks of its actors is answered from the ledger; `workers/controller.py` is the other half.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Protocol

from ray.air.execution._internal.tracked_actor import TrackedActor
from ray.train._internal.session import _TrainingResult
from ray.tune import Checkpoint
from ray.tune.experiment import Trial

from search.plugins import Scheduler
from search.proposals import PARENT
from workers.events import Events
from workers.ledger import Ledger
from workers.lives import StateKey, TrialLife
from workers.merit import Merit
from workers.succession import Succession

if TYPE_CHECKING:
    from workers.controller import PackedController


@dataclass(frozen=True)
class JointSettings:
    """What the joint must know of a job.
    `round_epochs` caps a round, a pure function of the spec; `merit` makes one number of a report;
    `epoch_seconds` estimates an epoch of a lane, the same on every machine: searches "per second" go by it.
    `is_told`: trials report one by one, when somebody tells; their age is the step that was told."""

    scheduler: Scheduler
    epochs: int
    parallelism: int
    round_epochs: int
    merit: Merit
    seed: int
    epoch_seconds: Callable[[Any], float] = lambda hyper: 1.0
    is_told: bool = False


class Rounds(Protocol):
    """Who is told of rounds. `is_over` ends the search after a round."""

    def before_round(self) -> None: ...

    def after_round(self) -> None: ...

    def is_over(self) -> bool: ...


class LaneManager:
    """Answers the calls that TuneController makes to its actor manager; every lane's work goes to the ledger."""

    def __init__(self, settings: JointSettings, ledger: Ledger, rounds: Rounds, searches: Succession) -> None:
        self._settings, self._ledger, self._rounds, self._searches = settings, ledger, rounds, searches
        self.controller: PackedController
        self.pending: deque[TrackedActor] = deque()
        self.events = Events()
        self.waiting: dict[TrackedActor, Callable[..., None]] = {}
        self.n_reports = 0
        self._numbers: dict[Trial, int] = {}
        self._worst = settings.merit.worst
        self._any_delivered = False
        self._tracked_ids = itertools.count()
        self._live_actors_to_ray_actors_resources: dict[TrackedActor, Any] = {}  # the controller reads it by name
        self._actor_task_events = SimpleNamespace(resolve_future=lambda future: None)

    # -- what TuneController calls ------------------------------------------------------------------------------------

    def add_actor(self, cls: type, kwargs: dict[str, Any], resource_request: Any, **callbacks: Any) -> TrackedActor:
        tracked = TrackedActor(next(self._tracked_ids), **callbacks)
        self.pending.append(tracked)
        return tracked

    def remove_actor(self, tracked_actor: TrackedActor, kill: bool = False, stop_future: Any = None) -> bool:
        if tracked_actor not in self._live_actors_to_ray_actors_resources:
            self.pending = deque(item for item in self.pending if item is not tracked_actor)
            return False

        def stopped() -> None:
            self._live_actors_to_ray_actors_resources.pop(tracked_actor, None)
            if tracked_actor._on_stop:
                tracked_actor._on_stop(tracked_actor)

        self.waiting.pop(tracked_actor, None)
        self.events.append(None, stopped)
        return True

    def schedule_actor_task(
        self,
        tracked_actor: TrackedActor,
        method_name: str,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
        on_result: Callable[..., None] | None = None,
        on_error: Callable[..., None] | None = None,
        _return_future: bool = False,
    ) -> Any:
        if method_name == "train" and on_result is not None:
            self.waiting[tracked_actor] = on_result
        elif method_name == "save":
            return self._save(tracked_actor, on_result)
        elif method_name == "restore" and on_result is not None:
            self._restore(tracked_actor, args[0].checkpoint.path)
            self.events.append(tracked_actor, lambda: on_result(tracked_actor, None))
        elif method_name != "stop":
            raise NotImplementedError(
                f"TuneController asked a lane for {method_name!r}; a lane can train, save, restore"
            )
        return None

    def next(self, timeout: float | None = None) -> bool:
        if self.events:
            self.events.take_next()()
        elif self.pending and self.num_live_actors < self._settings.parallelism:
            self._start(self.pending.popleft())
        elif self.waiting:
            self._take_round()
        else:
            return False
        return True

    def is_actor_started(self, tracked_actor: TrackedActor) -> bool:
        return tracked_actor in self._live_actors_to_ray_actors_resources

    def is_actor_failed(self, tracked_actor: TrackedActor) -> bool:
        return False

    def clear_actor_task_futures(self, tracked_actor: TrackedActor) -> None:
        self.waiting.pop(tracked_actor, None)
        self.events.take_back(tracked_actor)

    @property
    def num_live_actors(self) -> int:
        return len(self._live_actors_to_ray_actors_resources)

    @property
    def num_pending_actors(self) -> int:
        return len(self.pending)

    @property
    def num_total_actors(self) -> int:
        return self.num_live_actors + self.num_pending_actors

    @property
    def num_actor_tasks(self) -> int:
        return len(self.waiting) + len(self.events)

    def get_live_actors_resources(self) -> dict[str, float]:
        return {"CPU": 1}

    def cleanup(self) -> None:
        self._live_actors_to_ray_actors_resources.clear()
        self.pending.clear()

    # -- lanes --------------------------------------------------------------------------------------------------------

    def number_of(self, trial: Trial) -> int:
        """Number trials from 0 in the order in which Tune created them."""
        return self._numbers[trial]

    def enter(self, trial: Trial) -> None:
        """Give a new trial its number."""
        self._numbers[trial] = len(self._numbers)

    def has_begun(self, trial: Trial) -> bool:
        """Whether a trial has ever had a lane."""
        return self.number_of(trial) in self._ledger.lives.by_number

    def has_work(self) -> bool:
        return bool(self.events or self.pending or self.waiting)

    def _trial(self, tracked: TrackedActor) -> Trial:
        return self.controller._actor_to_trial[tracked]

    def _start(self, tracked: TrackedActor) -> None:
        handle = SimpleNamespace(get_auto_filled_metrics=SimpleNamespace(remote=lambda **_: {}))
        self._live_actors_to_ray_actors_resources[tracked] = (handle, None)
        trial = self._trial(tracked)
        if not self.has_begun(trial):
            self._ledger.admit(self.number_of(trial), self._searches.decode(trial), trial.config.get(PARENT))
        tracked._on_start(tracked)

    def _save(self, tracked: TrackedActor, on_result: Callable[..., None] | None) -> _TrainingResult:
        trial = self._trial(tracked)
        number = self.number_of(trial)
        key = self._ledger.save(number)
        token = "/lane/" + "-".join(map(str, (*key, self._ledger.life(number).age)))
        result = _TrainingResult(checkpoint=Checkpoint(token), metrics=dict(trial.last_result or {}))
        # A save settles before any other event: HyperBand pauses by a save, and if its bracket closed in between,
        # the trial would stay paused for ever.
        self.events.put_first(tracked, lambda: on_result(tracked, result) if on_result else None)
        return result

    def _restore(self, tracked: TrackedActor, token: str) -> None:
        trial, segment, sequence, age = map(int, token.rpartition("/")[2].split("-"))
        tune_trial = self._trial(tracked)
        key = StateKey(trial, segment, sequence)
        self._ledger.restore(self.number_of(tune_trial), key, age, self._searches.decode(tune_trial))

    def _take_round(self) -> None:
        """Advance all lanes by the smallest distance to any lane's milestone; those at theirs report to Tune."""
        order = sorted(self.waiting, key=lambda tracked: self.number_of(self._trial(tracked)))
        lives = [self._ledger.life(self.number_of(self._trial(tracked))) for tracked in order]
        goals = [self._goal(self._trial(tracked), life) for tracked, life in zip(order, lives, strict=True)]
        training = {life.number for life in lives if not life.frozen}
        if self._settings.is_told and len(training) < len(lives):
            training.clear()  # whoever has ended by itself waits for nobody
        lockstep = self._settings.scheduler.changes_parameters
        pacing = {life.number for life in lives} if lockstep else training
        distances = [goal - life.age for life, goal in zip(lives, goals, strict=True) if life.number in pacing]
        step = min(distances, default=0)
        if self._settings.is_told:
            step = 1
        elif training:
            # The first rounds are short, so that a user soon sees the race.
            step = min(step, self._settings.round_epochs, 2 ** min(self._ledger.round, 20))
        with self.controller.exchanged_world():
            self._rounds.before_round()
            self._ledger.advance(dict.fromkeys(sorted(training), step))
            self._rounds.after_round()
        due = []
        for tracked, life, goal in zip(order, lives, goals, strict=True):
            if self._settings.is_told:
                life.age = goal if life.frozen else life.epoch
            else:
                life.age = life.age + step if life.number in pacing else goal
            if life.age >= goal:
                due.append((tracked, life))
        for _, life in due:
            if life.values is not None and not life.broken:
                self._settings.merit.hear(life.number, life.age, life.values)
        for tracked, life in due:
            self._deliver(tracked, life)

    def _goal(self, trial: Trial, life: TrialLife) -> int:
        """The age of the trial's next report: its scheduler's milestone, or the end of its budget."""
        milestone = self._settings.scheduler.next_milestone(self.controller._scheduler_alg, trial, life.age)
        return min(self._settings.epochs, max(life.age + 1, milestone))

    def _deliver(self, tracked: TrackedActor, life: TrialLife) -> None:
        on_result = self.waiting.pop(tracked)
        self.n_reports += 1
        result = {
            "objective": self._told(life),
            "training_iteration": life.age,
            "done": life.age >= self._settings.epochs,
            "time_total_s": life.sequence * self._settings.epoch_seconds(life.hyper),
        }
        self.events.append(tracked, lambda: on_result(tracked, result))

    def _told(self, life: TrialLife) -> float:
        """Never a NaN: a lane that diverged or failed is told as the worst finite value delivered so far."""
        if life.broken or life.values is None:
            return self._worst
        value = self._settings.merit.judge(life.number, life.age, life.values)
        worse = value < self._worst if self._settings.merit.maximize else value > self._worst
        if worse or not self._any_delivered:
            self._worst, self._any_delivered = value, True
        return value

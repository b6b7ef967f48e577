"""The joint with Ray Tune; with `lane_manager.py` and `succession.py` the only place that knows Tune's controller side.

Tune's own controller, searchers and schedulers decide as they are; the object through which the controller reaches its
actors is replaced by one that hands out lanes. A trial has no process, and no call goes to a Ray cluster.
"""

from __future__ import annotations

import itertools
import logging
import random
import tempfile
import warnings
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import ray.train._internal.storage
from ray.train._internal.session import _FutureTrainingResult, _TrainingResult
from ray.tune.execution.placement_groups import resource_dict_to_pg_factory
from ray.tune.execution.tune_controller import TuneController
from ray.tune.experiment import Experiment, Trial

from search.trial import TrialReason, TrialState
from workers.errors import SchedulerStuck
from workers.lane_manager import JointSettings, LaneManager, Rounds
from workers.ledger import Ledger
from workers.lives import TrialLife
from workers.succession import Succession

logging.getLogger("ray.tune").setLevel(logging.ERROR)  # PBT tells every exploit at INFO; the sink has it as a segment

WAITING = frozenset({Trial.PENDING, Trial.PAUSED})


class SavedResult(_FutureTrainingResult):
    """A save that is already done: PBT resolves it without asking Ray."""

    def __init__(self, result: _TrainingResult) -> None:
        self._result = result

    def resolve(self, block: bool = True) -> _TrainingResult:
        return self._result


class PackedController(TuneController):
    """TuneController over lanes, with random states of its own and nothing written to disk."""

    def __init__(self, *args: Any, lane_manager: LaneManager, seed: int, **kwargs: Any) -> None:
        super().__init__(*args, resource_manager_factory=lambda: None, **kwargs)
        self._actor_manager, lane_manager.controller = lane_manager, self
        self._lanes = lane_manager
        self._insufficient_resources_manager = SimpleNamespace(on_no_available_trials=lambda trials: None)
        self._resources = resource_dict_to_pg_factory()
        self._scheduler_view = super()._wrapped()
        self._waiting: list[Trial] = []
        numbers = itertools.count()
        ids = classmethod(lambda cls: f"{next(numbers):08d}")
        self._world = random.Random(seed).getstate(), np.random.RandomState(seed % 2**32).get_state(), ids
        self.touched: set[Trial] = set()

    def add_trial(self, trial: Trial) -> None:
        # Lanes write no files, and a folder for each costs as much as a decision: it is named and never made.
        trial.relative_logdir = trial.storage.trial_dir_name = trial.trial_id
        trial.init_local_path = lambda: None
        # Tune groups trials by their resources; those of lanes are all the same, and comparing them is slow.
        trial.placement_group_factory, trial.create_placement_group_factory = self._resources, lambda: None
        self._lanes.enter(trial)
        self._waiting.append(trial)
        super().add_trial(trial)

    def get_trials(self) -> list[Trial]:
        """List the trials that wait to run, in the order of their numbers.

        Schedulers look for no others, at every step; Tune's own list holds all trials that there ever were.
        """
        return self._waiting

    def _wrapped(self) -> Any:
        return self._scheduler_view

    def checkpoint(self, force: bool = False, wait: bool = False) -> None:
        """Nothing on disk: the database is the record."""

    def stop_trial(self, trial: Trial) -> None:
        """Tell the searcher a paused trial's last result, which Tune would drop."""
        if trial.status == Trial.PAUSED and trial.last_result:
            self._search_alg.on_trial_complete(trial.trial_id, result=dict(trial.last_result))
        super().stop_trial(trial)

    def _maybe_update_trial_queue(self) -> None:
        """Ask for new points only when all that happened in the round is known."""
        if not self._lanes.events:
            self._search_alg.renew(lambda: [trial for trial in self._waiting if not self._lanes.has_begun(trial)])
            super()._maybe_update_trial_queue()

    def _update_trial_queue(self, blocking: bool = False, timeout: int = 600) -> bool:
        """Never wait for a searcher that has no point to give: nothing happens meanwhile."""
        added: bool = super()._update_trial_queue(blocking=False)
        return added

    def _schedule_trial_save(self, trial: Trial, result: dict[str, Any] | None = None) -> Any:
        future = super()._schedule_trial_save(trial, result)
        if future is not None:
            trial.temporary_state.saving_to = future = SavedResult(future.future)
        return future

    def _set_trial_status(self, trial: Trial, status: str) -> None:
        self.touched.add(trial)
        was_waiting = trial.status in WAITING
        super()._set_trial_status(trial, status)
        if was_waiting != (trial.status in WAITING):
            place = bisect_left(self._waiting, self._lanes.number_of(trial), key=self._lanes.number_of)
            self._waiting[place : place + was_waiting] = [] if was_waiting else [trial]

    @contextmanager
    def exchanged_world(self) -> Iterator[None]:
        """Exchange the global random states and the source of trial ids with the job's own, and back.

        Schedulers draw from the global generators, and Tune's ids are random, eight digits long and so not always
        unique. Entered around the search, and once more, which is the way out, around each round's work.
        """
        self._exchange()
        try:
            yield
        finally:
            self._exchange()

    def _exchange(self) -> None:
        own_random, own_numpy, own_ids = self._world
        self._world = random.getstate(), np.random.get_state(), Trial.__dict__["generate_id"]
        random.setstate(own_random)
        np.random.set_state(own_numpy)
        Trial.generate_id = own_ids

    def step(self) -> None:
        """Handle one event.

        Raises: SchedulerStuck, when nothing is pending, waiting or queued and the job has not finished.
        """
        was_idle, n_trials = not self._lanes.has_work(), len(self._trials)
        super().step()
        is_idle = not self._lanes.has_work() and len(self._trials) == n_trials
        if was_idle and is_idle and not self.is_finished():
            raise SchedulerStuck(
                f"nothing is pending, waiting or queued after {len(self._trials)} trials, and the job has not finished"
            )


class Joint:
    """Runs a search over the lanes of a ledger, step by step."""

    def __init__(
        self, settings: JointSettings, ledger: Ledger, rounds: Rounds, search: Succession, scheduler: Any
    ) -> None:
        self._settings, self._ledger, self._rounds = settings, ledger, rounds
        self._lanes = LaneManager(settings, ledger, rounds, search)
        self._search, self._scheduler = search, scheduler
        self._staging = tempfile.TemporaryDirectory(prefix="regatta-tune-")

    def __enter__(self) -> Joint:
        # Tune asks Ray for the directory of its session; lanes have none, so it gets one of ours.
        staging = self._staging.name
        ray.train._internal.storage._get_ray_train_session_dir = lambda: staging
        return self

    def __exit__(self, *_: object) -> None:
        self._staging.cleanup()

    def run(self) -> None:
        """Search until Tune has finished or the rounds say that it is over."""
        controller, experiment = self._prepare()
        with controller.exchanged_world():
            self._search.begin(experiment)
            while not self._rounds.is_over() and not controller.is_finished():
                controller.step()
                for trial in sorted(controller.touched, key=self._lanes.number_of):
                    self._follow(trial)
                controller.touched.clear()

    def _prepare(self) -> tuple[PackedController, Experiment]:
        """Make Tune's controller, and the experiment that it begins with."""
        experiment = self._search.experiment(Path(self._staging.name) / "storage")
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="fail_fast='raise'")  # it warns of processes that lanes have not
            controller = PackedController(
                search_alg=self._search,
                scheduler=self._scheduler,
                metric="objective",
                storage=experiment.storage,
                checkpoint_period=1e9,
                fail_fast=TuneController.RAISE,
                lane_manager=self._lanes,
                seed=self._settings.seed,
            )
        controller.update_max_pending_trials(self._settings.parallelism)
        return controller, experiment

    def _follow(self, trial: Trial) -> None:
        """Carry a change of Tune's trial status over to the trial's state."""
        number = self._lanes.number_of(trial)
        if number not in self._ledger.lives.by_number:
            return
        life = self._ledger.life(number)
        if trial.status == Trial.PAUSED:
            self._ledger.set_state(number, TrialState.PAUSED, TrialReason.SCHEDULER_PAUSED)
        elif trial.status == Trial.TERMINATED:
            life.rung = self._settings.scheduler.rung_of(self._scheduler, trial)
            self._ledger.set_state(number, *end_of(life, self._settings.epochs))


def end_of(life: TrialLife, epochs: int) -> tuple[TrialState, TrialReason]:
    """State how a trial ended that its scheduler has let go, from its own life."""
    own = life.own_end()
    if own is not None:
        return own
    if life.age >= epochs:
        return TrialState.COMPLETED, TrialReason.EPOCHS_DONE
    return TrialState.STOPPED, TrialReason.SCHEDULER_STOPPED

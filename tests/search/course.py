"""A race without networks: real Tune trials under a real scheduler, on curves made up from their configs."""

from __future__ import annotations

import logging
import random
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from ray import tune
from ray.tune.experiment import Experiment, Trial
from ray.tune.schedulers import TrialScheduler

from search.algorithms.random import Random
from search.domains import tune_space
from search.parameters import Interval
from search.plugins import Algorithm, Scheduler, ScheduleRequest, SearchRequest

logging.getLogger("ray").setLevel(logging.ERROR)

RATE = {"rate": Interval(1e-4, 1.0, log=True)}


class Runner(tune.Trainable):
    """Never instantiated."""


def started_search(algorithm: Algorithm, request: SearchRequest) -> Any:
    """Build an algorithm and give it its experiment, as the controller does."""
    search = algorithm.search(request)
    config = tune_space(request.domains)
    with tempfile.TemporaryDirectory(prefix="regatta-test-") as folder:
        race = Experiment("race", Runner, config=config, num_samples=request.trials, storage_path=folder)
        search.add_configurations([race])
    return search


def propose(
    algorithm: Algorithm, request: SearchRequest, told: Mapping[int, float] | None = None
) -> list[dict[str, Any]]:
    """Collect all points, telling each trial's objective before the next one is asked for."""
    search = started_search(algorithm, request)
    points: list[dict[str, Any]] = []
    while trial := search.next_trial():
        points.append(dict(trial.config))
        value = told[len(points) - 1] if told else float(len(points))
        search.on_trial_complete(trial.trial_id, {"objective": value})
    return points


@dataclass
class Race:
    """Steps all running trials together; a trial reports at every epoch, or at its milestones only."""

    plugin: Scheduler
    epochs: int
    n_trials: int
    at_milestones: bool
    seed: int = 0
    mode: Any = "min"
    search_alg: Any = None
    decisions: list[tuple[int, int, int, str]] = field(default_factory=list)
    rungs: dict[int, list[int | None]] = field(default_factory=dict)

    def run(self) -> list[tuple[int, int, int, str]]:
        """List every decision that is not to go on: (time, trial, epoch, action)."""
        self.prepare()
        clock = 0
        self._start_waiting()
        while running := [trial for trial in self.trials if trial.status == Trial.RUNNING]:
            clock += self._advance(running, clock)
        return self.decisions

    def prepare(self) -> None:
        """Build the scheduler and add the trials to it; none has started."""
        random.seed(self.seed)
        np.random.seed(self.seed)
        request = SearchRequest(RATE, [], "min", self.seed, self.n_trials, self.n_trials)
        search = started_search(Random(), request)
        self.trials = [search.next_trial() for _ in range(self.n_trials)]
        self.scheduler = self.plugin.build(ScheduleRequest(self.mode, self.epochs, RATE, self.seed))
        self.age = dict.fromkeys(self.trials, 0)
        for trial in self.trials:
            self.scheduler.on_trial_add(self, trial)

    def _advance(self, running: list[Any], clock: int) -> int:
        goals = {trial: self._goal(trial) for trial in running}
        step = min(goals[trial] - self.age[trial] for trial in running)
        for trial in running:
            if trial.status != Trial.RUNNING:
                continue
            self.age[trial] += step
            if self.age[trial] >= goals[trial]:
                self._report(trial, clock + step)
        self._start_waiting()
        return step

    def _goal(self, trial: Any) -> int:
        milestone = self.plugin.next_milestone(self.scheduler, trial, self.age[trial])
        return min(self.epochs, milestone if self.at_milestones else self.age[trial] + 1)

    def _report(self, trial: Any, clock: int) -> None:
        age = self.age[trial]
        noise = np.random.default_rng([self.trials.index(trial), age]).random()
        self.report(trial, age, noise + trial.config["rate"] / age, clock)

    def report(self, trial: Any, age: int, objective: float, clock: int = 0) -> None:
        """Tell the scheduler of a trial, and do what it says."""
        result = {"training_iteration": age, "objective": objective}
        trial.run_metadata.last_result = result
        self.rungs.setdefault(self.trials.index(trial), []).append(self.plugin.rung_of(self.scheduler, trial))
        if age >= self.epochs:
            return self.stop_trial(trial)
        action = self.scheduler.on_trial_result(self, trial, result)
        if action != TrialScheduler.CONTINUE:
            rate = trial.config["rate"] if action == TrialScheduler.NOOP else 0.0
            self.decisions.append((clock, self.trials.index(trial), age, f"{action} {rate}"))
        if action == TrialScheduler.STOP:
            self.stop_trial(trial)
        elif action == TrialScheduler.PAUSE:
            trial.set_status(Trial.PAUSED)
        return None

    def _start_waiting(self) -> None:
        while trial := self.scheduler.choose_trial_to_run(self):
            checkpoint = trial.run_metadata.checkpoint_manager._latest_checkpoint_result
            if checkpoint is not None:
                self.age[trial] = checkpoint.metrics["training_iteration"]
                trial.run_metadata.checkpoint_manager._latest_checkpoint_result = None
            trial.set_status(Trial.RUNNING)

    # -- what schedulers ask of TuneController ------------------------------------------------------------------------

    def get_trials(self) -> list[Any]:
        return self.trials

    def pause_trial(self, trial: Any, should_checkpoint: bool = True) -> None:
        trial.set_status(Trial.PAUSED)

    def stop_trial(self, trial: Any) -> None:
        if trial.is_finished():
            return
        if trial.status in (Trial.PENDING, Trial.PAUSED):
            self.scheduler.on_trial_remove(self, trial)
        else:
            self.scheduler.on_trial_complete(self, trial, trial.last_result)
        trial.set_status(Trial.TERMINATED)

    def _schedule_trial_save(self, trial: Any, result: Any = None) -> Any:
        from ray.train._internal.session import _FutureTrainingResult, _TrainingResult

        class Saved(_FutureTrainingResult):
            def __init__(self) -> None:
                self.value = _TrainingResult(checkpoint=tune.Checkpoint("/lane"), metrics=dict(result))

            def resolve(self, block: bool = True) -> Any:
                return self.value

        return Saved()

"""What an algorithm and a scheduler are, and which pairs make sense. Settings are the plug-in.

Finding the plug-ins is `search/discovery.py`; nothing here or at their module level imports ray.
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict

from search.budget import DEFAULT_TRIALS
from search.feasible import Region, keep_within
from search.objective import Mode
from search.problems import FieldProblem
from search.space import Domain, Point, Space

NEVER = 10**9
"""A milestone that no trial reaches."""

MOST_LIVE = 64
"""Live trials where nothing else speaks for another number."""


@dataclass(frozen=True)
class Earlier:
    """A result from before the job: an encoded point, and its objective at the age of its weights."""

    point: Mapping[str, float]
    objective: float
    epochs: int = 1
    seconds: float = 1.0


@dataclass(frozen=True)
class SearchRequest:
    """What an algorithm needs to be built. `initial_points` are encoded, and proposed first, in order; `earlier` are
    results that an algorithm that learns begins with, the oldest first."""

    domains: Mapping[str, Domain]
    initial_points: Sequence[Mapping[str, float]]
    mode: Mode
    seed: int
    trials: int
    parallelism: int
    region: Region | None = None
    """Where constraints hold; None is everywhere."""
    earlier: Sequence[Earlier] = ()


@dataclass(frozen=True)
class ScheduleRequest:
    """What a scheduler needs to be built. `mutable` are the encoded domains that may change while a trial trains."""

    mode: Mode
    epochs: int
    mutable: Mapping[str, Domain]
    seed: int
    region: Region | None = None
    """Where constraints hold; None is everywhere."""


class _Plugin(BaseModel, ABC):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    kind: str = ""

    @classmethod
    def name(cls) -> str:
        """Give the value of `kind` that selects this class."""
        return str(cls.model_fields["kind"].default)

    @classmethod
    def about(cls) -> str:
        """Give the line that the catalog shows."""
        return (inspect.getdoc(cls) or "").splitlines()[0]


class Algorithm(_Plugin):
    """Proposes points."""

    learns: ClassVar[bool] = False
    """It proposes better points the fewer trials are live."""
    finite: ClassVar[bool] = False
    """It proposes its own number of points."""

    @property
    def inherits(self) -> bool:
        """Its trials may begin with the weights of earlier ones (`search.proposals.Child`)."""
        return False

    def problems(self, space: Space, trials: int | None) -> list[FieldProblem]:
        """Say why this space does not fit. `trials` is None when the user named no number."""
        return []

    def n_trials(self, space: Space, trials: int | None) -> int:
        """Count the trials that the job will have."""
        return trials or DEFAULT_TRIALS

    def settled(self, trials: int) -> Algorithm:
        """Write into the settings what would follow from the number of trials, so that more of them change nothing."""
        return self

    def initial_points(self, space: Space, start: Sequence[Point]) -> list[Point]:
        """List the points to propose first; `start` is what the user wants there."""
        return list(start)

    def n_random(self, trials: int) -> int:
        """Count the first trials whose points are drawn, or given, whatever has been reported."""
        return 0 if self.learns or self.finite else trials

    def search(self, request: SearchRequest) -> Any:
        """Build it, such that every trial's point satisfies the constraints."""
        built = self.build(request)
        return keep_within(built, request.region, request.seed, self.learns) if request.region else built

    @abstractmethod
    def build(self, request: SearchRequest) -> Any:
        """Build Ray Tune's SearchAlgorithm: ready for `add_configurations`, its space and metric known."""


class Scheduler(_Plugin):
    """Decides who goes on."""

    changes_parameters: ClassVar[bool] = False
    """It gives live trials other hyperparameters."""
    needs_all_trials: ClassVar[bool] = False
    """It compares cohorts that must be alive at once."""

    def problems(self, mutable: Mapping[str, Domain], trials: int, epochs: int, parallelism: int) -> list[FieldProblem]:
        """Say why these settings do not fit the job."""
        least = self.least_parallelism(trials, epochs)
        if parallelism >= least:
            return []
        message = (
            f"{self.name()} keeps {least} of {trials} trials alive at once: give at least {least}, not {parallelism}"
        )
        return [FieldProblem("parallelism", message)]

    def rungs(self, epochs: int) -> list[int]:
        """List the ages at which it decides."""
        return []

    def rung_of(self, scheduler: Any, trial: Any) -> int | None:
        """Count the rungs that a live trial has passed; None where there are none."""
        return None

    def least_parallelism(self, trials: int, epochs: int) -> int:
        """Count the trials that must be alive at once."""
        return 1

    def epochs_bought(self, trials: int, epochs: int) -> int:
        """Bound the epochs that all trials train together."""
        return trials * epochs

    @abstractmethod
    def build(self, request: ScheduleRequest) -> Any:
        """Build Ray Tune's TrialScheduler, which hears `objective` and `training_iteration`."""

    def next_milestone(self, scheduler: Any, trial: Any, epoch: int) -> int:
        """Give the age at which it next decides about `trial`, or NEVER; `epoch + 1` is always right."""
        return epoch + 1


def admit(algorithm: type[Algorithm] | Algorithm, scheduler: type[Scheduler] | Scheduler) -> str | None:
    """Say why a pair cannot work; None admits it."""
    if algorithm.learns and scheduler.changes_parameters:
        return (
            f"{algorithm.name()} learns from the parameters it proposed, and {scheduler.name()} changes them "
            "while trials run: pair it with random or grid"
        )
    return None


def resolve_parallelism(
    algorithm: Algorithm, scheduler: Scheduler, trials: int, epochs: int, wanted: int | None
) -> int:
    """Choose how many trials are live at once, never more than there are."""
    if wanted is None:
        wanted = _default_parallelism(algorithm, scheduler, trials, epochs)
    return max(1, min(wanted, trials))


def _default_parallelism(algorithm: Algorithm, scheduler: Scheduler, trials: int, epochs: int) -> int:
    if scheduler.needs_all_trials:
        return scheduler.least_parallelism(trials, epochs) if algorithm.learns else trials
    return trials // 8 if algorithm.learns else MOST_LIVE

"""A job of one trial that follows a schedule of hyperparameters: what may stand in it, and what it leaves to choose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import count, takewhile
from typing import Any

from pydantic import JsonValue

from search.budget import MOST_EPOCHS, Budget
from search.discovery import ALGORITHMS, SCHEDULERS
from search.problems import FieldProblem, join_path
from search.space import Space
from workers.body import JobSpec
from workers.body_parts import Stretch
from workers.refusals import Refusals
from workers.space_choices import SPACE, SpaceChoices
from workers.trainers.base import Trainer

LEAVES_NOTHING = (
    "space",
    "preset",
    "algorithm",
    "scheduler",
    "range_test",
    "warm_start",
    "points",
    "constraints",
    "limits",
)
"""Fields that are null or empty in such a job: there is nothing to search."""


def as_one_trial(spec: JobSpec, refusals: Refusals) -> JobSpec:
    """Give the job that a schedule means, as if all that follows from it had been said."""
    stretches = spec.schedule or []
    epochs = sum(stretch.epochs for stretch in stretches)
    for name in LEAVES_NOTHING:
        if getattr(spec, name) not in (None, []):
            refusals.add(
                "invalid-request", name, f"a job with a schedule searches nothing; {name} can only be null or empty"
            )
    if spec.budget.trials not in (None, 1):
        message = f"a job with a schedule has 1 trial, not {spec.budget.trials}"
        refusals.add("invalid-request", "budget.trials", message)
    if "epochs_per_trial" in spec.budget.model_fields_set and spec.budget.epochs_per_trial != epochs:
        message = f"{spec.budget.epochs_per_trial} is given; the schedule has {epochs} epochs"
        refusals.add("invalid-request", "budget.epochs_per_trial", message)
    if epochs > MOST_EPOCHS:
        refusals.add("invalid-request", "schedule", f"{epochs} epochs together; at most {MOST_EPOCHS}")
    budget: Budget = spec.budget.model_copy(update={"trials": 1, "epochs_per_trial": epochs})
    race = {"algorithm": ALGORITHMS["random"](), "scheduler": SCHEDULERS["fifo"]()}
    return spec.model_copy(update={"budget": budget, **race, **dict.fromkeys(("space", "preset", "range_test"))})


def choose_scheduled(spec: JobSpec, trainer: Trainer, refusals: Refusals) -> SpaceChoices | None:
    """Choose the hyperparameters of a job in which nothing is searched: those of its first stretch are fixed."""
    stretches = spec.schedule or []
    found = _fixed_problems(spec, trainer)
    if stretches and stretches[0].inherits:
        message = "the first stretch has fresh weights: only a later one can inherit"
        found.append(FieldProblem("schedule.0.inherits", message))
    if not trainer.inherits:
        message = f"the trainer {trainer.kind} has no weights to inherit; allowed: false"
        places = [place for place, stretch in enumerate(stretches) if stretch.inherits]
        found += [FieldProblem(f"schedule.{place}.inherits", message) for place in places]
    begun = 0
    for place, stretch in enumerate(stretches):
        begun = place if stretch.inherits else begun
        found += _stretch_problems(place, stretch, stretches[begun], spec, trainer)
    fixed: dict[str, Any] = {}
    if not found:
        given = {**trainer.defaults_for(spec.budget.epochs_per_trial), **spec.fixed}
        fixed = given | _whole(stretches[0].parameters)
        for place in [0, *(place for place, stretch in enumerate(stretches) if stretch.inherits)]:
            problems = trainer.joint_problems(Space({}), given | _whole(stretches[place].parameters))
            found += [at_stretch(problem, spec, place) for problem in problems]
    refusals.extend(SPACE, found)
    return None if found else SpaceChoices(fixed, Space({}), [])


def merge_alike(stretches: Sequence[Stretch]) -> list[Stretch]:
    """Make one stretch of neighbours between which nothing changes."""
    merged: list[Stretch] = []
    for stretch in stretches:
        last = merged[-1] if merged else None
        alike = last is not None and (last.trial, last.parameters) == (stretch.trial, stretch.parameters)
        if last is not None and alike and not stretch.inherits:
            merged[-1] = last.model_copy(update={"epochs": last.epochs + stretch.epochs})
        else:
            merged.append(stretch)
    return merged


def at_stretch(problem: FieldProblem, spec: JobSpec, place: int = 0) -> FieldProblem:
    """Lead a problem of a fixed value back to the stretch of the schedule where it was written."""
    head, _, name = problem.path.partition(".")
    named = _whole(spec.schedule[place].parameters) if spec.schedule else {}
    if head != "fixed" or name not in named:
        return problem
    return FieldProblem(join_path("schedule", place, "parameters", name), problem.message)


def _fixed_problems(spec: JobSpec, trainer: Trainer) -> list[FieldProblem]:
    found: list[FieldProblem | None] = []
    named = {name for stretch in spec.schedule or [] for name in _whole(stretch.parameters)}
    for name, value in spec.fixed.items():
        path = join_path("fixed", name)
        found.append(trainer.name_problem(path, name) or trainer.value_problem(path, name, value))
        if name in named:
            found.append(FieldProblem(path, f"{name} is in both fixed and schedule; it can be in one of them"))
    return [problem for problem in found if problem]


def _stretch_problems(
    place: int, stretch: Stretch, first: Stretch, spec: JobSpec, trainer: Trainer
) -> list[FieldProblem]:
    """Check one stretch: names, values, and that since `first`, where weights began, it changes only what may change
    while a trial trains."""
    path = join_path("schedule", place, "parameters")
    given, begun = _whole(stretch.parameters), _whole(first.parameters)
    found: list[FieldProblem | None] = []
    for name, value in given.items():
        where = join_path(path, name)
        found.append(trainer.name_problem(where, name) or trainer.value_problem(where, name, value))
        if name in begun and name not in trainer.mutable and value != begun[name]:
            allowed = ", ".join(sorted(trainer.mutable))
            message = f"{name} cannot change while a trial trains: it began with {begun[name]!r}; allowed: {allowed}"
            found.append(FieldProblem(where, message))
    if set(given) != set(begun):
        message = f"until one inherits, every stretch names the same: {_names(begun)}, this one {_names(given)}"
        found.append(FieldProblem(path, message))
    return [problem for problem in found if problem]


def _whole(parameters: Mapping[str, JsonValue]) -> dict[str, Any]:
    """Put units.1, units.2, ... together: the list of widths that they mean."""
    layers = list(takewhile(parameters.__contains__, (f"units.{layer}" for layer in count(1))))
    rest = {name: value for name, value in parameters.items() if name not in layers}
    return {**rest, "units": [parameters[name] for name in layers]} if layers else rest


def _names(given: Mapping[str, Any]) -> str:
    return ", ".join(sorted(given)) or "none"

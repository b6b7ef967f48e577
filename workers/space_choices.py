"""What varies in a job and what does not: preset, fixed and space become one space that its trainer can run."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from search.problems import FieldProblem, join_path
from search.space import Space
from workers.body import JobSpec
from workers.presets import PRESETS
from workers.refusals import Refusals
from workers.trainers.base import Trainer

SPACE = "invalid-space"


@dataclass(frozen=True)
class SpaceChoices:
    """`fixed` holds all hyperparameters outside the space; `mutable` those that may change while a trial trains.

    The space is under the job's constraints."""

    fixed: dict[str, Any]
    space: Space
    mutable: list[str]


def choose_space(spec: JobSpec, trainer: Trainer, refusals: Refusals) -> SpaceChoices | None:
    """Choose what varies, and note what does not fit; None where that is too much to go on."""
    before = Refusals()
    _check_names(spec, trainer, before)
    refusals.extend(SPACE, before.found.get(SPACE, []))
    preset = _find_preset(spec, trainer, refusals)
    if before or (spec.preset and not preset):
        return None
    fixed, space = _merge(spec, preset, trainer)
    found = trainer.joint_problems(space, fixed) if space.parameters else []
    found += _layer_problems(space, fixed, trainer)
    if not space.parameters:
        found.append(FieldProblem("space", "nothing varies: name at least one parameter, or leave space out"))
    if not found:
        space = space.expand_layers(trainer.layer_count, fixed)
        found = [_as_written(problem, spec) for problem in space.problems(fixed)]
    refusals.extend(SPACE, found)
    if found:
        return None
    space = space.given(fixed).with_defaults(trainer.defaults).under(spec.constraints, fixed)
    found = space.region.problems() if space.region else []
    refusals.extend(SPACE, found)
    return None if found else SpaceChoices(fixed, space, _mutable_names(space, trainer))


def _check_names(spec: JobSpec, trainer: Trainer, refusals: Refusals) -> None:
    """Check what can be said of each name by itself."""
    parameters = spec.space.parameters if spec.space else {}
    found: list[FieldProblem | None] = []
    for name, value in spec.fixed.items():
        path = join_path("fixed", name)
        found.append(trainer.name_problem(path, name) or trainer.value_problem(path, name, value))
        if name in parameters:
            found.append(FieldProblem(path, f"{name} is in both fixed and space; it can be in one of them"))
    for name, parameter in parameters.items():
        path = join_path("space", name)
        unknown = trainer.name_problem(path, name)
        if unknown:
            found.append(unknown)
            continue
        found += trainer.parameter_problems(name, parameter)
        found += parameter.problems(path)
    refusals.extend(SPACE, [problem for problem in found if problem])


def _find_preset(spec: JobSpec, trainer: Trainer, refusals: Refusals) -> str | None:
    name = spec.preset or (trainer.default_preset if spec.space is None else None)
    fitting = [preset.name for preset in PRESETS.values() if preset.trainer == trainer.kind]
    if name is None or name in fitting:
        return name
    if name in PRESETS:
        problem = f"the preset {name!r} is for the trainer {PRESETS[name].trainer}, not for {trainer.kind}."
    else:
        nearest = get_close_matches(name, fitting, n=1)
        problem = f"there is no preset {name!r}" + (f"; did you mean {nearest[0]}?" if nearest else ".")
    refusals.add(SPACE, "preset", f"{problem} Allowed: {', '.join(fitting)}")
    return None


def _merge(spec: JobSpec, preset: str | None, trainer: Trainer) -> tuple[dict[str, Any], Space]:
    """Merge by whole parameter: fixed and space win over the preset, the preset over the trainer's defaults."""
    own = dict(spec.space.parameters) if spec.space else {}
    parameters, fixed = dict(own), dict(spec.fixed)
    if preset is not None:
        ready = PRESETS[preset]
        named = {*own, *spec.fixed}
        parameters = {**{n: p for n, p in ready.space.parameters.items() if n not in named}, **own}
        fixed = {**{n: v for n, v in ready.fixed.items() if n not in named}, **fixed}
    defaults = trainer.defaults_for(spec.budget.epochs_per_trial)
    fixed = {n: v for n, v in {**defaults, **fixed}.items() if n not in parameters}
    space = _with_needs(Space(parameters), trainer)
    # What the preset alone brings gives way where the job's own wishes leave it no meaning.
    hopeless = {problem.path.split(".")[1] for problem in space.problems(fixed)} - set(own)
    if not hopeless or preset is None:
        return fixed, space
    kept = {name: parameter for name, parameter in parameters.items() if name not in hopeless}
    fixed.update({name: trainer.defaults[name] for name in hopeless})
    return fixed, _with_needs(Space(kept), trainer)


def _with_needs(space: Space, trainer: Trainer) -> Space:
    return space.with_conditions({name: trainer.needs(name) for name in space.parameters})


def _layer_problems(space: Space, fixed: Mapping[str, Any], trainer: Trainer) -> list[FieldProblem]:
    per_layer = [name for name, parameter in space.parameters.items() if getattr(parameter, "per_layer", False)]
    if not per_layer or space.most(trainer.layer_count, fixed) > 0:
        return []
    message = f"can never be active: {trainer.layer_count} is always 0"
    return [FieldProblem(join_path("space", name), f"{name} {message}") for name in per_layer]


def _as_written(problem: FieldProblem, spec: JobSpec) -> FieldProblem:
    """Lead units.2 back to the units that the user wrote."""
    written = spec.space.parameters if spec.space else {}
    head, name, *rest = re.split(r"\.", problem.path)
    if rest and rest[0].isdigit() and name in written:
        rest = rest[1:]
    return FieldProblem(join_path(head, name, *rest), problem.message)


def _mutable_names(space: Space, trainer: Trainer) -> list[str]:
    """Of what may change while training, those that decide about nothing that may not."""
    names = list(space.parameters)
    settled = [name for name in names if name.split(".")[0] not in trainer.mutable]
    deciding = {other for name in settled for other in space.depends_on(name)}
    return [name for name in names if name not in settled and name not in deciding]

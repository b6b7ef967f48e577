"""The trainer `external`: what a job may say whose trials a program of the user's trains. How it is told: `told.py`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError

from search.objective import Objective
from search.problems import FieldProblem, join_path
from search.space import Space
from workers.body import JobSpec
from workers.metric_choices import read_objectives, refuse_doubles
from workers.refusals import Refusals, validation_problems
from workers.resolved import Part
from workers.space_choices import SPACE, SpaceChoices
from workers.table_choices import TableChoices

REQUEST = "invalid-request"
MOST_NAME = 200
ABOUT = "A program of yours trains, with any code and any names: it asks for trials and tells their values."
NO_TABLE = TableChoices([], None, "", None, [], Part(train=None, validation=None, test=None, stopping=None), 1)
SAYS = frozenset(
    {
        "name",
        "labels",
        "parent",
        "trainer",
        "fixed",
        "space",
        "objective",
        "limits",
        "metrics",
        "algorithm",
        "scheduler",
        "budget",
        "max_failed_trials",
        "retries",
        "start_from_default",
        "parallelism",
        "seed",
    }
)
"""Fields that mean something for such a job; everything else is about tables and networks."""


_NAMED = TypeAdapter(dict[str, Objective])


def choose_values(spec: JobSpec, refusals: Refusals) -> tuple[SpaceChoices | None, list[Objective], list[str]]:
    """Choose the space, the objectives and the names of all values that are told, the objectives first."""
    for name in JobSpec.model_fields:
        if name in spec.model_fields_set and name not in SAYS:
            refusals.add(REQUEST, name, f"the trainer external has no {name}: leave it out")
    if spec.scheduler is not None and spec.scheduler.changes_parameters:
        message = (
            f"{spec.scheduler.kind} copies the weights of one trial into another, and those of external trials are not"
            " here: take asha, hyperband, median or fifo"
        )
        refusals.add("invalid-pair", "scheduler.kind", message)
    objectives = _choose_objectives(spec, refusals)
    return _choose_space(spec, refusals), objectives, _list_metrics(spec, objectives, refusals)


def bare_spec(spec: JobSpec) -> JobSpec:
    """Take out the defaults of what such a job does not have."""
    return spec.model_copy(update={"early_stopping": None, "ensemble": None, "contenders": 1, "dedupe": False})


def _choose_space(spec: JobSpec, refusals: Refusals) -> SpaceChoices | None:
    if spec.space is None or not spec.space.parameters:
        refusals.add(SPACE, "space", "name at least one parameter: the trainer external has no space of its own")
        return None
    parameters = spec.space.parameters
    found = [_name_problem(join_path("fixed", name), name) for name in spec.fixed]
    for name, parameter in parameters.items():
        path = join_path("space", name)
        found.append(_name_problem(path, name))
        if name in spec.fixed:
            message = f"{name} is in both fixed and space; it can be in one of them"
            found.append(FieldProblem(join_path("fixed", name), message))
        if getattr(parameter, "per_layer", False):
            message = "the trainer external knows no layers; name a parameter for each"
            found.append(FieldProblem(join_path(path, "per_layer"), message))
    problems = [problem for problem in found if problem] or spec.space.problems(spec.fixed)
    refusals.extend(SPACE, problems)
    if problems:
        return None
    return SpaceChoices(dict(spec.fixed), _filled(spec.space, spec.fixed), mutable=[])


def _filled(space: Space, fixed: Mapping[str, Any]) -> Space:
    return space.given(fixed).with_defaults({})


def _choose_objectives(spec: JobSpec, refusals: Refusals) -> list[Objective]:
    """Choose the objectives; none where one of them does not fit."""
    given, before = read_objectives(spec, refusals), len(refusals)
    if not given:
        given = {"objective": None}
    found = [_choose_objective(path, one, refusals) for path, one in given.items()]
    return [one for one in found if one] if len(refusals) == before else []


def _choose_objective(path: str, wanted: Any, refusals: Refusals) -> Objective | None:
    if not isinstance(wanted, dict):
        told = "nothing" if wanted is None else repr(wanted)
        hint = 'name the value that is told and its direction: {"name": "loss", "maximize": false}'
        refusals.add(REQUEST, path, f"{told} is given; {hint}")
        return None
    try:
        objective = _NAMED.validate_python(given := {"objective": wanted}, strict=True)["objective"]
    except ValidationError as error:
        for wrong in validation_problems(error, given):
            refusals.add(REQUEST, path + wrong.path.removeprefix("objective"), wrong.message)
        return None
    problem = _name_problem(f"{path}.name", objective.name)
    refusals.extend(REQUEST, [problem] if problem else [])
    return objective


def _list_metrics(spec: JobSpec, objectives: list[Objective], refusals: Refusals) -> list[str]:
    """List the objectives and the further values that a trial may be told with."""
    names = [objective.name for objective in objectives]
    refuse_doubles({f"objective.{place}": name for place, name in enumerate(names)}, refusals)
    for place, name in enumerate(spec.metrics or []):
        found = _name_problem(f"metrics.{place}", name)
        if found or name in names:
            refusals.extend(REQUEST, [found or FieldProblem(f"metrics.{place}", f"{name!r} is named twice")])
        names.append(name)
    limited = {f"limits.{place}.metric": limit.metric for place, limit in enumerate(spec.limits)}
    refuse_doubles(limited, refusals)
    wrong = [_name_problem(path, name) for path, name in limited.items()]
    refusals.extend(REQUEST, [problem for problem in wrong if problem])
    return list(dict.fromkeys([*names, *limited.values()]))


def _name_problem(path: str, name: str) -> FieldProblem | None:
    if 0 < len(name) <= MOST_NAME:
        return None
    return FieldProblem(path, f"a name has 1 to {MOST_NAME} characters; this one has {len(name)}")

"""From the objective and the metrics that a job asks for to those that it computes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from models.lanes import Task
from models.schema import TableSchema
from models.scores import DEFAULTS, FACTS, SCORES, Score, find_score, scores_for
from search.aims import MOST_OBJECTIVES
from search.objective import Objective
from workers.body import JobSpec
from workers.refusals import Refusals
from workers.table_choices import TableChoices

REQUEST, DATA = "invalid-request", "invalid-data"


@dataclass(frozen=True)
class _Wish:
    """A metric by name, where it was asked for. `decides`: trials are compared by it, so each has to have it."""

    path: str
    name: str
    decides: bool = True
    may_be_fact: bool = True


def choose_metrics(
    spec: JobSpec, table: TableChoices, schema: TableSchema, bare: list[str], refusals: Refusals
) -> tuple[list[Objective], list[str]]:
    """Choose the objectives and list all metrics to compute: the first objective first, facts of the network last.
    Note what does not fit.

    `bare` names the losses of the job that leave a trial without probabilities.
    """
    given, before = read_objectives(spec, refusals), len(refusals)
    if any(isinstance(one, dict) for one in given.values()):
        refusals.add(REQUEST, "objective", "a name is expected: the direction of every metric of a table is known")
        return [], []
    wishes = [
        *(_Wish(path, name, may_be_fact=place > 0) for place, (path, name) in enumerate(given.items())),
        *(_Wish(f"metrics.{place}", name, decides=False) for place, name in enumerate(spec.metrics or [])),
        *(_Wish(f"limits.{place}.metric", limit.metric) for place, limit in enumerate(spec.limits)),
    ]
    for field in ("objective", "metrics", "limits"):
        refuse_doubles({wish.path: wish.name for wish in wishes if wish.path.startswith(field)}, refusals)
    watched = spec.early_stopping.metric if spec.early_stopping else None
    if watched is not None:
        wishes.append(_Wish("early_stopping.metric", watched, may_be_fact=False))
    found = [score for wish in wishes if (score := _find(wish, table, schema, refusals))]
    if table.task is None or len(refusals) > before:
        return [], []
    if _refuse_open(wishes, table.task, bare, refusals):
        return [], []
    defaults = DEFAULTS[table.task]
    fitting = [score for name in defaults if (score := find_score(name)) and not _is_open(score, bare)]
    objectives = found[: len(given)] or fitting[:1]
    names = dict.fromkeys([objectives[0].name, *defaults, *(score.name for score in found)])
    computed = sorted(names, key=FACTS.__contains__)
    return [Objective(name=score.name, maximize=score.maximize) for score in objectives], computed


def read_objectives(spec: JobSpec, refusals: Refusals) -> dict[str, Any]:
    """List the objectives that a job names, by path; none where it names none."""
    if not isinstance(spec.objective, list):
        return {} if spec.objective is None else {"objective": spec.objective}
    if not 1 <= len(spec.objective) <= MOST_OBJECTIVES:
        message = f"{len(spec.objective)} are given; allowed: 1 to {MOST_OBJECTIVES}"
        refusals.add(REQUEST, "objective", message)
        return {}
    return {f"objective.{place}": one for place, one in enumerate(spec.objective)}


def refuse_doubles(named: Mapping[str, str], refusals: Refusals) -> None:
    """Refuse a name that stands at two paths."""
    known: set[str] = set()
    for path, name in named.items():
        if name in known:
            refusals.add(REQUEST, path, f"{name!r} is named twice")
        known.add(name)


def fit_to_aims(spec: JobSpec, refusals: Refusals) -> JobSpec:
    """Refuse what a job with several objectives or with limits cannot have; give it without the defaults of that."""
    several = isinstance(spec.objective, list) and len(spec.objective) > 1
    if several:
        for name in ("stop_at", "patience_trials", "min_improvement"):
            if name in spec.budget.model_fields_set and getattr(spec.budget, name):
                message = "asks for one number, and there are several objectives: end it by trials or seconds, or set"
                refusals.add(REQUEST, f"budget.{name}", f"{message} limits on them")
        if "keep_models" in spec.model_fields_set:
            message = "with several objectives the models of the whole front are kept: leave it out"
            refusals.add(REQUEST, "keep_models", message)
    if not several and not spec.limits:
        return spec
    if spec.ensemble is not None and "ensemble" in spec.model_fields_set:
        message = "an average of networks is one objective better and as large as all of them together"
        refusals.add(REQUEST, "ensemble", f"{message}: null, with several objectives or limits")
    if any(point.objective is not None for point in spec.points):
        refusals.add(REQUEST, "points", _ONE_NUMBER.format("leave objective out of the points"))
    if spec.warm_start is not None and spec.warm_start.results:
        refusals.add(REQUEST, "warm_start.results", _ONE_NUMBER.format("false takes their best points only"))
    return spec.model_copy(update={"ensemble": None})


_ONE_NUMBER = "an earlier result is one number, and here several objectives or limits decide: {}"


def _refuse_open(wishes: list[_Wish], task: Task, bare: list[str], refusals: Refusals) -> bool:
    """Refuse what decides about trials and what some of them would not have."""
    allowed = [score.name for score in scores_for(task) if not _is_open(score, bare)]
    refused = [wish for wish in wishes if wish.decides and wish.name not in [*allowed, *FACTS]]
    for wish in refused:
        reason = f"needs probabilities, and the loss {bare[0]} gives none"
        refusals.add(REQUEST, wish.path, f"{wish.name!r} {reason}; allowed: {', '.join(allowed)}")
    return bool(refused)


def _is_open(score: Score, bare: list[str]) -> bool:
    """Tell whether some trial could not have this metric."""
    return bool(bare) and score.needs == "probabilities"


def _find(wish: _Wish, table: TableChoices, schema: TableSchema, refusals: Refusals) -> Score | None:
    """Find a metric that can be computed for these targets, or say why there is none."""
    path, name, fitting = wish.path, wish.name, scores_for(table.task) if table.task else SCORES
    if name in FACTS and wish.may_be_fact:
        return Score(name, (), maximize=False, about=FACTS[name])
    if name in FACTS:
        message = f"{name} is the same at every epoch: it can be a further objective or a limit, and nothing is learned"
        refusals.add(REQUEST, path, f"{message} by it")
        return None
    score = find_score(name)
    if score is None or score not in fitting:
        allowed = [other.name for other in fitting] + (list(FACTS) if wish.may_be_fact else [])
        refusals.add(REQUEST, path, _unknown(name, table.task, allowed))
        return None
    problem = _undefined(score, table.targets, schema)
    if problem is not None:
        refusals.add(DATA, path, f"{name} {problem}")
        return None
    return score


def _unknown(name: str, task: Task | None, fitting: list[str]) -> str:
    nearest = get_close_matches(name.removeprefix("neg_"), fitting, n=1)
    hint = f"did you mean {nearest[0]}? " if nearest else ""
    of_task = f" of {task}" if task else ""
    return f"{name!r} is no metric{of_task}; {hint}allowed: {', '.join(fitting)}"


def _undefined(score: Score, targets: list[str], schema: TableSchema) -> str | None:
    """Say why a metric has no value for these targets."""
    if score.one_target and len(targets) > 1:
        return f"takes one target, {len(targets)} were given"
    for column in map(schema.column, targets):
        if column is None or not isinstance(column.minimum, int | float):
            continue
        if score.above is not None and column.minimum <= score.above:
            return f"needs targets above {score.above:g}; {column.name!r} goes down to {column.minimum:g}"
        if score.least is not None and column.minimum < score.least:
            return f"needs targets of at least {score.least:g}; {column.name!r} goes down to {column.minimum:g}"
    return None

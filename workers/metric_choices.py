"""From the objective and the metrics that a job asks for to those that it computes."""

from __future__ import annotations

from difflib import get_close_matches

from models.lanes import Task
from models.schema import TableSchema
from models.scores import DEFAULTS, SCORES, Score, find_score, scores_for
from search.objective import Objective
from workers.body import JobSpec
from workers.refusals import Refusals
from workers.table_choices import TableChoices

REQUEST, DATA = "invalid-request", "invalid-data"


def choose_metrics(
    spec: JobSpec, table: TableChoices, schema: TableSchema, bare: list[str], refusals: Refusals
) -> tuple[Objective | None, list[str]]:
    """Choose the objective and list all metrics to compute, the objective first; note what does not fit.

    `bare` names the losses of the job that leave a trial without probabilities.
    """
    wanted = spec.objective[0] if isinstance(spec.objective, list) else spec.objective
    names = spec.metrics or []
    named = [("objective", wanted)] if wanted is not None else []
    for place, name in enumerate(names):
        if name in names[:place]:
            refusals.add(REQUEST, f"metrics.{place}", f"{name!r} is named twice")
        else:
            named.append((f"metrics.{place}", name))
    watched = spec.early_stopping.metric if spec.early_stopping else None
    if watched is not None:
        named.append(("early_stopping.metric", watched))
    found = [score for path, name in named if (score := _find(path, name, table, schema, refusals))]
    if table.task is None or len(found) < len(named):
        return None, []
    defaults = DEFAULTS[table.task]
    fitting = [score for name in defaults if (score := find_score(name)) and not _is_open(score, bare)]
    objective = found[0] if wanted is not None else fitting[0]
    deciding = {"objective": objective.name} | ({"early_stopping.metric": watched} if watched else {})
    allowed = [score.name for score in scores_for(table.task) if not _is_open(score, bare)]
    refused = {path: name for path, name in deciding.items() if name not in allowed}
    for path, name in refused.items():
        reason = f"needs probabilities, and the loss {bare[0]} gives none"
        refusals.add(REQUEST, path, f"{name!r} {reason}; allowed: {', '.join(allowed)}")
    if refused:
        return None, []
    computed = dict.fromkeys([objective.name, *defaults, *(score.name for score in found)])
    return Objective(name=objective.name, maximize=objective.maximize), list(computed)


def _is_open(score: Score, bare: list[str]) -> bool:
    """Tell whether some trial could not have this metric."""
    return bool(bare) and score.needs == "probabilities"


def _find(path: str, name: str, table: TableChoices, schema: TableSchema, refusals: Refusals) -> Score | None:
    """Find a metric that can be computed for these targets, or say why there is none."""
    score = find_score(name)
    fitting = scores_for(table.task) if table.task else SCORES
    if score not in fitting:
        refusals.add(REQUEST, path, _unknown(name, table.task, [other.name for other in fitting]))
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

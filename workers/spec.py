"""From a job as asked for to a job with every choice made, or a refusal that names the fields. No ray, no torch.

The body is `workers/body.py`, the result `workers/resolved.py`; what may be said about a running job is not here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from models.lanes import Task
from models.schema import TableSchema, is_folded
from models.scores import SCORES, find_score, scores_for
from search.budget import Budget
from search.discovery import ALGORITHMS, SCHEDULERS
from search.objective import Objective
from search.plugins import Algorithm, Scheduler, admit, resolve_parallelism
from search.problems import FieldProblem
from workers.body import MOST_LANES_PER_TRIAL, JobSpec
from workers.refusals import Refusals, SpecError, read_spec, validation_problems
from workers.resolved import ResolvedJob
from workers.space_choices import SpaceChoices, choose_space
from workers.table_choices import TableChoices, choose_from_table, choose_task
from workers.trainers import TRAINERS

__all__ = [
    "FieldProblem",
    "JobSpec",
    "ResolvedJob",
    "SpecError",
    "choose_task",
    "preview",
    "read_spec",
    "resolve",
    "validation_problems",
]

REQUEST = "invalid-request"


@dataclass(frozen=True)
class _Race:
    """Who proposes, who goes on, and how many at once."""

    algorithm: Algorithm
    scheduler: Scheduler
    trials: int
    parallelism: int


def resolve(spec: JobSpec, schema: TableSchema, default_target: Sequence[str] | None = None) -> ResolvedJob:
    """Make every choice that a job leaves open. `default_target` is what a bundled set predicts.

    Raises: SpecError with all problems that could be found at once.
    """
    refuse_not_yet(spec)
    refusals = Refusals()
    table = choose_from_table(spec, schema, default_target, refusals)
    objective = _choose_objective(spec, table.task, refusals)
    _check_watch(spec, table.task, refusals)
    trainer = TRAINERS[spec.trainer]
    space = choose_space(spec, trainer, refusals)
    race = _choose_race(spec, space, refusals)
    if table.folds * spec.repeats > MOST_LANES_PER_TRIAL:
        message = f"{spec.repeats} repeats of {table.folds} folds; at most {MOST_LANES_PER_TRIAL} lanes make a trial"
        refusals.add(REQUEST, "repeats", message)
    refusals.raise_any()
    if space is None or objective is None or race is None:
        raise AssertionError("a choice is missing without a refusal")
    return _assemble(spec, table, objective, space, race)


def refuse_not_yet(spec: JobSpec) -> None:
    """Refuse what the format knows but nothing here can do yet.

    Raises: SpecError with the code not-yet.
    """
    several = isinstance(spec.objective, list) and len(spec.objective) != 1
    wanted = {
        "task": ("multilabel", spec.task == "multilabel"),
        "trainer": (f"trainer {spec.trainer}", spec.trainer not in TRAINERS),
        "objective": ("other than one objective", several),
    }
    problems = [FieldProblem(path, f"not yet: {what}") for path, (what, is_wanted) in wanted.items() if is_wanted]
    if problems:
        raise SpecError(problems, "not-yet")


def preview(job: ResolvedJob) -> dict[str, Any]:
    """Say what a job will do and what its budget buys. `epochs_bought` is an upper bound."""
    return {
        "task": job.task,
        "task_reason": job.task_reason,
        "targets": job.targets,
        "classes": job.classes,
        "features": [feature.model_dump() for feature in job.features],
        "rows": job.rows.model_dump(),
        "objective": job.objective.model_dump(),
        "metrics": job.metrics,
        "algorithm": job.algorithm.kind,
        "scheduler": job.scheduler.kind,
        "trials": job.trials,
        "lanes": job.trials * job.lanes_per_trial,
        "lanes_per_trial": job.lanes_per_trial,
        "parallelism": job.parallelism,
        "epochs_per_trial": job.epochs,
        "rungs": job.scheduler.rungs(job.epochs),
        "epochs_bought": job.scheduler.epochs_bought(job.trials, job.epochs),
        "parameters": list(job.space.parameters),
        "default_point": job.space.default_point(),
    }


def _choose_objective(spec: JobSpec, task: Task | None, refusals: Refusals) -> Objective | None:
    wanted = spec.objective[0] if isinstance(spec.objective, list) else spec.objective
    fitting = scores_for(task) if task else SCORES
    score = find_score(wanted) if wanted is not None else fitting[0]
    if score in fitting:
        return Objective(name=score.name, maximize=score.maximize)
    allowed = ", ".join(other.name for other in fitting)
    of_task = f" of {task}" if task else ""
    refusals.add(REQUEST, "objective", f"{wanted!r} is no metric{of_task}; allowed: {allowed}")
    return None


def _check_watch(spec: JobSpec, task: Task | None, refusals: Refusals) -> None:
    wanted = spec.early_stopping.metric if spec.early_stopping else None
    fitting = [score.name for score in (scores_for(task) if task else SCORES)]
    if wanted is not None and wanted not in fitting:
        of_task = f" of {task}" if task else ""
        message = f"{wanted!r} is no metric{of_task}; allowed: {', '.join(fitting)}"
        refusals.add(REQUEST, "early_stopping.metric", message)


def _choose_race(spec: JobSpec, space: SpaceChoices | None, refusals: Refusals) -> _Race | None:
    scheduler = spec.scheduler or SCHEDULERS["asha"]()
    algorithm = spec.algorithm or _default_algorithm(scheduler)
    reason = admit(algorithm, scheduler)
    if reason is not None:
        refusals.add("invalid-pair", "algorithm.kind", reason)
    if space is None:
        return None
    found = algorithm.problems(space.space, spec.budget.trials)
    if not found:
        trials = algorithm.n_trials(space.space, spec.budget.trials)
        race = _Race(algorithm, scheduler, trials, _parallelism(spec, algorithm, scheduler, trials))
        domains = space.space.domains()
        mutable = {name: domains[name] for name in space.mutable}
        found = scheduler.problems(mutable, trials, spec.budget.epochs_per_trial, race.parallelism)
    for problem in found:
        refusals.extend("invalid-space" if problem.path.startswith("space") else REQUEST, [problem])
    return None if found else race


def _default_algorithm(scheduler: Scheduler) -> Algorithm:
    preferred = ALGORITHMS["hyperopt"]()
    return preferred if admit(preferred, scheduler) is None else ALGORITHMS["random"]()


def _parallelism(spec: JobSpec, algorithm: Algorithm, scheduler: Scheduler, trials: int) -> int:
    return resolve_parallelism(algorithm, scheduler, trials, spec.budget.epochs_per_trial, spec.parallelism)


def _assemble(
    spec: JobSpec, table: TableChoices, objective: Objective, space: SpaceChoices, race: _Race
) -> ResolvedJob:
    """Put the choices together; a task is chosen, or there were refusals."""
    if table.task is None:
        raise AssertionError("a task is missing without a refusal")
    others = [score.name for score in scores_for(table.task) if score.name != objective.name]
    budget: Budget = spec.budget.model_copy(update={"trials": race.trials})
    return ResolvedJob(
        name=spec.name,
        labels=spec.labels,
        dataset=spec.dataset,
        targets=table.targets,
        features=table.features,
        task=table.task,
        task_reason=table.task_reason,
        classes=table.classes,
        split=spec.split,
        rows=table.rows,
        trainer="mlp",
        fixed=space.fixed,
        space=space.space,
        mutable=space.mutable,
        objective=objective,
        metrics=[objective.name, *others],
        algorithm=race.algorithm,
        scheduler=race.scheduler,
        budget=budget,
        trials=race.trials,
        parallelism=race.parallelism,
        early_stopping=spec.early_stopping,
        start_from_default=spec.start_from_default,
        keep_models=spec.keep_models,
        seed=spec.seed,
        folds=table.folds,
        repeats=spec.repeats,
        refit=is_folded(spec.split) if spec.refit is None else spec.refit,
    )

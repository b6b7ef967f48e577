"""From a job as asked for to a job with every choice made, or a refusal that names the fields. No ray, no torch.

The body is `workers/body.py`, the result `workers/resolved.py`; what may be said about a running job is not here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from models.schema import TableSchema, is_folded
from search.budget import Budget
from search.discovery import ALGORITHMS, SCHEDULERS
from search.objective import Objective
from search.plugins import Algorithm, Scheduler, admit, resolve_parallelism
from search.problems import FieldProblem
from workers.body import MOST_LANES_PER_TRIAL, JobSpec
from workers.metric_choices import choose_metrics
from workers.range_test import range_problems
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
    trainer = TRAINERS[spec.trainer]
    space = choose_space(spec, trainer, refusals)
    bare = trainer.without_probabilities(space.space, space.fixed) if space else []
    objective, metrics = choose_metrics(spec, table, schema, bare, refusals)
    if space is not None and table.task is not None:
        targets = [column for name in table.targets if (column := schema.column(name))]
        refusals.extend("invalid-space", trainer.task_problems(table.task, targets, space.space, space.fixed))
    race = _choose_race(spec, space, refusals)
    if table.folds * spec.repeats > MOST_LANES_PER_TRIAL:
        message = f"{spec.repeats} repeats of {table.folds} folds; at most {MOST_LANES_PER_TRIAL} lanes make a trial"
        refusals.add(REQUEST, "repeats", message)
    if spec.range_test is not None and space is not None:
        refusals.extend(REQUEST, range_problems(spec.range_test, space.space))
    _check_ensemble(spec, table, refusals)
    refusals.raise_any()
    if space is None or objective is None or race is None:
        raise AssertionError("a choice is missing without a refusal")
    return _assemble(spec, table, objective, metrics, space, race)


def refuse_not_yet(spec: JobSpec) -> None:
    """Refuse what the format knows but nothing here can do yet.

    Raises: SpecError with the code not-yet.
    """
    several = isinstance(spec.objective, list) and len(spec.objective) != 1
    wanted = {
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
        "range_test": job.range_test.model_dump() if job.range_test else None,
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


def _refits(spec: JobSpec) -> bool:
    return is_folded(spec.split) if spec.refit is None else spec.refit


def _has_contenders(spec: JobSpec, table: TableChoices) -> bool:
    """Tell whether trials keep networks that can be compared and averaged: each has one, and none is trained again."""
    return table.folds * spec.repeats == 1 and not _refits(spec)


def _check_ensemble(spec: JobSpec, table: TableChoices, refusals: Refusals) -> None:
    if spec.ensemble is None:
        return
    if not _has_contenders(spec, table):
        if "ensemble" in spec.model_fields_set:
            refusals.add("not-yet", "ensemble", "not yet with folds, repeats or refit; allowed: null")
        return
    if spec.contenders < 2:
        message = "1 is given; an ensemble needs at least 2 to choose from (or set ensemble to null)"
        refusals.add(REQUEST, "contenders", message)
    if spec.ensemble.start > spec.ensemble.size:
        message = f"{spec.ensemble.start} is given; allowed: at most size, {spec.ensemble.size}"
        refusals.add(REQUEST, "ensemble.start", message)


def _default_algorithm(scheduler: Scheduler) -> Algorithm:
    preferred = ALGORITHMS["hyperopt"]()
    return preferred if admit(preferred, scheduler) is None else ALGORITHMS["random"]()


def _parallelism(spec: JobSpec, algorithm: Algorithm, scheduler: Scheduler, trials: int) -> int:
    return resolve_parallelism(algorithm, scheduler, trials, spec.budget.epochs_per_trial, spec.parallelism)


def _assemble(
    spec: JobSpec,
    table: TableChoices,
    objective: Objective,
    metrics: list[str],
    space: SpaceChoices,
    race: _Race,
) -> ResolvedJob:
    """Put the choices together; a task is chosen, or there were refusals."""
    if table.task is None:
        raise AssertionError("a task is missing without a refusal")
    has_contenders = _has_contenders(spec, table)
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
        metrics=metrics,
        algorithm=race.algorithm,
        scheduler=race.scheduler,
        range_test=spec.range_test,
        budget=budget,
        trials=race.trials,
        parallelism=race.parallelism,
        early_stopping=spec.early_stopping,
        start_from_default=spec.start_from_default,
        keep_models=spec.keep_models,
        contenders=spec.contenders if has_contenders else 1,
        ensemble=spec.ensemble if has_contenders else None,
        seed=spec.seed,
        folds=table.folds,
        repeats=spec.repeats,
        refit=_refits(spec),
    )
